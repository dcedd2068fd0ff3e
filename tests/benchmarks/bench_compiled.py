"""What the engine adds to compiled and to vectorized objectives, in ratios taken in one run.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_compiled.py

1. A value and gradient of 100 samples, `smooth` of what numba has compiled, over the same loop
   compiled by itself; the objective in its forms.
2. A whole step of `GradientSampling` at a fixed rate, in microseconds and over that loop.
3. The compilation of a trampoline beside that of the objective, in seconds.
4. The same 100 samples of a vectorized function over one bare call of it with 100 columns, and
   over `smooth` of the function of one point.
5. The aggregates: 100 samples over the compiled loop, as in 1.
6. With torchzero installed: its step with 100 samples at d = 10 over ours.
7. A batch of 64 points of a compiled objective of 20 ms, from Python over two threads: needs two
   idle processors.

Every figure is the least of many repetitions, the sides of a ratio taken in turn.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from smoothmin import GradientDescent, GradientSampling, minimize, smooth
from smoothmin._domain import Domain
from smoothmin._limits import Limits
from smoothmin._source import Objective, Serial, threads_of

SAMPLES = 100


@numba.njit
def pair(x):
    total, g = 0.0, np.empty_like(x)
    for i in range(x.size):
        total += x[i] * x[i]
        g[i] = 2 * x[i]
    return total, g


@numba.njit
def value(x):
    total = 0.0
    for i in range(x.size):
        total += x[i] * x[i]
    return total


@numba.njit
def gradient(x):
    return 2 * x


@numba.njit
def into_out(x, out):
    total = 0.0
    for i in range(x.size):
        total += x[i] * x[i]
        out[i] = 2 * x[i]
    return total


@numba.njit
def rosen(x):
    total, g = 0.0, np.zeros_like(x)
    for i in range(x.size - 1):
        d = x[i + 1] - x[i] * x[i]
        total += 100 * d * d + (1 - x[i]) ** 2
        g[i] += -400 * x[i] * d - 2 * (1 - x[i])
        g[i + 1] += 200 * d
    return total, g


def bare_loop(evaluate):
    """Values and gradients added up in a compiled loop."""

    @numba.njit
    def loop(points, total):
        values = 0.0
        total[:] = 0
        for k in range(points.shape[0]):
            found, g = evaluate(points[k])
            values += found
            for i in range(g.size):
                total[i] += g[i]
        return values

    return loop


@numba.njit
def apart(x):
    return value(x), gradient(x)


@numba.njit
def from_out(x):
    out = np.empty_like(x)
    return into_out(x, out), out


FORMS = {
    "value and gradient": (pair, True, pair),
    "two functions": (value, gradient, apart),
    "into out": (into_out, True, from_out),
    "rosen": (rosen, True, rosen),
}
COLUMNS: dict[str, Callable[[Any], Any]] = {
    "squares": lambda x: ((x * x).sum(0), 2 * x),
    "cosines": lambda x: (np.cos(x).sum(0), -np.sin(x)),
}


def least_times(functions: list[Callable[[], Any]], seconds: float) -> list[float]:
    """Least seconds a call of each function, called in turn for so long."""
    least = [np.inf] * len(functions)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for k, function in enumerate(functions):
            begin = time.perf_counter()
            function()
            least[k] = min(least[k], time.perf_counter() - begin)
    return least


def anew(function: Callable[[Any], Any], d: int) -> Callable[[], Any]:
    """A call of the function at a point where it has not been."""
    x, calls = np.ones(d), [0.0]

    def call() -> Any:
        calls[0] += 1e-9
        return function(x + calls[0])

    return call


def compiled(seconds: float) -> None:
    print("100 samples over the compiled loop, and a whole step: over it, us")
    for name, (fun, jac, both) in FORMS.items():
        for d in (10, 100, 1000):
            smoothed, _ = smooth(fun, jac, sigma=0.1, n=SAMPLES, rng=0)
            ours = anew(smoothed, d)
            end = time.perf_counter() + 2  # until it is compiled
            while time.perf_counter() < end:
                ours()
            loop, points, total = bare_loop(both), np.ones((SAMPLES, d)), np.empty(d)
            bare = lambda loop=loop, points=points, total=total: loop(points, total)  # noqa: E731
            one, other = least_times([ours, bare], seconds)
            step = step_time(fun, jac, d)
            print(
                f"  {name:20s} d = {d:5d} {one / other:6.2f}   {step / other:6.2f} "
                f"{step * 1e6:6.0f} us"
            )


def aggregates(seconds: float) -> None:
    print("100 samples over the compiled loop, by aggregate")
    for d in (10, 1000):
        points, total, loop = np.ones((SAMPLES, d)), np.empty(d), bare_loop(pair)
        for name in ("mean", "max", "min", "min-norm", "min-value"):
            smoothed, _ = smooth(pair, True, sigma=0.1, n=SAMPLES, rng=0, aggregate=name)
            ours = anew(smoothed, d)
            end = time.perf_counter() + 2  # until it is compiled
            while time.perf_counter() < end:
                ours()
            bare = lambda points=points, total=total, loop=loop: loop(points, total)  # noqa: E731
            one, other = least_times([ours, bare], seconds)
            print(f"  {name:20s} d = {d:5d} {one / other:6.2f}")


def torchzero(d: int) -> None:
    try:
        import torch
        import torchzero as tz
    except ImportError:
        print("torchzero is not installed")
        return
    torch.set_num_threads(1)
    x = torch.ones(d, dtype=torch.float64, requires_grad=True)
    inner = [tz.m.LR(1e-3)]
    optimizer = tz.Optimizer([x], tz.m.GradientSampling(inner, sigma=0.1, n=SAMPLES))

    def closure(backward: bool = True) -> Any:
        loss = (x * x).sum()
        if backward:
            optimizer.zero_grad()
            loss.backward()
        return loss

    least = np.inf
    for _ in range(40):
        begin = time.process_time()
        optimizer.step(closure)
        least = min(least, time.process_time() - begin)
    ours = step_time(pair, True, d)
    print(f"a step of torchzero over ours, d = {d}: {least / ours:.0f} ({least * 1e6:.0f} us)")


def step_time(fun: Any, jac: Any, d: int) -> float:
    """Processor's seconds of a step, from runs of different lengths."""
    method = GradientSampling(GradientDescent(lr=1e-3, gtol=0), sigma=0.1, n=SAMPLES)

    def run(steps: int) -> None:
        minimize(fun, np.ones(d), jac=jac, method=method, rng=0, options={"maxiter": steps})

    least = {100: np.inf, 400: np.inf}
    for _ in range(12):
        for steps in least:
            begin = time.process_time()
            run(steps)
            least[steps] = min(least[steps], time.process_time() - begin)
    return (least[400] - least[100]) / 300


def compilation() -> None:
    from smoothmin.compiled.trampoline import Form, Trampoline, layout

    kind, _ = layout((3,), (), False)
    print("seconds to compile: the objective, its trampoline")
    for _ in range(3):
        fresh = numba.njit(pair.py_func)
        begin = time.perf_counter()
        fresh(np.ones(3))
        middle = time.perf_counter()
        Trampoline(Form(fresh, None, True, False, kind))
        print(f"  {middle - begin:.2f}, {time.perf_counter() - middle:.2f}")


def vectorized(seconds: float) -> None:
    print("vectorized: over a bare call, over one point at a time")
    for name, fun in COLUMNS.items():
        for d in (10, 1000, 10_000):
            columns = np.random.default_rng(0).standard_normal((d, SAMPLES))
            ours, single = (
                anew(smooth(fun, True, sigma=0.1, n=SAMPLES, rng=0, vectorized=v)[0], d)
                for v in (True, False)
            )
            bare = lambda fun=fun, columns=columns: fun(columns)  # noqa: E731
            one, other, third = least_times([ours, bare, single], seconds)
            print(f"  {name:10s} d = {d:6d} {one / other:6.2f} {one / third:6.2f}")


def threads() -> None:
    @numba.njit
    def slow(x):
        total = 0.0
        for i in range(1_100_000):
            total += np.sin(x[0] + i * 1e-3)
        return total, 2 * x

    points = np.random.default_rng(0).standard_normal((64, 3))
    domain, objective = Domain.build(np.ones(3), None), Objective(slow, True, ())
    serial = Serial(objective, domain)
    two = threads_of(objective, domain, 2, lambda: serial)
    sources = [lambda source=source: source(points, 1, Limits()) for source in (serial, two)]
    one, other = least_times(sources, 12.0)
    two.close()
    print(f"64 points of {one / 64 * 1e3:.0f} ms: from Python over two threads {one / other:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="for each figure")
    seconds = parser.parse_args().seconds
    compiled(seconds)
    aggregates(seconds)
    torchzero(10)
    compilation()
    vectorized(seconds)
    threads()


if __name__ == "__main__":
    main()
