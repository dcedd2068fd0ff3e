"""Functions whose values are near the ends of what floating point holds."""

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der

from smoothmin import LBFGS, minimize

METHODS = ["bfgs", "lbfgs", "gradient-sampling", "gradient-descent"]


def bowl(x):
    weights = np.arange(1.0, x.size + 1)
    return float(0.5 * weights @ (x - 1) ** 2), weights * (x - 1)


def run(factor, method, **how):
    def fun(x):
        value, gradient = bowl(x)
        return factor * value, factor * gradient

    return minimize(fun, np.zeros(4), jac=True, method=method, rng=0, **how)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bounds", [None, [(-1, 0.8)] * 4])
@pytest.mark.parametrize(
    ("moderate", "extreme"), [(1e-90, [1e-200, 1e-290]), (1e90, [1e160, 1e300])]
)
def test_a_factor_changes_nothing(method, bounds, moderate, extreme):
    usual = run(moderate, method, bounds=bounds)
    assert usual.success
    np.testing.assert_allclose(usual.x, 1 if bounds is None else 0.8, atol=1e-4)
    for factor in extreme:
        res = run(factor, method, bounds=bounds)
        assert res.status == usual.status
        assert abs(res.nfev - usual.nfev) <= 0.1 * usual.nfev
        np.testing.assert_allclose(res.x, usual.x, atol=1e-5)
        np.testing.assert_allclose(res.fun, factor * bowl(res.x)[0], rtol=1e-12)
        np.testing.assert_allclose(res.jac / factor, bowl(res.x)[1], rtol=1e-9, atol=1e-12)


def test_reports_are_in_the_functions_unit():
    res = run(1e-200, "gradient-sampling", options={"history": True})
    assert "in units of" in res.message
    assert res.stationarity <= 1e-205
    assert res.stationarity == pytest.approx(np.linalg.norm(res.jac), rel=1e-9)
    assert max(res.history["stationarity"]) < 1e-190


@pytest.mark.parametrize("factor", [1e20, 1e60, 1e120])
def test_limited_memory_keeps_the_pairs_of_large_gradients(factor):
    res = minimize(
        lambda x: (factor * rosen(x), factor * rosen_der(x)), [-1.2, 1.0], jac=True, method="lbfgs"
    )
    assert res.nfev < 70
    assert res.fun <= 1e-9 * factor


def test_a_large_value_leaves_room_for_small_gradients():
    def fun(x):
        return 1e140 + 1e-250 * float(x @ x), 2e-250 * x

    res = minimize(fun, np.ones(3), jac=True, method="bfgs")
    assert res.fun == 1e140
    assert res.nfev < 100


def test_an_expected_scale_is_in_the_functions_unit():
    asked = []

    def fun(x):
        asked.append(x.copy())
        return 1e120 * float(x @ x), 2e120 * x

    minimize(fun, [0.3, -0.2], jac=True, method=LBFGS(scale=0.5e-120))
    np.testing.assert_allclose(asked[1], 0.0, atol=1e-15)


def test_finite_differences_of_tiny_values():
    res = minimize(lambda x: 1e-250 * bowl(x)[0], np.zeros(3), jac="2-point", method="bfgs")
    np.testing.assert_allclose(res.x, 1.0, atol=1e-4)
