"""`play`: what it books, passes on, suspends."""

from dataclasses import dataclass

import numpy as np
from numpy.testing import assert_array_equal

from smoothmin._method import Method
from smoothmin._protocol import Answers, Ask, Finish, Iterate, Problem, Samples
from smoothmin._status import Status
from smoothmin.portfolio.incumbent import Incumbent
from smoothmin.portfolio.phase import Phase, play


@dataclass(frozen=True)
class Walk(Method):
    """Steps of one to the left, reported after each."""

    steps: int = 4
    order: int = 0

    def run(self, problem, rng):
        x = problem.x0
        for _ in range(self.steps):
            answers = yield Ask(x[None], self.order)
            yield Iterate(x, float(answers.values[0]))
            x = x - 1
        return Finish(Status.CONVERGED, "walked")


def answered(steps, asked=None):
    """Drive with the sum of the squares; what is returned, and all iterates."""
    reply, iterates = None, []
    try:
        while True:
            message = steps.send(reply)
            reply = None
            if isinstance(message, Ask):
                points = message.points
                if asked is not None:
                    asked.extend(points)
                reply = Answers((points**2).sum(axis=1), 2 * points)
            else:
                iterates.append(message)
    except StopIteration as end:
        return end.value, iterates


def incumbent(x0=(3.0, 0.0)):
    x0 = np.array(x0)
    return Incumbent(Problem(x0, None, True, x0.shape), np.random.default_rng(0))


def test_what_a_phase_found_is_in_its_outcome_and_in_the_incumbent():
    best = incumbent()
    outcome, iterates = answered(play(Phase("walk", Walk(6), best.x), best))
    assert outcome.success
    assert (outcome.cost, outcome.fun) == (6, 5.0)
    assert_array_equal(outcome.x, [-2, -5])
    assert_array_equal(outcome.lowest, [2, -1])
    assert_array_equal(best.x, outcome.lowest)
    assert [i.info["phase"] for i in iterates] == ["walk"] * 6
    assert best.accounts.nfev == {"walk": 6}


def test_a_value_that_is_known_is_not_asked_for():
    best, asked = incumbent(), []
    answered(play(Phase("first", Walk(1), best.x), best), asked)
    answered(play(Phase("second", Walk(2), best.x), best), asked)
    assert len(asked) == 2
    answered(play(Phase("third", Walk(1, order=1), best.x), best), asked)
    assert len(asked) == 3


def test_a_suspended_method_goes_on_where_it_was():
    best, asked = incumbent(), []
    phase = Phase("walk", Walk(5), best.x, watch=lambda now: "Enough." if now.nit == 2 else None)
    outcome, _ = answered(play(phase, best, keep=True), asked)
    assert outcome.finish is None
    rest, _ = answered(play(outcome.resumed(phase, watch=None), best), asked)
    assert rest.finish is not None
    assert rest.cost == 3
    assert_array_equal(np.array(asked)[:, 0], [3, 2, 1, 0, -1])


def test_a_method_that_a_limit_suspends_is_given_the_answer_it_waits_for():
    best, asked = incumbent(), []
    phase = Phase("walk", Walk(5), best.x, limit=2)
    outcome, _ = answered(play(phase, best, keep=True), asked)
    assert outcome.finish is None
    rest, iterates = answered(play(outcome.resumed(phase, limit=9), best), asked)
    assert rest.finish is not None
    assert [i.fun for i in iterates] == [5, 5, 9, 17]
    assert_array_equal(np.array(asked)[:, 0], [3, 2, 1, 0, -1])


def test_a_limit_ends_what_makes_no_steps():
    class Endless(Method):
        def run(self, problem, rng):
            while True:
                yield Ask(problem.x0[None], 1)

    best = incumbent()
    outcome, iterates = answered(play(Phase("endless", Endless(), best.x, limit=7), best))
    assert (outcome.cost, outcome.finish, iterates) == (7, None, [])


def test_samples_are_observed_and_never_all_at_once():
    steps = np.arange(12.0).reshape(6, 2)
    taken, observed = [], []

    class Sampling(Method):
        def run(self, problem, rng):
            def blocks():
                yield from (steps[:4], steps[4:])

            ask = Samples(problem.x0, blocks, 1, lambda s, v, g: taken.append(len(s)))
            yield ask
            return Finish(Status.CONVERGED, "")

    best = incumbent((-4.0, -5.0))

    def observe(points, gradients):
        assert_array_equal(gradients, 2 * points)
        observed.extend(points)

    drive = play(Phase("smoothed", Sampling(), best.x, observe=observe), best)
    ask = next(drive)
    values = []
    for block in ask.blocks():
        points = ask.center + block
        values.extend((points**2).sum(axis=1))
        ask.take(block, np.array(values[-len(block) :]), 2 * points)
    try:
        drive.send(Answers(np.array(values), taken=True))
    except StopIteration as end:
        outcome = end.value
    assert taken == [4, 2]
    assert len(observed) == 6
    assert_array_equal(best.x, [0.0, 0.0])
    assert_array_equal(outcome.least[1], best.x)
