"""Answers in any order are judged in that of the points; chunks follow measured costs."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoothmin._limits import Halt, Limits
from smoothmin._status import Status
from smoothmin.workers.call import Chunk, Raised, Stopped
from smoothmin.workers.intake import Intake
from smoothmin.workers.pace import Pace

TARGET = 0.1


@st.composite
def batches(draw):
    """Values, where something is raised if anywhere, and chunks in the order they come."""
    values = draw(st.lists(st.floats(0, 1), min_size=1, max_size=12))
    ends = {None, "error", "stop"}
    end = draw(st.sampled_from(sorted(ends, key=str)))
    at = draw(st.integers(0, len(values) - 1)) if end else None
    cuts = sorted(draw(st.sets(st.integers(1, len(values)), max_size=4)) | {0, len(values)})
    order = draw(st.permutations(list(itertools.pairwise(cuts))))
    return values, end, at, order


def chunk(values, first, after, end, at):
    answers = [(value, None) for value in values[first:after]]
    if at is None or not first <= at < after:
        return Chunk(answers)
    raised = Stopped() if end == "stop" else Raised(KeyError(at))
    return Chunk(answers[: at - first], raised)


def serially(values, end, at):
    """How many values one process looks at, and what it raises."""
    for k, value in enumerate(values):
        if k == at:
            return k, Status.CALLBACK if end == "stop" else KeyError
        if value <= TARGET:
            return k + 1, Status.TARGET
    return len(values), None


@given(batches())
def test_any_order_gives_what_one_process_gives(batch):
    values, end, at, order = batch
    intake = Intake(len(values), Limits(f_target=TARGET), real=True)
    raised = None
    try:
        for k, (first, after) in enumerate(order):
            intake.put(first, chunk(values, first, after, end, at))
            intake.settle(waiting=k + 1 < len(order))
    except Halt as halt:
        raised = halt.status
    except KeyError:
        raised = KeyError
    assert (intake.front, raised) == serially(values, end, at)
    assert all(intake.answers[k] == (values[k], None) for k in intake.scattered())


def test_an_exception_waits_for_what_is_under_way_and_a_stop_does_not():
    intake = Intake(3, Limits(), real=True)
    intake.put(0, Chunk([], Raised(KeyError("mine"))))
    intake.settle(waiting=True)
    intake.put(2, Chunk([(5.0, None)]))
    with pytest.raises(KeyError, match="mine"):
        intake.settle(waiting=False)
    assert intake.scattered() == [2]
    other = Intake(3, Limits(), real=True)
    other.put(0, Chunk([], Stopped()))
    with pytest.raises(Halt):
        other.settle(waiting=True)


def cost(points, workers, size, c, h):
    """Seconds of a batch in chunks, as the docstring of `Pace.chunk` counts them."""
    return h * points / (workers * size) + c * size


@given(st.integers(1, 10_000), st.integers(1, 64), st.floats(1e-6, 10.0), st.floats(1e-5, 1.0))
def test_chunks_cost_least(points, workers, c, h):
    pace = Pace()
    assert pace.chunk(points, workers) == 1
    pace.note(10, 10 * c, 10 * c + h)
    size = pace.chunk(points, workers)
    sizes = np.arange(1, -(-points // workers) + 1)
    least = cost(points, workers, sizes, c, h).min()
    assert cost(points, workers, size, c, h) <= 1.1 * least
