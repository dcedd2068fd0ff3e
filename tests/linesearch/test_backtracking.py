import numpy as np
import pytest

from smoothmin._protocol import Answers, Done, advance
from smoothmin.linesearch.backtracking import Backtracking, vertex


def search(fun, slope, tries=15):
    """Its end, along a line from 0, and how many values that took."""
    line = Backtracking(lambda t: np.array([t]), fun(0.0), slope, 1e-300)
    steps, count = line.run(tries), 0
    ask = advance(steps)
    while not isinstance(ask, Done):
        count += len(ask.points)
        ask = advance(steps, Answers(np.array([fun(float(t)) for (t,) in ask.points])))
    return ask.value, count, line


def test_vertex():
    assert vertex(-2.0, -1.0) == pytest.approx(1.0)
    assert vertex(-1.0, -2.0) == np.inf


@pytest.mark.parametrize("minimum", [0.02, 0.3, 1.0, 8.0])
def test_a_parabola_near_or_far(minimum):
    found, count, line = search(lambda t: (t - minimum) ** 2, -2 * minimum)
    assert found is not None
    assert abs(found[0][0] - minimum) <= 0.5 * minimum
    assert count <= 4
    assert line.met(1.0) == 0


def test_a_kink_is_crossed():
    found, count, _ = search(lambda t: abs(t - 0.3), -1.0)
    assert found is not None
    assert 0.3 <= found[0][0] < 0.6
    assert count <= 6


@pytest.mark.parametrize("beyond", [np.nan, 1e9])
def test_jumps_and_missing_values_are_seen(beyond):
    found, _, line = search(lambda t: -t if t < 1e-3 else beyond, -1.0)
    assert found is not None
    assert line.met(1.0) == 2


def test_nothing_lower():
    found, count, _ = search(lambda t: t, -1.0, tries=6)
    assert found is None
    assert count == 6
