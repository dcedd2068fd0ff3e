"""Millions of evaluations by each method: memory must not grow with them.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_soak.py --evaluations 1e7
    OMP_NUM_THREADS=1 python tests/benchmarks/bench_soak.py --evaluations 1e7 --seconds 60

A method that goes on until a limit ends it makes one run; others run again and again, from
other starts, until there were as many evaluations. Printed are the evaluations and runs, and
how much the process's memory has grown since a fifth of them, in MB. Exits with an error where
that is more than ``--slack``. Ten million take minutes to hours a method, by what the method
itself takes; ``--methods`` chooses some, and ``--seconds`` ends each earlier. In a terminal the
line tells how far it is.
"""

import argparse
import gc
import os
import resource
import sys
import time
import warnings

import numpy as np

from smoothmin import Optimizer, minimize
from smoothmin._registry import METHODS, method_class, option_names

N = 6


def waves(x):
    """Value and gradient; many minima, and a kink in each variable."""
    value = float(x @ x - 3 * np.cos(3 * x).sum() + np.abs(x - 0.1).sum())
    return value, 2 * x + 9 * np.sin(3 * x) + np.sign(x - 0.1)


def value(x):
    return waves(x)[0]


def resident():
    """Memory of this process in MB."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:  # the largest so far, elsewhere
        unit = 1e6 if sys.platform == "darwin" else 1e3
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


class Counted:
    """A function that notes memory when a fifth is done, and tells how much is done."""

    def __init__(self, fun, most, seconds, tell):
        self.fun, self.most, self.calls = fun, most, 0
        self.begun, self.seconds = time.perf_counter(), seconds
        self.early, self.told, self.tell = None, 0.0, tell

    def done(self):
        """The larger share of evaluations and of seconds."""
        return max(self.calls / self.most, self.elapsed() / self.seconds)

    def elapsed(self):
        return time.perf_counter() - self.begun

    def __call__(self, x):
        self.calls += 1
        if self.calls % 64 == 0:
            if self.early is None and self.done() >= 0.2:
                self.early = resident()
            if self.elapsed() > self.told + 1:
                self.told = self.elapsed()
                self.tell(self)
        return self.fun(x)


def by_minimize(fun, x0, jac, method, options, seed):
    minimize(fun, x0, jac=jac, method=method, options=options, rng=seed)


def by_hand(fun, x0, jac, method, options, seed):
    """Asked and told."""
    optimizer = Optimizer(x0, method, jac, options=options, rng=seed)
    while not optimizer.stop():
        points = optimizer.ask()
        found = [fun(x) for x in points]
        if jac:
            optimizer.tell(points, [f for f, _ in found], [g for _, g in found])
        else:
            optimizer.tell(points, found)


def soak(method, gradient, most, seconds, run):
    """Evaluations, runs, and growth of memory in MB."""

    def tell(counted):
        if sys.stdout.isatty():
            print(f"\r{method:21s} | {gradient!s:5s}| {counted.calls:11d}", end="\r", flush=True)

    fun = Counted(waves if gradient else value, most, seconds, tell)
    goes_on = "restarts" in option_names(method_class(method).class_for(gradient))
    rng, runs = np.random.default_rng(0), 0
    while fun.done() < 1:
        options = {"maxfev": max(1, int(most - fun.calls)), "maxtime": seconds - fun.elapsed()}
        if goes_on and method != "gradient-sampling":
            options["restarts"] = "budget"
        run(fun, rng.uniform(-3, 3, N), True if gradient else None, method, options, runs)
        runs += 1
    gc.collect()
    return fun.calls, runs, resident() - (resident() if fun.early is None else fun.early)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=float, default=1e7, help="of each method")
    parser.add_argument("--seconds", type=float, default=np.inf, help="of each method, at most")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--slack", type=float, default=10.0, help="MB that are no growth")
    parser.add_argument("--optimizer", action="store_true", help="by ask and tell")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    grown = []
    run = by_hand if given.optimizer else by_minimize
    print("method                | jac  | evaluations,   runs |  MB more | seconds", flush=True)
    for method in given.methods:
        for gradient in (False, True):
            begin = time.perf_counter()
            ends = given.evaluations, given.seconds
            calls, runs, growth = soak(method, gradient, *ends, run)
            seconds = time.perf_counter() - begin
            cells = f"{calls:11d}, {runs:6d} | {growth:8.1f} | {seconds:7.0f}"
            print(f"{method:21s} | {gradient!s:5s}| {cells}", flush=True)
            if growth > given.slack:
                grown.append(method)
    if grown:
        sys.exit(f"memory grew: {', '.join(dict.fromkeys(grown))}")


if __name__ == "__main__":
    main()
