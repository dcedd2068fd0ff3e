"""The loops of `LaplacianDescent`: L-BFGS and Barzilai-Borwein, and its fixed-rate geometry.

All move along the smoothed gradient ``A^-1 g`` or what L-BFGS makes of it, and all
searches are shown the true gradient: slopes are ``g'd``.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from smoothmin._factors import WITNESSES
from smoothmin._protocol import Array, Ask, Changed, Finish, Iterate, Problem, Steps, ask_one
from smoothmin._recent import SPAN
from smoothmin._scale import PROBE
from smoothmin._status import Status
from smoothmin._verdict import Knowledge, judge
from smoothmin.descent.convergence import Convergence
from smoothmin.descent.failed_search import IDLE
from smoothmin.descent.first_point import Found
from smoothmin.descent.fixed_rate import Geometry
from smoothmin.descent.gradient_check import Doubt
from smoothmin.descent.quasi_newton import failed_search
from smoothmin.laplacian._metric import RenewedMemory, SobolevMemory
from smoothmin.laplacian._refit import Refit
from smoothmin.linesearch.line_result import LinePoint, LineResult
from smoothmin.linesearch.weak_wolfe import armijo, weak_wolfe

NO_DESCENT = "The smoothed gradient is no direction of descent"


class Smoother(Protocol):
    """What a metric is to the loops: anything that solves with A."""

    @property
    def changes(self) -> bool:
        """Whether A depends on the point it is used at."""

    def update(self, x: Array) -> None:
        """Let A be that of ``x``; only where it ``changes``."""

    def solve(self, g: Array) -> Array:
        """``A^-1 g``, a new array."""


@dataclass(slots=True)
class LoopPoint:
    """Where a loop stands: value, gradient, and what of it is free to act.

    ``free`` is the gradient without what pushes against a bound, ``smooth`` its
    image under ``A^-1``, ``norm`` its dual norm.
    """

    x: Array
    fun: float
    grad: Array
    free: Array
    smooth: Array
    norm: float

    @classmethod
    def of(
        cls, problem: Problem, smoother: Smoother, x: Array, fun: float, grad: Array
    ) -> LoopPoint:
        """Smooth the gradient at ``x``, in the metric there."""
        if smoother.changes:
            smoother.update(x)
        free = grad if problem.box is None else problem.projected_gradient(x, grad)
        smooth = smoother.solve(free)
        square = float(free.dot(smooth))
        # not so written that NaN would become 0
        return cls(x, fun, grad, free, smooth, 0.0 if square < 0 else math.sqrt(square))


class Ends:
    """When a loop is done, and what every report says of the run: ``facts``.

    Parameters
    ----------
    problem : Problem
    gtol, ftol : float or None
        The user's tolerances, of the gradient's largest element and of small decreases.
    facts : dict
    """

    def __init__(
        self, problem: Problem, gtol: float | None, ftol: float | None, facts: dict[str, Any]
    ) -> None:
        self.known, self._ftol, self.facts = Convergence(problem, gtol), ftol, facts
        self._problem = problem
        self._small = 0  # decreases in a row within ftol

    def stepped(self, here: LoopPoint, new: LoopPoint) -> None:
        """Take note of a step."""
        step = new.x - here.x
        square = float(step.dot(step))
        length = math.sqrt(square)
        curvature = float(step @ (new.grad - here.grad)) / square if square > 0 else 0.0
        self.known.stepped(new.x, new.fun, new.free, length=length, curvature=curvature)
        if self._ftol is not None:
            is_small = 0 <= here.fun - new.fun <= self._ftol * abs(new.fun)
            self._small = self._small + 1 if is_small else 0

    def reached(
        self, at: LoopPoint, promised: float, step: Array
    ) -> Generator[Ask, Any, Finish | Found | bool]:
        """The end where the metric promises a decrease, a lower point, or whether it lies there."""
        if self._small >= WITNESSES:
            message = f"Value fell by at most {self._ftol:g} of itself in {WITNESSES} steps running"
            return judge(Knowledge(message, tolerance_met=True))
        met = self.known.met(at.free)
        return met or (yield from self.known.enough(promised, step, at.x, at.fun, at.grad))

    def nothing_lower(
        self,
        message: str,
        found: LineResult | None,
        promised: float,
        at: LoopPoint,
        direction: Array,
    ) -> Generator[Ask, Any, Finish | Found]:
        """The end after a search along ``direction``, or a point that is lower after all."""
        ended = yield from self.known.nothing_lower(message, found, promised, at.x, at.fun, at.grad)
        if found is None or not isinstance(ended, Finish) or ended.status.success:
            return ended
        doubt, slope = Doubt(self._problem, enough=1), float(at.grad @ direction)
        doubt.hear(found, direction, at.fun, slope, self.known.noise(at.x, at.fun, at.grad))
        return doubt.finish or ended


def direction_within(problem: Problem, x: Array, free: Array, step: Array) -> Array:
    """``step`` on the variables that are free to move along it.

    That of a positive definite H restricted to those variables is still a descent
    (Bertsekas, SIAM J. Control Optim. 20, 1982).
    """
    if problem.box is None:
        return step
    lower, upper = problem.box
    stuck = (free == 0) & ((x <= lower) | (x >= upper))
    stuck |= ((x <= lower) & (step < 0)) | ((x >= upper) & (step > 0))
    return np.where(stuck, 0.0, step)


def secant_step(problem: Problem, here: LoopPoint, direction: Array) -> Generator[Ask, Any, float]:
    """The first length along a direction of unknown curvature: where its slope vanishes.

    One short trial gives the change of the slope. Growing from a guess instead would
    cost evaluations that grow with the number of variables.
    """
    largest = float(np.abs(direction).max())
    # a first trial moves no element farther than this share of the largest
    trial = PROBE * max(1.0, float(np.abs(here.x).max())) / largest
    moved = problem.clip(here.x + trial * direction)
    _, grad = yield from ask_one(moved)
    step = moved - here.x
    slope, change = float(here.grad @ step), float((grad - here.grad) @ step)
    return trial * -slope / change if change > 0 and math.isfinite(change) else trial


def first_scale(
    problem: Problem, smoother: Smoother, here: LoopPoint, scale: float
) -> Generator[Ask, Any, float]:
    """``scale`` if it is known, else the length of a first step along ``-A^-1 g``."""
    direction = direction_within(problem, here.x, here.free, -here.smooth)
    if scale > 0 or not float(here.free @ direction) < 0:
        return scale or 1.0
    return (yield from secant_step(problem, here, direction))


def lbfgs(
    problem: Problem,
    smoother: Smoother,
    here: LoopPoint,
    memory: SobolevMemory,
    done: Ends,
    refit: Refit | None,
) -> Steps:
    """L-BFGS in the metric of ``smoother``; ``memory.scale`` is 0 where it is unknown.

    ``refit`` may replace the metric on the way.
    """
    memory.scale = yield from first_scale(problem, smoother, here, memory.scale)
    forgotten_at = math.inf  # the value where memory was, for want of gains
    while True:
        # 1. direction; where many steps have gained nothing, and do again, the end
        if done.known.idle(here.x, here.fun, here.grad):
            if here.fun < forgotten_at:
                memory.reset()
                forgotten_at = here.fun
            else:
                beside = yield from done.nothing_lower(IDLE, None, math.inf, here, here.smooth)
                if isinstance(beside, Finish):
                    return beside
                here = LoopPoint.of(problem, smoother, *beside)
        step = memory.apply(here.free, here.smooth, -1.0)
        direction = direction_within(problem, here.x, here.free, step)
        slope = float(here.free.dot(direction))
        promised = math.inf if memory.fresh else -0.5 * slope
        ended = yield from done.reached(here, promised, direction)
        if isinstance(ended, Finish):
            return ended
        if isinstance(ended, tuple):
            here = _moved(memory, smoother, here, LoopPoint.of(problem, smoother, *ended), done)
            continue
        if ended:
            memory.reset()
            continue
        # 2. search
        found = None
        if slope < 0:
            found = yield from weak_wolfe(
                problem, here.x, here.fun, here.grad, direction, slope=slope, smooth=True
            )
        if found is None or not found.lower or found.endless:
            lower = yield from _failed(memory, found, promised, here, direction, done)
            if isinstance(lower, Finish):
                return lower
            if lower is not None:
                here = LoopPoint.of(problem, smoother, *lower)
                yield Iterate(here.x, here.fun, here.grad, dual_norm=here.norm, **done.facts)
            continue
        # 3. update
        point, straight = found.point, problem.box is None and found.wolfe
        line = (point, direction, slope) if straight else None
        new = LoopPoint.of(problem, smoother, point.x, point.fun, point.grad)
        here = _moved(memory, smoother, here, new, done, line)
        smoother, here = _refitted(problem, refit, memory, smoother, here, done)
        reply = yield Iterate(here.x, here.fun, here.grad, dual_norm=here.norm, **done.facts)
        if isinstance(reply, Changed):
            here = yield from _begun_again(problem, smoother, here.x, done)


def _refitted(
    problem: Problem,
    refit: Refit | None,
    memory: SobolevMemory,
    smoother: Smoother,
    here: LoopPoint,
    done: Ends,
) -> tuple[Smoother, LoopPoint]:
    """The metric that is the best by what was learnt, and the point in it."""
    better = None if refit is None else refit.after_step(memory)
    if refit is None or better is None:
        return smoother, here
    done.facts["sigma"] = refit.sigma
    return better, LoopPoint.of(problem, better, here.x, here.fun, here.grad)


def _begun_again(
    problem: Problem, smoother: Smoother, x: Array, done: Ends
) -> Generator[Ask, Any, LoopPoint]:
    """The point on a problem that is another one now."""
    here = LoopPoint.of(problem, smoother, x, *(yield from ask_one(x)))
    done.known.begin(here.x, here.fun, here.free)
    return here


def _failed(
    memory: SobolevMemory,
    found: LineResult | None,
    promised: float,
    here: LoopPoint,
    direction: Array,
    done: Ends,
) -> Generator[Ask, Any, Finish | Found | None]:
    """After a failed search: the end, a lower point, or none if the memory was at fault."""
    if memory.fresh or (found is not None and found.endless):
        message = failed_search(found) if found else NO_DESCENT
        return (yield from done.nothing_lower(message, found, promised, here, direction))
    done.known.searched(promised, here.fun)
    memory.reset()
    return None


def _moved(
    memory: SobolevMemory,
    smoother: Smoother,
    here: LoopPoint,
    new: LoopPoint,
    done: Ends,
    along: tuple[LinePoint, Array, float] | None = None,
) -> LoopPoint:
    """The next point, its step remembered.

    ``along`` is where it is on a line, the line's direction and first slope.
    """
    if isinstance(memory, RenewedMemory):
        memory.renew(new.x - here.x, new.grad - here.grad, smoother.solve)
    elif along is not None:
        point, direction, slope = along
        memory.follow(point.t, direction, point.t * (point.slope - slope), here, new)
    else:
        y = new.grad - here.grad
        memory.update(new.x - here.x, y, smoother.solve(y))
    done.stepped(here, new)
    return new


def barzilai_borwein(
    problem: Problem, smoother: Smoother, here: LoopPoint, scale: float, done: Ends
) -> Steps:
    """Steps of length ``s'As / s'y`` along ``-A^-1 g``, backtracked only if they go up."""
    t = yield from first_scale(problem, smoother, here, scale)
    highest = [here.fun]
    while True:
        ended = yield from done.reached(here, 0.5 * t * here.norm**2, t * here.smooth)
        if isinstance(ended, Finish):
            return ended
        direction = direction_within(problem, here.x, here.free, -here.smooth)
        if not float(here.free @ direction) < 0:
            return Finish(Status.PRECISION, f"{NO_DESCENT}.")
        found = yield from armijo(problem, here.x, max(highest), here.grad, direction, t)
        if not found.lower:
            lower = yield from done.nothing_lower(
                failed_search(found), found, math.inf, here, direction
            )
            if isinstance(lower, Finish):
                return lower
            here = LoopPoint.of(problem, smoother, *lower)
            highest = [here.fun]
            continue
        new = LoopPoint.of(problem, smoother, found.point.x, found.point.fun, found.point.grad)
        curvature = float((new.x - here.x) @ (new.grad - here.grad))
        # A s is -t g, up to what the bounds cut off
        length = found.point.t * here.norm
        t = length * length / curvature if curvature > 0 else 2 * found.point.t
        done.stepped(here, new)
        here = new
        highest = [*highest[1 - SPAN :], here.fun]
        reply = yield Iterate(here.x, here.fun, here.grad, dual_norm=here.norm, **done.facts)
        if isinstance(reply, Changed):
            here = yield from _begun_again(problem, smoother, here.x, done)
            highest = [here.fun]


class SobolevGeometry(Geometry):
    """Steps at a fixed rate along ``-A^-1 g``."""

    def __init__(self, problem: Problem, smoother: Smoother, done: Ends) -> None:
        super().__init__(problem, done.known)
        self._smoother, self._done = smoother, done

    def at(self, x: Array, fun: float, grad: Array) -> LoopPoint:
        """Smooth the gradient at ``x``."""
        return LoopPoint.of(self.problem, self._smoother, x, fun, grad)

    def stepped(self, here: LoopPoint, new: LoopPoint) -> None:
        """Take note of a step."""
        self._done.stepped(here, new)

    def reached(
        self, here: LoopPoint, promised: float, step: Array
    ) -> Generator[Ask, Any, Finish | Found | bool]:
        """The end, also where the dual norm is no number."""
        if not math.isfinite(here.norm):
            message = f"The gradient's dual norm is not finite at a value of {here.fun}."
            return Finish(Status.NONFINITE, message)
        return (yield from self._done.reached(here, promised, step))

    def within(self, here: LoopPoint, step: Array) -> Array:
        """What the bounds leave of a step."""
        return direction_within(self.problem, here.x, here.free, step)

    def facts(self, here: LoopPoint) -> dict[str, Any]:
        """The dual norm, and what there is to say of the metric."""
        return {"dual_norm": here.norm, **self._done.facts}
