"""How many points each method asks for at a time: what workers can share.

Evaluations per batch in the mean, and how many of them were made in batches of which size, for
the Rosenbrock function and a sum of kinks. One batch takes the time of one evaluation if there
are workers enough, so the mean is the most that workers can gain.

    python tests/benchmarks/bench_batches.py --n 10
"""

import argparse
import warnings
from collections import Counter

import numpy as np
from scipy.optimize import rosen, rosen_der

from smoothmin import minimize
from smoothmin._registry import METHODS

BUDGET = 3000


def kinks(x):
    return float(np.abs(x - 0.3).sum() + 0.5 * np.abs(np.diff(x)).sum())


def kinks_der(x):
    g, d = np.sign(x - 0.3), 0.5 * np.sign(np.diff(x))
    g[1:] += d
    g[:-1] -= d
    return g


FUNCTIONS = {"rosen": (rosen, rosen_der), "kinks": (kinks, kinks_der)}


def batches(fun, jac, n, method):
    """Sizes of the batches of a run."""
    sizes = Counter()

    def look(function, points):
        sizes[len(points)] += 1
        return map(function, points)

    x0, options = np.linspace(-1.5, 1.5, n), {"maxfev": BUDGET}
    minimize(fun, x0, jac=jac, method=method, workers=look, rng=0, options=options)
    return sizes


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=10)
    n = parser.parse_args().n
    warnings.simplefilter("ignore")
    print(f"{'method':24s}{'gradient':10s}{'function':10s}{'per batch':>10s}  evaluations x size")
    for method in METHODS:
        for gradient in ("yes", "no"):
            for name, (fun, jac) in FUNCTIONS.items():
                sizes = batches(fun, jac if gradient == "yes" else None, n, method)
                total = sum(size * count for size, count in sizes.items())
                most = sorted(((size * count, size) for size, count in sizes.items()), reverse=True)
                shown = ", ".join(f"{count} x {size}" for count, size in most[:4])
                mean = total / sum(sizes.values())
                print(f"{method:24s}{gradient:10s}{name:10s}{mean:10.1f}  {shown}")


if __name__ == "__main__":
    main()
