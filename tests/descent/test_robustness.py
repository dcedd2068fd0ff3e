"""Descents where functions have no values, or variables an extreme scale."""

import numpy as np
import pytest

from smoothmin import minimize


def kinked(z):
    value = abs(z[0] - 1) + 2 * abs(z[1] + 0.5 * z[0]) + 0.5 * (z @ z)
    slopes = np.sign(z[0] - 1), np.sign(z[1] + 0.5 * z[0])
    return float(value), z + np.array([slopes[0] + slopes[1], 2 * slopes[1]])


@pytest.mark.parametrize("start", [[2.0, -1.0], [0.0, 0.0]])
@pytest.mark.parametrize("scale", [1e-100, 1e-30, 1e-12, 1e-9, 1e-6, 1e-3])
def test_certificates_mean_something_at_every_scale(start, scale):
    def fun(x):
        value, gradient = kinked(x / scale)
        return value, gradient / scale

    x0 = scale * np.array(start)
    res = minimize(fun, x0, jac=True, method="gradient-sampling", rng=0, options={"maxfev": 200})
    assert res.success
    np.testing.assert_allclose(res.x / scale, [0.8, -0.4], atol=1e-5)
    assert res.radius <= 2.001e-5 * scale
    assert res.stationarity * scale <= 1e-6


def test_the_radius_asked_for_is_as_it_is_said_to_be():
    fun = lambda x: kinked(x)  # noqa: E731
    for radius, most in ((1e-3, 2.001e-5), (1e-9, 1e-9)):
        res = minimize(
            fun, [2.0, -1.0], jac=True, method="gradient-sampling", rng=0,
            options={"radius_tol": radius},
        )  # fmt: skip
        assert res.success
        assert res.radius <= most


@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "gradient-sampling"])
@pytest.mark.parametrize("distance", [0.1, 0.01, 0.001])
def test_walls_beside_a_smooth_minimum(method, distance):
    """Beyond a hyperplane near the minimum there are no values."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        a, b, normal = rng.normal(size=(30, 6)), rng.normal(size=30), rng.normal(size=6)

        def fun(x, a=a, b=b):
            r = np.sqrt(1 + (a @ x - b) ** 2)
            return float(r.sum()), a.T @ ((a @ x - b) / r)

        best = minimize(fun, np.zeros(6), jac=True, method="bfgs")
        normal *= np.sign(normal @ best.x) / np.linalg.norm(normal)
        limit = normal @ best.x + distance

        def walled(x, fun=fun, normal=normal, limit=limit):
            value, gradient = fun(x)
            return (np.nan if normal @ x > limit else value), gradient

        x0 = np.zeros(6) if limit > 0 else -0.1 * normal
        res = minimize(walled, x0, jac=True, method=method, rng=0, options={"maxfev": 200})
        assert res.success
        assert res.fun <= best.fun * (1 + 1e-8)
