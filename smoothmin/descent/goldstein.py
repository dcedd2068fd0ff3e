"""What gradients within a radius of a point tell, at which a descent may end on a kink.

Reference: A. A. Goldstein, "Optimization of Lipschitz continuous functions", Math. Program. 13
(1977): from a point whose gradients within a radius have the hull G a function falls along
minus the least element of G; if it falls by less than a share of the slope there, the segment
has a gradient that lies beyond, which enlarges the hull. An element of no length proves the
point stationary.

Deviations: gradients are those at the far end of the segment, nearer by halves if those do
not lie beyond. They are gathered only where a descent by a metric ends although gradients have
not shrunk; one that finds them alike nearby is not on a kink.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np

from smoothmin._factors import FASTEST_GROWTH, MINOR, OTHER_ORDER, SHORTEST, WITNESSES
from smoothmin._machine import HUGE, PRODUCTS
from smoothmin._precision import DOUBLE
from smoothmin._protocol import Array, Ask, Finish, Problem, ask_one
from smoothmin._recent import Recent
from smoothmin._status import Status
from smoothmin._verdict import NEGLIGIBLE, SHORT, STATIONARY, Knowledge, blurred, judge
from smoothmin.descent.first_point import Found, unusable
from smoothmin.descent.tolerances import largest
from smoothmin.subproblems.growing_hull import GrowingHull
from smoothmin.subproblems.min_norm import euclidean_norm

AGAIN = "Gradients nearby led lower time and again"


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
        if problem.unit > DOUBLE or problem.noise > 0:
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
        x, f, g = at
        free = np.ones(x.size, dtype=bool)
        if self._problem.box is not None:
            free = (x > self._problem.box[0]) & (x < self._problem.box[1])
        hull = GrowingHull(np.empty((0, int(free.sum()))))
        rows, errors = [g], [0.0]
        hull.append(g[None, free])
        while True:
            least = hull.least(np.arange(len(rows)))
            size, weights = euclidean_norm(least.point), least.weights
            known = f"Stationarity {size:.3g} within radius {radius:.3g}"
            small = self._small(rows, weights, at)
            if size <= small:
                mixed = self._problem.projected_gradient(x, weights @ np.array(rows))
                held = euclidean_norm(mixed) <= 2 * small  # bounds that hold it are not left
                left = float(weights @ errors) if held else math.inf
                if self._problem.differences is not None:  # slopes are those of points as far apart
                    noise = max(noise, blurred(left, abs(f), self._recent.fallen))
                proof = Knowledge(
                    known, promised=left, lately=((1.0, math.inf),), size=abs(f), noise=noise
                )
                if proof.invisible or proof.negligible:
                    return proof._replace(promised=math.inf, lately=(), tolerance_met=True)
                return proof._replace(message=f"{known}, at a kink")
            step = np.zeros(x.size)
            step[free] = -radius / size * least.point
            beyond = yield from self._beyond(at, step, size * size, free, noise)
            if beyond is None and len(rows) == 1:  # alike, as where there is no kink
                return None
            if beyond is None and (self._problem.differences is not None or size * radius > noise):
                return Knowledge(f"{known}, at a kink", steep=1.0)
            if beyond is None:
                lower = yield from self._lower(at, step * (noise / (size * radius)), noise)
                return lower or Knowledge(known, promised=noise, noise=noise)
            there, value, slope = beyond
            if value < f - noise:
                return beyond
            rows.append(slope)
            errors.append(abs(f - value - float(slope @ (x - there))))
            hull.append(slope[None, free])

    def _small(self, rows: list[Array], weights: Array, at: Found) -> float:
        """The length of a mix of gradients that is as good as none."""
        x, f, _ = at
        steepest = float(weights @ [euclidean_norm(row) for row in rows])
        moved, size = self._recent.moved(x), largest(x)
        lately = self._recent.fallen / moved if moved > 0 else 0.0
        # what cancels may be a penalty's, and much steeper than the function along it
        slope = max(lately, abs(f) / size if size > 0 else 0.0) or steepest
        return max(STATIONARY * min(steepest, slope), PRODUCTS * steepest)

    def _beyond(
        self, at: Found, step: Array, square: float, free: Array, noise: float
    ) -> Generator[Ask, Any, Found | None]:
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
                return (yield from self._farther(at, step, (there, value, g)))
            along = -float(g[free] @ step[free]) / euclidean_norm(step) * math.sqrt(square)
            if along <= 0.5 * square:
                return there, max(value, f), g
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
