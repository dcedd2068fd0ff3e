"""The quadratic program with priced rows, against its optimality conditions and other solvers."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from smoothmin.subproblems.elastic_qp import ElasticQP


def random_program(seed, *, integer=False):
    rng = np.random.default_rng(seed)
    n, m, k = rng.integers(1, 7), rng.integers(0, 9), rng.integers(1, 4)
    root = np.eye(n) + 0.5 * rng.standard_normal((n, n)) / np.sqrt(n)
    rows, offsets = rng.standard_normal((m, n)), rng.standard_normal(m)
    if integer:  # degenerate: parallel rows, meeting in vertices
        rows, offsets = rng.integers(-1, 2, (m, n)) * 1.0, np.round(offsets)
    if m > 1:
        rows[1] = rows[0]
    groups = rng.integers(0, k, m)
    caps = 10 ** rng.uniform(-1, 2, k)
    caps[-1] = np.inf if seed % 2 else caps[-1]
    offsets = np.where(np.isfinite(caps[groups]), offsets, np.abs(offsets))
    room = np.abs(rng.standard_normal((2, n))) * (rng.random((2, n)) < 0.8)
    lower = np.where(rng.random(n) < 0.5, -np.inf, -room[0])
    upper = np.where(rng.random(n) < 0.5, np.inf, room[1])
    return ElasticQP(root, 3 * rng.standard_normal(n), rows, offsets, groups, caps, lower, upper)


def misses(program, found):
    """By how much the optimality conditions fail, largest first."""
    hessian = np.linalg.inv(program.root @ program.root.T)
    excess = program.rows @ found.step - program.offsets
    wrong = [np.abs(hessian @ found.step + found.lagrangian).max()]
    lagrangian = program.g + found.multipliers @ program.rows + found.bounds
    wrong.append(np.abs(lagrangian - found.lagrangian).max())
    for k, cap in enumerate(program.caps):
        own = program.groups == k
        if not own.any():
            continue
        level = max(0.0, excess[own].max()) if np.isfinite(cap) else 0.0
        weights = found.multipliers[own]
        wrong += [np.abs(weights * (excess[own] - level)).max(), -weights.min()]
        if np.isfinite(cap):
            wrong += [weights.sum() - cap, level * (cap - weights.sum())]
            wrong.append(abs(found.excess[k] - level))
        else:
            wrong.append(excess[own].max())
    wrong += [(program.lower - found.step).max(), (found.step - program.upper).max()]
    for side, sign in ((program.lower, -1), (program.upper, 1)):
        pushed = sign * found.bounds > 0
        wrong += (np.abs(found.bounds[pushed]) * np.abs(found.step - side)[pushed]).tolist()
    return max(wrong)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**6), integer=st.booleans())
def test_the_optimality_conditions_hold(seed, integer):
    program = random_program(seed, integer=integer)
    found = program.solve()
    assert found.solved
    assert misses(program, found) <= 1e-8
    assert found.slope == pytest.approx(program.g @ found.step, abs=1e-8)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), integer=st.booleans())
def test_any_start_leads_to_the_same_step(seed, integer):
    program = random_program(seed, integer=integer)
    rng = np.random.default_rng(seed + 1)
    cold = program.solve()
    multipliers = cold.multipliers + rng.exponential(size=cold.multipliers.size) * (
        rng.random(cold.multipliers.size) < 0.4
    )
    warm = program.solve(multipliers, rng.standard_normal(program.g.size))
    assert misses(program, warm) <= 1e-8
    np.testing.assert_allclose(warm.step, cold.step, atol=1e-8)


def brute_force(hessian, g, rows, offsets):
    """The least point by trying every set of active rows."""
    n, best = g.size, (np.inf, None)
    for size in range(min(n, len(rows)) + 1):
        for held in itertools.combinations(range(len(rows)), size):
            a = rows[list(held)]
            system = np.block([[hessian, a.T], [a, np.zeros((size, size))]])
            if np.linalg.matrix_rank(system) < n + size:
                continue
            x = np.linalg.solve(system, np.concatenate([-g, offsets[list(held)]]))[:n]
            value = g @ x + x @ hessian @ x / 2
            if (rows @ x <= offsets + 1e-9).all() and value < best[0]:
                best = value, x
    return best[1]


@pytest.mark.parametrize("seed", range(12))
def test_hard_rows_as_by_brute_force(seed):
    rng = np.random.default_rng(seed)
    n, m = 3, 6
    root = np.eye(n) + 0.3 * rng.standard_normal((n, n))
    g, rows, offsets = 4 * rng.standard_normal(n), rng.standard_normal((m, n)), rng.random(m)
    free = np.full(n, np.inf)
    program = ElasticQP(
        root, g, rows, offsets, np.zeros(m, dtype=int), np.array([np.inf]), -free, free
    )
    expected = brute_force(np.linalg.inv(root @ root.T), g, rows, offsets)
    np.testing.assert_allclose(program.solve().step, expected, atol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_priced_rows_as_by_slsqp_with_slacks(seed):
    rng = np.random.default_rng(seed)
    n, m, caps = 4, 5, np.array([0.7, 3.0])
    root = np.eye(n) + 0.3 * rng.standard_normal((n, n))
    hessian = np.linalg.inv(root @ root.T)
    g, rows, offsets = 2 * rng.standard_normal(n), rng.standard_normal((m, n)), -rng.random(m)
    groups, free = rng.integers(0, 2, m), np.full(n, np.inf)

    def objective(z):
        return g @ z[:n] + z[:n] @ hessian @ z[:n] / 2 + caps @ z[n:]

    other = minimize(
        objective,
        np.full(n + 2, 1.0),
        jac=lambda z: np.concatenate([g + hessian @ z[:n], caps]),
        bounds=[(None, None)] * n + [(0, None)] * 2,
        constraints={"type": "ineq", "fun": lambda z: z[n:][groups] - (rows @ z[:n] - offsets)},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    program = ElasticQP(root, g, rows, offsets, groups, caps, -free, free)
    np.testing.assert_allclose(program.solve().step, other.x[:n], atol=1e-5)


def on_simplex(y):
    """The nearest point with nonnegative elements of sum 1, by sorting (Held et al. 1974)."""
    down = np.sort(y)[::-1]
    sums = np.cumsum(down) - 1
    count = np.flatnonzero(down - sums / np.arange(1, y.size + 1) > 0)[-1]
    return np.maximum(y - sums[count] / (count + 1), 0.0)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 30))
def test_projection_on_the_simplex_as_by_sorting(seed, n):
    y = np.random.default_rng(seed).standard_normal(n)
    start = np.full(n, 1 / n)
    rows = np.stack([np.ones(n), -np.ones(n)])
    program = ElasticQP(
        np.eye(n),
        start - y,
        rows,
        np.zeros(2),
        np.zeros(2, dtype=int),
        np.array([np.inf]),
        -start,
        np.full(n, np.inf),
    )
    np.testing.assert_allclose(start + program.solve().step, on_simplex(y), atol=1e-10)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 30))
def test_projection_on_a_box_with_a_budget(seed, n):
    """``sum x <= budget``: the shift by which the clipped point meets it, by bisection."""
    rng = np.random.default_rng(seed)
    y, upper, budget = 2 * rng.standard_normal(n), rng.random(n), 0.2 * n * rng.random()
    low, high = 0.0, 10.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        over = np.clip(y - middle, 0, upper).sum() > budget
        low, high = (middle, high) if over else (low, middle)
    shift = 0.0 if np.clip(y, 0, upper).sum() <= budget else high
    program = ElasticQP(
        np.eye(n),
        -y,
        np.ones((1, n)),
        np.array([budget]),
        np.zeros(1, dtype=int),
        np.array([np.inf]),
        np.zeros(n),
        upper,
    )
    np.testing.assert_allclose(program.solve().step, np.clip(y - shift, 0, upper), atol=1e-10)


def test_steps_are_exact_where_the_matrix_is_nearly_singular():
    """A minimum that is far away without the rows: what they say is met to rounding."""
    rng = np.random.default_rng(1)
    n = 6
    root = np.linalg.qr(rng.standard_normal((n, n)))[0] * 10.0 ** np.arange(n)
    rows, offsets = rng.standard_normal((n, n)), rng.random(n)
    free = np.full(n, np.inf)
    program = ElasticQP(
        root, np.ones(n), rows, offsets, np.zeros(n, dtype=int), np.array([np.inf]), -free, free
    )
    found = program.solve()
    held = found.multipliers > 0
    assert held.any()
    size = np.linalg.norm(rows, axis=1) * np.linalg.norm(found.step) + offsets
    assert (np.abs(rows @ found.step - offsets)[held] <= 1e-13 * size[held]).all()
