"""The front end against its contract: bounds."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from quadratic import X0, both, quadratic
from scipy.optimize import (
    Bounds,
    LinearConstraint,
    NonlinearConstraint,
    OptimizeWarning,
    rosen,
    rosen_der,
)

from smoothmin import minimize
from smoothmin._registry import METHODS
from smoothmin._status import Status

# bounds


@pytest.mark.parametrize(
    "bounds",
    [
        Bounds([-2, -2, -2], [0.5, np.inf, 2]),
        Bounds(-2, [0.5, np.inf, 2]),
        [(-2, 0.5), (-2, None), (-2, 2)],
        ((-2, 0.5), (-2, np.inf), (-2, 2)),
        np.array([[-2, 0.5], [-2, np.inf], [-2, 2]]),
    ],
)
@pytest.mark.parametrize("method", ["lbfgs", "bfgs", "gradient-descent"])
def test_bounds_in_every_form(bounds, method):
    res = minimize(both, [0.0, 0.0, 0.0], jac=True, method=method, bounds=bounds)
    assert_allclose(res.x, [0.5, 1, 1], atol=1e-5)


def test_infinite_bounds_are_none():
    free = minimize(rosen, X0, jac=rosen_der, method="bfgs")
    bounded = minimize(rosen, X0, jac=rosen_der, method="bfgs", bounds=[(None, np.inf)] * 3)
    assert_array_equal(free.x, bounded.x)
    assert free.nfev == bounded.nfev


def test_bounds_of_a_field():
    x0 = np.zeros((2, 2))
    upper = np.array([[0.5, 2], [2, 0.25]])
    expected = np.minimum(upper, 1)
    for bounds in (Bounds(-1, upper), Bounds(-1, upper.ravel()), [(-1, u) for u in upper.flat]):
        res = minimize(both, x0, jac=True, method="lbfgs", bounds=bounds)
        assert_allclose(res.x, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ([(0, 1)], "one pair for each of 3 variables"),
        ([(0, 1)] * 4, "one pair for each of 3 variables"),
        ([(0, 1), (2, 1), (0, 1)], "lower 2.0 > upper 1.0 for variable 1"),
        ([(0, 1), (0, np.nan), (0, 1)], "must not be NaN"),
        ([(np.inf, np.inf)] * 3, "room for a finite point"),
        ([0, 1, 2], "pairs"),
        (3, "pairs"),
        ([(0, "x")] * 3, "pairs"),
        (Bounds([0, 1], [1, 2]), "Bounds of x0's shape"),
        (LinearConstraint(np.eye(3), 0, 1), "Bounds of x0's shape"),
        (NonlinearConstraint(quadratic, 0, 1), "Bounds of x0's shape"),
    ],
)
def test_bad_bounds_are_refused(bounds, message):
    with pytest.raises(ValueError, match=message):
        minimize(both, X0, jac=True, bounds=bounds)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("jac", [True, None])
@pytest.mark.parametrize("largest", [1e300, np.finfo(float).max])
def test_bounds_so_far_away_that_their_distance_overflows(method, jac, largest):
    options = {"restarts": 1} if method == "homotopy" else {}
    fun = both if jac else quadratic
    bounds = [(-largest, largest)] * 3
    res = minimize(fun, X0, method=method, jac=jac, bounds=bounds, options=options, rng=0)
    assert res.success or method == "directional-smoothing"  # the rest is for another method
    assert_allclose(res.x, 1, atol=1e-5)


def test_a_start_outside_is_clipped_with_a_warning():
    seen = []

    def fun(x):
        seen.append(x)
        return both(x)

    with pytest.warns(OptimizeWarning, match="clipped") as caught:
        res = minimize(fun, [5.0, -7.0], jac=True, method="bfgs", bounds=[(0, 2), (-3, 3)])
    assert caught[0].filename == __file__
    assert_array_equal(seen[0], [2, -3])
    assert_allclose(res.x, 1, atol=1e-6)


def test_equal_bounds_fix_a_variable_everywhere():
    points, seen = [], []

    def fun(x):
        seen.append(x)
        return rosen(x), rosen_der(x)

    res = minimize(
        fun,
        [0.5, 0.3, 0.1],
        jac=True,
        method="lbfgs",
        bounds=[(None, None), (0.3, 0.3), (-1, 1)],
        callback=lambda intermediate_result: points.append(intermediate_result),
        options={"return_all": True},
    )
    assert all(x[1] == 0.3 for x in seen)
    assert all(p.x.shape == p.jac.shape == (3,) and p.x[1] == 0.3 for p in points)
    assert all(x.shape == (3,) and x[1] == 0.3 for x in res.allvecs)
    assert_array_equal(np.isnan(res.jac), [False, True, False])
    assert np.abs(rosen_der(res.x)[[0, 2]]).max() < 1e-5


def test_a_scale_per_coordinate_counts_fixed_variables():
    from smoothmin._check import per_coordinate

    free = np.array([0, 2])
    assert_array_equal(per_coordinate("sigma", [1.0, 2.0, 3.0], 2, free), [1, 3])
    assert_array_equal(per_coordinate("sigma", [1.0, 3.0], 2, None), [1, 3])
    assert_array_equal(per_coordinate("sigma", 4.0, 2, free), [4, 4])
    with pytest.raises(ValueError, match="sigma must be one number or 2"):
        per_coordinate("sigma", [1.0, 2.0, 3.0], 2, None)


@pytest.mark.parametrize("jac", [True, None, "cs"])
def test_nothing_to_vary_is_one_evaluation(jac):
    seen = []

    def fun(x):
        seen.append(x)
        return both(x) if jac is True else quadratic(x)

    res = minimize(fun, [2.0, 3.0], jac=jac, bounds=[(2, 2), (3, 3)])
    assert_array_equal(seen, [[2, 3]])
    assert (res.fun, res.nfev, res.nit, res.success, res.status) == (5.0, 1, 0, True, 0)
    assert_array_equal(res.x, [2, 3])
    assert "fixed" in res.message


def test_nothing_to_vary_and_nothing_finite_is_no_success():
    res = minimize(lambda x: np.nan, [2.0], bounds=[(2, 2)])
    assert (res.success, res.status) == (False, Status.NONFINITE)


def stop(*_):
    raise StopIteration


def test_nothing_to_vary_and_fun_stops():
    res = minimize(stop, [2.0], bounds=[(2, 2)])
    assert (res.success, res.status) == (False, Status.CALLBACK)
