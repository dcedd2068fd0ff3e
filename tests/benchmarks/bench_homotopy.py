"""Share of multimodal functions solved, against SciPy's global methods at equal evaluations.

    python tests/benchmarks/bench_homotopy.py                # from values alone
    python tests/benchmarks/bench_homotopy.py --gradients    # value and gradient count as one
    python tests/benchmarks/bench_homotopy.py --dims 2,5 --seeds 5
    python tests/benchmarks/bench_homotopy.py --coco         # COCO's functions, values alone

Every function is moved, turned (unless called separable) and stretched by the seed, starts
uniform in its box, and has a known minimum. Solved means within 1e-6 of it. A method that
stops by itself is started again from a random point, with another seed. SciPy's shgo is left
out: from ten variables on its triangulation alone takes minutes.

COCO's 24 noiseless functions (N. Hansen et al., "COCO: a platform for comparing continuous
optimizers in a black-box setting", Optim. Methods Softw. 36, 2021) need
``pip install coco-experiment``. Their share is that of 51 targets, 1e2 to 1e-8 above the minimum.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy import optimize
from tables import add_store, store

import smoothmin

TAU = 2 * np.pi
TOLERANCE = 1e-6
COCO_TARGETS = 10.0 ** np.linspace(2, -8, 51)


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
    """The budget is spent, or the last target reached."""


@dataclass
class Task:
    """One function, counted; ``hits`` are the counts at which targets were reached."""

    fun: Callable
    bounds: list[tuple[float, float]]
    x0: np.ndarray
    targets: np.ndarray
    budget: int
    count: int = 0
    hits: list[int] = field(default_factory=list)

    @property
    def width(self) -> float:
        """Mean width of the box."""
        return float(np.mean(np.diff(self.bounds)))

    def both(self, x):
        """Value and gradient."""
        if self.count >= self.budget or len(self.hits) == len(self.targets):
            raise Spent
        self.count += 1
        value, slope = self.fun(np.asarray(x))
        while len(self.hits) < len(self.targets) and value <= self.targets[len(self.hits)]:
            self.hits.append(self.count)
        return value, slope

    def value(self, x):
        """The value."""
        return self.both(x)[0]


def moved(name: str, d: int, seed: int, budget: int) -> Task:
    """A function of our own, moved, turned and stretched."""
    fun, half, turned = FAMILIES[name]
    rng = np.random.default_rng([seed, d, *name.encode()])
    stretch = 10.0 ** rng.uniform(-1, 1)
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0] if turned else np.eye(d)
    centre = stretch * half * rng.standard_normal(d)
    shift = 0.0 * centre if fun is wells else rng.uniform(-0.5, 0.5, d) * half
    if fun is twin_bowls:
        shift *= 0.2
    x0 = centre + stretch * half * rng.uniform(-1, 1, d)

    def there(x):
        value, slope = fun(turn @ ((x - centre) / stretch - shift))
        return value, turn.T @ slope / stretch

    bounds = [(c - stretch * half, c + stretch * half) for c in centre]
    return Task(there, bounds, x0, np.array([_minimum(fun, d) + TOLERANCE]), budget)


def coco(index: int, d: int, instance: int, budget: int) -> Task:
    """A function of COCO's, without a gradient."""
    import cocoex

    suite = cocoex.Suite("bbob", f"instances: {instance}", f"dimensions: {d}")
    problem, other = suite.get_problem(index), suite.get_problem(index)
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:  # where the minimizer is written to
        os.chdir(folder)
        try:
            other._best_parameter("print")
            lowest = other(np.loadtxt("._bbob_problem_best_parameter.txt"))
        finally:
            os.chdir(here)
    x0 = np.random.default_rng([index, d, instance]).uniform(-4, 4, d)
    bounds = list(zip(problem.lower_bounds, problem.upper_bounds, strict=True))
    return Task(lambda x: (problem(x), None), bounds, x0, lowest + COCO_TARGETS, budget)


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
    """Ours; from values alone it is "derivative-free"."""
    options = {"maxfev": task.budget + 1, "restarts": "budget"}
    fun, jac = (task.both, True) if gradients else (task.value, None)
    smoothmin.minimize(
        fun, task.x0, jac=jac, method="homotopy", bounds=task.bounds, rng=seed, options=options
    )


def _local(task, gradients):
    if gradients:
        return {"method": "L-BFGS-B", "jac": True, "bounds": task.bounds}
    return {"method": "L-BFGS-B", "bounds": task.bounds}


def multistart(task, seed, gradients):
    """SciPy's L-BFGS-B."""
    fun = task.both if gradients else task.value
    optimize.minimize(fun, task.x0, **_local(task, gradients))


def basinhopping(task, seed, gradients):
    """SciPy's, with steps of a twentieth of the box."""
    fun = task.both if gradients else task.value
    local = _local(task, gradients)
    optimize.basinhopping(
        fun, task.x0, niter=10**6, stepsize=task.width / 20, rng=seed, minimizer_kwargs=local
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


def direct(task, seed, gradients):
    """SciPy's; values only."""
    optimize.direct(
        task.value, task.bounds, maxfun=task.budget + 1, maxiter=10**6, vol_tol=0, len_tol=0
    )


SOLVERS = (homotopy, multistart, basinhopping, dual_annealing, differential_evolution, direct)


def share(solver, task, seed, gradients, budgets):
    """The share of targets that are reached within each of the budgets."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for turn in range(10**6):
            try:
                solver(task, seed + 1000 * turn, gradients)
                task.x0 = np.random.default_rng([seed, turn]).uniform(*np.transpose(task.bounds))
            except Spent:
                break
    hits = np.array(task.hits)
    return [(hits <= budget).sum() / len(task.targets) for budget in budgets]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gradients", action="store_true")
    parser.add_argument("--coco", action="store_true")
    parser.add_argument("--dims", default="2,5,10")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budgets", default="200,1000", help="evaluations per variable")
    add_store(parser)
    args = parser.parse_args()
    if args.coco and args.gradients:
        parser.error("COCO's functions have no gradients")
    dims = [int(d) for d in args.dims.split(",")]
    budgets = np.array([int(b) for b in args.budgets.split(",")])
    make, names = (coco, range(24)) if args.coco else (moved, FAMILIES)
    print("share at evaluations per variable", *(f"{b:>7d}" for b in budgets), " seconds")
    records = []
    for solver in SOLVERS:
        started = time.perf_counter()
        shares = [
            # instances of COCO's functions count from 1
            share(
                solver,
                make(name, d, seed + args.coco, int(budgets.max()) * d),
                seed,
                args.gradients,
                budgets * d,
            )
            for d in dims
            for name in names
            for seed in range(args.seeds)
        ]
        seconds = time.perf_counter() - started
        print(f"{solver.__name__:33s}", *(f"{s:7.2f}" for s in np.mean(shares, axis=0)), end="")
        print(f"{seconds:9.1f}", flush=True)
        means = dict(zip(budgets, np.mean(shares, axis=0), strict=True))
        records.append({"method": solver.__name__, **means})
    if args.store is not None:
        store(args.store, records)


if __name__ == "__main__":
    main()
