"""Kinks where constraints leave little room, from values alone, against linear programs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, NonlinearConstraint, linprog

from smoothmin import minimize


def _least_deviation(matrix, target):
    """The least sum of absolute deviations on the simplex."""
    m, n = matrix.shape
    eye = np.eye(m)
    rows = np.block([[matrix, -eye], [-matrix, -eye]])
    sum_of_x = np.append(np.ones(n), np.zeros(m))[None]
    cost = np.append(np.zeros(n), np.ones(m))
    return linprog(cost, rows, np.append(target, -target), sum_of_x, [1.0]).fun


@pytest.mark.parametrize("seed", [0, 1])
def test_absolute_deviations_on_the_simplex(seed):
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((15, 5))
    target = matrix @ rng.uniform(0, 1, 5) + 0.3 * rng.standard_normal(15)
    res = minimize(
        lambda x: float(np.abs(matrix @ x - target).sum()),
        np.full(5, 0.2),
        bounds=Bounds(0, np.inf),
        constraints=LinearConstraint(np.ones((1, 5)), 1, 1),
        rng=seed,
        options={"maxfev": 3000},
    )
    assert res.success, res.message
    assert res.fun == pytest.approx(_least_deviation(matrix, target), rel=1e-6)


def test_rounding_beside_kinks_is_no_noise():
    # the nearest point of the octahedron to one beyond an edge
    target = np.array([2.0, -1.5, 0.3, 0.2])
    res = minimize(
        lambda x: float(np.sum((x - target) ** 2)),
        np.full(4, 0.1),
        constraints=NonlinearConstraint(lambda x: np.abs(x).sum(), -np.inf, 1),
        rng=0,
        options={"maxfev": 3000},
    )
    assert res.success, res.message
    assert res.x == pytest.approx([0.75, -0.25, 0.0, 0.0], abs=1e-4)


def test_a_maximum_of_many_planes():
    rng = np.random.default_rng(11)
    planes = rng.standard_normal((20, 5))
    planes[:10] = -planes[10:]
    heights = rng.uniform(0.5, 1.5, 20)
    res = minimize(
        lambda x: float(np.max(planes @ x - heights)),
        np.ones(5),
        constraints=LinearConstraint(np.ones((1, 5)), 2, np.inf),
        rng=0,
        options={"maxfev": 3000},
    )
    rows = np.column_stack([planes, -np.ones(20)])
    least = linprog(
        np.append(np.zeros(5), 1.0), np.vstack([rows, [-1.0] * 5 + [0.0]]),
        np.append(heights, -2.0), bounds=(None, None),
    ).fun  # fmt: skip
    assert res.success, res.message
    assert res.fun == pytest.approx(least, abs=1e-6)
