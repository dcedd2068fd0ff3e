"""What a descent remembers of its last steps."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoothmin._recent import Recent


def filled(values, sizes=None):
    recent = Recent()
    for k, value in enumerate(values):
        recent.add(np.full(2, float(k)), value, 1.0 if sizes is None else sizes[k])
    return recent


def test_falls_are_those_of_the_last_half_and_of_shares_of_it():
    recent = filled([2.0 ** (20 - k) for k in range(21)])
    (whole, fall), (share, later) = recent.changes[:2]
    assert (whole, share) == (1.0, 0.5)
    assert fall == 2.0**10 - 1
    assert later == 2.0**5 - 1


def test_the_first_step_is_not_lately():
    assert filled([1e14]).changes == ((1.0, 0.0),)
    assert filled([1e14, 1.0]).changes[0][1] == 0.0
    assert filled([1e14, 1.0, 0.5]).changes[0][1] == 0.5


@given(st.floats(0.1, 0.9))
def test_geometric_gains_are_extrapolated_to_their_sum(rate):
    values = [rate**k for k in range(13)]
    assert filled(values).extrapolated(0.0) == pytest.approx(values[-1], rel=1e-6)


def test_gains_that_do_not_shrink_have_no_sum_and_noise_is_no_gain():
    assert filled(np.arange(20.0)[::-1]).extrapolated(0.0) == math.inf
    assert filled(1e-9 * np.arange(20.0)[::-1]).extrapolated(1e-8) == 0.0


def test_gradients_that_stay_are_steep_and_those_that_vanish_are_not():
    values = np.geomspace(1, 1e-9, 20)
    assert filled(values, np.tile([1.0, 0.3], 10)).steepness == 1.0
    assert filled(values, np.geomspace(1, 1e-6, 20)).steepness < 0.01
    assert filled(values, [1.0] * 19 + [1e-12]).steepness < 1e-10


def test_how_far_steps_have_led():
    recent = filled(3.0 * np.arange(41)[::-1])
    assert recent.moved(np.full(2, 40.0)) == pytest.approx(math.sqrt(2) * (40 - 16))
    assert recent.fallen == pytest.approx(3 * (40 - 16))
    assert filled(np.ones(1)).fallen == 0


def test_promises_that_values_exceeded_are_multiplied_the_less_the_older_they_are():
    recent = Recent()
    for k, value in enumerate([100.0, 10.0, 1.0]):
        recent.add(np.full(1, float(k)), value, 1.0)
        recent.promise(1e-2 if k == 1 else value)
    assert recent.exceeded(0.0) == pytest.approx(900.0**0.5)
    assert recent.exceeded(8.0) == pytest.approx(100.0**0.5)
    assert filled([3.0, 2.0, 1.0]).exceeded(0.0) == 1.0


def test_curvature_is_the_largest_of_the_last_quarter_or_since_a_step():
    recent = Recent()
    for k in range(41):
        recent.add(np.full(1, float(k)), -float(k), 1.0, 100.0 - k)
    assert recent.curvature() == 69.0
    assert recent.curvature(5) == 95.0


def test_what_is_left_of_a_gradient_is_its_share_of_the_largest_of_the_run_not_of_the_last_steps():
    sizes = [10.0, 8.0, 4.0, 1e-6, 1e-6, 1e-6, 1e-6, 1e-6]
    assert filled(np.arange(8.0, 0.0, -1.0), sizes).left == pytest.approx(1e-7)
