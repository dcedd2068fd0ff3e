"""How fast `LaplacianOperator.solve` is, and what the method takes.

    python tests/benchmarks/bench_laplacian.py            # speed, ratios in one run
    python tests/benchmarks/bench_laplacian.py --counts   # evaluations on grids of all sizes
    python tests/benchmarks/bench_laplacian.py --steps    # library time of one iteration

Speed is told in ratios: against a plain complex FFT with its denominator prepared
(torch's where it is installed, else NumPy's), and against a copy, below which nothing
can go. The three take turns, and the best turn of each counts, so that a busy machine
spoils all alike.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

import smoothmin

try:
    import torch

    torch.set_num_threads(1)
except ImportError:
    torch = None

Array = NDArray[Any]
GRIDS = "1000,10000,99991,100000,1000000,10000000,1024x1024,128x128x128"


def complex_fft(shape: tuple[int, ...], sigma: float, dtype: Any) -> Callable[[Array], Any]:
    """What a plain implementation does: a complex transform there and back."""
    symbol = np.ones(shape)
    for axis, n in enumerate(shape):
        wave = 2 - 2 * np.cos(2 * np.pi * np.arange(n) / n)
        symbol += sigma * wave.reshape([-1 if k == axis else 1 for k in range(len(shape))])
    symbol = symbol.astype(dtype)
    if torch is None:
        return lambda g: np.fft.ifftn(np.fft.fftn(g) / symbol).real
    divisor = torch.from_numpy(symbol)
    return lambda g: torch.fft.ifftn(torch.fft.fftn(torch.from_numpy(g)) / divisor).real


def best_of_turns(actions: list[Callable[[], Any]], budget: float) -> list[float]:
    """The least seconds of each action, all taking turns for ``budget`` seconds each."""
    repeats = []
    for action in actions:
        action()
        start = time.perf_counter()
        action()
        repeats.append(max(1, int(5e-4 / max(time.perf_counter() - start, 1e-9))))
    best = [np.inf] * len(actions)
    begun, turns = time.perf_counter(), 0
    while turns < 3 or time.perf_counter() - begun < budget * len(actions):
        for k, action in enumerate(actions):
            start = time.perf_counter()
            for _ in range(repeats[k]):
                action()
            best[k] = min(best[k], (time.perf_counter() - start) / repeats[k])
        turns += 1
    return best


def speed(options: argparse.Namespace) -> None:
    """Print a table of ratios."""
    print("complex FFT of", "NumPy" if torch is None else "torch", "- times in ns per element")
    print(f"{'grid':>12} {'dtype':8} {'sigma':>7} {'boundary':10} {'copy':>6} {'solve':>6}", end="")
    print(f" {'fft':>7} {'fft/solve':>9} {'solve/copy':>10}  error")
    for dtype in options.dtypes.split(","):
        for text in options.grids.split(","):
            shape = tuple(int(n) for n in text.split("x"))
            g = np.random.default_rng(0).normal(size=shape).astype(dtype)
            out = np.empty_like(g)
            for sigma in (float(s) for s in options.sigmas.split(",")):
                plain = complex_fft(shape, sigma, dtype)
                for boundary in options.boundaries.split(","):
                    operator = smoothmin.LaplacianOperator(shape, sigma, boundary, dtype=dtype)
                    exact = smoothmin.LaplacianOperator(shape, sigma, boundary, compiled=False)
                    reference = exact.solve(g.astype(float))
                    error = np.abs(operator.solve(g) - reference).max() / np.abs(reference).max()
                    actions = [
                        lambda g=g, out=out: np.copyto(out, g),
                        lambda g=g, out=out, operator=operator: operator.solve(g, out=out),
                        lambda g=g, plain=plain: plain(g),
                    ]
                    copy, solve, fft = (
                        seconds / g.size * 1e9 for seconds in best_of_turns(actions, options.budget)
                    )
                    print(
                        f"{text:>12} {dtype:8} {sigma:7g} {boundary:10} {copy:6.2f} {solve:6.2f}"
                        f" {fft:7.1f} {fft / solve:9.1f} {solve / copy:10.1f}  {error:.0e}",
                        flush=True,
                    )


def soap_film(n: int, dimensions: int) -> tuple[Callable[[Array], tuple[float, Array]], Array]:
    """A soap film over a frame held at zero, pulled by a load; its value and gradient."""
    h = 1 / (n + 1)

    def fun(u: Array) -> tuple[float, Array]:
        padded = np.pad(u, 1)
        square = np.ones([m + 1 for m in u.shape])
        slopes = []
        for axis in range(dimensions):
            slope = np.diff(padded, axis=axis) / h
            # one slope per cell: those of the cell's first corner
            cell = tuple(slice(None) if k == axis else slice(0, -1) for k in range(dimensions))
            slopes.append(slope[cell])
            square = square + slopes[-1] ** 2
        area = np.sqrt(square)
        f = float(area.sum() - 0.9 * u.sum())
        g = np.full([m + 2 for m in u.shape], -0.9)
        for axis, slope in enumerate(slopes):
            flow = slope / area / h
            lower = tuple(slice(0, -1) for _ in range(dimensions))
            upper = tuple(slice(1, None) if k == axis else slice(0, -1) for k in range(dimensions))
            g[lower] -= flow
            g[upper] += flow
        inside = tuple(slice(1, -1) for _ in range(dimensions))
        return f * h**dimensions, g[inside] * h**dimensions

    return fun, np.zeros((n,) * dimensions)


def denoising(n: int, dimensions: int) -> tuple[Callable[[Array], tuple[float, Array]], Array]:
    """A noisy disc to be restored by its smoothed total variation; value and gradient."""
    points = np.meshgrid(*[(np.arange(n) + 0.5) / n] * dimensions, indexing="ij")
    disc = (sum((x - 0.45) ** 2 for x in points) < 0.09).astype(float)
    data = disc + 0.1 * np.random.default_rng(0).normal(size=disc.shape)

    def fun(u: Array) -> tuple[float, Array]:
        slopes = [np.diff(u, axis=k, append=u.take([-1], k)) * n for k in range(dimensions)]
        variation = np.sqrt(BETA**2 + sum(s * s for s in slopes))
        g = u - data
        f = float(g.ravel() @ g.ravel()) / 2 + 0.1 * float(variation.sum())
        for k, slope in enumerate(slopes):
            flow = np.moveaxis(0.1 * n * slope / variation, k, 0)
            along = np.moveaxis(g, k, 0)
            along -= flow
            along[1:] += flow[:-1]
        return f / u.size, g / u.size

    return fun, np.full(disc.shape, data.mean())


BETA = 0.1


def counts() -> None:
    """Print evaluations to default tolerances, beside those of plain L-BFGS."""
    problems = {
        "soap film": (soap_film, lambda square: 1 / np.sqrt(1 + square)),
        "denoising": (denoising, lambda square: 1 / np.sqrt(BETA**2 + square)),
    }
    for name, (problem, diffusivity) in problems.items():
        for dimensions, sides in ((1, (100, 1000, 10_000, 100_000)), (2, (31, 63, 127))):
            for n in sides:
                fun, x0 = problem(n, dimensions)
                lagged = {"diffusivity": diffusivity, "spacing": 1 / n}
                line = []
                for label, method, more in (
                    ("laplacian", "laplacian", {}),
                    ("with diffusivity", "laplacian", lagged),
                    ("lbfgs", "lbfgs", {}),
                ):
                    start = time.perf_counter()
                    options = {"maxfev": 1000, **more}
                    res = smoothmin.minimize(
                        fun, x0, jac=True, method=method, options=options, rng=0
                    )
                    seconds = time.perf_counter() - start
                    line.append(f"{label} {res.nfev:4d}, f={res.fun:.9f}, {seconds:.2f} s")
                print(f"{name}, {dimensions}-D, side {n:6d}: " + "; ".join(line), flush=True)


STEPS = {
    "laplacian, fixed": {"step": "fixed", "sigma": 1.0, "lr": 1e-5, "gtol": 0.0},
    "laplacian": {"sigma": 1.0, "gtol": 0.0, "ftol": 0.0},
    "lbfgs": {"gtol": 0.0},
    "SciPy's L-BFGS-B": {"gtol": 0.0, "ftol": 0.0},
    "SciPy's CG": {"gtol": 0.0},
}


def own_seconds(name: str, n: int, iterations: int, turns: int) -> tuple[float, float]:
    """Seconds of an iteration outside the function, and evaluations it takes.

    The same run is taken in turns, and the least of each pause between evaluations counts.
    """
    # few variables: so flat at the minimum that no run is ever done; many: badly scaled
    rates, power = (np.linspace(0.5, 1.0, n), 4) if n < 1000 else (np.logspace(0, 4, n), 2)
    clock = time.perf_counter
    stamps: list[float] = []

    def fun(x: Array) -> tuple[float, Array]:
        stamps.append(clock())
        slopes = rates * x
        for _ in range(power - 2):
            slopes *= x
        value, gradient = float(slopes @ x), power * slopes
        stamps.append(clock())
        return value, gradient

    options = {**STEPS[name], "maxiter": iterations}
    least: Any = np.inf
    for _ in range(turns):
        stamps.clear()
        if "SciPy" in name:
            method = name.removeprefix("SciPy's ")
            scipy.optimize.minimize(fun, np.ones(n), jac=True, method=method, options=options)
        else:
            method = name.partition(",")[0]
            smoothmin.minimize(fun, np.ones(n), jac=True, method=method, options=options)
        least = np.minimum(least, np.diff(stamps)[1::2])
    evaluations = (least.size + 1) / iterations
    # the later half: memories are full
    return float(least[least.size // 2 :].mean()) * evaluations, evaluations


def steps() -> None:
    """Print what the library adds to an iteration, few variables and many."""
    for n, iterations, turns in ((10, 80, 60), (1_000_000, 44, 2)):
        for name in STEPS:
            seconds, evaluations = own_seconds(name, n, iterations, turns)
            print(
                f"n={n:8d} {name:17s}: {seconds * 1e6:9.1f} us an iteration beside the function"
                f" ({evaluations:.2f} evaluations)",
                flush=True,
            )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--counts", action="store_true", help="evaluations instead of speed")
    parser.add_argument("--steps", action="store_true", help="time of an iteration instead")
    parser.add_argument("--grids", default=GRIDS)
    parser.add_argument("--sigmas", default="1")
    parser.add_argument("--dtypes", default="float64,float32")
    parser.add_argument("--boundaries", default="periodic,neumann,dirichlet")
    parser.add_argument("--budget", type=float, default=0.2, help="seconds for each timing")
    options = parser.parse_args()
    if options.counts:
        counts()
    elif options.steps:
        steps()
    else:
        speed(options)


if __name__ == "__main__":
    main()
