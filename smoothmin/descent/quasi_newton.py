"""The loop that line-search descents share: direction, search, update.

What differs between them is the `Metric`: how a gradient becomes a direction,
and what a step teaches about curvature.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any, TypeAlias

import numpy as np

from smoothmin import _status
from smoothmin._estimate import ESTIMATE, Estimate
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
from smoothmin.descent.convergence import Convergence, Found, Tolerances, first_point
from smoothmin.descent.gradient_check import Doubt
from smoothmin.descent.hidden_constraints import Wall
from smoothmin.linesearch.weak_wolfe import ARMIJO, MAX_TRIALS, LineResult, weak_wolfe
from smoothmin.metrics.metric import Metric
from smoothmin.subproblems.box_qp import box_step

EPS = float(np.finfo(float).eps)
PATIENCE = 15  # trials of a search along a metric's step, which should be right
STEEPEST = 1e3  # decrease that a first step without curvature may predict, in units of |f|
SHORTEST_GUESS = 1e-8  # of a first step without curvature, in units of max(1, |x|)

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
    return _Steps(problem, metric, tolerances, curvature, length, constants)


class _Steps(Resumable):
    def __init__(
        self,
        problem: Problem,
        metric: Metric,
        tolerances: Tolerances | float | None,
        curvature: bool,
        length: float,
        constants: Constants,
    ) -> None:
        self._problem, self._metric, self._tolerances = problem, metric, tolerances
        self._curvature, self._length, self._constants = curvature, length, constants
        self._descent: _Descent | None = None  # once the start is known

    def step(self, reply: Reply) -> Generator[Ask, Any, Iterate | Finish]:
        """One step, after what the reply to the last one calls for."""
        descent = self._descent
        if descent is None:
            begun = yield from self._begin()
            if isinstance(begun, Finish):
                return begun
            self._descent = descent = begun
        elif isinstance(reply, Changed):
            yield from descent.look_again()
        elif (finish := (yield from descent.creep())) is not None:
            finish.info[ESTIMATE] = descent.estimate
            return finish
        finish = yield from descent.step(self._curvature)
        if finish is not None:
            finish.info[ESTIMATE] = descent.estimate
            return finish
        return Iterate(descent.x, descent.f, descent.g, **{ESTIMATE: descent.estimate})

    def _begin(self) -> Generator[Ask, Any, _Descent | Finish]:
        """Where the descent begins, unless it ends there."""
        problem, given = self._problem, self._tolerances
        gtol = given.gtol if isinstance(given, Tolerances) else given
        start = yield from first_point(problem, gtol)
        if isinstance(start, Finish):
            return start
        known = Convergence(problem, given)
        return _Descent(problem, self._metric, known, start, self._length, self._constants)


class _Descent:
    """Where a descent is, and what it knows."""

    def __init__(
        self,
        problem: Problem,
        metric: Metric,
        known: Convergence,
        start: Found,
        length: float,
        constants: Constants,
    ) -> None:
        self._c1, self._c2 = constants
        self._problem, self._metric, self._known = problem, metric, known
        self.x, self.f, self.g = start
        known.begin(self.x, self.f, self._projected)
        self._doubt, self._wall = Doubt(problem, enough=1), Wall()
        self._length, self._guess = length, True  # of the last step; whether the next is guessed
        self._f_at_reset = math.inf
        self._promised, self._last_chance = math.inf, False  # of the last search
        self._cause = self._projected  # projected gradient that the last direction was made of
        self._learnt: Metric | None = None  # what was forgotten last

    @property
    def estimate(self) -> Estimate:
        """What is known of the inverse Hessian, or was known last."""
        return Estimate(self._learnt if self._metric.fresh else self._metric)

    @property
    def _projected(self) -> Array:
        return self._problem.projected_gradient(self.x, self.g)

    def step(self, curvature: bool) -> Generator[Ask, Any, Finish | None]:
        """One step, or the end."""
        problem, metric, known = self._problem, self._metric, self._known
        # 1. direction and first trial
        aim = yield from self._aim()
        if isinstance(aim, Finish):
            return aim
        direction, t = aim
        # 2. search
        patience = MAX_TRIALS if metric.fresh else PATIENCE
        found = yield from weak_wolfe(
            problem,
            self.x,
            self.f,
            self.g,
            direction,
            t,
            curvature=curvature,
            patience=patience,
            c1=self._c1,
            c2=self._c2,
        )
        if found.endless:
            return Finish(Status.NONFINITE, _status.UNBOUNDED)
        noise = 0.0 if found.wolfe else known.noise(self.x, self.f, self.g)
        self._doubt.hear(found, direction, self.f, float(self.g @ direction), noise)
        # two failures with no decrease between them but rounding's are the end as well
        self._last_chance = metric.fresh or not self._f_at_reset - found.point.fun > noise
        if not found.wolfe and self._last_chance and not self.f - found.point.fun > noise:
            return (yield from self._nothing_lower(failed_search(found), found))
        # 3. update
        if found.wolfe:
            new = found.point
            cause = self._cause if problem.box is None else None
            metric.update(new.x - self.x, new.grad - self.g, cause, new.grad)
            learn_wall(metric, self._wall, found, self.x, self.g)
        else:
            # what the metric was taught by noise or a kink misleads: once more without
            known.searched(math.inf if metric.fresh else self._promised, self.f)
        self._move((found.point.x, found.point.fun, found.point.grad), whole=found.wolfe)
        if not found.wolfe:
            self._forget()
        return None

    def _aim(self) -> Generator[Ask, Any, Finish | tuple[Array, float]]:
        """The direction and the first trial along it, unless little is promised there."""
        problem, metric, known = self._problem, self._metric, self._known
        while True:
            self._cause = self._projected
            if (finish := known.met(self._cause)) is not None:
                return finish
            direction = search_direction(problem, metric, self.x, self.g)
            slope = float(self.g @ direction)
            t = first_step(self.x, direction, self._length, self.f, slope) if metric.fresh else 1.0
            self._promised = math.inf if self._guess else -0.5 * slope * t
            ended = yield from known.enough(self._promised, t * direction, self.x, self.f, self.g)
            if isinstance(ended, Finish):
                return ended
            if not ended:
                return direction, t
            self._forget()  # what the metric was taught far away misleads here

    def look_again(self) -> Generator[Ask, Any, None]:
        """Evaluate the point anew: the problem has changed."""
        self.f, self.g = yield from ask_one(self.x)
        self._f_at_reset = math.inf
        self._known.begin(self.x, self.f, self._projected)

    def creep(self) -> Generator[Ask, Any, Finish | None]:
        """The end where many steps gain nothing, after another try without memory."""
        if not self._known.idle(self.x, self.f, self.g):
            return None
        if self._last_chance:
            return (yield from self._nothing_lower("Steps gain no more than rounding", None))
        self._forget()
        return None

    def _nothing_lower(
        self, message: str, found: LineResult | None
    ) -> Generator[Ask, Any, Finish | None]:
        """The end, or a step to a point that is lower after all."""
        ended = yield from self._known.nothing_lower(
            message, found, self._promised, self.x, self.f, self.g
        )
        if not isinstance(ended, Finish):
            self._move(ended, whole=False)
            self._forget()
            return None
        return ended if ended.status.success else self._doubt.finish or ended

    def _move(self, to: Found, *, whole: bool) -> None:
        step, change = to[0] - self.x, to[2] - self.g
        self.x, self.f, self.g = to
        square = float(step.dot(step))
        self._length, self._guess = math.sqrt(square), False
        curvature = float(step.dot(change)) / square if square > 0 else 0.0
        self._known.stepped(
            self.x, self.f, self._projected, length=self._length, curvature=curvature, whole=whole
        )

    def _forget(self) -> None:
        """Start the memory afresh."""
        if not self._metric.fresh:
            self._learnt = self._metric.copied()
        self._metric.reset()
        self._length, self._guess, self._f_at_reset = 0.0, True, self.f


def search_direction(problem: Problem, metric: Metric, x: Array, g: Array) -> Array:
    """To the least point of the metric's model in the box; steepest descent if it is not down."""
    pg = problem.projected_gradient(x, g)
    if problem.box is None or metric.fresh:
        direction = -metric.apply(pg)
    else:
        lower, upper = problem.box
        try:
            direction = box_step(metric.model(), g, lower - x, upper - x)
        except np.linalg.LinAlgError:  # the metric is lost to rounding
            direction = np.zeros_like(g)
    if not g @ direction < 0:
        metric.reset()
        direction = -pg
    return direction


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
    length = float(np.linalg.norm(direction))
    if length == 0:  # or lost to underflow
        return 1.0
    if previous > 0:
        return previous / length
    reach = max(1.0, float(np.linalg.norm(x))) / length
    if fun != 0 and slope != 0:
        reach = min(reach, STEEPEST * abs(fun / slope))
    return min(max(1.0, SHORTEST_GUESS * reach), reach)


def failed_search(found: LineResult) -> str:
    """Sentence for a search that found no point that suffices, without a full stop."""
    return f"The line search found nothing lower in {found.nfev} trials"
