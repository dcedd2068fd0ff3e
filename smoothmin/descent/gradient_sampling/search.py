"""Steps by a quasi-Newton metric, mended by what a bundle of tangents knows of kinks.

References: A. S. Lewis, M. L. Overton, Math. Program. 141 (2013), Algorithm 2.1; M. Haarala,
K. Miettinen, M. M. Makela, Optim. Methods Softw. 19 (2004), for what a bundle adds.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin import _status
from smoothmin._factors import OTHER_ORDER, ROUNDS, SMALL
from smoothmin._protocol import Array, Ask, Finish
from smoothmin._status import Status
from smoothmin._verdict import NEGLIGIBLE
from smoothmin.descent.gradient_sampling.self_scaling import SelfScaling
from smoothmin.descent.gradient_sampling.state import State, StepOutcome
from smoothmin.descent.quasi_newton import first_step, learn_wall, search_direction
from smoothmin.linesearch.line_result import LineResult
from smoothmin.metrics.dense_bfgs import InverseHessian
from smoothmin.subproblems.simplex_qp import simplex_weights


class QuasiNewtonSearch:
    """Weak Wolfe searches along ``-H g``."""

    def __init__(self, state: State) -> None:
        self._state, self._settings = state, state.settings.search
        self._ceiling = state.radius
        self._along: Array | None = None  # where the metric leads from here, if that is known
        self._scaling: SelfScaling | None = None
        if state.settings.self_scaling and isinstance(state.metric, InverseHessian):
            self._scaling = SelfScaling(state.metric, state.settings.scaling)

    def step(self) -> Generator[Ask, Any, StepOutcome]:
        """Lewis and Overton, Algorithm 2.1."""
        state = self._state
        if state.failed is not None:
            return self._failed(state.failed)
        if (yield from self._converged()):
            return StepOutcome.STATIONARY
        cause, direction, t = self._direction()
        slope = float(state.g @ direction)
        found = yield from state.search(
            direction,
            t,
            patience=ROUNDS,
            null_within=state.certifier.least_radius,
            least=max(state.noise(), NEGLIGIBLE * state.known.recent.fall),
        )
        state.doubt.hear(found, direction, state.f, slope, state.noise())
        if found.endless:
            state.ended = Finish(Status.NONFINITE, _status.UNBOUNDED)
            return StepOutcome.STATIONARY
        return StepOutcome.LOWER if self._take(found, cause) else self._failed(found)

    def _failed(self, found: LineResult) -> StepOutcome:
        """Have the hull tell of the kinks that a search has met."""
        state = self._state
        state.failed = None
        nearest = min(float(np.linalg.norm(trial.x - state.x)) for trial in found.known)
        radius = max(state.certifier.least_radius, OTHER_ORDER * nearest)
        state.radius = min(self._ceiling, radius)
        return StepOutcome.STATIONARY

    def _converged(self) -> Generator[Ask, Any, bool]:
        """Whether the metric promises next to nothing, where it can be believed."""
        state, self._along = self._state, None
        state.promised = math.inf
        if state.metric.fresh or state.certifier.tolerance is not None:
            return False
        direction, slope = search_direction(state.problem, state.metric, state.x, state.g)
        state.promised = -0.5 * slope
        ended = yield from state.known.enough(state.promised, direction, state.x, state.f, state.g)
        if isinstance(ended, Finish):
            state.ended = ended
        elif ended:
            state.metric.reset()  # what it was taught far away misleads here
        else:
            self._along = None if state.metric.fresh else direction
        return isinstance(ended, Finish)

    def _take(self, found: LineResult, cause: Array) -> bool:
        """Go where a search has led, or back to before a trial; whether either was possible."""
        state, scaling, back = self._state, self._scaling, None
        if found.lower:
            gained, x, g = state.f - found.point.fun, state.x, state.g
            state.move(found.point, cause if state.problem.box is None else None)
            learn_wall(state.metric, state.wall, found, x, g)
            if scaling is not None:
                back = scaling.stepped(gained, found.point, found.nfev)
        elif scaling is not None:
            back = scaling.failed()
        if back is not None:
            state.settle(back)
        return found.lower or back is not None

    def _direction(self) -> tuple[Array, Array, float]:
        """What the direction is the image of, the direction, and the first trial."""
        state, metric = self._state, self._state.metric
        cause = state.problem.projected_gradient(state.x, state.g)
        direction = self._along
        if direction is None:
            direction, _ = search_direction(state.problem, metric, state.x, state.g)
        if metric.fresh:
            direction *= state.scales**2
            slope = float(state.g @ direction)
            t = first_step(state.x, direction, state.last_step, state.f, slope)
            return cause, direction, t
        if not state.settings.look_ahead or state.skewness < self._settings.skewed:
            return cause, direction, 1.0
        kink, reached = self._kinks(direction)
        few = len(reached) <= self._settings.most_cuts and state.problem.box is None
        if state.settings.bending and few and kink < self._settings.blocked:
            mix, bent = self._bent(reached)
            if float(state.g @ bent) < 0:
                cause, direction = mix, bent
                kink, _ = self._kinks(direction)
        beyond = self._settings.beyond * kink
        return cause, direction, min(1.0, max(SMALL, beyond))

    def _kinks(self, direction: Array) -> tuple[float, NDArray[np.intp]]:
        """The share of a step to the first kink with a rise behind it; tangents met on the way."""
        meets, slopes = self._state.bundle.kinks(direction, float(self._state.g @ direction))
        return float(meets[slopes > 0].min(initial=np.inf)), np.flatnonzero(meets < 1)

    def _bent(self, reached: NDArray[np.intp]) -> tuple[Array, Array]:
        """A mix of tangents, and the step ``-H mix`` to the minimum of the largest of them.

        Where a kink blocks the way early, and few cuts are within reach, each is one of few
        smooth pieces. A sum of many kinks has more pieces than cuts.
        """
        gradients, gaps = self._state.bundle.cuts(reached)
        images = self._state.metric.root(gradients)
        start = np.zeros(len(gaps))
        start[0] = 1.0
        weights = simplex_weights(images @ images.T, gaps, start)
        mix = weights @ gradients
        return mix, -self._state.metric.apply_to_mix(mix, weights @ images)
