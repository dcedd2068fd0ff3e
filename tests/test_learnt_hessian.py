"""`res.hess_inv` of runs from values alone: standard errors of scripts that name no method."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import rosen, rosen_hess

from smoothmin import minimize
from smoothmin._estimate import ESTIMATE, CurvatureEstimate
from smoothmin._protocol import Ask, Problem
from smoothmin.portfolio.incumbent import Incumbent

MATRIX = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])


def curved(x):
    """A likelihood's shape: a quadratic, and what is not one."""
    return float(0.5 * x @ MATRIX @ x + np.log(np.cosh(x - 1)).sum())


def curvature(x):
    """Its Hessian."""
    return MATRIX + np.diag(1 / np.cosh(x - 1) ** 2)


@pytest.mark.parametrize("method", [None, "model-descent", "difference-descent", "Nelder-Mead"])
@pytest.mark.parametrize("units", [np.ones(3), np.array([1e3, 1e-2, 7.0])])
def test_standard_errors_follow_from_values_alone(method, units):
    res = minimize(lambda x: curved(x / units), 0.7 * units, method=method, rng=0)
    assert res.success
    errors = np.sqrt(np.diag(res.hess_inv))
    true = units * np.sqrt(np.diag(np.linalg.inv(curvature(res.x / units))))
    assert_allclose(errors, true, rtol=0.25)


def test_a_curved_valley_is_known_along_its_floor():
    res = minimize(rosen, [-1.2, 1.0], rng=0)
    assert_allclose(res.hess_inv, np.linalg.inv(rosen_hess(res.x)), rtol=0.1)


def test_fixed_variables_have_zeros():
    bounds = [(None, None), (0.5, 0.5), (None, None)]
    res = minimize(curved, [0.7, 0.5, 0.7], bounds=bounds, rng=0)
    assert_array_equal(res.hess_inv[1], 0)
    assert_array_equal(res.hess_inv[:, 1], 0)
    free = np.ix_([0, 2], [0, 2])
    assert_allclose(res.hess_inv[free], np.linalg.inv(curvature(res.x)[free]), rtol=0.3)


def test_scaled_variables_are_told_in_the_users_units():
    units = np.array([1e3, 1e-2, 7.0])
    options = {"x_scale": units}
    res = minimize(lambda x: curved(x / units), 0.7 * units, options=options, rng=0)
    true = np.linalg.inv(curvature(res.x / units)) * np.outer(units, units)
    assert_allclose(np.diag(res.hess_inv), np.diag(true), rtol=0.25)


def test_a_kink_and_integers_have_none():
    assert "hess_inv" not in minimize(lambda x: float(np.abs(x).sum()), [1.0, 2.0], rng=0)
    bounds, integrality = [(-3, 3)] * 3, [True, False, False]
    assert "hess_inv" not in minimize(
        curved, [1.0, 0.5, 0.5], bounds=bounds, integrality=integrality, rng=0
    )


def test_the_curvature_of_a_higher_minimum_is_not_told():
    problem = Problem(np.zeros(2), None, False, (2,))
    incumbent = Incumbent(problem, np.random.default_rng(0))
    incumbent.book("descent", Ask(np.zeros((1, 2)), 0), np.array([3.0]))
    incumbent.book("descent", Ask(np.ones((1, 2)), 0), np.array([1.0]))
    first, elsewhere = CurvatureEstimate(), CurvatureEstimate(unit=2.0)
    incumbent.describe(1.0, first)
    incumbent.describe(1.5, elsewhere)
    assert incumbent.info()[ESTIMATE] is first
    incumbent.book("search", Ask(np.full((1, 2), 2.0), 0), np.array([0.0]))
    incumbent.describe(0.0, None)
    assert incumbent.info()[ESTIMATE].metric is None
    assert incumbent.info()[ESTIMATE] is not first
