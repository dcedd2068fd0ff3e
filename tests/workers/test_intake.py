"""Answers in any order are judged in that of the points; chunks follow measured costs."""

import heapq
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
    intake = Intake(np.zeros((len(values), 1)), Limits(f_target=TARGET))
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
    intake = Intake(np.zeros((3, 1)), Limits())
    intake.put(0, Chunk([], Raised(KeyError("mine"))))
    intake.settle(waiting=True)
    intake.put(2, Chunk([(5.0, None)]))
    with pytest.raises(KeyError, match="mine"):
        intake.settle(waiting=False)
    assert intake.scattered() == [2]
    other = Intake(np.zeros((3, 1)), Limits())
    other.put(0, Chunk([], Stopped()))
    with pytest.raises(Halt):
        other.settle(waiting=True)


def makespan(costs, workers, size, overhead):
    """When the last of the workers is done, each taking the next chunk when it is."""
    free = [0.0] * workers
    for first in range(0, len(costs), size):
        begin = heapq.heappop(free)
        heapq.heappush(free, begin + overhead + float(costs[first : first + size].sum()))
    return max(free)


@pytest.mark.parametrize("overhead", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("workers", [2, 8])
@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0])
def test_chunks_take_little_longer_than_the_best_of_any_size(overhead, workers, spread):
    rng = np.random.default_rng(0)
    costs = rng.gamma(1 / spread**2, spread**2, (8, 400)) if spread else np.ones((8, 400))
    pace = Pace()
    assert pace.chunk(400, workers) == 1
    for row in costs:
        pace.note(Chunk([0.0] * 400, None, row.sum(), row @ row), row.sum() + overhead)
    mean = {
        size: np.mean([makespan(row, workers, size, overhead) for row in costs])
        for size in range(1, 401)
    }
    assert mean[pace.chunk(400, workers)] <= 1.1 * min(mean.values())


@pytest.mark.parametrize("cost", [1e-5, 1e-3, 1e-1])
def test_more_workers_than_can_be_kept_busy_are_not_waited_for(cost):
    pace, points, sending = Pace(), 1000, 1e-3
    pace.send(sending)
    pace.note(Chunk([0.0], None, cost, cost**2), cost + 10 * sending)

    def taken(size):
        return sending * points / size + cost * size

    least = min(taken(size) for size in range(1, points + 1))
    assert taken(pace.chunk(points, 1000)) <= 1.1 * least


def test_first_calls_that_compile_are_forgotten():
    pace = Pace()
    pace.note(Chunk([0.0], None, 5.0, 25.0), 6.0)
    assert pace.chunk(100, 2) <= 20  # messages of 1 s beside evaluations of 5 s
    for _ in range(3):
        pace.turn()
        for _ in range(10):
            pace.note(Chunk([0.0], None, 1e-4, 1e-8), 6e-4)
    assert pace.chunk(100, 2) == 50
