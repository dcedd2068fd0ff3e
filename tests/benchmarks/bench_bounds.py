"""Evaluations between bounds that bind, ours and SciPy's.

    python tests/benchmarks/bench_bounds.py [--seeds N] [--first SEED] [-v]

An evaluation is a value with its gradient; a run counts those until the gap to the lowest
value that any method has found is a 1e-6th of the gap at the start (`--gap`). An unsolved
problem counts as 3000, the budget. The last columns are the runs' own ends, with default
tolerances: evaluations, and how many ended at the gap or below. Then the time that an
iteration of ours takes beside the function's, with and without bounds, on quadratics.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np
import scipy.optimize
from bounded_problems import BoundedProblem, kinked, quadratic, smooth
from oracle import Timed
from tables import row

import smoothmin

BUDGET = 3000
OURS = ["bfgs", "lbfgs", "gradient-sampling"]
SCIPYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # tight, and as they are
    "L-BFGS-B": ({"ftol": 0.0, "gtol": 0.0, "maxfun": BUDGET, "maxiter": BUDGET}, {}),
    "TNC": ({"ftol": 0.0, "gtol": 0.0, "xtol": 0.0, "maxfun": BUDGET}, {}),
    "SLSQP": ({"ftol": 1e-16, "maxiter": BUDGET}, {"maxiter": BUDGET}),
}
TIGHT: dict[str, dict[str, Any]] = {
    "bfgs": {"gtol": 0.0},
    "lbfgs": {"gtol": 0.0},
    "gradient-sampling": {"stationarity_tol": 1e-12},
}


class Enough(Exception):
    """Ends a run at its budget."""


def values(problem: BoundedProblem, name: str, tight: bool) -> np.ndarray:
    """The lowest value so far, at each evaluation of a run."""
    seen: list[float] = []

    def watched(x: Any) -> Any:
        if len(seen) >= BUDGET:
            raise Enough
        value, gradient = problem.fun(np.asarray(x, dtype=float))
        seen.append(value)
        return value, gradient

    bounds = scipy.optimize.Bounds(problem.lower, problem.upper)
    how: dict[str, Any] = {"jac": True, "bounds": bounds, "method": name}
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if name in OURS:
                options = {**(TIGHT[name] if tight else {}), "maxfev": BUDGET}
                smoothmin.minimize(watched, problem.x0, **how, rng=0, options=options)
            else:
                options = SCIPYS[name][not tight]
                scipy.optimize.minimize(watched, problem.x0, **how, options=options)
    except Enough:
        pass
    return np.minimum.accumulate(seen)


def table(problems: list[BoundedProblem], gap: float, verbose: bool) -> None:
    """Print evaluations of all methods, and their means."""
    names = [*OURS, *SCIPYS]
    rows, ends, good = [], [], []
    for problem in problems:
        runs = [values(problem, name, tight=True) for name in names]
        least = min(run[-1] for run in runs)
        enough = least + gap * (runs[0][0] - least)
        reached = [np.flatnonzero(run <= enough) for run in runs]
        rows.append([int(at[0]) + 1 if at.size else BUDGET for at in reached])
        if verbose:
            print(row(problem.name, rows[-1]), flush=True)
        runs = [values(problem, name, tight=False) for name in names]
        ends.append([run.size for run in runs])
        good.append([run[-1] <= enough for run in runs])
    counts = np.array(rows)
    means = np.exp(np.log(counts).mean(axis=0))
    solved = (counts < BUDGET).sum(axis=0)
    own = np.exp(np.log(ends).mean(axis=0))
    print(row("", names))
    print(row(f"solved of {len(rows)}", solved))
    print(row("geometric mean", means, ".1f"))
    print(row("largest", counts.max(axis=0)))
    print(row("own end", own, ".1f"))
    print(row("... at the gap", np.sum(good, axis=0)))


def microseconds(n: int, name: str, bounded: bool) -> float:
    """Processor time of the library alone, per iteration, in ``n`` variables."""
    problem = quadratic(n, 1e5, np.random.default_rng(0))
    timed = Timed(problem.fun)
    bounds = scipy.optimize.Bounds(problem.lower, problem.upper) if bounded else None
    best = np.inf
    for most in (3, 60, 60, 60):  # the first one imports
        timed.seconds, start = 0.0, time.process_time()
        res = smoothmin.minimize(
            timed, problem.x0, jac=True, method=name, bounds=bounds, options={"maxiter": most}
        )
        if most > 3:
            best = min(best, (time.process_time() - start - timed.seconds) / res.nit)
    return 1e6 * best


def main() -> None:
    """Print both tables and the times."""
    parser = argparse.ArgumentParser(description="Binding bounds, ours and SciPy's methods.")
    parser.add_argument("--seeds", type=int, default=2, help="how many boxes for each function")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first of them")
    parser.add_argument("--gap", type=float, default=1e-6)
    parser.add_argument("-v", "--verbose", action="store_true", help="a row for each problem")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    for title, make in (("Smooth", smooth), ("Kinked", kinked)):
        print(title)
        problems = [problem for seed in seeds for problem in make(seed)]
        table(problems, arguments.gap, arguments.verbose)
    for n in (10, 100, 200):
        for name in OURS[:2]:
            free, bounded = (microseconds(n, name, bounded) for bounded in (False, True))
            print(f"n = {n}, {name}: {free:.0f} microseconds an iteration, {bounded:.0f} in a box")


if __name__ == "__main__":
    main()
