"""Fixed rates: when they end, and what they report."""

import numpy as np
import pytest

from smoothmin import GradientDescent, LaplacianDescent, LaplacianSmoothing, minimize
from smoothmin._protocol import CHANGED, REDRAWN, Answers, Ask, Finish, Problem, resume
from smoothmin._status import Status

WAYS = {
    "plain": GradientDescent(lr=0.4),
    "momentum": GradientDescent(lr=0.4, momentum=0.5),
    "nesterov": GradientDescent(lr=0.3, momentum=0.5, nesterov=True),
    "one rate a block": GradientDescent(lr=[0.4, 0.2], shapes=[5, 5]),
    "smoothed": LaplacianSmoothing(GradientDescent(lr=0.9), boundary="dirichlet"),
    "smoothed, one rate a block": LaplacianSmoothing(
        GradientDescent(lr=[0.9, 0.5]), shapes=[5, 5], boundary="dirichlet"
    ),
    "smoothed as one line, one rate a block": LaplacianSmoothing(
        GradientDescent(lr=[0.9, 0.5]), shapes=[5, 5], layerwise=False, boundary="dirichlet"
    ),
    "laplacian": LaplacianDescent(step="fixed", lr=0.9, sigma=1.0, boundary="dirichlet"),
}


def string(x):
    """Under load, held at both ends."""
    slope = np.diff(x, prepend=0, append=0)
    return slope @ slope / 2 - x.sum() / 50, -np.diff(slope) - 1 / 50


@pytest.mark.parametrize("bounds", [None, (-9.0, 9.0)])
@pytest.mark.parametrize("way", WAYS)
def test_they_end_at_the_minimum_without_a_tolerance(way, bounds):
    start = np.zeros(10)
    bounds = None if bounds is None else [bounds] * start.size
    res = minimize(string, start, jac=True, method=WAYS[way], bounds=bounds)
    k = np.arange(1, 11)
    assert res.success, res.message
    np.testing.assert_allclose(res.x, k * (11 - k) / 100, atol=1e-6)
    assert res.nfev < 1000


@pytest.mark.parametrize("way", WAYS)
def test_they_do_not_claim_success_across_a_kink(way):
    def kinked(x):
        return float(np.abs(x).sum() + x @ x / 2), np.sign(x) + x

    start = 1.3 + np.arange(10) / 7
    res = minimize(kinked, start, jac=True, method=WAYS[way], options={"maxfev": 3000})
    assert not res.success


def run(steps, fun, reply):
    """Drive a run to its end; ``fun`` knows how many steps were reported."""
    reported, x, answer = 0, None, None
    while True:
        message = resume(steps, answer)
        if isinstance(message, Finish):
            return message, x, reported
        if isinstance(message, Ask):
            answers = [fun(point, reported) for point in message.points]
            values, gradients = zip(*answers, strict=True)
            answer = Answers(np.array(values), np.array(gradients))
        else:
            x, reported, answer = message.x, reported + 1, reply


@pytest.mark.parametrize("reply", [REDRAWN, CHANGED])
def test_values_that_fall_from_sample_to_sample_are_no_progress(reply):
    def lower_each_time(x, reported):
        return 0.5 * float(x @ x) - reported, x

    problem = Problem(np.ones(3), None, True, (3,))
    steps = GradientDescent(lr=0.1).run(problem, np.random.default_rng(0))
    finish, x, reported = run(steps, lower_each_time, reply)
    # beside falls of 1 a step what is left would be negligible at 1e-3
    assert finish.status is Status.CONVERGED
    assert np.abs(x).max() < 1e-5
    assert reported > 100
