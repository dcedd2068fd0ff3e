"""Whether a certificate holds by differences that lead across no kink.

Each slope of a difference across a kink is a mix of its own of those on both sides, and hulls of
such may hold zero where none of gradients does. So gradients from around the point, and it, are
looked at from behind, and those that are of one piece each have to prove it stationary.
"""

from __future__ import annotations

from collections.abc import Collection, Generator
from dataclasses import replace

import numpy as np

from smoothmin import _status
from smoothmin._factors import ALIKE, WITNESSES
from smoothmin._machine import EPS
from smoothmin._precision import ROUNDINGS
from smoothmin._protocol import Array, Ask, Finish, Mask, Problem
from smoothmin._status import Status
from smoothmin._verdict import SHORT
from smoothmin.sqp.certificate import KKTCertifier
from smoothmin.sqp.functions import Point, PointEvaluator, Sides
from smoothmin.sqp.program import Region
from smoothmin.sqp.tangents import Gathered
from smoothmin.subproblems.min_norm import euclidean_norm


class GradientsOfOnePiece:
    """Of each function, around a point."""

    def __init__(self) -> None:
        self._points: list[Point] = []
        self._errors: list[Array] = []  # (1 + s,), of what slopes predict behind the points
        self._usual: list[Array] = []  # what they may be for rounding

    def add(self, point: Point, errors: Array, usual: Array) -> None:
        """Take a point."""
        self._points.append(point)
        self._errors.append(errors)
        self._usual.append(usual)

    @property
    def certain(self) -> bool:
        """Whether no error is known, or there are enough to tell what is curvature's."""
        return len(self._points) >= WITNESSES or bool((self._errors[0] <= self._usual[0]).all())

    @property
    def whole(self) -> Mask:
        """Which slopes (m, 1 + s) are of one piece: errors of curvature are alike everywhere."""
        errors = np.array(self._errors)
        found: Mask = errors <= np.array(self._usual) + (1 + ALIKE) * errors.min(axis=0)
        return found

    @property
    def first(self) -> Array | None:
        """A gradient of each function (1 + s, n), once there is one."""
        whole = self.whole
        if not whole.any(axis=0).all():
            return None
        slopes = np.array([point.slopes for point in self._points])
        found: Array = slopes[whole.argmax(axis=0), np.arange(whole.shape[1])]
        return found

    @property
    def of(self) -> Collection[int]:
        """See `smoothmin.sqp.certificate.Around`."""
        return range(len(self._errors[0]))

    def near(self, number: int, point: Point, radius: float) -> Array:
        """See `smoothmin.sqp.certificate.Around`."""
        slopes = np.array([there.slopes[number] for there in self._points])
        found: Array = slopes[self.whole[:, number]]
        return found


class Unmixed:
    """Proves ends at kinks again where slopes are differences."""

    def __init__(
        self,
        problem: Problem,
        sides: Sides,
        evaluator: PointEvaluator,
        region: Region,
        gathered: Gathered,
        certifier: KKTCertifier,
    ) -> None:
        self._problem, self._evaluator, self._region = problem, evaluator, region
        self._gathered, self._certifier = gathered, certifier
        differences = problem.differences
        self._differ: Mask = np.append(differences is not None, sides.resolution > 0)
        self._rows_reach = float(sides.resolution.max(initial=0.0))

    def confirmed(self, ended: Finish, point: Point) -> Generator[Ask, object, Finish]:
        """The end, or no success where only mixed slopes have proven it."""
        noisy = self._problem.noise > 0 or not self._reach > 0
        if not ended.status.success or noisy or not self._gathered.met:
            return ended
        if (yield from self._stationary(point)):
            return ended
        return Finish(Status.PRECISION, _status.KINK, **ended.info)

    @property
    def _reach(self) -> float:
        """Of the differences, relative to max(1, |x|)."""
        differences = self._problem.differences
        if differences is None:
            return self._rows_reach
        return 0.0 if differences.noise > 0 else max(self._rows_reach, differences.resolution)

    def _stationary(self, point: Point) -> Generator[Ask, object, bool]:
        """Whether gradients of one piece each prove it.

        For no more evaluations than all before.
        """
        found = GradientsOfOnePiece()
        found.add(point, *(yield from self._errors(point)))
        evaluator, rng = self._evaluator, np.random.default_rng(0)
        most, least = 2 * evaluator.asked, np.zeros(point.x.size)
        for _ in range(self._gathered.capacity):
            # whatever lies that way, but for the edges along which kinks and differences go
            way = rng.standard_normal(len(least))
            length = euclidean_norm(least) or 1.0
            way = way / euclidean_norm(way) - least / length
            x, _ = self._region.nearest(point.x + self._certifier.halfway(point, way))
            there = yield from evaluator.at(x)
            found.add(there, *(yield from self._errors(there)))
            if found.certain and (slopes := found.first) is not None:
                certificate = self._certifier.certify_by(replace(point, slopes=slopes), found)
                if certificate.met:
                    return True
                least = certificate.least
            if evaluator.asked > most:
                break
        return False

    def _errors(self, point: Point) -> Generator[Ask, object, tuple[Array, Array]]:
        """Of what slopes predict a step back along all coordinates, and what is usual (1 + s,).

        For all functions at one point what `descent.one_sided.across_kinks` asks of the objective.
        """
        differences = self._problem.differences
        ahead = np.zeros_like(point.x) if differences is None else differences.displaced(point.x)
        reach = self._reach * np.maximum(1.0, np.abs(point.x))
        x, _ = self._region.nearest(point.x - np.where(ahead < 0, -reach, reach))
        there = yield from self._evaluator.values_at(x)
        back = x - point.x
        errors = np.abs(there.values - point.values - point.slopes @ back) * self._differ
        return errors, ROUNDINGS * EPS * point.size + SHORT * point.steep * euclidean_norm(back)
