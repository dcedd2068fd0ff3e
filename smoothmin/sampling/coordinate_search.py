"""`CoordinateSearch`: one variable after the other, each over its whole range.

Reference: R. P. Brent, *Algorithms for Minimization Without Derivatives* (1973), Chapter
5, for parabolic steps and golden sections within a bracket.

Deviations: the brackets are the lowest valleys of a systematic sample of the range, whose
offset is drawn anew for every line, and a few steps are made in each; the descent that
comes afterwards does the rest.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from smoothmin import _status
from smoothmin._check import require_integer, require_scale
from smoothmin._protocol import Answers, Array, Ask, Finish, Iterate, Method, Problem, Steps
from smoothmin._status import Status
from smoothmin.sampling.scale import search_range, typical_scale

GOLDEN = 0.381966
VALLEYS = 3  # lowest ones of a line that are refined


@dataclass(frozen=True)
class CoordinateSearch(Method):
    """Search every variable over its whole range, the others fixed.

    Solves functions with many minima whose variables hardly interact; on others it
    ends after a sweep without gain.

    Parameters
    ----------
    points : int, default 40
        Points of the range's sample.
    refinements : int, default 8
        Parabolic steps in each of the three best brackets.
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
    >>> res = minimize(waves, start, method=CoordinateSearch(), bounds=bounds, rng=0)
    >>> res.success, res.fun < 1e-3
    (True, True)
    """

    name: ClassVar[str] = "CoordinateSearch"
    handles_bounds: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True

    points: int = 40
    refinements: int = 8
    scale: Any = None

    def __post_init__(self) -> None:
        require_integer("points", self.points, 3)
        require_integer("refinements", self.refinements, 0)
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
        patience = 1  # idle sweeps before the end; one more where there was something to gain
        while True:
            moved = 0
            for i in rng.permutation(n):
                t, f_t = yield from self._line(x, f, int(i), (low[i], high[i]), rng)
                if f_t < f:
                    moved += abs(t - x[i]) > 1e-3 * (high[i] - low[i])
                    x = x.copy()
                    x[i], f = t, f_t
                yield Iterate(x, f)
            patience = 2 if moved else patience - 1
            if patience == 0:
                return Finish(Status.CONVERGED, "No variable moves to another part of its range.")

    def _line(
        self, x: Array, f: float, i: int, ends: tuple[float, float], rng: np.random.Generator
    ) -> Generator[Ask, Answers, tuple[float, float]]:
        """The lowest point found along variable ``i``, and its value."""
        low, high = ends
        share = (np.arange(self.points) + rng.random()) / self.points
        t = np.append(low + share * (high - low), x[i])
        values = np.append((yield from _along(x, i, t[:-1])), f)
        order = np.argsort(t)
        t, values = t[order], np.where(np.isfinite(values[order]), values[order], np.inf)
        below = np.append(values, np.inf)
        valley = np.flatnonzero((values < below[1:]) & (values <= np.roll(below, 1)[:-1]))
        best_t, best = float(t[values.argmin()]), float(values.min())
        for k in valley[np.argsort(values[valley], kind="stable")][:VALLEYS]:
            a, b = t[max(k - 1, 0)], t[min(k + 1, len(t) - 1)]
            at, lowest = yield from self._refine(x, i, (a, t[k], b), values, k)
            if lowest < best:
                best_t, best = at, lowest
        return best_t, best

    def _refine(
        self, x: Array, i: int, bracket: tuple[float, float, float], values: Array, k: int
    ) -> Generator[Ask, Answers, tuple[float, float]]:
        """Parabolic steps in a bracket, golden sections where they fail."""
        a, m, b = (float(t) for t in bracket)
        f_a, f_m = float(values[max(k - 1, 0)]), float(values[k])
        f_b = float(values[min(k + 1, len(values) - 1)])
        for _ in range(self.refinements):
            u = _vertex((a, f_a), (m, f_m), (b, f_b))
            edge = 1e-3 * (b - a)
            if not a + edge < u < b - edge or abs(u - m) < 1e-9 * (b - a):
                u = m + GOLDEN * ((b - m) if b - m > m - a else (a - m))
            f_u = float((yield from _along(x, i, np.array([u])))[0])
            f_u = f_u if f_u == f_u else np.inf
            if f_u < f_m:
                if u < m:
                    b, f_b = m, f_m
                else:
                    a, f_a = m, f_m
                m, f_m = u, f_u
            elif u < m:
                a, f_a = u, f_u
            else:
                b, f_b = u, f_u
        return m, f_m


def _vertex(p: tuple[float, float], q: tuple[float, float], r: tuple[float, float]) -> float:
    """Where the parabola through three points is lowest; NaN if there is no such place."""
    (a, f_a), (m, f_m), (b, f_b) = p, q, r
    left, right = (m - a) * (f_m - f_b), (m - b) * (f_m - f_a)
    below = left - right
    return m - 0.5 * ((m - a) * left - (m - b) * right) / below if below < 0 else np.nan


def _along(x: Array, i: int, t: Array) -> Generator[Ask, Answers, Array]:
    points = np.repeat(x[None], len(t), axis=0)
    points[:, i] = t
    answers = yield Ask(points, 0)
    return answers.values
