"""Reformulations, and the relay that drives a method through one."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from smoothmin._protocol import CHANGED, Answers, Ask, Done, Finish, Iterate, Samples, advance
from smoothmin._reformulate import Reformulation, relay
from smoothmin._status import Status


class Shifted(Reformulation):
    """The origin lies at one, and values count in halves."""

    def outward(self, points):
        return points + 1.0

    def inward(self, answers):
        return Answers(2 * answers.values, answers.gradients)

    def iterate(self, message):
        return Iterate(message.x + 1.0, message.fun / 2, message.grad, **message.info)

    def finish(self, message):
        return Finish(message.status, message.message + " Shifted.")


def inner(replies):
    replies.append((yield Ask(np.zeros((1, 2)), 1)))
    replies.append((yield Iterate(np.zeros(2), replies[0].values.item(0), step=3)))
    return Finish(Status.CONVERGED, "Done.")


def test_points_go_outward_and_answers_inward():
    replies = []
    outside = relay(Shifted(), inner(replies))
    ask = advance(outside)
    assert_array_equal(ask.points, [[1.0, 1.0]])
    assert ask.order == 1
    iterate = advance(outside, Answers(np.array([5.0]), np.ones((1, 2))))
    assert_array_equal(iterate.x, [1.0, 1.0])
    assert (iterate.fun, iterate.info) == (5.0, {"step": 3})
    assert replies[0].values == [10.0]
    done = advance(outside, CHANGED)
    assert replies[1] is CHANGED
    assert isinstance(done, Done)
    assert done.value.message == "Done. Shifted."


def test_a_request_that_was_made_already_is_answered_first():
    replies = []
    steps = inner(replies)
    next(steps)
    message = advance(relay(Reformulation(), steps, Answers(np.array([5.0]))))
    assert isinstance(message, Iterate)
    assert message.fun == 5.0


def test_samples_are_asked_for_as_points():
    blocks = [np.array([[1.0], [2.0]]), np.array([[3.0]])]
    taken = []

    def sampling():
        samples = Samples(
            np.array([10.0]),
            lambda: iter(blocks),
            0,
            lambda steps, values, gradients: taken.append((steps, values)),
        )
        answers = yield samples
        assert not answers.taken
        samples.take_all(answers)
        return Finish(Status.CONVERGED, "Done.")

    outside = relay(Shifted(), sampling())
    ask = advance(outside)
    assert type(ask) is Ask
    assert_array_equal(ask.points, [[12.0], [13.0], [14.0]])
    assert isinstance(advance(outside, Answers(np.array([1.0, 2.0, 3.0]))), Done)
    assert_array_equal(np.concatenate([values for _, values in taken]), [2.0, 4.0, 6.0])


def test_an_exception_is_raised_in_the_generator():
    def survives():
        with pytest.raises(ZeroDivisionError):
            yield 1
        return 2

    steps = survives()
    assert advance(steps) == 1
    assert advance(steps, ZeroDivisionError()) == Done(2)


def test_what_the_generator_raises_is_passed_on():
    def fails():
        yield 1
        raise KeyError("mine")

    steps = fails()
    advance(steps)
    with pytest.raises(KeyError, match="mine"):
        advance(steps, None)
