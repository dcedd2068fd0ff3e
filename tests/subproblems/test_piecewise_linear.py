"""The least point of a piecewise linear function and of violations at a price."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from smoothmin.subproblems.piecewise_linear import least_of_pieces


def problem(seed, scale):
    rng = np.random.default_rng(seed)
    n, k, m = int(rng.integers(1, 6)), int(rng.integers(0, 3)), int(rng.integers(1, 8))
    sizes = scale ** np.arange(1 + k)
    slopes = rng.standard_normal((m, 1 + k, n)) * sizes[:, None]
    heights = -np.abs(rng.standard_normal((m, 1 + k))) * sizes
    prices = rng.uniform(0.1, 3, k) / sizes[1:]
    rows, room = rng.standard_normal((2, n)), rng.uniform(0, 1, 2)
    return slopes, heights, prices, rows, room, -rng.uniform(0, 1, n), rng.uniform(0, 1, n)


def merit(slopes, heights, prices, d):
    largest = (heights + slopes @ d).max(axis=0)
    return largest[0] + prices @ np.maximum(largest[1:], 0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1e-8, 1.0, 1e6]))
def test_nothing_within_the_walls_is_lower(seed, scale):
    slopes, heights, prices, rows, room, lower, upper = problem(seed, scale)
    d, multipliers = least_of_pieces(slopes, heights, prices, rows, room, lower, upper)
    assert (d >= lower).all()
    assert (d <= upper).all()
    assert (rows @ d <= room + 1e-7).all()
    assert (multipliers >= -1e-7 * prices).all()
    assert (multipliers <= prices * (1 + 1e-7)).all()
    least = merit(slopes, heights, prices, d)
    rng = np.random.default_rng(seed + 1)
    for _ in range(50):
        other = rng.uniform(lower, upper)
        if (rows @ other <= room).all():
            assert least <= merit(slopes, heights, prices, other) + 1e-6


def test_the_middle_of_two_pieces():
    slopes, heights = np.array([[[1.0]], [[-2.0]]]), np.array([[0.0], [-0.3]])
    none = np.empty(0)
    walls = np.empty((0, 1)), none, np.array([-1.0]), np.array([1.0])
    d, _ = least_of_pieces(slopes, heights, none, *walls)
    assert np.allclose(d, [-0.1])
