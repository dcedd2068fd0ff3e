"""Steps along the least element of nearby gradients' hull, and the certificate.

References: J. V. Burke, A. S. Lewis, M. L. Overton, SIAM J. Optim. 15 (2005), section 2;
F. E. Curtis, X. Que, Optim. Methods Softw. 28 (2013), Algorithm 3.1.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from smoothmin._protocol import Array, Ask, Finish
from smoothmin.descent.gradient_sampling.certificate import Certificate
from smoothmin.descent.gradient_sampling.hull import Hull
from smoothmin.descent.gradient_sampling.state import SHRINK, KinkState
from smoothmin.descent.quasi_newton import EPS
from smoothmin.linesearch.weak_wolfe import WOLFE, LinePoint

HULL_PATIENCE = 8  # trials of a search along the hull's least element
SAMPLINGS = 2  # at random, before the radius shrinks
IN_VAIN = 4  # hulls that were given up before the run is
CANCELLED = 1e-10  # size of a mix of gradients, in units of theirs, that is as good as zero
ROUNDED = 1e-6  # root of EPS, and room for curvature
DEEPEST = 1e-4  # least radius, in units of the one asked for


class HullSteps(KinkState):
    """What is left where no step by a metric is lower: sampling, the certificate, the end."""

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
        self.closest = self._closer(self.closest, self.certificate)
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
        return (yield from self._sample_at(self.problem.clip(self.x + offsets)))

    def _shrink(self, reached: bool) -> Finish | None:
        """Look closer; the end where that has been in vain, or numbers cannot be told apart."""
        limit = max(4 * EPS * float(np.abs(self.x).max()), DEEPEST * self.radius_tol)
        if self.problem.resolution:
            limit = self.radius_tol
        if self.radius <= limit or self.in_vain >= IN_VAIN:
            # nothing lower is to be found: the tolerance as it is will do
            tolerance = max(self._tolerance, self._resolved())
            done = self.closest.success(tolerance, self.radius_needed)
            return done or self.closest.failure()
        above = self.radius > self.radius_tol
        self.radius *= SHRINK
        if above:
            self.radius = max(self.radius, self.radius_tol)
        if reached:
            self.target *= SHRINK
        return None

    def _resolved(self) -> float:
        """What rounding leaves of gradients.

        Where values are rounded, f - f* is some EPS |f|, and the slope some root of EPS times
        the slope that brings f to zero. Smooth functions need no such proof.
        """
        gradients = self.problem.projected_gradient(self.x, self.bundle.near(self.radius)[0])
        if np.linalg.norm(gradients, axis=1).max() <= self.resolved:
            return self.resolved
        steep = abs(self.f) / self.largest if self.largest > 0 else 0.0
        return min(self.resolved, ROUNDED * steep)

    def _finished(self) -> Finish | None:
        """Success, if both tolerances are met."""
        return self.certificate.success(self._small(), self.radius_needed)
