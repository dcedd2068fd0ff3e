"""Descents by differences that start where there is nothing to descend: a warm start.

Values along a random line that have their least at the start say that it may be a minimum.
Differences to both sides tell then what slopes and curvatures along the coordinates promise.
A metric would know more of valleys, but there is none: success is only what rounding hides.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from smoothmin._estimate import ESTIMATE, CurvatureEstimate
from smoothmin._machine import DENSE_UP_TO, EPS
from smoothmin._precision import ROUNDINGS
from smoothmin._protocol import Array, Ask, Finish, Problem, ask_one
from smoothmin._verdict import Knowledge, judge
from smoothmin.descent.first_point import Found, lower_beside, unusable
from smoothmin.descent.one_sided import behind
from smoothmin.metrics.dense_bfgs import InverseHessian
from smoothmin.subproblems.min_norm import euclidean_norm


def start_at_minimum(
    problem: Problem, start: Found
) -> Generator[Ask, Any, Finish | Found | Bottom | None]:
    """The end, if the start is a minimum, a lower point if it is another stationary one.

    Else what was found around it; None if it is no bottom.
    """
    differences, (x, f, g) = problem.differences, start
    if differences is None or not differences.at_bottom:
        return None
    back = yield from behind(problem, x)
    if back is None:
        return None
    central = 0.5 * (g + back)
    if not np.isfinite(central).all():
        return None
    free, error = problem.projected_gradient(x, central), g - central
    away, unsure = differences.displaced(x), differences.rounded(x)
    bends = error * np.sign(away) > ROUNDINGS * problem.unit * abs(f) * unsure
    known = bool((bends | (free != central)).all())
    if not bends.any() or not (known or free.any()):
        return None
    differences.correct(x, error)
    curvatures = np.where(bends, error / np.where(away == 0, 1.0, away), 0.0)
    curvatures = np.where(bends, curvatures, curvatures.max(initial=1.0))
    bottom = Bottom((x, f, central), curvatures, free / curvatures, known)
    return (yield from bottom.ended(problem)) or bottom


@dataclass(frozen=True, slots=True)
class Bottom:
    """A start that is nearly a minimum.

    Parameters
    ----------
    start : (ndarray (n,), float, ndarray (n,))
        The point, its value and gradient.
    curvatures : ndarray (n,)
        Along the coordinates.
    step : ndarray (n,)
        How far from the minimum the start is by these.
    known : bool
        Whether they are all positive and larger than rounding makes them.
    """

    start: Found
    curvatures: Array
    step: Array
    known: bool

    @property
    def steep(self) -> float:
        """The gradient's size away from here."""
        return euclidean_norm(self.curvatures * np.maximum(1.0, np.abs(self.start[0])))

    def ended(
        self, problem: Problem, missed: float = 0.0
    ) -> Generator[Ask, Any, Finish | Found | None]:
        """The end if it is one, where values were ``missed`` by so much, or a lower point."""
        x, f, g = self.start
        if not self.known:
            return None
        with np.errstate(all="ignore"):
            promised = 0.5 * float(self.curvatures @ self.step**2)
            displaced = 0.5 * float(self.curvatures @ (EPS * x) ** 2)
        summed = abs(f) + float(np.abs(g) @ np.abs(x))
        noise = ROUNDINGS * max(missed, problem.unit * summed + displaced)
        finish = judge(Knowledge("the start is a minimum", promised=promised, noise=noise))
        if not finish.status.success:
            return None
        there = yield from lower_beside(problem, x, f)
        if there is not None:
            found = yield from ask_one(there)
            return (there, *found) if unusable(*found) is None else None
        if x.size <= DENSE_UP_TO:
            metric = InverseHessian(x.size)
            metric.begin_along(self.curvatures)
            finish.info[ESTIMATE] = CurvatureEstimate(metric)
        return finish

    def missed(self, there: Array, value: float) -> float:
        """By how much a value is higher than any parabolas of these curvatures allow.

        With c along the coordinates none bends more than ``n sum(c d^2)`` along a step d.
        """
        x, f, g = self.start
        step = there - x
        allowed = float(g @ step) + 0.5 * x.size * float(self.curvatures @ step**2)
        return value - f - allowed
