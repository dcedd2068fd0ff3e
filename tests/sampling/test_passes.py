"""The parts of `Homotopy` with gradients that a run does not show."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from smoothmin._protocol import Answers, Ask, Method, Problem
from smoothmin._stopping import Progress
from smoothmin.sampling.passes import RETURNS, STALLED, Passes, Schedule, _Hop, _Witness


def step(fun, x=0.0, grad=0.0):
    return Progress(0, 0, 0.0, np.array([x]), fun, np.array([grad]))


def test_a_polish_that_goes_back_and_forth_over_a_kink_is_ended():
    witness = _Witness(np.inf)
    said = [witness(step(1.0, x=k % 2)) for k in range(STALLED + 1)]
    assert said[:-1] == [None] * STALLED
    assert said[-1]


def test_a_polish_that_goes_down_is_not():
    witness = _Witness(np.inf)
    assert not any(witness(step(1.0 / (k + 1))) for k in range(5 * STALLED))


def test_curvature_is_that_of_the_first_two_steps():
    witness = _Witness(np.inf)
    for x in (1.0, 0.5, 0.25):
        witness(step(x**2, x, 8.0 * x))
    assert witness.scale == pytest.approx(1 / 8)
    assert witness.value == 0.0625


def test_hops_become_just_long_enough_to_leave():
    rng, hop, returns = np.random.default_rng(0), _Hop(1.0), []
    for _ in range(3000):
        returns.append(np.abs(hop.draw(5, rng)).max() < 0.04)
        hop.adapt(returns[-1])
    assert np.mean(returns[500:]) == pytest.approx(RETURNS, abs=0.05)


def test_a_hop_moves_a_share_of_the_variables():
    rng = np.random.default_rng(0)
    assert [np.count_nonzero(_Hop(part).draw(20, rng)) for part in (1.0, 0.1, 0.01)] == [20, 2, 1]


class Endless(Method):
    """Asks forever, and never makes a step."""

    def run(self, problem, rng):
        while True:
            yield Ask(problem.x0[None], 1)


def test_a_stage_whose_line_search_finds_nothing_is_cut_short():
    problem = Problem(np.ones(2), None, True, (2,))
    schedule = Schedule(np.ones(2), 4, 0.4, 3, "mean", "antithetic", 1.25, 1e-6, np.inf)
    passes = Passes(schedule, problem, np.random.default_rng(0))
    steps = passes._phase("smoothed", Endless(), np.ones(2), _Witness(np.inf), limit=7)
    answers = Answers(np.array([3.0]), np.ones((1, 2)))
    asked = [next(steps)] + [steps.send(answers) for _ in range(6)]
    assert all(isinstance(message, Ask) for message in asked)
    with pytest.raises(StopIteration) as end:
        steps.send(answers)
    assert_array_equal(end.value.value[0], np.ones(2))
    assert passes._ledger.nfev == {"smoothed": 7}
