"""Smooth functions: the default method with a gradient against SciPy's L-BFGS-B.

    python tests/benchmarks/bench_smooth.py [--max-n 1000]

Evaluations (a value with its gradient) until 1e-8 of the way to the minimum, SciPy's without
tolerances; evaluations until the methods stop by themselves, and the time that the library
takes beside the function's until then. A dash: not reached. The last lines are ratios, ours
over SciPy's, where both got there: geometric mean and largest.
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
from smooth_problems import SmoothProblem, convex_fits, scalable, small
from tables import row

import smoothmin

BUDGET = 5000  # evaluations, a fifth of it above ...
LARGE = 5000  # ... so many variables
GAP = 1e-8
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
        a = measure(problem, ours)
        b = (measure(problem, tight)[0], *measure(problem, theirs)[1:])
        rows.append((a, b))
        cells = [a[0], b[0], a[1], b[1], f"{a[2]:.1f}", f"{b[2]:.1f}"]
        print(row(problem.name, cells), flush=True)
    solved = [sum(r[k][0] is not None for r in rows) for k in (0, 1)]
    print(row(f"solved of {len(rows)}", solved))
    print(row("ours / SciPy's", ["mean", "largest", "problems"]))
    for k, label in enumerate(["evaluations to the gap", "evaluations in all", "library time"]):
        print(ratios(label, [(a[k], b[k]) for a, b in rows]))


if __name__ == "__main__":
    main()
