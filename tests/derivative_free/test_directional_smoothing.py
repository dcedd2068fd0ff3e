import numpy as np
import pytest
from bounded import bounded_quadratic
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from smoothmin import minimize
from smoothmin._status import Status
from smoothmin.derivative_free.directional_smoothing import (
    MIDDLE,
    NODES,
    WEIGHTS,
    DirectionalSmoothing,
    _steps,
)


def test_nodes_and_weights_are_gauss_hermites():
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)
    weights /= weights.sum()
    assert_allclose(NODES, np.delete(nodes, 2), rtol=1e-12)
    assert_allclose(WEIGHTS, np.delete(weights, 2), rtol=1e-12)
    assert_allclose(MIDDLE, weights[2], rtol=1e-12)


def test_steps_are_newtons_on_the_smoothed_function():
    # for a quartic the quadrature is exact: compare with derivatives of the average
    rng = np.random.default_rng(0)
    n = 6
    c = rng.standard_normal((n, 3))
    c[:, 1] += 3
    sigma = rng.uniform(0.1, 0.5, n)
    offsets = sigma[:, None] * NODES

    def rise(s):
        return c[:, :1] * s + c[:, 1:2] * s**2 + 0.1 * c[:, 2:] * s**3 + 0.05 * s**4

    slope = c[:, 0] + 0.3 * c[:, 2] * sigma**2
    curvature = 2 * c[:, 1] + 0.6 * sigma**2
    newton, steepest, promised, waves = _steps(offsets, rise(offsets), sigma)
    assert 0 < waves < 0.1
    assert promised > 0
    short = np.abs(slope / curvature) < 2.9 * sigma
    assert short.any()
    assert_allclose(newton[short], (-slope / curvature)[short], rtol=1e-6)
    assert_allclose(steepest, -slope / np.maximum(curvature, 0).mean(), rtol=1e-6)


def test_separable_quadratics_take_one_step():
    n = 30
    weights = 10.0 ** np.linspace(0, 6, n)
    res = minimize(
        lambda x: float(weights @ (x - 0.3) ** 2),
        np.full(n, 2.0),
        method=DirectionalSmoothing(sigma=1.0),
        rng=0,
        options={"maxiter": 1},
    )
    assert res.fun < 1e-12
    assert res.nfev == 1 + 4 * n + 2 * 11 + 1


def test_what_is_a_parabola_along_every_variable_is_left_to_others():
    n = 30
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((n, n)))[0]
    weights = 10.0 ** np.linspace(0, 6, n)
    res = minimize(
        lambda x: float(weights @ (turn @ x) ** 2), np.full(n, 2.0),
        method=DirectionalSmoothing(sigma=1.0), rng=0,
    )  # fmt: skip
    assert res.status == Status.PRECISION
    assert "another method" in res.message
    assert res.nit == 1


def test_waves_are_smoothed_away():
    n = 60

    def fun(x):
        z = x - 0.4
        return float((z**2 + 10 * (1 - np.cos(2 * np.pi * z))).sum())

    x0 = np.random.default_rng(0).uniform(-4, 4, n)
    method = DirectionalSmoothing()
    res = minimize(fun, x0, method=method, bounds=[(-5, 5)] * n, rng=0)
    assert res.status == Status.PRECISION
    assert res.nfev < 80 * n
    assert res.fun < 0.15 * fun(x0)


@given(st.integers(0, 10_000), st.integers(1, 6))
@settings(deadline=None, max_examples=30)
def test_bounds_are_never_left(seed, n):
    fun, x0, bounds, best = bounded_quadratic(seed, n, narrowest=-3)
    res = minimize(fun, x0, method=DirectionalSmoothing(), bounds=bounds, rng=0)
    assert res.fun - best <= 0.2 * (fun(x0) - best) + 1e-9


def test_a_tolerance_of_the_users_is_a_success():
    def fun(x):
        return float(np.sum(x**2 + 10 - 10 * np.cos(2 * np.pi * x)))

    res = minimize(fun, np.full(6, 2.2), method=DirectionalSmoothing(1.0, xtol=0.2), rng=0)
    assert res.success
    assert "within xtol" in res.message


def test_values_that_are_missing():
    def fun(x):
        return float(x @ x) if x.max() < 2.5 else np.nan

    res = minimize(fun, np.full(4, 2.0), method=DirectionalSmoothing(sigma=1.0), rng=0)
    assert res.fun < 0.1
    res = minimize(lambda x: np.nan, np.ones(3), method=DirectionalSmoothing(), rng=0)
    assert res.status == Status.NONFINITE


def test_many_variables_begin_with_it():
    n = 120
    res = minimize(
        lambda x: ((x - 0.3) ** 2).sum(axis=0) + x.mean(axis=0) ** 2,
        np.ones(n),
        method="homotopy",
        vectorized=True,
        bounds=[(-5, 5)] * n,
        rng=0,
        options={"maxfev": 60 * n},
    )
    assert abs(res.fun - 0.09 * n / (n + 1)) < 1e-12
    assert list(res.phase_nfev)[:3] == ["separability", "smoothing", "descent"]


@pytest.mark.parametrize("options", [{"sigma": 0}, {"decay": 1}, {"xtol": 0}])
def test_options_are_checked(options):
    with pytest.raises((TypeError, ValueError), match=next(iter(options))):
        DirectionalSmoothing(**options)
