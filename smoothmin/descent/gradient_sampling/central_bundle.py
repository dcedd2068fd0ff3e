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

from smoothmin._factors import OTHER_ORDER
from smoothmin._protocol import Array, Ask, Finish, ask_one
from smoothmin._recent import SPAN
from smoothmin._verdict import KINK, Knowledge, judge
from smoothmin.descent.gradient_check import VISIBLE
from smoothmin.descent.gradient_sampling.bundle_newton import Predictor
from smoothmin.descent.gradient_sampling.smooth_descent import LIKE_FOURTH_POWER
from smoothmin.descent.gradient_sampling.state import State, StepOutcome
from smoothmin.descent.gradient_sampling.stationarity import Certificate, Proof
from smoothmin.descent.gradient_sampling.trials import Rates, Trials
from smoothmin.linesearch.line_result import LinePoint, LineResult
from smoothmin.subproblems.analytic_centre import TO_THE_WALL, analytic_centre
from smoothmin.subproblems.linear_system import solved
from smoothmin.subproblems.trust_region import FAST_GROWTH

HIDDEN = 100.0  # fall of the mix over the last steps, in units of the gap, that hides the bound


class Room:
    """How far bounds are from a point: ``low <= 0 <= high``, infinite where there are none."""

    def __init__(self, low: Array, high: Array) -> None:
        self.low, self.high = low, high

    def move(self, step: Array) -> None:
        """To another point."""
        self.low, self.high = np.minimum(self.low - step, 0.0), np.maximum(self.high - step, 0.0)

    def walls(self, root: Array) -> tuple[Array, Array]:
        """Inward normals (w, n) and distances of the bounds, in the coordinates of the root."""
        below, above = np.isfinite(self.low), np.isfinite(self.high)
        normals = np.concatenate([root[below], -root[above]])
        return normals, np.concatenate([-self.low[below], self.high[above]])

    def inside(self, root: Array, start: Array) -> Array:
        """A start, off the bounds by a share of what the coordinates are long."""
        off = (1 - TO_THE_WALL) * np.linalg.norm(root, axis=1)
        off = np.minimum(off, 0.25 * (self.high - self.low))
        step = root @ start
        within = np.clip(step, self.low + off, self.high - off)
        if (within == step).all():
            return start
        z: Array = start + solved(root, within - step)
        return z


class Cuts:
    """Tangents of a function, seen from its lowest point, in the coordinates ``root @ z``.

    Attributes
    ----------
    gap : float
        Of the lowest value to the least of the mix of tangents at the last centre, as far as
        bounds keep that from falling.
    slope : float
        Length of that mix's gradient, where no bounds do.
    """

    def __init__(
        self,
        root: Array,
        points: Array,
        gradients: Array,
        gaps: Array,
        gap: float,
        room: Room | None = None,
    ) -> None:
        self._root, self._room = root, room
        self._points, self._gradients, self._images = points, gradients, gradients @ root
        self._heights = -gaps  # of the tangents above the lowest value; none is positive
        self._centre = np.zeros(root.shape[1])
        self._weights = np.ones(len(gaps))
        self._mixed = self._weights, points, gradients  # at the last centre
        self._held = np.zeros(len(root))  # directions in which bounds hold its gradient
        self.gap, self.slope = gap, math.inf

    def centre(self, noise: float, reach: float = math.inf) -> Array | None:
        """The step to the centre; None if nothing is below the lowest value, but for rounding.

        Bounds that are no farther than ``reach`` count for the gap.
        """
        slack = max(self.gap, noise) / (2 * len(self._heights))
        walls, start = None, self._centre
        if self._room is not None:
            walls, start = self._room.walls(self._root), self._room.inside(self._root, start)
        found = analytic_centre(self._images, self._heights, 0.0, start, slack, walls)
        if found is None:
            return None
        self._centre, self._weights = found.step, found.weights
        self._mixed = found.weights, self._points, self._gradients
        self.gap = -float(found.weights @ self._heights)
        mix = found.weights @ self._gradients
        if self._room is not None:
            away = np.where(mix > 0, -self._room.low, self._room.high)
            self._held = np.where(away <= reach, np.sign(mix), 0.0)
            held = self._held != 0
            self.gap += float(np.abs(mix[held]) @ away[held])
            mix = np.where(held, 0.0, mix)
        self.slope = math.sqrt(mix @ mix)
        step: Array = self._root @ found.step
        return step

    def certificate(self, x: Array, small: float) -> Certificate:
        """That of the mix, but for the farthest tangents, if it is ``small`` without them."""
        weights, points, gradients = self._mixed  # since then there may be a tangent less
        away = np.linalg.norm(points - x, axis=1)
        order = np.argsort(away, kind="stable")
        weights = weights[order]
        sums = np.cumsum(weights[:, None] * gradients[order], axis=0)
        sums[sums * self._held > 0] = 0.0
        lengths = np.linalg.norm(sums, axis=1) / np.cumsum(weights)
        fewest = int(np.argmax(lengths <= max(small, lengths[-1])))
        return Certificate(float(lengths[fewest]), float(away[order[fewest]]))

    def highest(self, step: Array) -> float:
        """The largest tangent at a step from the lowest point, above the value there."""
        return float((self._gradients @ step + self._heights).max())

    def add(self, height: float, point: LinePoint, most: int) -> None:
        """Take a tangent, after those of largest weights at the last centre."""
        kept = np.arange(len(self._heights))
        if len(kept) >= most:
            kept = np.sort(np.argsort(self._weights)[1 - most :])
        self._points = np.vstack([self._points[kept], point.x])
        self._gradients = np.vstack([self._gradients[kept], point.grad])
        self._images = np.vstack([self._images[kept], point.grad @ self._root])
        self._heights = np.append(self._heights[kept], height)
        self._weights = np.append(self._weights[kept], 0.0)

    def move(self, step: Array, fall: float) -> None:
        """See all from a lower point."""
        self._heights += self._gradients @ step + fall
        if self._room is not None:
            self._room.move(step)
        self._centre = np.zeros(self._centre.size)

    def widen(self, factor: float) -> None:
        """Multiply the root."""
        self._root = factor * self._root
        self._images *= factor
        self._centre = self._centre / factor


class CentralBundle:
    """Analytic centres of the cuts, for as long as the gap to their lower bound closes.

    ``predictor`` learns from every point; where it predicts values, its steps are faster.
    """

    def __init__(self, state: State, predictor: Predictor | None) -> None:
        self._state, self._predictor = state, predictor
        self._settings = settings = state.settings.central_bundle
        n = state.x.size
        self._trials = Trials(settings.trials)
        self._plain = Rates(max(SPAN, (n + 1) // 4))
        self._trials.plain(-n)  # a bound takes as many tangents, a metric as many steps
        self._share = 10 ** (-settings.decades * self._plain.size / (n + SPAN))
        self._slow = False
        self._cuts: Cuts | None = None
        self._above = 0.0  # value from which the fall is counted
        self._left, self._spent = math.inf, 0  # to be gained at the last verdict; steps since
        self._finishing = 0  # steps since next to nothing was left
        self._proof: Finish | None = None
        state.watchers.append(self._watch)

    def _watch(self, found: LineResult) -> None:
        """Take note of a search."""
        self._trials.plain(found.nfev)
        if self._plain.add(self._state.f - found.point.fun, found.nfev):
            self._slow = self._plain.fall_less(self._share)

    def step(self) -> Generator[Ask, Any, StepOutcome]:
        """Cuts until a point is lower, while a trial is under way."""
        if not (self._trials.active or self._begin()) or self._cuts is None:
            return StepOutcome.NOTHING
        state, cuts = self._state, self._cuts
        while self._trials.active:
            # 1. the centre, and the lower bound that it proves
            step = cuts.centre(state.noise(), state.known.recent.moved(state.x))
            if self._proven(cuts) or step is None:
                return (yield from self._conclude(cuts))
            # 2. the value there
            x = state.problem.clip(state.x + step)
            step = x - state.x
            fun, grad = yield from ask_one(x)
            trial = LinePoint(1.0, x, fun, grad, float(grad @ step))
            state.bundle.add(x, fun, grad)
            if self._predictor is not None:
                self._predictor.learn(trial)
            # 3. a tangent more, seen from the lowest point
            convex = self._take(cuts, trial, step)
            if fun < state.f and np.isfinite(grad).all():
                cuts.move(step, state.f - fun)
                state.settle(trial)  # of which the metric learns nothing, for it may be over soon
                if convex:
                    return StepOutcome.LOWER
            if not convex or self._proof is not None:  # more digits are not as cheap
                return (yield from self._conclude(cuts))
        return StepOutcome.NOTHING

    def _take(self, cuts: Cuts, trial: LinePoint, step: Array) -> bool:
        """Add the tangent of a point; whether the function still looks convex."""
        state = self._state
        noise = VISIBLE * state.noise()
        above = trial.fun - state.f
        height = above - trial.slope
        if above < -cuts.gap - noise:
            self._proof = None  # which is wrong
        # nan compares as false
        if not (math.isfinite(above) and above >= cuts.highest(step) - noise and height <= noise):
            return False
        # along what no tangent limits centres would flee for ever
        near = step @ step <= state.known.recent.moved(state.x) ** 2
        if near and self._tilt(cuts) > HIDDEN * cuts.gap:
            cuts.widen(FAST_GROWTH)
        cuts.add(min(height, 0.0), trial, self._settings.cuts * (step.size + 1))
        self._spent += 1
        if self._spent > step.size + SPAN:
            self._judge(cuts)
        return True

    def _begin(self) -> bool:
        """Begin a trial, if it is time for one."""
        state = self._state
        if not (self._trials.ready and self._slow and not state.metric.fresh):
            return False
        fall = state.known.recent.fall if self._kinked() else 0.0
        if not (fall > 0 and state.bundle.convex(VISIBLE * state.noise())):
            return False
        root = math.sqrt(fall) * state.metric.root(np.eye(state.x.size))
        gradients, gaps, _ = state.bundle.tangents()
        box, x = state.problem.box, state.x
        room = None if box is None else Room(box[0] - x, box[1] - x)
        self._cuts = Cuts(root, state.bundle.points.copy(), gradients.copy(), gaps, fall, room)
        self._above = state.f + fall
        self._left, self._spent = math.inf, 0
        self._finishing = 0
        self._proof = None
        self._trials.enter()
        return True

    def _kinked(self) -> bool:
        """Whether there are kinks, and no models that predict them."""
        state, predictor = self._state, self._predictor
        if predictor is not None and predictor.accurate > 0:
            return False
        return state.skewness > LIKE_FOURTH_POWER and state.known.recent.steepness > KINK

    def _tilt(self, cuts: Cuts) -> float:
        """What the mix of tangents falls by over as far as steps led lately."""
        return cuts.slope * self._state.known.recent.moved(self._state.x)

    def _proven(self, cuts: Cuts) -> bool:
        """Whether the mix of tangents leaves next to nothing to be gained."""
        state = self._state
        left = cuts.gap + self._tilt(cuts)
        self._left = min(self._left, left) if self._spent == 0 else self._left
        if state.certifier.tolerance is not None:
            return False
        knows = Knowledge(
            "Tangents meet",
            promised=left,
            lately=((1.0, self._above - state.f),),
            size=abs(state.f),
            noise=state.noise(),
        )
        if not (knows.invisible or knows.negligible):
            return False
        # next to nothing is left, but a few more digits are cheap
        self._proof = judge(knows)
        self._finishing += 1
        return knows.invisible or self._finishing > SPAN

    def _conclude(self, cuts: Cuts) -> Generator[Ask, Any, StepOutcome]:
        """End the trial, and the run if there is a proof that values nearby do not contradict."""
        state, proof = self._state, self._proof
        self._trials.leave()
        if proof is None:
            return StepOutcome.NOTHING
        x, f, g = state.x, state.f, state.g
        # where the function is smooth it falls along its gradient, whatever tangents say
        fall = OTHER_ORDER * max(cuts.gap + self._tilt(cuts), state.noise())
        pg = state.problem.projected_gradient(x, g)
        there = state.problem.clip(x - (fall / (float(pg @ pg) or math.inf)) * pg)
        fun, grad = yield from ask_one(there)
        if f - fun > fall / 2 and np.isfinite(grad).all():
            state.settle(LinePoint(1.0, there, fun, grad, 0.0))
            return StepOutcome.LOWER
        # nor is a function convex for its tangents so far: the hull of nearby ones is to tell
        certificate = cuts.certificate(x, state.certifier.small)
        state.proof = Proof(proof, cuts.gap + self._tilt(cuts), certificate)
        state.radius = state.certifier.least_radius
        return StepOutcome.STATIONARY

    def _judge(self, cuts: Cuts) -> None:
        """See whether the gap has closed since the last verdict."""
        tilt = self._tilt(cuts)
        left = cuts.gap + tilt
        good = left <= self._settings.closing * self._left
        self._left, self._spent = left, 0
        if tilt > cuts.gap:
            cuts.widen(FAST_GROWTH)
        self._trials.judge(good)
