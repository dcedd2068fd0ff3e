"""From far away "sqp" is not misled by curved valleys, nor by steps long enough to look kinked."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.optimize

from smoothmin import minimize
from smoothmin._protocol import Rows
from smoothmin.sqp.functions import Point, Sides
from smoothmin.sqp.visibility import Visibility

FREE = {"type": "ineq", "fun": lambda x: 1e30 - x[0], "jac": lambda x: -np.eye(x.size)[0]}


def cube(x):
    miss = x[1] - x[0] ** 3
    slopes = np.array([2 * (x[0] - 1) - 600 * miss * x[0] ** 2, 200 * miss])
    return (x[0] - 1) ** 2 + 100 * miss**2, slopes


def rosenbrock(x):
    return scipy.optimize.rosen(x), scipy.optimize.rosen_der(x)


def hyperboloid(x):
    """Straight far away, where tangents lie below it by more than they rise within reach."""
    root = np.sqrt(1 + (x - 3) ** 2)
    return float(root.sum() - x.size), (x - 3) / root


@pytest.mark.parametrize(
    ("fun", "scale"),
    [(rosenbrock, 1e2), (rosenbrock, 1e4), (cube, 1e2), (hyperboloid, 1e2), (hyperboloid, 1e8)],
)
@pytest.mark.parametrize("unit", [1.0, 1e-8])
@pytest.mark.parametrize("constraints", [(), FREE], ids=["none", "far"])
def test_success_is_a_minimum_from_anywhere(fun, scale, unit, constraints):
    def scaled(x):
        value, slopes = fun(x)
        return unit * value, unit * slopes

    start = scale * np.array([-1.2, 1.0])
    result = minimize(scaled, start, jac=True, method="sqp", constraints=constraints)
    assert result.success
    assert result.fun / unit < 1e-6
    assert result.nfev < 3000


@pytest.mark.parametrize("method", ["sqp", "laplacian", "bfgs"])
def test_a_minimum_of_values_that_cancel_is_a_success(method):
    """Rounding is that of what cancels: values no longer differ where slopes still do."""
    for start in ([4.0, -2.0, 0.3], [40.0, -20.0, 3.0]):
        result = minimize(hyperboloid, start, jac=True, method=method)
        assert result.success, result.message
        assert result.fun < 1e-12


@pytest.mark.parametrize("fun", [rosenbrock, cube, hyperboloid])
@pytest.mark.parametrize("scale", [1.0, 1e2])
@pytest.mark.parametrize("unit", [1.0, 1e-8])
def test_by_differences_curved_valleys_are_followed_to_the_end(fun, scale, unit):
    """Slopes to both sides where one side hides much; their errors are no kinks."""
    start = scale * np.array([-1.2, 1.0])
    free = {"type": "ineq", "fun": lambda x: 1e30 - x[0]}
    options = {"maxiter": 1000}
    result = minimize(
        lambda x: unit * fun(x)[0], start, method="SLSQP", constraints=free, options=options
    )
    assert result.fun / unit < 1e-9
    assert result.nfev < 1500


@pytest.mark.parametrize(("scale", "seed"), [(1e4, 1), (1e6, 1), (1e6, 0)])
def test_a_slope_that_no_step_has_followed_is_looked_along(scale, seed):
    # the matrix claims the curvature across a valley along it, too
    start = 2 * scale * np.random.default_rng(seed).standard_normal(2)
    result = minimize(rosenbrock, start, jac=True, method="sqp", options={"maxfev": 600})
    assert not result.success or result.fun < 1e-8


@pytest.mark.parametrize("seed", [3, 8])
def test_kinks_of_constraints_are_proven_after_a_far_start(seed):
    """The mean slope on the way is not to be that of the end alone."""
    rng = np.random.default_rng(seed)
    n = 4
    a, b, c = rng.standard_normal((3, n))
    first, second = (m @ m.T / n for m in rng.standard_normal((2, n, n)))

    def rows(x):
        return np.array([0.5 * x @ first @ x + a @ x - 1, 0.5 * x @ second @ x + b @ x - 1])

    def slopes(x):
        return np.array([first @ x + a, second @ x + b])[rows(x).argmax()]

    result = minimize(
        lambda x: float(c @ x + 0.1 * np.sum(x**4)),
        100 * rng.standard_normal(n),
        jac=lambda x: c + 0.4 * x**3,
        method="sqp",
        constraints=scipy.optimize.NonlinearConstraint(
            lambda x: rows(x).max(), -np.inf, 0, jac=slopes
        ),
    )
    assert result.success


@pytest.mark.parametrize(("multiplier", "meaningless"), [(1.0, False), (1e12, True)])
def test_a_promise_means_nothing_where_what_is_allowed_is_worth_all(multiplier, meaningless):
    """As of a square that is to be zero: it is flat there, and its multiplier has no bound."""
    rows = Rows(np.array([-np.inf]), np.zeros(1), np.full(1, 1e-8))
    sides = Sides(rows)
    values, slopes = np.array([3.0, 1e-10]), np.array([[1.0, 0.0], [0.0, 2e-5]])
    point = Point(np.ones(2), values, values[1:], sides, slopes, 1)
    visibility = Visibility(None, None, sides, None, None, None)
    direction = SimpleNamespace(multipliers=np.array([multiplier]))
    assert visibility.cancelled(point, direction) == meaningless
