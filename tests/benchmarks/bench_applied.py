"""Evaluations of the default on functions with kinks as applications pose them, and its own end.

    python tests/benchmarks/bench_applied.py [--seed 0] [--turned] [--method NAME] [--only tail]

For each problem the evaluations to 1e-4, 1e-6 and 1e-8 above the least value, in units of
max(1, |it|) or of the way there, if that is less; and when the method stopped, and how. Where no
linear program gives the least value it is the lowest seen in this run. `--turned` for the
problems rotated, in other units and shifted.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import warnings
from typing import Any

import numpy as np
from applied_problems import applied
from tables import row
from transformed_problems import transformed

import smoothmin

GAPS = (1e-4, 1e-6, 1e-8)
BUDGET = 3000


def main() -> None:
    """Print the table and its means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--turned", action="store_true")
    parser.add_argument("--method", default="gradient-sampling")
    parser.add_argument("--only", default="", help="problems whose names begin so")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    print(row("", [*(f"{gap:g}" for gap in GAPS), "end", "success"]))
    hits, beyond = [], []
    for published in applied(given.seed):
        if not published.name.startswith(given.only):
            continue
        problem = transformed(published, given.seed) if given.turned else published
        seen: list[float] = []

        def fun(x: Any, problem: Any = problem, seen: list[float] = seen) -> Any:
            value, gradient = problem.fun(x)
            seen.append(value)
            return value, gradient

        res = smoothmin.minimize(
            fun, problem.x0, jac=True, method=given.method, rng=0, options={"maxfev": BUDGET}
        )
        least = min(seen) if np.isnan(problem.minimum) else problem.minimum
        unit = min(max(1.0, abs(least)), seen[0] - least)
        lowest = (np.minimum.accumulate(seen) - least) / unit
        reached = [int(np.argmax(lowest <= g)) + 1 if lowest[-1] <= g else None for g in GAPS]
        print(row(problem.name, [*reached, res.nfev, res.success]), flush=True)
        hits.append(reached[1] or 2 * BUDGET)
        if reached[2]:
            beyond.append(res.nfev / reached[2])
    print(f"geometric mean at 1e-6: {np.exp(np.log(hits).mean()):.0f}")
    print(f"end by evaluations to 1e-8: median {np.median(beyond):.2f}, largest {max(beyond):.2f}")


if __name__ == "__main__":
    main()
