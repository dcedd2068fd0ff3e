"""Derivatives that are not those of the values are said to be so, kinks are not."""

import numpy as np
import pytest
from scipy.optimize import NonlinearConstraint

from smoothmin import minimize
from smoothmin._status import Status

AIM = np.array([2.0, 1.0])


def fun(x):
    return float((x - AIM) @ (x - AIM))


def slope(x):
    return 2 * (x - AIM)


@pytest.mark.parametrize(
    ("jac", "rows", "named"),
    [
        (lambda x: -slope(x), lambda x: 2 * x, "gradient"),
        (lambda x: slope(x) * [1, -1], lambda x: 2 * x, "gradient"),
        (slope, lambda x: -2 * x, "constraint"),
        (slope, lambda x: [[2 * x[0], 0]], ""),  # across which a few runs get stuck unawares
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_wrong_derivatives_have_a_status_of_their_own(jac, rows, named, seed):
    x0 = 0.5 * np.random.default_rng(seed).standard_normal(2)
    disc = NonlinearConstraint(lambda x: x @ x, -np.inf, 1, jac=rows)
    res = minimize(fun, x0, jac=jac, constraints=disc)
    assert not res.success
    assert res.status == Status.GRADIENT or not named
    assert named in res.message


@pytest.mark.parametrize(
    "row",
    [
        {"type": "ineq", "fun": lambda x: 9 - x @ x, "jac": lambda x: -2 * x},
        {"type": "eq", "fun": lambda x: 9 - x @ x, "jac": lambda x: -2 * x},
        {"type": "ineq", "fun": lambda x: 3 - x[0]},
    ],
)
@pytest.mark.parametrize("start", [[0.5, 0.0], [4.0, 1.0]])
def test_a_gradient_of_zero_is_not_believed_where_values_differ(row, start):
    res = minimize(fun, start, jac=np.zeros_like, constraints=row)
    assert not res.success
    assert res.status == Status.GRADIENT
    # which has no imaginary part, so that complex steps find no slope
    res = minimize(lambda x: fun(x.real), start, jac="cs", constraints=row)
    assert not res.success


@pytest.mark.parametrize("seed", range(5))
def test_kinks_are_none(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, 6, 4))

    def kinked(x):
        k = int(np.argmax(a @ x + 1))
        return float((a @ x + 1)[k]), a[k]

    def row(x):
        return np.abs(b @ x).max()

    def row_slope(x):
        k = int(np.abs(b @ x).argmax())
        return np.sign(b[k] @ x) * b[k]

    res = minimize(
        kinked,
        rng.standard_normal(4),
        jac=True,
        constraints=NonlinearConstraint(row, -np.inf, 1, jac=row_slope),
        options={"maxfev": 500},
    )
    assert res.status != Status.GRADIENT
