"""How far variables are taken to move, and the range that follows."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.optimize import rosen, rosen_der

from smoothmin import minimize
from smoothmin._protocol import Problem
from smoothmin._scale import box_scale, search_range, typical_scale

INF = np.inf
HALF_OPEN = (np.array([-1.0, -INF, 0.0]), np.array([3.0, 5.0, INF]))


def problem(box=None):
    return Problem(np.array([0.5, -20.0, 3.0]), box, False, (3,))


def test_a_tenth_of_the_start_or_a_fifth_of_the_box():
    assert_array_equal(typical_scale(problem()), [0.1, 2.0, 0.1 * 3.0])
    assert_array_equal(typical_scale(problem(HALF_OPEN)), [0.8, 2.0, 0.1 * 3.0])


def test_bounds_too_far_to_say_anything():
    wide = (np.full(3, -1e6), np.array([1e6, 1e6, 4.0]))
    assert_array_equal(typical_scale(problem(wide)), [0.1, 2.0, 0.1 * 3.0])
    assert_array_equal(box_scale(problem(wide)), [np.nan] * 3)
    assert_array_equal(box_scale(problem(HALF_OPEN)), [0.8, np.nan, np.nan])


@pytest.mark.parametrize("jac", [None, rosen_der])
@pytest.mark.parametrize("seed", range(3))
def test_bounds_that_only_keep_from_infinity(jac, seed):
    res = minimize(
        rosen, [-1.2, 1.0, 1.0], method="homotopy", jac=jac, bounds=[(-1e6, 1e6)] * 3, rng=seed
    )
    assert res.fun < 1e-9
    assert res.nfev < 1200


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
    wide = (np.full(3, -1e6), np.array([1e6, 1e6, 4.0]))
    low, high = search_range(problem(wide), np.ones(3), scale)
    assert_array_equal(low, 1 - 2.5 * scale)
    assert_array_equal(high, [3.5, 6.0, 4.0])
    low, high = search_range(problem(), np.ones(3), scale)
    assert_array_equal(low, 1 - 2.5 * scale)
    assert_array_equal(high, 1 + 2.5 * scale)
