"""A thousand variables from values alone, 100 evaluations for each: against pycma and AdaDGS.

    python tests/benchmarks/bench_many_variables.py
    python tests/benchmarks/bench_many_variables.py --dims 500 --seeds 2 --solvers homotopy

Printed is the lowest value, less the minimum's, after a tenth, a third and all of the
evaluations. Peers: pycma with a diagonal and with VkD's restricted covariance, where the
package `cma` is installed; AdaDGS as in H. Tran, G. Zhang (2020), arXiv:2011.02009, written
out here. The minimum and the start are uniform in parts of the box [-5, 5]; in turned functions
every variable interacts with all.
"""

from __future__ import annotations

import argparse
import contextlib
import time
import warnings

import numpy as np
from tables import add_store, store

import smoothmin

TAU = 2 * np.pi
LOW, HIGH = -5.0, 5.0


def sphere(z):
    """The easiest."""
    return z @ z


def powers(z):
    """Flatter and flatter from one variable to the next."""
    return (np.abs(z) ** np.linspace(2, 6, z.size)).sum()


def ellipsoid(z):
    """Condition number a million."""
    return 10.0 ** np.linspace(0, 6, z.size) @ z**2


def valley(z):
    """Rosenbrock's."""
    z = z + 1
    return (100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2).sum()


def rastrigin(z):
    """Waves on a bowl."""
    return (z**2 + 10 * (1 - np.cos(TAU * z))).sum()


FUNCTIONS = {
    "sphere": (sphere, False),
    "powers": (powers, False),
    "ellipsoid": (ellipsoid, False),
    "ellipsoid turned": (ellipsoid, True),
    "valley": (valley, False),
    "valley turned": (valley, True),
    "rastrigin": (rastrigin, False),
    "rastrigin turned": (rastrigin, True),
}


class Spent(Exception):
    """No evaluation is left."""


class Task:
    """One function, counted."""

    def __init__(self, name, n, seed, budget):
        self.fun, turned = FUNCTIONS[name]
        rng = np.random.default_rng([seed, n])
        self.optimum, self.x0 = rng.uniform(-2, 2, n), rng.uniform(-4, 4, n)
        mirrors = rng.standard_normal((3, n))
        self.mirrors = mirrors / np.linalg.norm(mirrors, axis=1)[:, None] if turned else None
        self.order = rng.permutation(n)
        self.budget, self.count, self.best, self.marks = budget, 0, np.inf, []

    def turn(self, z):
        """Reflections, and pairs of variables turned by one radian."""
        for k, mirror in enumerate(self.mirrors):
            z = z - 2 * (z @ mirror) * mirror
            if k == 0:
                a, b = z[self.order].reshape(2, -1)
                z = np.concatenate([np.cos(1) * a - np.sin(1) * b, np.sin(1) * a + np.cos(1) * b])
        return z

    def __call__(self, x):
        if self.count >= self.budget or self.best < 1e-8:
            raise Spent
        self.count += 1
        z = np.asarray(x) - self.optimum
        value = float(self.fun(z if self.mirrors is None else self.turn(z)))
        self.best = min(self.best, value)
        if self.count in (self.budget // 10, self.budget // 3):
            self.marks.append(self.best)
        return value


def homotopy(task, seed):
    """Ours."""
    options = {"maxfev": task.budget + 1, "restarts": "budget"}
    bounds = [(LOW, HIGH)] * task.x0.size
    smoothmin.minimize(task, task.x0, method="homotopy", bounds=bounds, rng=seed, options=options)


def cma_diagonal(task, seed):
    """pycma's ``CMA_diagonal``."""
    import cma

    options = {"verbose": -9, "seed": seed + 1, "CMA_diagonal": True, "bounds": [LOW, HIGH]}
    cma.fmin2(task, task.x0, 0.2 * (HIGH - LOW), options)


def cma_vkd(task, seed):
    """pycma's VkD."""
    import cma
    from cma.restricted_gaussian_sampler import GaussVkDSampler

    options = {"verbose": -9, "seed": seed + 1, "bounds": [LOW, HIGH]}
    options = GaussVkDSampler.extend_cma_options(options)
    cma.fmin2(task, task.x0, 0.2 * (HIGH - LOW), options)


def adadgs(task, seed, trials=100):
    """Gradients by five-point Gauss-Hermite rules along directions; many steps tried."""
    rng, x = np.random.default_rng(seed), task.x0
    n = x.size
    nodes, weights = np.polynomial.hermite.hermgauss(5)
    first = sigma = 0.1 * (HIGH - LOW)
    steps = np.sqrt(n) * (HIGH - LOW) * 0.9 ** np.arange(trials)
    directions, f = np.eye(n), task(x)
    while True:
        slopes = np.empty(n)
        for i, direction in enumerate(directions):
            along = [
                task(np.clip(x + np.sqrt(2) * sigma * t * direction, LOW, HIGH)) if t else f
                for t in nodes
            ]
            slopes[i] = np.sqrt(2 / np.pi) / sigma * weights @ (nodes * along)
        downhill = -directions.T @ slopes / np.linalg.norm(slopes)
        points = [np.clip(x + step * downhill, LOW, HIGH) for step in steps]
        values = [task(point) for point in points]
        k = int(np.argmin(values))
        gain = f - values[k]
        small = not gain > 1e-3 * abs(f)
        if gain > 0:
            x, f = points[k], values[k]
            sigma = first if small else 0.5 * (sigma + steps[k] / np.sqrt(n))
        else:
            sigma = max(0.5 * sigma, 1e-10)
        if small:
            directions = np.linalg.qr(rng.standard_normal((n, n)))[0]


SOLVERS = {"homotopy": homotopy, "cma-diagonal": cma_diagonal, "cma-vkd": cma_vkd, "adadgs": adadgs}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dims", type=int, default=1000)
    parser.add_argument("--budget", type=int, default=100, help="evaluations per variable")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--solvers", default=",".join(SOLVERS))
    parser.add_argument("--functions", default=",".join(FUNCTIONS))
    add_store(parser)
    args = parser.parse_args()
    records = []
    warnings.simplefilter("ignore")
    print(f"{'function':17s} {'solver':13s} a tenth   a third       all  seconds")
    for name in args.functions.split(","):
        records.append({"function": name})
        for solver in args.solvers.split(","):
            rows, started = [], time.perf_counter()
            for seed in range(args.seeds):
                task = Task(name, args.dims, seed, args.budget * args.dims)
                with contextlib.suppress(Spent), np.errstate(all="ignore"):
                    while True:
                        SOLVERS[solver](task, seed + task.count)
                        task.x0 = np.random.default_rng(task.count).uniform(-4, 4, args.dims)
                rows.append([*task.marks, *[task.best] * (3 - len(task.marks))])
            cells = " ".join(f"{value:9.3g}" for value in np.median(rows, axis=0))
            seconds = (time.perf_counter() - started) / args.seeds
            print(f"{name:17s} {solver:13s} {cells} {seconds:8.1f}", flush=True)
            records[-1][solver] = np.median(rows, axis=0)[-1]
    if args.store is not None:
        store(args.store, records)


if __name__ == "__main__":
    main()
