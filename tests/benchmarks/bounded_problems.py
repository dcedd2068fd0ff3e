"""Minimization between bounds that bind: smooth and kinked functions, with gradients.

The least-squares functions are those of J. J. More, B. S. Garbow, K. E. Hillstrom, "Testing
unconstrained optimization software", ACM Trans. Math. Softw. 7 (1981). A random part of
their variables, drawn anew for each seed, may go only a part of the way from the start to
the free minimum; the random quadratics have about half of the variables at a bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from nonsmooth_problems import Array, Pair, scalable
from scipy.optimize import minimize, rosen, rosen_der


@dataclass(frozen=True)
class BoundedProblem:
    """A function with its gradient, a start, and a box."""

    name: str
    fun: Callable[[Array], Pair]
    x0: Array
    lower: Array
    upper: Array


def least_squares(residuals: Callable[[Any], Any]) -> Callable[[Array], Pair]:
    """Sum of squares, its gradient by complex steps, exact to rounding."""

    def fun(x: Array) -> Pair:
        steps = x + 1e-30j * np.eye(x.size)
        jacobian = np.array([residuals(z).imag for z in steps]) / 1e-30
        r = residuals(x)
        return float(r @ r), 2 * jacobian @ r

    return fun


def extended_rosenbrock(x: Any) -> Any:
    return np.concatenate([10 * (x[1::2] - x[::2] ** 2), 1 - x[::2]])


def freudenstein_roth(x: Any) -> Any:
    a, b = x
    return np.array([a - 13 + ((5 - b) * b - 2) * b, a - 29 + ((b + 1) * b - 14) * b])


def beale(x: Any) -> Any:
    a, b = x
    return np.array([1.5 - a * (1 - b), 2.25 - a * (1 - b**2), 2.625 - a * (1 - b**3)])


def extended_powell(x: Any) -> Any:
    a, b, c, d = x.reshape(-1, 4).T
    parts = [a + 10 * b, 5**0.5 * (c - d), (b - 2 * c) ** 2, 10**0.5 * (a - d) ** 2]
    return np.concatenate(parts)


def wood(x: Any) -> Any:
    a, b, c, d = x
    valleys = [10 * (b - a * a), 1 - a, 90**0.5 * (d - c * c), 1 - c]
    return np.array([*valleys, 10**0.5 * (b + d - 2), 0.1**0.5 * (b - d)])


def variably_dimensioned(x: Any) -> Any:
    total = np.arange(1, x.size + 1) @ (x - 1)
    return np.concatenate([x - 1, [total, total**2]])


def penalty(x: Any) -> Any:
    return np.concatenate([1e-5**0.5 * (x - 1), [x @ x - 0.25]])


def trigonometric(x: Any) -> Any:
    i = np.arange(1, x.size + 1)
    return x.size - np.cos(x).sum() + i * (1 - np.cos(x)) - np.sin(x)


def broyden_tridiagonal(x: Any) -> Any:
    padded = np.concatenate([[0], x, [0]])
    return (3 - 2 * x) * x - padded[:-2] - 2 * padded[2:] + 1


def boundary_value(x: Any) -> Any:
    h = 1 / (x.size + 1)
    t = h * np.arange(1, x.size + 1)
    padded = np.concatenate([[0], x, [0]])
    return 2 * x - padded[:-2] - padded[2:] + 0.5 * h**2 * (x + t + 1) ** 3


def _starts() -> Iterator[tuple[str, Callable[[Any], Any], Array]]:
    """Residuals, and the usual starts."""
    yield "rosenbrock_2", extended_rosenbrock, np.tile([-1.2, 1.0], 1)
    yield "rosenbrock_20", extended_rosenbrock, np.tile([-1.2, 1.0], 10)
    yield "freudenstein_roth", freudenstein_roth, np.array([0.5, -2.0])
    yield "beale", beale, np.array([1.0, 1.0])
    yield "powell_4", extended_powell, np.array([3.0, -1.0, 0.0, 1.0])
    yield "powell_20", extended_powell, np.tile([3.0, -1.0, 0.0, 1.0], 5)
    yield "wood", wood, np.array([-3.0, -1.0, -3.0, -1.0])
    yield "variable_10", variably_dimensioned, 1 - np.arange(1, 11) / 10
    yield "penalty_10", penalty, np.arange(1.0, 11)
    yield "trigonometric_10", trigonometric, np.full(10, 0.1)
    yield "tridiagonal_10", broyden_tridiagonal, -np.ones(10)
    yield "tridiagonal_40", broyden_tridiagonal, -np.ones(40)
    t = np.arange(1, 21) / 21
    yield "boundary_20", boundary_value, t * (t - 1)


def cut(
    name: str, fun: Callable[[Array], Pair], x0: Array, minimum: Array, rng: np.random.Generator
) -> BoundedProblem:
    """The box in which about half of the variables cannot reach the minimum."""
    way = minimum - x0
    width = np.maximum(np.abs(way), 0.1 * np.abs(way).max())
    # ahead of the start and behind it, in units of the way to the minimum
    short = rng.random(x0.size) < 0.5
    ahead = np.where(short, rng.uniform(0.2, 0.9, x0.size), 3.0) * width
    behind = rng.uniform(0, 1, x0.size) * width
    up = way >= 0
    lower, upper = x0 - np.where(up, behind, ahead), x0 + np.where(up, ahead, behind)
    return BoundedProblem(name, fun, x0, lower, upper)


def quadratic(n: int, condition: float, rng: np.random.Generator) -> BoundedProblem:
    """A random convex quadratic, about half of whose variables end at a bound."""
    turn = np.linalg.qr(rng.standard_normal((n, n)))[0]
    hessian = (turn * condition ** rng.uniform(0, 1, n)) @ turn.T
    half = np.where(rng.random(n) < 0.5, 1.0, -1.0)
    x_best = rng.uniform(-1, 1, n)
    at_bound = rng.random(n) < 0.5
    x_best[at_bound] = half[at_bound]
    # multipliers of either size, away from zero
    slope = np.where(at_bound, -half * rng.uniform(0.1, 1, n) * condition**0.5, 0.0)
    b = hessian @ x_best - slope

    def fun(x: Array) -> Pair:
        g = hessian @ x
        return float(0.5 * x @ g - b @ x), g - b

    name = f"quadratic_{n}_{condition:.0e}"
    return BoundedProblem(name, fun, rng.uniform(-1, 1, n), -np.ones(n), np.ones(n))


def rosenbrock(n: int, rng: np.random.Generator) -> BoundedProblem:
    """The chained function, with the minimum of every third variable cut off."""
    upper = np.where(np.arange(n) % 3 == 2, rng.uniform(0.3, 0.9, n), 2.0)
    x0 = rng.uniform(0, 0.3, n)  # away from the local minimum
    return BoundedProblem(f"chain_{n}", lambda x: (rosen(x), rosen_der(x)), x0, -np.ones(n), upper)


def smooth(seed: int) -> list[BoundedProblem]:
    """All smooth problems, their boxes drawn from a seed."""
    rng = np.random.default_rng(seed)
    problems = []
    for name, residuals, x0 in _starts():
        fun = least_squares(residuals)
        free = minimize(fun, x0, jac=True, method="L-BFGS-B", options={"maxiter": 5000})
        problems.append(cut(name, fun, x0, free.x, rng))
    for n in (2, 5, 10, 20, 50, 100, 200):
        problems += [quadratic(n, condition, rng) for condition in (1e1, 1e3, 1e5)]
    problems += [rosenbrock(n, rng) for n in (2, 5, 10, 30, 100)]
    return problems


def kinked(seed: int) -> list[BoundedProblem]:
    """The scalable nonsmooth functions, a random half of their variables cut short."""
    rng = np.random.default_rng(seed)
    problems = []
    for problem in scalable(10) + scalable(30):
        x0 = problem.x0 + 0.1 * rng.standard_normal(problem.x0.size)
        problems.append(cut(problem.name, problem.fun, x0, 0.0 * x0, rng))
    return problems
