"""How far methods get on noisy functions from values alone, ours and SciPy's.

    python tests/benchmarks/bench_noise.py

Smooth and kinked functions with additive, relative and rounding noise, a budget of
200 (n + 1) values. A run is solved when the exact function at its result lies below the
start by 99 % of what the minimum does, or is within ten standard deviations of the noise
there. Then how often a result from within 1 % of the start's height was called a success.

    python tests/benchmarks/bench_noise.py --intervals

says instead how often `res.error` around `res.fun` holds the value without noise, on these and on
turned valleys, and how wide that is beside repeating the value as often as evaluations were left.
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
SHARES = (1e-5, 1e-3, 0.02)  # of the start's height, that is noise where intervals are asked for
QUANTILE = 1.96  # of the normal distribution, for 95 %


def valleys(n: int) -> list[Case]:
    """Functions whose variables are turned, and bowls that are no parabolas."""
    rng = np.random.default_rng(100 + n)
    turn = np.linalg.qr(rng.standard_normal((n, n)))[0]
    matrix, centre = turn * np.logspace(0, 2, n) @ turn.T, rng.uniform(-1, 1, n)
    start = centre + rng.uniform(-2, 2, n)

    def softest(x: Array) -> float:
        both = turn @ (x - centre)
        return float(np.logaddexp.reduce(np.concatenate([both, -both])))

    return [
        Case("turned", lambda x: float((x - centre) @ matrix @ (x - centre)), start, 0.0),
        Case(
            "banana",
            lambda x: float(scipy.optimize.rosen(turn @ x)),
            turn.T @ np.tile([-1.2, 1.0], n)[:n],
            0.0,
        ),
        Case(
            "quartic",
            lambda x: float(((x - centre) ** 2).sum() + ((turn @ (x - centre)) ** 4).sum()) + 3,
            start,
            3.0,
        ),
        Case("logarithmic", softest, start, float(np.log(2 * n))),
    ]


def interval(case: Case, share: float, method: str, seed: int) -> tuple[bool, float]:
    """Whether the interval holds the value, and its width beside that of all that was left.

    Infinite where nothing was left. Noise is a ``share`` of the start's height.
    """
    rng, budget = np.random.default_rng([seed, 1]), PER_GRADIENT * (case.x0.size + 1)
    noise = share * (case.fun(case.x0) - case.minimum)
    res = smoothmin.minimize(
        lambda x: case.fun(x) + noise * rng.standard_normal(),
        case.x0,
        method=method,
        rng=seed,
        options={"maxfev": budget},
    )
    error, left = float(res.get("error", np.nan)), budget - res.nfev
    usual = QUANTILE * noise / np.sqrt(left) if left else np.inf
    return abs(res.fun - case.fun(res.x)) <= error, error / usual if left else np.nan


def print_intervals() -> None:
    """How often intervals hold, and how wide they are, by method."""
    problems = [case for n in (2, 4, 12) for case in (cases(n) if n > 2 else []) + valleys(n)]
    for method in ("derivative-free", "difference-descent"):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            runs = [
                interval(case, share, method, seed)
                for case in problems
                for share in SHARES
                for seed in range(SEEDS)
            ]
        held, widths = np.array(runs).T
        ended = np.isfinite(widths)
        print(
            f"{method:20s}{len(runs):5d} runs, {held.mean():.3f} hold; {ended.sum()} that ended "
            f"by themselves: {held[ended].mean():.3f}, width {np.median(widths[ended]):.2f}"
        )


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
    parser.add_argument("--intervals", action="store_true", help="res.error instead")
    add_store(parser)
    arguments = parser.parse_args()
    if arguments.intervals:
        print_intervals()
        return
    file, records = arguments.store, []
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
