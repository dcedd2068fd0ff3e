"""Overhead of sampling over the user's own function, as ratios taken in one run.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_sampling.py

Four tables:

1. one `GradientSampling` evaluation of 100 points over 100 bare calls of the objective;
2. a whole step against torchzero's ``GradientSampling`` and ``LR`` (if installed);
3. aggregation of 100 gradients against NumPy, with the same care for samples that are not
   finite, and torch, which has none;
4. ``import smoothmin`` over ``import scipy.optimize``.

Every figure is the least of many repetitions, the two sides of a ratio taken in turn.
"""

import argparse
import subprocess
import sys
import time

import numpy as np
from tables import add_store, store

from smoothmin import GradientDescent, GradientSampling, minimize
from smoothmin._domain import Domain
from smoothmin._evaluate import Evaluator, Ledger
from smoothmin._limits import Limits
from smoothmin._source import Objective, Serial
from smoothmin.smoothing import aggregate as aggregation
from smoothmin.smoothing.aggregate import AGGREGATES
from smoothmin.smoothing.smoothed_function import SmoothedFunction

try:
    import torch
    import torchzero

    torch.set_num_threads(1)
except ImportError:
    torch = torchzero = None

DIMENSIONS = (10, 1000, 100_000)
OBJECTIVES = {
    "x @ x": lambda x: (x @ x, 2 * x),
    "sum |x|": lambda x: (np.abs(x).sum(), np.sign(x)),
    "sum x**2": lambda x: (np.sum(x**2), 2 * x),
    "Rosenbrock": lambda x: rosenbrock(x),
}


def rosenbrock(x):
    """The chained Rosenbrock function, as one writes it with NumPy."""
    rise = x[1:] - x[:-1] ** 2
    gradient = np.zeros_like(x)
    gradient[:-1] = -400 * rise * x[:-1] - 2 * (1 - x[:-1])
    gradient[1:] += 200 * rise
    return np.sum(100 * rise**2 + (1 - x[:-1]) ** 2), gradient


def least_times(functions, seconds):
    """Least seconds of this process a call of each function, called in turn for so long."""
    counts, best = [], []
    for function in functions:
        function()
        started = time.process_time()
        function()
        counts.append(max(1, int(2e-3 / (time.process_time() - started))))
        best.append(np.inf)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for k, function in enumerate(functions):
            started = time.process_time()
            for _ in range(counts[k]):
                function()
            best[k] = min(best[k], (time.process_time() - started) / counts[k])
    return best


def evaluation(fun, d):
    """A callable that makes one aggregated evaluation at a point of d variables."""
    x0 = np.ones(d)
    domain = Domain.build(x0, None)
    evaluator = Evaluator(Serial(Objective(fun, True, ()), domain), Ledger(domain, Limits(), None))
    sampler = SmoothedFunction().sampler(domain.problem(True), np.random.default_rng(0))

    def run():
        steps, reply = sampler.evaluate(x0, 1), None
        while True:
            try:
                ask = steps.send(reply)
            except StopIteration as end:
                return end.value
            reply = evaluator.answer(ask)

    return run


def overhead(seconds):
    """The table, printed; and its rows."""
    records = []
    print("one evaluation, n = 100, over 100 bare calls")
    print(f"{'objective':12s}" + "".join(f"{f'd={d}':>22s}" for d in DIMENSIONS))
    for name, fun in OBJECTIVES.items():
        cells = []
        records.append({"objective": name})
        for d in DIMENSIONS:
            x0 = np.ones(d)

            def bare(x0=x0, fun=fun):
                for _ in range(100):
                    fun(x0)

            alone, sampled = least_times([bare, evaluation(fun, d)], seconds)
            records[-1][d] = sampled / alone
            cells.append(f"{sampled / alone:8.2f} ({alone * 1e4:7.1f} us)")
        print(f"{name:12s}" + "".join(f"{cell:>22s}" for cell in cells))
    print("in brackets: one bare call\n")
    return records


def steps_against_torchzero(seconds):
    if torchzero is None:
        print("torchzero is not installed: no comparison of whole steps\n")
        return
    print("a whole step, GradientSampling with a fixed rate: torchzero's time over ours")
    for d in DIMENSIONS[:2]:
        ours, theirs = our_step_time(d), None

        parameter = torch.ones(d, dtype=torch.float64, requires_grad=True)
        optimizer = torchzero.Optimizer(
            [parameter], torchzero.m.GradientSampling([torchzero.m.LR(1e-3)], sigma=1.0, n=100)
        )

        def closure(backward=True, parameter=parameter, optimizer=optimizer):
            loss = (parameter**2).sum()
            if backward:
                optimizer.zero_grad()
                loss.backward()
            return loss

        (theirs,) = least_times([lambda o=optimizer, c=closure: o.step(c)], seconds)
        by_hand = torch.ones(d, dtype=torch.float64, requires_grad=True)
        own_gradient = torchzero.Optimizer(
            [by_hand], torchzero.m.GradientSampling([torchzero.m.LR(1e-3)], sigma=1.0, n=100)
        )

        def numpy_closure(backward=True, parameter=by_hand):
            value, gradient = OBJECTIVES["sum x**2"](parameter.detach().numpy())
            if backward:
                parameter.grad = torch.from_numpy(gradient)
            return torch.tensor(value)

        (same,) = least_times([lambda o=own_gradient, c=numpy_closure: o.step(c)], seconds)
        print(
            f"d={d:<8d} autograd {theirs / ours:7.1f}   the same NumPy objective "
            f"{same / ours:7.1f}   (ours {ours * 1e6:.0f} us)"
        )
    print()


def our_step_time(d, steps=400):
    """Least seconds a step of a run, from the moments at which a callback is told of it."""
    moments = []

    def note(intermediate_result):
        moments.append(time.perf_counter())

    method = GradientSampling(GradientDescent(lr=1e-3, gtol=0.0))
    for _ in range(3):
        minimize(
            OBJECTIVES["sum x**2"], np.ones(d), jac=True, method=method, rng=0, callback=note,
            options={"maxiter": steps},
        )  # fmt: skip
    return float(np.quantile(np.diff(moments), 0.1))


def in_numpy(name, values, gradients):
    """What a careful user of NumPy would write: samples that are not finite do not count."""
    good = np.isfinite(values) & np.isfinite(gradients).all(axis=1)
    if not good.all():
        values, gradients = values[good], gradients[good]
    if name == "mean":
        return values.mean(), gradients.mean(axis=0)
    if name in ("max", "min"):
        size = np.abs(gradients)
        rows = size.argmax(axis=0) if name == "max" else size.argmin(axis=0)
        picked = np.take_along_axis(gradients, rows[None], axis=0)[0]
        return values.max() if name == "max" else values.min(), picked
    if name == "min-norm":
        k = np.linalg.norm(gradients, axis=1).argmin()
        return values[k], gradients[k].copy()
    if name == "min-value":
        k = values.argmin()
        return values[k], gradients[k].copy()
    weights = np.exp(values.min() - values)
    return values.min() - np.log(weights.mean()), weights @ gradients / weights.sum()


def in_torch(name, values, gradients):
    """The same in torch, trusting every sample."""
    if name == "mean":
        return values.mean(), gradients.mean(0)
    if name in ("max", "min"):
        size = gradients.abs()
        rows = size.argmax(0) if name == "max" else size.argmin(0)
        picked = gradients.gather(0, rows[None])[0]
        return values.max() if name == "max" else values.min(), picked
    if name == "min-norm":
        k = torch.linalg.vector_norm(gradients, dim=1).argmin()
        return values[k], gradients[k].clone()
    if name == "min-value":
        k = values.argmin()
        return values[k], gradients[k].clone()
    weights = torch.exp(values.min() - values)
    return values.min() - weights.mean().log(), weights @ gradients / weights.sum()


def aggregates(seconds):
    print("aggregation of 100 gradients: time of NumPy | torch over ours")
    print(f"{'aggregate':12s}" + "".join(f"{f'd={d}':>22s}" for d in DIMENSIONS))
    aggregation._Selecting.seen = 10**12  # as after some work: the kernels are loaded
    rng = np.random.default_rng(0)
    for name, kind in AGGREGATES.items():
        cells = []
        for d in DIMENSIONS:
            values, gradients = rng.standard_normal(100), rng.standard_normal((100, d))

            def ours(values=values, gradients=gradients, d=d, kind=kind):
                total = kind(d, 1.0)
                total.add(values, gradients)
                return total.result()

            functions = [ours, lambda n=name, v=values, g=gradients: in_numpy(n, v, g)]
            if torch is not None:
                tensors = torch.from_numpy(values), torch.from_numpy(gradients)
                functions.append(lambda n=name, t=tensors: in_torch(n, *t))
            mine, *theirs = least_times(functions, seconds)
            cells.append(" | ".join(f"{t / mine:5.2f}" for t in theirs))
        print(f"{name:12s}" + "".join(f"{cell:>22s}" for cell in cells))
    print()


def imports(repetitions):
    program = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
    times = {"scipy.optimize": [], "smoothmin, scipy.optimize": [], "smoothmin": []}
    for _ in range(repetitions):
        for name, found in times.items():
            command = [sys.executable, "-c", program.format(name)]
            found.append(float(subprocess.run(command, capture_output=True, check=True).stdout))
    scipy, both, alone = (min(found) for found in times.values())
    print(f"import smoothmin over import scipy.optimize: {alone / scipy:.2f}; the two together")
    print(f"over the latter alone: {both / scipy:.2f}   ({scipy * 1e3:.0f} ms)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="for each pair of timings")
    add_store(parser)
    given = parser.parse_args()
    seconds = given.seconds
    records = overhead(seconds)
    if given.store is not None:
        store(given.store, records)
    steps_against_torchzero(seconds)
    aggregates(seconds)
    imports(10)


if __name__ == "__main__":
    main()
