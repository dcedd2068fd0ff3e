"""Multipliers of every method: ``grad f = sum multiplier * grad c`` at the minimum."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import suzuki, suzuki_rows, suzuki_slopes
from scipy.optimize import LinearConstraint, NonlinearConstraint

from smoothmin import minimize


def _larger(x):
    """``max(x[0], x[1]) + x[2]**2``."""
    k = int(x[1] > x[0])
    return x[k] + x[2] ** 2, np.array([1.0 - k, k, 2 * x[2]])


@pytest.mark.parametrize("method", [None, "lbfgs", "gradient-sampling"])
def test_they_are_unique_at_a_kink_with_equalities(method):
    """On ``x0 + 2 x1 = 3`` the kink holds ``w (1, 0) + (1 - w) (0, 1) = (1, 2) / 3``."""
    rows = [LinearConstraint([[1, 2, 0]], 3, 3), LinearConstraint([[0, 0, 1]], 0.5, np.inf)]
    res = minimize(_larger, [3.0, 0.0, 1.0], jac=True, method=method, constraints=rows, rng=0)
    assert res.success
    assert_allclose(np.concatenate(res.multipliers), [1 / 3, 1], rtol=1e-6)


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e6])
def test_units_of_rows_divide_them(unit):
    rows = [
        NonlinearConstraint(
            lambda x: unit * suzuki_rows(x), 0, np.inf, jac=lambda x: unit * suzuki_slopes(x)
        ),
        LinearConstraint(unit * np.ones((1, 4)), 2 * unit, 2 * unit),
    ]
    res = minimize(suzuki, np.zeros(4), jac=True, constraints=rows, rng=0)
    assert_allclose(unit * np.concatenate(res.multipliers), [1, 0, 2, 0], atol=1e-4)


def test_those_of_bounds_beside_equalities():
    """The nearest point to (2, -1, 0) with sum 1 and no negative element: (1, 0, 0)."""
    aim = np.array([2.0, -1.0, 0.0])
    res = minimize(
        lambda x: (0.5 * (x - aim) @ (x - aim), x - aim),
        np.full(3, 1 / 3),
        jac=True,
        bounds=[(0, None)] * 3,
        constraints=LinearConstraint(np.ones((1, 3)), 1, 1),
    )
    assert_allclose(res.x, [1, 0, 0], atol=1e-9)
    assert_allclose(res.multipliers[0], [-1], rtol=1e-6)
    assert_allclose(res.bound_multipliers, [0, 2, 1], atol=1e-6)


def test_from_values_those_that_values_tell():
    """On the equality's set nothing shows how steep the function is off it."""
    row = NonlinearConstraint(suzuki_rows, 0, np.inf)
    res = minimize(lambda x: suzuki(x)[0], np.zeros(4), constraints=row, rng=0)
    assert_allclose(res.multipliers[0], [1, 0, 2], atol=1e-2)
    equal = LinearConstraint(np.ones((1, 4)), 2, 2)
    res = minimize(lambda x: suzuki(x)[0], np.zeros(4), constraints=[row, equal], rng=0)
    assert_allclose(res.multipliers[0], [1, 0, 2], atol=1e-2)
    assert np.isnan(res.multipliers[1]).all()


def test_those_that_are_not_known_are_nan():
    line = LinearConstraint([[1.0, 1.0]], 1, 1)
    res = minimize(lambda x: (x[0] - 2) ** 2 + x[1] ** 2, [3.0, -2.0], constraints=line, rng=0)
    assert res.success
    assert [found.shape for found in res.multipliers] == [(1,)]
    assert np.isnan(res.multipliers[0]).all()
    nowhere = [line, LinearConstraint([[1.0, 1.0]], 2, 2)]
    res = minimize(lambda x: x @ x, [3.0, -2.0], constraints=nowhere)
    assert res.nfev == 0
    assert np.isnan(np.concatenate(res.multipliers)).all()


def test_where_every_variable_is_at_a_bound():
    row = NonlinearConstraint(lambda x: x.sum(), 2, np.inf, jac=lambda x: np.ones((1, 2)))
    options = {"jac": True, "constraints": row}
    fun = lambda x: (x.sum(), np.ones(2))  # noqa: E731
    res = minimize(fun, [1.5, 1.5], bounds=[(1, 2)] * 2, method="lbfgs", **options)
    assert res.success
    assert_allclose(res.multipliers[0] + res.bound_multipliers, [1, 1], atol=1e-6)
    fixed = minimize(fun, [0.5, 1.0], bounds=[(0.5, 0.5), (1, 1)], **options)
    assert not fixed.success
    assert fixed.constr_violation == pytest.approx(0.5)
