import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from smoothmin.metrics.dense_bfgs import InverseHessian
from smoothmin.metrics.lbfgs import LimitedMemory
from smoothmin.subproblems.linear_system import inverted, solved


@given(seed=st.integers(0, 10**6), n=st.integers(1, 6), rank=st.integers(0, 6))
@settings(max_examples=50, deadline=None)
def test_singular_or_not_what_can_be_solved_is(seed, n, rank):
    rng = np.random.default_rng(seed)
    rank = min(rank, n)
    left, right = rng.integers(-3, 4, (n, rank)), rng.integers(-3, 4, (rank, n))
    matrix = (left @ right).astype(float)
    target = matrix @ rng.integers(-3, 4, n)
    found = solved(matrix, target)
    if np.linalg.cond(matrix) < 1e8 or np.linalg.matrix_rank(matrix) < n:
        condition = np.linalg.svd(matrix, compute_uv=False)
        least = condition[condition > 1e-9 * max(condition[0], 1)].min(initial=1.0)
        assert_allclose(matrix @ found, target, atol=1e-10 * (1 + np.abs(target).max()) / least)


@pytest.mark.parametrize("lost", [np.nan, np.inf])
def test_what_is_not_finite_is_said_by_nan(lost):
    matrix = np.array([[0.0, 0.0], [0.0, lost]])
    assert not np.isfinite(solved(matrix, np.ones(2))).all()
    assert not np.isfinite(inverted(matrix)).all()


def test_pairs_that_overflow_leave_a_metric_as_new():
    memory = LimitedMemory(2, 3)
    memory.update(np.array([1e-200, 0.0]), np.array([1e-180, 0.0]))
    metric = InverseHessian(2)
    metric.begin_from(memory)
    assert np.isfinite(metric.apply(np.ones(2))).all()


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_roots_of_inner_products_do_not_overflow(size):
    memory, rows = LimitedMemory(3, 3), np.arange(6.0).reshape(2, 3) + np.eye(2, 3)
    memory.update(np.array([1.0, 2.0, 0.0]), np.array([2.0, 3.0, 1.0]))
    root = memory.root(size * rows) / size
    images = np.array([memory.apply(row) for row in rows])
    assert_allclose(root @ root.T, rows @ images.T, rtol=1e-10)
