"""Noise under constraints: what is called a minimum is one, to what noise hides."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, NonlinearConstraint

from smoothmin import minimize


def noisy(fun, level, seed):
    """A function with noise."""
    rng = np.random.default_rng(seed)
    return lambda x: fun(x) + level * rng.standard_normal()


def run(fun, x0, constraints, level, seed):
    return minimize(
        noisy(fun, level, seed), x0, constraints=constraints, rng=seed, options={"maxfev": 3000}
    )


@pytest.mark.parametrize("seed", range(3))
def test_kinks_under_noise_are_no_minima(seed):
    rng = np.random.default_rng(seed)
    planes = rng.standard_normal((20, 5))
    planes[:10] = -planes[10:]
    heights = rng.uniform(0.5, 1.5, 20)
    half_space = LinearConstraint(np.ones((1, 5)), 2, np.inf)

    def fun(x):
        return float(np.max(planes @ x - heights))

    exact = minimize(fun, np.ones(5), constraints=half_space, rng=0)
    res = run(fun, np.ones(5), half_space, 1e-3, seed)
    assert not res.success or fun(res.x) <= exact.fun + 0.03


@pytest.mark.parametrize("seed", range(3))
def test_noise_hides_no_way_down_from_far_away(seed):
    centre, radius = np.array([2e3, 1e3]), 1e3
    disc = NonlinearConstraint(lambda x: x @ x, -np.inf, radius**2)

    def fun(x):
        return float(((x - centre) ** 2).sum())

    lowest = (np.sqrt(5) - 1) ** 2 * radius**2
    res = run(fun, np.zeros(2), disc, 1e-3 * lowest, seed)
    assert not res.success or fun(res.x) <= lowest * 1.02


def test_most_noisy_quadratics_are_successes():
    successes = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        root = rng.standard_normal((4, 4))
        hessian, target = root.T @ root + 0.1 * np.eye(4), rng.standard_normal(4)
        row = LinearConstraint(rng.standard_normal((1, 4)), -np.inf, -1.0)

        def fun(x, hessian=hessian, target=target):
            return float((x - target) @ hessian @ (x - target))

        exact = minimize(fun, np.zeros(4), constraints=row, rng=0)
        res = run(fun, np.zeros(4), row, 1e-3, seed)
        assert fun(res.x) <= exact.fun + 0.03
        successes += res.success
    assert successes >= 3
