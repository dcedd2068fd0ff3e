"""What one-sided differences do not tell of where a descent stands, and a look to the other side.

Their gradient vanishes beside a minimum: it is that of a point half a step away.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np

from smoothmin._factors import OTHER_ORDER
from smoothmin._precision import ROUNDINGS
from smoothmin._protocol import Array, Ask, Mask, Problem, ask_one
from smoothmin._recent import Recent
from smoothmin._verdict import SHORT, SURE
from smoothmin.descent.both_sides import BothSides
from smoothmin.descent.tolerances import largest
from smoothmin.metrics.metric import Metric


def behind(problem: Problem, x: Array) -> Generator[Ask, Any, Array | None]:
    """The gradient (n,) by differences to the other side of ``x``, if any are to be had."""
    differences = problem.differences
    if differences is None or not differences.toward(-1):
        return None
    _, back = yield from ask_one(x)
    differences.toward(1)
    return back


def across_kinks(
    problem: Problem, points: Array, values: Array, gradients: Array, noise: float, slope: float
) -> Generator[Ask, Any, Mask]:
    """Which gradients (k, n) at points (k, n) are differences across a kink.

    Each slope of such a one is a mix of its own of those on both sides, and hulls of these may
    hold zero where none of gradients does. A step back along all coordinates shows it, by more
    than ``noise`` and a share of the ``slope`` that there has been lately.
    """
    differences = problem.differences
    assert differences is not None
    back = -2 * np.array([differences.displaced(x) for x in points])
    back = problem.clip(points + back) - points
    found = (yield Ask(points + back, 0)).values
    error = np.abs(found - values - np.vecdot(gradients, back))
    lengths = np.linalg.norm(back, axis=1)
    wrong: Mask = ~(error <= ROUNDINGS * noise + SHORT * slope * lengths)
    return wrong


class OneSided:
    """The errors of slopes by differences, as expected and as seen.

    Parameters
    ----------
    problem : Problem
    recent : Recent

    Attributes
    ----------
    looked : int
        How many steps were made when differences were looked at closer.
    overrated : float
        Share of the error that metrics expect that there is.
    """

    def __init__(self, problem: Problem, recent: Recent) -> None:
        self._problem, self._recent = problem, recent
        self.looked, self.overrated = -1, 1.0
        self._led_down = -1  # steps made when a look has shown that slopes lead down
        self._sides: BothSides | None = None  # what they told then
        self._right_at: Array | None = None  # where slopes were corrected last

    def from_both(
        self, x: Array, f: float, g: Array
    ) -> Generator[Ask, Any, BothSides | Array | None]:
        """What differences to both sides tell, asked for once after each step.

        Just those to the other side where noise has made steps longer.
        """
        differences = self._problem.differences
        if differences is not None and self.looked == self._recent.steps:
            return self._sides
        known = self._problem.noise
        back = yield from behind(self._problem, x)
        if differences is None or back is None:
            return None
        self.looked, self._sides = self._recent.steps, None
        central = 0.5 * (g + back)
        if not np.isfinite(central).all():
            return None
        if differences.noise > known:  # was found just now, and may have made steps longer
            return back
        free = self._problem.projected_gradient(x, central)
        off = max(ROUNDINGS * self._problem.unit * abs(f), differences.noise)
        rounded = off * differences.rounded(x)
        error = g - central
        change = error + differences.corrected(x)
        sides = BothSides(central, free, error, change, rounded, differences.displaced(x))
        if not (yield from self._across_kink(x, f, sides)):
            self._sides = sides
        return self._sides

    def _across_kink(self, x: Array, f: float, sides: BothSides) -> Generator[Ask, Any, bool]:
        """Whether slopes to both sides differ by a kink: by as much, or none of it, half as far.

        By curvature they differ by half of it. Looked at where they differ by far more than steps
        so short have told, beside gradients on the way: then the mean of both is no gradient.
        """
        k = int(np.abs(sides.change).argmax())
        change, step = float(sides.change[k]), float(sides.displaced[k])
        if abs(change) <= max(SHORT * self._recent.largest, OTHER_ORDER * float(sides.rounded[k])):
            return False
        points = np.repeat(x[None], 2, axis=0)
        points[:, k] += step, -step
        values = (yield Ask(self._problem.clip(points), 0)).values
        halves = (values - f) / (points[:, k] - x[k])  # by curvature the mean and half the change
        off = np.abs(halves - float(sides.central[k]) - np.array([0.5, -0.5]) * change)
        return not (off <= 0.25 * abs(change)).all()

    @property
    def leads_down(self) -> bool:
        """Whether a look from here has shown that a gradient promises more than its error."""
        return self._led_down == self._recent.steps

    def seen_to_lead_down(self, hidden: float, expected: float) -> None:
        """Take note of a look: errors promise so much, not what was ``expected`` of them."""
        self._led_down = self._recent.steps
        self.overrated *= hidden / expected if 0 < hidden < expected else 1.0

    def corrected(self, x: Array, sides: BothSides) -> Array:
        """The gradient by both sides at ``x``; later ones are told less their error there."""
        assert self._problem.differences is not None
        self._problem.differences.correct(x, sides.error)
        self.overrated = 0.0  # what is left of the error no metric knows
        self._right_at = x
        return sides.central

    def right_at(self, x: Array) -> bool:
        """Whether the last correction was made at this point."""
        return self._right_at is x

    def hides(self, x: Array, f: float, metric: Metric | None) -> float:
        """What a gradient may promise at ``x`` of which differences leave no more than errors.

        A gradient g with an error e is sure to lead down where g'Hg > 4 e'He.
        """
        differences = self._problem.differences
        assert differences is not None
        away = differences.displaced(x)
        if metric is None or metric.fresh:
            return 0.5 * self._recent.curvature() * float(away @ away)
        with np.errstate(all="ignore"):
            inverse, curvatures = metric.diagonals(x.size)
            error = curvatures * away
            rounded = self._problem.unit * abs(f) * differences.rounded(x)
            hidden = float(error @ metric.apply(error)) + float(inverse @ rounded**2)
        return 0.5 * SURE * self.overrated * hidden if 0 <= hidden < math.inf else 0.0

    def is_error(self, x: Array, f: float, g: Array) -> bool:
        """Whether all that is left of a gradient by differences is their error."""
        problem, differences = self._problem, self._problem.differences
        if differences is None or not differences.resolution > 0:
            return False
        displaced = self._recent.curvature() * float(np.abs(differences.displaced(x)).max())
        rounded = 2 * max(problem.noise, problem.unit * abs(f)) / differences.resolution
        return largest(problem.projected_gradient(x, g)) <= displaced + rounded

    def is_rounding(self, x: Array, f: float, g: Array) -> bool:
        """Whether a gradient by differences is no longer than rounding of values makes it."""
        problem, differences = self._problem, self._problem.differences
        if differences is None or not differences.resolution > 0 or problem.noise > 0:
            return False
        pg = problem.projected_gradient(x, g)
        rounding = ROUNDINGS * problem.unit * abs(f)
        errors = rounding / (differences.resolution * np.maximum(1.0, np.abs(x)))
        return bool(np.linalg.norm(pg) <= np.linalg.norm(errors[pg != 0]))
