"""Where a descent across kinks stands, and how it moves."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from smoothmin._estimate import ESTIMATE, CurvatureEstimate
from smoothmin._machine import LARGE
from smoothmin._protocol import Array, Ask, Finish, Iterate, Problem
from smoothmin._recent import SIDES, faded
from smoothmin._scale import START_SHARE
from smoothmin._verdict import KINK
from smoothmin.descent.convergence import Convergence
from smoothmin.descent.first_point import Found, first_point
from smoothmin.descent.gradient_check import Doubt
from smoothmin.descent.gradient_sampling.bundle import MOST_TANGENTS, Bundle
from smoothmin.descent.gradient_sampling.smooth_descent import (
    LIKE_FOURTH_POWER,
    ON_A_KINK,
    SmoothDescent,
    skewness,
)
from smoothmin.descent.gradient_sampling.stationarity import Certifier, Proof
from smoothmin.descent.hidden_constraints import Wall
from smoothmin.descent.tolerances import Tolerances
from smoothmin.linesearch.line_result import LinePoint, LineResult
from smoothmin.linesearch.weak_wolfe import weak_wolfe
from smoothmin.metrics.dense_bfgs import InverseHessian
from smoothmin.metrics.diagonal_scaling import coordinate_scales, starting_scales
from smoothmin.metrics.lbfgs import PAIRS, LimitedMemory
from smoothmin.metrics.metric import Ends
from smoothmin.metrics.product_form import dense

if TYPE_CHECKING:
    from smoothmin.descent.gradient_sampling.method import GradientSamplingDescent

NO_ESTIMATE = CurvatureEstimate()  # of curvature: across kinks a metric is none


class StepOutcome(Enum):
    """What a source of steps has come to."""

    LOWER = 1  # the state has moved to a lower point
    NOTHING = 2  # the next source is to try
    STATIONARY = 3  # there seems to be nothing lower: the hull is to tell


class StepSource(Protocol):
    """A way to lower points; it moves the state that it was made for."""

    def step(self) -> Generator[Ask, Any, StepOutcome]:
        """Ask for values until a point is lower, or there is nothing more to be had."""
        ...


class State:
    """The point with its value and gradient, the metric, the bundle, the radius, and accounts.

    Attributes
    ----------
    watchers : list of callables
        Told of each search along a line: its result, before the state moves.
    small_steps : int
        Steps in a row too short, or too little lower, to matter.
    skewness : float
        How unlike a parabola the last steps' changes were, a mean: by the trapezoid rule a change
        is half of what the slopes at both ends make it, and off by up to half across a kink.
    """

    def __init__(
        self, options: GradientSamplingDescent, problem: Problem, rng: np.random.Generator
    ) -> None:
        self.problem, self.rng, self.settings = problem, rng, options.settings
        n = problem.x0.size
        self._dense = n <= options.dense_up_to
        # of many variables half as many rows as a limited memory has
        most = MOST_TANGENTS if self._dense else PAIRS // 2
        self._remembered = min(2 * n + 10, most) if options.memory is None else options.memory
        if self._dense and n >= LARGE:
            dense(n)  # before anything is evaluated, if there is memory for one
        self.x, self.f = problem.clip(problem.x0), math.inf
        size = float(np.abs(self.x).max(initial=1.0))
        tolerances = options.stationarity_tol, options.radius_tol
        given = Tolerances(options.stationarity_tol, norm=2, called="gtol or stationarity_tol")
        self.known = Convergence(problem, given)
        self.known.nearby.wanted = False  # the bundle knows them
        self.promised = math.inf  # by the metric, at the last search
        self.ended: Finish | None = None
        self.proof: Proof | None = None  # of an end, that values nearby may still deny
        self.certifier = Certifier(problem, *tolerances)
        self.radius = START_SHARE * size if options.radius is None else options.radius
        self.last_step = 0.0
        self.small_steps = 0
        self.skewness = ON_A_KINK
        self.doubt, self.wall = Doubt(problem), Wall()
        self.watchers: list[Callable[[LineResult], None]] = []
        self.learnt: list[LinePoint] = []  # before the first step here
        self.failed: LineResult | None = None  # a search from here that found nothing
        self._smooth: SmoothDescent | None = None  # the descent before a kink was seen
        self._calm, self._wait = 0, SIDES  # steps in a row without kinks, and how many will do

    @cached_property
    def bundle(self) -> Bundle:
        """What is known around the point, once it is wanted."""
        return Bundle(self.problem.x0.size, self._remembered)

    @cached_property
    def metric(self) -> LimitedMemory | InverseHessian:
        """The metric, once it is wanted."""
        n = self.problem.x0.size
        if self._dense:
            return InverseHessian(n, growing=self.problem.box is not None)
        return LimitedMemory(n, PAIRS)

    def start(self) -> Generator[Ask, Any, Finish | None]:
        """Evaluate the point, with nothing known around it."""
        start = yield from first_point(self.problem.at(self.x), self.certifier.tolerance)
        if isinstance(start, Finish):
            return start
        self._begin(start)
        self._surround([])
        return None

    def _begin(self, start: Found) -> None:
        """Make a point of which nothing is known around it the current one."""
        self.x, self.f, self.g = start
        self.known.begin(self.x, self.f, self.problem.projected_gradient(self.x, self.g))
        wanted = self.settings.starting_scales
        self.scales = starting_scales(self.x, self.g) if wanted else np.ones(self.x.size)

    def smooth_start(self) -> Generator[Any, Any, Finish | None]:
        """Descend as on a smooth function, for as long as it seems to be one."""
        start = yield from first_point(self.problem, self.certifier.tolerance)
        if isinstance(start, Finish):
            return start
        self._begin(start)
        remembered, settings = self._remembered, self.settings.search
        # what is to be had beyond is a dense metric: a limited memory is as good across kinks
        descent = SmoothDescent(
            self.problem,
            self.known,
            start,
            remembered,
            settings,
            self.scales,
            watchful=self._dense,
        )
        self._smooth = descent
        return (yield from self._go_smoothly(descent))

    def smooth_again(self) -> Generator[Any, Any, Finish | None]:
        """Go on as on a smooth function, since no kinks are seen any more."""
        assert self._smooth is not None
        self._calm, self._wait = 0, 2 * self._wait
        self._smooth.go_on(self.here, self.metric, self.last_step)
        return (yield from self._go_smoothly(self._smooth))

    def _go_smoothly(self, descent: SmoothDescent) -> Generator[Any, Any, Finish | None]:
        """Until kinks are seen, and then surround the point with what is known."""
        message = yield from descent.step(None)
        while isinstance(message, Iterate):
            message = yield from descent.step((yield message))
        self.x, self.f, self.g = descent.x, descent.f, descent.g
        if message is not None:
            message.info.update(descent.facts)
            return message
        self._surround(list(descent.points))
        descent.points.clear()
        self.last_step, self.skewness = descent.length, ON_A_KINK
        self.wall = descent.wall
        self.doubt.go_on(descent.doubt)
        self.failed = None if descent.failed is None or descent.failed.lower else descent.failed
        descent.failed = None
        self._inherit(descent)
        return None

    def _inherit(self, descent: SmoothDescent) -> None:
        """Go on with what a limited memory has learnt."""
        if self._dense:
            descent.thicken()
        if descent.metric.fresh:
            if isinstance(descent.metric, LimitedMemory):
                descent.metric.release()
            self._scale(self.bundle.changes())
        else:
            self.metric = descent.metric

    def _scale(self, changes: Array) -> None:
        """Begin the metric with the scales that first changes of the gradient (m, n) show.

        The changes are overwritten.
        """
        scales = self.scales
        if self.settings.starting_scales:
            changes *= scales
            scales = scales * coordinate_scales(changes)
        self.metric.start(scales)

    def _surround(self, points: list[LinePoint]) -> None:
        """Make what is known of the surroundings known to all."""
        self.bundle.restart(self.x, self.f, self.g)
        for point in points:
            if point.x is not self.x:
                self.bundle.add(point.x, point.fun, point.grad)
        self.learnt = points if self._dense else []  # as many vectors as a memory has
        self.certifier.start(self.x, self.f, self.g)

    @property
    def here(self) -> LinePoint:
        """The point."""
        return LinePoint(0.0, self.x, self.f, self.g, 0.0)

    def noise(self) -> float:
        """What the value's noise may be, and rounding: of itself and of the coordinates."""
        summed = self.known.summed(self.x, self.f, self.g)
        return max(self.problem.noise, self.problem.unit * summed)

    def iterate(self) -> Iterate:
        """The step just made, with the certificate of its gradient alone."""
        known = self.certifier.latest
        told = {"stationarity": known.stationarity, "radius": known.radius, ESTIMATE: NO_ESTIMATE}
        return Iterate(self.x, self.f, self.g, **told)

    def move(self, point: LinePoint, cause: Array | None) -> None:
        """Step to a point and learn its curvature; ``cause`` as in `Metric.update`."""
        if self.metric.fresh:
            self._scale(self.bundle.changes())
        step, change = point.x - self.x, point.grad - self.g
        self.metric.update(step, change, cause, Ends.of(step, change, self.g, point.grad))
        self.settle(point)

    def settle(self, point: LinePoint) -> None:
        """Make a point the current one."""
        step = point.x - self.x
        self._compare(step, point)
        square = float(step @ step)
        self.last_step = math.sqrt(square)
        curvature = float(step @ (point.grad - self.g)) / square if square > 0 else 0.0
        small = self.last_step <= self.certifier.least_radius or self.f - point.fun <= self.noise()
        self.small_steps = self.small_steps + 1 if small else 0
        self.x, self.f, self.g = point.x, point.fun, point.grad
        self.bundle.move(self.x, self.f, self.g)
        pg = self.problem.projected_gradient(self.x, self.g)
        self.known.stepped(self.x, self.f, pg, length=self.last_step, curvature=curvature)
        recent = self.known.recent
        calm = 0 < recent.steepness <= KINK and self.skewness < LIKE_FOURTH_POWER / 2
        self._calm = self._calm + 1 if calm else 0
        lately = recent.moved(self.x), recent.fallen
        self.certifier.move(self.x, self.f, self.g, self.last_step, lately)

    @property
    def calm(self) -> bool:
        """Whether gradients shrink as on a smooth function, and no kinks were met lately."""
        return self._smooth is not None and self._calm >= self._wait

    def _compare(self, step: Array, point: LinePoint) -> None:
        """Update the skewness by a step to a point."""
        slopes = float(self.g @ step), float(point.grad @ step)
        self.skewness = faded(self.skewness, skewness(point.fun - self.f, *slopes))

    def search(self, direction: Array, t: float, **how: Any) -> Generator[Ask, Any, LineResult]:
        """A weak Wolfe search of which the bundle keeps every point."""
        found = yield from weak_wolfe(self.problem, self.x, self.f, self.g, direction, t, **how)
        for trial in found.known:
            self.bundle.add(trial.x, trial.fun, trial.grad)
        for watch in self.watchers:
            watch(found)
        return found

    def sample_at(self, points: Array) -> Generator[Ask, Any, bool]:
        """Gradients at some points (k, n); true after a step to a lower one."""
        answers = yield Ask(points, 1)
        values, gradients = answers.values, answers.gradients
        for x, f, g in zip(points, values, gradients, strict=True):
            self.bundle.add(x, float(f), g)
        usable = np.isfinite(values) & np.isfinite(gradients).all(axis=1)
        if not usable.any():
            return False
        k = int(np.where(usable, values, np.inf).argmin())
        if not values[k] < self.f:
            return False
        self.settle(LinePoint(0.0, points[k], float(values[k]), gradients[k], 0.0))
        return True
