"""The parts of `Homotopy` with gradients that a run does not show."""

import numpy as np
import pytest

from smoothmin import minimize
from smoothmin._status import Status
from smoothmin.homotopy.hops import Hop
from smoothmin.homotopy.method import Homotopy
from smoothmin.homotopy.settings import HomotopySettings


def test_hops_become_just_long_enough_to_leave():
    settings = HomotopySettings(returns=0.4)
    rng, hop, returns = np.random.default_rng(0), Hop(settings), []
    for _ in range(3000):
        returns.append(np.abs(hop.draw(5, rng)).max() < 0.04)
        hop.adapt(returns[-1])
    assert np.mean(returns[500:]) == pytest.approx(0.4, abs=0.05)


def test_hops_that_always_lead_back_stay_in_the_range():
    rng, hop = np.random.default_rng(0), Hop(HomotopySettings())
    for _ in range(10_000):
        hop.adapt(True)
    assert np.abs(hop.draw(5, rng)).max() < 50  # in units of a fifth of the range


def kinks(seed, d=30):
    """Least absolute deviations of 3 d equations, a third of them wrong."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((3 * d, d))
    b = a @ rng.standard_normal(d) + 5 * (rng.random(3 * d) < 0.3) * rng.standard_normal(3 * d)

    def fun(x):
        r = a @ x - b
        return np.abs(r).mean(), a.T @ np.sign(r) / len(b)

    return fun


def test_a_function_with_kinks_is_not_crept_along():
    for seed in range(3):
        fun = kinks(seed)
        best = minimize(fun, np.zeros(30), method="gradient-sampling", jac=True, rng=0).fun
        res = minimize(fun, np.zeros(30), method="homotopy", jac=True, rng=0)
        assert res.success
        assert res.fun < best + 1e-8
        assert res.phase_nfev["polish"] < 450
        assert res.nfev < 1000


def test_a_kink_beside_another_minimum_is_descended_along():
    away, ends = np.full(20, 2.0), []
    for seed in range(6):
        fun = kinks(seed, d=20)
        least = minimize(fun, np.zeros(20), jac=True, rng=0)

        def wells(x, fun=fun):
            upper, lower = fun(x), fun(x - away)
            return upper if upper[0] + 0.5 < lower[0] else (lower[0] - 0.5, lower[1])

        options = {"maxfev": 2500, "restarts": "budget"}
        res = minimize(wells, least.x, method="homotopy", jac=True, rng=0, options=options)
        if "kink" in res.phase_nfev:  # a hop has come near the other one
            ends.append(res.fun - (least.fun - 0.5))
    assert ends
    assert max(ends) < 1e-5


def valley(seed, d=12):
    """A long bowl in turned axes, with ripples of its own along each; lowest at zero."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0]
    weights = np.logspace(0, 3, d)

    def fun(x):
        z = turn @ x
        value = np.sum(weights * z**2 + 3 * (1 - np.cos(2 * np.pi * z)))
        return value, turn.T @ (2 * weights * z + 6 * np.pi * np.sin(2 * np.pi * z))

    return fun


def test_the_trend_is_learned_and_used():
    start = np.full(12, 3.3)
    for seed in range(3):
        res = minimize(
            valley(seed),
            start,
            method="homotopy",
            jac=True,
            bounds=[(-5, 6)] * 12,
            rng=seed,
            options={"maxfev": 4000, "restarts": "budget", "f_target": 1e-6},
        )
        assert res.fun <= 1e-6


def test_passes_without_a_step_end_with_the_limits():
    """On a plateau no polish makes a step."""

    def stairs(x):
        return float(np.floor(3 * np.abs(x)).sum())

    method = Homotopy(restarts="budget")
    options = {"maxiter": 5}
    res = minimize(stairs, [1.8, 3.06], jac="2-point", method=method, options=options, rng=0)
    assert res.nit <= 5
    assert res.status == Status.MAXITER


def test_gradients_whose_squares_underflow():
    def tiny(x):
        return 1e-300 * abs(x[0] - 1), 1e-300 * np.sign(x - 1)

    res = minimize(tiny, [3.0], jac=True, method="homotopy", rng=0, options={"maxfev": 500})
    assert res.fun < 1e-302
