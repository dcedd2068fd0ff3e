"""Kinks and many variables: the default against L-BFGS with a weak Wolfe search.

    python tests/benchmarks/bench_large_nonsmooth.py [--n 10000] [--budget 3000] [--seconds 15]

For each problem and method: (f - f*) / min(max(1, |f*|), f0 - f*) at the end, where f* is the
least value that is known or was found here; evaluations in all, and until a millionth; and the
microseconds that the method takes for an evaluation beside the function's. The peer is what one
would write down first: memory 20, the newest pair's scale, the bisection of A. S. Lewis and
M. L. Overton, Math. Program. 141 (2013), Algorithm 2.6.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import time
import warnings
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from nonsmooth_problems import NonsmoothProblem, chained_mifflin2, scalable
from oracle import Timed
from scipy.sparse import coo_array
from tables import row

import smoothmin

DENSE = ("maxq", "mxhilb")  # of the published ones, that take O(n^2) or more


class Spent(Exception):
    """No evaluation is left, or no time."""


def total_variation(n: int) -> NonsmoothProblem:
    """A signal of steps in noise."""
    noise = np.random.default_rng(0).standard_normal(n)
    y = np.sign(np.sin(np.arange(n) / 90)) + 0.2 * noise

    def fun(u: Any) -> Any:
        q = np.diff(u)
        s = np.sign(q)
        g = u - y
        g[1:] += s
        g[:-1] -= s
        return float(0.5 * (u - y) @ (u - y) + np.abs(q).sum()), g

    return NonsmoothProblem(f"tv-1d-{n}", fun, y, np.nan)


def image(n: int) -> NonsmoothProblem:
    """A picture of squares in noise."""
    m = int(n**0.5)
    rows, columns = np.mgrid[:m, :m]
    noise = np.random.default_rng(1).standard_normal((m, m))
    y = (np.sign(np.sin(rows / 9) * np.sin(columns / 7)) + 0.3 * noise).ravel()

    def fun(u: Any) -> Any:
        g, value = u - y, 0.5 * float((u - y) @ (u - y))
        picture, slopes = u.reshape(m, m), g.reshape(m, m)
        for part, slope in ((picture, slopes), (picture.T, slopes.T)):
            q = np.diff(part, axis=0)
            value += 0.3 * float(np.abs(q).sum())
            slope[1:] += 0.3 * np.sign(q)
            slope[:-1] -= 0.3 * np.sign(q)
        return value, g

    return NonsmoothProblem(f"tv-2d-{m * m}", fun, y, np.nan)


def lasso(n: int) -> NonsmoothProblem:
    """Least squares with a sum of absolute values, a tenth of the variables in use."""
    rng = np.random.default_rng(2)
    a = rng.standard_normal((n // 10, n)) / np.sqrt(n // 10)
    b = a[:, : n // 100] @ rng.standard_normal(n // 100)

    def fun(x: Any) -> Any:
        r = a @ x - b
        return float(0.5 * r @ r + 0.05 * np.abs(x).sum()), r @ a + 0.05 * np.sign(x)

    return NonsmoothProblem(f"lasso-{n}", fun, rng.standard_normal(n) / 10, np.nan)


def obstacle(n: int) -> NonsmoothProblem:
    """A string above an obstacle, by an exact penalty."""
    h = 1 / (n + 1)
    t = np.arange(1, n + 1) * h
    below = 0.3 * np.sin(3 * np.pi * t) - 0.1

    def fun(u: Any) -> Any:
        d = np.diff(np.concatenate([[0.0], u, [0.0]])) / h
        v = below - u
        return float(0.5 * h * d @ d + 40 * h * v[v > 0].sum()), -np.diff(d) - 40 * h * (v > 0)

    return NonsmoothProblem(f"obstacle-{n}", fun, np.zeros(n), np.nan)


def completion(n: int) -> NonsmoothProblem:
    """A matrix of rank 5, from a third of its elements, of which a tenth are wrong."""
    m, rng = n // 10, np.random.default_rng(3)
    factors = rng.standard_normal((2, m, 5))
    rows, columns = np.nonzero(rng.random((m, m)) < 0.3)
    wrong = 5 * (rng.random(len(rows)) < 0.1) * rng.standard_normal(len(rows))
    b = np.vecdot(factors[0, rows], factors[1, columns]) + wrong

    def fun(x: Any) -> Any:
        left, right = x.reshape(2, m, 5)
        r = np.vecdot(left[rows], right[columns]) - b
        signs = coo_array((np.sign(r) / len(b), (rows, columns)), shape=(m, m)).tocsr()
        return float(np.abs(r).mean()), np.concatenate([signs @ right, signs.T @ left]).ravel()

    x0 = (factors + 0.5 * rng.standard_normal(factors.shape)).ravel()
    return NonsmoothProblem(f"completion-{x0.size}", fun, x0, float(np.abs(wrong).mean()))


def mifflin2(n: int) -> NonsmoothProblem:
    """The published one whose minimum is not known for each n."""
    return NonsmoothProblem(f"chained-mifflin2-{n}", chained_mifflin2, np.full(n, -1.0), np.nan)


def problems(n: int) -> list[NonsmoothProblem]:
    """All of them."""
    published = [each for each in scalable(n) if not each.name.startswith(DENSE)]
    chained = [*published, mifflin2(n)]
    applied = [lasso(min(n, 5000)), obstacle(n), completion(min(n, 2000))]
    return [*chained, total_variation(n), image(n), *applied]


def ours(fun: Any, x0: Any) -> None:
    """The default method."""
    smoothmin.minimize(fun, x0, jac=True, rng=0)


def limited_memory(fun: Any, x0: Any) -> None:
    """Plain L-BFGS with the weak Wolfe conditions."""
    x, (f, g) = x0, fun(x0)
    pairs: deque[Any] = deque(maxlen=20)
    d, t = -g, 1 / np.linalg.norm(g)
    while True:
        slope, low, high = g @ d, 0.0, np.inf
        for _ in range(50):
            there = x + t * d
            value, gradient = fun(there)
            if value > f + 1e-4 * t * slope:
                high = t
            elif gradient @ d < 0.5 * slope:
                low = t
            else:
                break
            t = 2 * low if high == np.inf else 0.5 * (low + high)
        else:
            if not value < f and not pairs:
                return
            pairs.clear()
        s, y = there - x, gradient - g
        if value < f:
            x, f, g = there, value, gradient
            if s @ y > 0:
                pairs.append((s, y, 1 / (s @ y)))
        d, shares = -g, []
        for s, y, rho in reversed(pairs):
            shares.append(rho * (s @ d))
            d = d - shares[-1] * y
        if pairs:
            s, y, rho = pairs[-1]
            d = d / (rho * (y @ y))
        for (s, y, rho), share in zip(pairs, reversed(shares), strict=True):
            d = d + (share - rho * (y @ d)) * s
        t = 1.0 if pairs else 1 / np.linalg.norm(g)


def measure(
    problem: NonsmoothProblem, run: Callable[[Any, Any], None], budget: int, seconds: float
) -> tuple[list[float], float]:
    """The values, and the library's microseconds an evaluation."""
    values: list[float] = []
    timed = Timed(problem.fun)
    start = time.process_time()

    def watched(x: Any) -> Any:
        if len(values) >= budget or time.process_time() - start > seconds:
            raise Spent
        value, gradient = timed(np.array(x))
        values.append(value)
        return value, gradient

    try:
        with np.errstate(all="ignore"):
            run(watched, problem.x0)
    except Spent:
        pass
    spent = time.process_time() - start - timed.seconds
    return values, 1e6 * spent / len(values)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=10_000, help="variables")
    parser.add_argument("--budget", type=int, default=3000, help="evaluations")
    parser.add_argument("--seconds", type=float, default=15.0, help="of a run")
    parser.add_argument("--only", default="", help="problems whose names begin so")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    labels = ["gap", "evaluations", "to 1e-6", "us"]
    print(row("", [*labels, *labels]), flush=True)
    measure(total_variation(100), ours, 100, given.seconds)  # imports are no part of a run
    for problem in problems(given.n):
        if not problem.name.startswith(given.only):
            continue
        runs = [
            measure(problem, each, given.budget, given.seconds) for each in (ours, limited_memory)
        ]
        least = problem.minimum
        if np.isnan(least):
            least = min(min(values) for values, _ in runs)
        cells: list[Any] = []
        for values, cost in runs:
            unit = min(max(1.0, abs(least)), values[0] - least)
            gaps = np.fmin.accumulate((np.array(values) - least) / unit)
            hit = int(np.argmax(gaps <= 1e-6)) + 1 if gaps[-1] <= 1e-6 else None
            cells += [f"{gaps[-1]:.1e}", len(values), hit, f"{cost:.0f}"]
        print(row(problem.name, cells), flush=True)


if __name__ == "__main__":
    main()
