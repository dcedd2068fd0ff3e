"""How far methods get on noisy functions from values alone, ours and SciPy's.

    python tests/benchmarks/bench_noise.py

Smooth and kinked functions with additive, relative and rounding noise, a budget of
200 (n + 1) values. A run is solved when the exact function at its result lies below the
start by 99 % of what the minimum does, or is within ten standard deviations of the noise
there. Then how often a result from within 1 % of the start's height was called a success.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from tables import add_store, store

import smoothmin

Array = NDArray[np.float64]
Function = Callable[[Array], float]

PER_GRADIENT = 200
SHARE = 0.01
SEEDS = 3
OURS = ["derivative-free", "gradient-sampling", "bfgs", "lbfgs"]
SCIPYS: dict[str, str] = {  # and the option that holds the budget
    "BFGS": "",
    "L-BFGS-B": "maxfun",
    "Nelder-Mead": "maxfev",
    "Powell": "maxfev",
    "COBYQA": "maxfev",
}


@dataclass(frozen=True)
class Case:
    """A function without its noise, where to start, and its minimum."""

    name: str
    fun: Function
    x0: Array
    minimum: float


def cases(n: int) -> list[Case]:
    """Smooth and kinked functions of ``n`` variables, none of them at its best at zero."""
    growing = np.logspace(0, 3, n)
    weights = np.logspace(0, 1, n)
    numbers = np.arange(1, n + 1)
    matrix = np.random.default_rng(n).standard_normal((2 * n, n))
    return [
        Case("quadratic", lambda x: 0.5 * float(growing @ (x - 1) ** 2), np.zeros(n), 0.0),
        Case(
            "rosenbrock", lambda x: float(scipy.optimize.rosen(x)), np.tile([-1.2, 1.0], n)[:n], 0
        ),
        Case("absolute values", lambda x: float(weights @ np.abs(x - 1)), np.full(n, 0.3), 0.0),
        Case("maximum", lambda x: float((np.abs(x - 1) * numbers).max()) + 1, np.full(n, -0.5), 1),
        Case("regression", lambda x: float(np.abs(matrix @ (x - 1)).mean()), np.zeros(n), 0.0),
    ]


NOISES: dict[str, Callable[[float, np.random.Generator], float]] = {
    "none": lambda f, rng: f,
    "absolute 1e-6": lambda f, rng: f + 1e-6 * rng.standard_normal(),
    "absolute 1e-3": lambda f, rng: f + 1e-3 * rng.standard_normal(),
    "relative 1e-6": lambda f, rng: f * (1 + 1e-6 * rng.standard_normal()),
    "relative 1e-3": lambda f, rng: f * (1 + 1e-3 * rng.standard_normal()),
    "single precision": lambda f, rng: float(np.float32(f)),
}
SIZES = {"absolute 1e-6": 1e-6, "absolute 1e-3": 1e-3}


class Enough(Exception):
    """Ends a run of a method without a budget of its own."""


def run(case: Case, noise: str, method: str, seed: int) -> tuple[float, bool]:
    """The share of the height that is left at the result, and whether that was a success."""
    rng = np.random.default_rng(seed)
    budget = PER_GRADIENT * (case.x0.size + 1)
    lowest, at, count = np.inf, case.x0, 0

    def fun(x: Array) -> float:
        nonlocal lowest, at, count
        if count == budget:
            raise Enough
        count += 1
        value = NOISES[noise](case.fun(x), rng)
        if value < lowest:
            lowest, at = value, np.array(x)
        return value

    x, success = case.x0, False
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            res = _minimize(fun, case.x0, method, budget, seed)
        x, success = res.x, bool(res.success)
    except Enough:
        x = at
    left = case.fun(np.asarray(x)) - case.minimum - 10 * SIZES.get(noise, 0.0)
    return left / (case.fun(case.x0) - case.minimum), success


def _minimize(fun: Function, x0: Array, method: str, budget: int, seed: int) -> Any:
    if method in OURS:
        options = {"maxfev": budget}
        return smoothmin.minimize(fun, x0, method=method, rng=seed, options=options)
    name = SCIPYS[method]
    return scipy.optimize.minimize(fun, x0, method=method, options={name: budget} if name else None)


def main() -> None:
    """Print the share solved, by method and noise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_store(parser)
    file, records = parser.parse_args().store, []
    methods = OURS + list(SCIPYS)
    problems = cases(4) + cases(12)
    print(f"{'share solved':18s}" + "".join(f"{noise:>18s}" for noise in NOISES) + f"{'false':>8s}")
    for method in methods:
        cells, false, ended = [], 0, 0
        for noise in NOISES:
            left = [run(c, noise, method, seed) for c in problems for seed in range(SEEDS)]
            cells.append(float(np.mean([share <= SHARE for share, _ in left])))
            false += sum(success and share > 1 - SHARE for share, success in left)
            ended += len(left)
        print(f"{method:18s}" + "".join(f"{cell:18.2f}" for cell in cells) + f"{false:5d}/{ended}")
        records.append({"method": method, **dict(zip(NOISES, cells, strict=True)), "false": false})
    if file is not None:
        store(file, records)


if __name__ == "__main__":
    main()
