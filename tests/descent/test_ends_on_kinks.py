"""Descents along gradients that end on a kink: gradients nearby prove a minimum, or lead lower."""

import numpy as np
import pytest

from smoothmin import minimize

METHODS = ["bfgs", "lbfgs", "laplacian"]


def absolute_deviations(seed, m=20, n=4):
    """Regression by least absolute deviations, and the sum of the errors' sizes at its minimum."""
    rng = np.random.default_rng(seed)
    rows, rhs = rng.normal(size=(m, n)), rng.normal(size=m)

    def fun(x):
        errors = rows @ x - rhs
        return np.abs(errors).sum(), rows.T @ np.sign(errors)

    exact = minimize(fun, np.zeros(n), jac=True, rng=0)
    assert exact.success
    return fun, exact.fun


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1.0, 1e4])
def test_a_vertex_is_proven_by_gradients_around_it(method, size):
    fun, least = absolute_deviations(2)
    x0 = size * np.random.default_rng(1).normal(size=4)
    for shift in (0.0, 1e3):

        def shifted(x, shift=shift):
            f, g = fun(x)
            return f + shift, g

        res = minimize(shifted, x0, jac=True, method=method, options={"maxfev": 1000})
        assert res.success
        assert res.fun - shift - least < 1e-9 * (least + shift)


@pytest.mark.parametrize("method", METHODS)
def test_where_steps_stall_on_one_kink_gradients_around_lead_on(method):
    # far from its vertex the function is steep on both sides of a kink that leads to it
    fun, least = absolute_deviations(5)
    for x0 in 1e6 * np.random.default_rng(55).normal(size=(4, 4)):
        res = minimize(fun, x0, jac=True, method=method, options={"maxfev": 5000})
        assert not res.success or res.fun < least * (1 + 1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_of_a_largest_eigenvalue_as_far_as_rounding_shows(method):
    rng = np.random.default_rng(1)
    parts = rng.normal(size=(5, 6, 6))
    parts = parts + parts.transpose(0, 2, 1)
    parts[1:] -= np.trace(parts[1:], axis1=1, axis2=2)[:, None, None] * np.eye(6) / 6

    def fun(x):
        values, vectors = np.linalg.eigh(parts[0] + np.tensordot(x, parts[1:], 1))
        v = vectors[:, -1]
        return values[-1] + 1e3, np.array([v @ part @ v for part in parts[1:]])

    least = minimize(fun, np.zeros(4), jac=True, rng=0).fun
    res = minimize(fun, 100 * rng.normal(size=4), jac=True, method=method)
    assert res.success
    assert res.fun < least + 1e-8


def test_on_a_kink_that_bounds_hold():
    def fun(x):
        side, total = np.sign(x[0] - x[1]), x[0] + x[1]
        return 5 * abs(x[0] - x[1]) + total**2, np.array([5 * side, -5 * side]) + 2 * total

    for method in METHODS:
        res = minimize(fun, [3.0, 2.0], jac=True, method=method, bounds=[(1, 5), (0.5, 5)])
        assert res.fun == pytest.approx(4.0, abs=1e-6)


@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "gradient-sampling"])
def test_by_differences_no_end_far_above_the_minimum_is_a_success(method):
    for seed in (1, 2, 3):
        fun, least = absolute_deviations(seed)
        draws = np.random.default_rng(50 + seed).normal(size=(4, 4))
        for x0 in draws[1:3] * [[1e2], [1e4]]:
            res = minimize(lambda x, f=fun: f(x)[0], x0, method=method, rng=0)
            assert not res.success or res.fun < least * (1 + 1e-4)


def test_what_differences_hid_far_away_they_hide_no_more():
    t = np.linspace(0, 4, 30)
    data = 3 * np.exp(-1.3 * t) + 0.02 * np.random.default_rng(1).normal(size=30)

    def fun(p):  # rates far below zero grow beyond all bounds
        with np.errstate(all="ignore"):
            return 0.5 * float(((p[0] * np.exp(-p[1] * t) - data) ** 2).sum())

    for start in np.random.default_rng(51).normal(size=(3, 2)) * [[1], [3], [10]]:
        for method in ("gradient-sampling", "bfgs", "lbfgs"):
            res = minimize(fun, start, method=method, rng=0)
            slope = abs(fun(res.x * (1 + 1e-6)) - fun(res.x * (1 - 1e-6))) / 2e-6
            assert not res.success or res.fun < 1e-2 or slope < 1e-3


def test_a_kink_at_zero_is_not_chased_below_rounding():
    def fun(x):
        return abs(x[0]) + 3 * abs(x[1] - 1), np.array([np.sign(x[0]), 3 * np.sign(x[1] - 1)])

    for seed in range(40):
        x0 = np.random.default_rng(seed).uniform(-3, 3, 2)
        res = minimize(fun, x0, jac=True, rng=0)
        assert res.success, (seed, res.message)
        assert res.nfev < 250


@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "laplacian", "gradient-sampling"])
@pytest.mark.parametrize(("n", "price"), [(2, 4e3), (3, 7e3), (2, 1e5)])
def test_differences_across_a_steep_kink_prove_nothing(method, n, price):
    ended = []
    for seed in range(20, 32):
        rng = np.random.default_rng(seed)
        normal, low = rng.standard_normal((2, n))

        def fun(x, normal=normal, low=low):
            away = x - low
            return price * abs(normal @ away) + abs(away.sum()) + 0.1 * away @ away

        x0 = low + rng.standard_normal(n)
        res = minimize(fun, x0, method=method, rng=seed, options={"maxfev": 1500})
        ended.append((res.fun < 1e-4, res.success))
        assert res.nfev <= 1500
        assert res.fun < fun(x0)
    assert (False, True) not in ended
