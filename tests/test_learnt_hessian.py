"""`res.hess_inv` of runs by default methods: standard errors of scripts that name none."""

import pickle

import numpy as np
import pytest
import scipy.optimize
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import rosen, rosen_hess
from scipy.sparse.linalg import LinearOperator

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


def with_slope(x):
    """The likelihood with its gradient."""
    return curved(x), MATRIX @ x + np.tanh(x - 1)


@pytest.mark.parametrize("options", [{}, {"maxiter": 12}, {"x_scale": [1.0, 10.0, 0.1]}])
@pytest.mark.parametrize("units", [np.ones(3), np.array([9.0, 0.3, 2.0])])
def test_standard_errors_follow_from_gradients_with_no_method_named(options, units):
    def fun(x):
        value, slope = with_slope(x / units)
        return value, slope / units

    res = minimize(fun, 0.7 * units, jac=True, options=options)
    true = np.linalg.inv(curvature(res.x / units)) * np.outer(units, units)
    assert_allclose(np.diag(res.hess_inv), np.diag(true), rtol=0.2)


def test_of_many_variables_the_limited_memory_is_told_as_an_operator():
    weights = np.linspace(1, 3, 2500)
    res = minimize(lambda x: (0.5 * weights @ x**2, weights * x), np.ones(2500), jac=True)
    assert res.hess_inv.shape == (2500, 2500)
    assert isinstance(res.hess_inv, LinearOperator)


def test_across_kinks_no_metric_is_an_inverse_hessian():
    fun = lambda x: (np.abs(x).sum() + x @ x, np.sign(x) + 2 * x)  # noqa: E731
    for options in ({}, {"maxiter": 6}):
        assert "hess_inv" not in minimize(fun, [1.0, 2.0, 3.0], jac=True, options=options)


@pytest.mark.parametrize("jac", [True, None])
def test_between_bounds_scripts_read_an_operator_as_of_scipys_default(jac):
    fun = with_slope if jac else curved
    res = minimize(fun, [0.7] * 3, jac=jac, bounds=[(-5, 5)] * 3, rng=0)
    theirs = scipy.optimize.minimize(fun, [0.7] * 3, jac=jac, bounds=[(-5, 5)] * 3)
    assert type(res.hess_inv.todense()) is type(theirs.hess_inv.todense()) is np.ndarray
    assert_allclose(res.hess_inv.todense(), np.linalg.inv(curvature(res.x)), atol=0.1)
    assert_array_equal(res.hess_inv.matvec(np.ones(3)), res.hess_inv.todense() @ np.ones(3))
    assert_array_equal(np.diag(res.hess_inv), np.diag(res.hess_inv.todense()))
    assert_array_equal(pickle.loads(pickle.dumps(res)).hess_inv, res.hess_inv)
