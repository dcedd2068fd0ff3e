"""How nearly a point is stationary: the least element of a hull of gradients of the Lagrangian.

References: J. V. Burke, A. S. Lewis, M. L. Overton, SIAM J. Optim. 15 (2005), section 2, and
A. A. Goldstein, Math. Program. 13 (1977), for hulls of gradients within a radius; F. E. Curtis,
M. L. Overton, SIAM J. Optim. 22 (2012), for constraints.

Gradients of the objective within the radius are mixed; those of constraints whose tangents
reach their bound within it are added with nonnegative multipliers, and so are the normals of
bounds and linear rows there.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from smoothmin._factors import OTHER_ORDER
from smoothmin._machine import EPS, FEW, PRODUCTS
from smoothmin._protocol import Array, Problem
from smoothmin._recent import Recent
from smoothmin._verdict import NEGLIGIBLE, STATIONARY, Knowledge
from smoothmin.descent.gradient_sampling.stationarity import NEARBY
from smoothmin.descent.tolerances import largest
from smoothmin.sqp.functions import Point, Sides
from smoothmin.sqp.program import Region
from smoothmin.sqp.tangents import Gathered
from smoothmin.subproblems.boxed_qp import euclidean_step
from smoothmin.subproblems.min_norm import euclidean_norm, min_norm_point


class Around(Protocol):
    """What is known around a point."""

    @property
    def of(self) -> Collection[int]:
        """Functions of which there may be gradients."""
        ...

    def near(self, number: int, point: Point, radius: float) -> Array:
        """Gradients (m, n) of a function's other pieces within the radius of a point."""
        ...


@dataclass(frozen=True)
class KKTCertificate:
    """Zero lies within ``stationarity`` of the hull and cone within ``radius``.

    ``least`` is the least element, ``small`` what its length is compared with, ``share`` what it
    comes to in units of the longest of the objective's gradients, in units of the variables, too.
    """

    stationarity: float
    radius: float
    least: Array
    small: float
    share: float

    @property
    def met(self) -> bool:
        """Whether it proves the point stationary."""
        return self.stationarity <= self.small

    @property
    def steepness(self) -> float:
        """Of the pieces that meet together, in units of theirs, where it is as good as none."""
        return self.share if self.share <= STATIONARY else 1.0

    @property
    def knowledge(self) -> Knowledge:
        """What is known where it does."""
        reached = f"Stationarity {self.stationarity:.3g} <= {self.small:.3g}"
        return Knowledge(f"{reached} within radius {self.radius:.3g}", tolerance_met=True)

    def along(self, decrease: float, size: Array) -> float:
        """Length of the step, in these units of the variables, that slopes promise this for."""
        slope = euclidean_norm(self.least * size)
        return decrease / slope if slope > 0 else 0.0


class KKTCertifier:
    """Radius and tolerance of a problem's certificates.

    Parameters
    ----------
    problem : Problem
    stationarity_tol, radius_tol : float or None
        As the user gave them, if so.
    """

    def __init__(
        self,
        problem: Problem,
        region: Region,
        sides: Sides,
        recent: Recent,
        stationarity_tol: float | None,
        radius_tol: float | None,
    ) -> None:
        self._problem, self._region, self._sides = problem, region, sides
        self._recent = recent
        self._tolerance, self._radius_tol = stationarity_tol, radius_tol
        self._coarsest = float(sides.resolution.max(initial=0.0))
        self._largest = 0.0  # element of x so far
        self._measured: tuple[Array | None, float] = None, 0.0  # a point, and its radius
        self._certified: tuple[Point, KKTCertificate] | None = None  # away from kinks

    def radius(self, x: Array) -> float:
        """The radius of success at a point."""
        if self._measured[0] is not x or self._problem.differences is not None:
            self._measured = x, self._radius(x)
        return self._measured[1]

    def _radius(self, x: Array) -> float:
        here = largest(x)
        self._largest = max(self._largest, here)
        # where the minimum is at zero nothing else keeps its size; a far start is forgotten
        size = min(self._largest, max(here, 1.0)) if self._largest > 0 else 1.0
        needed = NEGLIGIBLE * size
        if self._radius_tol is not None:
            needed = min(self._radius_tol, NEARBY * size)
        usual = self._problem.resolution
        if self._problem.noise:
            usual = min(usual, EPS**0.5)
        return max(needed, max(OTHER_ORDER * usual, self._coarsest) * max(size, 1.0))

    def halfway(self, point: Point, direction: Array) -> Array:
        """The step along a direction by half of the radius."""
        step: Array = direction * (0.5 / self.length(point, direction))
        return step

    def length(self, point: Point, step: Array) -> float:
        """Of a step in units of the radius, for every variable of its own size.

        The radius is that of the largest variable, in which others may have curved far.
        """
        units = self._units(point)
        return units.item(units.argmax()) * euclidean_norm(step / units) / self.radius(point.x)

    def is_short(self, point: Point, step: Array) -> bool:
        """Whether a step is within the radius, for every variable of its own size."""
        # units are no more than the largest
        within = euclidean_norm(step) <= self.radius(point.x)
        return within and self.length(point, step) <= 1

    def _units(self, point: Point) -> Array:
        """The variables' sizes."""
        units: Array = np.maximum(np.abs(point.x), min(1.0, largest(point.x)) or 1.0)
        return units

    def certify(self, point: Point, gathered: Gathered) -> KKTCertificate:
        """The certificate of a point, by what is known around it."""
        if gathered.kinked:
            return self.certify_by(point, gathered)
        if self._certified is None or self._certified[0] is not point:
            self._certified = point, self.certify_by(point, gathered)
        return self._certified[1]

    def certify_by(self, point: Point, known: Around) -> KKTCertificate:
        """The same by these gradients and its own."""
        radius = self.radius(point.x)
        around = known.near(0, point, radius)
        gradients = point.slopes[:1]
        if len(around):
            gradients = np.concatenate([gradients, around])
        normals = self._normals(point, known, radius)
        if len(point.x) <= FEW:
            normals = np.concatenate([normals, self.region_normals(point, radius)])
            least = self._least_of_few(gradients, normals)
        else:
            least = self._least_of_many(point, around, normals, radius)
        steepest = math.sqrt(float(np.vecdot(gradients, gradients).max()))
        small = STATIONARY * min(steepest, self._slope(point))
        # beside what each variable's slope comes to over its size
        units = self._units(point)
        along = euclidean_norm(least[: len(units)] * units)
        most = float(np.linalg.norm(gradients * units, axis=1).max())
        if self._tolerance is not None:
            small = self._tolerance
        elif not along <= STATIONARY * most:
            small = 0.0
        small, length = max(small, PRODUCTS * steepest), euclidean_norm(least)
        parts = (length, steepest), (along, most)
        share = max(part / whole if whole > 0 else 1.0 for part, whole in parts)
        return KKTCertificate(length, radius, least[: len(units)], small, share)

    def _slope(self, point: Point) -> float:
        """The mean slope lately, or what brings the value to zero over the size of x.

        What cancels may be much steeper than the function is along it.
        """
        recent = self._recent
        moved, fall = recent.moved(point.x), recent.fallen
        if not (moved > 0 and fall > 0):
            return math.inf
        return max(fall / moved, abs(point.fun) / self._largest if self._largest > 0 else 0.0)

    def _least_of_few(self, gradients: Array, normals: Array) -> Array:
        """The least element, longer by what multiples of normals are not known better than.

        Rows whose differences alone tell them apart would cancel any gradient.
        """
        if not len(normals):
            return min_norm_point(gradients).point if len(gradients) > 1 else gradients[0]
        if self._coarsest > 0:
            blur = min(self._coarsest, EPS**0.5) * np.eye(len(normals))
            gradients = np.pad(gradients, ((0, 0), (0, len(normals))))
            normals = np.concatenate([normals, blur], axis=1)
        return min_norm_point(gradients, normals).point

    def _normals(self, point: Point, known: Around, radius: float) -> Array:
        """Of what is at its bound within the radius, of length 1."""
        near = point.excess + point.steep[1:] * radius >= 0
        if not known.of and not near.any():
            return point.slopes[:0]
        found = [point.slopes[1:][near]]
        for number in known.of:
            if number > 0:
                rows = known.near(number, point, radius)
                lengths = np.linalg.norm(rows, axis=1)
                found.append(rows[point.values[number] + lengths * radius >= 0])
        rows = np.concatenate(found)
        lengths = np.linalg.norm(rows, axis=1)
        normals: Array = rows[lengths > 0] / lengths[lengths > 0, None]
        return normals

    def _least_of_many(self, point: Point, around: Array, normals: Array, radius: float) -> Array:
        """The least element, as the steepest step down, without a row for every bound."""
        region, x = self._region, point.x
        met = self.region_normals(point, radius)
        rows = np.concatenate([around - point.grad, normals, met])
        groups = np.ones(len(rows), dtype=np.intp)
        groups[: len(around)] = 0
        box = None
        if region.lower is not None and region.upper is not None:
            at_lower, at_upper = x - region.lower <= radius, region.upper - x <= radius
            box = np.where(at_lower, 0.0, -np.inf), np.where(at_upper, 0.0, np.inf)
        caps = np.array([1.0, np.inf])
        return -euclidean_step(point.grad, rows, np.zeros(len(rows)), groups, caps, box).step

    def region_normals(self, point: Point, radius: float) -> Array:
        """Of the linear rows and bounds that are met within the radius (k, n).

        Of more than a few variables those of the rows alone.
        """
        region = self._region
        found = [region.matrix[region.room(point.x) <= region.lengths * radius]]
        if region.lower is None or region.upper is None or len(point.x) > FEW:
            rows: Array = found[0]
            return rows
        for sign, room in ((-1, point.x - region.lower), (1, region.upper - point.x)):
            at_bound = np.flatnonzero(room <= radius)
            unit = np.zeros((len(at_bound), len(point.x)))
            unit[np.arange(len(at_bound)), at_bound] = sign
            found.append(unit)
        return np.concatenate(found)

    def pull(self, point: Point, gathered: Gathered, prices: Array) -> tuple[float, Array]:
        """How steeply the violation at these prices can be lowered, in units of its steepest side.

        The length of the least element of the hull of its gradients within the radius, where
        what is nearer to its bound than that is at it, and a slope that ends the violation only
        beyond the size of x is small. And the way down, half of the radius long.
        """
        region, size = self._region, max(self._largest, 1.0)
        # differences nearer to a kink than they are long mix what it parts
        radius = max(self.radius(point.x), OTHER_ORDER * self._coarsest * size)
        lengths, count = point.steep[1:], len(point.excess)
        steepest = np.maximum(lengths, point.violation / (self._largest or 1.0))
        # a side that is flat here does not hide that others can be lowered
        prices = np.divide(prices * lengths, steepest, where=steepest > 0, out=np.zeros(count))
        dearest = float((prices * steepest)[point.excess > 0].max(initial=0.0))
        # in units of the radius; no more of the violation than a step could end
        excess = np.minimum(point.excess / radius, (count + 1) * lengths)
        # the other bound of a row that is violated is where the step may lead
        near = (excess < 0) & (-excess <= lengths) & (self._sides.shared(point.violation) == 0)
        excess[near] = 0.0
        rows, groups = [region.matrix], [np.full(len(region.matrix), count)]
        room = region.room(point.x) / radius
        offsets = [np.where(room <= region.lengths, 0.0, room)]
        for side, slope in enumerate(point.slopes[1:]):
            around = np.concatenate([slope[None], gathered.near(side + 1, point, radius)])
            rows.append(around)
            offsets.append(np.full(len(around), -excess[side]))
            groups.append(np.full(len(around), side))
        box = region.box(point.x)
        if box is not None:
            lower, upper = box[0] / radius, box[1] / radius
            box = np.where(lower >= -1, 0.0, lower), np.where(upper <= 1, 0.0, upper)
        step = euclidean_step(
            np.zeros(len(point.x)),
            np.concatenate(rows),
            np.concatenate(offsets),
            np.concatenate(groups),
            np.append(prices / dearest if dearest > 0 else prices, np.inf),
            box,
        ).step
        length = float(np.linalg.norm(step))
        return length, step * (0.5 * radius / length if length > 0 else 0.0)
