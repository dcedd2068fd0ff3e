"""Integers among the variables: evaluations beside SciPy's `differential_evolution`.

    python tests/benchmarks/bench_integers.py [--seeds 3]

Per problem the lowest value that either found, and for each how many seeds found it and how
many evaluations a run took until it stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import differential_evolution, rosen
from tables import row

from smoothmin import minimize

SAME = 1e-6
Problem = tuple[Callable[[Any], float], list[tuple[float, float]], list[int]]


def turned(n: int, condition: float, seed: int) -> Callable[[Any], float]:
    """A quadratic in coordinates of its own."""
    rng = np.random.default_rng(seed)
    centre, q = rng.uniform(-6, 6, n), np.linalg.qr(rng.standard_normal((n, n)))[0]
    return lambda x: float(np.geomspace(1, condition, n) @ (q @ (x - centre)) ** 2)


def ripples(x: Any) -> float:
    """Rastrigin's, whose ripples are three integers long."""
    z = x - 2.0
    return float(np.sum(z**2 + 10 - 10 * np.cos(2 * np.pi * z / 3)))


def gears(x: Any) -> float:
    """Sandgren's train of gears: the ratio 1 / 6.931 of four numbers of teeth."""
    return float((1 / 6.931 - x[0] * x[1] / (x[2] * x[3])) ** 2)


def knapsack(seed: int, n: int) -> Callable[[Any], float]:
    """The value of what is packed, less a penalty for too much weight."""
    rng = np.random.default_rng(seed)
    weights, values = rng.integers(5, 60, n), rng.integers(5, 80, n)
    return lambda x: float(-values @ x + 50 * max(0, weights @ x - weights.sum() / 2))


PROBLEMS: dict[str, Problem] = {
    "quadratic, 4 integers": (turned(4, 100, 0), [(-10, 10)] * 4, [1] * 4),
    "quadratic, 3 of 6": (turned(6, 30, 1), [(-10, 10)] * 6, [1, 1, 1, 0, 0, 0]),
    "quadratic, 5 of 10": (turned(10, 100, 2), [(-10, 10)] * 10, [1, 0] * 5),
    "Rosenbrock, 2 of 4": (rosen, [(-5, 5)] * 4, [1, 0, 0, 1]),
    "ripples, 5 integers": (ripples, [(-20, 20)] * 5, [1] * 5),
    "ripples, 3 of 5": (ripples, [(-20, 20)] * 5, [1, 1, 1, 0, 0]),
    "gears": (gears, [(12, 60)] * 4, [1] * 4),
    "knapsack of 15": (knapsack(3, 15), [(0, 1)] * 15, [1] * 15),
}


def main() -> None:
    """Run both and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    print(row("problem", ["lowest", "smoothmin", "scipy"]))
    for name, (fun, bounds, integers) in PROBLEMS.items():
        found: dict[str, list[tuple[float, int]]] = {"ours": [], "theirs": []}
        low, high = np.array(bounds, dtype=float).T
        for seed in seeds:
            start = np.random.default_rng(seed).uniform(low, high)
            start = np.where(integers, np.round(start), start)
            how = {"bounds": bounds, "integrality": integers, "rng": seed}
            for key, res in (
                ("ours", minimize(fun, start, **how)),
                ("theirs", differential_evolution(fun, **how)),
            ):
                found[key].append((float(res.fun), int(res.nfev)))
        least = min(value for runs in found.values() for value, _ in runs)
        cells = [
            f"{sum(v <= least + SAME for v, _ in runs)} of {len(runs)}, "
            f"{np.mean([count for _, count in runs]):.0f}"
            for runs in found.values()
        ]
        print(row(name, [f"{least:.6g}", *cells]), flush=True)


if __name__ == "__main__":
    main()
