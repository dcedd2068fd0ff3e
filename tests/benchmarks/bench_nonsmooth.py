"""Evaluations to a relative gap of 1e-6 on nonsmooth functions, ours and SciPy's.

    python tests/benchmarks/bench_nonsmooth.py [--plot FILE] [--rescale SEED]

An evaluation is a value with its gradient. A dash: not reached within 5000 evaluations
or before the method gave up. Then the time that an iteration of ours takes beside
the function's, on MAXQ. `--plot` draws the table as a data profile: the share of
problems that are solved within so many evaluations per (n + 1). The limit of 5000 is
25 (n + 1) for n = 200: beyond it a curve rises by smaller problems alone. `--rescale`
multiplies each variable by its own random factor between 0.1 and 10.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.optimize
from nonsmooth_problems import NonsmoothProblem, scalable, sharp, small
from oracle import Timed
from tables import add_store, row, store

import smoothmin

BUDGET = 5000
GAP = 1e-6
OURS = ["gradient-sampling", "bfgs", "lbfgs"]
SCIPYS: dict[str, dict[str, float]] = {
    "BFGS": {"gtol": 1e-12},
    "L-BFGS-B": {"ftol": 0.0, "gtol": 1e-12, "maxfun": BUDGET, "maxiter": BUDGET},
    "CG": {"gtol": 1e-12},
    "SLSQP": {"ftol": 1e-16, "maxiter": BUDGET},
}


class Enough(Exception):
    """Ends a run that reached the gap or its budget."""


def rescaled(problem: NonsmoothProblem, rng: np.random.Generator) -> NonsmoothProblem:
    """The problem with each variable in a unit of its own."""
    unit = 10 ** rng.uniform(-1, 1, problem.x0.size)

    def fun(z: Any) -> Any:
        value, gradient = problem.fun(unit * z)
        return value, unit * gradient

    return NonsmoothProblem(problem.name, fun, problem.x0 / unit, problem.minimum)


def evaluations(problem: NonsmoothProblem, run: Any) -> int | None:
    """Evaluations until the gap is reached, None if it is not."""
    count = 0
    reached = None

    def watched(x: Any) -> Any:
        nonlocal count, reached
        value, gradient = problem.fun(np.asarray(x, dtype=float))
        count += 1
        if problem.gap(value) <= GAP:
            reached = count
        if reached is not None or count >= BUDGET:
            raise Enough
        return value, gradient

    try:
        with np.errstate(all="ignore"):
            run(watched)
    except Enough:
        pass
    return reached


def measure(problem: NonsmoothProblem) -> list[int | None]:
    """One row of the table: our methods, then SciPy's."""
    row = []
    for name in OURS:
        options = {"maxfev": BUDGET}

        def ours(fun: Any, name: str = name, options: Any = options) -> None:
            smoothmin.minimize(fun, problem.x0, jac=True, method=name, rng=0, options=options)

        row.append(evaluations(problem, ours))
    for name, tight in SCIPYS.items():

        def theirs(fun: Any, name: str = name, options: Any = tight) -> None:
            scipy.optimize.minimize(fun, problem.x0, jac=True, method=name, options=options)

        row.append(evaluations(problem, theirs))
    return row


def seconds_per_iteration(n: int, iterations: int) -> float:
    """Processor time of the library alone, per iteration, in ``n`` variables."""
    problem = scalable(n)[0]
    timed = Timed(problem.fun)

    def run(most: int) -> int:
        options = {"maxiter": most}
        res = smoothmin.minimize(
            timed, problem.x0, jac=True, method="gradient-sampling", rng=0, options=options
        )
        return int(res.nit)

    run(3)  # imports are no part of an iteration
    timed.seconds, start = 0.0, time.process_time()
    count = run(iterations)
    return (time.process_time() - start - timed.seconds) / count


def draw_profile(
    file: Path, names: list[str], problems: list[NonsmoothProblem], rows: list[list[int | None]]
) -> None:
    """Save the data profile of a table: one row a problem, one column a method."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    sizes = np.array([problem.x0.size + 1 for problem in problems])
    counts = np.array([[math.inf if count is None else count for count in row] for row in rows])
    effort = np.sort(counts / sizes[:, None], axis=0)
    finite = effort[np.isfinite(effort)]
    first, last = 0.8 * finite.min(), 1.25 * finite.max()
    share = np.arange(len(problems) + 1) / len(problems)
    final = np.isfinite(effort).mean(axis=0)

    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    for k in np.argsort(-final, kind="stable"):
        solved = np.isfinite(effort[:, k])
        at = np.concatenate([[first], effort[solved, k], [last]])
        reached = share[: solved.sum() + 1]
        axis.step(
            at,
            np.append(reached, reached[-1]),
            where="post",
            label=f"{names[k]} ({solved.sum()})",
            color=f"C{k}",
            linestyle="-" if names[k] in OURS else "--",
            linewidth=2.5 if names[k] == OURS[0] else 1.3,
        )
    axis.set(xscale="log", xlim=(first, last), ylim=(0, 1.02))
    axis.set_xlabel("evaluations / (n + 1)")
    axis.set_ylabel(f"share solved to {GAP:g}")
    axis.set_title(f"{len(problems)} nonsmooth problems, at most {BUDGET} evaluations each")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8, loc="upper left")
    figure.savefig(file, dpi=100)
    plt.close(figure)


def main() -> None:
    """Print the table, and draw it if asked to."""
    parser = argparse.ArgumentParser(description="Nonsmooth functions, ours and SciPy's methods.")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="save a data profile here")
    parser.add_argument("--rescale", type=int, metavar="SEED", help="variables in random units")
    add_store(parser)
    arguments = parser.parse_args()
    plot, seed = arguments.plot, arguments.rescale
    names = [*OURS, *(f"scipy {name}" for name in SCIPYS)]
    problems = small() + scalable(10) + scalable(50) + scalable(200) + sharp(50) + sharp(200)
    if seed is not None:
        rng = np.random.default_rng(seed)
        problems = [rescaled(problem, rng) for problem in problems]
    print(row("", names))
    rows = []
    for problem in problems:
        rows.append(measure(problem))
        print(row(problem.name, rows[-1]), flush=True)
    solved = [sum(value is not None for value in column) for column in zip(*rows, strict=True)]
    means = [
        math.exp(sum(math.log(value or 2 * BUDGET) for value in column) / len(column))
        for column in zip(*rows, strict=True)
    ]
    print(row(f"solved of {len(rows)}", solved))
    print(row("geometric mean", means, ".0f"))
    print(f"(unsolved counted as {2 * BUDGET} in the mean)")
    if arguments.store is not None:
        store(
            arguments.store,
            [
                {
                    "problem": problem.name,
                    "n": problem.x0.size,
                    **dict(zip(names, counts, strict=True)),
                }
                for problem, counts in zip(problems, rows, strict=True)
            ],
        )
    if plot is not None:
        draw_profile(plot, names, problems, rows)
    for n, iterations in [(10, 300), (50, 300), (100, 600), (1000, 200)]:
        microseconds = 1e6 * seconds_per_iteration(n, iterations)
        print(f"n = {n}: {microseconds:.0f} microseconds of ours an iteration")


if __name__ == "__main__":
    main()
