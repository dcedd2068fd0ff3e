"""Proximal steps on all tangents known, for convex functions with kinks.

References: K. C. Kiwiel, "Proximity control in bundle methods for convex
nondifferentiable minimization", Math. Program. 46 (1990), Algorithm 2.1; J.-B.
Hiriart-Urruty, C. Lemarechal, *Convex Analysis and Minimization Algorithms II* (1993),
chapter XV.

Deviations, and why: whether the function is convex is not asked but observed: on a convex
one no tangent lies above any value. Nor is it known whether tangents alone make for faster
progress than a metric does, so a trial begins where that has become slow, and after each
window one step by the metric is compared with it. Tangents that are used are kept, others
make room for new ones in the order of their age.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from smoothmin._protocol import Array, Ask, ask_one
from smoothmin.descent.gradient_sampling.bundle_newton import Predictor, follow
from smoothmin.descent.gradient_sampling.state import Outcome, State
from smoothmin.descent.gradient_sampling.trials import Rates, Trials
from smoothmin.linesearch.weak_wolfe import LinePoint, LineResult
from smoothmin.subproblems.simplex_qp import simplex_weights


class _Model(NamedTuple):
    """The proximal step of the largest tangent, and what it is to bring."""

    step: Array
    predicted: float  # nominal decrease, with the proximal term
    bound: float  # the decrease that no convex function exceeds there


class ProximalBundle:
    """Steps to the proximal points of the largest tangent, while these get on fast.

    ``predictor`` tells of kinks, and learns from the points. A step takes some O(n^3)
    operations.
    """

    def __init__(self, state: State, predictor: Predictor) -> None:
        self._state, self._predictor = state, predictor
        self._settings = settings = state.settings.bundle
        n = state.x.size
        self._trials = Trials(settings.trials)
        self._plain = Rates(settings.plain_window)
        self._own = Rates(min(n + 10, settings.most_window))
        self._fall = 10 ** (-settings.decades * self._own.size / (n + 1))
        self._lengths = deque([0.0], maxlen=settings.recent)  # of other steps
        self._slow = self._comparing = False
        self._t = 0.0  # the proximal parameter
        self._support, self._weights = np.empty(0, dtype=np.intp), np.empty(0)
        state.watchers.append(self._watch)

    def _watch(self, found: LineResult) -> None:
        """Take note of a search."""
        self._trials.plain(found.nfev)
        step = found.point.x - self._state.x
        self._lengths.append(math.sqrt(step @ step))
        gained = self._state.f - found.point.fun
        if self._plain.add(gained, found.nfev):
            self._slow = self._plain.fall_less(self._settings.slow)
        if self._comparing:
            self._comparing = False
            if self._trials.active and gained > self._settings.better * self._own.rate * found.nfev:
                self._trials.leave()

    def step(self) -> Generator[Ask, Any, Outcome]:
        """Null steps until one is serious, while a trial is under way."""
        if self._comparing or not (self._trials.active or self._begin()):
            return Outcome.NOTHING
        state = self._state
        while self._trials.active and not self._comparing:
            # 1. the proximal point of the model
            noise = self._settings.rounding * state.noise()
            model = self._model() if state.bundle.convex(noise) else None
            if model is None or not model.predicted > noise:
                self._trials.leave()
                return Outcome.NOTHING if model is None else (yield from self._prove())
            # 2. the value there
            x = state.x + model.step
            fun, grad = yield from ask_one(x)
            trial = LinePoint(1.0, x, fun, grad, float(grad @ model.step))
            state.bundle.add(x, fun, grad)
            self._predictor.learn(trial)
            finite = math.isfinite(fun) and bool(np.isfinite(grad).all())
            decrease = state.f - fun if finite else -np.inf
            # 3. a serious step or none, and how long the next may be
            serious = decrease >= self._settings.serious * model.predicted
            self._adapt(model.predicted, trial.slope, decrease)
            self._judge(decrease if serious else 0.0)
            convex = finite and decrease <= model.bound + noise
            if self._trials.active and not convex:
                self._trials.leave()
            if serious or (decrease > 0 and not self._trials.active):
                follow(state, trial, model.step)
                return Outcome.LOWER
        idle = convex and self._own.rate == 0 and not self._comparing
        return (yield from self._prove()) if idle else Outcome.NOTHING

    def _begin(self) -> bool:
        """Begin a trial, if it is time for one."""
        state, settings = self._state, self._settings
        if not (self._trials.ready and self._slow and self._predictor.models.kinked):
            return False
        length = float(np.linalg.norm(state.g * state.scales**2))
        far = max(self._lengths)
        if not (far > 0 and length > 0 and state.bundle.convex(settings.rounding * state.noise())):
            return False
        self._trials.enter()
        self._t = settings.reach * far / length
        self._own.clear()
        return True

    def _prove(self) -> Generator[Ask, Any, Outcome]:
        """What a certificate needs: the gradients that held the last step up, from nearby."""
        state = self._state
        state.radius = state.certifier.least_radius
        points = state.bundle.towards(self._support, self._settings.close * state.radius)
        lower = len(points) > 0 and (yield from state.sample_at(points))
        return Outcome.LOWER if lower else Outcome.STATIONARY

    def _model(self) -> _Model:
        """Kiwiel's (2.1) by its dual: minimize the largest tangent plus ``|d / scales|^2 / 2t``."""
        bundle, scales = self._state.bundle, self._state.scales
        gradients, gaps, serials = bundle.tangents()
        rows = gradients * scales
        start = (serials[:, None] == self._support) @ self._weights
        if not start.sum() > 0:
            start[gaps.argmin()] = 1.0
        # the copy lets NumPy call gemm; syrk wakes all threads, which takes longer than it does
        products = rows @ np.ascontiguousarray(rows.T)
        weights = simplex_weights(self._t * products, gaps, start / start.sum())
        used = weights > 0
        self._support, self._weights = serials[used], weights[used]
        bundle.hold(self._support)
        aggregate = weights @ rows
        step = -self._t * scales * aggregate
        predicted = self._t * float(aggregate @ aggregate) + float(weights @ gaps)
        return _Model(step, predicted, -float((gradients @ step - gaps).max()))

    def _adapt(self, predicted: float, slope: float, decrease: float) -> None:
        """Proximity control: longer where it still went down, shorter far above the model."""
        if decrease >= self._settings.serious * predicted:
            if slope < 0:
                self._t *= self._settings.longer
        elif decrease < -2 * predicted or (slope > 0 and decrease < -predicted):
            self._t *= self._settings.shorter

    def _judge(self, gained: float) -> None:
        """Take note of an evaluation; after each window of them see whether they pay."""
        if self._own.add(gained, 1):
            rate, before = self._own.rate, self._own.before
            good = rate > 0 and not (before > 0 and rate > self._fall * before)
            self._comparing = self._trials.judge(good)
