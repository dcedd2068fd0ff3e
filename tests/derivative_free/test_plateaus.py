"""Integers inside a function: other variables have to follow before a step over a plateau pays."""

import numpy as np
import pytest

from smoothmin import minimize
from smoothmin.portfolio.decisions import Action, Facts, next_action


@pytest.mark.parametrize("bounds", [None, [(-30, 30), (-90, 90), (-5, 5)]])
@pytest.mark.parametrize("restarts", [0, "budget"])
def test_steps_are_as_long_as_plateaus_and_other_variables_follow(bounds, restarts):
    def cut(x):
        k = int(np.floor(x[0]))
        return float(10 * (x[1] - 3 * k) ** 2 + (k - 9) ** 2 + (x[2] - 0.5) ** 2)

    options = {"maxfev": 1200, "restarts": restarts}
    runs = [
        minimize(cut, [2.4, 5.0, 0.0], bounds=bounds, rng=seed, options=options)
        for seed in range(4)
    ]
    assert sum(res.fun < 1e-10 and 9 <= res.x[0] < 10 for res in runs) >= 2


def test_two_break_points_that_are_cut_are_found():
    t = np.arange(40.0)

    def lines(p):
        one, two = int(p[0]), int(p[1])
        middle = np.clip(t - one, 0, max(two - one, 0))
        return p[2] * np.minimum(t, one) + p[3] * np.clip(t - max(one, two), 0, None) + 0.5 * middle

    data = lines([11, 27, -5.0, 3.0]) + np.random.default_rng(0).standard_normal(t.size)
    bounds = [(1, 39), (1, 39), (-50, 0), (0, 50)]
    options = {"maxfev": 1500, "restarts": "budget"}
    res = minimize(
        lambda p: float(np.sum((lines(p) - data) ** 2)),
        [5, 36, -20, 10],
        bounds=bounds,
        rng=0,
        options=options,
    )
    assert (int(res.x[0]), int(res.x[1])) == (11, 27)


def test_variables_without_effect_cost_little():
    options = {"restarts": 0}
    with_it = minimize(lambda x: float(((x[:3] - 1) ** 2).sum()), np.zeros(4), options=options)
    without = minimize(lambda x: float(((x - 1) ** 2).sum()), np.zeros(3), options=options)
    assert with_it.success
    assert with_it.nfev < without.nfev + 100


def test_plateaus_are_left_at_once_unless_noise_hides_them():
    facts = Facts(4, flat=True)
    assert next_action(facts) is Action.STEPS
    assert next_action(Facts(4, flat=True, round=2, restarts=3)) is Action.STEPS
    assert next_action(Facts(4, flat=True, noisy=True)) is not Action.STEPS
