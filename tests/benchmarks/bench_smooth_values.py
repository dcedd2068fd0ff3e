"""Smooth functions of 50 to 100 variables from values alone: ours and SciPy's.

    python tests/benchmarks/bench_smooth_values.py [--detail] [--solvers ours L-BFGS-B]

The functions are those of `cutest_problems.py`. One is solved to tau when its value has fallen by
1 - tau of what the lowest of all that are known lies below the start. Printed are the
shares solved within 10, 25 and 50 simplex gradients, of n + 1 evaluations each.
"""

from __future__ import annotations

import argparse
import contextlib
import warnings
from functools import cache

import numpy as np
import scipy.optimize
from cutest_problems import Values, problems

import smoothmin

TAUS = (1e-1, 1e-3, 1e-5)
GRADIENTS = (10, 25, 50)


class Enough(Exception):
    """The budget is spent."""


def scipys(method):
    """A method of SciPy's, by its differences."""

    def run(fun, x0, seed):
        scipy.optimize.minimize(fun, x0, method=method, options={"maxiter": 10**5})

    return run


def ours(**how):
    """The default, without a budget."""

    def run(fun, x0, seed):
        smoothmin.minimize(fun, x0, rng=seed, **how)

    return run


SOLVERS = {
    "ours": ours(),
    "difference-descent": ours(method="difference-descent"),
    "model-descent": ours(method="model-descent"),
    "L-BFGS-B": scipys("L-BFGS-B"),
    "BFGS": scipys("BFGS"),
}


def fall(solver, problem: Values, seed: int, budget: int):
    """The lowest value so far, (evaluations,)."""
    values: list[float] = []

    def fun(x):
        if len(values) >= budget:
            raise Enough
        values.append(problem.fun(np.asarray(x)))
        return values[-1]

    with contextlib.suppress(Enough), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        solver(fun, problem.x0, seed)
    return np.fmin.accumulate(values)


@cache
def lowest(name: str) -> float:
    """The lowest value that L-BFGS-B finds in the end."""
    problem = next(p for p in problems() if p.name == name)
    return float(fall(SOLVERS["L-BFGS-B"], problem, 0, 2000 * problem.x0.size)[-1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--solvers", nargs="*", default=list(SOLVERS), choices=SOLVERS)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--detail", action="store_true")
    args = parser.parse_args()
    chosen = [p for p in problems() if not args.only or p.name in args.only]
    when = {s: np.full((len(chosen), len(TAUS)), np.inf) for s in args.solvers}
    for i, problem in enumerate(chosen):
        size = problem.x0.size + 1
        falls = {s: fall(SOLVERS[s], problem, 0, GRADIENTS[-1] * size) for s in args.solvers}
        low = min(lowest(problem.name), *(float(v[-1]) for v in falls.values()))
        first = problem.fun(problem.x0)
        for s, values in falls.items():
            for j, tau in enumerate(TAUS):
                there = np.flatnonzero(first - values >= (1 - tau) * (first - low))
                when[s][i, j] = (there[0] + 1) / size if len(there) else np.inf
        if args.detail:
            rows = (" ".join(f"{w:5.1f}" for w in when[s][i]) for s in args.solvers)
            print(f"{problem.name:22s}", *rows, sep=" | ", flush=True)
    print("solved to tau within simplex gradients", *GRADIENTS)
    for s in args.solvers:
        rows = (
            " ".join(f"{np.mean(when[s][:, j] <= g):5.2f}" for g in GRADIENTS)
            for j in range(len(TAUS))
        )
        print(f"{s:20s}", *rows, sep=" | ")


if __name__ == "__main__":
    main()
