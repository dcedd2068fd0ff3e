"""Several optimizers from one start with the same number of evaluations."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult
from scipy.optimize import minimize as scipy_minimize

import smoothmin
from smoothmin._protocol import Array


class BudgetSpent(Exception):
    """The evaluations a racer was given are used up."""


@dataclass
class Racer:
    """What one optimizer reached, and how fast."""

    name: str
    fun: float = np.inf
    x: Array | None = None
    nfev: int = 0
    seconds: float = 0.0
    inside: float = 0.0  # seconds in the function
    trace: list[float] = field(default_factory=list)
    result: OptimizeResult | None = None  # the message of the optimizer, if it ended by itself


class Raced:
    """Counts evaluations, keeps the best, and ends a run that spent its budget."""

    def __init__(self, fun: Callable[[Array], Any], jac: bool, budget: int, racer: Racer) -> None:
        self._fun, self._jac, self._budget, self._racer = fun, jac, budget, racer

    def __call__(self, x: Array) -> Any:
        """Value, and gradient if there is one, at ``x``."""
        racer = self._racer
        if racer.nfev >= self._budget:
            raise BudgetSpent
        started = time.perf_counter()
        out = self._fun(x)
        racer.inside += time.perf_counter() - started
        value = float(out[0] if self._jac else out)
        racer.nfev += 1
        if value < racer.fun:
            racer.fun, racer.x = value, np.array(x)
        racer.trace.append(racer.fun)
        return out


def race(
    fun: Callable[[Array], Any],
    x0: Array,
    *,
    jac: bool,
    budget: int,
    ours: dict[str, Any],
    theirs: list[str],
    name: str,
    seeds: int = 1,
) -> list[Racer]:
    """Minimize with smoothmin, then with SciPy's methods, at most ``budget`` evaluations each.

    ``fun`` takes and, with ``jac``, returns arrays of ``x0``'s shape; for SciPy, which knows
    vectors only, they are flattened. SciPy's tolerances are tightened, so that a method that
    stops early does so because it is stuck. Of so many ``seeds`` the run with the median value
    stands for smoothmin.
    """
    runs = []
    given = {**ours, "options": {"maxfev": budget} | ours.get("options", {})}
    for seed in range(seeds):
        racer = Racer(f"smoothmin {name}")
        counted = Raced(fun, jac, budget, racer)
        started = time.perf_counter()
        racer.result = smoothmin.minimize(counted, x0, jac=jac or None, rng=seed, **given)
        racer.seconds = time.perf_counter() - started
        runs.append(racer)
    racers = [sorted(runs, key=lambda racer: racer.fun)[seeds // 2]]
    for method in theirs:
        racer = Racer(f"SciPy {method}")
        counted = Raced(_flat(fun, x0.shape, jac), jac, budget, racer)
        started = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                racer.result = _scipy(counted, x0.ravel(), method, jac)
        except BudgetSpent:
            pass
        racer.seconds = time.perf_counter() - started
        racers.append(racer)
    return racers


def _flat(fun: Callable[[Array], Any], shape: tuple[int, ...], jac: bool) -> Callable[[Array], Any]:
    """The function of flattened arrays."""

    def flat(x: Array) -> Any:
        out = fun(x.reshape(shape))
        return (out[0], out[1].ravel()) if jac else out

    return flat


TIGHT: dict[str, dict[str, Any]] = {
    "BFGS": {"gtol": 1e-12},
    "L-BFGS-B": {"ftol": 0.0, "gtol": 1e-12, "maxfun": 10**6},
    "CG": {"gtol": 1e-12},
    "Nelder-Mead": {"xatol": 1e-10, "fatol": 1e-12, "maxfev": 10**6, "adaptive": True},
    "Powell": {"xtol": 1e-10, "ftol": 1e-14},
    "SLSQP": {"ftol": 1e-14},
}


def _scipy(fun: Callable[[Array], Any], x0: Array, method: str, jac: bool) -> OptimizeResult:
    takes_gradient = method not in ("Nelder-Mead", "Powell")
    options = {"maxiter": 10**6, **TIGHT[method]}
    if jac and not takes_gradient:
        return scipy_minimize(lambda x: fun(x)[0], x0, method=method, options=options)
    return scipy_minimize(fun, x0, jac=jac or None, method=method, options=options)


def table(title: str, racers: list[Racer], reference: float | None = None) -> str:
    """The racers' outcomes as text, with the gap to a known minimum if there is one."""
    lines = [title, "-" * len(title)]
    gap = "" if reference is None else f"{'above the exact minimum':>26s}"
    lines.append(f"{'':30s}{'value':>16s}{gap}{'evaluations':>14s}{'seconds':>10s}")
    for racer in racers:
        gap = "" if reference is None else f"{racer.fun - reference:26.2e}"
        lines.append(f"{racer.name:30s}{racer.fun:16.9g}{gap}{racer.nfev:14d}{racer.seconds:10.2f}")
    return "\n".join(lines)
