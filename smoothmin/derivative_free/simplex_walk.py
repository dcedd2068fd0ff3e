"""Down the gradient of a simplex, far away from a minimum: ever longer steps on a line.

Steps grow while values fall about as predicted but lead not beyond the minimum of a parabola
through them, or to the kink where a straight line ends.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from smoothmin._factors import MINOR
from smoothmin._protocol import Array
from smoothmin._verdict import NEGLIGIBLE
from smoothmin.linesearch.polyhedral_search import KinkedLine
from smoothmin.linesearch.weak_wolfe import INTERPOLATIONS
from smoothmin.subproblems.trust_region import FAST_GROWTH, GOOD

Evaluate = Callable[[Array], Generator[Any, Any, tuple[Array, float]]]


def walk(
    x: Array, first: float, slope: Array, radius: float, evaluate: Evaluate
) -> Generator[Any, Any, tuple[Array | None, float, float]]:
    """The lowest of ever longer steps down a slope, none if curvature shows at once.

    With it, its value and the length of the walk. No step goes beyond the minimum of the
    parabola with that slope and the last value.

    Parameters
    ----------
    x : ndarray, shape (n,)
    first : float
        The value there.
    slope : ndarray, shape (n,)
    radius : float
        The first step's length.
    evaluate : callable
        Evaluates at a point moved between the bounds, and returns both.
    """
    down = -slope / np.abs(slope).max()  # whose square does not underflow
    down /= float(np.linalg.norm(down))
    lowest, f, t, straight = x, first, radius, False
    line = KinkedLine([0.0], [first], float(slope @ down))
    while True:
        trial, value = yield from evaluate(x + t * down)
        predicted = float(slope @ (trial - x))
        ratio = (value - first) / predicted if predicted < 0 and np.isfinite(value) else -1.0
        line.t.append(t)
        line.values.append(value)
        if lowest is x and ratio < GOOD:
            return None, f, 0.0
        if ratio <= 0 or value >= f:
            if straight and np.isfinite(value):
                return (yield from _kink(x, down, line, evaluate))
            return lowest, f, float(np.linalg.norm(lowest - x))
        straight = abs(ratio - 1) < MINOR
        lowest, f = trial, value
        if ratio < GOOD:  # near the minimum of a parabola, where it is a half
            return lowest, f, float(np.linalg.norm(lowest - x))
        t *= 0.5 / max(1 - ratio, 0.5 / FAST_GROWTH)  # to that minimum


def _kink(
    x: Array, down: Array, line: KinkedLine, evaluate: Evaluate
) -> Generator[Any, Any, tuple[Array, float, float]]:
    """The minimum on a line that is straight before and after; its length tells nothing."""

    def value(t: float) -> Generator[Any, Any, float]:
        return (yield from evaluate(x + t * down))[1]

    yield from line.narrow(value, max(INTERPOLATIONS, x.size), NEGLIGIBLE)
    k = line.lowest
    return x + line.t[k] * down, line.values[k], 0.0
