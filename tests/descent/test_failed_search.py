"""What a search that found nothing lower tells of the rounding of values."""

import numpy as np
import pytest

from smoothmin import minimize
from smoothmin.descent.failed_search import noise_on_line
from smoothmin.linesearch.line_result import LinePoint, LineResult


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


def test_values_that_cancel_to_zero_are_no_kinks():
    """The arrow head of Conn, Gould and Toint from close by: its terms cancel in steps of 1e-16."""

    def arrow_head(x):
        both = x[:-1] ** 2 + x[-1] ** 2
        gradient = np.append(4 * both * x[:-1] - 4, 4 * x[-1] * both.sum())
        return float((both**2 - 4 * x[:-1] + 3).sum()), gradient

    soon, starts = (
        0,
        [
            (n, last, spread)
            for n in (48, 300)
            for last in (0.01, 0.1, 0.3)
            for spread in (0, 0.01, 0.1)
        ],
    )
    for n, last, spread in starts:
        x0 = np.append(1 + spread * np.linspace(-1, 1, n - 1), last)
        res = minimize(arrow_head, x0, jac=True, rng=0, options={"maxfev": 500})
        assert res.fun <= 1e-12
        soon += res.success and res.nfev <= 100
    assert soon >= len(starts) - 2


def test_searches_end_where_values_show_no_more():
    """Watson, in 6 variables (More, Garbow and Hillstrom, problem 20): a narrow valley."""
    t = np.arange(1, 30) / 29.0
    powers, slopes = t[:, None] ** np.arange(6), np.zeros((29, 6))
    slopes[:, 1:] = np.arange(1, 6) * powers[:, :-1]

    def watson(x):
        sums = powers @ x
        rest = np.array([*(slopes @ x - sums**2 - 1), x[0], x[1] - x[0] ** 2 - 1])
        ends = np.zeros((2, 6))
        ends[0, 0], ends[1, :2] = 1, [-2 * x[0], 1]
        jacobian = np.vstack([slopes - 2 * sums[:, None] * powers, ends])
        return rest @ rest, 2 * jacobian.T @ rest

    evaluations = 0
    for seed in range(12):
        start = 0.2 * np.random.default_rng(seed).standard_normal(6)
        res = minimize(watson, start, jac=True, method="lbfgs")
        assert res.success
        assert res.fun == pytest.approx(2.2876700536e-3, rel=1e-6)
        evaluations += res.nfev
    assert evaluations <= 12 * 66
