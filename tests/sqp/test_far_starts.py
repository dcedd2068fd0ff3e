"""From far away "sqp" is not misled by curved valleys, nor by steps long enough to look kinked."""

import numpy as np
import pytest
import scipy.optimize

from smoothmin import minimize

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
