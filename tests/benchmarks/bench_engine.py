"""What the engine adds to the user's own function, in ratios taken in one run.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_engine.py

For f = (x @ x, 2 x): a batch of 100 points over 100 bare calls, and the microseconds that an
`Ask` of one point takes beside the call. Every figure is the least of many repetitions, the
sides of a ratio taken in turn.
"""

import argparse
import time

import numpy as np

from smoothmin._domain import Domain
from smoothmin._evaluate import Evaluator, Ledger
from smoothmin._limits import Limits
from smoothmin._protocol import Ask
from smoothmin._source import Objective, Serial

BATCH = 100


def value(x):
    return x @ x


def gradient(x):
    return 2 * x


def both(x):
    return x @ x, 2 * x


def evaluator(objective, x):
    """An evaluator that has seen its first point, which is evaluated with more care."""
    domain = Domain.build(x, None)
    found = Evaluator(Serial(objective, domain), Ledger(domain, Limits(), None))
    found.answer(Ask(0 * x[None, :], 1))
    return found


def tasks(d):
    """What is timed, by name."""
    points = np.random.default_rng(0).standard_normal((BATCH, d))
    x = points[0].copy()
    lone = points[:1]
    paired = evaluator(Objective(both, True, ()), x).answer
    apart = evaluator(Objective(value, gradient, ()), x).answer

    def bare_pairs():
        for _ in range(BATCH):
            both(x)

    def bare_apart():
        for _ in range(BATCH):
            value(x)
            gradient(x)

    def lone_pairs():
        for _ in range(BATCH):
            paired(Ask(lone, 1))

    def lone_apart():
        for _ in range(BATCH):
            apart(Ask(lone, 1))

    return {
        "bare pairs": bare_pairs,
        "bare apart": bare_apart,
        "batch pairs": lambda: paired(Ask(points, 1)),
        "batch apart": lambda: apart(Ask(points, 1)),
        "lone pairs": lone_pairs,
        "lone apart": lone_apart,
    }


def least_times(functions, seconds):
    """Least seconds a call of each function, called in turn for so long."""
    least = dict.fromkeys(functions, np.inf)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, function in functions.items():
            begin = time.perf_counter()
            function()
            least[name] = min(least[name], time.perf_counter() - begin)
    return least


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8.0, help="for each dimension")
    seconds = parser.parse_args().seconds
    print("     d | batch / bare: jac=True, callable | one point, us: jac=True, callable")
    for d in (10, 100, 1000):
        least = least_times(tasks(d), seconds)
        ratios = [least[f"batch {kind}"] / least[f"bare {kind}"] for kind in ("pairs", "apart")]
        extra = [
            (least[f"lone {kind}"] - least[f"bare {kind}"]) / BATCH * 1e6
            for kind in ("pairs", "apart")
        ]
        print(f"{d:6d} | {ratios[0]:22.2f}, {ratios[1]:8.2f} | {extra[0]:22.1f}, {extra[1]:8.1f}")


if __name__ == "__main__":
    main()
