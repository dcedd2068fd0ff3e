"""Looking around from a minimum for signs of others."""

import numpy as np
import pytest
from scipy.optimize import minimize as scipy_minimize

from smoothmin import minimize
from smoothmin._protocol import Answers, Problem
from smoothmin.derivative_free.evidence import look_around


def looked(fun, x, box=None, noise=0.0, seed=0):
    x = np.asarray(x, dtype=float)
    n = x.size
    problem = Problem(x, box, False, (n,))
    talk = look_around(problem, fun(x), np.full(n, 0.1), noise, np.random.default_rng(seed))
    ask = next(talk)
    while True:
        if box is not None:
            assert (ask.points >= box[0]).all()
            assert (ask.points <= box[1]).all()
        try:
            ask = talk.send(Answers(np.array([fun(point) for point in ask.points])))
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [1, 2, 7])
def test_a_quasiconvex_function_gives_no_evidence(n, seed):
    bend = np.random.default_rng(seed).uniform(0.1, 10, n)

    def fun(x):
        return float(np.log1p(bend @ (x - 1) ** 2)) + abs(x[0] - 1)

    assert not looked(fun, np.ones(n), seed=seed).found


@pytest.mark.parametrize("seed", range(5))
def test_a_lower_value_or_another_valley_is_evidence(seed):
    def waves(x):
        return float(np.sum(x**2 / 10 - np.cos(9 * x)))

    box = (np.full(3, -5.0), np.full(3, 5.0))
    around = looked(waves, np.full(3, 2 * np.pi / 9), box, seed=seed)
    assert around.found
    values = [waves(x) for x in around.beyond]
    assert values == sorted(values)
    assert not looked(waves, np.full(3, 2 * np.pi / 9), box, noise=10.0, seed=seed).found


@pytest.mark.parametrize("seed", range(5))
def test_many_narrow_minima_in_a_wide_bowl_are_evidence(seed):
    """The bowl's rise hides them from points as far apart as the box is wide."""

    def ripples(x):
        return float(np.sum(x**2) / 4000 - np.prod(np.cos(x / np.sqrt(np.arange(1, x.size + 1)))))

    box = (np.full(2, -500.0), np.full(2, 700.0))
    minimum = scipy_minimize(ripples, [2 * np.pi * 20, 0.0], method="BFGS", tol=1e-9).x
    assert looked(ripples, minimum, box, seed=seed).found


def likelihoods():
    """Logistic, Poisson and Weibull regressions."""
    for seed in range(2):
        rng = np.random.default_rng(seed)
        n = 3 + seed
        design = rng.standard_normal((200, n))
        eta = design @ rng.normal(0, 0.6, n)
        hits = (rng.random(200) < 1 / (1 + np.exp(-eta))) * 1.0
        counts = rng.poisson(np.exp(eta))
        times = np.exp(eta) * rng.weibull(1.5, 200)
        yield n, lambda b, x=design, y=hits: float(np.logaddexp(0, x @ b).sum() - y @ (x @ b))
        yield n, lambda b, x=design, k=counts: float(np.exp(x @ b).sum() - k @ (x @ b))
        yield (
            n,
            lambda b, x=design, t=times: float(np.sum(1.5 * (x @ b) + (t / np.exp(x @ b)) ** 1.5)),
        )


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_function_of_one_minimum_costs_little_more_than_a_local_method():
    ratios = []
    for n, fun in likelihoods():
        theirs = scipy_minimize(fun, np.zeros(n), method="L-BFGS-B")
        ours = minimize(fun, np.zeros(n), rng=0)
        assert ours.success
        assert "restarts" in ours.message
        assert ours.fun <= theirs.fun + 1e-7 * abs(theirs.fun)
        ratios.append(ours.nfev / theirs.nfev)
    assert np.exp(np.mean(np.log(ratios))) < 2.2


def test_a_success_says_whether_other_minima_were_seen():
    def waves(x):
        return float(
            np.sum((x - 0.3) ** 2 - 10 * np.cos(2 * np.pi * (x - 0.3))) + 0.1 * x[0] * x[1]
        )

    res = minimize(waves, [2.2, -1.7], bounds=[(-5, 5)] * 2, rng=0)
    assert res.success
    assert "There are other minima" in res.message
    res = minimize(lambda x: float(x @ x), [2.2, -1.7], rng=0)
    assert "Nothing speaks for other minima" in res.message
