"""The program for many variables in a box, against the one with rows for bounds, and sorting."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from smoothmin.metrics.dense_bfgs import InverseHessian
from smoothmin.metrics.lbfgs import LimitedMemory
from smoothmin.subproblems.boxed_qp import BoxedQP, IdentityModel, projection
from smoothmin.subproblems.elastic_qp import ElasticQP


def learnt(metric, n, seed):
    """A metric that has seen some steps on a quadratic."""
    rng = np.random.default_rng(seed)
    factor = np.eye(n) + 0.3 * rng.standard_normal((n, n)) / np.sqrt(n)
    for _ in range(4):
        s = rng.standard_normal(n)
        metric.update(s, factor @ (factor.T @ s))
    return metric


def programs(seed, n=12, m=2):
    """The same program twice: in the root of the inverse Hessian, and by its model."""
    rng = np.random.default_rng(seed)
    kinds = (InverseHessian(n), LimitedMemory(n, 3))
    metric = learnt(kinds[seed % 2], n, seed)
    rows, offsets = rng.standard_normal((m, n)), rng.standard_normal(m)
    groups, caps = np.arange(m), np.full(m, 0.7)
    lower, upper = -2 * rng.random(n), 2 * rng.random(n)
    given_ = 2 * rng.standard_normal(n), rows, offsets, groups, caps
    root = np.linalg.cholesky(metric.matrix(n))
    dense = ElasticQP(root, *given_, lower, upper)
    return dense, BoxedQP(metric.model(), *given_, lower, upper)


def objective(program, hessian, step):
    excess = np.maximum(program.rows @ step - program.offsets, 0)
    return program.g @ step + step @ hessian @ step / 2 + program.caps @ excess


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_both_programs_end_at_the_same_step(seed):
    dense, boxed = programs(seed)
    one, other = dense.solve(), boxed.solve()
    hessian = np.linalg.inv(dense.root @ dense.root.T)
    assert objective(dense, hessian, other.step) == pytest.approx(
        objective(dense, hessian, one.step), abs=1e-8
    )
    np.testing.assert_allclose(other.step, one.step, atol=1e-6)
    np.testing.assert_allclose(other.lagrangian, -hessian @ other.step, atol=1e-6)
    assert other.slope == pytest.approx(dense.g @ other.step, abs=1e-7)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_last_solution_is_a_start(seed):
    _, boxed = programs(seed)
    cold = boxed.solve()
    warm = boxed.solve(cold.multipliers, cold.bounds)
    np.testing.assert_allclose(warm.step, cold.step, atol=1e-8)


@pytest.mark.parametrize("n", [200, 20000])
def test_projection_on_the_simplex_as_by_sorting(n):
    y, start = np.random.default_rng(n).standard_normal(n), np.full(n, 1 / n)
    rows = np.stack([np.ones(n), -np.ones(n)])
    program = BoxedQP(
        IdentityModel(),
        start - y,
        rows,
        np.zeros(2),
        np.zeros(2, dtype=int),
        np.array([np.inf]),
        -start,
        np.full(n, np.inf),
    )
    down = np.sort(y)[::-1]
    sums = np.cumsum(down) - 1
    count = np.flatnonzero(down - sums / np.arange(1, n + 1) > 0)[-1]
    expected = np.maximum(y - sums[count] / (count + 1), 0.0)
    np.testing.assert_allclose(start + program.solve().step, expected, atol=1e-12)


@pytest.mark.parametrize("metric", [InverseHessian(9), LimitedMemory(9, 5)])
def test_rows_of_the_inverse_of_a_free_part(metric):
    learnt(metric, 9, 3)
    hessian = np.linalg.inv(metric.matrix(9))
    rows = np.random.default_rng(0).standard_normal((4, 9))
    for free in (np.arange(9) < 3, np.arange(9) < 7, np.ones(9, dtype=bool)):
        expected = np.zeros_like(rows)
        part = np.linalg.inv(hessian[np.ix_(free, free)])
        expected[:, free] = -rows[:, free] @ part
        np.testing.assert_allclose(metric.model().newton_rows(rows, free), expected, atol=1e-8)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6), n=st.sampled_from([3, 20, 150]), far=st.sampled_from([5.0, 30.0])
)
@example(seed=6, n=3, far=5.0)  # where the nearest point of the box is on a row's far side
@example(seed=4, n=2, far=30.0)
def test_a_projection_is_nearer_than_every_other_point_of_the_set(seed, n, far):
    """Whether with rows for bounds or many variables: ``(x - p) @ (q - p) <= 0`` for all q."""
    rng = np.random.default_rng(seed)
    rows, inside = rng.standard_normal((3, n)), rng.uniform(-1, 1, n)
    bounds = rows @ inside + rng.random(3)
    x = far * rng.standard_normal(n)
    box = -np.ones(n), np.ones(n)
    found, excess = projection(x, rows, bounds, box)
    assert not excess.any()
    assert (np.abs(found) <= 1).all()
    assert (rows @ found <= bounds + 1e-9 * n).all()
    others = inside + rng.random((50, 1)) * rng.uniform(-1, 1, (50, n))
    others = others[(np.abs(others) <= 1).all(axis=1) & (others @ rows.T <= bounds).all(axis=1)]
    others = np.vstack([others, inside])
    assert ((others - found) @ (x - found) <= 1e-8 * far**2 * n).all()


@pytest.mark.parametrize("n", [3, 150])
def test_a_projection_from_very_far_is_in_the_set(n):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        rows, inside = rng.standard_normal((3, n)), rng.uniform(-1, 1, n)
        bounds = rows @ inside + rng.random(3)
        box = -np.ones(n), np.ones(n)
        found, excess = projection(1e3 * rng.standard_normal(n), rows, bounds, box)
        assert not excess.any()
        assert (np.abs(found) <= 1).all()
        assert (rows @ found <= bounds + 1e-9 * n).all()


def test_where_no_point_is_in_the_set_the_projection_is_beyond_a_row():
    rows = np.array([[1.0, 1.0], [-1.0, -1.0]])
    found, excess = projection(np.zeros(2), rows, np.array([1.0, -2.0]), None)
    assert (rows @ found > [1, -2]).any()
    assert excess.max() > 0.1
