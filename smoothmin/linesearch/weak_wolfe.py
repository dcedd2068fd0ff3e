"""Weak Wolfe line search by bracketing, which survives kinks.

Reference: A. S. Lewis, M. L. Overton, "Nonsmooth optimization via quasi-Newton
methods", Math. Program. 141 (2013), Algorithm 2.6.

Deviations, and why: an extension of the step is sized by the secant of the
directional derivative (between doubling and tenfold), and the first reductions
by interpolation, of a kink or of a parabola as the ends' slopes suggest, kept within
[0.1, 0.9] of the bracket: both need fewer evaluations than bisection, which takes over
later. Where rounding hides what values do slopes alone say which end of the bracket a trial
is. Steps are projected into the box. There one that ends at a bound, or makes the slope
a little flatter, will do: a longer one would leave the face that the model has found. The
lowest point seen is kept when the search fails, and all points tried are handed back, for
methods that learn from rejected ones. A bracket that is narrower than finite differences are
long is not divided any more, since their slopes mix what is on both sides of a kink in it.
A plateau that is reached by less of a fall than slopes predict is too far: what is nearer may be
lower. Where gradients are differences, which cost as many values as there are variables, the value
comes first: the parabola through it and what is known of the bracket's lower end tells most steps
that are too long or too short.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from scipy.linalg.blas import ddot

from smoothmin._check import require_real
from smoothmin._factors import ALIKE, FASTEST_GROWTH, MINOR, SHORTEST, WITNESSES
from smoothmin._machine import EPS, LARGE, PRODUCTS
from smoothmin._precision import ROUNDINGS
from smoothmin._protocol import Array, Ask, Problem, ask_value
from smoothmin.linesearch.line_result import MAX_TRIALS, LinePoint, LineResult

ARMIJO = 1e-4
WOLFE = 0.5
SMOOTH_WOLFE = 0.9  # a quasi-Newton step of length one is mostly right
INTERPOLATIONS = 3  # reductions by interpolation before bisection takes over
SHORTENED = 0.5 ** (WITNESSES - 1)  # share of a step that was halved in all trials but one
MOST_NOISE = 1e-10  # of a value, that rounding of what it was computed from may make
AT_BOUND = ROUNDINGS * EPS  # rounding of the step that meets a bound


def weak_wolfe(
    problem: Problem,
    x: Array,
    fun: float,
    grad: Array,
    direction: Array,
    t: float = 1.0,
    *,
    curvature: bool = True,
    slope: float | None = None,
    patience: int = MAX_TRIALS,
    null_within: float = 0.0,
    smooth: bool = False,
    least: float = 0.0,
    rounded: Callable[[float], float] | None = None,
    c1: float = ARMIJO,
    c2: float | None = None,
    guessed: bool = False,
    values_first: bool = False,
    first: LinePoint | None = None,
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
    slope : float, optional
        Directional derivative to compare with; that of ``grad`` if None.
    patience : int
        Give up after so many trials without sufficient decrease at any.
    null_within : float
        Give up at a trial no farther than this that goes up and whose slope breaks
        with ``slope``: its gradient is news to a bundle, which is all it can give. Where the
        tangents of a bracket leave less than ``least`` to be gained, that is the next trial.
    smooth : bool
        Expect no kinks: be content with a little flatter slope, and reduce by cubics.
    least : float
        Predicted decrease below which a step that does not suffice is the last.
    rounded : callable, optional
        Rise of the value that may be rounding's where a decrease of so much is predicted: a
        point no higher will do where the slope is much flatter. What rounding hides of values
        shows in slopes (Hager and Zhang, SIAM J. Optim. 16, 2005, (4.1)).
    c1, c2 : float
        Shares of the slope that the decrease has to come to, and that the slope at the end
        may still have; the latter by default larger with bounds, or if ``smooth``.
    guessed : bool
        Whether nothing but a guess says how long the first trial is: then interpolation may
        shorten it by any factor.
    values_first : bool
        Ask for no gradient where the value tells that another step is to be tried.
    first : LinePoint, optional
        The first trial, where it has been made, and is not `sufficient`.
    """
    slope = ddot(grad, direction) if slope is None else slope
    boxed = problem.box is not None
    flatter = c2 or (SMOOTH_WOLFE if smooth or boxed else WOLFE)
    if not curvature:
        flatter = math.inf
    line, predicted, ended = _Line(problem.box, x, grad, direction, slope), t * slope, False
    if first is None and not values_first:
        first, predicted, ended = yield from line.trial(t)
        if sufficient(first, fun, slope, c1, math.inf if ended else flatter, predicted):
            return LineResult(first, True, True, [first], slope)
    start = LinePoint(0.0, x, fun, grad, slope)
    length = float(np.linalg.norm(direction)) if null_within > 0 else math.inf
    search = _Bracket(start, c1, flatter, patience, null_within / length, smooth, least)
    search.rounded, search.shortest = rounded, 0.0 if guessed else SHORTEST
    told = search.told if values_first else None
    trial = first
    if trial is None:
        trial, predicted, ended = yield from line.trial(t, told)
    while True:
        again = search.judge(trial, predicted, ended)
        if again is None or search.spent(problem, x, direction):
            best = yield from line.complete(search.best, start)
            lower = search.wolfe or best.fun < fun
            return LineResult(best, search.wolfe, lower, search.trials, slope)
        trial, predicted, ended = yield from line.trial(again, told)


def along(x: Array, direction: Array, t: float) -> Array:
    """``x + t * direction``."""
    return x + (direction if t == 1 else t * direction)


def sufficient(
    trial: LinePoint,
    fun: float,
    slope: float,
    c1: float,
    flatter: float,
    predicted: float | None = None,
) -> bool:
    """Whether a search ends at its first trial.

    ``flatter`` is c2, or infinite for Armijo alone; ``predicted`` is the change of the value if
    the way there is bent.
    """
    if predicted is None:
        predicted = trial.t * slope
    enough = trial.fun <= fun + c1 * predicted and trial.slope >= flatter * slope
    return enough and predicted < 0 and -EPS * slope < abs(trial.slope) < math.inf


class _Bracket:
    """Where a step that suffices must be, as far as trials have shown."""

    def __init__(
        self,
        start: LinePoint,
        c1: float,
        flatter: float,
        patience: int,
        null_within: float,
        smooth: bool,
        least: float,
    ) -> None:
        self._start, self._c1, self._flatter = start, c1, flatter
        self._patience, self._null_within = patience, null_within  # in units of the direction
        self._reduced = _reduced_by_cubic if smooth else _reduced
        # a predicted change that rounding hides: to look no closer
        self._futile, self._least = MINOR * EPS * abs(start.fun), least
        self._low, self._reductions = start, 0
        self._high: LinePoint | None = None
        self.best, self.wolfe = start, False
        self._plateau = math.inf  # value of a point where nothing is left of the gradient
        self.rounded: Callable[[float], float] | None = None  # see `weak_wolfe`
        self.shortest = SHORTEST  # share of a bracket that a reduction leaves
        self.trials: list[LinePoint] = []

    def told(self, t: float, value: float, predicted: float, ended: bool) -> float | None:
        """The slope at a step of this value, if that tells that the step will not do.

        It is that of the parabola that has value and slope of the lower end.
        """
        start, low, high = self._start, self._low, self._high
        if not t > low.t:  # a step that is lost to underflow
            return None
        slope = 2 * (value - low.fun) / (t - low.t) - low.slope
        if not value <= start.fun + self._c1 * predicted:
            return slope
        walled = high is not None and not math.isfinite(high.fun)
        short = slope < self._flatter * start.slope and not (ended or walled)
        return slope if short else None

    def keep(self, trial: LinePoint) -> None:
        """Take note of a trial.

        Arrays of earlier ones are given up where all would take much memory, unless they may
        be the search's result.
        """
        self.trials.append(trial)
        before = len(self.trials) - 1 - max(2, LARGE // (2 * trial.x.size))
        if before >= 0:
            old, none = self.trials[before], np.empty(0)
            if not any(old is kept for kept in (self._low, self._high, self.best)):
                self.trials[before] = LinePoint(old.t, none, old.fun, none, old.slope)

    def judge(self, trial: LinePoint, predicted: float, ended: bool) -> float | None:
        """The step to be tried after this one; None where it suffices, or nothing will."""
        start, high = self._start, self._high
        self.keep(trial)
        # any element of the gradient that is not finite makes the slope so
        finite = trial.fun - trial.fun == 0 and trial.slope - trial.slope == 0
        if finite and trial.fun < self.best.fun:
            self.best = trial
        hidden = finite and self._hidden(trial)
        if hidden and abs(trial.slope) <= -WOLFE * start.slope:
            self.best, self.wolfe = trial, True
            return None
        # A: sufficient decrease, Lewis-Overton (2.1); a projected step must go down as well
        low = trial.fun <= start.fun + self._c1 * predicted
        # (U2) of Hager and Zhang, where values might show something, and for no step that is lost
        if hidden and self._least <= -trial.t * start.slope <= MOST_NOISE * abs(start.fun):
            low |= start.slope < trial.slope < self._flatter * start.slope
        if not (finite and low) or predicted >= 0:
            self._high = trial
            if self._low is start and self._hopeless(trial, finite):
                return None
        elif self._beyond(trial):
            if trial.slope < 0 and trial.fun > self._plateau:
                self._low = trial
            else:
                self._high = trial
            if len(self.trials) >= self._patience:
                return None
        # W: flatter slope, (2.2); a step that ends at a bound was to end there, and one that
        # squeezes against a wall, beyond which there are no values, leaves no room to turn
        elif (
            trial.slope >= self._flatter * start.slope
            or ended
            or (high is not None and not math.isfinite(high.fun))
        ):
            self.best, self.wolfe = trial, True
            return None
        else:
            previous, self._low = self._low, trial
            if high is None:
                return _extended(previous, trial)
        assert self._high is not None
        if -trial.t * start.slope < self._least:
            if self._low.fun < start.fun and self._hidden_by(-trial.t * start.slope) > 0:
                self.best, self.wolfe = self._low, True  # all that values can show
            return None
        if self._low is start and 0 < self._null_within < trial.t and self._idle(trial):
            return self._null_within
        return self._reduce()

    def _reduce(self) -> float | None:
        """A step inside the bracket, if there is one."""
        assert self._high is not None
        if not self._low.t < self._high.t:  # both are lost to underflow
            return None
        t = self._reduced(self._low, self._high, self._reductions, self.shortest)
        self._reductions += 1
        return t if self._low.t < t < self._high.t else None

    def _beyond(self, trial: LinePoint) -> bool:
        """Whether this step leads to a plateau, or to nothing lower than one farther on.

        Nothing is left of the gradient there, and the fall is less than half a parabola's.
        """
        start = self._start
        flat = abs(trial.slope) <= -EPS * start.slope
        flat = flat and start.fun - trial.fun < -0.5 * WOLFE * trial.t * start.slope
        if flat and np.abs(trial.grad).max() <= EPS * np.abs(start.grad).max():
            self._plateau = trial.fun
        return trial.fun >= self._plateau

    def _idle(self, high: LinePoint) -> bool:
        """Whether tangents of the start and of a higher point leave next to nothing between."""
        start = self._start
        bend = high.slope - start.slope
        if not 0 < bend < math.inf:
            return False
        meet = (high.slope * high.t - (high.fun - start.fun)) / bend
        return -start.slope * meet <= self._least

    def _hidden(self, trial: LinePoint) -> bool:
        """Whether what slopes say of a decrease may be hidden by rounding of values."""
        if self.rounded is None:
            return False
        rise, predicted = trial.fun - self._start.fun, -trial.t * self._start.slope
        return -rise <= self._c1 * predicted and rise <= self._hidden_by(predicted)

    def _hidden_by(self, predicted: float) -> float:
        """The rise that may be rounding's where slopes predict so much of a decrease."""
        return 0.0 if self.rounded is None else self.rounded(predicted)

    def _hopeless(self, trial: LinePoint, finite: bool) -> bool:
        """Whether to give up after a trial that was no decrease, as none before it was."""
        start = self._start
        null = finite and trial.slope >= WOLFE * start.slope and trial.t <= self._null_within
        null = null and (self._least == 0 or self._idle(trial))
        futile = -trial.t * start.slope < self._futile
        spent = len(self.trials) >= self._patience
        return null or futile or spent or _noise(self.trials, start.fun) or self._too_flat()

    def _too_flat(self) -> bool:
        """Whether values fell, but by far less than predicted, however long the step was.

        The rate at which values of a differentiable function fall tends to the slope.
        """
        few = self.trials[-1 - WITNESSES :]
        shortened = len(few) > WITNESSES and few[-1].t <= SHORTENED * few[0].t
        return shortened and all(trial.fun < self._start.fun for trial in few)

    def spent(self, problem: Problem, x: Array, direction: Array) -> bool:
        """Whether there are trials enough, or the bracket's ends are one point.

        That is so in rounding, or for differences, which lead farther than from end to end.
        """
        if len(self.trials) >= MAX_TRIALS:
            return True
        if self._high is None:
            return False
        low, high = self._low.t, self._high.t
        if problem.differences is not None:
            between = (high - low) * np.abs(direction)
            if (between <= np.abs(problem.differences.displaced(x))).all():
                return True
        return _no_room(x, direction, low, high)


def require_constants(c1: float, c2: float | None) -> None:
    """Raise unless ``0 < c1 < c2 < 1``; a ``c2`` of None is not looked at."""
    require_real("c1", c1, above=0, below=WOLFE if c2 is None else 1)
    if c2 is not None:
        require_real("c2", c2, above=c1, below=1)


class _Line:
    """The way along a direction, bent where variables meet their bounds."""

    def __init__(
        self,
        box: tuple[Array, Array] | None,
        x: Array,
        grad: Array,
        direction: Array,
        slope: float,
    ) -> None:
        self._x, self._grad, self._direction, self._slope = x, grad, direction, slope
        self._bent = box is not None
        if box is not None:
            self._bound = np.where(direction < 0, *box)
            self._room = np.full(len(x), np.inf)
            np.divide(self._bound - x, direction, out=self._room, where=direction != 0)
            # where the first variable meets its bound, but for rounding
            self._first = (1 - AT_BOUND) * float(self._room.min())

    def trial(
        self, t: float, told: Callable[[float, float, float, bool], float | None] | None = None
    ) -> Generator[Ask, Any, tuple[LinePoint, float, bool]]:
        """A point, the change of the value that is predicted for it, and whether it is an end.

        That is the first bound, or where the last variable has met its own. ``told`` gives the
        slope where the value tells enough.
        """
        x, predicted, moving, ended = self._x, t * self._slope, self._direction, False
        if not (self._bent and t >= self._first):
            x = along(x, moving, t)
        else:
            x, straight, moving = self._at(t)
            predicted = predicted if straight else float(self._grad @ (x - self._x))
            ended = straight or not moving.any()
        if told is not None:
            fun = yield from ask_value(x)
            slope = told(t, fun, predicted, ended)
            if slope is not None:
                return LinePoint(t, x, fun, np.full(x.size, np.nan), slope), predicted, ended
        fun, grad = (yield Ask(x[None], 1, known=told is not None)).first()
        return LinePoint(t, x, fun, grad, ddot(grad, moving)), predicted, ended

    def complete(self, best: LinePoint, start: LinePoint) -> Generator[Ask, Any, LinePoint]:
        """A point with its gradient, if that was not asked for; the start if there is none."""
        if not math.isnan(best.grad[0]):
            return best
        fun, grad = (yield Ask(best.x[None], 1, known=True)).first()
        point = LinePoint(best.t, best.x, fun, grad, ddot(grad, self._direction))
        return point if point.slope - point.slope == 0 else start

    def _at(self, t: float) -> tuple[Array, bool, Array]:
        """The point, whether it is on the line, and the direction there."""
        met = self._room * (1 - AT_BOUND) <= t
        x = np.where(met, self._bound, self._x + t * self._direction)
        # one that has just arrived is still on the line
        past = self._room * (1 + AT_BOUND) < t
        return x, not past.any(), np.where(past, 0.0, self._direction)


def _noise(trials: list[LinePoint], fun: float) -> bool:
    """Whether changes of the value have ceased to shrink with the step: they are noise."""
    if len(trials) <= WITNESSES:
        return False
    earlier, last = trials[-1 - WITNESSES], trials[-1]
    change = abs(last.fun - fun)
    stays = change >= 0.5 * abs(earlier.fun - fun) and last.t <= SHORTENED * earlier.t
    return stays and change <= MOST_NOISE * abs(fun)


def _extended(previous: LinePoint, low: LinePoint) -> float:
    """A longer step: where the secant of the slope vanishes, within limits."""
    change = low.slope - previous.slope
    factor = 2.0
    if change > 0:
        factor = (low.t - low.slope * (low.t - previous.t) / change) / low.t
    return low.t * min(max(factor, 2.0), FASTEST_GROWTH)


def _reduced(low: LinePoint, high: LinePoint, reductions: int, shortest: float) -> float:
    """A step inside the bracket: for a kink or for a parabola at first, then its middle.

    The tangents of the ends meet at a kink; a parabola's meet in the middle, wherever
    its minimum is.
    """
    width = high.t - low.t
    bend, rise = high.slope - low.slope, high.fun - low.fun
    if reductions >= INTERPOLATIONS or not np.isfinite(rise):
        return low.t + 0.5 * width
    meet = (high.slope - rise / width) / bend if bend > 0 else 0.5
    if 0 < meet < 1 and abs(meet - 0.5) > ALIKE:
        # beyond it the slope has changed sign
        return low.t + min(max((1 + MINOR) * meet, shortest), 1 - SHORTEST) * width
    excess = rise - low.slope * width
    share = -low.slope * width / (2 * excess) if excess > 0 else 0.5
    return low.t + min(max(share, shortest), 0.5) * width


def _reduced_by_cubic(low: LinePoint, high: LinePoint, reductions: int, shortest: float) -> float:
    """A step inside the bracket: where the cubic through both ends has its minimum.

    Nocedal, Wright (2006), (3.59), in shares of the bracket; its middle later on.
    """
    width = high.t - low.t
    share = 0.5
    if reductions < INTERPOLATIONS and np.isfinite(high.fun):
        d1 = low.slope + high.slope - 3 * (high.fun - low.fun) / width
        square = d1 * d1 - low.slope * high.slope
        d2 = math.sqrt(square) if 0 <= square < np.inf else 0.0
        bend = high.slope - low.slope + 2 * d2
        if d2 > 0 and bend != 0:
            share = min(max(1 - (high.slope + d2 - d1) / bend, shortest), 0.6)
    return low.t + share * width


def _no_room(x: Array, direction: Array, low: float, high: float) -> bool:
    """Whether the bracket's ends are the same point in floating point."""
    if high - low > PRODUCTS * high:
        return False
    return bool(np.all(x + low * direction == x + 0.5 * (low + high) * direction))


def armijo(
    problem: Problem, x: Array, fun: float, grad: Array, direction: Array, t: float = 1.0
) -> Generator[Ask, Any, LineResult]:
    """Backtrack to a sufficient decrease."""
    return (yield from weak_wolfe(problem, x, fun, grad, direction, t, curvature=False))
