"""How far variables are taken to move, and the range that follows."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from smoothmin._protocol import Problem
from smoothmin.sampling.scale import search_range, typical_scale

INF = np.inf
HALF_OPEN = (np.array([-1.0, -INF, 0.0]), np.array([3.0, 5.0, INF]))


def problem(box=None):
    return Problem(np.array([0.5, -20.0, 3.0]), box, False, (3,))


def test_a_tenth_of_the_start_or_a_fifth_of_the_box():
    assert_array_equal(typical_scale(problem()), [0.1, 2.0, 0.1 * 3.0])
    assert_array_equal(typical_scale(problem(HALF_OPEN)), [0.8, 2.0, 0.1 * 3.0])


def test_what_is_given_counts():
    assert_array_equal(typical_scale(problem(), "sigma", 2.0), [2.0, 2.0, 2.0])
    assert_array_equal(typical_scale(problem(HALF_OPEN), "sigma", [1, 2, 3]), [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="sigma"):
        typical_scale(problem(), "sigma", [1.0, 2.0])


def test_the_range_is_the_box_where_there_is_one():
    scale = np.array([1.0, 2.0, 4.0])
    low, high = search_range(problem(HALF_OPEN), np.zeros(3), scale)
    assert_array_equal(low, [-1.0, -5.0, 0.0])
    assert_array_equal(high, [3.0, 5.0, 10.0])
    low, high = search_range(problem(), np.ones(3), scale)
    assert_array_equal(low, 1 - 2.5 * scale)
    assert_array_equal(high, 1 + 2.5 * scale)
