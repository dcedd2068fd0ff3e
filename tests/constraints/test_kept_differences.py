"""Finite differences that leave no row marked ``keep_feasible``."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import Counted
from scipy.optimize import LinearConstraint, NonlinearConstraint

from smoothmin import minimize
from smoothmin._differences import Stencil
from smoothmin._protocol import Done, Rows, advance
from smoothmin.constraints.kept_differences import KeptStencil


def driven(stencil, fun, points):
    seen = []
    talk = stencil.gradients(points)
    batch = advance(talk)
    while not isinstance(batch, Done):
        seen.append(batch)
        batch = advance(talk, np.array([fun(x) for x in batch]))
    return batch.value[1], np.concatenate(seen)


@pytest.mark.parametrize("scheme", ["2-point", "3-point"])
@pytest.mark.parametrize("seed", range(4))
def test_they_are_right_at_the_corners_of_rows_and_never_beyond(scheme, seed):
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((6, 3))
    corner = rng.standard_normal(3)
    rows = Rows(np.full(6, -np.inf), matrix @ corner, np.zeros(6), matrix)
    inside = corner - np.linalg.pinv(matrix) @ np.ones(6)
    if (matrix @ (inside - corner) > -1e-3).any():
        rows = Rows(np.full(3, -np.inf), rows.upper[:3], np.zeros(3), matrix[:3])
    target = rng.standard_normal(3)
    points = np.array([corner, 0.5 * (corner + inside)]) if len(rows.upper) == 6 else corner[None]
    found, seen = driven(
        KeptStencil(Stencil(scheme, None), rows, None, 3),
        lambda x: ((x - target) ** 2).sum(),
        points,
    )
    assert_allclose(found, 2 * (points - target), atol=1e-3)
    assert (seen @ rows.matrix.T <= rows.upper + 1e-12).all()


def test_on_equalities_the_gradient_is_projected():
    matrix = np.ones((1, 4))
    rows = Rows(np.ones(1), np.ones(1), np.zeros(1), matrix)
    x = np.full(4, 0.25)
    found, seen = driven(
        KeptStencil(Stencil("2-point", None), rows, (np.zeros(4), np.ones(4)), 4),
        lambda x: x @ [1.0, 2, 3, 4],
        x[None],
    )
    assert_allclose(found[0], np.array([1.0, 2, 3, 4]) - 2.5, atol=1e-6)
    assert_allclose(seen.sum(axis=1), 1, atol=1e-14)


@pytest.mark.parametrize("method", ["SLSQP", "lbfgs"])
@pytest.mark.parametrize("jac", [None, "2-point", "3-point"])
def test_runs_by_differences_leave_nothing_that_is_kept(method, jac):
    def fun(x):
        assert x[0] + x[1] <= 1 + 1e-12
        assert (x > 0).all()
        return -np.log(x).sum() + 3 * x[0]

    seen = Counted(fun)
    res = minimize(
        seen,
        [0.3, 0.7],
        method=method,
        jac=jac,
        bounds=[(1e-3, 1)] * 2,
        constraints=LinearConstraint([[1.0, 1]], -np.inf, 1, keep_feasible=True),
        rng=0,
    )
    # 3 - 1/x + 1/(1 - x) = 0
    x = (5 - 13**0.5) / 6
    atol = 1e-5 if method == "SLSQP" else 0.05
    assert_allclose(res.fun, -np.log(x * (1 - x)) + 3 * x, atol=atol)


def test_functions_that_are_kept_turn_steps():
    def fun(x):
        assert x @ x >= 1
        return np.log(x @ x) + x[0] ** 2

    res = minimize(
        fun,
        [1.0, 1.0],
        method="SLSQP",
        constraints=NonlinearConstraint(lambda x: x @ x, 1, np.inf, keep_feasible=True),
        rng=0,
    )
    assert res.fun < 1e-3


def test_jacobians_that_are_given_serve_where_the_function_has_no_gradient():
    slopes = Counted(lambda x: np.array([[2 * x[0], -1.0]]))
    rows = NonlinearConstraint(lambda x: x[0] ** 2 - x[1], -np.inf, 0, jac=slopes)
    for jac in (None, "cs", "3-point"):
        slopes.points.clear()
        res = minimize(
            lambda x: (x[0] - 2) ** 2 + (x[1] - 1) ** 2,
            [0.5, 0.5],
            jac=jac,
            method="SLSQP",
            constraints=rows,
            rng=0,
        )
        assert_allclose(res.fun, 0.8248335, atol=1e-5)
        assert 0 < slopes.calls == res.constr_njev[0]


def test_complex_steps_leave_constraints_alone_that_take_none():
    def rows(x):
        assert not np.iscomplexobj(x)
        return x[0] ** 2 - x[1]

    res = minimize(
        lambda x: (x[0] - 2) ** 2 + (x[1] - 1) ** 2,
        [0.5, 0.5],
        jac="cs",
        method="SLSQP",
        constraints=NonlinearConstraint(rows, -np.inf, 0),
        rng=0,
    )
    assert_allclose(res.fun, 0.8248335, atol=1e-6)
