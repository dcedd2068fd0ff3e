"""What gradients within a radius of a point tell, at which a descent may end on a kink.

Reference: A. A. Goldstein, "Optimization of Lipschitz continuous functions", Math. Program. 13
(1977): from a point whose gradients within a radius have the hull G a function falls along
minus the least element of G; if it falls by less than a share of the slope there, the segment
has a gradient that lies beyond, which enlarges the hull. An element of no length proves the
point stationary.

Deviations: gradients are those at the far end of the segment, nearer by halves if those do
not lie beyond. They are gathered only where a descent by a metric ends although gradients have
not shrunk; one that finds them alike nearby, or turning evenly, is not on a kink.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

import numpy as np

from smoothmin._factors import FASTEST_GROWTH, MINOR, OTHER_ORDER, SHORTEST, WITNESSES
from smoothmin._machine import EPS, HUGE, PRODUCTS
from smoothmin._protocol import Array, Ask, Finish, Mask, Problem, ask_one
from smoothmin._recent import Recent
from smoothmin._status import Status
from smoothmin._verdict import NEGLIGIBLE, SHORT, STATIONARY, Knowledge, blurred, judge
from smoothmin.descent.first_point import Found, unusable
from smoothmin.descent.one_sided import across_kinks
from smoothmin.descent.tolerances import largest
from smoothmin.subproblems.growing_hull import GrowingHull
from smoothmin.subproblems.min_norm import euclidean_norm

AGAIN = "Gradients nearby led lower time and again"


class _Beyond(NamedTuple):
    """A point that is lower, or whose gradient enlarges a hull."""

    found: Found
    lower: bool


class _Gathered:
    """Points around one, and the least element of the hull of their gradients.

    Parameters
    ----------
    at : Found
        The one.
    free : ndarray of bool (n,)
        Variables that no bound holds.

    Attributes
    ----------
    least : ndarray
        The element, of the free variables.
    size : float
        Its length.
    """

    def __init__(self, at: Found, free: Array) -> None:
        self._value, self._x, self._free = at[1], at[0], free
        self._hull = GrowingHull(np.empty((0, int(free.sum()))))
        self._points: list[Found] = []
        self._errors: list[float] = []  # of tangents, at x
        self._given_up: set[int] = set()
        self._confirmed: set[int] = set()
        self.append(at)

    def append(self, found: Found) -> None:
        """Take one more."""
        there, value, slope = found
        above = max(value, self._value)
        self._points.append(found)
        self._errors.append(abs(self._value - above - float(slope @ (self._x - there))))
        self._hull.append(slope[None, self._free])
        self.improve()

    def improve(self) -> bool:
        """Find the least element anew; false if no gradient is left."""
        kept = [k for k in range(len(self._points)) if k not in self._given_up]
        if kept:
            found = self._hull.least(np.array(kept))
            self.least, self.size = found.point, euclidean_norm(found.point)
            pairs = zip(kept, found.weights.tolist(), strict=True)
            self._weights = {k: weight for k, weight in pairs if weight > 0}
        return bool(kept)

    def _mean(self, values: Callable[[int], Any]) -> Any:
        return sum(weight * values(k) for k, weight in self._weights.items())

    @property
    def gradients(self) -> list[Array]:
        """All that were met."""
        return [found[2] for found in self._points]

    @property
    def mixed(self) -> Array:
        """The least element, of all variables."""
        mixed: Array = self._mean(lambda k: self._points[k][2])
        return mixed

    @property
    def steepest(self) -> float:
        """The mean length of the gradients mixed."""
        return float(self._mean(lambda k: euclidean_norm(self._points[k][2])))

    @property
    def error(self) -> float:
        """What the mix of tangents leaves of the value."""
        return float(self._mean(self._errors.__getitem__))

    @property
    def unconfirmed(self) -> dict[int, Found]:
        """Those mixed of which it is not known that they are gradients, by number."""
        return {k: self._points[k] for k in self._weights if k not in self._confirmed}

    def confirm(self, numbers: list[int], wrong: Mask) -> None:
        """Take these for gradients, but for the ``wrong`` ones, which are given up."""
        for k, denied in zip(numbers, wrong.tolist(), strict=True):
            (self._given_up if denied else self._confirmed).add(k)


class NearbyGradients:
    """Gathers gradients around points where a descent ends, while they are fewer than its steps.

    Nor are these to become many more than they were when it ended first.

    Parameters
    ----------
    problem : Problem
    recent : Recent
        What the descent has observed.

    Attributes
    ----------
    wanted : bool
        Whether the descent has no other proofs of its own.
    """

    def __init__(self, problem: Problem, recent: Recent) -> None:
        self._problem, self._recent = problem, recent
        self.wanted = True
        self._spent = 0
        self._first = 0  # steps that were made when the descent ended first
        self._reach = 1.0  # radius in units of that of success: farther where points were lower

    def explored(
        self, finish: Finish, at: Found, noise: float
    ) -> Generator[Ask, Any, Finish | Found]:
        """The end by a certificate if there is one, a lower point, or else this end.

        Where gradients nearby differ, and there is no certificate, it is no success.
        """
        problem, status = self._problem, finish.status
        if not self.wanted or status not in (Status.CONVERGED, Status.PRECISION):
            return finish
        if not self._recent.steepness > SHORT:
            return finish
        if problem.unit > EPS or problem.noise > 0:
            return finish
        steps = self._recent.steps
        self._first = self._first or steps
        if steps > OTHER_ORDER * self._first:
            return judge(Knowledge(AGAIN)) if status.success else finish
        radius = NEGLIGIBLE * (max(largest(at[0]), self._recent.moved(at[0])) or 1.0)
        radius = max(radius, OTHER_ORDER * problem.resolution * max(1.0, largest(at[0])))
        while True:
            found = yield from self._gathered(at, self._reach * radius, noise)
            if found is not None and not isinstance(found, Knowledge):
                self._reach *= FASTEST_GROWTH
                return found
            if self._reach == 1:
                return finish if found is None else judge(found)
            self._reach = max(1.0, SHORTEST * self._reach)

    def _gathered(
        self, at: Found, radius: float, noise: float
    ) -> Generator[Ask, Any, Found | Knowledge | None]:
        """A lower point, or what the hull of gradients proves; None if they do not differ."""
        x = at[0]
        free = np.ones(x.size, dtype=bool)
        if self._problem.box is not None:
            free = (x > self._problem.box[0]) & (x < self._problem.box[1])
        hull, denials = _Gathered(at, free), 0
        while True:
            known = f"Stationarity {hull.size:.3g} within radius {radius:.3g}"
            small, size = self._small(hull, at), hull.size
            if size <= small:
                if (yield from self._denied(hull, at)):
                    denials, radius = denials + 1, 0.5 * radius  # to other points
                    if hull.improve() and denials < WITNESSES:
                        continue
                    return Knowledge(f"{known}, at a kink", steep=1.0)
                return self._proven(hull, at, known, noise, 2 * small)
            step = np.zeros(x.size)
            step[free] = -radius / size * hull.least
            beyond = yield from self._beyond(at, step, size * size, free, noise)
            if beyond is None and len(hull.gradients) == 1:  # alike, as where there is no kink
                return None
            if beyond is None and (self._problem.differences is not None or size * radius > noise):
                return Knowledge(f"{known}, at a kink", steep=1.0)
            if beyond is None:
                lower = yield from self._lower(at, step * (noise / (size * radius)), noise)
                return lower or Knowledge(known, promised=noise, noise=noise)
            if beyond.lower:
                return beyond.found
            if len(hull.gradients) == 1 and (yield from self._bent(at, beyond.found)):
                return None
            hull.append(beyond.found)

    def _bent(self, at: Found, beyond: Found) -> Generator[Ask, Any, bool]:
        """Whether gradients turn evenly on the way to another, as where there is no kink."""
        if self._problem.differences is not None:
            return False
        (x, _, g), (there, _, far) = at, beyond
        value, near = yield from ask_one(self._problem.clip(x + MINOR * (there - x)))
        if unusable(value, near) is not None:
            return False
        change = MINOR * (far - g)
        return euclidean_norm(near - g - change) <= 0.5 * euclidean_norm(change)

    def _proven(
        self, hull: _Gathered, at: Found, known: str, noise: float, small: float
    ) -> Knowledge:
        """What the least element of the hull proves if it is as good as none."""
        x, f, _ = at
        mixed = self._problem.projected_gradient(x, hull.mixed)
        held = euclidean_norm(mixed) <= small  # bounds that hold it are not left
        left = hull.error if held else math.inf
        if self._problem.differences is not None:  # slopes are those of points as far apart
            noise = max(noise, blurred(left, abs(f), self._recent.fallen))
        proof = Knowledge(known, promised=left, lately=((1.0, math.inf),), size=abs(f), noise=noise)
        if proof.invisible or proof.negligible:
            return proof._replace(promised=math.inf, lately=(), tolerance_met=True)
        return proof._replace(message=f"{known}, at a kink")

    def _denied(self, hull: _Gathered, at: Found) -> Generator[Ask, Any, bool]:
        """Whether any of the gradients mixed are differences across a kink; they are given up."""
        mixed = hull.unconfirmed
        if self._problem.differences is None or not mixed:
            return False
        points, values, gradients = (np.array(each) for each in zip(*mixed.values(), strict=True))
        rounding = self._problem.unit * (abs(at[1]) + float(np.abs(at[2]) @ np.abs(at[0])))
        wrong = yield from across_kinks(
            self._problem, points, values, gradients, rounding, self._slope(at)
        )
        hull.confirm(list(mixed), wrong)
        return bool(wrong.any())

    def _small(self, hull: _Gathered, at: Found) -> float:
        """The length of a mix of gradients that is as good as none."""
        # what cancels may be a penalty's, and much steeper than the function along it
        slope = self._slope(at) or hull.steepest
        return max(STATIONARY * min(hull.steepest, slope), PRODUCTS * hull.steepest)

    def _slope(self, at: Found) -> float:
        """The mean slope lately, or the one that brings the value to zero."""
        moved, size = self._recent.moved(at[0]), largest(at[0])
        lately = self._recent.fallen / moved if moved > 0 else 0.0
        return max(lately, abs(at[1]) / size if size > 0 else 0.0)

    def _beyond(
        self, at: Found, step: Array, square: float, free: Array, noise: float
    ) -> Generator[Ask, Any, _Beyond | None]:
        """A lower point along a step, or a gradient beyond the hull, if there is either."""
        x, f, _ = at
        for _ in range(WITNESSES):
            self._spent += 1
            there = self._problem.clip(x + step)
            if self._spent > self._recent.steps or (there == x).all():
                return None
            value, g = yield from ask_one(there)
            if unusable(value, g) is not None:
                return None
            if f - value > max(noise, MINOR * math.sqrt(square) * euclidean_norm(step)):
                return _Beyond((yield from self._farther(at, step, (there, value, g))), lower=True)
            along = -float(g[free] @ step[free]) / euclidean_norm(step) * math.sqrt(square)
            if along <= 0.5 * square:
                return _Beyond((there, value, g), lower=False)
            step = 0.5 * step
        return None

    def _lower(self, at: Found, step: Array, noise: float) -> Generator[Ask, Any, Found | None]:
        """A point that is lower along a step for which a slope promises no more than noise.

        Of a convex function that has none no more is left along the step than a few times that.
        """
        for length in FASTEST_GROWTH * 0.5 ** np.arange(WITNESSES):
            there = self._problem.clip(at[0] + length * step)
            value, g = yield from ask_one(there)
            if value < at[1] - noise and unusable(value, g) is None:
                return there, value, g
        return None

    def _farther(self, at: Found, step: Array, found: Found) -> Generator[Ask, Any, Found]:
        """The last of the points along a step that grows that are lower each."""
        while largest(step) < HUGE:
            step = FASTEST_GROWTH * step
            there = self._problem.clip(at[0] + step)
            value, g = yield from ask_one(there)
            if not value < found[1] or unusable(value, g) is not None:
                break
            found = there, value, g
        return found
