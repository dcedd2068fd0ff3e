"""Steps that lower the value across kinks, cheap ones first.

References: A. S. Lewis, M. L. Overton, Math. Program. 141 (2013), Algorithm 2.1, for the
steps by a quasi-Newton metric; M. Haarala, K. Miettinen, M. M. Makela, Optim. Methods
Softw. 19 (2004), for what a bundle of tangents adds to them.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from smoothmin._protocol import Array, Ask
from smoothmin.descent.gradient_sampling.bundle_newton import PiecewisePhase, Visit
from smoothmin.descent.gradient_sampling.proximal_bundle import ProximalPhase
from smoothmin.descent.gradient_sampling.state import SMALL_STEPS, KinkState
from smoothmin.descent.quasi_newton import first_step, learn_wall, search_direction
from smoothmin.linesearch.weak_wolfe import LinePoint
from smoothmin.subproblems.min_norm import cutting_plane_weights

PATIENCE = 20  # trials of a search before the hull is asked
SELDOM = 0.1  # per variable, the most small steps before the hull is asked: hulls are dear
BEYOND = 1.25  # first trial beyond a kink, in units of the distance to it
SHORTEST = 0.01  # first trial at the least, in units of the quasi-Newton step
BLOCKED = 0.2  # a kink nearer than this makes the step bend
MOST_CUTS = 10  # more cuts within the reach of a step do not make it bend
CLOSE = 0.9  # distance of gradients for a certificate, in units of its radius


class KinkSteps(KinkState):
    """Quasi-Newton steps, and those of the phases that take their place."""

    def quasi_newton_step(self) -> Generator[Ask, Any, bool]:
        """Lewis and Overton, Algorithm 2.1: a weak Wolfe search along ``-H g``."""
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
        if self.proximal is not None and (yield from self._proximal_step(self.proximal)):
            return True
        if self.proximal is not None and self.proximal.converged:
            # what a certificate needs: the gradients that held the last step up, from nearby
            self.radius = self.radius_tol
            points = self.bundle.towards(self.proximal.support, CLOSE * self.radius)
            return len(points) > 0 and (yield from self._sample_at(points))
        return (yield from self._search_step())

    def _search_step(self) -> Generator[Ask, Any, bool]:
        """The search along ``-H g``, mended by what is known of kinks."""
        problem, metric = self.problem, self.metric
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
        compared = self.proximal is not None and self.proximal.inside
        if found.lower or back is not None or compared:
            return True
        nearest = min(float(np.linalg.norm(trial.x - self.x)) for trial in found.trials)
        self.radius = min(self.ceiling, max(self.radius_tol, 10 * nearest))
        return False

    def _piecewise_step(self, phase: PiecewisePhase) -> Generator[Ask, Any, bool]:
        """A step to the minimum of the models of the function's pieces, if they are to be had."""
        visit = yield from phase.visit(self.x, self.f, self.g, self.last_step, self._noise())
        for trial in visit.trials:
            self.bundle.add(trial.x, trial.fun, trial.grad)
        return self._follow(visit)

    def _proximal_step(self, phase: ProximalPhase) -> Generator[Ask, Any, bool]:
        """A step to the proximal point of all tangents, if the function is convex."""
        here = LinePoint(0.0, self.x, self.f, self.g, 0.0)
        kinked = self.piecewise is not None and self.piecewise.kinked
        visit = yield from phase.visit(self.bundle, here, self.scales, self._noise(), kinked)
        if self.piecewise is not None:
            for trial in visit.trials:
                self.piecewise.watch(trial, self.x, self.f, self.last_step)
        return self._follow(visit)

    def _follow(self, visit: Visit) -> bool:
        """Go where a phase has gone; whether it has."""
        if visit.point is None:
            return False
        if visit.teaches:
            self._move(visit.point, None)
        else:
            self._settle(visit.point)
        return True

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
