"""Fits from values alone: `least_squares` against DFO-LS, a model of the sum, and differences.

    python tests/benchmarks/bench_residuals.py [--noise 1e-3] [--starts 3]

The residuals of `smooth_problems.py`'s sums of squares and of `fits.py`'s kind, from the usual
start and moved ones; without or with multiplicative noise of each residual. Printed: the share
of runs that have come a share 1 - tau of the way to the lowest value any solver found, after
10, 25 and 50 simplex gradients, n + 1 evaluations each. DFO-LS (pip install DFO-LS) is left out
where it is not installed.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import warnings

import numpy as np
from tables import add_store, store

import smoothmin

TAUS = (1e-1, 1e-3, 1e-5, 1e-7)
SIMPLEX_GRADIENTS = (10, 25, 50)


class Spent(Exception):
    """The budget is used up."""


def problems():
    """Residuals by name, with the usual starts (More, Garbow, Hillstrom 1981, and decays)."""
    t = np.linspace(0.1, 1, 10)
    decay = np.exp(-t) - 5 * np.exp(-10 * t)
    days = np.linspace(0, 4, 25)
    peak = 3 * np.exp(-((days - 1.7) ** 2) / 0.3) + 0.5 * days
    dose = np.geomspace(0.1, 30, 15)
    found = {
        "rosenbrock": (lambda x: np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]]), [-1.2, 1]),
        "helix": (helix, [-1, 0, 0]),
        "powell": (powell, [3, -1, 0, 1]),
        "box": (
            lambda x: np.exp(-t * x[0]) - np.exp(-t * x[1]) - x[2] * (np.exp(-t) - np.exp(-10 * t)),
            [0, 10, 20],
        ),
        "two-decays": (
            lambda x: x[2] * np.exp(-t * x[0]) - x[3] * np.exp(-t * x[1]) - decay,
            [1, 2, 1, 1],
        ),
        "peak": (
            lambda x: x[0] * np.exp(-((days - x[1]) ** 2) / x[2]) + x[3] * days - peak,
            [1, 1, 1, 0],
        ),
        "michaelis": (
            lambda x: x[0] * dose / (x[1] + dose) - 4 * dose / (2 + dose) - 0.05 * np.sin(9 * dose),
            [1, 1],
        ),
        "broyden": (broyden, [-1] * 8),
        "brown": (lambda x: np.append(x[:-1] + x.sum() - 7, x.prod() - 1), [0.5] * 6),
        "trigonometric": (trigonometric, [1 / 7] * 7),
        "chebyquad": (chebyquad, np.arange(1, 7) / 7),
        "dimensioned": (dimensioned, 1 - np.arange(1, 9) / 8),
    }
    return {name: (fun, np.array(x0, dtype=float)) for name, (fun, x0) in found.items()}


def helix(x):
    """Fletcher and Powell's valley."""
    angle = np.arctan2(x[1], x[0]) / (2 * np.pi)
    return np.array([10 * (x[2] - 10 * angle), 10 * (np.hypot(x[0], x[1]) - 1), x[2]])


def powell(x):
    """Powell's singular function."""
    a, b = x[0] + 10 * x[1], np.sqrt(5) * (x[2] - x[3])
    return np.array([a, b, (x[1] - 2 * x[2]) ** 2, np.sqrt(10) * (x[0] - x[3]) ** 2])


def broyden(x):
    """Broyden's tridiagonal function."""
    padded = np.concatenate([[0], x, [0]])
    return (3 - 2 * x) * x - padded[:-2] - 2 * padded[2:] + 1


def trigonometric(x):
    """Spedicato's trigonometric function."""
    n = x.size
    k = np.arange(1, n + 1)
    return n - np.cos(x).sum() + k * (1 - np.cos(x)) - np.sin(x)


def chebyquad(x):
    """Fletcher's: moments of Chebyshev polynomials."""
    z, n = 2 * x - 1, x.size
    values = np.polynomial.chebyshev.chebvander(z, n)[:, 1:].mean(axis=0)
    k = np.arange(1, n + 1)
    exact = np.where(k % 2 == 0, -1 / np.maximum(k**2 - 1, 1), 0.0)
    return values - exact


def dimensioned(x):
    """More, Garbow and Hillstrom's variably dimensioned function."""
    total = (np.arange(1, x.size + 1) * (x - 1)).sum()
    return np.append(x - 1, [total, total**2])


def by_models(fun, x0, budget):
    """Ours."""
    smoothmin.least_squares(fun, x0, max_nfev=budget, xtol=1e-10)


def by_sum(fun, x0, budget):
    """A model of the sum of squares."""
    smoothmin.minimize(
        lambda x: float((fun(x) ** 2).sum()), x0, method="model-descent", rng=0,
        options={"maxfev": budget},
    )  # fmt: skip


def by_differences(fun, x0, budget):
    """SciPy's, by forward differences."""
    import scipy.optimize

    scipy.optimize.least_squares(fun, x0, xtol=1e-15, ftol=1e-15, gtol=1e-15)


def dfols(fun, x0, budget):
    """DFO-LS with its own settings."""
    import dfols as package

    package.solve(fun, x0, maxfun=budget, rhoend=1e-10, do_logging=False)


def values_of(solver, fun, x0, noise, seed):
    """The noise-free sums of squares that a run met, the lowest so far."""
    budget, met = max(SIMPLEX_GRADIENTS) * (x0.size + 1), []
    rng = np.random.default_rng(seed)

    def counted(x):
        if len(met) >= budget:
            raise Spent
        rows = fun(np.asarray(x, dtype=float))
        met.append(float(rows @ rows))
        return rows * (1 + noise * rng.uniform(-1, 1, rows.size))

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            solver(counted, x0.copy(), budget)
        except Spent:
            pass
        except (ValueError, FloatingPointError, np.linalg.LinAlgError) as error:
            print(f"    {solver.__name__}: {error!r:.100}")
    return np.minimum.accumulate(np.nan_to_num(met, nan=np.inf))


def records(runs, lowest, sizes):
    """Evaluations that each fit took to come within each share, empty where it did not."""
    for k, (low, n) in enumerate(zip(lowest, sizes, strict=True)):
        for tau in TAUS:
            record = {"fit": k, "n": n, "tau": tau}
            for name, every in runs.items():
                values = every[k]
                near = values <= low + tau * (values[0] - low)
                record[name] = int(near.argmax()) + 1 if near.any() else None
            yield record


def main():
    """Run all, print the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--starts", type=int, default=3)
    add_store(parser)
    given = parser.parse_args()
    solvers = [by_models, by_sum, by_differences]
    try:
        import dfols as _  # noqa: F401

        solvers.append(dfols)
    except ImportError:
        print("DFO-LS is not installed")
    runs = {solver.__name__: [] for solver in solvers}
    lowest, sizes = [], []
    for fun, usual in problems().values():
        for k in range(given.starts):
            move = np.random.default_rng(k).uniform(-1, 1, usual.size)
            x0 = usual + (0.2 * move * np.maximum(np.abs(usual), 0.5) if k else 0)
            every = [values_of(solver, fun, x0, given.noise, k) for solver in solvers]
            for solver, values in zip(solvers, every, strict=True):
                runs[solver.__name__].append(values)
            lowest.append(min(values[-1] for values in every))
            sizes.append(usual.size)
    if given.store is not None:
        store(given.store, records(runs, lowest, sizes))
    print(f"{'':>16}{'tau':>8}" + "".join(f"{b:>6}" for b in SIMPLEX_GRADIENTS))
    for name, every in runs.items():
        for tau in TAUS:
            shares = [
                np.mean([
                    values[0] - values[min(b * (n + 1), values.size) - 1]
                    >= (1 - tau) * (values[0] - low)
                    for values, low, n in zip(every, lowest, sizes, strict=True)
                ])
                for b in SIMPLEX_GRADIENTS
            ]  # fmt: skip
            print(f"{name:>16}{tau:>8.0e}" + "".join(f"{share:>6.2f}" for share in shares))


if __name__ == "__main__":
    main()
