"""The min-norm point of a hull, against its optimality condition and brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize

from smoothmin.subproblems.min_norm import min_norm_point

shapes = st.tuples(st.integers(1, 9), st.integers(1, 6))
elements = st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda v: round(v, 3))
hulls = arrays(np.float64, shapes, elements=elements)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(hulls)
def test_optimality(gradients):
    hull = min_norm_point(gradients)
    size = max(1.0, np.abs(gradients).max()) ** 2
    assert hull.weights.min() >= 0
    assert hull.weights.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(hull.point, hull.weights @ gradients, atol=1e-12 * size)
    assert (gradients @ hull.point).min() >= hull.point @ hull.point - 1e-10 * size


@settings(max_examples=100, deadline=None, derandomize=True)
@given(hulls, st.integers(0, 2**32 - 1))
def test_optimality_with_normals(gradients, seed):
    n = gradients.shape[1]
    rng = np.random.default_rng(seed)
    signs = rng.integers(-1, 2, n)
    normals = (np.eye(n) * signs)[signs != 0]
    hull = min_norm_point(gradients, normals)
    size = max(1.0, np.abs(gradients).max()) ** 2
    assert (gradients @ hull.point).min() >= hull.point @ hull.point - 1e-10 * size
    assert (normals @ hull.point).min(initial=0) >= -1e-10 * size
    assert hull.multipliers.min(initial=0) >= 0
    # a direction of descent that no active bound is in the way of
    assert ((-hull.point * signs)[signs != 0]).max(initial=0) <= 1e-10 * size


def _brute_force(gradients):
    """Least norm over all subsets: on an optimal one the affine least element is inside."""
    best = np.inf
    m, n = gradients.shape
    for size in range(1, min(m, n + 1) + 1):
        for subset in itertools.combinations(range(m), size):
            rows = gradients[list(subset)]
            base, edges = rows[0], rows[1:] - rows[0]
            lam = np.linalg.lstsq(edges.T, -base, rcond=None)[0] if size > 1 else np.empty(0)
            if (lam >= -1e-12).all() and lam.sum() <= 1 + 1e-12:
                best = min(best, float(np.linalg.norm(base + lam @ edges)))
    return best


@pytest.mark.parametrize("seed", range(12))
def test_brute_force(seed):
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(2, 8)), int(rng.integers(1, 5))
    gradients = rng.standard_normal((m, n)) + rng.standard_normal(n)
    hull = min_norm_point(gradients)
    assert np.linalg.norm(hull.point) == pytest.approx(_brute_force(gradients), abs=1e-12)


@pytest.mark.parametrize(("m", "n"), [(15, 40), (40, 15), (20, 20)])
def test_agrees_with_slsqp(m, n):
    rng = np.random.default_rng(m)
    gradients = rng.standard_normal((m, n)) + 0.5
    gram = gradients @ gradients.T
    found = minimize(
        lambda w: w @ gram @ w,
        np.full(m, 1 / m),
        jac=lambda w: 2 * gram @ w,
        method="SLSQP",
        bounds=[(0, 1)] * m,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(m)},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    hull = min_norm_point(gradients)
    assert hull.point @ hull.point == pytest.approx(found.fun, rel=1e-6, abs=1e-9)
    assert hull.point @ hull.point <= found.fun + 1e-12


@pytest.mark.parametrize("factor", [1e-150, 1e-9, 1e9, 1e150])
def test_scale_does_not_matter(factor):
    gradients = np.array([[3.0, 1.0], [-1.0, 1.0], [0.5, 4.0]])
    np.testing.assert_allclose(
        min_norm_point(gradients * factor).point, [0.0, factor], atol=1e-12 * factor
    )


def test_zero_gradient_wins():
    hull = min_norm_point(np.array([[1.0, 2.0], [0.0, 0.0]]))
    np.testing.assert_allclose(hull.point, 0, atol=1e-15)
    np.testing.assert_allclose(hull.weights, [0, 1], atol=1e-15)


def test_only_zero_gradients():
    hull = min_norm_point(np.zeros((3, 2)))
    assert hull.weights.sum() == pytest.approx(1)
    assert not hull.point.any()


def test_repeated_gradients():
    hull = min_norm_point(np.array([[1.0, 0.0]] * 5 + [[-1.0, 2.0]] * 5))
    np.testing.assert_allclose(hull.point, [0.5, 0.5], atol=1e-12)
