"""The hull that grows and shrinks, against solving from scratch each time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smoothmin.subproblems.growing_hull import ACCURACY, SMALL, GrowingHull
from smoothmin.subproblems.min_norm import min_norm_point


def check(found, points, cone):
    """The weights are a hull's, and the point is what they say and as short as it gets."""
    size = np.abs(points).max()
    assert (found.weights >= 0).all()
    assert (found.multipliers >= 0).all()
    assert found.weights.sum() == pytest.approx(1)
    made = found.weights @ points + found.multipliers @ cone
    np.testing.assert_allclose(found.point, made, atol=1e-9 * size)
    square = found.point @ found.point
    slack = ACCURACY * square + 1e-12 * size * (size + np.sqrt(square))
    assert (points @ found.point >= square - 2 * slack).all()
    reference = min_norm_point(points, cone if len(cone) else None).point
    assert square <= (reference @ reference) * (1 + 3 * ACCURACY) + 1e-12 * size**2


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    dimension=st.integers(1, 60),
    directions=st.integers(0, 3),
    shift=st.sampled_from([0.0, 0.3, 2.0]),
    repeated=st.booleans(),
)
def test_agrees_with_solving_from_scratch(seed, dimension, directions, shift, repeated):
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((SMALL + 40, dimension)) * 10.0 ** rng.uniform(-2, 0, dimension)
    points += shift * rng.standard_normal(dimension)
    if repeated:
        points[1::2] = points[::2]
    cone = rng.standard_normal((directions, dimension))
    hull = GrowingHull(cone)
    hull.append(points[:SMALL])
    live, count = list(range(SMALL)), SMALL
    while count < len(points):
        more = min(int(rng.integers(1, 6)), len(points) - count)
        hull.append(points[count : count + more])
        live += range(count, count + more)
        count += more
        for _ in range(rng.integers(0, 4)):
            live.pop(int(rng.integers(len(live))))
        check(hull.least(np.array(live)), points[live], cone)


def test_losing_most_of_the_points_starts_anew():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((120, 30)) + 0.5
    hull = GrowingHull(np.empty((0, 30)))
    hull.append(points)
    for live in (np.arange(100), np.arange(120), np.arange(60, 120)):
        check(hull.least(live), points[live], np.empty((0, 30)))


def test_zero_in_the_hull():
    points = np.concatenate([np.eye(25), -np.eye(25)])
    hull = GrowingHull(np.empty((0, 25)))
    hull.append(points)
    hull.least(np.arange(49))
    assert np.linalg.norm(hull.least(np.arange(50)).point) <= 1e-14


def test_all_points_zero():
    hull = GrowingHull(np.empty((0, 3)))
    hull.append(np.zeros((SMALL + 5, 3)))
    for count in (SMALL + 1, SMALL + 5):
        assert not hull.least(np.arange(count)).point.any()
