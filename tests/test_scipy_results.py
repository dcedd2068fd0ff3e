"""Fields of results that scripts for SciPy's methods read, beside SciPy's own."""

import numpy as np
import pytest
import scipy.optimize
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import LinearConstraint, NonlinearConstraint, rosen, rosen_der

from smoothmin import minimize

X0 = np.array([-0.6, 0.5, 0.4])


def mixed():
    """An equality among inequalities of both kinds, in each of SciPy's forms."""
    return [
        NonlinearConstraint(lambda x: [x @ x, x[0] - x[1], x[2]], [0, -1, 0.2], [0.6, 1, 0.2]),
        LinearConstraint([[1.0, 0.0, -1.0]], -0.1, np.inf),
        {"type": "ineq", "fun": lambda x: 0.4 - x[1]},
        {"type": "eq", "fun": lambda x: x[0] + x[1] - 0.55},
    ]


@pytest.mark.filterwarnings("ignore:Equality and inequality:scipy.optimize.OptimizeWarning")
def test_slsqp_has_multipliers_in_scipys_order_and_signs():
    given = {"jac": rosen_der, "method": "SLSQP", "constraints": mixed()}
    ours, theirs = minimize(rosen, X0, **given), scipy.optimize.minimize(rosen, X0, **given)
    assert ours.success
    assert_allclose(ours.x, theirs.x, atol=1e-5)
    assert ours.multipliers.shape == theirs.multipliers.shape
    assert_allclose(ours.multipliers, theirs.multipliers, atol=2e-3)


def test_without_constraints_there_are_no_multipliers_and_no_violation():
    res = minimize(rosen, X0, jac=rosen_der, method="SLSQP")
    assert_array_equal(res.multipliers, np.zeros(0))
    for name in ("COBYLA", "COBYQA"):
        assert minimize(rosen, X0, method=name, options={"maxfev": 20}).maxcv == 0


@pytest.mark.parametrize("bounds", [None, [(-1, 0.7)] * 3, [(-1, 2), (0.5, 0.5), (None, 0.2)]])
def test_trust_constr_tells_optimality_in_scipys_words(bounds):
    given = {"jac": rosen_der, "method": "trust-constr", "bounds": bounds}
    ours, theirs = minimize(rosen, X0, **given), scipy.optimize.minimize(rosen, X0, **given)
    assert_allclose(ours.x, theirs.x, atol=1e-4)
    free = np.isfinite(ours.grad)
    assert_array_equal(ours.grad, ours.jac)
    assert_allclose(ours.grad[free], rosen_der(ours.x)[free])
    assert ours.optimality < 1e-3
    assert_array_equal(ours.optimality, np.abs(ours.lagrangian_grad).max())
    assert ours.niter == ours.nit
    assert ours.constr_violation == 0
    assert ours.execution_time >= 0
    if bounds is not None:
        assert_allclose(ours.v[-1][free], theirs.v[-1][free], atol=1e-2)


def test_trust_constr_tells_multipliers_with_scipys_signs():
    held = NonlinearConstraint(lambda x: [x @ x, x[0] + x[1]], [0.0, -1.0], [0.5, 4.0])
    given = {"jac": rosen_der, "method": "trust-constr", "constraints": held}
    given["bounds"] = [(-2, 0.3)] * 3
    ours, theirs = minimize(rosen, X0, **given), scipy.optimize.minimize(rosen, X0, **given)
    assert_allclose(ours.x, theirs.x, atol=1e-4)
    assert len(ours.v) == len(theirs.v) == 2
    for one, other in zip(ours.v, theirs.v, strict=True):
        assert_allclose(one, other, atol=1e-2)
    assert ours.constr_nhev == [0]


@pytest.mark.parametrize("name", ["SLSQP", "trust-constr"])
def test_a_run_that_ends_at_once_has_the_fields_too(name):
    res = minimize(rosen, X0, jac=rosen_der, method=name, options={"maxiter": 0})
    assert res.get("multipliers" if name == "SLSQP" else "grad") is not None
    minimize(rosen, X0, jac=rosen_der, method=name, constraints=mixed(), options={"maxiter": 0})


def test_variables_in_blocks_have_them_as_well():
    def fun(x):
        whole = np.append(x["a"], x["b"])
        return rosen(whole), {"a": rosen_der(whole)[:2], "b": rosen_der(whole)[2]}

    res = minimize(fun, {"a": X0[:2], "b": 0.4}, jac=True, method="trust-constr")
    assert set(res.grad) == {"a", "b"}
    assert res.optimality < 1e-4


@pytest.mark.parametrize("shape", [(1, -1), (-1, 1)])
@pytest.mark.parametrize("method", ["bfgs", "L-BFGS-B", "gradient-sampling", "laplacian"])
def test_gradients_may_be_rows_or_columns(shape, method):
    plain = minimize(rosen, X0, jac=rosen_der, method=method, rng=0)
    other = minimize(rosen, X0, jac=lambda x: rosen_der(x).reshape(shape), method=method, rng=0)
    assert_array_equal(plain.x, other.x)
    assert other.jac.shape == X0.shape
    assert plain.nfev == other.nfev


@pytest.mark.parametrize("number", [1e-2, np.array(1e-2), np.float32(1e-2)])
def test_numbers_may_be_arrays_without_dimensions(number):
    for given in ({"tol": number}, {"options": {"gtol": number, "maxiter": np.array(60.0)}}):
        res = minimize(rosen, X0, jac=rosen_der, method="BFGS", **given)
        assert res.success
        assert 1e-5 < np.abs(res.jac).max() <= 1.001e-2


@pytest.mark.parametrize("how", ["ftol", "tol"])
def test_slsqp_ends_at_ftol_with_constraints_too(how):
    hessian = np.diag(np.geomspace(0.2, 60.0, 6)) + 0.1
    held = [
        {"type": "ineq", "fun": lambda x: 1 - x @ x},
        {"type": "eq", "fun": lambda x: x.sum() - 0.3},
    ]
    ends = {}
    for tolerance in (None, 1e-6, 1e-2):
        given = {"tol": tolerance} if how == "tol" else {"options": {"ftol": tolerance}}
        ends[tolerance] = minimize(
            lambda x: float(x @ hessian @ x / 2 - x[0] + (x**4).sum()),
            np.zeros(6),
            jac=lambda x: hessian @ x - np.eye(6)[0] + 4 * x**3,
            method="SLSQP",
            constraints=held,
            **given,
        )
    assert all(res.success and res.maxcv <= 1e-8 for res in ends.values())
    assert ends[1e-2].nfev < ends[1e-6].nfev < ends[None].nfev
    assert ends[1e-6].fun <= ends[None].fun + 1e-6
    assert ends[1e-2].fun <= ends[None].fun + 2e-2  # a change says little of what is left


@pytest.mark.parametrize("constraints", [(), LinearConstraint([[1.0, 0.0, -1.0]], -0.1, np.inf)])
def test_trust_constr_shows_its_callback_what_scripts_read(constraints):
    states = []

    def callback(x, state):
        states.append((state.nit, state.tr_radius, state.constr_penalty, state.execution_time))
        assert state.optimality >= 0 or np.isnan(state.optimality)
        assert state.constr_violation >= 0
        assert state.cg_niter == state.cg_stop_cond == 0

    given = {"jac": rosen_der, "method": "trust-constr", "constraints": constraints}
    res = minimize(rosen, X0, callback=callback, **given)
    assert res.success
    assert len(states) == res.nit
    assert {"tr_radius", "constr_penalty", "cg_niter", "cg_stop_cond", "optimality"} <= {*res}


def test_optimality_shown_to_a_callback_leaves_out_what_bounds_hold():
    shown = []
    res = minimize(
        lambda x: (x[0] - 1) ** 2 + (x[1] + 2) ** 2,
        [0.5, 1.0],
        jac=lambda x: np.array([2 * (x[0] - 1), 2 * (x[1] + 2)]),
        method="trust-constr",
        bounds=[(0, 3), (0, 3)],
        callback=lambda x, state: shown.append((x.copy(), state.optimality)) and None,
    )
    x, optimality = shown[-1]
    assert_allclose(res.x, [1, 0], atol=1e-6)
    assert_allclose(optimality, abs(2 * (x[0] - 1)), atol=1e-12)
