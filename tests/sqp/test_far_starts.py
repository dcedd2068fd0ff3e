"""Constrained problems whose programs mislead on the way: far, curved, or with kinks."""

import numpy as np
import pytest
from scipy.optimize import NonlinearConstraint

import smoothmin

IMAGINARY = 1e-30


def slopes_of(fun):
    """Derivatives by complex steps, (n,) or (m, n)."""

    def slopes(x):
        steps = x + IMAGINARY * 1j * np.eye(x.size)
        return np.array([np.imag(fun(z)) for z in steps]).T / IMAGINARY

    return slopes


def run(fun, x0, rows, upper, **more):
    constraint = NonlinearConstraint(rows, 0, upper, jac=slopes_of(rows))
    return smoothmin.minimize(
        fun, x0, jac=slopes_of(fun), method="sqp", constraints=constraint, **more
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_prices_rise_between_tangents_that_are_gathered(seed):
    """HS72: poles next to the bounds look like kinks on the way."""
    start = 1 + 0.3 * np.random.default_rng(seed).standard_normal(4)

    def rows(x):
        return np.array(
            [
                0.0401 - 4 / x[0] - 2.25 / x[1] - 1 / x[2] - 0.25 / x[3],
                0.010085 - 0.16 / x[0] - 0.36 / x[1] - 0.64 / x[2] - 0.64 / x[3],
            ]
        )

    bounds = [(0.001, 1e5 * k) for k in (4, 3, 2, 1)]
    result = run(lambda x: 1 + x.sum(), start, rows, np.inf, bounds=bounds)
    assert result.success
    assert result.fun == pytest.approx(727.67937, rel=1e-6)
    assert result.nfev <= 150


@pytest.mark.parametrize("seed", range(4))
def test_the_violation_does_not_run_away(seed):
    """HS40: the objective falls as the fourth power, faster than any price holds."""
    start = 0.8 + 0.3 * np.random.default_rng(seed).standard_normal(4)

    def rows(x):
        return np.array([x[0] ** 3 + x[1] ** 2 - 1, x[0] ** 2 * x[3] - x[2], x[3] ** 2 - x[1]])

    farthest = 0.0

    def fun(x):
        nonlocal farthest
        farthest = max(farthest, float(np.abs(x).max()))
        return -np.prod(x)

    result = run(fun, start, rows, 0)
    assert result.success
    assert result.fun <= -0.17  # or a minimum of another sign, 0.25
    assert result.nfev <= 60
    assert farthest < 1e3


@pytest.mark.parametrize("seed", range(4))
def test_curved_functions_are_not_taken_for_kinked_for_good(seed):
    """HS56: squares of sines, whose long steps look like those across kinks."""
    first, last = np.arcsin(np.sqrt(1 / 4.2)), np.arcsin(np.sqrt(5 / 7.2))
    start = np.array([1, 1, 1, first, first, first, last])
    start += 0.1 * np.random.default_rng(seed).standard_normal(7)

    def rows(x):
        held = x[:3] - 4.2 * np.sin(x[3:6]) ** 2
        return np.append(held, x[0] + 2 * x[1] + 2 * x[2] - 7.2 * np.sin(x[6]) ** 2)

    result = run(lambda x: -x[0] * x[1] * x[2], start, rows, 0)
    assert result.success
    assert result.fun == pytest.approx(-3.456, rel=1e-6)
    assert result.nfev <= 200


def test_two_smooth_pieces_on_a_curved_constraint():
    """Steps are corrected for the constraint's curvature although there is a kink."""

    def pieces(x):
        first = (x * x).sum() + x[2] ** 2 - 5 * x[0] - 5 * x[1] - 21 * x[2] + 7 * x[3]
        return np.array([first, 3 * (x[0] - 1) ** 2 + x[2] ** 2 - 20])

    def fun(x):
        found = pieces(x)
        return found[np.real(found).argmax()]

    def rows(x):
        return np.array([(x * x).sum() + x[0] - x[1] + x[2] - x[3] - 8])

    result = run(fun, np.zeros(4), rows, 0, options={"maxfev": 160})
    assert result.fun == pytest.approx(-19.99647109, abs=1e-6)


def test_tangents_that_leave_no_way_are_forgotten():
    """Basis pursuit with noise: a norm's far tangents exclude each other."""
    rng = np.random.default_rng(0)
    m, n = 8, 12
    matrix = rng.standard_normal((m, n)) / np.sqrt(m)
    x = np.zeros(n)
    x[rng.choice(n, 2, replace=False)] = 2 * rng.standard_normal(2)
    aim = matrix @ x + 0.05 * rng.standard_normal(m)
    limit = 0.05 * np.sqrt(m)

    def slope(x):
        left = matrix @ x - aim
        return matrix.T @ left / max(np.linalg.norm(left), 1e-300)

    constraint = NonlinearConstraint(
        lambda x: np.linalg.norm(matrix @ x - aim), -np.inf, limit, jac=slope
    )
    start = np.linalg.lstsq(matrix, aim, rcond=None)[0]
    result = smoothmin.minimize(
        lambda x: np.abs(x).sum(), start, jac=np.sign, method="sqp", constraints=constraint
    )
    assert result.status in (0, 4)
    assert result.constr_violation <= 1e-8
    assert result.fun == pytest.approx(1.374539144, abs=1e-6)
