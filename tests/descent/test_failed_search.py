"""What a search that found nothing lower tells of the rounding of values."""

import numpy as np
import pytest

from smoothmin import minimize
from smoothmin.descent.failed_search import noise_on_line
from smoothmin.linesearch.weak_wolfe import LinePoint, LineResult


def searched(fun, slope, lengths):
    """A search along a line that found nothing lower."""
    x = np.zeros(1)
    trials = [LinePoint(t, x, fun(t), x, slope(t)) for t in lengths]
    return LineResult(LinePoint(0.0, x, fun(0.0), x, slope(0.0)), False, False, trials, slope(0.0))


LENGTHS = 2.0 ** -np.arange(8.0)


def test_rounding_is_told_from_what_slopes_allow():
    found = searched(lambda t: 1e-9 * (t > 0.1), lambda t: 2e-12 * (t - 0.01), LENGTHS)
    assert noise_on_line(found, 0.0, found.slope) == pytest.approx(1e-9, rel=1e-2)


@pytest.mark.parametrize("kink", [0.0, 0.3])
def test_neither_bends_nor_kinks_are_noise(kink):
    def fun(t):
        return t**2 - 0.01 * t + kink * abs(t - 0.02)

    def slope(t):
        return 2 * t - 0.01 + kink * np.sign(t - 0.02)

    found = searched(fun, slope, LENGTHS)
    assert noise_on_line(found, fun(0.0), found.slope) < 1e-15


def test_a_minimum_that_is_a_difference_of_larger_numbers_is_said_to_be_one():
    """Values near zero come in steps of 1e-16, which is far more than rounds off themselves."""

    def logcosh(x):
        return float(np.sum(np.logaddexp(x, -x) - np.log(2))), np.tanh(x)

    for method in ("lbfgs", "bfgs", "gradient-sampling"):
        for size in (1.0, 10.0, 1e3):
            res = minimize(logcosh, size * np.array([1.0, -2.0]), jac=True, method=method, rng=0)
            assert res.fun <= 1e-15
            assert res.success, (method, size, res.message)
