"""What BLAS threads cost: runs with as many as there are cores, over runs with one.

    python tests/benchmarks/bench_threads.py [--busy N]

NumPy's linear algebra takes a thread for each core. Matrices here are mostly small, and where
other processes hold a core, all threads wait for the one that has none. Every row is the same
run, on a machine that is idle but for it, and beside N busy processes, as many as cores by
default. Seconds depend on the machine; ratios of 10 and more where it is busy do not.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from scipy.optimize import rosen, rosen_der

import smoothmin

SIZES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def deviations(n: int) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Least absolute deviations of ``n`` variables from twice as many values."""
    rng = np.random.default_rng(0)
    rows, wanted = rng.normal(size=(2 * n, n)), rng.normal(size=2 * n)

    def fun(x: np.ndarray) -> tuple[float, np.ndarray]:
        rest = rows @ x - wanted
        return float(np.abs(rest).sum()), rows.T @ np.sign(rest)

    return fun


def runs() -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    kinks = deviations(100)
    few = {"maxfev": 1000}
    return {
        "homotopy, values, n = 10": lambda: smoothmin.minimize(
            rosen, np.zeros(10), rng=0, options={"maxfev": 2000}
        ),
        "homotopy, values, n = 30": lambda: smoothmin.minimize(
            rosen, np.zeros(30), rng=0, options={"maxfev": 2000}
        ),
        "gradient-sampling, n = 100": lambda: smoothmin.minimize(
            kinks, np.zeros(100), jac=True, rng=0, options=few
        ),
        "bfgs, n = 200": lambda: smoothmin.minimize(
            rosen, np.zeros(200), jac=rosen_der, method="bfgs", options=few
        ),
    }


def time_runs() -> None:
    """Print the seconds of each run, after one to warm up."""
    smoothmin.minimize(rosen, np.zeros(2), rng=0)
    for run in runs().values():
        start = time.perf_counter()
        run()
        print(time.perf_counter() - start)


def seconds(threads: int | None) -> list[float]:
    """Of all runs, in a process of its own."""
    env = {name: value for name, value in os.environ.items() if name not in SIZES}
    if threads is not None:
        env |= dict.fromkeys(SIZES, str(threads))
    command = [sys.executable, "-W", "ignore", __file__, "--time"]
    out = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    return [float(line) for line in out.split()]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--busy", type=int, default=os.cpu_count())
    parser.add_argument("--time", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.time:
        return time_runs()
    print(f"{'seconds with one thread, and ratio':36}{'idle':>10}{'':8}{'busy':>10}")
    measured = []
    for count in (0, options.busy):
        load = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
        try:
            measured += [seconds(1), seconds(None)]
        finally:
            for process in load:
                process.kill()
                process.wait()
    for name, one, many, one_busy, many_busy in zip(runs(), *measured, strict=True):
        cells = f"{one:10.2f}{many / one:7.1f}x{one_busy:10.2f}{many_busy / one_busy:7.1f}x"
        print(f"{name:36}{cells}")
    return None


if __name__ == "__main__":
    main()
