"""The loop that line-search descents share: direction, search, update.

What differs between them is the `Metric`: how a gradient becomes a direction,
and what a step teaches about curvature.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any, TypeAlias, cast

import numpy as np
from scipy.linalg.blas import ddot

from smoothmin import _status
from smoothmin._estimate import ESTIMATE, CurvatureEstimate
from smoothmin._machine import HALF_OF_DIGITS
from smoothmin._protocol import (
    Array,
    Ask,
    Changed,
    Finish,
    Iterate,
    Problem,
    Reply,
    Steps,
    ask_one,
)
from smoothmin._resumable import Resumable
from smoothmin._status import Status
from smoothmin._verdict import KINK, NEGLIGIBLE
from smoothmin.descent.convergence import Convergence
from smoothmin.descent.failed_search import IDLE
from smoothmin.descent.first_point import Found, first_point
from smoothmin.descent.gradient_check import Doubt
from smoothmin.descent.hidden_constraints import Wall
from smoothmin.descent.start_at_minimum import Bottom, start_at_minimum
from smoothmin.descent.tolerances import Tolerances
from smoothmin.linesearch.line_result import MAX_TRIALS, LinePoint, LineResult
from smoothmin.linesearch.weak_wolfe import ARMIJO, MOST_NOISE, WOLFE, along, sufficient, weak_wolfe
from smoothmin.metrics.metric import Ends, Metric
from smoothmin.subproblems.box_qp import box_step
from smoothmin.subproblems.min_norm import euclidean_norm

PATIENCE = 15  # trials of a search along a metric's step, which should be right
STEEPEST = 1e3  # decrease that a first step without curvature may predict, in units of |f|

Constants: TypeAlias = tuple[float, float | None]  # c1 and c2 of a search, see `weak_wolfe`


def descend(
    problem: Problem,
    metric: Metric,
    tolerances: Tolerances | float | None,
    *,
    curvature: bool = True,
    length: float = 0.0,
    constants: Constants = (ARMIJO, None),
) -> Steps:
    """Minimize by steps along ``-H g``, each found by a weak Wolfe search.

    ``length`` is that of the first trial step, 0 for a guess; ``constants`` are the
    search's c1 and c2. With bounds, ``H`` is
    restricted to the variables that are free to move (Bertsekas, "Projected Newton
    methods", SIAM J. Control Optim. 20, 1982), and the search follows the projected path.
    """
    how = {"c1": constants[0], "c2": constants[1], "curvature": curvature}
    return _Steps(problem, metric, tolerances, length, how)


class _Steps(Resumable):
    def __init__(
        self,
        problem: Problem,
        metric: Metric,
        tolerances: Tolerances | float | None,
        length: float,
        how: dict[str, Any],
    ) -> None:
        self._problem, self._metric, self._tolerances = problem, metric, tolerances
        self._length, self._how = length, how
        self._descent: Descent | None = None  # once the start is known

    def step(self, reply: Reply) -> Generator[Ask, Any, Iterate | Finish]:
        """One step, after what the reply to the last one calls for."""
        talk = self._begin() if self._descent is None else self._descent.step(reply)
        return cast("Generator[Ask, Any, Iterate | Finish]", talk)  # any function is for this

    def _begin(self) -> Generator[Ask, Any, Iterate | Finish | None]:
        """The first step."""
        problem, given = self._problem, self._tolerances
        gtol = given.gtol if isinstance(given, Tolerances) else given
        start = yield from first_point(problem, gtol)
        if isinstance(start, Finish):
            return start
        bottom = yield from start_at_minimum(problem, start)
        if isinstance(bottom, Finish):
            return bottom
        if isinstance(bottom, tuple):
            start, bottom = bottom, None
        known, length = Convergence(problem, given), self._length
        if bottom is not None:
            start = bottom.start
            self._metric.begin_along(bottom.curvatures)
            length = min(euclidean_norm(bottom.step), length or math.inf)
        descent = Descent(problem, self._metric, known, start, length, **self._how)
        if bottom is not None:
            known.recent.afar, descent.bottom = bottom.steep, bottom
        self._descent = descent
        return (yield from descent.step(None))


class Descent:
    """Where a descent is, and what it knows.

    Attributes
    ----------
    x, f, g : ndarray (n,), float, ndarray (n,)
        The point, its value and gradient.
    length : float
        Of the last step.
    """

    bottom: Bottom | None = None  # what is known of a start that is nearly a minimum
    persistent = True  # whether a search that found nothing is tried again without memory
    tells_forgotten = True  # whether there is room for a copy of what was forgotten last

    def __init__(
        self,
        problem: Problem,
        metric: Metric,
        known: Convergence,
        start: Found,
        length: float = 0.0,
        **how: Any,
    ) -> None:
        self._problem, self.metric, self.known, self._how = problem, metric, known, how
        known.metric = metric
        self.x, self.f, self.g = start
        if problem.differences is not None:  # which see no kinks that are near
            self._how = {**how, "smooth": True, "c2": how.get("c2") or WOLFE}
        # c1 and c2 by which a first trial ends a search; None with bounds and by differences
        self._first_ends: tuple[float, float] | None = None
        if problem.box is None and problem.differences is None:
            flatter = (how.get("c2") or WOLFE) if how.get("curvature", True) else math.inf
            self._first_ends = how.get("c1", ARMIJO), flatter
        self._begin()
        self.doubt, self.wall = Doubt(problem, enough=1), Wall()
        self.length, self._guess = length, True  # of the last step; whether the next is guessed
        self._promised, self._last_chance = math.inf, False  # of the last search
        self._told = CurvatureEstimate(metric)
        self._learnt = CurvatureEstimate()  # what was forgotten last
        self._reported: CurvatureEstimate | None = None

    @property
    def estimate(self) -> CurvatureEstimate:
        """What is known of the inverse Hessian, or was known last."""
        return self._learnt if self.metric.fresh else self._told

    def observes(self, found: LineResult) -> bool:
        """Whether a search has shown that this is no problem for this method."""
        return False

    def report(self) -> Iterate:
        """The step just made."""
        iterate, estimate = Iterate(self.x, self.f, self.g), self.estimate
        if estimate is not self._reported:
            self._reported = iterate.info[ESTIMATE] = estimate
        return iterate

    def concluded(self, finish: Finish) -> Finish | None:
        """The end where nothing lower was to be found; None if that is not for this method."""
        return finish

    def step(self, reply: Reply) -> Generator[Ask, Any, Iterate | Finish | None]:
        """One step or the end; None where what is left is not for this method.

        ``reply`` is that to the last report.
        """
        finish = None
        if isinstance(reply, Changed):
            self.f, self.g = yield from ask_one(self.x)
            self._begin()
        elif self._leaving:
            return None
        elif self.known.idle(self.x, self.f, self.g):
            finish = yield from self._creep()
        if finish is None and not self._left:
            finish = yield from self._step()
        if finish is not None:
            finish.info[ESTIMATE] = self.estimate
            return finish
        return None if self._left else self.report()

    def _begin(self) -> None:
        """Take note of a point that nothing compares with."""
        self._f_at_reset, self._leaving, self._left = math.inf, False, False
        self._pg = self._problem.projected_gradient(self.x, self.g)
        self.known.begin(self.x, self.f, self._pg)

    def _step(self) -> Generator[Ask, Any, Finish | None]:
        """One step, or the end."""
        problem, metric, known = self._problem, self.metric, self.known
        # 1. direction and first trial, unless little is promised there
        while True:
            if (finish := known.met(self._pg)) is not None:
                return finish
            direction, slope, t = self._aim()
            if known.promises_much(self._promised, self.x, self.f, self.g):
                break
            ended = yield from self._promised_little(t * direction)
            if isinstance(ended, Finish):
                return ended
            if not ended:
                break
        # 2. search; most end at the first trial
        first = found = None
        if (enough := self._first_ends) is not None:
            there = along(self.x, direction, t)
            value, gradient = (yield Ask(there[None], 1, lasting=True)).first()
            first = LinePoint(t, there, value, gradient, ddot(gradient, direction))
            if sufficient(first, self.f, slope, *enough):
                found = LineResult(first, True, True, [first], slope)
        if found is None:
            found = yield from self._search(direction, slope, t, first)
        self._leaving = self.observes(found)
        walled = (len(found.trials) > 1 or not found.wolfe) and found.walled
        known.walled |= walled
        # two failures with no decrease between them but rounding's are the end as well
        noise = 0.0 if found.wolfe else self._visible()
        last = not self.persistent or metric.fresh
        self._last_chance = last or not self._f_at_reset - found.point.fun > noise
        if not found.wolfe:
            return (yield from self._failed(found, direction, noise))
        # 3. update
        self.doubt.hear(found, direction, self.f, slope, 0.0)
        metric = self.metric  # another one, maybe, by what was observed
        x, g, point = self.x, self.g, found.point
        step, change = point.x - x, point.grad - g
        ends = Ends.of(step, change, g, point.grad)
        metric.update(step, change, self._pg if problem.box is None else None, ends)
        if walled:
            learn_wall(metric, self.wall, found, x, g)
        self._move((point.x, point.fun, point.grad), ends, whole=True)
        return None

    def _search(
        self, direction: Array, slope: float, t: float, first: LinePoint | None
    ) -> Generator[Ask, Any, LineResult]:
        """A search that its first trial, where it has been made, does not end."""
        problem, metric = self._problem, self.metric
        anew = metric.fresh and (self.persistent or self.known.renewed)
        return weak_wolfe(
            problem,
            self.x,
            self.f,
            self.g,
            direction,
            t,
            slope=slope,
            patience=MAX_TRIALS if anew else PATIENCE,
            least=self._least(),
            rounded=self._rounded,
            values_first=problem.differences is not None and self.persistent,
            guessed=self._guess and self._f_at_reset == math.inf,  # no step was made yet
            first=first,
            **self._how,
        )

    def _visible(self) -> float:
        """The decrease by a failed search that is worth another one.

        By differences that is more than noise: each costs as many values as there are variables.
        """
        noise = self.known.noise(self.x, self.f, self.g)
        if self._problem.differences is None:
            return noise
        return max(noise, NEGLIGIBLE * self.known.recent.fall)

    def _least(self) -> float:
        """The decrease that values have to show for a search to go on.

        Across kinks slopes of exact gradients show more.
        """
        if self._problem.differences is None and not 0 < self.known.recent.steepness <= KINK:
            return 0.0
        return self.known.rounding(self.x, self.f, self.g)

    def _rounded(self, predicted: float) -> float:
        """What rounding may hide of a search for which so much of a decrease is predicted.

        Only where slopes are exact and the function is smooth: gradients shrink there with the
        root of what is left. Where they have nearly vanished slopes are believed before values.
        """
        steep = self.known.recent.steepness
        if self._problem.differences is not None or not 0 < steep <= KINK:
            return 0.0
        hidden = MOST_NOISE * abs(self.f)
        if predicted > hidden:
            return predicted if steep <= math.sqrt(NEGLIGIBLE) else 0.0
        return hidden

    def _failed(
        self, found: LineResult, direction: Array, noise: float
    ) -> Generator[Ask, Any, Finish | None]:
        """What a search that did not end as it should has come to: a step, or the end."""
        if found.endless:
            return Finish(Status.NONFINITE, _status.UNBOUNDED)
        if self.bottom is not None and self.known.recent.steps == 0:
            missed = self.bottom.missed(found.trials[0].x, found.trials[0].fun)
            left = yield from self.bottom.ended(self._problem, missed)
            if isinstance(left, tuple):
                self._jump(left)
            if left is not None:
                return left if isinstance(left, Finish) else None
        metric, point = self.metric, found.point
        self.doubt.hear(found, direction, self.f, found.slope, noise)
        if not self.f - point.fun > noise and not metric.fresh:
            ended = yield from self._look_closer(failed_search(found), direction)
            if ended:
                return ended if isinstance(ended, Finish) else None
        if self._last_chance and not self.f - point.fun > noise:
            return (yield from self._nothing_lower(failed_search(found), found))
        # what the metric was taught by noise or a kink misleads: once more without
        self.known.searched(math.inf if metric.fresh else self._promised, self.f)
        self._jump((point.x, point.fun, point.grad))
        return None

    def _aim(self) -> tuple[Array, float, float]:
        """The direction, its slope, and the first trial."""
        self.metric.arrive(self.x)
        direction, slope = search_direction(self._problem, self.metric, self.x, self.g)
        t = 1.0
        if self.metric.fresh:
            t = first_step(self.x, direction, self.length, self.f, slope)
        elif self._guess and self.length > 0:  # the first step, by the user's length and Hessian
            t = min(t, self.length / (euclidean_norm(direction) or math.inf))
        self._promised = math.inf if self._guess else -0.5 * slope * t
        return direction, slope, t

    def _promised_little(self, step: Array) -> Generator[Ask, Any, Finish | bool]:
        """The end, if a step has next to nothing to gain; or whether to aim anew."""
        known, promised = self.known, self._promised
        differing = self._problem.differences is not None
        if differing and known.suspects(promised, step, self.x, self.f, self.g):
            closer = yield from self._look_closer("", step)
            if closer:
                return closer
        ended = yield from known.enough(promised, step, self.x, self.f, self.g)
        if isinstance(ended, tuple):
            step, change = ended[0] - self.x, ended[2] - self.g
            ends = Ends.of(step, change, self.g, ended[2])
            self.metric.update(step, change, None, ends)
            self._move(ended, ends, whole=False)
            return True
        if ended is True:
            self._forget()  # what the metric was taught far away misleads here
        return ended

    def _look_closer(self, message: str, step: Array) -> Generator[Ask, Any, Finish | bool]:
        """The end, if central differences say so; or whether they have given a better gradient."""
        problem, metric, x = self._problem, self.metric, self.x

        def model(gradient: Array) -> Array:
            return model_step(problem, metric, x, gradient)

        found = yield from self.known.closer(message, model, step, (x, self.f, self.g))
        if found is None or isinstance(found, Finish):
            return found or False
        if isinstance(found, tuple):
            self._jump(found)
            return True
        if self.known.curvatures is not None:
            self._forget()
            metric.begin_along(self.known.curvatures)
            self.known.curvatures = None
        else:
            self.g, self._pg = found, problem.projected_gradient(x, found)
        return True

    def _creep(self) -> Generator[Ask, Any, Finish | None]:
        """The end where many steps gain nothing, after another try without memory."""
        if self._last_chance:
            return (yield from self._nothing_lower(IDLE, None))
        self._forget()
        return None

    def _nothing_lower(
        self, message: str, found: LineResult | None
    ) -> Generator[Ask, Any, Finish | None]:
        """The end, or a step to a point that is lower after all."""
        ended = yield from self.known.nothing_lower(
            message, found, self._promised, self.x, self.f, self.g
        )
        if not isinstance(ended, Finish):
            self._jump(ended)
            return None
        finish = self.concluded(ended if ended.status.success else self.doubt.finish or ended)
        self._left = finish is None
        return finish

    def _jump(self, to: Found) -> None:
        """Go where no search has led, and forget what has led elsewhere."""
        step = to[0] - self.x
        self._move(to, Ends.of(step, to[2] - self.g, self.g, to[2]), whole=False)
        self._forget()

    def _move(self, to: Found, ends: Ends, *, whole: bool) -> None:
        """Make the point at the end of a step the current one."""
        self.x, self.f, self.g = to
        self.length, self._guess = math.sqrt(ends.square), False
        curvature = ends.curvature / ends.square if ends.square > 0 else 0.0
        self._pg = self._problem.projected_gradient(self.x, self.g)
        self.known.stepped(
            self.x, self.f, self._pg, length=self.length, curvature=curvature, whole=whole
        )

    def _forget(self) -> None:
        """Start the memory afresh."""
        if self.tells_forgotten and not self.metric.fresh:
            self._learnt = CurvatureEstimate(self.metric.copied())
        self.metric.reset()
        self.length, self._guess, self._f_at_reset = 0.0, True, self.f


def model_step(problem: Problem, metric: Metric, x: Array, g: Array) -> Array:
    """To the least point of the metric's model in the box; nowhere where rounding has none."""
    if problem.box is None:
        return metric.times(-1.0, g)
    if metric.fresh:
        return metric.times(-1.0, problem.projected_gradient(x, g))
    low, high = problem.box[0] - x, problem.box[1] - x
    newton = metric.times(-1.0, g)
    if (low <= newton).all() and (newton <= high).all():  # the least point of all is in the box
        return newton
    try:
        return box_step(metric.model(), g, low, high)
    except np.linalg.LinAlgError:  # the metric is lost to rounding
        return np.zeros_like(g)


def search_direction(problem: Problem, metric: Metric, x: Array, g: Array) -> tuple[Array, float]:
    """To the least point of the metric's model in the box, and the slope there.

    Steepest descent if that is not down.
    """
    direction = model_step(problem, metric, x, g)
    slope = ddot(g, direction)
    if not slope < 0:
        metric.reset()
        direction = -problem.projected_gradient(x, g)
        slope = float(g.dot(direction))
    return direction, slope


def learn_wall(metric: Metric, wall: Wall, found: LineResult, x: Array, g: Array) -> None:
    """Teach the metric what a search from ``x`` has met where there are no values."""
    pair = wall.pair(found, x, g)
    if pair is None:
        return
    if metric.fresh:  # its scale is that of the step, not of the wall
        metric.update(found.point.x - x, -g)
    metric.update(*pair)


def first_step(
    x: Array, direction: Array, previous: float, fun: float = 0.0, slope: float = 0.0
) -> float:
    """First trial of a search without curvature: as long as the last step, or a guess.

    A guess that predicts a decrease of a thousand times the value is too long.
    """
    length = euclidean_norm(direction)
    if length == 0:  # or lost to underflow
        return 1.0
    if previous > 0:
        return previous / length
    reach = max(1.0, euclidean_norm(x)) / length
    most = STEEPEST * abs(fun / slope) if fun != 0 and slope != 0 else math.inf
    return min(max(1.0, HALF_OF_DIGITS * reach), reach, most)


def failed_search(found: LineResult) -> str:
    """Sentence for a search that found no point that suffices, without a full stop."""
    return f"The line search found nothing lower in {found.nfev} trials"
