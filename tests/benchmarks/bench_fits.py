"""Share of fits without bounds that are found from a scientist's start, ours and SciPy's.

    python tests/benchmarks/bench_fits.py [--seeds 3] [--budget 200] [--detail]

The fits are those of `fits.py`, values only, each with other data for every seed; nobody is
told a scale. A fit is found when its misfit is within two per cent of the lowest that any
method reached, or that a polish of the true parameters did. The columns are shares found
within so many evaluations per (n + 1), then the mean of those used. "once" stops by itself,
as SciPy's methods do, with tolerances tight enough that they stop because they are stuck.
SciPy's COBYQA is left out: it takes minutes of its own on the net.
"""

from __future__ import annotations

import argparse
import contextlib
import warnings

import numpy as np
import scipy.optimize
from fits import FITS
from tables import add_store, store

import smoothmin

TOLERANCE = 0.02
COLUMNS = (25, 50, 100, 200)


class Enough(Exception):
    """The budget is spent."""


class Counted:
    """A fit's function: counts, and remembers when the lowest value fell."""

    def __init__(self, fun, budget):
        self._fun, self._budget = fun, budget
        self.count, self.falls = 0, [(0, np.inf)]

    def __call__(self, x):
        if self.count >= self._budget:
            raise Enough
        self.count += 1
        value = float(self._fun(np.asarray(x, dtype=float)))
        if value < self.falls[-1][1]:
            self.falls.append((self.count, value))
        return value

    def when(self, goal):
        """The count at which the goal was reached."""
        return next((count for count, value in self.falls if value <= goal), np.inf)


def finite(fun):
    """SciPy's methods do not expect NaN."""
    return lambda x: value if np.isfinite(value := fun(x)) else 1e30


def ours(**options):
    """The default method, with its defaults but for these options."""

    def run(fun, x0, seed, budget):
        smoothmin.minimize(fun, x0, rng=seed, options={"maxfev": budget + 1, **options})

    return run


def scipys(method, **options):
    """A method of SciPy's ``minimize``."""

    def run(fun, x0, seed, budget):
        options_now = {key: budget if value is None else value for key, value in options.items()}
        scipy.optimize.minimize(finite(fun), x0, method=method, options=options_now)

    return run


def basinhopping(fun, x0, seed, budget):
    """SciPy's, with its defaults, for as long as it may."""
    scipy.optimize.basinhopping(finite(fun), x0, niter=10**6, rng=seed)


METHODS = {
    "derivative-free, once": ours(),
    "derivative-free, budget": ours(restarts="budget"),
    "Nelder-Mead": scipys("Nelder-Mead", xatol=1e-10, fatol=1e-10, maxfev=None, maxiter=None),
    "Powell": scipys("Powell", xtol=1e-8, ftol=1e-10, maxfev=None),
    "BFGS": scipys("BFGS"),
    "L-BFGS-B": scipys("L-BFGS-B"),
    "basinhopping": basinhopping,
}


def polished(fit):
    """The lowest value next to the true parameters."""
    if not np.isfinite(fit.truth).all():
        return np.inf
    unit = 1e-3 * np.abs(fit.truth) + 1e-9
    z, fun = np.zeros(fit.truth.size), finite(lambda z: fit.fun(fit.truth + unit * z))
    for method in ("Nelder-Mead", "Powell") * 2:
        res = scipy.optimize.minimize(fun, z, method=method, options={"maxfev": 200 * z.size})
        z = res.x
    return float(res.fun)


def races(name, seed, budget):
    """What every method did on one fit, the misfit to reach, and n + 1."""
    key = [seed, *name.encode()]
    fit = FITS[name](np.random.default_rng(key))
    size, runs = fit.x0.size + 1, []
    for method in METHODS.values():
        runs.append(counted := Counted(fit.fun, budget * size))
        with contextlib.suppress(Enough):
            method(counted, fit.x0, seed, budget * size)
    lowest = min(polished(fit), *(run.falls[-1][1] for run in runs))
    start = fit.fun(fit.x0)
    return runs, lowest + TOLERANCE * min(start - lowest, abs(lowest)), size


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=int, default=200, help="evaluations per (n + 1)")
    parser.add_argument("--detail", action="store_true", help="when each fit was found")
    add_store(parser)
    args = parser.parse_args()
    records = []
    hits, used = [], []
    for name in FITS:
        for seed in range(args.seeds):
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                runs, goal, size = races(name, seed, args.budget)
            hits.append([run.when(goal) / size for run in runs])
            used.append([run.count / size for run in runs])
        if args.detail:
            when = np.median(hits[-args.seeds :], axis=0)
            print(f"{name:14s}", *(f"{w:8.0f}" for w in when), flush=True)
    print(f"{len(hits)} fits, found within", *(f"{c:6d}" for c in COLUMNS), "   used")
    for j, name in enumerate(METHODS):
        when = np.array(hits)[:, j]
        found = {c: np.mean(when <= c) for c in COLUMNS}
        records.append({"method": name, **found, "used": np.mean(used, axis=0)[j]})
        shares = " ".join(f"{share:6.2f}" for share in found.values())
        print(f"{name:20s}", shares, f"{records[-1]['used']:7.0f}")
    if args.store is not None:
        store(args.store, records)


if __name__ == "__main__":
    main()
