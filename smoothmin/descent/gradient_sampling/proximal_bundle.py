"""A phase for convex functions with kinks: proximal steps on all tangents known.

References: K. C. Kiwiel, "Proximity control in bundle methods for convex
nondifferentiable minimization", Math. Program. 46 (1990), Algorithm 2.1; J.-B.
Hiriart-Urruty, C. Lemarechal, *Convex Analysis and Minimization Algorithms II* (1993),
chapter XV.

Deviations, and why: whether the function is convex is not asked but seen: on a convex one
no tangent lies above any value. Nor is it known whether tangents alone make for faster
progress than a metric does, so the phase is entered where that has become slow, and after
each window one step by the metric is compared with it. Tangents that are used are kept,
others make room for new ones in the order of their age.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from smoothmin._protocol import Array, Ask, ask_one
from smoothmin.descent.gradient_sampling.bundle import Bundle
from smoothmin.descent.gradient_sampling.bundle_newton import FLATTER, Visit
from smoothmin.descent.gradient_sampling.window import Window
from smoothmin.linesearch.weak_wolfe import LinePoint
from smoothmin.subproblems.simplex_qp import simplex_weights

SERIOUS = 0.1  # share of the predicted decrease that makes a trial the next centre
ROUNDING = 100.0  # of the value, in units of its least: less than this is nothing
REACH = 4.0  # first proximal step, in units of the longest of ...
RECENT = 10  # ... the last steps by the metric
LONGER, ALONE = 2.0, 4.0  # growth of the step where it goes down at its end; on a single tangent
SHORTER = 0.7  # its fall where its end is far above the prediction
PLAIN = 10  # evaluations that make a window of steps by the metric
SLOW = 0.3  # what such a window gains, in units of the one before, where it is slow
MOST_WINDOW = 25  # evaluations, n + 10 at most, that make a window of the phase
DECADES = 0.25  # by which gains are to fall in n + 1 evaluations, or the phase is slow
SLOW_WINDOWS = 2  # in a row that end it
BETTER = 2.0  # gain of a step by the metric, in units of the phase's, that ends it as well
WAIT = 4  # windows without the phase after its end, and each time so many times more


class _Model(NamedTuple):
    """The proximal step of the largest tangent, and what it is to bring."""

    step: Array
    predicted: float  # nominal decrease, with the proximal term
    bound: float  # the decrease that no convex function exceeds there


class ProximalPhase:
    """Steps to the proximal points of the largest tangent, while these get on fast.

    Parameters
    ----------
    n : int
        Number of variables. A step takes some O(n^3) operations.

    Attributes
    ----------
    inside : bool
        Whether the phase goes on at the next visit.
    converged : bool
        Whether the last visit ended the phase at a point below which no tangent goes.
    support : ndarray (k,)
        Serials of the tangents that held the last step up.
    """

    def __init__(self, n: int) -> None:
        self._plain = Window(PLAIN)  # steps of the metric
        self._own = Window(min(n + 10, MOST_WINDOW))  # steps of the phase
        self._fall = 10 ** (-DECADES * self._own.size / (n + 1))
        self.inside = False
        self._comparing = False  # the next step by the metric with the last window
        self.converged = False
        self._slow_going = False
        self._lengths = deque([0.0], maxlen=RECENT)  # of steps by the metric
        self._slow_windows = 0
        self._t = 0.0  # the proximal parameter
        self._wait, self._next_wait = 0, WAIT * self._own.size
        self.support, self._weights = np.empty(0, dtype=np.intp), np.empty(0)

    def watch(self, gained: float, nfev: int, length: float) -> None:
        """Take note of a step by the metric: decrease, evaluations, length."""
        self._lengths.append(length)
        self._wait -= nfev
        if self._plain.add(gained, nfev):
            self._slow_going = self._plain.rate > SLOW * self._plain.before > 0
        if self._comparing:
            self._comparing = False
            if gained / nfev > BETTER * self._own.rate:
                self._leave()

    def visit(
        self, bundle: Bundle, here: LinePoint, scales: Array, noise: float, kinked: bool
    ) -> Generator[Ask, Any, Visit]:
        """Steps from ``here`` until one is lower or the phase left; ``bundle`` gets all points.

        ``scales`` (n,) are the lengths of coordinates, ``noise`` is that of the value.
        """
        trials: list[LinePoint] = []
        self.converged = False
        if self._comparing or not (
            self.inside or self._begins(bundle, here, scales, noise, kinked)
        ):
            return Visit(trials)
        while self.inside and not self._comparing:
            # 1. the proximal point of the model
            model = self._model(bundle, scales) if bundle.convex(ROUNDING * noise) else None
            if model is None or not model.predicted > ROUNDING * noise:
                self.converged = model is not None
                self._leave()
                break
            # 2. the value there
            x = here.x + model.step
            fun, grad = yield from ask_one(x)
            trials.append(LinePoint(1.0, x, fun, grad, float(grad @ model.step)))
            bundle.add(x, fun, grad)
            decrease = here.fun - fun if np.isfinite(fun) and np.isfinite(grad).all() else -np.inf
            if decrease > model.bound + ROUNDING * noise or not decrease > -np.inf:
                self._leave()
            # 3. a serious step or none, and how long the next may be
            serious = decrease >= SERIOUS * model.predicted
            self._adapt(model, trials[-1].slope, decrease)
            self._count(decrease if serious else 0.0)
            if serious or (decrease > 0 and not self.inside):
                wolfe = trials[-1].slope >= FLATTER * float(here.grad @ model.step)
                return Visit(trials, trials[-1], wolfe)
        return Visit(trials)

    def _begins(
        self, bundle: Bundle, here: LinePoint, scales: Array, noise: float, kinked: bool
    ) -> bool:
        """Whether it is time for the phase, which then begins."""
        length = float(np.linalg.norm(here.grad * scales**2))
        far = max(self._lengths)
        wanted = kinked and self._slow_going and self._wait <= 0 and far > 0 and length > 0
        if not wanted or not bundle.convex(ROUNDING * noise):
            return False
        self.inside = True
        self._t = REACH * far / length
        self._own.clear()
        self._slow_windows = 0
        return True

    def _model(self, bundle: Bundle, scales: Array) -> _Model:
        """Kiwiel's (2.1) by its dual: minimize the largest tangent plus ``|d / scales|^2 / 2t``."""
        gradients, gaps, serials = bundle.tangents()
        rows = gradients * scales
        start = (serials[:, None] == self.support) @ self._weights
        if not start.sum() > 0:
            start[gaps.argmin()] = 1.0
        # the copy lets NumPy call gemm; syrk wakes all threads, which takes longer than it does
        products = rows @ np.ascontiguousarray(rows.T)
        weights = simplex_weights(self._t * products, gaps, start / start.sum())
        used = weights > 0
        self.support, self._weights = serials[used], weights[used]
        bundle.hold(self.support)
        aggregate = weights @ rows
        step = -self._t * scales * aggregate
        predicted = self._t * float(aggregate @ aggregate) + float(weights @ gaps)
        return _Model(step, predicted, -float((gradients @ step - gaps).max()))

    def _adapt(self, model: _Model, slope: float, decrease: float) -> None:
        """Proximity control: longer where it still went down, shorter far above the model."""
        predicted = model.predicted
        if decrease >= SERIOUS * predicted:
            if slope < 0:
                self._t *= ALONE if len(self._weights) == 1 else LONGER
        elif decrease < -2 * predicted or (slope > 0 and decrease < -predicted):
            self._t *= SHORTER

    def _count(self, gained: float) -> None:
        """Take note of an evaluation; after each window of them see whether they pay."""
        if not self._own.add(gained, 1) or not self.inside:
            return
        rate, before = self._own.rate, self._own.before
        slow = rate == 0 or (before > 0 and rate > self._fall * before)
        self._slow_windows = self._slow_windows + 1 if slow else 0
        self._comparing = True
        if self._slow_windows >= SLOW_WINDOWS:
            self.converged = rate == 0
            self._leave()

    def _leave(self) -> None:
        self.inside = self._comparing = False
        self._wait, self._next_wait = self._next_wait, WAIT * self._next_wait
