"""Shares that sum to one, and the mean of the worst losses: kinks, an equality, small values."""

import numpy as np
import pytest
from scipy.optimize import linprog

from smoothmin import minimize

WORST = 6


def least_mean_of_worst(losses):
    """The optimum, by Rockafellar and Uryasev's linear program: shares, level, excesses."""
    m, n = losses.shape
    cost = np.concatenate([np.zeros(n), [1.0], np.full(m, 1 / WORST)])
    rows = np.hstack([losses, -np.ones((m, 1)), -np.eye(m)])
    sums = np.concatenate([np.ones(n), np.zeros(1 + m)])[None]
    bounds = [(0, 1)] * n + [(None, None)] + [(0, None)] * m
    return linprog(cost, rows, np.zeros(m), sums, [1.0], bounds).fun


@pytest.mark.parametrize("unit", [1e-3, 1.0])
@pytest.mark.parametrize("n", [5, 12, 20])
def test_no_success_above_the_linear_programs_optimum(n, unit):
    rng = np.random.default_rng(n)
    losses = unit * (rng.standard_normal((80, n)) @ (np.eye(n) + 0.3 * rng.standard_normal((n, n))))

    def fun(w):
        return np.sort(losses @ w)[-WORST:].mean()

    one = {"type": "eq", "fun": lambda w: w.sum() - 1}
    start = np.full(n, 1 / n)
    res = minimize(
        fun, start, bounds=[(0, 1)] * n, constraints=one, rng=0, options={"maxfev": 4000}
    )
    assert res.constr_violation <= 1e-6
    above = res.fun - least_mean_of_worst(losses)
    assert above <= 1e-3 * unit
    if res.success:
        assert above <= 1e-5 * unit
