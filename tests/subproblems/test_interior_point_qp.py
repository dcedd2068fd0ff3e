"""The elastic quadratic program: optimality conditions, and an independent reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from smoothmin.subproblems.interior_point_qp import ElasticProgram, solve_elastic


def random_program(seed):
    rng = np.random.default_rng(seed)
    n, k, m = rng.integers(1, 7), rng.integers(0, 9), rng.integers(0, 4)
    root = rng.standard_normal((n, n)) * (rng.random() < 0.7)
    inside = rng.uniform(-0.4, 0.4, n)
    hard = rng.standard_normal((m, n))
    return ElasticProgram(
        root @ root.T,
        rng.standard_normal(n) * 10 ** rng.uniform(-2, 2),
        rng.standard_normal((k, n)),
        rng.standard_normal(k),
        10 ** rng.uniform(-1, 3, k),
        hard,
        hard @ inside + rng.random(m) * rng.integers(0, 2, m),
        -rng.uniform(0.5, 2, n),
        rng.uniform(0.5, 2, n),
    )


def objective(qp, d):
    excess = np.maximum(qp.rows @ d - qp.room, 0)
    return qp.gradient @ d + d @ qp.hessian @ d / 2 + qp.price @ excess


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_optimality_conditions(seed):
    """Stationary where no bound is active, multipliers within their prices, complementary."""
    qp = random_program(seed)
    found = solve_elastic(qp)
    d, y, hard = found.step, found.multipliers, found.hard_multipliers
    size = max(1.0, np.abs(qp.gradient).max(), (qp.price * np.abs(qp.rows).sum(1)).max(initial=0))
    assert (d >= qp.low).all()
    assert (d <= qp.high).all()
    assert (qp.hard @ d <= qp.hard_room + 1e-8).all()
    assert (y >= 0).all()
    assert (y <= qp.price * (1 + 1e-9)).all()
    assert (hard >= 0).all()
    left = qp.rows @ d - qp.room
    assert np.abs(y[left < -1e-4]).max(initial=0) <= 1e-4 * size
    assert np.abs((qp.price - y)[left > 1e-4]).max(initial=0) <= 1e-4 * size
    slope = qp.gradient + qp.hessian @ d + y @ qp.rows + hard @ qp.hard
    at_low, at_high = d < qp.low + 1e-5, d > qp.high - 1e-5
    assert np.abs(slope[~at_low & ~at_high]).max(initial=0) <= 1e-4 * size
    assert (slope[at_low] >= -1e-4 * size).all()
    assert (slope[at_high] <= 1e-4 * size).all()


@pytest.mark.parametrize("seed", range(5))
def test_no_worse_than_slsqp(seed):
    qp = random_program(seed)
    n, k = len(qp.gradient), len(qp.price)
    start = np.append(np.zeros(n), np.maximum(-qp.room, 0))
    rows = [
        {"type": "ineq", "fun": lambda w: qp.room + w[n:] - qp.rows @ w[:n]},
        {"type": "ineq", "fun": lambda w: qp.hard_room - qp.hard @ w[:n]},
    ]
    reference = minimize(
        lambda w: qp.gradient @ w[:n] + w[:n] @ qp.hessian @ w[:n] / 2 + qp.price @ w[n:],
        start,
        method="SLSQP",
        bounds=[*zip(qp.low, qp.high, strict=True), *[(0, None)] * k],
        constraints=[row for row in rows if row["fun"](start).size],
        options={"ftol": 1e-12, "maxiter": 500},
    )
    lowest = objective(qp, reference.x[:n])
    assert objective(qp, solve_elastic(qp).step) <= lowest + 1e-6 * max(1, abs(lowest))


def test_a_variable_without_room_keeps_its_value():
    none, two = np.empty((0, 2)), np.ones(2)
    qp = ElasticProgram(
        np.eye(2), -3 * two, none, np.empty(0), np.empty(0), none, np.empty(0),
        np.array([-1.0, 0.5]), np.array([5.0, 0.5]),
    )  # fmt: skip
    np.testing.assert_allclose(solve_elastic(qp).step, [3, 0.5], atol=1e-8)
