"""Constraints from values alone with more variables, or less luck, than models are good for."""

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, NonlinearConstraint
from scipy.optimize import minimize as scipy_minimize

from smoothmin import minimize

N = 20


def valley(x):
    """A quadratic of condition 1000 with an exponential beside it."""
    return float(np.logspace(0, 3, x.size) @ (x - 1) ** 2) / 100 + np.exp(0.1 * x.sum())


SHELL = {"type": "ineq", "fun": lambda x: 4 - x @ x}
PLANE = {"type": "eq", "fun": lambda x: x[0] - x[1] + 0.1 * x[2] ** 2}


def test_smooth_programs_cost_what_differences_do():
    ours = minimize(valley, np.zeros(N), constraints=[SHELL, PLANE], rng=0)
    theirs = scipy_minimize(
        valley, np.zeros(N), method="SLSQP", constraints=[SHELL, PLANE], options={"ftol": 1e-10}
    )
    assert ours.success
    assert ours.method == "constrained-model"
    assert ours.fun <= theirs.fun + 1e-6 * abs(theirs.fun)
    assert ours.nfev <= 2 * theirs.nfev


@pytest.mark.parametrize("seed", range(3))
def test_where_models_end_at_no_minimum_programs_go_on(seed):
    rng = np.random.default_rng(seed)
    a, q = rng.standard_normal(8), rng.standard_normal((8, 8))
    h, x0 = q @ q.T / 8 + np.diag(np.logspace(-2, 1, 8)), rng.uniform(-20, 20, 8)

    def fun(x):
        return 0.5 * x @ h @ x + a @ x

    row = {"type": "ineq", "fun": lambda x: a @ x + 1}
    ours = minimize(fun, x0, bounds=[(-20, 20)] * 8, constraints=row, rng=0)
    given = {"jac": lambda x: h @ x + a, "method": "SLSQP", "options": {"ftol": 1e-12}}
    theirs = scipy_minimize(fun, ours.x, bounds=[(-20, 20)] * 8, constraints=row, **given)
    assert ours.success
    assert ours.fun <= theirs.fun + 1e-6 * max(1, abs(theirs.fun))
    assert ours.nfev <= 400


def test_linear_rows_hold_at_the_points_of_differences_too():
    rows, seen = LinearConstraint(np.ones((1, N)), -np.inf, 3.0), []

    def fun(x):
        seen.append(x.copy())
        return valley(x)

    ball = NonlinearConstraint(lambda x: x @ x, -np.inf, 4.0)
    res = minimize(fun, np.full(N, 0.1), constraints=[rows, ball], bounds=[(0, 1)] * N, rng=0)
    points = np.array(seen)
    assert res.success
    assert points.sum(axis=1).max() <= 3 + 1e-12
    assert points.min() >= 0
    assert points.max() <= 1


def test_kinks_are_left_to_slopes_on_both_sides():
    def fun(x):
        return np.abs(x - np.arange(12) / 12).sum() + 0.1 * x @ x

    ball = {"type": "ineq", "fun": lambda x: 1 - x @ x}
    res = minimize(fun, np.full(12, 0.1), constraints=ball, rng=0, options={"maxfev": 6000})
    ref = scipy_minimize(
        lambda y: y[12:].sum() + 0.1 * y[:12] @ y[:12],
        np.concatenate([np.full(12, 0.1), np.ones(12)]),
        method="SLSQP",
        constraints=[
            {"type": "ineq", "fun": lambda y: 1 - y[:12] @ y[:12]},
            {"type": "ineq", "fun": lambda y: y[12:] - (y[:12] - np.arange(12) / 12)},
            {"type": "ineq", "fun": lambda y: y[12:] + (y[:12] - np.arange(12) / 12)},
        ],
        options={"ftol": 1e-12, "maxiter": 500},
    )
    assert res.fun <= ref.fun + 1e-4
    assert not res.success or res.fun <= ref.fun + 1e-5
