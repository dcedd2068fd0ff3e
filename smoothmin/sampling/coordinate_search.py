"""`CoordinateSearch`: one variable after the other, each over its whole range.

Reference: R. P. Brent, *Algorithms for Minimization Without Derivatives* (1973), Chapter
5, for the steps within a bracket, see `valley`.

Deviations: the brackets are the valleys of systematic samples, of the range and then more
closely around the lowest point, whose offsets are drawn anew for every line. The next step
is in the valley that promises the lowest value, until that has got there roughly; the
descent that comes afterwards does the rest. Where the function is a sum over the variables
no descent is needed: every variable goes to the minimum next to it first, and each line's
lowest valley is followed to its end.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from smoothmin import _status
from smoothmin._check import require_bool, require_integer, require_scale
from smoothmin._protocol import Answers, Array, Ask, Finish, Iterate, Method, Problem, Steps
from smoothmin._status import Status
from smoothmin.sampling.scale import search_range, typical_scale
from smoothmin.sampling.valley import Valley, valleys_of

ROUNDING = 4 * float(np.finfo(float).eps)
ZOOM = 0.3  # width of a closer sample relative to the one before
ROUGH = 1e-3  # share of a line's spread, to which its valleys are compared
ELSEWHERE = 1e-3  # share of the range that takes a variable to another part of it
STEP = 0.02  # share of the range, first step to the minimum next to a point


@dataclass(frozen=True)
class CoordinateSearch(Method):
    """Search every variable over its whole range, the others fixed.

    Solves functions with many minima whose variables hardly interact; on others it
    ends after a sweep without gain.

    Parameters
    ----------
    points : int, default 24
        Points of the range's sample.
    closer : int, default 12
        Points of each of two further samples, of 0.3 and of 0.09 of the range.
    refinements : int, default 40
        Largest number of steps within the brackets of a line.
    separable : bool, default False
        Whether the function is known to be a sum of functions of one variable each.
    scale : float or array_like of shape (d,), optional
        How far variables typically move. The range is the box, or without one
        2.5 times the scale to either side of the start.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value.

    Notes
    -----
    The sample of a line is one batch. The run ends after a sweep over all variables that
    gained next to nothing.

    References
    ----------
    .. [1] R. P. Brent, *Algorithms for Minimization Without Derivatives* (1973), chapter 5.

    Examples
    --------
    >>> import numpy as np
    >>> from smoothmin import minimize
    >>> from smoothmin.sampling.coordinate_search import CoordinateSearch
    >>> def waves(x):
    ...     return float(np.sum(x**2 + 10 - 10 * np.cos(2 * np.pi * x)))
    >>> bounds = [(-5.12, 5.12)] * 4
    >>> start = [3.0, -2.0, 4.0, 1.0]
    >>> method = CoordinateSearch(separable=True)
    >>> res = minimize(waves, start, method=method, bounds=bounds, rng=0)
    >>> res.success, res.fun < 1e-8
    (True, True)
    """

    name: ClassVar[str] = "CoordinateSearch"
    handles_bounds: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True

    points: int = 24
    closer: int = 12
    refinements: int = 40
    separable: bool = False
    scale: Any = None

    def __post_init__(self) -> None:
        require_integer("points", self.points, 3)
        require_integer("closer", self.closer, 0)
        require_integer("refinements", self.refinements, 0)
        require_bool("separable", self.separable)
        if self.scale is not None:
            require_scale("scale", self.scale)

    @property
    def needs_gradient(self) -> bool:
        """Never."""
        return False

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Sweep over the variables until a sweep gains next to nothing."""
        n, x = problem.x0.size, problem.clip(problem.x0)
        scale = typical_scale(problem, "scale", self.scale)
        low, high = search_range(problem, x, scale)
        answers = yield Ask(x.reshape(1, -1), 0)
        f = float(answers.values[0])
        if not np.isfinite(f):
            return Finish(Status.NONFINITE, _status.nonfinite_start(f))
        if self.separable:
            for i in range(n):
                t, f = yield from self._nearest(x, f, i, (low[i], high[i]))
                x = _with(x, i, t)
                yield Iterate(x, f)
        patience = 1  # idle sweeps before the end; one more where there was something to gain
        while True:
            moved = 0
            for i in rng.permutation(n):
                t, f_t = yield from self._line(x, f, int(i), (low[i], high[i]), rng)
                if f_t < f:
                    moved += abs(t - x[i]) > ELSEWHERE * (high[i] - low[i])
                    x, f = _with(x, int(i), t), f_t
                yield Iterate(x, f)
            patience = 2 if moved else patience - 1
            if patience == 0:
                return Finish(Status.CONVERGED, "No variable moves to another part of its range.")

    def _line(
        self, x: Array, f: float, i: int, ends: tuple[float, float], rng: np.random.Generator
    ) -> Generator[Ask, Answers, tuple[float, float]]:
        """The lowest point found along variable ``i``, and its value."""
        low, high = ends
        t, values = x[i : i + 1], np.array([f])
        width = high - low
        for count in (self.points, self.closer, self.closer):
            start = min(max(float(t[values.argmin()]) - 0.5 * width, low), high - width)
            new = start + (np.arange(count) + rng.random()) / max(count, 1) * width
            t = np.append(t, new)
            values = np.append(values, (yield from _along(x, i, new)))
            width *= ZOOM
        best = float(t[values.argmin()])
        end = low if best == t.min() else high if best == t.max() else best
        if end != best:
            t = np.append(t, end)
            values = np.append(values, (yield from _along(x, i, np.array([end]))))
        order = np.argsort(t, kind="stable")
        t, values = t[order], values[order]
        valleys = valleys_of(t.tolist(), values.tolist())
        spread = float(np.ptp(values[np.isfinite(values)]))
        yield from self._refine(x, i, valleys, ROUGH * spread)
        lowest = min(valleys, key=lambda valley: valley.f_m)
        if self.separable and abs(lowest.m - x[i]) > ELSEWHERE * (high - low):
            yield from self._refine(x, i, [lowest], ROUNDING * abs(lowest.f_m))
        return lowest.m, lowest.f_m

    def _refine(
        self, x: Array, i: int, valleys: list[Valley], settled: float
    ) -> Generator[Ask, Answers, None]:
        """Steps where they promise most, until that is a decrease of no more than ``settled``."""
        for _ in range(self.refinements):
            valley = min(valleys, key=lambda valley: valley.promise)
            if valley.decrease <= settled:
                return
            u = valley.next_point()
            valley.add(u, float((yield from _along(x, i, np.array([u])))[0]))

    def _nearest(
        self, x: Array, f: float, i: int, ends: tuple[float, float]
    ) -> Generator[Ask, Answers, tuple[float, float]]:
        """The minimum next to ``x`` along variable ``i``: go downhill, then refine."""
        low, high = ends
        walk = {float(x[i]): f}
        for step in (STEP * (high - low), STEP * (low - high)):
            u, lowest = float(x[i]), f
            while True:
                u = min(max(u + step, low), high)
                if u in walk:  # at a bound
                    break
                walk[u] = float((yield from _along(x, i, np.array([u])))[0])
                if walk[u] > lowest:
                    break
                lowest = walk[u]
                step *= 2
            if lowest < f:
                break
        t = sorted(walk)
        valley = min(valleys_of(t, [walk[u] for u in t]), key=lambda valley: valley.f_m)
        yield from self._refine(x, i, [valley], ROUNDING * abs(valley.f_m))
        return valley.m, valley.f_m


def _with(x: Array, i: int, t: float) -> Array:
    x = x.copy()
    x[i] = t
    return x


def _along(x: Array, i: int, t: Array) -> Generator[Ask, Answers, Array]:
    """Values with variable ``i`` at each ``t``; infinite where there is none."""
    if len(t) == 0:
        return t
    points = np.repeat(x[None], len(t), axis=0)
    points[:, i] = t
    answers = yield Ask(points, 0)
    return np.where(np.isfinite(answers.values), answers.values, np.inf)
