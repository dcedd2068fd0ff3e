"""Intervals on published data, against formulas, lmfit, MINOS and statsmodels."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import brentq
from scipy.stats import f

from smoothmin import least_squares, minimize, uncertainty

# D. Bates, D. Watts (1988), Nonlinear Regression Analysis: oxygen demand (mg/l, by days), and
# the velocity of an enzyme's reaction (by the concentration in ppm)
DAYS = np.array([1, 2, 3, 4, 5, 7.0])
DEMAND = np.array([8.3, 10.3, 19, 16, 15.6, 19.8])
SUBSTRATE = np.repeat([0.02, 0.06, 0.11, 0.22, 0.56, 1.1], 2)
VELOCITY = np.array([76, 47, 97, 107, 123, 139, 159, 152, 191, 201, 207, 200.0])
CURVES = {
    "demand": (lambda t, rate: 1 - np.exp(-rate * t), DAYS, DEMAND, [19.0, 0.5]),
    "enzyme": (lambda s, half: s / (half + s), SUBSTRATE, VELOCITY, [200.0, 0.06]),
}
# S. Dalal, E. Fowlkes, B. Hoadley (1989): degrees Fahrenheit at launches, and whether a ring failed
DEGREES = np.array(
    [66, 70, 69, 68, 67, 72, 73, 70, 57, 63, 70, 78, 67, 53, 67, 75, 70, 81, 76, 79, 75, 76, 58]
)
FAILED = np.isin(np.arange(23), [1, 8, 9, 10, 13, 20, 22])


def fitted(name):
    """Residuals and their sum of squares, the fit, and how sure it is."""
    shape, t, data, start = CURVES[name]

    def residuals(p):
        return p[0] * shape(t, p[1]) - data

    def fun(p):
        return float(residuals(p) @ residuals(p))

    fit = least_squares(residuals, start)
    return residuals, fun, fit, uncertainty(fun, fit, residuals=t.size)


def launches(p):
    z = p[0] + p[1] * (DEGREES - 70)
    return float(np.logaddexp(0, z).sum() - z[FAILED].sum())


@pytest.mark.parametrize("name", list(CURVES))
@pytest.mark.parametrize("level", [0.6826894921370859, 0.95])
def test_profiles_by_f_where_the_variance_is_estimated(name, level):
    """Of the second parameter: the best factor for each value of it has a formula."""
    shape, t, data, _ = CURVES[name]
    _, _, fit, sure = fitted(name)

    def least(p):
        column = shape(t, p)
        return data @ data - (column @ data) ** 2 / (column @ column)

    dof = t.size - 2
    limit = least(fit.x[1]) * (1 + f.ppf(level, 1, dof) / dof)
    low, high = (brentq(lambda p: least(p) - limit, fit.x[1], fit.x[1] * k) for k in (0.05, 6))
    assert_allclose(sure.interval(1, level), [low, high], atol=3e-3 * sure.errors[1])


@pytest.mark.parametrize(
    ("name", "index", "low", "high"),
    [  # lmfit 1.3.4, conf_interval
        ("demand", 0, 16.712799, 22.869625),
        ("demand", 1, 0.334099, 0.825294),
        ("enzyme", 0, 205.278571, 220.36075),
        ("enzyme", 1, 0.055467, 0.073848),
    ],
)
def test_as_lmfit(name, index, low, high):
    sure = fitted(name)[3]
    assert_allclose(sure.interval(index), [low, high], atol=3e-3 * sure.errors[index])


@pytest.mark.parametrize(
    ("level", "index", "low", "high"),
    [  # iminuit 2.33.0, minos
        (0.6826894921370859, 0, -1.8488144, -0.6469758),
        (0.6826894921370859, 1, -0.3570070, -0.1363226),
        (0.95, 0, -2.5696342, -0.1523174),
        (0.95, 1, -0.5154321, -0.0607863),
    ],
)
def test_a_likelihood_as_minos(level, index, low, high):
    sure = uncertainty(launches, minimize(launches, [0.0, 0.0]))
    assert_allclose(sure.interval(index, level), [low, high], atol=3e-3 * sure.errors[index])
    assert_allclose(sure.errors, [0.59525456, 0.10823652], rtol=1e-3)  # statsmodels 0.15.0, Logit


def test_a_given_errordef_is_taken_as_it_is():
    """As MINOS does, even if the user has estimated it."""
    _, fun, fit, _ = fitted("demand")
    sure = uncertainty(fun, fit, errordef=fun(fit.x) / 4)
    assert_allclose(sure.interval(0), [16.977855, 22.278918], atol=3e-3 * sure.errors[0])
