"""A lower point on a line by values alone: shrink by interpolation, or extend while it pays.

Reference: J. Nocedal, S. J. Wright, *Numerical Optimization*, 2nd ed. (2006), Section 3.5
(interpolation).

Deviations: where a gradient costs as much as many values, steps are extended too; where the
values are straight up to a kink, the step leads just beyond it (`KinkedLine`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from smoothmin._factors import ALIKE, FASTEST_GROWTH, SHORTEST, SMALL
from smoothmin._protocol import Array, Ask
from smoothmin.linesearch.polyhedral_search import KinkedLine
from smoothmin.linesearch.weak_wolfe import ARMIJO, INTERPOLATIONS

JUMP = 1e4  # rise in units of the fall that was predicted, which is more than curvature


class Backtracking:
    """One search.

    Parameters
    ----------
    point : callable
        The point at a length along the line, within the bounds.
    f : float
        The value at its beginning.
    slope : float
        The slope there, for lengths of one.
    level : float
        What a difference of two values cannot resolve.
    """

    def __init__(
        self, point: Callable[[float], Array], f: float, slope: float, level: float
    ) -> None:
        self._point, self._f, self._slope, self._level = point, f, slope, level
        self._over: list[tuple[float, float]] = []  # lengths that were too far, and rises there

    def run(self, tries: int) -> Generator[Any, Any, tuple[Array, float] | None]:
        """A lower point and its value, if one is found."""
        f, slope, t = self._f, self._slope, 1.0
        for _ in range(tries):
            f_t = yield from self._value(t)
            lower = f_t < f and f_t <= f + ARMIJO * t * slope
            if lower:
                break
            self._over.append((t, f_t - f))
            share = vertex(t * slope, f_t - f)
            t *= min(max(share, SHORTEST), 0.5) if np.isfinite(f_t) else SHORTEST
            if -t * slope < self._level:
                break
        if not lower:
            return None
        beyond = next(((t, f + rise) for t, rise in self._over[::-1] if np.isfinite(rise)), None)
        if beyond is not None and f_t - f <= (1 - ALIKE) * t * slope:
            line = KinkedLine([0.0, t, beyond[0]], [f, f_t, beyond[1]], slope)
            yield from line.narrow(self._value, INTERPOLATIONS, SHORTEST)
            t, f_t = _across(line)
        elif t >= 1.0:
            t, f_t = yield from self._extended(f_t)
        return self._point(t), f_t

    def met(self, fell: float) -> int:
        """What steps that were too far met: 2 is a jump or no value, 1 a rise that may be one.

        Rises shrink with the step's square where there is curvature, with the step at a kink, and
        not at all at a jump. ``fell`` is by how much values have fallen so far.
        """
        over = self._over
        if not over:
            return 0
        if not np.isfinite([rise for _, rise in over]).all():
            return 2
        (t, rise), (longer, before) = over[-1], over[-2 if len(over) > 1 else -1]
        if t < longer and rise > max(fell, math.sqrt(t / longer) * before):
            return 2
        return int(over[0][1] > JUMP * -self._slope)

    def _extended(self, f_t: float) -> Generator[Any, Any, tuple[float, float]]:
        """To a parabola's minimum on the line, while that is worth its value.

        A step and its gradient take n + 1 values, so one more is to gain no less than that
        share of the step's decrease. Where the minimum is farther out, again from there.
        """
        f, slope, t, size = self._f, self._slope, 1.0, self._point(1.0).size
        while True:
            share = vertex(t * slope, f_t - f)
            gain = (share - 1) ** 2 / (2 * share - 1) if share < np.inf else np.inf
            if not gain * (size + 1) > 1 or gain * (f - f_t) <= self._level:
                return t, f_t
            other = t * min(share, FASTEST_GROWTH)
            if np.array_equal(self._point(other), self._point(t)):
                return t, f_t
            f_new = yield from self._value(other)
            if not f_new < f_t:
                return t, f_t
            t, f_t = other, f_new
            if share < 1:
                return t, f_t

    def _value(self, t: float) -> Generator[Any, Any, float]:
        answers = yield Ask(self._point(t)[None], 0)
        return float(answers.values[0])


def vertex(slope: float, rise: float) -> float:
    """Where a parabola from 0 with this slope and value ``rise`` at 1 has its minimum."""
    excess = rise - slope
    return -0.5 * slope / excess if excess > 0 else np.inf


def _across(line: KinkedLine) -> tuple[float, float]:
    """The point just beyond the lowest if it is lower than the start, since kinks are between."""
    t, f, k = line.t, line.values, line.lowest
    if k + 1 < len(t) and f[0] - f[k + 1] >= SMALL * (f[0] - f[k]):
        k += 1
    return t[k], f[k]
