"""Share of multimodal functions solved, against SciPy's global methods at equal evaluations.

    python tests/benchmarks/bench_homotopy.py                # from values alone
    python tests/benchmarks/bench_homotopy.py --gradients    # value and gradient count as one
    python tests/benchmarks/bench_homotopy.py --dims 2,5 --seeds 5

Every function is moved, turned (unless called separable) and stretched by the seed, starts
uniform in its box, and has a known minimum. Solved means within 1e-6 of it. A method that
stops by itself is started again from a random point, with another seed.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize

import smoothmin

TAU = 2 * np.pi
TOLERANCE = 1e-6


def rastrigin(z):
    """Waves on a bowl."""
    value = (z**2 + 10 * (1 - np.cos(TAU * z))).sum()
    return value, 2 * z + 10 * TAU * np.sin(TAU * z)


def skew_rastrigin(z):
    """The same with a phase in each variable: nothing is symmetric about the minimum."""
    phase = np.linspace(-2, 2, z.size)
    value = (z**2 + 10 * (1 - np.cos(TAU * z + phase))).sum()
    return value, 2 * z + 10 * TAU * np.sin(TAU * z + phase)


def ackley(z):
    """A plain of waves with a deep hole."""
    d = z.size
    r, c = np.sqrt(z @ z / d), np.cos(TAU * z).mean()
    hole, waves = 20 * np.exp(-0.2 * r), np.exp(c)
    slope = 0.2 * hole * z / (d * r) if r > 0 else 0 * z
    return 20 + np.e - hole - waves, slope + waves * TAU * np.sin(TAU * z) / d


def griewank(z):
    """Many shallow minima on a bowl."""
    w = np.sqrt(np.arange(1, z.size + 1))
    c = np.cos(z / w)
    rest = np.array([np.prod(np.delete(c, i)) for i in range(z.size)])
    return 1 + z @ z / 4000 - np.prod(c), z / 2000 + rest * np.sin(z / w) / w


def twin_bowls(z):
    """Two bowls, the wider one wrong, under waves."""
    left, right = ((z + 2.5) ** 2).sum() + 1.0 * z.size, ((z - 2.5) ** 2).sum()
    waves = 10 * (1 - np.cos(TAU * (z - 2.5)))
    slope = 2 * (z + 2.5) if left < right else 2 * (z - 2.5)
    return min(left, right) + waves.sum(), slope + 10 * TAU * np.sin(TAU * (z - 2.5))


def valley(z):
    """Rosenbrock's: one minimum, hard to follow."""
    return optimize.rosen(z + 1), optimize.rosen_der(z + 1)


def wells(z):
    """Gaussian wells of different depth and width."""
    rng = np.random.default_rng(z.size)
    centres, width = rng.uniform(-4, 4, (20, z.size)), rng.uniform(0.7, 1.5, 20)
    depth = rng.uniform(0, 4, 20)
    e = depth - ((z - centres) ** 2).sum(axis=1) / (2 * width**2)
    p = np.exp(e - e.max())
    weights = p / p.sum() / width**2
    return -e.max() - np.log(p.sum()), weights @ (z - centres)


#            function, half-width of the box, turned
FAMILIES = {
    "rastrigin-separable": (rastrigin, 5.0, False),
    "rastrigin": (rastrigin, 5.0, True),
    "skew-rastrigin": (skew_rastrigin, 5.0, True),
    "ackley": (ackley, 15.0, True),
    "griewank": (griewank, 50.0, True),
    "twin-bowls": (twin_bowls, 5.0, True),
    "valley": (valley, 3.0, True),
    "wells": (wells, 5.0, False),
}


class Spent(Exception):
    """The budget is spent, or the minimum found."""


@dataclass
class Task:
    """One function, counted."""

    fun: Callable
    half: float
    turn: np.ndarray | None
    centre: np.ndarray
    moved: np.ndarray
    stretch: float
    lowest: float
    x0: np.ndarray
    budget: int
    count: int = 0
    best: float = np.inf

    @classmethod
    def make(cls, name: str, d: int, seed: int, budget: int) -> Task:
        fun, half, turned = FAMILIES[name]
        rng = np.random.default_rng([seed, d, *name.encode()])
        stretch = 10.0 ** rng.uniform(-1, 1)
        turn = np.linalg.qr(rng.standard_normal((d, d)))[0] if turned else None
        centre = stretch * half * rng.standard_normal(d)
        moved = 0.0 * centre if fun is wells else rng.uniform(-0.5, 0.5, d) * half
        if fun is twin_bowls:
            moved *= 0.2
        x0 = centre + stretch * half * rng.uniform(-1, 1, d)
        lowest = _minimum(fun, d)
        return cls(fun, half, turn, centre, moved, stretch, lowest, x0, budget)

    @property
    def bounds(self) -> list[tuple[float, float]]:
        """The box."""
        reach = self.stretch * self.half
        return [(c - reach, c + reach) for c in self.centre]

    def both(self, x):
        """Value and gradient."""
        if self.count >= self.budget or self.best <= self.lowest + TOLERANCE:
            raise Spent
        self.count += 1
        z = (np.asarray(x) - self.centre) / self.stretch - self.moved
        value, slope = self.fun(z if self.turn is None else self.turn @ z)
        self.best = min(self.best, value)
        return value, (slope if self.turn is None else self.turn.T @ slope) / self.stretch

    def value(self, x):
        """The value."""
        return self.both(x)[0]


def _minimum(fun, d):
    """The lowest value, by separate or many local searches where it is not zero."""
    if fun is skew_rastrigin:
        axis = np.linspace(-1, 1, 2_000_001)
        phases = np.linspace(-2, 2, d)
        return sum((axis**2 + 10 * (1 - np.cos(TAU * axis + p))).min() for p in phases)
    if fun is wells:
        starts = np.random.default_rng(d).uniform(-4, 4, (20, d))
        return min(optimize.minimize(wells, x, jac=True, tol=1e-12).fun for x in starts)
    return 0.0


def homotopy(task, seed, gradients):
    """Ours."""
    options = {"maxfev": task.budget + 1, "restarts": "budget"}
    fun, jac = (task.both, True) if gradients else (task.value, None)
    smoothmin.minimize(
        fun, task.x0, jac=jac, method="homotopy", bounds=task.bounds, rng=seed, options=options
    )


def _local(task, gradients):
    if gradients:
        return {"method": "L-BFGS-B", "jac": True, "bounds": task.bounds}
    return {"method": "L-BFGS-B", "bounds": task.bounds}


def basinhopping(task, seed, gradients):
    """SciPy's, with steps of a twentieth of the box."""
    fun = task.both if gradients else task.value
    step = 0.1 * task.stretch * task.half
    optimize.basinhopping(
        fun, task.x0, niter=10**6, stepsize=step, rng=seed, minimizer_kwargs=_local(task, gradients)
    )


def dual_annealing(task, seed, gradients):
    """SciPy's; its local searches take the gradient where there is one."""
    local = {"method": "L-BFGS-B", "bounds": task.bounds}
    if gradients:
        local["jac"] = lambda x: task.both(x)[1]
    optimize.dual_annealing(
        task.value, task.bounds, x0=task.x0, maxiter=10**6, maxfun=10**9, rng=seed,
        minimizer_kwargs=local,
    )  # fmt: skip


def differential_evolution(task, seed, gradients):
    """SciPy's; values only."""
    optimize.differential_evolution(task.value, task.bounds, x0=task.x0, maxiter=10**6, rng=seed)


SOLVERS = (homotopy, basinhopping, dual_annealing, differential_evolution)


def solved(solver, name, d, seed, budget, gradients):
    """Whether the minimum was found within the budget."""
    task = Task.make(name, d, seed, budget)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for turn in range(10**6):
            try:
                solver(task, seed + 1000 * turn, gradients)
                task.x0 = np.random.default_rng([seed, turn]).uniform(*np.transpose(task.bounds))
            except Spent:
                break
            if task.count >= task.budget:
                break
    return task.best <= task.lowest + TOLERANCE


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gradients", action="store_true")
    parser.add_argument("--dims", default="2,5,10")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budgets", default="200,1000", help="evaluations per variable")
    args = parser.parse_args()
    dims = [int(d) for d in args.dims.split(",")]
    budgets = [int(b) for b in args.budgets.split(",")]
    print("share solved at evaluations per variable", *(f"{b:>7d}" for b in budgets), " seconds")
    for solver in SOLVERS:
        shares, started = [], time.perf_counter()
        for per_variable in budgets:
            found = [
                solved(solver, name, d, seed, per_variable * d, args.gradients)
                for d in dims
                for name in FAMILIES
                for seed in range(args.seeds)
            ]
            shares.append(float(np.mean(found)))
        seconds = time.perf_counter() - started
        print(f"{solver.__name__:40s}", *(f"{s:7.2f}" for s in shares), f"{seconds:8.1f}")


if __name__ == "__main__":
    main()
