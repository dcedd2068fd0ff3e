"""Functions of few smooth pieces: their models, the models' minimum, the steps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import minimize as scipy_minimize

from smoothmin import GradientSamplingDescent, minimize
from smoothmin.descent.gradient_sampling.piece_models import PieceModels
from smoothmin.descent.gradient_sampling.settings import GradientSamplingSettings
from smoothmin.subproblems.boxed_minimax import least_maximum_in_box
from smoothmin.subproblems.minimax import least_maximum


def random_quadratics(rng, k, n, convex=True):
    hessians = rng.standard_normal((k, n, n))
    hessians = hessians @ hessians.transpose(0, 2, 1) if convex else hessians + hessians.mT
    return rng.standard_normal(k), rng.standard_normal((k, n)), hessians


def largest(values, gradients, hessians, d):
    return float((values + gradients @ d + 0.5 * ((hessians @ d) @ d)).max())


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_the_least_maximum_is_that_of_a_general_solver(k, n, seed):
    rng = np.random.default_rng(seed)
    values, gradients, hessians = random_quadratics(rng, k, n)
    hessians += 0.1 * np.eye(n)
    found = least_maximum(values, gradients, hessians, 1e3)
    # the epigraph form: least t with every quadratic below it
    constraint = {
        "type": "ineq",
        "fun": lambda z: z[-1] - values - gradients @ z[:-1] - 0.5 * ((hessians @ z[:-1]) @ z[:-1]),
    }
    start = np.append(np.zeros(n), values.max())
    exact = scipy_minimize(lambda z: z[-1], start, constraints=[constraint], method="SLSQP").fun
    drop = values.max() - exact
    assert found is not None or drop < 1e-6
    if found is not None:
        assert_allclose(found.decrease, drop, rtol=0.02, atol=1e-6)
        at = largest(values, gradients, hessians, found.step)
        assert_allclose(values.max() - at, found.decrease, rtol=1e-8, atol=1e-12)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_the_least_maximum_in_a_box_is_that_of_a_general_solver(k, n, seed):
    rng = np.random.default_rng(seed)
    values, gradients, hessians = random_quadratics(rng, k, n)
    hessians += 0.1 * np.eye(n)
    low, high = -rng.exponential(0.3, n), rng.exponential(0.3, n)
    low[rng.random(n) < 0.3] = 0.0
    high[rng.random(n) < 0.3] = np.inf
    found = least_maximum_in_box(values, gradients, hessians, 1e3, low, high)
    constraint = {
        "type": "ineq",
        "fun": lambda z: z[-1] - values - gradients @ z[:-1] - 0.5 * ((hessians @ z[:-1]) @ z[:-1]),
    }
    start = np.append(np.zeros(n), values.max())
    bounds = [*zip(low, high, strict=True), (None, None)]
    exact = scipy_minimize(
        lambda z: z[-1], start, constraints=[constraint], bounds=bounds, method="SLSQP"
    )
    drop = values.max() - exact.fun
    assert found is not None or drop < 1e-6 or not exact.success
    if found is not None:
        assert (found.step >= low).all()
        assert (found.step <= high).all()
        at = largest(values, gradients, hessians, found.step)
        assert_allclose(values.max() - at, found.decrease, rtol=1e-8, atol=1e-12)
        assert found.decrease >= 0.9 * drop - 1e-6


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32 - 1), st.floats(1e-3, 10))
def test_steps_stay_in_the_ball_and_go_down(k, n, seed, radius):
    values, gradients, hessians = random_quadratics(np.random.default_rng(seed), k, n, convex=False)
    found = least_maximum(values, gradients, hessians, radius)
    if found is not None:
        assert found.decrease > 0
        assert np.linalg.norm(found.step) <= radius * (1 + 1e-12)
        at = largest(values, gradients, hessians, found.step)
        assert_allclose(values.max() - at, found.decrease, rtol=1e-8, atol=1e-10)


def test_a_ball_that_limits_says_so():
    slopes, flat = np.array([[1.0, 0.0], [-1.0, 0.5]]), np.zeros((2, 2, 2))
    assert least_maximum(np.array([1.0, 0.0]), slopes, flat, 2.0).limited
    assert not least_maximum(np.array([1.0, 0.0]), slopes, flat + np.eye(2), 2.0).limited


def test_pieces_are_told_apart_and_their_curvature_is_learnt():
    rng = np.random.default_rng(0)
    n, k = 4, 3
    values, gradients, hessians = random_quadratics(rng, k, n)
    pieces = PieceModels(n, 6)
    new = 0
    for _ in range(80):
        x = 0.5 * rng.standard_normal(n)
        each = values + gradients @ x + 0.5 * ((hessians @ x) @ x)
        top = int(each.argmax())
        new += pieces.add(x, float(each[top]), gradients[top] + hessians[top] @ x)
    for _ in range(20):
        x = 0.3 * rng.standard_normal(n)
        assert_allclose(pieces.predict(x), largest(values, gradients, hessians, x), atol=0.05)
    assert k <= new <= 2 * k


def test_kinks_are_observed_at_short_distance():
    pieces = PieceModels(2, 16)
    for x in ([1.0, 1.0], [0.9, 0.7], [0.8, 0.9]):
        pieces.add(np.array(x), abs(x[0]) + x[1] ** 2, np.array([np.sign(x[0]), 2 * x[1]]))
    assert not pieces.kinked
    pieces.add(np.array([-0.1, 0.8]), 0.1 + 0.64, np.array([-1.0, 1.6]))
    pieces.add(np.array([0.1, 0.8]), 0.1 + 0.64, np.array([1.0, 1.6]))
    assert pieces.kinked


def test_a_smooth_function_has_no_kinks():
    rng = np.random.default_rng(1)
    pieces = PieceModels(3, 6)
    x = rng.standard_normal(3)
    for k in range(60):
        pieces.add(x, float(np.cosh(x).sum()), np.sinh(x))
        x = x + 0.9**k * rng.standard_normal(3)
    assert not pieces.kinked


def hilly(x):
    """Nonsmooth Rosenbrock: a valley with a kink along its curved floor."""
    inner = x[1] - x[0] ** 2
    slope = 100 * np.sign(inner)
    return 100 * abs(inner) + (1 - x[0]) ** 2, np.array([-2 * x[0] * slope - 2 * (1 - x[0]), slope])


def cb3(x):
    """Charalambous and Bandler, problem 3; minimum 2."""
    terms = [
        (x[0] ** 4 + x[1] ** 2, [4 * x[0] ** 3, 2 * x[1]]),
        ((2 - x[0]) ** 2 + (2 - x[1]) ** 2, [-2 * (2 - x[0]), -2 * (2 - x[1])]),
        (2 * np.exp(x[1] - x[0]), [-2 * np.exp(x[1] - x[0]), 2 * np.exp(x[1] - x[0])]),
    ]
    value, gradient = max(terms, key=lambda term: term[0])
    return value, np.array(gradient)


def maxquad(n, k, seed):
    rng = np.random.default_rng(seed)
    values, gradients, hessians = random_quadratics(rng, k, n)
    hessians = hessians + np.eye(n)

    def fun(x):
        each = values + gradients @ x + 0.5 * ((hessians @ x) @ x)
        top = int(each.argmax())
        return float(each[top]), gradients[top] + hessians[top] @ x

    return fun, least_maximum(values, gradients, hessians, 1e6)


@pytest.mark.parametrize(
    ("fun", "start", "minimum", "budget"),
    [(hilly, [-1.2, 1.0], 0.0, 60), (cb3, [2.0, 2.0], 2.0, 60)],
)
def test_few_pieces_take_few_evaluations(fun, start, minimum, budget):
    options = {"f_target": minimum + 1e-8, "maxfev": 500}
    res = minimize(fun, start, jac=True, method="gradient-sampling", rng=0, options=options)
    assert res.status == 6
    assert res.nfev <= budget


@pytest.mark.parametrize("seed", range(4))
def test_maxima_of_quadratics_are_certified(seed):
    fun, _ = maxquad(6, 4, seed)
    res = minimize(fun, np.zeros(6), jac=True, method="gradient-sampling", rng=0)
    assert res.success
    assert res.nfev < 400
    around = res.x + 1e-3 * np.random.default_rng(seed).standard_normal((50, 6))
    assert min(fun(x)[0] for x in around) >= res.fun


WITHOUT = GradientSamplingDescent(settings=GradientSamplingSettings(piece_models=False))


def test_smooth_functions_are_left_to_the_quasi_newton_steps():
    from scipy.optimize import rosen, rosen_der

    start = np.tile([-1.2, 1.0], 5)
    models = minimize(rosen, start, jac=rosen_der, method="gradient-sampling", rng=0)
    without = minimize(rosen, start, jac=rosen_der, method=WITHOUT, rng=0)
    assert models.nfev == without.nfev


def test_many_pieces_cost_few_evaluations_more():
    """Least absolute deviations has more pieces than can be modelled."""
    rng = np.random.default_rng(3)
    matrix, target = rng.standard_normal((60, 10)), rng.standard_normal(60)

    def fun(x):
        residual = matrix @ x - target
        return float(np.abs(residual).sum()), matrix.T @ np.sign(residual)

    models = minimize(fun, np.zeros(10), jac=True, method="gradient-sampling", rng=0)
    without = minimize(fun, np.zeros(10), jac=True, method=WITHOUT, rng=0)
    assert models.nfev <= 1.2 * without.nfev
    assert abs(models.fun - without.fun) < 1e-8
