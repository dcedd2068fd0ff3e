"""Contradictory rows, and starts that violate what must hold from the start."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import Counted
from scipy.optimize import LinearConstraint, NonlinearConstraint, OptimizeWarning

from smoothmin import minimize
from smoothmin._protocol import Rows
from smoothmin.constraints import feasibility
from smoothmin.constraints.feasibility import nearest


def square(x):
    return x @ x, 2 * x


CONTRADICTORY = {
    "rows": [LinearConstraint([[1.0, 1]], 2, np.inf), LinearConstraint([[1.0, 1]], -np.inf, 1)],
    "equalities": LinearConstraint([[1.0, 1], [2.0, 2]], [1, 3], [1, 3]),
    "bounds": LinearConstraint([[1.0, 1]], 5, 5),
}


@pytest.mark.parametrize("case", CONTRADICTORY)
@pytest.mark.parametrize("method", [None, "lbfgs"])
def test_contradictory_linear_rows_need_no_evaluation(case, method):
    fun = Counted(square)
    res = minimize(
        fun,
        [0.0, 0.5],
        jac=True,
        method=method,
        bounds=[(0, 1)] * 2,
        constraints=CONTRADICTORY[case],
    )
    assert fun.calls == res.nfev == 0
    assert res.status == 9
    assert not res.success
    assert "contradict" in res.message


@pytest.mark.parametrize("jac", [True, None])
def test_a_stationary_violation_is_said(jac):
    rows = [
        NonlinearConstraint(lambda x: x @ x, -np.inf, 1),
        NonlinearConstraint(lambda x: x[0], 2, np.inf),
    ]
    res = minimize(square if jac else lambda x: x @ x, [3.0, 1.0], jac=jac, constraints=rows, rng=0)
    assert res.status == 9
    assert not res.success
    assert res.constr_violation > 0.1


def test_a_start_beyond_kept_rows_is_moved_to_the_nearest_point():
    fun = Counted(square)
    row = LinearConstraint([[1.0, 1]], 2, np.inf, keep_feasible=True)
    with pytest.warns(OptimizeWarning, match="keep_feasible"):
        res = minimize(fun, [0.0, 1.0], jac=True, constraints=row)
    assert_allclose(fun.points[0], [0.5, 1.5], atol=1e-12)
    assert np.array(fun.points).sum(axis=1).min() >= 2 - 1e-12
    assert_allclose(res.x, [1, 1], atol=1e-4)


def test_a_start_beyond_kept_functions_is_refused():
    row = NonlinearConstraint(lambda x: x @ x, 2, np.inf, keep_feasible=True)
    with pytest.raises(ValueError, match="keep_feasible"):
        minimize(square, [0.0, 1.0], jac=True, constraints=row)


@pytest.mark.parametrize("jac", [True, None])
@pytest.mark.parametrize("method", [None, "lbfgs"])
def test_kept_functions_are_never_left(jac, method):
    fun = Counted(lambda x: (np.log(x @ x - 1), 2 * x / (x @ x - 1)))
    used = fun if jac else Counted(lambda x: np.log(x @ x - 1))
    row = NonlinearConstraint(lambda x: x @ x, 2, np.inf, jac=lambda x: 2 * x, keep_feasible=True)
    res = minimize(
        used, [3.0, 1.0], jac=jac, method=method, constraints=row, options={"maxfev": 400}, rng=0
    )
    assert (np.array(used.points) ** 2).sum(axis=1).min() >= 2
    assert res.fun < 1e-3


@pytest.mark.parametrize("seed", range(5))
def test_the_nearest_point_is_a_projection(seed, monkeypatch):
    """The least distance has the variational inequality; along coordinates it is no nearer."""
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((4, 5))
    inside = rng.random(5)
    lower = matrix @ inside - np.array([0.0, 0.1, 0.1, 0.2])
    upper = np.array([lower[0], np.inf, lower[2] + 1, np.inf])
    rows = Rows(lower, upper, np.zeros(4), matrix)
    box = np.zeros(5), np.ones(5)
    x0 = 3 * rng.standard_normal(5)
    found = nearest(rows, box, x0)
    value = matrix @ found
    assert (value >= lower - 1e-10).all()
    assert (value <= upper + 1e-10).all()
    assert ((found >= 0) & (found <= 1)).all()
    # <x0 - p, y - p> <= 0 for the points of the set
    assert (x0 - found) @ (inside - found) <= 1e-9
    monkeypatch.setattr(feasibility, "LARGE", 0)
    other = nearest(rows, box, x0)
    assert (matrix @ other >= lower - 1e-8).all()
    assert np.abs(other - x0).sum() <= np.abs(found - x0).sum() + 1e-8
    assert np.linalg.norm(other - x0) >= np.linalg.norm(found - x0) - 1e-8


@pytest.mark.parametrize("seed", range(12))
def test_a_start_far_from_equalities_and_bounds_is_no_contradiction(seed):
    """Some of the variables that the equalities move end at their bounds."""
    rng = np.random.default_rng(seed)
    n = 12
    rows = [LinearConstraint(np.ones((1, n)), 1, 1)]
    rows.append(LinearConstraint(rng.random((2, n)), 0.3, np.inf))
    aim = rng.standard_normal(n)
    res = minimize(
        lambda x: (float((x - aim) @ (x - aim)), 2 * (x - aim)),
        rng.random(n),
        jac=True,
        bounds=[(0, 1)] * n,
        constraints=rows,
    )
    assert res.success, res.message


@pytest.mark.parametrize("method", ["sqp", "constrained-model", "model-descent"])
@pytest.mark.parametrize("start", [(-1.2, 1.0), (3.0, 4.0)])
@pytest.mark.parametrize("size", [lambda x: float(x @ x), lambda x: float(np.abs(x).sum())])
def test_where_nothing_meets_them_the_least_violated_point_is_returned(method, start, size):
    """By how much, even beyond 1, where a share of the row's value would make all points equal."""
    res = minimize(
        lambda x: x.sum(), start, method=method, rng=0, options={"maxfev": 2000},
        constraints={"type": "ineq", "fun": lambda x: -1 - size(x)},
    )  # fmt: skip
    assert not res.success
    assert res.constr_violation <= 1.001
    np.testing.assert_allclose(res.x, 0, atol=1e-2)
