"""Smooth functions: the default method with a gradient against SciPy's L-BFGS-B.

    python tests/benchmarks/bench_smooth.py [--max-n 1000]

Evaluations (a value with its gradient) until 1e-8 of the way to the minimum, SciPy's without
tolerances; evaluations until the methods stop by themselves, and the time that the library
takes beside the function's until then. A dash: not reached. The last lines are ratios, ours
over SciPy's, where both got there, with its own tolerances for what it took in all: geometric
mean and largest. The library's microseconds an evaluation follow, on quadratics with
curvatures from 1 to 1000, the least of a few runs.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import math
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize
from oracle import Timed
from smooth_problems import SmoothProblem, convex_fits, quadratic, scalable, small
from tables import row

import smoothmin

BUDGET = 5000  # evaluations, a fifth of it above ...
LARGE = 5000  # ... so many variables
GAP = 1e-8
RUNS, RATED = 8, 300  # of which the fastest counts, and evaluations of each
SIZES = (48, 1008, 10_008, 100_008)  # multiples of 12


def budget(x0: Any) -> int:
    """Most evaluations of a run."""
    return BUDGET if len(x0) <= LARGE else BUDGET // 5


def ours(fun: Any, x0: Any) -> None:
    """The default method."""
    smoothmin.minimize(fun, x0, jac=True, rng=0, options={"maxfev": budget(x0)})


def theirs(fun: Any, x0: Any) -> None:
    """L-BFGS-B with SciPy's own tolerances."""
    options = {"maxfun": budget(x0), "maxiter": BUDGET}
    scipy.optimize.minimize(fun, x0, jac=True, method="L-BFGS-B", options=options)


def tight(fun: Any, x0: Any) -> None:
    """L-BFGS-B for as long as it goes."""
    options = {"maxfun": budget(x0), "maxiter": BUDGET, "ftol": 0.0, "gtol": 0.0}
    scipy.optimize.minimize(fun, x0, jac=True, method="L-BFGS-B", options=options)


def measure(
    problem: SmoothProblem, run: Callable[[Any, Any], None]
) -> tuple[int | None, int, float]:
    """Evaluations to the gap and in all, and the library's milliseconds."""
    level = problem.minimum + GAP * (problem.fun(problem.x0)[0] - problem.minimum)
    values: list[float] = []
    timed = Timed(problem.fun)

    def watched(x: Any) -> Any:
        value, gradient = timed(np.array(x, dtype=float))
        values.append(value)
        return value, gradient

    start = time.process_time()
    with np.errstate(all="ignore"):
        run(watched, problem.x0)
    library = 1e3 * (time.process_time() - start - timed.seconds)
    reached = next((k for k, value in enumerate(values, 1) if value <= level), None)
    return reached, len(values), library


def ratios(label: str, pairs: list[tuple[Any, Any]]) -> str:
    """Geometric mean and largest ratio of pairs in which nothing is missing."""
    both = [a / b for a, b in pairs if a is not None and b is not None and b > 0]
    if not both:
        return row(label, [None, None, 0])
    mean = math.exp(sum(math.log(max(r, 1e-9)) for r in both) / len(both))
    return row(label, [f"{mean:.2f}", f"{max(both):.2f}", len(both)])


def microseconds(n: int, run: Callable[[Any, Any], Any]) -> float:
    """The library's, an evaluation of a quadratic in ``n`` variables."""
    problem, least = quadratic(n, 1e3), math.inf
    for _ in range(RUNS if n <= LARGE else 2):
        timed, calls = Timed(problem.fun), [0]

        def counted(x: Any, timed: Timed = timed, calls: list[int] = calls) -> Any:
            calls[0] += 1
            return timed(x)

        start = time.process_time()
        run(counted, problem.x0)
        library = time.process_time() - start - timed.seconds
        least = min(least, 1e6 * library / calls[0])
    return least


def rates(most: int) -> None:
    """Print the library's microseconds an evaluation."""
    limits = {"maxfev": RATED}
    runs: dict[str, Callable[[Any, Any], Any]] = {
        "L-BFGS-B": lambda fun, x0: scipy.optimize.minimize(
            fun, x0, jac=True, method="L-BFGS-B", options={"maxfun": RATED}
        ),
        "lbfgs": lambda fun, x0: smoothmin.minimize(
            fun, x0, jac=True, method="lbfgs", options=limits
        ),
        "default": lambda fun, x0: smoothmin.minimize(fun, x0, jac=True, rng=0, options=limits),
    }
    sizes = [n for n in (10, 100, 1000, 10_000, 100_000) if n <= most]
    print(row("library us an evaluation", [f"n = {n}" for n in sizes]))
    for name, run in runs.items():
        print(row(name, [f"{microseconds(n, run):.1f}" for n in sizes]), flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--max-n", type=int, default=SIZES[-1], help="most variables")
    most = parser.parse_args().max_n
    problems = [*small(), *convex_fits(), *(p for n in SIZES if n <= most for p in scalable(n))]
    problems = [p for p in problems if p.x0.size <= most]
    warnings.simplefilter("ignore")
    measure(problems[0], ours)  # imports and compilation
    print(row("", ["to the gap", "SciPy", "until the end", "SciPy", "library ms", "SciPy"]))
    rows = []
    for problem in problems:
        a, ended = measure(problem, ours), measure(problem, theirs)
        b = (measure(problem, tight)[0], *ended[1:])
        rows.append((a, b if ended[0] is not None else (b[0], None, None)))
        cells = [a[0], b[0], a[1], b[1], f"{a[2]:.1f}", f"{b[2]:.1f}"]
        print(row(problem.name, cells), flush=True)
    solved = [sum(r[k][0] is not None for r in rows) for k in (0, 1)]
    print(row(f"solved of {len(rows)}", solved))
    print(row("ours / SciPy's", ["mean", "largest", "problems"]))
    for k, label in enumerate(["evaluations to the gap", "evaluations in all", "library time"]):
        print(ratios(label, [(a[k], b[k]) for a, b in rows]))
    rates(most)


if __name__ == "__main__":
    main()
