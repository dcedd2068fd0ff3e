"""The box and the linear rows: what is called inside is inside."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, minimize

from smoothmin._protocol import Problem, Rows
from smoothmin.derivative_free.constrained.linear_set import LinearSet


def problem(seed):
    """A box and rows around a point inside, and a start anywhere in the box."""
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 6), rng.integers(1, 5)
    inside = rng.uniform(-0.5, 0.5, n)
    matrix = rng.standard_normal((m, n)) * 10 ** rng.uniform(-2, 2, (m, 1))
    upper = matrix @ inside + np.abs(matrix).sum(axis=1) * rng.uniform(0.01, 0.5, m)
    rows = Rows(np.full(m, -np.inf), upper, np.full(m, 1e-6), matrix, np.ones(m, dtype=bool))
    box = -np.ones(n), np.ones(n)
    return Problem(rng.uniform(-1, 1, n), box, False, (n,), linear=rows), rng


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_points_asked_for_are_in_the_set(seed):
    given_, rng = problem(seed)
    n = given_.x0.size
    region = LinearSet.of(given_, np.ones(n))
    z = region.nearest(given_.x0)
    assert region.holds(z)
    size = 10 ** rng.uniform(-6, 0)
    corners = region.simplex(z, size)
    ends = [region.within(z, rng.uniform(-3, 3, n)) for _ in range(5)]
    for point in [*corners, *ends]:
        assert region.holds(point)
        rounding = 1e-13 * (np.abs(given_.linear.matrix) @ np.abs(point) + 1)
        assert (given_.linear.matrix @ point <= given_.linear.upper + rounding).all()
    # independent, as differences need them
    assert np.linalg.cond((corners - z) / size) < 1e8


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_the_nearest_point(seed):
    given_, _ = problem(seed)
    rows = given_.linear
    found = LinearSet.of(given_, np.ones(given_.x0.size)).nearest(given_.x0)
    reference = minimize(
        lambda z: ((z - given_.x0) ** 2).sum(), found, method="SLSQP",
        bounds=[(-1, 1)] * given_.x0.size,
        constraints=LinearConstraint(rows.matrix, -np.inf, rows.upper), options={"ftol": 1e-14},
    )  # fmt: skip
    distance = np.linalg.norm(found - given_.x0)
    assert distance <= np.linalg.norm(reference.x - given_.x0) + 1e-6


def test_no_point_at_all():
    rows = Rows(np.array([2.0, -np.inf]), np.array([np.inf, 1.0]), np.zeros(2), np.ones((2, 2)))
    nowhere = Problem(np.zeros(2), None, False, (2,), linear=rows)
    assert LinearSet.of(nowhere, np.ones(2)).nearest(np.zeros(2)) is None
