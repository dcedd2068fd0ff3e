"""Random smooth programs with curved constraints: "SLSQP" of ours beside SciPy's.

    python tests/benchmarks/bench_programs.py [--programs 500] [--first 0] [--differences]
                                              [--variables 20] [--method METHOD] [--list]

Objectives are quadratics, logistic losses, Rosenbrock's valley and quartics of 2 to 6 variables,
or of as many as asked for; constraints are planes, ellipsoids, hyperbolas, exponentials and
paraboloids around a point that meets them, 3 of 10 of them equalities; starts are near that point
or far. Printed are how many programs each has solved, the geometric mean and the largest of the
ratios of evaluations where both end equal, and ours that are worse: a success above a point that
SciPy's descent reaches from there, and a failure where SciPy's succeeds.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize as scipy_minimize
from scipy.optimize import rosen, rosen_der

import smoothmin

EQUAL = 1e-5  # of max(1, |f|)
MET = 1e-5  # violation


@dataclass(frozen=True)
class Program:
    """What to minimize, the constraints, the start, and whether there is a box of 20 around 0."""

    fun: Callable[[Any], float]
    jac: Callable[[Any], Any]
    constraints: list[dict[str, Any]]
    x0: Any
    boxed: bool

    def violation(self, x: Any) -> float:
        """The largest."""
        found = [(c["type"], float(c["fun"](x))) for c in self.constraints]
        return max(abs(c) if kind == "eq" else max(-c, 0.0) for kind, c in found)


def objective(n: int, rng: np.random.Generator) -> tuple[Callable[[Any], float], Any]:
    """One of four kinds, and its gradient."""
    q, b = rng.standard_normal((n, n)), rng.standard_normal(n)
    h = q @ q.T / n + np.diag(10 ** rng.uniform(-2, 1, n))
    w = np.arange(1, n + 1) / 100
    kinds = [
        (lambda x: 0.5 * x @ h @ x + b @ x, lambda x: h @ x + b),
        (
            lambda x: float(np.logaddexp(0, q @ x).sum() + 0.05 * x @ x + b @ x),
            lambda x: q.T @ (0.5 + 0.5 * np.tanh(0.5 * (q @ x))) + 0.1 * x + b,
        ),
        (lambda x: rosen(x) / 100, lambda x: rosen_der(x) / 100),
        (
            lambda x: float(w @ x**2 + 0.01 * (x**4).sum() + b @ x),
            lambda x: 2 * w * x + 0.04 * x**3 + b,
        ),
    ]
    return kinds[rng.integers(4)]


def row(n: int, rng: np.random.Generator) -> tuple[Callable[[Any], float], Any]:
    """A plane, an ellipsoid, a hyperbola, an exponential or a paraboloid, and its gradient."""
    a, p = rng.standard_normal(n), rng.standard_normal((n, n))
    h, (i, j), e = p @ p.T / n, rng.integers(0, n, 2), np.eye(n)

    def grown(x: Any) -> Any:
        return np.exp(np.clip(a @ x / 3, -50, 50))

    kinds = [
        (lambda x: a @ x, lambda x: a),
        (lambda x: a @ x - 0.5 * x @ h @ x, lambda x: a - h @ x),
        (lambda x: x[i] * x[j] + 0.1 * a @ x, lambda x: e[i] * x[j] + e[j] * x[i] + 0.1 * a),
        (lambda x: -grown(x), lambda x: -grown(x) * a / 3),
        (lambda x: 0.5 * x @ h @ x, lambda x: h @ x),
    ]
    return kinds[rng.integers(5)]


def program(seed: int, variables: int | None = None) -> Program:
    """One that a point meets."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7)) if variables is None else variables
    fun, jac = objective(n, rng)
    met = rng.standard_normal(n) * rng.choice([0.5, 1, 3])
    constraints = []
    for k in range(rng.integers(1, min(n, 8) + 1)):
        value, slope = row(n, rng)
        equal = k < n - 1 and rng.random() < 0.3
        level = value(met) - (0 if equal else rng.choice([0, 1]) * abs(rng.standard_normal()))
        constraints.append({
            "type": "eq" if equal else "ineq",
            "fun": lambda x, value=value, level=level: value(x) - level,
            "jac": slope,
        })  # fmt: skip
    x0 = met + rng.standard_normal(n) * rng.choice([0.3, 2, 10])
    boxed = bool(rng.random() < 0.5)
    return Program(fun, jac, constraints, np.clip(x0, -20, 20) if boxed else x0, boxed)


def solved(
    task: Program, solver: Any, x0: Any, exact: bool, method: Any = "SLSQP", **options: float
) -> Any:
    """The result, of "SLSQP" by default."""
    rows = [c if exact else {k: c[k] for k in ("type", "fun")} for c in task.constraints]
    return solver(
        task.fun, x0, jac=task.jac if exact else None, method=method, constraints=rows,
        bounds=[(-20, 20)] * len(x0) if task.boxed else None, options=options,
    )  # fmt: skip


def worse(task: Program, ours: Any, theirs: Any) -> str:
    """What is wrong with ours, if anything."""
    if not ours.success:
        return "failed" if theirs.success and task.violation(theirs.x) <= MET else ""
    lower = ours.fun - EQUAL * max(1.0, abs(ours.fun))
    again = solved(task, scipy_minimize, ours.x, True, maxiter=500, ftol=1e-9)
    near = task.violation(again.x) <= MET / 10 and again.success
    return "false success" if near and again.fun < lower else ""


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="seed")
    parser.add_argument("--differences", action="store_true", help="values alone")
    parser.add_argument("--variables", type=int, help="of every program")
    parser.add_argument("--method", default="SLSQP", help='ours; "none" for the default one')
    parser.add_argument("--list", action="store_true", help="every program that ours is worse at")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    ratios, faults, successes = [], [], np.zeros(2, dtype=int)
    for seed in range(given.first, given.first + given.programs):
        task, exact = program(seed, given.variables), not given.differences
        with np.errstate(all="ignore"):
            theirs = solved(task, scipy_minimize, task.x0, exact, maxiter=500, ftol=1e-9)
            method = None if given.method == "none" else given.method
            ours = solved(task, smoothmin.minimize, task.x0, exact, method, maxfev=20_000)
            fault = worse(task, ours, theirs)
        good = theirs.success and task.violation(theirs.x) <= MET
        successes += [ours.success, good]
        equal = abs(ours.fun - theirs.fun) <= EQUAL * max(1.0, abs(theirs.fun))
        if ours.success and good and equal:
            ratios.append(ours.nfev / theirs.nfev)
        if fault:
            faults.append(fault)
            if given.list:
                print(f"{seed}: {fault}: {ours.message}")
    print(f"solved of {given.programs}: ours {successes[0]}, SciPy's {successes[1]}")
    mean = np.exp(np.mean(np.log(ratios)))
    print(f"evaluations over SciPy's, {len(ratios)} pairs: mean {mean:.2f}, ", end="")
    print(f"largest {max(ratios):.1f}")
    for fault in ("false success", "failed"):
        print(f"{fault}: {faults.count(fault)}")


if __name__ == "__main__":
    main()
