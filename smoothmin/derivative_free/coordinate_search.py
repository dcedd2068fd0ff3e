"""`CoordinateSearch`: one variable after the other, each over its whole range.

References: J. Calvin, A. Žilinskas, "On the convergence of the P-algorithm for
one-dimensional global optimization of smooth functions", J. Optim. Theory Appl. 102 (1999),
see `line`; R. P. Brent, *Algorithms for Minimization Without Derivatives* (1973), Chapter
5, for the steps within the lowest valley, see `valley`.

Deviations: a line's steps end when they promise little; the descent that comes afterwards
does the rest. Where the function is a sum over the variables no descent is needed, and lines
keep what they have seen: a first sweep looks roughly, each later one twice as closely.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from smoothmin import _status
from smoothmin._check import require_bool, require_integer, require_scale
from smoothmin._factors import MINOR
from smoothmin._machine import EPS, HALF_OF_DIGITS
from smoothmin._method import Method
from smoothmin._precision import ROUNDINGS
from smoothmin._protocol import Answers, Array, Ask, Finish, Iterate, Problem, Steps
from smoothmin._scale import search_range, typical_scale
from smoothmin._status import Status
from smoothmin._verdict import SHORT, Knowledge, judge
from smoothmin.derivative_free.separability import contradicted, separable
from smoothmin.linesearch.brent import Valley
from smoothmin.linesearch.line_result import MAX_TRIALS
from smoothmin.linesearch.p_algorithm import PAlgorithm

FIRST = 3  # systematic samples between a line's ends, if fewer are known
BATCH = 2  # samples of a line that are asked at once
DOUBT = 2.0  # times the curvature seen there may be elsewhere
NO_SUM = "Values contradict a sum of functions of one variable each."


@dataclass(frozen=True)
class CoordinateSearch(Method):
    """Search every variable over its whole range, the others fixed.

    Solves functions with many minima whose variables hardly interact; on others it
    ends after a sweep without gain.

    Parameters
    ----------
    points : int, default 32
        Most samples of a line before its lowest valley is followed.
    separable : bool, default False
        Whether the function is known to be a sum of functions of one variable each.
    scale : float or array_like of shape (d,), optional
        How far variables typically move. The range is the box, or without one
        2.5 times the scale to either side of the start.
    closing : bool, default True
        Follow the valleys to their ends in a last sweep, and claim success where values
        agree with a sum. Another method that goes on from there needs neither.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value.

    Notes
    -----
    Samples of a line are asked two at a time. The run ends after a sweep over all variables
    that gained next to nothing.

    References
    ----------
    .. [1] J. Calvin, A. Žilinskas, "On the convergence of the P-algorithm for one-dimensional
       global optimization of smooth functions", J. Optim. Theory Appl. 102 (1999).
    .. [2] R. P. Brent, *Algorithms for Minimization Without Derivatives* (1973), chapter 5.

    Examples
    --------
    >>> import numpy as np
    >>> from smoothmin import CoordinateSearch, minimize
    >>> def waves(x):
    ...     return float(np.sum(x**2 + 10 - 10 * np.cos(2 * np.pi * x)))
    >>> bounds = [(-5.12, 5.12)] * 4
    >>> start = [3.0, -2.0, 4.0, 1.0]
    >>> method = CoordinateSearch(separable=True)
    >>> res = minimize(waves, start, method=method, bounds=bounds, rng=0)
    >>> res.success, res.fun < 1e-8
    (True, True)
    """

    name: ClassVar[str] = "coordinate-search"
    summary: ClassVar[str] = "values alone: every variable over its whole range"
    reference: ClassVar[str] = "Calvin, Žilinskas (1999)"
    handles_bounds: ClassVar[bool] = True
    scale_option: ClassVar[str | None] = "scale"
    stochastic: ClassVar[bool] = True

    points: int = 32
    separable: bool = False
    scale: ArrayLike | None = None
    closing: bool = True

    def __post_init__(self) -> None:
        require_integer("points", self.points, 8)
        require_bool("separable", self.separable)
        require_bool("closing", self.closing)
        require_scale("scale", self.scale, optional=True)

    @property
    def needs_gradient(self) -> bool:
        """Never."""
        return False

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        return self._sweeps(problem, rng, problem.clip(problem.x0), {})

    def run_from(
        self, problem: Problem, rng: np.random.Generator, points: Array, values: Array
    ) -> Steps:
        """Minimize a sum over the variables, with ``values`` (m,) at ``points`` (m, d) known.

        Each of these differs from the first in one variable at most.
        """
        x, lines = points[0].copy(), {}
        for i in range(x.size):
            known = points[:, i] != x[i]
            known[0] = True  # the first one is on all lines
            lines[i] = PAlgorithm(points[known, i], values[known])
            x[i] = lines[i].t[lines[i].best]
        return self._sweeps(problem, rng, x, lines)

    def _sweeps(
        self, problem: Problem, rng: np.random.Generator, x: Array, lines: dict[int, PAlgorithm]
    ) -> Steps:
        """Over all variables, until a sweep gains next to nothing."""
        scale = typical_scale(problem, "scale", self.scale)
        ends = np.stack(search_range(problem, x, scale), axis=1)
        answers = yield Ask(x.reshape(1, -1), 0)
        f = float(answers.values[0])
        if not np.isfinite(f):
            return Finish(Status.NONFINITE, _status.nonfinite_start(f))
        start, first = x, f
        closer = 1 / DOUBT if self.separable else 1.0
        patience = 1  # idle sweeps before the end; one more where there was something to gain
        while True:
            moved = 0
            for i in rng.permutation(x.size):
                if i not in lines or not self.separable:
                    lines[i] = PAlgorithm(x[i : i + 1], np.array([f]))
                line = lines[i]
                line.shift(f)
                before = f
                yield from self._explore(line, x, i, ends[i], closer, rng)
                if not line.settled:
                    yield from self._follow(line, x, i, self.separable and closer >= 1)
                t, f = float(line.t[line.best]), float(line.values[line.best])
                width = ends[i, 1] - ends[i, 0]
                moved += abs(t - x[i]) > SHORT * width
                # at the end of a range that is a guess: a range twice as wide around it
                at_end = min(t - ends[i, 0], ends[i, 1] - t) <= MINOR * width
                if at_end and f < before and np.isfinite(4 * width):
                    wider = problem.clip(np.array([_with(x, i, t - width), _with(x, i, t + width)]))
                    if wider[0, i] < ends[i, 0] or wider[1, i] > ends[i, 1]:
                        ends[i] = wider[:, i]
                        moved += 1
                        lines.pop(i, None)
                x = _with(x, i, t)
                yield Iterate(x, f)
            if closer < 1 and f < first:
                ends_seen = np.stack([start, x])
                if not (yield from separable(ends_seen, np.array([first, f]), rng)):
                    return Finish(Status.PRECISION, NO_SUM, separable=False)
            patience = 2 if moved or closer < 1 else patience - 1
            if patience == 0:
                return (yield from self._end(problem, start, first, x, f, ends, rng))
            if self.separable:
                closer *= 2

    def _end(
        self,
        problem: Problem,
        start: Array,
        first: float,
        x: Array,
        f: float,
        ends: Array,
        rng: np.random.Generator,
    ) -> Generator[Any, Any, Finish]:
        """What a sum leaves when every variable is at the end of its valley is nothing.

        Of a function that is none, nothing is known but that no variable moves by itself.
        """
        message, is_sum = "No variable moves to another part of its range", self.separable
        if self.closing and not is_sum:
            before = f
            for i in range(x.size):
                t, f = yield from _closest(x, f, i, ends[i])
                x = _with(x, i, t)
            if f < before:
                yield Iterate(x, f)
            other = start if f < first else _aside(x, ends)
            points = np.stack([other, x])
            values = (yield Ask(points, 0)).values
            same = values[0] == values[1]  # a plateau, of which the whole run tells
            is_sum = x.size == 1 or same or (yield from separable(points, values, rng))
            if is_sum and x.size > 1:
                near = SHORT * (ends[:, 1] - ends[:, 0])
                is_sum = not (yield from contradicted(x, f, near, problem.box, rng))
            if not is_sum and before - f > 0:
                message = f"{message}, but values are no sum over the variables"
        promised = 0.0 if is_sum else np.inf
        return judge(Knowledge(message, promised=promised, noise=ROUNDINGS * EPS * abs(f)))

    def _explore(
        self,
        line: PAlgorithm,
        x: Array,
        i: int,
        ends: Array,
        closer: float,
        rng: np.random.Generator,
    ) -> Generator[Ask, Answers, None]:
        """Samples along variable ``i`` until a lower value seems unlikely, or there are enough."""
        new = np.setdiff1d(ends, line.t)
        if len(line.t) < FIRST:
            between = (np.arange(FIRST) + rng.random(FIRST)) / FIRST
            new = np.append(new, ends[0] + between * (ends[1] - ends[0]))
        while True:
            if len(new) > 0:
                line.add(new, (yield from _along(x, i, new)))
            room = int(closer * self.points) - line.asked
            new = line.doubtful(min(BATCH, max(0, room)), closer * DOUBT)
            if len(new) == 0:
                return

    def _follow(
        self, line: PAlgorithm, x: Array, i: int, wholly: bool
    ) -> Generator[Ask, Answers, None]:
        """Down the lowest valley, while steps promise more than a little, or to its end."""
        valley = line.valley()
        little = SHORT * float(np.ptp(line.values[np.isfinite(line.values)]))
        for _ in range(MAX_TRIALS):
            if valley.decrease <= (ROUNDINGS * EPS * abs(valley.f_m) if wholly else little):
                break
            u = valley.next_point()
            valley.add(u, float((yield from _along(x, i, np.array([u])))[0]))
        line.settle(valley.m, valley.f_m)
        line.settled = wholly


def _closest(
    x: Array, f: float, i: int, ends: Array
) -> Generator[Ask, Answers, tuple[float, float]]:
    """The end of the valley along variable ``i`` next to ``x``, and the value there."""
    t, h = float(x[i]), SHORT * float(ends[1] - ends[0])
    while True:
        points = np.clip(np.array([t - h, t + h]), *ends)
        values = yield from _along(x, i, points)
        k = int(values.argmin())
        if not values[k] < f:
            break
        t, f, h = float(points[k]), float(values[k]), 2 * h
    valley = Valley(
        (float(points[0]), t, float(points[1])), (float(values[0]), f, float(values[1]))
    )
    rise = float(values[np.isfinite(values)].max(initial=f)) - f
    for _ in range(MAX_TRIALS):
        little = valley.decrease <= ROUNDINGS * EPS * max(abs(valley.f_m), rise)
        if np.isfinite(valley.vertex) and little:
            break
        if valley.width <= HALF_OF_DIGITS * max(abs(valley.m), h):
            break
        u = valley.next_point()
        valley.add(u, float((yield from _along(x, i, np.array([u])))[0]))
    return valley.m, valley.f_m


def _aside(x: Array, ends: Array) -> Array:
    """Another point, in all variables."""
    shift = MINOR * (ends[:, 1] - ends[:, 0])
    return np.where(x + shift <= ends[:, 1], x + shift, x - shift)


def _with(x: Array, i: int, t: float) -> Array:
    x = x.copy()
    x[i] = t
    return x


def _along(x: Array, i: int, t: Array) -> Generator[Ask, Answers, Array]:
    """Values with variable ``i`` at each ``t``; infinite where there is none."""
    points = np.repeat(x[None], len(t), axis=0)
    points[:, i] = t
    answers = yield Ask(points, 0)
    return np.where(np.isfinite(answers.values), answers.values, np.inf)
