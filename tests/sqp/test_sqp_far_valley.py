"""A curved valley entered from far away: values that fell by powers of ten prove no minimum."""

import numpy as np
import pytest

from smoothmin import minimize


def beale(x):
    powers = x[1] ** np.arange(1, 4)
    residuals = np.array([1.5, 2.25, 2.625]) - x[0] * (1 - powers)
    jacobian = np.array([powers - 1, x[0] * np.arange(1, 4) * x[1] ** np.arange(3)])
    return float(residuals @ residuals), 2 * jacobian @ residuals


@pytest.mark.parametrize("far", [1e4, 1e6])
def test_success_is_said_at_the_minimum_alone(far):
    res = minimize(beale, [far, far], jac=True, method="sqp", options={"maxfev": 2000})
    assert not res.success or res.fun < 1e-8
