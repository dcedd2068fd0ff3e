"""The front end against its contract: signature, start, function, gradient."""

import inspect

import numpy as np
import pytest
import scipy.optimize
from numpy.testing import assert_allclose, assert_array_equal
from quadratic import X0, both, quadratic, quadratic_grad
from scipy.optimize import rosen, rosen_der

from smoothmin import minimize
from smoothmin._registry import METHODS

# every method is tried with the same arguments
pytestmark = pytest.mark.filterwarnings("ignore:.*takes values alone. the gradient:RuntimeWarning")

# signature


def test_the_signature_begins_as_scipys_does():
    ours = list(inspect.signature(minimize).parameters.values())
    theirs = list(inspect.signature(scipy.optimize.minimize).parameters)
    assert [p.name for p in ours[:12]] == theirs[:12]
    assert [p.name for p in ours[12:]] == ["integrality", "rng", "workers", "vectorized"]
    assert all(p.kind is p.KEYWORD_ONLY for p in ours[12:])


def test_a_scipy_call_by_position_works():
    res = minimize(quadratic, X0, (), "bfgs", quadratic_grad)
    assert res.success
    assert_allclose(res.x, 1, atol=1e-6)


def test_the_default_method_depends_on_the_gradient_and_is_named():
    assert minimize(both, X0, jac=True).method == "gradient-sampling"
    assert minimize(quadratic, X0, jac="3-point").method == "gradient-sampling"
    assert minimize(quadratic, X0, options={"maxfev": 30}, rng=0).method == "derivative-free"


def test_fun_must_be_callable():
    with pytest.raises(TypeError, match="fun must be callable, got 3"):
        minimize(3, X0)


# x0


@pytest.mark.parametrize("x0", [3, 3.0, [3], (3.0,), np.array(3), np.array([3])])
def test_a_start_may_be_a_scalar_or_integer(x0):
    seen = []

    def fun(x):
        seen.append(x)
        return (x[0] - 0.5) ** 2

    res = minimize(fun, x0, method="bfgs")
    assert all(x.shape == (1,) and x.dtype == np.float64 for x in seen)
    assert res.x.shape == (1,)
    assert_allclose(res.x, 0.5, atol=1e-6)


def test_a_start_of_more_dimensions_keeps_its_shape():
    x0 = np.arange(6).reshape(2, 3)
    shapes = set()

    def fun(x):
        shapes.add(x.shape)
        return quadratic(x), quadratic_grad(x)

    points = []
    res = minimize(fun, x0, jac=True, method="lbfgs", callback=points.append)
    assert shapes == {(2, 3)}
    assert res.x.shape == res.jac.shape == (2, 3)
    assert all(x.shape == (2, 3) for x in points)
    assert_allclose(res.x, 1, atol=1e-6)


def test_a_gradient_may_be_flat_or_a_list_where_x_is_not():
    x0 = np.zeros((2, 2))
    flat = minimize(quadratic, x0, jac=lambda x: quadratic_grad(x).ravel(), method="bfgs")
    listed = minimize(quadratic, x0, jac=lambda x: quadratic_grad(x).tolist(), method="bfgs")
    assert_array_equal(flat.x, listed.x)
    column = minimize(both, [0.0, 0.0], jac=True, method="bfgs")
    assert_allclose(column.x, 1, atol=1e-6)


@pytest.mark.parametrize("x0", [np.array([3, 2]), np.array([3.0, 2.0])])
def test_the_start_is_not_changed_even_by_a_fun_that_changes_its_argument(x0):
    kept = x0.copy()

    def fun(x):
        value = quadratic(x)
        x[:] = np.nan
        return value

    res = minimize(fun, x0, method="bfgs")
    assert_array_equal(x0, kept)
    assert_allclose(res.x, 1, atol=1e-5)


def test_arrays_that_fun_keeps_stay_as_they_were():
    kept, copies = [], []

    def fun(x):
        kept.append(x)
        copies.append(x.copy())
        return both(x)

    minimize(fun, X0, jac=True, method="lbfgs")
    assert_array_equal(kept, copies)


@pytest.mark.parametrize(
    ("x0", "error"),
    [
        ([], ValueError),
        ([np.nan, 1], ValueError),
        ([np.inf], ValueError),
        ([1j], TypeError),
        (["1"], TypeError),
        (None, TypeError),
        ([[1, 2], [3]], TypeError),
    ],
)
def test_a_bad_start_is_refused(x0, error):
    with pytest.raises(error, match="x0 must"):
        minimize(quadratic, x0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("jac", [lambda x: 2 * (x[0] - 0.5), lambda x: 2 * (x - 0.5)])
def test_one_variable_may_have_a_number_for_a_gradient(method, jac):
    options = {"maxfev": 300}
    res = minimize(lambda x: (x[0] - 0.5) ** 2, 3, jac=jac, method=method, options=options, rng=0)
    atol = 1e-6
    assert_allclose(res.x, 0.5, atol=atol)
    res = minimize(lambda x: (x[0] ** 2, 2 * x[0]), 3, jac=True, method=method, options=options)
    assert_allclose(res.x, 0, atol=atol)


# args and outputs of fun


@pytest.mark.parametrize("args", [(2.0,), 2.0, (2.0, 3.0), [2.0, 3.0]])
def test_args_reach_fun_and_jac(args):
    given = args if isinstance(args, tuple) else (args,)

    def fun(x, *more):
        assert more == given
        return quadratic(x)

    def jac(x, *more):
        assert more == given
        return quadratic_grad(x)

    assert minimize(fun, X0, args, jac=jac, method="bfgs").success
    assert minimize(fun, X0, args, method="bfgs").success


@pytest.mark.parametrize(
    "kind",
    [
        float,
        np.float64,
        np.float32,
        np.array,
        lambda v: np.array([v]),
        lambda v: np.array([[v]]),
        lambda v: [v],
    ],
)
@pytest.mark.parametrize("jac", [True, quadratic_grad, None])
def test_values_may_be_numbers_or_arrays_of_one(kind, jac):
    if kind is np.float32 and jac is None:
        pytest.skip("differences of single-precision values are noise")

    def fun(x):
        value = kind(quadratic(x))
        return (value, quadratic_grad(x)) if jac is True else value

    res = minimize(fun, X0, jac=jac, method="bfgs", options={"maxiter": 20})
    assert type(res.fun) is float
    assert res.fun < 1e-3


@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_value_array_that_fun_uses_again_is_read_at_once(shape):
    buffer = np.empty(shape)

    def fun(x):
        buffer[...] = quadratic(x)
        return buffer

    plain = minimize(quadratic, X0, method="bfgs", jac="2-point")
    again = minimize(fun, X0, method="bfgs", jac="2-point")
    assert_array_equal(plain.x, again.x)
    assert plain.nfev == again.nfev


@pytest.mark.parametrize(
    ("value", "error"),
    [(None, TypeError), ("1", TypeError), (1j, TypeError), ([1.0, 2.0], ValueError)],
)
@pytest.mark.parametrize("late", [False, True])
def test_what_is_no_number_is_refused(value, error, late):
    calls = []

    def fun(x):
        calls.append(x)
        return value if not late or len(calls) > 3 else quadratic(x)

    with pytest.raises(error, match="fun must return"):
        minimize(fun, X0, method="bfgs")


@pytest.mark.parametrize(
    ("gradient", "error", "message"),
    [
        (np.zeros(2), ValueError, "must have shape"),
        (0.0, ValueError, "must have shape"),
        (np.zeros(3) * 1j, TypeError, "real numbers"),
        ("abc", TypeError, "real numbers"),
    ],
)
def test_a_bad_gradient_is_refused(gradient, error, message):
    with pytest.raises(error, match=message):
        minimize(quadratic, X0, jac=lambda x: gradient, method="bfgs")
    with pytest.raises(error, match=message):
        minimize(lambda x: (quadratic(x), gradient), X0, jac=True, method="bfgs")


def test_a_pair_where_a_number_is_expected_points_to_jac():
    with pytest.raises(ValueError, match=r"must return one number, got \(.*jac must be True"):
        minimize(both, X0)
    with pytest.raises(ValueError, match=r"must return one number, got array\(\[.*\]\)$"):
        minimize(quadratic_grad, X0)


def test_jac_true_wants_a_pair():
    with pytest.raises(ValueError, match=r"fun must return \(value, gradient\), got 4"):
        minimize(lambda x: 4.0, X0, jac=True, method="bfgs")


# jac


@pytest.mark.parametrize(
    ("jac", "tol"),
    [(quadratic_grad, 1e-8), (None, 1e-6), (False, 1e-6), ("2-point", 1e-6), ("3-point", 1e-8)],
)
@pytest.mark.parametrize("method", ["lbfgs", "bfgs"])
def test_every_form_of_jac_finds_the_minimum(jac, tol, method):
    res = minimize(quadratic, X0, jac=jac, method=method)
    assert_allclose(res.x, 1, atol=tol)
    assert np.abs(res.jac).max() < 1e-5


def test_complex_steps_find_the_minimum():
    res = minimize(lambda x: ((x - 1) ** 2).sum(), X0, jac="cs", method="bfgs")
    assert_allclose(res.x, 1, atol=1e-9)


@pytest.mark.parametrize("jac", [None, "2-point", "3-point", "cs"])
@pytest.mark.parametrize("method", METHODS)
def test_values_that_are_all_the_same_are_no_success(jac, method):
    res = minimize(lambda x: 7.0, X0, jac=jac, method=method, rng=0)
    assert (res.success, res.status) == (False, 4)
    assert "plateau" in res.message
    assert_array_equal(res.x, X0)


def test_complex_steps_that_fun_does_not_see_are_no_success():
    res = minimize(lambda x: float(quadratic(x.real)), X0, jac="cs", method="bfgs")
    assert (res.success, res.status) == (False, 8)
    # a true minimum is one
    assert minimize(lambda x: ((x - 1) ** 2).sum(), [1.0, 1.0], jac="cs", method="bfgs").success


def test_jac_true_costs_one_call_a_point():
    calls = []

    def fun(x):
        calls.append(x.tobytes())
        return rosen(x), rosen_der(x)

    res = minimize(fun, X0, jac=np.True_, method="bfgs")
    assert res.nfev == len(calls)
    assert res.nfev - 1 <= res.njev <= res.nfev  # a value alone is asked for before success
    assert len(set(calls)) == len(calls)


def test_fun_and_jac_are_called_in_turn_at_the_same_point():
    calls = []

    def fun(x):
        calls.append(("fun", x.tobytes()))
        x[:] = 7.0
        return quadratic(np.frombuffer(calls[-1][1]))

    def jac(x):
        calls.append(("jac", x.tobytes()))
        return quadratic_grad(x)

    res = minimize(fun, X0, jac=jac, method="lbfgs")
    assert [name for name, _ in calls] == ["fun", "jac"] * res.nfev
    assert [x for _, x in calls[::2]] == [x for _, x in calls[1::2]]


@pytest.mark.parametrize("jac", ["4-point", 3, [1.0]])
def test_a_bad_jac_is_refused(jac):
    with pytest.raises((TypeError, ValueError), match="jac must be"):
        minimize(quadratic, X0, jac=jac)


def test_jac_method_is_an_option():
    calls = []

    def fun(x):
        calls.append(x.dtype)
        return ((x - 1) ** 2).sum()

    res = minimize(fun, X0, method="bfgs", options={"jac_method": "cs"})
    assert np.complex128 in calls
    assert_allclose(res.x, 1, atol=1e-9)
    with pytest.raises(ValueError, match="jac_method must be one of"):
        minimize(fun, X0, options={"jac_method": "4-point"})


@pytest.mark.parametrize("jac", ["2-point", "3-point"])
def test_the_gradient_at_the_best_point_is_known_with_differences(jac):
    res = minimize(rosen, X0, jac=jac, method="lbfgs", options={"maxiter": 7})
    assert_allclose(res.jac, rosen_der(res.x), rtol=1e-2, atol=1e-2)


# arguments of SciPy's that nothing uses


CONSTRAINTS = [
    {"type": "eq", "fun": quadratic},
    ({"type": "ineq", "fun": quadratic},),
    scipy.optimize.LinearConstraint(np.eye(len(X0)), 0.0, 1.0),
    scipy.optimize.NonlinearConstraint(quadratic, 0.0, 1.0),
]


def test_somebody_elses_method_meets_constraints_itself():
    def theirs(fun, x0, constraints=(), **rest):
        return constraints

    assert minimize(quadratic, X0, method=theirs, constraints=CONSTRAINTS[:1]) == CONSTRAINTS[:1]


@pytest.mark.parametrize("empty", [(), [], {}, None])
def test_no_constraints_are_none(empty):
    assert minimize(both, X0, jac=True, method="bfgs", constraints=empty).success
