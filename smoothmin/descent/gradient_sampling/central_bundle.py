"""Steps to the analytic centre of what all tangents leave, for convex functions with kinks.

References: J.-L. Goffin, A. Haurie, J.-P. Vial, "Decomposition and nondifferentiable
optimization with the projective algorithm", Management Sci. 38 (1992); O. du Merle, J.-P. Vial,
"Proximal ACCPM", Tech. Rep. 2002.23, HEC Geneva (2002); C. Lemarechal, A. Nemirovskii, Yu.
Nesterov, "New variants of bundle methods", Math. Program. 69 (1995), for the gap to a lower
bound as the measure of progress.

Deviations, and why: whether the function is convex is not asked but observed: on a convex one no
tangent lies above any value. Nor is it known whether tangents alone make for faster progress
than a metric does, so a trial begins where that has become slow. The metric that was learnt
until then is that of the quadratic term, which does for the box that the method needs otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np

from smoothmin._protocol import Array, Ask, ask_one
from smoothmin._verdict import Knowledge, judge
from smoothmin.descent.gradient_sampling.bundle_newton import follow
from smoothmin.descent.gradient_sampling.state import Outcome, State
from smoothmin.descent.gradient_sampling.trials import Rates, Trials
from smoothmin.linesearch.weak_wolfe import LinePoint, LineResult
from smoothmin.subproblems.analytic_centre import Centre, analytic_centre

WIDER = 4.0  # root of the quadratic term, where that hides what tangents tell


class Cuts:
    """Tangents of a function, seen from its lowest point.

    Attributes
    ----------
    gradients, images : ndarrays (m, n)
        Of the tangents, and the same in the coordinates ``root @ z``.
    heights : ndarray (m,)
        Of the tangents above the value at the lowest point, there: none is positive.
    """

    def __init__(self, root: Array, gradients: Array, gaps: Array) -> None:
        self._root = root
        self.gradients, self.heights = gradients.copy(), -gaps
        self.images = gradients @ root

    def __len__(self) -> int:
        return len(self.heights)

    def highest(self, step: Array) -> float:
        """The largest tangent at a step from the lowest point, above the value there."""
        return float((self.gradients @ step + self.heights).max())

    def add(self, height: float, gradient: Array) -> None:
        """Take a tangent."""
        self.gradients = np.vstack([self.gradients, gradient])
        self.images = np.vstack([self.images, gradient @ self._root])
        self.heights = np.append(self.heights, height)

    def move(self, step: Array, fall: float) -> None:
        """See all from a lower point."""
        self.heights += self.gradients @ step + fall

    def widen(self, factor: float) -> None:
        """Multiply the root."""
        self._root = factor * self._root
        self.images *= factor

    def drop(self, weights: Array, most: int) -> None:
        """Keep those of the largest weights."""
        if len(self) > most:
            kept = np.sort(np.argsort(weights)[-most:])
            self.gradients, self.images = self.gradients[kept], self.images[kept]
            self.heights = self.heights[kept]


class CentralBundle:
    """Analytic centres of the cuts, for as long as the gap to their lower bound closes."""

    def __init__(self, state: State, learn: Any) -> None:
        self._state, self._learn = state, learn
        self._settings = settings = state.settings.bundle
        n = state.x.size
        self._trials = Trials(settings.trials)
        self._plain = Rates(settings.plain_window)
        decades = settings.decades * settings.plain_window / (n + 1)
        self._share = 10.0**-decades
        self._slow = False
        self._window = n + settings.plain_window
        state.watchers.append(self._watch)

    def _watch(self, found: LineResult) -> None:
        """Take note of a search."""
        self._trials.plain(found.nfev)
        if self._plain.add(self._state.f - found.point.fun, found.nfev):
            self._slow = self._plain.fall_less(self._share)

    def step(self) -> Generator[Ask, Any, Outcome]:
        """Cuts until a point is lower, while a trial is under way."""
        if not (self._trials.active or self._begin()):
            return Outcome.NOTHING
        state, cuts = self._state, self._cuts
        while self._trials.active:
            # 1. the centre, and the lower bound that it proves
            noise = self._settings.rounding * state.noise()
            slack = self._gap / (2 * len(cuts))
            centre = analytic_centre(cuts.images, cuts.heights, 0.0, self._start, slack)
            if centre is None or self._proven(cuts, centre):
                break
            # 2. the value there
            step = self._root @ centre.step
            x = state.x + step
            fun, grad = yield from ask_one(x)
            trial = LinePoint(1.0, x, fun, grad, float(grad @ step))
            state.bundle.add(x, fun, grad)
            self._learn(trial)
            finite = math.isfinite(fun) and bool(np.isfinite(grad).all())
            convex = finite and fun - state.f >= cuts.highest(step) - noise
            height = fun - state.f - trial.slope
            if not (convex and height <= noise):
                self._trials.leave()
            # 3. a tangent more, seen from the lowest point
            decrease = state.f - fun if finite else -math.inf
            cuts.drop(centre.weights, self._most)
            cuts.add(min(height, 0.0), grad)
            self._start = centre.step
            self._judge()
            if decrease > 0:
                cuts.move(step, decrease)
                self._start = np.zeros(step.size)
                follow(state, trial, step)
                return Outcome.LOWER
        if self._trials.active:
            self._trials.leave()
        return Outcome.STATIONARY if state.ended is not None else Outcome.NOTHING

    def _begin(self) -> bool:
        """Begin a trial, if it is time for one."""
        state, settings = self._state, self._settings
        if not (self._trials.ready and self._slow and not state.metric.fresh):
            return False
        if state.skewness < state.settings.search.skewed:
            return False
        fall = state.known.recent.fall
        if not (fall > 0 and state.bundle.convex(settings.rounding * state.noise())):
            return False
        n = state.x.size
        gradients, gaps, _ = state.bundle.tangents()
        self._root = state.metric.root(np.eye(n)) * math.sqrt(fall)
        self._cuts = Cuts(self._root, gradients, gaps)
        self._most = settings.cuts * (n + 1)
        self._start = np.zeros(n)
        self._gap, self._left, self._spent = fall, math.inf, 0
        self._above = state.f + fall
        self._trials.enter()
        return True

    def _proven(self, cuts: Cuts, centre: Centre) -> bool:
        """Whether the mix of tangents leaves next to nothing to be gained."""
        state, recent = self._state, self._state.known.recent
        mix = centre.weights @ cuts.gradients
        self._gap = -float(centre.weights @ cuts.heights)
        self._tilt = float(np.linalg.norm(mix)) * recent.moved(state.x)
        if state.certifier.tolerance is not None:
            return False
        knows = Knowledge(
            "Tangents meet",
            promised=self._gap + self._tilt,
            lately=((1.0, self._above - state.f),),
            size=abs(state.f),
            noise=state.noise(),
        )
        if not (knows.invisible or knows.negligible):
            return False
        state.ended = judge(knows)
        return True

    def _judge(self) -> None:
        """Take note of an evaluation; after each window of them see whether the gap closes."""
        self._spent += 1
        if self._spent < self._window:
            return
        left = self._gap + self._tilt
        good = left <= self._settings.closing * self._left
        self._left, self._spent = left, 0
        if self._tilt > self._gap:
            # the quadratic term is in the way of what tangents tell
            self._cuts.widen(WIDER)
            self._root *= WIDER
            self._start /= WIDER
        self._trials.judge(good)
