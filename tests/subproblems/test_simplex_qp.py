"""The quadratic program over the simplex: optimality, against a general solver, special cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from smoothmin.subproblems.min_norm import min_norm_point
from smoothmin.subproblems.simplex_qp import simplex_weights


@settings(max_examples=50)
@given(st.integers(1, 8), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_simplex_weights_are_optimal(k, n, seed):
    rng = np.random.default_rng(seed)
    rows, gaps = rng.standard_normal((k, n)), rng.exponential(size=k)
    start = rng.exponential(size=k)
    w = simplex_weights(rows @ rows.T, gaps, start / start.sum())
    assert (w >= 0).all()
    assert_allclose(w.sum(), 1)
    slopes = rows @ (rows.T @ w) + gaps
    assert (slopes >= w @ slopes - 1e-9 * (1 + np.abs(slopes).max())).all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 8), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_against_slsqp(m, n, seed):
    rng = np.random.default_rng(seed)
    gradients = rng.standard_normal((m, n))
    gaps = np.concatenate([[0.0], rng.exponential(1.0, m - 1) * rng.choice([0.01, 1], m - 1)])
    start = np.eye(m)[0]

    def model(w):
        return 0.5 * float(np.sum((w @ gradients) ** 2)) + w @ gaps

    weights = simplex_weights(gradients @ gradients.T, gaps, start)
    best = minimize(
        model,
        np.full(m, 1 / m),
        method="SLSQP",
        bounds=[(0, 1)] * m,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-13, "maxiter": 300},
    ).fun
    assert model(weights) <= best + 1e-8
    # downhill at the centre, whose gap is none
    assert gradients[0] @ -(weights @ gradients) <= 1e-9


def test_without_gaps_it_is_a_min_norm_problem():
    gradients = np.array([[1.0, 1.0], [-1.0, 1.0], [0.3, 2.0]])
    weights = simplex_weights(gradients @ gradients.T, np.zeros(3), np.eye(3)[2])
    assert_allclose(weights, min_norm_point(gradients).weights, atol=1e-12)


def test_one_point_and_infinite_products_leave_the_start():
    assert simplex_weights(np.ones((1, 1)), np.zeros(1), np.ones(1)) == pytest.approx([1.0])
    start = np.array([0.25, 0.75])
    assert_allclose(simplex_weights(np.full((2, 2), np.inf), np.zeros(2), start), start)
