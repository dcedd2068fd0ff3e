"""Where a descent across kinks stands, and how it moves."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np

from smoothmin import _status
from smoothmin._protocol import Array, Ask, Finish, Iterate, Problem, ask_one
from smoothmin._status import Status
from smoothmin.descent.gradient_check import Doubt
from smoothmin.descent.gradient_sampling.bundle import Bundle
from smoothmin.descent.gradient_sampling.bundle_newton import MOST_VARIABLES, PiecewisePhase
from smoothmin.descent.gradient_sampling.certificate import Certificate
from smoothmin.descent.gradient_sampling.proximal_bundle import ProximalPhase
from smoothmin.descent.gradient_sampling.self_scaling import ScalingTrials
from smoothmin.descent.hidden_constraints import Wall
from smoothmin.descent.quasi_newton import EPS, RESOLVED
from smoothmin.linesearch.weak_wolfe import LinePoint, LineResult, weak_wolfe
from smoothmin.metrics.dense_bfgs import InverseHessian
from smoothmin.metrics.diagonal_scaling import coordinate_scales, starting_scales
from smoothmin.metrics.lbfgs import LimitedMemory
from smoothmin.metrics.metric import Metric

if TYPE_CHECKING:
    from smoothmin.descent.gradient_sampling.method import GradientSamplingDescent

SMALL_STEPS = 10  # steps within the final radius before the hull is asked, ...
SHRINK = 0.1  # of radius and stationarity target, where the hull reaches the target
BLUR = 10.0  # least radius of the certificate, in units of finite differences' step
NEARBY = 1e-5  # largest radius asked for, in units of the largest element of x so far
LEAST_NULLS, MOST_NULLS = 30, 100  # enlargements of a hull: n, but between these


class KinkState:
    """The point, the metric, the bundle, the certificate, the radius."""

    def __init__(
        self, options: GradientSamplingDescent, problem: Problem, rng: np.random.Generator
    ) -> None:
        self.problem, self.rng = problem, rng
        n = problem.x0.size
        self._tolerance = self.stationarity_tol = options.stationarity_tol
        self.samples = min(n + 1, 100) if options.samples is None else options.samples
        memory = min(2 * n + 10, 250) if options.memory is None else options.memory
        self.bundle = Bundle(n, memory)
        self.metric: Metric = (
            InverseHessian(n, growing=problem.box is not None)
            if n <= options.dense_up_to
            else LimitedMemory(n, 20)
        )
        self.scaling = ScalingTrials(self.metric)
        self.x = problem.clip(problem.x0)
        self.size = float(np.abs(self.x).max(initial=1.0))
        # finite differences tell nothing of kinks nearer than their step; where noise makes
        # them long this is no success
        usual = min(problem.resolution, EPS**0.5) if problem.noise else problem.resolution
        self._radius_tol, self._blur = options.radius_tol, BLUR * usual * self.size
        self.largest = 0.0  # element of x so far
        self.radius = 0.1 * self.size if options.radius is None else options.radius
        self.ceiling = self.radius
        self.last_step = 0.0
        self.small_steps, self.small_steps_needed = 0, SMALL_STEPS
        self.in_vain = 0
        self.doubt, self.wall = Doubt(problem), Wall()
        self.most_nulls = min(max(n, LEAST_NULLS), MOST_NULLS, memory)

    def start(self) -> Generator[Ask, Any, Finish | None]:
        """Evaluate the point, with nothing known around it."""
        self.f, self.g = yield from ask_one(self.x)
        if not np.isfinite(self.f):
            return Finish(Status.NONFINITE, _status.nonfinite_start(self.f))
        if not np.isfinite(self.g).all():
            return Finish(Status.NONFINITE, _status.NONFINITE_GRADIENT)
        self.bundle.restart(self.x, self.f, self.g)
        self.scales = starting_scales(self.x, self.g)
        # steps to where pieces meet end on kinks, where finite differences are no gradients
        exact = self.problem.box is None and self.problem.resolution == 0
        few = exact and self.x.size <= MOST_VARIABLES
        self.piecewise = PiecewisePhase(self.x.size) if few else None
        self.proximal = ProximalPhase(self.x.size) if few else None
        if self.piecewise is not None:
            self.piecewise.watch(LinePoint(0.0, self.x, self.f, self.g, 0.0), self.x, self.f, 0.0)
        self.target = SHRINK * float(np.linalg.norm(self.g))
        self.certificate = self.closest = self._own_certificate()
        # how a function is scaled does not make its start a minimum
        first = self.certificate.stationarity
        self.stationarity_tol, self.resolved = self._tolerance * min(1.0, first), RESOLVED * first
        return None

    def _own_certificate(self) -> Certificate:
        pg = self.problem.projected_gradient(self.x, self.g)
        return Certificate(float(np.linalg.norm(pg)), 0.0)

    def _closer(self, one: Certificate, other: Certificate) -> Certificate:
        """The one of less stationarity, of those within the radius needed."""
        near = [known for known in (one, other) if known.radius <= self.radius_needed]
        return min(near or [other], key=lambda known: known.stationarity)

    @property
    def radius_needed(self) -> float:
        """The radius of success: small beside the variables too, or beside the way to f = 0."""
        self.largest = max(self.largest, float(np.abs(self.x).max()))
        size, slope = self.largest, float(np.linalg.norm(self.g))
        if size == 0 and slope > 0:
            size = abs(self.f) / slope
        share = NEARBY * size if size > 0 else np.inf
        return max(min(self._radius_tol, share), self._blur)

    @property
    def radius_tol(self) -> float:
        """The least radius that gradients can tell anything of."""
        return max(self.radius_needed, BLUR * self.problem.resolution * self.size)

    def _noise(self) -> float:
        """What the value's noise may be, and rounding: of itself and of the coordinates."""
        rounding = EPS * (abs(self.f) + float(np.abs(self.g) @ np.abs(self.x)))
        return max(self.problem.noise, rounding)

    def iterate(self) -> Iterate:
        """The step just made, with the certificate of its gradient alone."""
        known = self.certificate
        return Iterate(self.x, self.f, self.g, stationarity=known.stationarity, radius=known.radius)

    def _move(self, point: LinePoint, cause: Array | None) -> None:
        """Step to a point and learn its curvature; ``cause`` as in `Metric.update`."""
        if self.metric.fresh:
            changes = self.bundle.changes() * self.scales
            self.metric.start(self.scales * coordinate_scales(changes))
        self.metric.update(point.x - self.x, point.grad - self.g, cause, point.grad)
        self._settle(point)

    def _settle(self, point: LinePoint) -> None:
        """Make a point the current one."""
        step = point.x - self.x
        self.last_step = float(np.linalg.norm(step))
        small = self.last_step <= self.radius_tol or self.f - point.fun <= self._noise()
        self.small_steps = self.small_steps + 1 if small else 0
        self.x, self.f, self.g = point.x, point.fun, point.grad
        self.bundle.move(self.x, self.f, self.g)
        self.certificate = self._own_certificate()
        moved = dataclasses.replace(self.closest, radius=self.closest.radius + self.last_step)
        self.closest = self._closer(moved, self.certificate)

    def _search(self, direction: Array, t: float, **how: Any) -> Generator[Ask, Any, LineResult]:
        """A weak Wolfe search of which the bundle keeps every point."""
        found = yield from weak_wolfe(self.problem, self.x, self.f, self.g, direction, t, **how)
        for trial in found.trials:
            self.bundle.add(trial.x, trial.fun, trial.grad)
            if self.piecewise is not None:
                self.piecewise.watch(trial, self.x, self.f, self.last_step)
        if self.proximal is not None:
            point = found.point
            length = float(np.linalg.norm(point.x - self.x))
            self.proximal.watch(self.f - point.fun, found.nfev, length)
        return found

    def _sample_at(self, points: Array) -> Generator[Ask, Any, bool]:
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
        self._settle(LinePoint(0.0, points[k], float(values[k]), gradients[k], 0.0))
        return True
