"""What rounding, noise and finite differences hide of the merit function."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np

from smoothmin._machine import EPS
from smoothmin._precision import ROUNDINGS
from smoothmin._protocol import Array, Ask, Problem
from smoothmin._recent import Recent
from smoothmin._verdict import NEGLIGIBLE
from smoothmin.sqp.curvature import LagrangianMetric
from smoothmin.sqp.functions import Point, PointEvaluator, Sides
from smoothmin.sqp.program import Direction, Programs, Region
from smoothmin.subproblems.min_norm import euclidean_norm


class Visibility:
    """Which changes of values and slopes mean anything at a point.

    Attributes
    ----------
    here : float
        Noise that was seen at this point.
    """

    def __init__(
        self,
        problem: Problem,
        region: Region,
        sides: Sides,
        programs: Programs,
        curvature: LagrangianMetric,
        recent: Recent,
    ) -> None:
        self._problem, self._region, self._sides = problem, region, sides
        self._programs, self._curvature, self._recent = programs, curvature, recent
        self.here = 0.0
        self._seen: Point | None = None  # from both sides

    def noise(self, point: Point, direction: Direction) -> float:
        """What rounding and noise hide of the merit function's changes."""
        return self._noise(point, direction, self._programs.weights)

    def _noise(self, point: Point, direction: Direction, weights: Array) -> float:
        """The same for other weights (s,) of the sides."""
        region, sides = self._region, self._sides
        size = point.size.item(0)
        if sides.count:
            bounds = point.unit / EPS * sides.size
            size += float(weights.dot(bounds + point.size[1:]))
        rounding = ROUNDINGS * EPS * size
        if region.sides.count:
            rounding += region.noise(point.x, direction.linear)
        return max(self._problem.noise, self.here, rounding)

    def hidden(self, point: Point, direction: Direction, noise: float) -> float:
        """The same, or what differences may promise that is not there.

        Their slopes are those of a point beside, and of rounded values.
        """
        differences = self._problem.differences
        if differences is None or differences.noise > 0:
            return noise
        away, free = differences.displaced(point.x), direction.solution.bounds == 0
        errors = self.slope_errors(point, direction) * free
        held = self.held(point, direction)  # no error makes a step leave these
        # of the point where all slopes are right, and of each where it is one coordinate's
        together = 0.5 * self._recent.curvature() * float(away @ away)
        apart = 0.0
        if self._seen is not point:
            apart = self._curvature.promised_along(away * self._curvature.bends() * free, held)
        return max(noise, together + apart + self._curvature.promised_by(errors, held))

    def held(self, point: Point, direction: Direction) -> Array:
        """Rows (k, n) that a program holds, but for bounds."""
        rows = point.slopes[1:][direction.multipliers > 0]
        return np.concatenate([rows, self._region.matrix[direction.linear > 0]])

    def slope_errors(self, point: Point, direction: Direction, hidden: float = 0.0) -> Array:
        """Errors (n,) of the Lagrangian's gradient, whose values hide so much at least."""
        differences = self._problem.differences
        if differences is None or differences.resolution == 0:
            return np.full(point.x.size, EPS * float(point.steep.max()))
        # weights may be those of far away
        noise = max(self._noise(point, direction, direction.multipliers), hidden)
        return noise / ROUNDINGS * differences.rounded(point.x)

    def outweighed(self, point: Point, direction: Direction, noise: float) -> bool:
        """Whether weights were lowered that hid the objective at a feasible point.

        Their rounding does, or violations that are allowed: then nothing compares any more.
        """
        allowed = float(self._programs.weights @ point.allowed)
        much = allowed > point.size.item(0)
        if not (much or -direction.slope <= noise) or not self._programs.lower_weights(direction):
            return False
        if much:
            self._recent.clear()
            self._curvature.reset()
        return True

    def lost(
        self, point: Point, direction: Direction, stationarity: float, hidden: float = 0.0
    ) -> bool:
        """Whether slopes by differences are no more than rounding of values makes of them."""
        if self._problem.differences is None:
            return False
        return stationarity <= euclidean_norm(self.slope_errors(point, direction, hidden))

    def believed(self, point: Point, direction: Direction, promised: float, noise: float) -> float:
        """What such slopes promise: no more than others that are as small would.

        That is all that is known where the objective shows none, as by steps that are too short.
        """
        most = max(noise, self._curvature.promised_by(self.slope_errors(point, direction)))
        return min(promised, most) if point.grad.any() else most

    def cancelled(self, point: Point, direction: Direction) -> bool:
        """Whether multipliers make a program's promise meaningless.

        Times the errors of their rows' slopes they exceed the objective's slope: they are those
        of rows that differences alone tell apart, and would cancel any slope. Or times the
        violations that are allowed they exceed the objective: those of rows that are flat where
        they are met, and whose rounding is the whole Lagrangian's.
        """
        errors = self._sides.resolution * point.steep[1:]
        blurred = direction.multipliers @ errors > point.steep[0]
        return bool(blurred or direction.multipliers @ point.allowed > point.size[0])

    def doubtful(self, point: Point, direction: Direction, noise: float, fall: float) -> bool:
        """Whether errors of differences may hide more than next to nothing.

        In units of the value, and of what the merit function fell by lately.
        """
        hidden = self.hidden(point, direction, noise)
        return hidden > max(noise, NEGLIGIBLE * min(fall, abs(point.fun)))

    def closer(
        self, point: Point, evaluator: PointEvaluator
    ) -> Generator[Ask, object, Point | None]:
        """The point with slopes to both sides, where these can be had."""
        differences = self._problem.differences
        if differences is None or differences.noise > 0 or not differences.toward(-1):
            return None
        back = yield from evaluator.at(point.x, known=True)
        differences.toward(1)
        slopes = 0.5 * (point.slopes + back.slopes)
        if not np.isfinite(slopes).all():
            return None
        if differences.noise > 0:  # was found just now, and made steps longer
            return back
        differences.correct(point.x, point.grad - slopes[0])
        self._seen = replace(point, slopes=slopes)
        return self._seen
