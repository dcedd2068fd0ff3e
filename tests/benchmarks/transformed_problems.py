"""The published problems in other coordinates: rotated, in other units, and shifted.

With a random orthogonal matrix Q, units u log-uniform between 0.1 and 10, and a shift s, a
problem f becomes ``y -> f(Q (u y) - s)``. Its least value stays; so does what a method that is
invariant under linear maps would do. No variable is like another after that, and no sum is
separable. A seed and a name always give the same coordinates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import bench_homotopy
import nonsmooth_problems
import numpy as np
import smooth_problems
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pair = tuple[float, Array]
SEEDS = (0, 1, 2)


class Published(Protocol):
    """What both sets of problems have."""

    @property
    def name(self) -> str: ...
    @property
    def fun(self) -> Callable[[Array], Pair]: ...
    @property
    def x0(self) -> Array: ...
    @property
    def minimum(self) -> float: ...


@dataclass(frozen=True)
class TransformedProblem:
    """A problem in new coordinates, and the map back to the published ones."""

    name: str
    fun: Callable[[Array], Pair]
    x0: Array
    minimum: float
    back: Callable[[Array], Array]


def transformed(problem: Published, seed: int) -> TransformedProblem:
    """The problem, rotated, rescaled and shifted."""
    n = problem.x0.size
    rng = np.random.default_rng([seed, n, *problem.name.encode()])
    q, r = np.linalg.qr(rng.standard_normal((n, n)))
    q *= np.where(np.diag(r) < 0, -1.0, 1.0)  # without it, Q is not uniformly distributed
    unit = 10 ** rng.uniform(-1, 1, n)
    shift = max(1.0, float(np.abs(problem.x0).max())) * rng.standard_normal(n)

    def back(y: Array) -> Array:
        return np.asarray(q @ (unit * y) - shift)

    def fun(y: Array) -> Pair:
        value, gradient = problem.fun(back(y))
        return value, unit * (gradient @ q)

    x0 = q.T @ (problem.x0 + shift) / unit
    return TransformedProblem(f"{problem.name}/{seed}", fun, x0, problem.minimum, back)


def published(kind: str) -> list[Published]:
    """The problems that are transformed, ``kind`` either "nonsmooth" or "smooth"."""
    if kind == "nonsmooth":
        return [
            *nonsmooth_problems.small(),
            *nonsmooth_problems.scalable(10),
            *nonsmooth_problems.scalable(50),
            *nonsmooth_problems.sharp(50),
        ]
    return [
        *smooth_problems.small(),
        *smooth_problems.scalable(12),
        *smooth_problems.scalable(48),
        *smooth_problems.convex_fits(),
    ]


def nonsmooth(max_n: int = 50, seeds: tuple[int, ...] = SEEDS) -> list[TransformedProblem]:
    """31 nonsmooth problems for each seed, fewer with less than 50 variables."""
    problems = [p for p in published("nonsmooth") if p.x0.size <= max_n]
    return [transformed(p, seed) for seed in seeds for p in problems]


def smooth(max_n: int = 50, seeds: tuple[int, ...] = SEEDS) -> list[TransformedProblem]:
    """40 smooth problems for each seed, fewer with less than 50 variables."""
    problems = [p for p in published("smooth") if p.x0.size <= max_n]
    return [transformed(p, seed) for seed in seeds for p in problems]


@dataclass(frozen=True)
class ValueProblem:
    """A function known by its values, in a box if there are bounds, and what to reach."""

    name: str
    fun: Callable[[Array], float]
    x0: Array
    bounds: list[tuple[float, float]] | None
    target: float


def ellipsoid(z: Array) -> float:
    """Curvatures from 1 to 1e6."""
    return float(10 ** np.linspace(0, 6, z.size) @ z**2)


def bent_cigar(z: Array) -> float:
    """One flat direction among steep ones, bent."""
    bent = np.where(z > 0, np.maximum(z, 0) ** (1 + 0.25 * np.linspace(0, 1, z.size)), z)
    return float(bent[0] ** 2 + 1e6 * (bent[1:] @ bent[1:]))


def sharp_ridge(z: Array) -> float:
    """A parabola along a ridge that is not differentiable."""
    return float(z[0] ** 2 + 100 * np.linalg.norm(z[1:]))


def different_powers(z: Array) -> float:
    """Powers from 2 to 6: ever flatter, at different rates."""
    return float(np.sum(np.abs(z) ** np.linspace(2, 6, z.size)))


def steps(z: Array) -> float:
    """An ellipsoid of plateaus, with a slight slope in one variable."""
    level = np.floor(2 * z + 0.5) / 2
    return float(max(1e-4 * abs(z[0]), 10 ** np.linspace(0, 2, z.size) @ level**2))


def absolute_sum(z: Array) -> float:
    """Kinks along all axes, slopes from 1 to 100."""
    return float(10 ** np.linspace(0, 2, z.size) @ np.abs(z))


UNIMODAL: tuple[Callable[[Array], float], ...] = (
    ellipsoid,
    bent_cigar,
    sharp_ridge,
    different_powers,
    steps,
    absolute_sum,
)


def unimodal(fun: Callable[[Array], float], n: int, seed: int, boxed: bool = True) -> ValueProblem:
    """A function with its minimum 0 at 0: rotated, in other units, moved within a box."""
    rng = np.random.default_rng([seed, n, *fun.__name__.encode()])
    q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    unit = 10 ** rng.uniform(-1, 1, n)
    centre, lowest = 5 * rng.standard_normal(n), rng.uniform(-3, 3, n)
    x0 = (centre + rng.uniform(-4, 4, n)) / unit
    bounds = list(zip((centre - 5) / unit, (centre + 5) / unit, strict=True))

    def moved(y: Array) -> float:
        return fun(q @ (unit * y - centre - lowest))

    target = 1e-6 * min(1.0, moved(x0))
    name = f"{fun.__name__.replace('_', '-')}-{'box-' * boxed}{n}/{seed}"
    return ValueProblem(name, moved, x0, bounds if boxed else None, target)


def multimodal(name: str, n: int, seed: int) -> ValueProblem:
    """A function of `bench_homotopy`, with a unit of its own for each variable."""
    task = bench_homotopy.moved(name, n, seed, 1)
    unit = 10 ** np.random.default_rng([seed, n]).uniform(-1, 1, n)
    bounds = [(a / u, b / u) for (a, b), u in zip(task.bounds, unit, strict=True)]
    label = f"{name}-{n}/{seed}"
    return ValueProblem(
        label, lambda y: float(task.fun(unit * y)[0]), task.x0 / unit, bounds, task.targets[0]
    )


def values(
    dims: tuple[int, ...] = (2, 5, 10), seeds: tuple[int, ...] = SEEDS
) -> list[ValueProblem]:
    """14 functions in a box and 6 without, for each number of variables and seed."""
    return [
        problem
        for seed in seeds
        for n in dims
        for problem in [
            *(unimodal(fun, n, seed, box) for box in (True, False) for fun in UNIMODAL),
            *(multimodal(name, n, seed) for name in bench_homotopy.FAMILIES),
        ]
    ]
