"""What a model descent spends on its end: at a minimum from the start, or come to since."""

import numpy as np
import pytest
from scipy.optimize import rosen
from scipy.special import xlogy
from scipy.stats import ortho_group

from smoothmin import minimize
from smoothmin._protocol import Answers, Ask, Finish, Problem, resume
from smoothmin._verdict import Knowledge
from smoothmin.derivative_free.interpolating_descent import InterpolatingDescent
from smoothmin.derivative_free.minimum_frobenius import Interpolation


def logistic(n, seed):
    """Minus the logarithm of a likelihood, and its minimum."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((40 * n, n))
    y = rng.random(len(x)) < 1 / (1 + np.exp(-x @ rng.standard_normal(n)))

    def fun(beta):
        return float(np.logaddexp(0, x @ beta).sum() - x[y].sum(axis=0) @ beta)

    beta = np.zeros(n)
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ beta))
        gradient = x.T @ p - x[y].sum(axis=0)
        beta -= np.linalg.solve((x.T * (p * (1 - p))) @ x, gradient)
    return fun, beta


@pytest.mark.parametrize("method", ["Nelder-Mead", "COBYLA", "COBYQA", "Powell"])
@pytest.mark.parametrize("n", [2, 5, 8])
def test_a_start_that_is_a_minimum_is_seen_by_two_stars(method, n):
    fun, best = logistic(n, seed=n)
    res = minimize(fun, best, method=method)
    assert res.success
    assert res.nfev <= 6 * n + 3


@pytest.mark.parametrize("n", [2, 4, 6])
def test_where_the_least_value_is_zero_what_is_left_may_be_all_of_it(n):
    turn = ortho_group.rvs(n, random_state=n)
    best = np.linspace(-1, 1, n)

    def fun(x):
        z = turn @ (x - best)
        return float(np.expm1(z) @ np.expm1(z))

    res = minimize(fun, best + 1e-11, method="model-descent")
    assert res.success
    assert res.nfev <= 6 * n + 3


@pytest.mark.parametrize("constant", [0.0, 1.0])
@pytest.mark.parametrize("away", [1e-2, 1.0])
def test_the_floor_of_a_turned_valley_is_no_minimum(constant, away):
    """Which turns are among the few that are taken for one depends on rounding."""
    weights = np.array([1.0, 1e3, 1e6])
    taken = 0
    for seed in range(20):
        turn = ortho_group.rvs(3, random_state=seed)

        def fun(x, turn=turn):
            return float(weights @ (turn @ (x - 1.0)) ** 2) + constant

        res = minimize(fun, 1.0 + away * turn[0], method="model-descent")
        taken += res.success and res.fun - constant > 1e-7 * away**2
    assert taken <= 3


def test_a_saddle_across_the_coordinates_is_no_minimum():
    # along both coordinates values rise, and between them they fall
    res = minimize(
        lambda x: float(x @ x + 4 * x[0] * x[1] + (x**4).sum()), [0.0, 0.0], method="Powell"
    )
    assert res.fun < -0.4


@pytest.mark.parametrize("off", [1e-9, 1e-6, 1e-3])
def test_next_to_a_kink_nothing_is_taken_for_a_smooth_minimum(off):
    res = minimize(
        lambda x: float(np.square(x).sum() + abs(x[0] - off) + abs(x[1])),
        [0.0, 0.0, 0.0],
        method="model-descent",
    )
    least = off**2
    assert not (res.success and res.fun - least > 1e-7 * off)


def test_ends_take_little_of_smooth_runs():
    """Of values that are sums the last digits are lost: earlier gains are past by then."""
    spent = []
    for seed in range(8):
        fun, best = logistic(5, seed)
        values = []
        res = minimize(
            lambda x, v=values, f=fun: v.append(f(x)) or v[-1], np.zeros(5), method="COBYQA"
        )
        low = np.minimum.accumulate(values) - fun(best)
        assert res.fun - fun(best) <= 1e-9 * abs(res.fun)
        there = int(np.argmax(low <= 1e-9 * low[0])) + 1
        spent.append(len(values) - there)
    assert np.mean(spent) < 40


@pytest.mark.parametrize("method", ["Nelder-Mead", "Powell", "COBYLA", "COBYQA"])
def test_a_looser_tolerance_ends_sooner(method):
    starts = np.random.default_rng(0).normal(size=(4, 4))
    spent = [
        sum(minimize(rosen, start, method=method, tol=tol).nfev for start in starts)
        for tol in (None, 1e-3, 1e-1)
    ]
    assert spent[0] > spent[1] >= spent[2]


def test_differences_end_where_the_step_ahead_is_short():
    res = minimize(rosen, [-1.2, 1.0], method="difference-descent", options={"xtol": 1e-2})
    assert res.success
    assert "short" in res.message
    assert res.nfev < minimize(rosen, [-1.2, 1.0], method="difference-descent").nfev


@pytest.mark.parametrize("seed", range(5))
def test_slopes_of_variables_that_no_bound_holds_are_looked_at(seed):
    """A model of three values of x log x had its minimizer where values had a slope of .17."""
    rng = np.random.default_rng([2, seed])
    wanted, x0 = rng.uniform(0.2, 2, 2), rng.uniform(0.1, 2, 2)

    def entropy(x):
        return float(xlogy(x, x).sum() + 30 * x[1] + ((x - wanted) ** 2).sum())

    res = minimize(entropy, x0, method="model-descent", bounds=[(0, 5)] * 2)
    # where the slope of x[0] is zero: 1 + log(x) + 2 (x - wanted) = 0
    slope = 1 + np.log(res.x[0]) + 2 * (res.x[0] - wanted[0])
    assert res.success
    assert abs(slope) < 1e-4
    assert res.x[1] == 0


@pytest.mark.parametrize(("angle", "ends"), [(1.1, False), (0.0, True)])
def test_a_success_at_the_last_radius_is_denied_on_the_floor_of_a_valley(angle, ends):
    """Points as near as that tell nothing of the floor: large curvatures hide it."""

    def ring(x):
        x = turn @ x
        return float(1e6 * (np.hypot(x[0], x[1]) - 1) ** 2 + 0.1 * (x[1] ** 2 + x[2] ** 2) + 1)

    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    x0 = turn.T @ np.array([np.cos(angle), np.sin(angle), 0.0])
    problem = Problem(x0, None, False, (3,))
    descent = InterpolatingDescent(problem, np.ones(3), None, np.random.default_rng(0))
    descent._rho = descent._delta = 1e-8
    star = descent._star(x0, 1e-8)
    descent._model = Interpolation(star, np.array([ring(x) for x in star]), 1e-8)
    steps = descent._last_word(Knowledge("Nothing lower", promised=0.0, noise=1e-9, size=1.0))
    reply = None
    while True:
        message = resume(steps, reply)
        if isinstance(message, Finish):
            break
        reply = None
        if isinstance(message, Ask):
            reply = Answers(np.array([ring(x) for x in message.points]))
    assert message.status.success == ends
