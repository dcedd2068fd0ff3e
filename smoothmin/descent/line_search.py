"""Weak Wolfe line search by bracketing, which survives kinks.

Reference: A. S. Lewis, M. L. Overton, "Nonsmooth optimization via quasi-Newton
methods", Math. Program. 141 (2013), Algorithm 2.6.

Deviations, and why: an extension of the step is sized by the secant of the
directional derivative (between doubling and tenfold), and the first reductions
by interpolation, kept within [0.1, 0.5] of the bracket: smooth functions need
fewer evaluations, and on kinks the later plain bisection takes over. Steps are
projected into the box. The lowest point seen is kept when the search fails.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from smoothmin._protocol import Array, Ask, Problem, ask_one

ARMIJO = 1e-4
WOLFE = 0.5
INTERPOLATIONS = 3  # reductions by interpolation before bisection takes over
MAX_TRIALS = 60


@dataclass
class LinePoint:
    """A point of the search: step length, position, value, gradient."""

    t: float
    x: Array
    fun: float
    grad: Array


@dataclass
class LineResult:
    """What a search found.

    ``wolfe``: both conditions hold at ``point``. ``lower``: ``point`` is at least
    lower than the start. ``nfev``: points tried.
    """

    point: LinePoint
    wolfe: bool
    lower: bool
    nfev: int


def weak_wolfe(
    problem: Problem,
    x: Array,
    fun: float,
    grad: Array,
    direction: Array,
    t: float = 1.0,
    *,
    curvature: bool = True,
) -> Generator[Ask, Any, LineResult]:
    """Find a step along ``direction`` with sufficient decrease and flatter slope.

    Parameters
    ----------
    problem : Problem
        For its bounds, into which every trial point is projected.
    x, fun, grad : ndarray (n,), float, ndarray (n,)
        Start of the search.
    direction : ndarray (n,)
        Descent direction.
    t : float
        First trial step.
    curvature : bool
        Ask for the Wolfe condition too; otherwise only for sufficient decrease.
    """
    bounded = problem.box is not None
    slope = float(grad @ direction)
    start = LinePoint(0.0, x, fun, grad)
    best = low = start
    low_slope, high, high_fun, high_slope = slope, np.inf, np.inf, np.nan
    reductions = 0
    for trial in range(1, MAX_TRIALS + 1):
        x_t = x + t * direction
        if bounded:
            x_t = problem.clip(x_t)
        f_t, g_t = yield from ask_one(x_t)
        finite = np.isfinite(f_t) and bool(np.isfinite(g_t.sum()))
        point = LinePoint(t, x_t, f_t, g_t)
        if finite and f_t < best.fun:
            best = point
        predicted = float(grad @ (x_t - x)) if bounded else t * slope
        # A: sufficient decrease, Lewis-Overton (2.1); a projected step must go down as well
        if not finite or f_t > fun + ARMIJO * predicted or predicted >= 0:
            high, high_fun = t, f_t if finite else np.inf
            high_slope = float(g_t @ direction) if finite else np.nan
        else:
            moved = direction if not bounded else np.where(x_t == x + t * direction, direction, 0.0)
            slope_t = float(g_t @ moved)
            # W: flatter slope, (2.2)
            if not curvature or slope_t >= WOLFE * slope or not moved.any():
                return LineResult(point, True, True, trial)
            previous_slope, previous_t = low_slope, low.t
            low, low_slope = point, slope_t
            if high == np.inf:
                t = _extended(t, previous_t, slope_t, previous_slope)
                continue
        t = _reduced(low, low_slope, high, high_fun, high_slope, reductions)
        reductions += 1
        if not low.t < t < high or _no_room(x, direction, low.t, high):
            break
    return LineResult(best, False, best.fun < fun, trial)


def _extended(t: float, previous: float, slope: float, previous_slope: float) -> float:
    """A longer step: where the secant of the slope vanishes, within limits."""
    change = slope - previous_slope
    factor = 2.0
    if change > 0:
        factor = (t - slope * (t - previous) / change) / t
    return t * min(max(factor, 2.0), 10.0)


def _reduced(
    low: LinePoint,
    low_slope: float,
    high: float,
    high_fun: float,
    high_slope: float,
    reductions: int,
) -> float:
    """A step inside the bracket: by parabola at first, then its middle."""
    width = high - low.t
    share = 0.5
    if reductions < INTERPOLATIONS and np.isfinite(high_fun):
        excess = high_fun - low.fun - low_slope * width
        if excess > 0:
            share = min(max(-low_slope * width / (2 * excess), 0.1), 0.5)
    return low.t + share * width


def _no_room(x: Array, direction: Array, low: float, high: float) -> bool:
    """Whether the bracket's ends are the same point in floating point."""
    if high - low > 1e-10 * high:
        return False
    return bool(np.all(x + low * direction == x + 0.5 * (low + high) * direction))


def armijo(
    problem: Problem, x: Array, fun: float, grad: Array, direction: Array, t: float = 1.0
) -> Generator[Ask, Any, LineResult]:
    """Backtrack to a sufficient decrease."""
    return (yield from weak_wolfe(problem, x, fun, grad, direction, t, curvature=False))
