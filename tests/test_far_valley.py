"""A curved valley entered from far away: values that fell by powers of ten prove no minimum."""

import numpy as np
import pytest

from smoothmin import minimize


def beale(x):
    powers = x[1] ** np.arange(1, 4)
    residuals = np.array([1.5, 2.25, 2.625]) - x[0] * (1 - powers)
    jacobian = np.array([powers - 1, x[0] * np.arange(1, 4) * x[1] ** np.arange(3)])
    return float(residuals @ residuals), 2 * jacobian @ residuals


METHODS = ["bfgs", "lbfgs", "gradient-sampling", "laplacian", "sqp"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("start", [[1e3, -1.3e3], [-7e3, 1e4], [3.2e4, -4e4]])
def test_success_is_said_at_the_minimum_alone(method, start):
    """Beale's function falls by a thousandth over hundreds, where rounding hides short steps."""
    res = minimize(beale, start, jac=True, method=method, options={"maxfev": 1000})
    assert not res.success or res.fun < 1e-8


@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "gradient-sampling", "laplacian"])
@pytest.mark.parametrize("seed", range(3))
def test_variables_that_are_turned_are_not_large_for_a_step(method, seed):
    """Down a sixth power of one of them, while another stays at a million."""
    rng = np.random.default_rng(600 + seed)
    axes, shift = np.linalg.qr(rng.standard_normal((2, 2)))[0], rng.standard_normal(2)

    def turned(x):
        value, grad = beale((axes @ x - shift)[::-1])
        return value, axes.T @ grad[::-1]

    start = 1e6 * rng.standard_normal(2)
    res = minimize(turned, start, jac=True, method=method, options={"maxfev": 3000})
    assert not res.success or res.fun < 0.6  # Beale's plateau is at .452


def brown(x):
    """Brown's almost linear function, a product of all variables among its residuals."""
    others = np.array([np.prod(np.delete(x, k)) for k in range(x.size)])
    residuals = np.append(x[:-1] + x.sum() - (x.size + 1), np.prod(x) - 1)
    jacobian = np.vstack([np.eye(x.size)[:-1] + 1, others])
    return float(residuals @ residuals), 2 * jacobian.T @ residuals


def test_slopes_that_come_to_much_over_variables_sizes_are_no_success():
    start = 1e6 * np.array([1.3, -0.4, -0.8, 0.6, -1.1])
    res = minimize(brown, start, jac=True, method="bfgs", options={"maxfev": 1000})
    assert not res.success or res.fun < 1 + 1e-6  # 1 is a local minimum's
