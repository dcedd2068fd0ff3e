"""Linear equalities are met by every point, for every method."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from problems import Counted
from scipy.optimize import LinearConstraint, linprog

from smoothmin import minimize
from smoothmin.constraints.elimination import NullSpace, independent_rows

METHODS = ["lbfgs", "gradient-sampling", "laplacian", "model-descent", None]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000), st.integers(1, 4), st.integers(0, 4), st.integers(0, 8), st.booleans()
)
def test_points_meet_the_equalities_and_slopes_are_derivatives(seed, m, more, bounded, twice):
    rng = np.random.default_rng(seed)
    n = m + more
    matrix = rng.standard_normal((m, n))
    if twice:
        matrix = np.vstack([matrix, matrix.sum(axis=0)])
    x0 = rng.random(n)
    lower, upper = np.full(n, -np.inf), np.full(n, np.inf)
    lower[:bounded], upper[:bounded] = 0, 1
    space = NullSpace(matrix, x0, (lower, upper))
    assert space.size == more
    assert_allclose(space.points(space.start[None])[0], x0, atol=1e-12)
    coordinates = rng.standard_normal((3, more))
    points = space.points(coordinates)
    scale = max(1.0, np.abs(points).max())
    assert_allclose(points @ matrix.T, np.tile(matrix @ x0, (3, 1)), atol=1e-10 * scale)
    # the map is affine, so differences of any length are derivatives
    gradient = rng.standard_normal(n)
    moved = space.points(space.start + np.eye(more)) if more else np.empty((0, n))
    expected = (moved - x0) @ gradient
    assert_allclose(space.slopes(gradient[None])[0], expected, atol=1e-9 * scale)


def test_without_bounds_distances_are_kept():
    rng = np.random.default_rng(0)
    space = NullSpace(rng.standard_normal((3, 9)), rng.random(9), None)
    one, other = rng.standard_normal((2, 1, 6))
    inside = np.linalg.norm(space.points(one) - space.points(other))
    assert inside == pytest.approx(np.linalg.norm(one - other))


def test_dependent_rows_are_left_out():
    matrix = np.array([[1.0, 2, 3], [2.0, 4, 6], [0, 0, 0], [0, 1, 0]])
    assert len(independent_rows(matrix)) == 2


@pytest.mark.parametrize("method", METHODS)
def test_every_method_meets_them_at_every_point(method):
    rng = np.random.default_rng(1)
    matrix, aim = rng.standard_normal((2, 5)), rng.random(2)
    center = rng.random(5)
    fun = Counted(lambda x: ((x - center) @ (x - center), 2 * (x - center)))
    jac = method is not None and method != "model-descent"
    used = fun if jac else Counted(lambda x: (x - center) @ (x - center))
    res = minimize(
        used,
        np.zeros(5),
        jac=jac,
        method=method,
        constraints=LinearConstraint(matrix, aim, aim),
        rng=0,
    )
    assert np.abs(np.array(used.points) @ matrix.T - aim).max() < 1e-12
    best = center + np.linalg.pinv(matrix) @ (aim - matrix @ center)
    assert res.success
    assert_allclose(res.x, best, atol=1e-4)


def test_basis_pursuit_with_a_sparse_matrix_and_a_redundant_row():
    rng = np.random.default_rng(3)
    matrix = rng.standard_normal((8, 24))
    matrix = np.vstack([matrix, matrix[0] + matrix[1]])
    hidden = np.zeros(24)
    hidden[[3, 17]] = 1, -2
    aim = matrix @ hidden
    programme = linprog(np.ones(48), A_eq=np.hstack([matrix, -matrix]), b_eq=aim).fun
    res = minimize(
        lambda x: (np.abs(x).sum(), np.sign(x)),
        np.zeros(24),
        jac=True,
        constraints=LinearConstraint(scipy.sparse.csr_array(matrix), aim, aim),
        rng=0,
    )
    assert res.success
    assert res.fun == pytest.approx(programme, abs=1e-6)
    assert np.abs(matrix @ res.x - aim).max() < 1e-12
    assert res.nfev < 450


def test_bounds_are_never_left():
    """Least variance on the simplex, whose every point is evaluated inside."""
    rng = np.random.default_rng(0)
    factor = rng.standard_normal((6, 6))
    matrix = factor @ factor.T
    fun = Counted(lambda x: (x @ matrix @ x, 2 * matrix @ x))
    simplex = LinearConstraint(np.ones((1, 6)), 1, 1)
    res = minimize(
        fun, np.full(6, 1 / 6), jac=True, bounds=[(0, 1)] * 6, constraints=simplex, rng=0
    )
    points = np.array(fun.points)
    assert (points >= 0).all()
    assert (points <= 1).all()
    assert np.abs(points.sum(axis=1) - 1).max() < 1e-12
    assert res.success
    # optimal: the slope is least where there is weight
    slopes = 2 * matrix @ res.x
    assert slopes[res.x > 1e-4].max() <= slopes.min() + 1e-4


def test_equalities_may_leave_nothing_free():
    res = minimize(
        lambda x: x @ x,
        [0.0, 0.0],
        constraints=LinearConstraint([[1.0, 1], [1, -1]], [3, 1], [3, 1]),
    )
    assert res.success
    assert_allclose(res.x, [2, 1])
