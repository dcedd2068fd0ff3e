"""Starts that are far away: success is claimed at minima only, and where it can be had it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import rosen, rosen_der

from smoothmin import minimize

METHODS = ("bfgs", "lbfgs", "gradient-sampling")


@pytest.mark.parametrize("distance", [1e2, 1e4, 1e6])
@pytest.mark.parametrize("method", METHODS)
def test_a_curved_valley_is_followed_to_its_end(method, distance):
    enough = {"maxiter": 4000}
    start = np.full(2, distance)
    res = minimize(rosen, start, jac=rosen_der, method=method, rng=0, options=enough)
    assert res.success, res.message
    assert res.fun < 1e-10


@pytest.mark.parametrize("seed", [0, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("method", ["bfgs", "lbfgs"])
def test_one_step_from_far_away_is_no_convergence_by_differences(method, seed):
    # a last step of many orders leaves a value that is nothing beside it, and still far away
    start = 2e8 * np.random.default_rng(seed).standard_normal(2)
    res = minimize(rosen, start, method=method, rng=0, options={"maxfev": 1500})
    assert not res.success or res.fun < 1e-6, res.message


def powers(x):
    p = np.linspace(2, 6, x.size)
    return float((np.abs(x) ** p).sum()), p * np.abs(x) ** (p - 1) * np.sign(x)


def mixed(x):
    return float(x @ x + (x**4).sum()), 2 * x + 4 * x**3


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fun", [powers, mixed])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), magnitude=st.floats(0, 6))
def test_powers_that_take_turns_are_no_minimum(method, fun, seed, magnitude):
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((4, 4)))[0]

    def turned(x):
        f, g = fun(axes @ (x - 1))
        return f, axes.T @ g

    start = 10**magnitude * rng.standard_normal(4)
    res = minimize(turned, start, jac=True, method=method, rng=0)
    assert res.fun < 1e-4 or not res.success


@pytest.mark.parametrize("method", METHODS)
def test_flat_minima_are_told(method):
    def fun(x):
        return float(1 + (x**4).sum()), 4 * x**3

    res = minimize(fun, np.array([3.0, -2.0, 1.0]), jac=True, method=method, rng=0)
    assert res.success, res.message
    assert res.nfev < 120


@pytest.mark.parametrize("method", ["difference-descent", "model-descent"])
@pytest.mark.parametrize("distance", [1e2, 1e4])
def test_from_values_alone_too(method, distance):
    res = minimize(rosen, np.full(2, distance), method=method, rng=0, options={"maxiter": 10**5})
    assert res.fun < 1e-6 or not res.success


@pytest.mark.parametrize("method", METHODS)
def test_curvature_far_away_is_not_that_of_a_shelf(method):
    """One step from far away ends next to the origin, where a bowl has hardly any curvature."""

    def fun(x):
        rest, excess = x - 1, x @ x - 0.25
        return 1e-5 * (rest @ rest) + excess**2, 2e-5 * rest + 4 * excess * x

    res = minimize(fun, 1e5 * np.arange(1.0, 9), jac=True, method=method, rng=0)
    assert res.success
    assert res.fun < 1e-3  # 0.0625 on the shelf


def test_gradients_without_a_length_are_no_part_of_a_certificate():
    """Beyond an edge nearby gradients are so long that their squares are no numbers."""

    def fun(x):
        edge = 1e200 * max(x[0] - 1, 0.0)
        return 1e7 * (x[1] - x[0]) + edge, np.array([1e200 * (x[0] > 1) - 1e7, 1e7])

    res = minimize(fun, [1.0 - 1e-9, 3.0], jac=True, rng=0, options={"maxfev": 300})
    assert not res.success
