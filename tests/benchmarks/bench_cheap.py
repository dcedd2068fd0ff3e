"""What easy problems cost until the run ends, ours and SciPy's local methods.

    python tests/benchmarks/bench_cheap.py [--seeds 3] [--detail] [--methods derivative-free ...]

Likelihoods of `likelihoods.py` and smooth functions of `smooth_problems.py`, values alone. For
every method of ours is printed the geometric mean of its evaluations in units of its peer's,
how often it ended higher by a millionth of the decrease, and how often its peer did.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
import scipy.optimize
from likelihoods import LIKELIHOODS
from smooth_problems import small

import smoothmin

HIGHER = 1e-6
PEERS = {
    None: "L-BFGS-B",
    "Nelder-Mead": "Nelder-Mead",
    "Powell": "Powell",
    "COBYLA": "COBYLA",
    "COBYQA": "COBYQA",
}


class Counted:
    """Counts, and keeps the lowest value."""

    def __init__(self, fun):
        self._fun, self.count, self.lowest = fun, 0, np.inf

    def __call__(self, x):
        self.count += 1
        value = float(self._fun(np.asarray(x, dtype=float)))
        self.lowest = min(self.lowest, value)
        return value


def problems(seeds):
    """Names, functions and starts."""
    for name, make in LIKELIHOODS.items():
        for seed in range(seeds):
            yield f"{name}/{seed}", *make(np.random.default_rng([seed, *name.encode()]))
    for problem in small():
        yield problem.name, lambda x, p=problem: p.fun(x)[0], problem.x0


def ended(run, fun, x0):
    """Evaluations and the lowest value."""
    counted = Counted(fun)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        run(counted, x0)
    return counted.count, counted.lowest


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--detail", action="store_true")
    parser.add_argument("--methods", nargs="*", default=["default", *list(PEERS)[1:]])
    args = parser.parse_args()
    for name in args.methods:
        method = None if name == "default" else name
        peer = PEERS[method]
        ratios, ours_higher, theirs_higher = [], 0, 0
        for label, fun, x0 in problems(args.seeds):
            first = fun(x0)
            count, low = ended(
                lambda f, x, m=method: smoothmin.minimize(f, x, method=m, rng=0), fun, x0
            )
            cost, other = ended(
                lambda f, x, m=peer: scipy.optimize.minimize(f, x, method=m), fun, x0
            )
            allowed = HIGHER * (first - min(low, other))
            ratios.append(count / cost)
            ours_higher += low > other + allowed
            theirs_higher += other > low + allowed
            if args.detail:
                mark = "higher" if low > other + allowed else ""
                print(f"{label:24s} {count:6d} {cost:6d} {low:14.8g} {other:14.8g} {mark}")
        mean = np.exp(np.mean(np.log(ratios)))
        print(f"{name:12s} {mean:5.2f} of {peer}'s, higher {ours_higher}, theirs {theirs_higher}")


if __name__ == "__main__":
    main()
