"""Gradient sampling with quasi-Newton steps: minimization across kinks, with a certificate.

References: J. V. Burke, A. S. Lewis, M. L. Overton, "A robust gradient sampling
algorithm for nonsmooth, nonconvex optimization", SIAM J. Optim. 15 (2005), the GS
algorithm of section 2; F. E. Curtis, X. Que, "An adaptive gradient sampling algorithm
for nonsmooth optimization", Optim. Methods Softw. 28 (2013), Algorithm 3.1; A. S.
Lewis, M. L. Overton, Math. Program. 141 (2013), for the quasi-Newton steps.

Deviations, and why:

* Steps along ``-H g`` are taken for as long as their line search succeeds: they cost two
  or three evaluations, a sampling step some n of them.
* The hull is that of every gradient seen within the radius, line searches' rejected
  points included, and is enlarged along the direction it gives, as a bundle method does.
  Points are drawn at random only when that brings no news.
* The bundle serves the quasi-Newton steps too. Their first trial lies just beyond the
  nearest kink that the bundle's tangents predict, as in the limited-memory bundle method
  (Haarala, Miettinen, Makela, Optim. Methods Softw. 19, 2004). Where that kink is very
  near and few cuts are in reach, the step is that of a variable-metric bundle method.
* The direction of a hull step is minus the least element of the hull in the metric H
  (Curtis and Que, (3.3)), while the certificate is its Euclidean norm.
* The first metric is diagonal where the start and its gradient, or the gradients of the
  first search, show that the variables have different scales.
* Where the metric is far too long in all directions, updates that shorten it as a whole
  are tried (`self_scaling`).
* Where the metric is far too long in all directions, self-scaling updates are tried
  (`self_scaling`).
* Where the function shows few smooth pieces, steps go to the minimum of their models
  for as long as these predict its values (`piecewise`).
* Bounds within the radius add their normals to the hull; samples are clipped into the box.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from smoothmin import _status
from smoothmin._check import require_integer, require_real
from smoothmin._protocol import (
    Array,
    Ask,
    Changed,
    Finish,
    Iterate,
    Method,
    Problem,
    Steps,
    ask_one,
)
from smoothmin._status import Status
from smoothmin.descent.bfgs import InverseHessian
from smoothmin.descent.bundle import Bundle
from smoothmin.descent.certificate import Certificate
from smoothmin.descent.doubt import Doubt
from smoothmin.descent.hull import Hull
from smoothmin.descent.in_range import in_range
from smoothmin.descent.lbfgs import LimitedMemory
from smoothmin.descent.line_search import WOLFE, LinePoint, LineResult, weak_wolfe
from smoothmin.descent.min_norm import cutting_plane_weights
from smoothmin.descent.piecewise import MOST_VARIABLES, PiecewisePhase
from smoothmin.descent.quasi_newton import (
    EPS,
    RESOLVED,
    Metric,
    first_step,
    learn_wall,
    search_direction,
)
from smoothmin.descent.scaling import coordinate_scales, starting_scales
from smoothmin.descent.self_scaling import ScalingTrials
from smoothmin.descent.wall import Wall

# quasi-Newton steps
PATIENCE = 20  # trials of a search before the hull is asked
SMALL_STEPS = 10  # steps within the final radius before the hull is asked, ...
SELDOM = 0.1  # ... each time twice as many, up to so many per variable: hulls are dear
BEYOND = 1.25  # first trial beyond a kink, in units of the distance to it
SHORTEST = 0.01  # first trial at the least, in units of the quasi-Newton step
BLOCKED = 0.2  # a kink nearer than this makes the step bend
MOST_CUTS = 10  # more cuts within the reach of a step do not make it bend
RESTART = 0.1  # first perturbation of a restart, in units of the largest coordinate, or 1
# hull steps
SHRINK = 0.1  # of radius and stationarity target, where the hull reaches the target
HULL_PATIENCE = 8  # trials of a search along the hull's least element
LEAST_NULLS, MOST_NULLS = 30, 100  # enlargements of a hull, n between these, and ...
BLUR = 10.0  # least radius of the certificate, in units of finite differences' step
SAMPLINGS = 2  # ... random samplings, before the radius shrinks
IN_VAIN = 4  # hulls that were given up before the run is
NEARBY = 1e-5  # largest radius asked for, in units of the largest element of x so far
CANCELLED = 1e-10  # size of a mix of gradients, in units of theirs, that is as good as zero
DEEPEST = 1e-4  # least radius, in units of the one asked for


@dataclass(frozen=True)
class GradientSamplingDescent(Method):
    """Gradient sampling of Burke, Lewis and Overton, with quasi-Newton steps.

    For functions that are differentiable almost everywhere, with kinks, convex or
    not. Not to be confused with `GradientSampling`, which averages over perturbations
    and wraps other methods.

    Parameters
    ----------
    stationarity_tol : float, default 1e-6
        Largest norm of the least element of the hull of nearby gradients, in units of the
        first gradient's norm if that is less than 1, or at least 1e-10 in units of the last
        gradient's, ...
    radius_tol : float, default 1e-8
        ... and largest distance of these gradients' points, for success; never more than
        a hundred-thousandth of the largest element that ``x`` has had.
    radius : float, optional
        First sampling radius. A tenth of the largest element of ``x0``, or of 1, if None.
    samples : int, optional
        Points drawn at a time where the search finds no new gradients. ``n + 1``, but at
        most 100, if None.
    memory : int, optional
        Gradients kept. ``2 n + 10``, but at most 250, if None.
    restarts : int, default 0
        Further runs, each from a random point around the lowest one found, farther each
        time. They may leave a stationary point that is no minimum.
    dense_up_to : int, default 2000
        Most variables for which a dense metric is kept; limited memory beyond.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value.

    Notes
    -----
    The result carries ``stationarity`` and ``radius``: zero lies within ``stationarity``
    of the convex hull of gradients (plus normals of bounds) at points no farther
    than ``radius`` from the solution. Success is reported only if both meet their
    tolerances; a short gradient at the solution itself is a certificate of radius zero.
    If searches show that values change at another rate than gradients say, at three points of
    a line on which these are alike, the status is 8: the gradient is wrong.
    With at most 50 variables, exact gradients and no bounds, functions that show few smooth
    pieces are minimized by models of these, in the manner of [4]_, for as long as the
    models predict the values.

    Gradients by finite differences see no kink nearer than their step, so the radius
    stays at ten steps or more; "2-point" has the shortest.

    References
    ----------
    .. [1] J. V. Burke, A. S. Lewis, M. L. Overton, "A robust gradient sampling algorithm
       for nonsmooth, nonconvex optimization", SIAM J. Optim. 15 (2005),
       :doi:`10.1137/030601296`.
    .. [2] A. S. Lewis, M. L. Overton, "Nonsmooth optimization via quasi-Newton
       methods", Math. Program. 141 (2013), :doi:`10.1007/s10107-012-0514-2`.
    .. [3] F. E. Curtis, X. Que, "An adaptive gradient sampling algorithm for nonsmooth
       optimization", Optim. Methods Softw. 28 (2013), :doi:`10.1080/10556788.2012.714781`.
    .. [4] A. S. Lewis, C. Wylie, "A simple Newton method for local nonsmooth
       optimization" (2019), arXiv:1907.11742.

    Examples
    --------
    >>> import numpy as np
    >>> import smoothmin
    >>> fun = lambda x: (abs(x[0]) + 3 * abs(x[1] - 1),
    ...                  np.array([np.sign(x[0]), 3 * np.sign(x[1] - 1)]))
    >>> res = smoothmin.minimize(fun, [2.0, -1.0], jac=True, method="gradient-sampling", rng=0)
    >>> res.success, res.stationarity <= 1e-6, res.radius <= 1e-8
    (True, True, True)
    """

    name: ClassVar[str] = "gradient-sampling"
    summary: ClassVar[str] = "quasi-Newton gradient sampling: kinks, with a certificate"
    reference: ClassVar[str] = "Burke, Lewis, Overton (2005)"
    handles_bounds: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True
    tolerances: ClassVar[tuple[str, ...]] = ("stationarity_tol", "radius_tol")

    stationarity_tol: float = 1e-6
    radius_tol: float = 1e-8
    radius: float | None = None
    samples: int | None = None
    memory: int | None = None
    restarts: int = 0
    dense_up_to: int = 2000

    def __post_init__(self) -> None:
        require_real("stationarity_tol", self.stationarity_tol, minimum=0)
        require_real("radius_tol", self.radius_tol, minimum=0)
        if self.radius is not None:
            require_real("radius", self.radius, above=0, below=np.inf)
        if self.samples is not None:
            require_integer("samples", self.samples, 1)
        if self.memory is not None:
            require_integer("memory", self.memory, 2)
        require_integer("restarts", self.restarts, 0)
        require_integer("dense_up_to", self.dense_up_to, 0)

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        return in_range(problem, lambda inner: self._restarting(inner, rng))

    def _restarting(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """All runs; the end of the lowest."""
        best, finish = yield from self._descend(problem, rng)
        for k in range(self.restarts):
            size = max(1.0, float(np.abs(best.x).max()))
            offset = RESTART * 2.0**k * size * rng.standard_normal(best.x.size)
            again = problem.at(problem.clip(best.x + offset / np.sqrt(best.x.size)))
            state, ended = yield from self._descend(again, rng)
            if state.f < best.f:
                best, finish = state, ended
        return finish

    def _descend(
        self, problem: Problem, rng: np.random.Generator
    ) -> Generator[Any, Any, tuple[_State, Finish]]:
        """One run: the algorithm proper."""
        state = _State(self, problem, rng)
        finish = yield from state.start()
        while finish is None:
            moved = yield from state.quasi_newton_step()
            if not moved:
                finish = yield from state.hull_step()
            if finish is None:
                reply = yield state.iterate()
                if isinstance(reply, Changed):
                    finish = yield from state.start()
        return state, finish


class _State:
    """Where a run stands: the point, the metric, the bundle, the radius."""

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
        if self.piecewise is not None:
            self.piecewise.watch(LinePoint(0.0, self.x, self.f, self.g, 0.0), self.x, self.f, 0.0)
        self.target = SHRINK * float(np.linalg.norm(self.g))
        self.certificate = self._own_certificate()
        # how a function is scaled does not make its start a minimum
        first = self.certificate.stationarity
        self.stationarity_tol, self.resolved = self._tolerance * min(1.0, first), RESOLVED * first
        return None

    def _own_certificate(self) -> Certificate:
        pg = self.problem.projected_gradient(self.x, self.g)
        return Certificate(float(np.linalg.norm(pg)), 0.0)

    @property
    def radius_needed(self) -> float:
        """The radius of success: small beside the variables too, or beside the way to f = 0."""
        self.largest = max(self.largest, float(np.abs(self.x).max()))
        size = self.largest or abs(self.f) / float(np.linalg.norm(self.g))
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

    def quasi_newton_step(self) -> Generator[Ask, Any, bool]:
        """Lewis and Overton, Algorithm 2.1: a weak Wolfe search along ``-H g``."""
        problem, metric = self.problem, self.metric
        if self.certificate.stationarity <= self.stationarity_tol:
            return False
        if self.small_steps >= self.small_steps_needed:
            # steps shorter than the radius asked for: see whether the hull agrees
            most = max(SMALL_STEPS, int(SELDOM * self.x.size))
            self.small_steps_needed = min(2 * self.small_steps_needed, most)
            self.small_steps, self.radius = 0, self.radius_tol
            return False
        if self.piecewise is not None and (yield from self._piecewise_step(self.piecewise)):
            return True
        cause = problem.projected_gradient(self.x, self.g)
        direction = search_direction(problem, metric, self.x, self.g)
        if metric.fresh:
            direction *= self.scales**2
        cause, direction, t = self._beyond_kinks(cause, direction)
        found = yield from self._search(direction, t, patience=PATIENCE)
        self.doubt.hear(found, direction, self.f, float(self.g @ direction), self._noise())
        if found.lower:
            gained, x, g = self.f - found.point.fun, self.x, self.g
            self._move(found.point, cause if problem.box is None else None)
            learn_wall(self.metric, self.wall, found, x, g)
            back = self.scaling.stepped(gained, found.point, found.nfev)
        else:
            back = self.scaling.failed()
        if back is not None:
            self._settle(back)
        if found.lower or back is not None:
            return True
        nearest = min(float(np.linalg.norm(trial.x - self.x)) for trial in found.trials)
        self.radius = min(self.ceiling, max(self.radius_tol, 10 * nearest))
        return False

    def _search(self, direction: Array, t: float, **how: Any) -> Generator[Ask, Any, LineResult]:
        """A weak Wolfe search of which the bundle keeps every point."""
        found = yield from weak_wolfe(self.problem, self.x, self.f, self.g, direction, t, **how)
        for trial in found.trials:
            self.bundle.add(trial.x, trial.fun, trial.grad)
            if self.piecewise is not None:
                self.piecewise.watch(trial, self.x, self.f, self.last_step)
        return found

    def _piecewise_step(self, phase: PiecewisePhase) -> Generator[Ask, Any, bool]:
        """A step to the minimum of the models of the function's pieces, if they are to be had."""
        visit = yield from phase.visit(self.x, self.f, self.g, self.last_step, self._noise())
        for trial in visit.trials:
            self.bundle.add(trial.x, trial.fun, trial.grad)
        if visit.point is not None:
            if visit.teaches:
                self._move(visit.point, None)
            else:
                self._settle(visit.point)
        return visit.point is not None

    def _beyond_kinks(self, cause: Array, direction: Array) -> tuple[Array, Array, float]:
        """The quasi-Newton step, mended by what the bundle knows of kinks in its way.

        Returns what the direction is the image of, the direction, and the first trial:
        the full step, or just beyond the first kink. Where a kink blocks the way early,
        the step goes to the minimum of all cuts within reach instead, if they are few: a
        cut for each of few smooth pieces. A sum of many kinks has more pieces than cuts.
        """
        slope = float(self.g @ direction)
        if self.metric.fresh:
            return cause, direction, first_step(self.x, direction, self.last_step, self.f, slope)
        meets, slopes = self.bundle.kinks(direction, slope)
        kink = float(meets[slopes > 0].min(initial=np.inf))
        reached = np.flatnonzero(meets < 1)
        if kink < BLOCKED and len(reached) <= MOST_CUTS and self.problem.box is None:
            gradients, gaps = self.bundle.cuts(reached)
            images = self.metric.root(gradients)
            weights = cutting_plane_weights(images, gaps)
            mix = weights @ gradients
            bent = -self.metric.apply_to_mix(mix, weights @ images)
            slope = float(self.g @ bent)
            if slope < 0:
                cause, direction = mix, bent
                meets, slopes = self.bundle.kinks(direction, slope)
                kink = float(meets[slopes > 0].min(initial=np.inf))
        return cause, direction, min(1.0, max(SHORTEST, BEYOND * kink))

    def hull_step(self) -> Generator[Ask, Any, Finish | None]:
        """Curtis and Que, Algorithm 3.1: steps along the hull's least element.

        Ends with a lower point, or with the certificate, or at the limit of precision.
        """
        if (finish := self._finished() or self.doubt.finish) is not None:
            return finish
        nulls = samplings = 0
        hull = Hull(self.metric, self._normals())
        while True:
            cause, direction, slope, t = self._least_element(hull)
            small = self.certificate.stationarity <= self._target()
            invisible = -slope * t <= self._noise()
            spent = nulls >= self.most_nulls or samplings > SAMPLINGS
            at_last = invisible or (spent and self.radius <= self.radius_tol)
            if at_last and not small and not self.metric.fresh:
                # the metric sees nothing any more; the certificate is Euclidean anyway
                self.metric.reset()
                hull = Hull(self.metric, self._normals())
                self.radius = max(self.radius, self.radius_tol)
                nulls = samplings = 0
                continue
            if small or invisible or spent:
                # 3. the hull is as good as it gets here: finish, or look closer
                self.in_vain += nulls >= self.most_nulls
                finish = self._finished() or self._shrink(small)
                if finish is not None:
                    return finish
                if spent and not small and not self.metric.fresh:
                    # it may be the metric that is in the way
                    self.metric.reset()
                    return None
                nulls = samplings = 0
                if self.problem.box is not None:  # fewer bounds are near
                    hull = Hull(self.metric, self._normals())
                continue
            # 4. a step along the hull's least element, or a gradient that enlarges the hull
            found = yield from self._search(
                direction, t, slope=slope, patience=HULL_PATIENCE, null_within=self.radius
            )
            if found.lower:
                if self._lowered(found.point, cause):
                    return None
                # rounding's gift is no reason to leave: the hull is what is wanted now
                hull = Hull(self.metric, self._normals())
                nulls += 1
                continue
            if any(float(trial.grad @ direction) >= WOLFE * slope for trial in found.trials):
                nulls += 1
                continue
            # 1. nothing new along the direction: sample
            samplings += 1
            if samplings <= SAMPLINGS and (yield from self._sample()):
                return None

    def _least_element(self, hull: Hull) -> tuple[Array, Array, float, float]:
        """It, the direction it gives with slope and first trial; renews the certificate."""
        cause, direction, slope = hull.least_element(*self.bundle.near(self.radius))
        self.bundle.hold(hull.support)
        self.certificate = Certificate(float(np.linalg.norm(cause)), self.radius)
        length = float(np.linalg.norm(direction))
        t = min(1.0, 0.9 * self.radius / length) if length > 0 else 0.0
        return cause, direction, slope, t

    def _lowered(self, point: LinePoint, cause: Array) -> bool:
        """Step to a point; whether it is lower by more than noise."""
        visible = self.f - point.fun > self._noise()
        self._move(point, cause if self.problem.box is None else None)
        return visible

    def _target(self) -> float:
        """Length at which the hull's least element counts as small at this radius."""
        small = self._small()
        return small if self.radius <= self.radius_tol else max(self.target, small)

    def _small(self) -> float:
        """The tolerance, or what is next to nothing beside the gradients mixed."""
        return max(self.stationarity_tol, CANCELLED * float(np.linalg.norm(self.g)))

    def _normals(self) -> Array:
        """Outward normals (k, n) of the bounds within the radius."""
        n = self.x.size
        if self.problem.box is None:
            return np.empty((0, n))
        lower, upper = self.problem.box
        identity = np.eye(n)
        below, above = self.x - lower <= self.radius, upper - self.x <= self.radius
        return np.concatenate([-identity[below], identity[above]])

    def _sample(self) -> Generator[Ask, Any, bool]:
        """Gradients at random points of the ball; true after a step to a lower one."""
        n = self.x.size
        offsets = self.rng.standard_normal((self.samples, n))
        lengths = self.rng.random(self.samples) ** (1 / n)
        offsets *= (self.radius * lengths / np.linalg.norm(offsets, axis=1))[:, None]
        points = self.problem.clip(self.x + offsets)
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

    def _shrink(self, reached: bool) -> Finish | None:
        """Look closer; the end where that has been in vain, or numbers cannot be told apart."""
        limit = max(4 * EPS * float(np.abs(self.x).max()), DEEPEST * self.radius_tol)
        if self.problem.resolution:
            limit = self.radius_tol
        if self.radius <= limit or self.in_vain >= IN_VAIN:
            # nothing lower is to be found: the tolerance as it is will do, and where the
            # function is smooth a gradient as small as rounding leaves it
            gradients = self.problem.projected_gradient(self.x, self.bundle.near(self.radius)[0])
            smooth = np.linalg.norm(gradients, axis=1).max() <= self.resolved
            tolerance = max(self._tolerance, self.resolved) if smooth else self._tolerance
            done = self.certificate.success(tolerance, self.radius_needed)
            return done or self.certificate.failure()
        above = self.radius > self.radius_tol
        self.radius *= SHRINK
        if above:
            self.radius = max(self.radius, self.radius_tol)
        if reached:
            self.target *= SHRINK
        return None

    def _finished(self) -> Finish | None:
        """Success, if both tolerances are met."""
        return self.certificate.success(self._small(), self.radius_needed)
