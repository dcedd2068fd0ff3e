"""How many classical functions are solved from values alone, in boxes cut at random.

    python tests/benchmarks/bench_classical.py [--seeds 3] [--peers] [--only NAME]

Solved is what comes within a millionth of max(1, |minimum|). First with ``restarts="budget"``: the
share that is solved within so many evaluations per variable. Then the plain call, which ends by
itself: the share that is solved, and the median of its evaluations per variable. `--peers` adds
two of SciPy's searches, which have the largest budget.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize
from classical_problems import CLASSICAL, BoxedProblem, cut
from tables import row

import smoothmin

BUDGETS = (20, 50, 200, 1000)


class Ended(BaseException):
    """A run reached its target, or spent its budget."""


def evaluations(problem: BoxedProblem, solver: Callable[..., Any]) -> tuple[float, int]:
    """Evaluations to the target, infinite if it was not reached; and all, if it goes on."""
    count, most = 0, BUDGETS[-1] * problem.x0.size

    def watched(x: Any) -> float:
        nonlocal count
        count += 1
        value = problem.fun(np.asarray(x))
        if value <= problem.target or count > most:
            raise Ended
        return value

    try:
        solver(watched, problem.x0, problem.bounds)
    except Ended:
        return (count if count <= most else np.inf), count
    return np.inf, count


def total(problem: BoxedProblem) -> tuple[bool, int]:
    """Whether the plain call solves it, and its evaluations to its end."""
    res = smoothmin.minimize(
        problem.fun, problem.x0, bounds=problem.bounds, rng=0,
        options={"maxfev": BUDGETS[-1] * problem.x0.size},
    )  # fmt: skip
    return res.fun <= problem.target, res.nfev


def budget(fun: Any, x0: Any, bounds: Any) -> None:
    options = {"restarts": "budget", "maxfev": 10**6}
    smoothmin.minimize(fun, x0, bounds=bounds, rng=0, options=options)


def dual_annealing(fun: Any, x0: Any, bounds: Any) -> None:
    scipy.optimize.dual_annealing(fun, bounds, x0=x0, seed=0, maxfun=10**7, maxiter=10**7)


def differential_evolution(fun: Any, x0: Any, bounds: Any) -> None:
    scipy.optimize.differential_evolution(fun, bounds, x0=x0, seed=0, maxiter=10**6)


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--only", default="", help="functions with this in their name")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--list", action="store_true", help="every function by itself")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    chosen = [c for c in CLASSICAL if arguments.only in c.name]
    problems = [cut(c, seed) for c in chosen for seed in seeds]
    solvers: list[Callable[..., Any]] = [budget]
    if arguments.peers:
        solvers += [dual_annealing, differential_evolution]
    print(row("", [f"{b} D" for b in BUDGETS]))
    with np.errstate(all="ignore"):
        for solver in solvers:
            counts = np.array([evaluations(p, solver)[0] / p.x0.size for p in problems])
            print(row(solver.__name__, [f"{np.mean(counts <= b):.3f}" for b in BUDGETS]))
            if arguments.list:
                for k, c in enumerate(chosen):
                    own = counts[k * len(seeds) : (k + 1) * len(seeds)]
                    print(row("  " + c.name, [f"{v:.0f}" for v in own]))
        ends = [total(p) for p in problems]
    spent = [cost / p.x0.size for (_, cost), p in zip(ends, problems, strict=True)]
    print(f"the plain call: {np.mean([solved for solved, _ in ends]):.3f} solved,", end="")
    print(f" a median of {np.median(spent):.0f} evaluations per variable")
    if arguments.list:
        shown = [f"{b:.0f}{'' if s else '!'}" for (s, _), b in zip(ends, spent, strict=True)]
        for k, c in enumerate(chosen):
            print(row("  " + c.name, shown[k * len(seeds) : (k + 1) * len(seeds)]))


if __name__ == "__main__":
    main()
