"""Differences across a kink mix slopes of both sides, each its own way: they prove nothing."""

import numpy as np
import pytest
from scipy.optimize import NonlinearConstraint

from smoothmin import minimize


@pytest.mark.parametrize("seed", [1, 3, 4, 5])
def test_steep_valleys_are_no_false_successes(seed):
    """The bend of a steep kinked valley is no minimum: that is where two rows meet."""

    def fun(x):
        return 1e4 * abs(x[0] ** 2 - x[1]) + (1 - x[0]) ** 2

    corner = NonlinearConstraint(lambda x: max(np.sqrt(2) * x[0], 2 * x[1]), -np.inf, 1)
    x0 = np.random.default_rng(seed).standard_normal(2) * (1 if seed % 2 else 3)
    result = minimize(fun, x0, jac="2-point", method="sqp", constraints=corner, rng=seed)
    assert not result.success or result.fun == pytest.approx((1 - np.sqrt(0.5)) ** 2, abs=1e-4)
