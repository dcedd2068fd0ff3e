import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from smoothmin.linesearch.p_algorithm import LOWER, PAlgorithm


def explored(fun, count, factor=np.inf, first=5):
    """A line on [0, 1] with so many samples more, or as many as are doubtful."""
    t = np.linspace(0, 1, first)
    line = PAlgorithm(t, fun(t))
    while line.asked < count + first and len(new := line.doubtful(1, factor)) > 0:
        line.add(new, fun(new))
    return line


def needed_curvature(line, k):
    """Least half curvature of two parabolas that meet at the value sought, by bisection."""
    lowest = line.values.min()
    target = lowest - LOWER * (np.median(line.values) - lowest)
    gap = line.t[k + 1] - line.t[k]
    low, high = 0.0, 1e12
    for _ in range(200):
        c = 0.5 * (low + high)
        reach = sum(np.sqrt((line.values[j] - target) / c) for j in (k, k + 1))
        low, high = (c, high) if reach > gap else (low, c)
    return high


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=30)
def test_next_is_where_the_least_curvature_would_do(seed):
    rng = np.random.default_rng(seed)
    line = PAlgorithm(np.sort(rng.uniform(0, 1, 7)), rng.standard_normal(7))
    needed = np.array([needed_curvature(line, k) for k in range(6)])
    points = line.doubtful(6, np.inf)
    intervals = np.searchsorted(line.t, points) - 1
    assert_allclose(needed[intervals], np.sort(needed), rtol=1e-6)
    bends = np.diff(np.diff(line.values) / np.diff(line.t)) / (line.t[2:] - line.t[:-2])
    assert len(line.doubtful(6, 2.0)) == np.count_nonzero(needed <= 2 * np.abs(bends).max())


@pytest.mark.parametrize("seed", range(8))
def test_the_lowest_of_many_valleys_is_found(seed):
    rng = np.random.default_rng(seed)
    place, waves = rng.uniform(0.1, 0.9), rng.uniform(5, 10)

    def fun(t):
        z = t - place
        return 40 * z**2 + 1 - np.cos(2 * np.pi * waves * z)

    line = explored(fun, 40)
    assert abs(line.t[line.best] - place) < 0.5 / waves
    assert len(explored(fun, 200, 2.0).t) < 120


def test_parabolas_are_soon_known():
    line = explored(lambda t: (t - 0.37) ** 2, 100, 2.0)
    assert len(line.t) < 12


def test_constants_are_known_at_once():
    assert len(PAlgorithm(np.linspace(0, 1, 4), np.ones(4)).doubtful(3, 2.0)) == 0


def test_points_without_a_value_are_avoided():
    line = explored(lambda t: np.where(t > 0.4, np.nan, np.cos(20 * t)), 30)
    assert abs(line.t[line.best] - np.pi / 20) < 0.02
    assert np.isinf(line.values).sum() < 15


def test_what_is_settled_is_lowest_and_shifts_with_the_rest():
    line = PAlgorithm(np.array([0.0, 0.5, 1.0]), np.array([2.0, 1.0, 3.0]))
    line.settle(0.4, 0.5)
    assert line.settled
    assert line.t.tolist() == [0.0, 0.4, 1.0]
    line.shift(10.0)
    assert line.values.tolist() == [11.5, 10.0, 12.5]
    assert (line.valley().m, line.valley().f_m) == (0.4, 10.0)
    line.add(np.array([0.8]), np.array([9.0]))
    assert not line.settled
