import numpy as np
import pytest
from scipy.optimize import NonlinearConstraint

from smoothmin import minimize


@pytest.mark.parametrize("seed", range(2))
def test_a_ball_of_the_one_norm_is_no_contradiction(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 5))
    c, unit = 5 * rng.standard_normal(n), 10.0 ** rng.integers(-4, 3)

    def fun(x):
        return float(unit * np.sqrt(1 + (x - c) ** 2).sum())

    def grad(x):
        return unit * (x - c) / np.sqrt(1 + (x - c) ** 2)

    ball = NonlinearConstraint(
        lambda x: np.abs(x).sum(), -np.inf, 1.2, jac=lambda x: np.sign(x)[None]
    )
    x0 = 10 * rng.standard_normal(n)
    told = minimize(fun, x0, jac=grad, constraints=ball, rng=0)
    res = minimize(fun, x0, constraints=ball, rng=0)
    assert told.success
    assert res.status != 9
    if res.success:
        assert res.fun <= told.fun + 1e-5 * abs(told.fun)
        assert res.constr_violation <= 1e-6
    assert res.fun <= told.fun + 1e-3 * abs(told.fun)
    assert res.constr_violation <= 1e-5


@pytest.mark.parametrize("seed", range(2))
def test_the_sides_of_an_equality_do_not_make_violation_dear(seed):
    rng = np.random.default_rng(seed)
    n = 5
    a, b = rng.standard_normal((2 * n, n)), rng.standard_normal(2 * n)
    row = rng.standard_normal(n)

    def fun(x):
        return float(0.01 * np.abs(a @ x - b).sum())

    def grad(x):
        return 0.01 * a.T @ np.sign(a @ x - b)

    constraints = [
        {"type": "ineq", "fun": lambda x: 1.5 - x @ x, "jac": lambda x: -2 * x},
        {"type": "eq", "fun": lambda x: row @ x - 0.3, "jac": lambda x: row},
    ]
    x0 = 0.1 * rng.standard_normal(n)
    told = minimize(fun, x0, jac=grad, constraints=constraints, rng=0)
    res = minimize(fun, x0, constraints=constraints, rng=0)
    assert told.success
    assert res.fun <= told.fun + (1e-5 if res.success else 1e-3)
    assert res.constr_violation <= 1e-6
