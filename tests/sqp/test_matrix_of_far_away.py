"""Matrices taught while far violations were dear promise nothing: no end for their sake."""

import numpy as np
import pytest

from smoothmin import minimize
from smoothmin.sqp.tangent_space import apart, normal_basis, tangential


def dispatch(most):
    """Two generators and three nodes, whose flows are sines of angles (in units of 1000)."""

    def flows(x):
        a, b = x[2], x[3]
        return 1000 * np.array(
            [
                np.sin(-a - 0.25) + np.sin(-b - 0.25) + 0.8948 - x[0] / 1000,
                np.sin(a - 0.25) + np.sin(a - b - 0.25) + 0.8948 - x[1] / 1000,
                np.sin(b - 0.25) + np.sin(b - a - 0.25) + 1.2948,
            ]
        )

    bounds = [(0, 1200), (0, 1200), (-most, most), (-most, most)]
    near = {"type": "ineq", "fun": lambda x: most - abs(x[3] - x[2]) * np.ones(1)}
    return {"bounds": bounds, "constraints": [{"type": "eq", "fun": flows}, near]}


def costs(x):
    return 3 * x[0] + 1e-6 * x[0] ** 3 + 2 * x[1] + 2e-6 / 3 * x[1] ** 3


@pytest.mark.parametrize("start", [(0, 0, 0, 0), (300, 100, 0.1, -0.2), (900, 700, 0.2, 0.1)])
@pytest.mark.parametrize(("most", "least"), [(0.48, 5174.4129), (0.55, 5126.4981)])
def test_generators_by_differences(start, most, least):
    result = minimize(costs, start, method="sqp", **dispatch(most))
    assert result.fun == pytest.approx(least, rel=1e-6)


QUALITY = np.array([0.025, 0.015])
COSTS = np.array([6.0, 16, 0, 0, -9, 10, 10, -15, 0])


def pooled(x):
    """Streams that are mixed: two feeds, a pool, two products."""
    return [
        x[0] + x[1] - x[2] - x[3],
        0.03 * x[0] + 0.01 * x[1] - x[8] * (x[2] + x[3]),
        x[2] + x[5] - x[4],
        x[3] + x[6] - x[7],
    ]


def blended(x):
    return QUALITY * x[[4, 7]] - x[8] * x[[2, 3]] - 0.02 * x[[5, 6]]


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_pools_are_no_minimum_where_streams_can_be_rerouted(seed, exact):
    """The multipliers of a start that mixes wrongly are a thousand times the final ones."""
    highest = np.array([300, 300, 100, 200, 100, 300, 100, 200, 0.03])
    bounds = np.c_[[0.0] * 8 + [0.01], highest]
    x0 = np.array([50, 50, 30, 30, 50, 20, 20, 60, 0.02])
    rng = np.random.default_rng(seed)
    x0 = np.clip(x0 + 0.3 * seed * rng.standard_normal(9) * np.maximum(1, x0), *bounds.T)
    rules = [{"type": "eq", "fun": pooled}, {"type": "ineq", "fun": blended}]
    jac = (lambda x: COSTS) if exact else None
    result = minimize(lambda x: COSTS @ x, x0, jac=jac, bounds=bounds, constraints=rules)
    # 0, -100 and -400 are what nobody can better nearby: no pool, and one product each
    if result.success:
        assert min(abs(result.fun - np.array([0, -100, -400]))) < 1e-3


def test_steps_along_rows_that_are_held():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((3, 6)) * [[1e-6], [1.0], [1e6]]
    basis = normal_basis(np.concatenate([rows, rows[:1] - rows[1:2], np.zeros((1, 6))]))
    assert basis.shape == (3, 6)
    steps = tangential(rng.standard_normal((4, 6)), basis)
    assert np.abs(steps @ (rows / np.linalg.norm(rows, axis=1)[:, None]).T).max() < 1e-14
    np.testing.assert_allclose(tangential(steps, basis), steps, atol=1e-14)
    again = [steps[0], steps[1], steps[0] + 1e-12, steps[2]]
    assert len(list(apart(again))) == 3
