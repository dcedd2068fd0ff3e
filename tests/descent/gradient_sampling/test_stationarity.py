"""What certificates have to meet."""

import numpy as np
import pytest

from smoothmin import minimize
from smoothmin._protocol import Problem
from smoothmin.descent.gradient_sampling.stationarity import Certificate, Certifier


def at_two_points(first, second):
    """A certifier that has come from one point to another."""
    certifier = Certifier(Problem(first, None, True, first.shape), None, None)
    certifier.start(first, 2.0, np.ones(2))
    certifier.move(second, 1.0, np.ones(2), 1.0, (0.0, 0.0))
    return certifier


def test_the_radius_is_small_beside_the_variables_wherever_they_come_from():
    near, far = np.array([1.0, 0.5]), np.array([1e7, 0.0])
    usual = at_two_points(near, near).radius_needed
    assert usual < at_two_points(far, near).radius_needed <= 1e-5
    assert at_two_points(far, np.array([1e3, 0.0])).radius_needed <= 1e-2
    # at zero nothing but where variables have been tells of their size
    assert at_two_points(near, np.zeros(2)).radius_needed == usual


def test_stationarity_is_relative_to_what_cancels():
    certifier = at_two_points(np.ones(2), np.ones(2))
    certifier.add(Certificate(1e-9, 0.0), 5.0)
    assert certifier.small == pytest.approx(5e-6)
    assert certifier.certified


def test_a_steep_valley_is_no_kink():
    """Gradients on both walls of a valley cancel, and prove nothing of what is left in it.

    J. J. More, B. S. Garbow, K. E. Hillstrom, ACM Trans. Math. Softw. 7 (1981), problem 4, from
    far away.
    """

    def badly_scaled(x):
        a, b, c = x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2
        return a * a + b * b + c * c, 2 * np.array([a + c * x[1], b + c * x[0]])

    for start in (1e6, 1e7, 1e8):
        res = minimize(badly_scaled, [start, start], jac=True, method="gradient-sampling", rng=0)
        assert res.fun < 1e-12 or not res.success
