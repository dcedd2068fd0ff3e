"""Steps along the least element of the hull of nearby gradients, and the proof that it is short.

References: J. V. Burke, A. S. Lewis, M. L. Overton, SIAM J. Optim. 15 (2005), section 2;
F. E. Curtis, X. Que, Optim. Methods Softw. 28 (2013), Algorithm 3.1.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin._factors import MINOR, ROUNDS, SHORTEST, SMALL
from smoothmin._machine import EPS, LARGE, cached_parts
from smoothmin._protocol import Array, Ask
from smoothmin._recent import SPAN
from smoothmin.descent.gradient_sampling.bundle import CENTRE
from smoothmin.descent.gradient_sampling.state import State, StepOutcome
from smoothmin.descent.gradient_sampling.stationarity import Certificate
from smoothmin.descent.one_sided import across_kinks
from smoothmin.linesearch.line_result import LineResult
from smoothmin.linesearch.weak_wolfe import WOLFE
from smoothmin.metrics.metric import Metric
from smoothmin.subproblems.growing_hull import GrowingHull
from smoothmin.subproblems.min_norm import HullPoint, min_norm_point


class Hull:
    """Images of gradients in a metric that does not change, each computed once.

    Parameters
    ----------
    metric : Metric
        H, in which lengths are measured.
    normals : ndarray (k, n)
        Outward normals of the active bounds, added with nonnegative multipliers.

    ``support`` are the serials of the gradients of which the least element is made, ``weights``
    their shares, ``cancelled`` is the mean of their lengths.
    """

    def __init__(self, metric: Metric, normals: Array) -> None:
        self._metric = metric
        self._normals = normals
        self._numbers: dict[int, int] = {}  # of gradients, by their serials
        self._images: GrowingHull | None = None
        self._products = np.empty((0, 0))  # of those gradients, and of normals, in the metric
        self.support: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self.weights = np.empty(0)
        self.cancelled = 0.0
        self.confirmed: list[int] = []  # serials of gradients that values do not deny
        self.denials = 0  # how often values have denied some

    def least_element(
        self, gradients: Array, serials: NDArray[np.intp]
    ) -> tuple[Array, Array, float]:
        """The least element p, ``-H p``, and the slope along it: minus p's squared length.

        Parameters
        ----------
        gradients : ndarray (m, n)
        serials : ndarray (m,)
            A number for each gradient that is its own for as long as the hull lives.
        """
        rowwise = self._metric.rowwise
        found = (self._grown if rowwise else self._related)(gradients, serials)
        mixed_in = found.weights > 0
        self.support, self.weights = serials[mixed_in], found.weights[mixed_in]
        squares = np.zeros(len(gradients))
        for part in cached_parts(*gradients.shape):
            mixed = gradients[:, part] * found.weights[:, None]  # whose squares are numbers
            squares += np.vecdot(mixed, mixed)
        self.cancelled = float(np.sqrt(squares).sum())
        least = found.weights @ gradients + found.multipliers @ self._normals
        metric = self._metric
        product = metric.apply_to_mix(least, found.point) if rowwise else metric.apply(least)
        return least, -product, -float(found.point @ found.point)

    def _grown(self, gradients: Array, serials: NDArray[np.intp]) -> HullPoint:
        """Only what is new has its image computed, and starts from the last solution."""
        if self._images is None:
            self._images = GrowingHull(self._metric.root(self._normals))
        known, names = self._numbers, serials.tolist()
        new = [k for k, name in enumerate(names) if name not in known]
        if new:
            self._images.append(self._metric.root(gradients[new]))
            known.update((names[k], number) for number, k in enumerate(new, start=len(known)))
        return self._images.least(np.array([known[name] for name in names]))

    def _related(self, gradients: Array, serials: NDArray[np.intp]) -> HullPoint:
        """By inner products in the metric: only what is new is multiplied by it."""
        rows = np.concatenate([gradients, self._normals]) if len(self._normals) else gradients
        names = [*serials.tolist(), *range(len(serials) - len(rows) + CENTRE, CENTRE)]
        old = [k for k, name in enumerate(names) if name in self._numbers]
        there = [self._numbers[names[k]] for k in old]
        products = np.empty((len(names), len(names)))
        products[np.ix_(old, old)] = self._products[np.ix_(there, there)]
        for k in set(range(len(names))).difference(old):
            products[k] = products[:, k] = rows @ self._metric.apply(rows[k])
        self._numbers = {name: k for k, name in enumerate(names)}
        self._products = products
        values, vectors = np.linalg.eigh(products)
        roots = vectors * np.sqrt(np.maximum(values, 0.0))
        return min_norm_point(roots[: len(gradients)], roots[len(gradients) :])


@dataclass
class Tries:
    """What was done to shorten the least element at one radius.

    ``nulls`` gradients and ``samplings`` have enlarged the hull; ``longer`` is the element's
    squared length before the last of them.
    """

    nulls: int = 0
    samplings: int = 0
    longer: float = np.inf

    def spent(self, most: int, square: float) -> bool:
        """Whether there were enough, or the last has left the element as long as it was."""
        return self.nulls >= most or self.samplings > 1 or not square < self.longer


class HullStep:
    """What is left where no other step is lower: sampling, and the proof that nothing is."""

    def __init__(self, state: State, samples: int | None) -> None:
        self._state = state
        n = state.x.size
        self._most_nulls = most = state.bundle.capacity  # enlargements before a hull is given up
        self._samples = min(n + 1, 100, most) if samples is None else samples
        self._target = SHORTEST * float(np.linalg.norm(state.g))
        self._small_steps = SPAN  # before the hull is due

    def due(self) -> bool:
        """Whether it is time to see if the point is stationary."""
        state = self._state
        if state.ended is not None or state.certifier.certified:
            return True
        if state.small_steps < self._small_steps:
            return False
        # steps shorter than the radius asked for: see whether the hull agrees
        self._small_steps *= 2
        state.small_steps, state.radius = 0, state.certifier.least_radius
        return True

    def step(self) -> Generator[Ask, Any, StepOutcome]:
        """Curtis and Que, Algorithm 3.1: to a lower point, or as near to a proof as can be."""
        state, certifier = self._state, self._state.certifier
        if certifier.certified or state.doubt.finish or state.ended:
            return StepOutcome.STATIONARY
        hull, tries, afresh = self._hull(), Tries(), False
        while True:
            # 1. the least element of the hull of the gradients near
            cause, direction, slope, t = self._least_element(hull)
            small = certifier.latest.stationarity <= self._small()
            invisible = -slope * t <= state.noise()
            if state.proof is not None and (small or invisible or tries.nulls > cause.size):
                return StepOutcome.STATIONARY  # as many gradients as a hull takes deny nothing
            if invisible and not small and not tries.samplings and state.problem.unit > EPS:
                tries.samplings += 1
                if (yield from self._sample()):
                    return StepOutcome.LOWER
                continue
            spent = tries.spent(self._most_nulls, -slope)
            at_last = invisible or (spent and state.radius <= certifier.least_radius)
            if at_last and not small and not state.metric.fresh and not afresh:
                # the metric shows nothing any more; the certificate is Euclidean anyway
                state.metric.reset()
                state.radius = max(state.radius, certifier.least_radius)
                hull, tries, afresh = self._hull(), Tries(), True
                continue
            if small or invisible or spent:
                # 2. the hull is as good as it gets here: end, or look closer
                before = state.radius
                outcome = yield from self._conclude(hull, small, spent)
                if outcome is not None:
                    return outcome
                tries = Tries()
                if state.problem.box is not None and state.radius < before:
                    hull = self._hull()  # fewer bounds are near
                continue
            # 3. a step along it, or a gradient that enlarges the hull
            tries.longer = -slope
            found, visible = yield from self._search(cause, direction, slope, t)
            if visible:
                return StepOutcome.LOWER
            if found.lower:
                # rounding's gift is no reason to leave: the hull is what is wanted now
                hull, tries.longer = self._hull(), np.inf
            if found.lower or any(
                float(trial.grad @ direction) >= WOLFE * slope for trial in found.known
            ):
                tries.nulls += 1
                continue
            # 4. nothing new along the direction: sample
            tries.samplings += 1
            if tries.samplings == 1 and (yield from self._sample()):
                return StepOutcome.LOWER

    def _conclude(
        self, hull: Hull, small: bool, spent: bool
    ) -> Generator[Ask, Any, StepOutcome | None]:
        """The outcome where nothing more is to be had at this radius; None to go on closer."""
        state, certified = self._state, self._state.certifier.certified
        if certified and (yield from self._denied(hull)):
            if hull.denials > ROUNDS:
                return StepOutcome.STATIONARY
            return StepOutcome.LOWER if (yield from self._sample()) else None
        if certified or not self._look_closer(small):
            return StepOutcome.STATIONARY
        if spent and not small and not state.metric.fresh:
            state.metric.reset()  # it may be in the way
            return StepOutcome.NOTHING
        return None

    def _search(
        self, cause: Array, direction: Array, slope: float, t: float
    ) -> Generator[Ask, Any, tuple[LineResult, bool]]:
        """Search along the least element; whether what that has gained is more than rounding."""
        state = self._state
        found = yield from state.search(
            direction, t, slope=slope, patience=ROUNDS, null_within=state.radius
        )
        known = 0.0 if state.proof is None else state.proof.left
        visible = state.f - found.point.fun > max(known, state.noise())
        if found.lower:
            state.move(found.point, cause if state.problem.box is None else None)
        return found, found.lower and visible

    def _denied(self, hull: Hull) -> Generator[Ask, Any, bool]:
        """Whether any of the gradients mixed are differences across a kink; they are given up."""
        state, differences = self._state, self._state.problem.differences
        if differences is None or differences.noise > 0:
            return False
        mixed = hull.support[~np.isin(hull.support, hull.confirmed)]
        if len(mixed) == 0:
            return False
        slope = state.certifier.slope_lately
        seen = state.bundle.seen(mixed)
        wrong = yield from across_kinks(state.problem, *seen, state.noise(), slope)
        hull.confirmed += mixed[~wrong].tolist()
        if not wrong.any():
            return False
        state.bundle.deny(mixed[wrong])
        state.certifier.retract()
        hull.denials += 1
        return True

    def _hull(self) -> Hull:
        return Hull(self._state.metric, self._normals())

    def _least_element(self, hull: Hull) -> tuple[Array, Array, float, float]:
        """It, the direction it gives with slope and first trial; adds the certificate."""
        state = self._state
        gradients, serials = state.bundle.near(state.radius)
        cause, direction, slope = hull.least_element(gradients, serials)
        state.bundle.hold(hull.support)
        certifier, shortest = state.certifier, float(np.linalg.norm(cause))
        certifier.add(Certificate(shortest, state.radius), hull.cancelled)
        if shortest <= max(certifier.small, certifier.rounding):
            mixed = state.bundle.mixed(hull.support, hull.weights)
            certifier.add(Certificate(shortest, state.radius, *mixed), hull.cancelled)
        length = float(np.linalg.norm(direction))
        t = min(1.0, (1 - MINOR) * state.radius / length) if length > 0 else 0.0
        return cause, direction, slope, t

    def _small(self) -> float:
        """Length at which the hull's least element counts as small at this radius."""
        certifier = self._state.certifier
        last = self._state.radius <= certifier.least_radius
        return certifier.small if last else max(self._target, certifier.small)

    def _normals(self) -> Array:
        """Outward normals (k, n) of the bounds within the radius."""
        x, radius = self._state.x, self._state.radius
        if self._state.problem.box is None:
            return np.empty((0, x.size))
        lower, upper = self._state.problem.box
        identity = np.eye(x.size)
        return np.concatenate([-identity[x - lower <= radius], identity[upper - x <= radius]])

    def _sample(self) -> Generator[Ask, Any, bool]:
        """Gradients at random points of the ball; true after a step to a lower one."""
        state, n = self._state, self._state.x.size
        at_once, left = max(1, LARGE // n), self._samples
        while left > 0:
            count = min(left, at_once)
            points = state.rng.standard_normal((count, n))
            lengths = state.rng.random(count) ** (1 / n)
            points *= (state.radius * lengths / np.sqrt(np.vecdot(points, points)))[:, None]
            points += state.x
            if (yield from state.sample_at(state.problem.clip(points))):
                return True
            left -= count
        return False

    def _look_closer(self, reached: bool) -> bool:
        """Shrink the radius; false where that is without use, or points cannot be told apart."""
        state = self._state
        least = state.certifier.least_radius
        limit = max(4 * EPS * float(np.abs(state.x).max()), SMALL * least)
        if state.problem.resolution:
            limit = least
        if state.radius <= limit:
            return False
        above = state.radius > least
        state.radius *= SHORTEST
        if above:
            state.radius = max(state.radius, least)
        if reached:
            self._target *= SHORTEST
        return True
