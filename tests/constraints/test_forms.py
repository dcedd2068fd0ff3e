"""Constraints as users give them: three forms, and what is wrong with others."""

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
from problems import suzuki, suzuki_rows, suzuki_slopes
from scipy.optimize import LinearConstraint, NonlinearConstraint, OptimizeWarning

from smoothmin import LBFGS, Optimizer, minimize

X0 = np.zeros(4)


def forms():
    def row(x, k):
        return suzuki_rows(x)[k]

    def slopes(x, k):
        return suzuki_slopes(x)[k]

    return {
        "object": NonlinearConstraint(suzuki_rows, 0, np.inf, jac=suzuki_slopes),
        "dict": {"type": "ineq", "fun": suzuki_rows, "jac": suzuki_slopes},
        "args": [{"type": "ineq", "fun": row, "jac": slopes, "args": (k,)} for k in range(3)],
        "tuple": ({"type": "INEQ", "fun": suzuki_rows},),
        "sparse": NonlinearConstraint(
            suzuki_rows, 0, np.inf, jac=lambda x: scipy.sparse.csr_array(suzuki_slopes(x))
        ),
        "scheme": NonlinearConstraint(suzuki_rows, 0, np.inf, jac="3-point"),
        "complex step": NonlinearConstraint(suzuki_rows, 0, np.inf, jac="cs"),
        "two sides": NonlinearConstraint(lambda x: -suzuki_rows(x), [-100] * 3, 0),
    }


@pytest.mark.parametrize("form", forms())
def test_all_forms_have_one_result(form):
    res = minimize(suzuki, X0, jac=True, constraints=forms()[form], rng=0)
    assert res.success
    assert res.fun == pytest.approx(-44, abs=1e-6)
    assert np.abs(res.x - [0, 1, 2, -1]).max() < 1e-3
    found = np.concatenate(res.multipliers)
    sign = -1 if form == "two sides" else 1
    assert np.abs(sign * found - [1, 0, 2]).max() < 1e-3


@pytest.mark.parametrize("empty", [(), [], {}, None])
def test_none_are_none(empty):
    res = minimize(lambda x: (x @ x, 2 * x), [1.0, 2.0], jac=True, constraints=empty)
    assert res.success
    assert "multipliers" not in res


def linear(matrix=((1.0, 1.0),), lower=0.0, upper=1.0):
    return LinearConstraint(np.array(matrix), lower, upper)


BAD = {
    "type": ({"type": "leq", "fun": np.sum}, ValueError, "type"),
    "no type": ({"fun": np.sum}, ValueError, "type"),
    "no fun": ({"type": "eq"}, ValueError, "fun is missing"),
    "fun": ({"type": "eq", "fun": 3}, TypeError, "fun must be callable"),
    "jac": ({"type": "eq", "fun": np.sum, "jac": "4-point"}, ValueError, "jac must be"),
    "lb > ub": (NonlinearConstraint(np.sum, 1, 0), ValueError, "lb must not be above ub"),
    "lb NaN": (NonlinearConstraint(np.sum, np.nan, 0), ValueError, "NaN"),
    "ub NaN": (linear(upper=np.nan), ValueError, "NaN"),
    "A NaN": (linear([[np.nan, 1.0]]), ValueError, "A must be finite"),
    "columns": (linear(np.ones((1, 5))), ValueError, "2 columns"),
    "sparse": (LinearConstraint(scipy.sparse.eye_array(3), 0, 1), ValueError, "2 columns"),
    "linear lb > ub": (linear(lower=2.0), ValueError, "lb must not be above ub"),
    "no room": (linear(lower=np.inf, upper=np.inf), ValueError, "finite"),
    "number": (7, TypeError, "LinearConstraint"),
    "text": ("x[0] > 1", TypeError, "LinearConstraint"),
    "function": (np.sum, TypeError, "LinearConstraint"),
}


def never(x):
    raise AssertionError("was evaluated")


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("method", [None, "lbfgs"])
def test_what_is_wrong_is_said_before_any_evaluation(case, method):
    constraint, error, message = BAD[case]
    with pytest.raises(error, match=message):
        minimize(never, [1.0, 2.0], method=method, constraints=constraint)
    with pytest.raises(error, match=r"constraints\[1\]"):
        minimize(never, [1.0, 2.0], constraints=[linear(), constraint])


def test_a_list_is_no_item_of_a_list():
    with pytest.raises(TypeError, match=r"constraints\[0\]"):
        minimize(never, [1.0, 2.0], constraints=[[linear()]])


def test_a_key_that_means_nothing_is_warned_of():
    constraint = {"type": "ineq", "fun": lambda x: x[0], "jacobian": None}
    with pytest.warns(OptimizeWarning, match="jacobian"):
        minimize(lambda x: x @ x, [1.0, 2.0], constraints=constraint, options={"maxfev": 5})


@pytest.mark.parametrize("ctol", [-1.0, np.nan, [1e-6], [1e-6, 1e-6, 1e-6], "small"])
def test_bad_tolerances_are_refused(ctol):
    with pytest.raises((TypeError, ValueError), match="ctol"):
        minimize(never, [1.0, 2.0], constraints=[linear()] * 2, options={"ctol": ctol})


def rows_that_change(x):
    return np.ones((2 if np.all(x[0] == 1) else 3, *x.shape[1:]))


AFTERWARDS = {
    "rows": (NonlinearConstraint(rows_that_change, 0, 2), ValueError, "as many values"),
    "complex": (NonlinearConstraint(lambda x: x[0] + 1j, 0, 2), TypeError, "real numbers"),
    "None": (NonlinearConstraint(lambda x: None, 0, 2), TypeError, "real numbers"),
    "bounds": (NonlinearConstraint(lambda x: x[:1], [0, 0, 0, 0], 9), ValueError, "do not fit"),
    "jac": (
        NonlinearConstraint(lambda x: x, 0, 2, jac=lambda x: np.ones((3, 2))),
        ValueError,
        "Jacobian",
    ),
}


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("case", AFTERWARDS)
def test_what_constraints_should_not_return(case, vectorized):
    constraint, error, message = AFTERWARDS[case]

    def fun(x):
        return np.sum(x**2, axis=0), 2 * x

    with pytest.raises(error, match=message):
        minimize(fun, [1.0, 2.0], jac=True, constraints=[constraint], vectorized=vectorized)


def test_scipy_calls_methods_with_constraints():
    constraint = forms()["dict"]
    method = LBFGS()
    res = scipy.optimize.minimize(
        suzuki, X0, jac=True, method=method, constraints=constraint, options={"rng": 0}
    )
    ours = minimize(suzuki, X0, jac=True, method=method, constraints=constraint, rng=0)
    assert res.fun == ours.fun
    assert res.fun == pytest.approx(-44, abs=1e-3)


def test_x0_may_have_any_shape():
    def fun(x):
        return suzuki(x.ravel())[0], suzuki(x.ravel())[1].reshape(2, 2)

    row = LinearConstraint([[1.0, 0, 0, 0]], -5, 5)
    rows = NonlinearConstraint(
        lambda x: suzuki_rows(x.ravel()), 0, np.inf, jac=lambda x: suzuki_slopes(x.ravel())
    )
    res = minimize(fun, X0.reshape(2, 2), jac=True, constraints=[row, rows], rng=0)
    assert res.x.shape == (2, 2)
    assert res.fun == pytest.approx(-44, abs=1e-6)


def test_an_optimizer_refuses_what_minimize_does():
    with pytest.raises(ValueError, match="2 columns"):
        Optimizer([1.0, 2.0], constraints=BAD["columns"][0])


def test_x0_may_be_blocks():
    def flat(x):
        return np.concatenate([x["a"], np.ravel(x["b"])])

    rows = NonlinearConstraint(
        lambda x: suzuki_rows(flat(x)), 0, np.inf, jac=lambda x: suzuki_slopes(flat(x))
    )
    res = minimize(
        lambda x: suzuki(flat(x))[0],
        {"a": np.zeros(3), "b": 0.0},
        constraints=rows,
        rng=0,
        method="bfgs",
    )
    assert res.fun == pytest.approx(-44, abs=1e-3)
    assert set(res.bound_multipliers) == {"a", "b"}
