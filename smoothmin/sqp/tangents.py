"""Gradients gathered from nearby points, of functions that have shown a kink.

References: F. E. Curtis, M. L. Overton, "A sequential quadratic programming algorithm for
nonconvex, nonsmooth constrained optimization", SIAM J. Optim. 22 (2012), for gradients of
objective and constraints in the quadratic program; A. S. Lewis, C. Wylie, "A simple Newton
method for local nonsmooth optimization" (2019), arXiv:1907.11742, for one point to a smooth
piece, the newest; C. Lemarechal, in *Nonsmooth Optimization* (1978), for what a tangent's
distance from the function says where that is not convex.

Deviations, and why: points are those of steps, not drawn at random, and tangents are lowered by
the distance at which they meet the function at the centre, so that a step may pass from one
piece to another. Pieces are recognized by the trapezoid rule, which is right to third order
on a smooth piece and off by up to half of the change of slope across a kink.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from smoothmin._factors import ALIKE, SMALL, WITNESSES
from smoothmin._machine import EPS, LARGE, PRODUCTS, SUMMED
from smoothmin._protocol import Array, Mask
from smoothmin.descent.gradient_sampling.bundle import MOST_TANGENTS
from smoothmin.sqp.functions import Point
from smoothmin.subproblems.min_norm import euclidean_norm, min_norm_point

MEMORY = 20  # evaluations after which a kink that was not met again is forgotten


def _compare(a: Point, b: Point) -> tuple[Array, Array, Array]:
    """Of each function: error of the trapezoid rule, change of slope, and rounding of both."""
    step = b.x - a.x
    first, last = a.slopes.dot(step), b.slopes.dot(step)
    error = np.abs(b.values - a.values - 0.5 * (first + last))
    rounding = (SUMMED + EPS * b.blurred(step)) * (a.size + b.size)
    return error, np.abs(last - first), rounding


class Tangents:
    """Of one function: where it was evaluated, its values and gradients there.

    Attributes
    ----------
    weights : ndarray (m,)
        Multipliers in the last quadratic program.
    bend : float
        Largest distance at which a tangent lay above the function, in units of the
        squared distance of the point from its own: zero for convex functions.
    """

    def __init__(self, number: int, n: int) -> None:
        self.number = number
        self.points, self.slopes = np.empty((0, n)), np.empty((0, n))
        self._values = self._sizes = self.weights = np.empty(0)
        self.serials: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self.bend = 0.0
        self.proven: set[int] = set()  # serials of tangents that hold near ...
        self.proven_at: Point | None = None

    def __len__(self) -> int:
        return len(self.serials)

    def add(self, point: Point, capacity: int, curved: float, centre: Point | None) -> None:
        """Take a point, in place of older ones of the same piece.

        Those that the last program used, at the ``centre``, stay if there is one. Pieces that
        meet along the step between two points are told apart by gradients: these change by no
        more than a curvature of ``curved`` explains.
        """
        value, slope = point.values[self.number], point.slopes[self.number]
        if len(self):
            steps = point.x - self.points
            change = value - self._values
            first, last = np.vecdot(self.slopes, steps), steps @ slope
            rounding = self._rounding(steps, self._sizes, point)
            error, bent = np.abs(change - 0.5 * (first + last)), np.abs(last - first)
            above = np.maximum(first - change, change - last) - rounding
            square = np.vecdot(steps, steps)
            bends = above / np.where(square > 0, square, np.inf)
            self.bend = max(self.bend, float(bends.max()))
            gone = error <= SMALL * bent + rounding
            if centre is not None:
                gone &= self.weights <= 0
            if gone.any():
                change_of_slope = slope - self.slopes
                most = curved * curved * square + PRODUCTS**2 * float(slope @ slope)
                gone &= np.vecdot(change_of_slope, change_of_slope) <= most
                self.keep(~gone)
        self.points = np.concatenate([self.points, point.x[None]])
        self.slopes = np.concatenate([self.slopes, slope[None]])
        self._values = np.concatenate([self._values, [value]])
        self._sizes = np.concatenate([self._sizes, [point.size[self.number]]])
        self.weights = np.concatenate([self.weights, [0.0]])
        self.serials = np.concatenate([self.serials, [point.serial]])
        if len(self) > capacity:
            idle = np.flatnonzero(self.weights <= 0)
            self.keep(np.arange(len(self)) != int(idle[0] if len(idle) else 0))

    def _rounding(self, steps: Array, sizes: Array, point: Point) -> Array:
        """Of the trapezoid rule over steps (m, n) that lead to a point."""
        number = self.number
        found: Array = (SUMMED + EPS * point.blurred(steps, number)) * (sizes + point.size[number])
        return found

    def apart(self, point: Point, error_of_piece: float) -> Mask:
        """Which tangents are of another piece than a point: the trapezoid rule is off between."""
        steps, change = point.x - self.points, point.values[self.number] - self._values
        first, last = np.vecdot(self.slopes, steps), steps @ point.slopes[self.number]
        rounding = self._rounding(steps, self._sizes, point)
        error = np.abs(change - 0.5 * (first + last))
        found: Mask = error > error_of_piece * np.abs(last - first) + rounding
        return found

    def needed(self, point: Point, length: float) -> bool:
        """Whether the last program used any of another piece than a point is on.

        None from beyond what as many steps of this length lead to as a kink is remembered for.
        """
        used = self.weights > 0
        if not used.any():
            return False
        away = point.x - self.points
        reach = MEMORY * length
        used &= np.vecdot(away, away) <= reach * reach
        return bool(used.any() and self.apart(point, ALIKE)[used].any())

    def keep(self, kept: Mask) -> None:
        """Forget all others."""
        if kept.all():
            return
        self.points, self.slopes = self.points[kept], self.slopes[kept]
        self._values, self._sizes = self._values[kept], self._sizes[kept]
        self.weights, self.serials = self.weights[kept], self.serials[kept]

    def gaps(self, point: Point) -> Array:
        """By how much tangents are taken to lie below the function at a point.

        One that is above it is of a function that is not convex: its distance says how far
        it can be trusted, either way.
        """
        away = point.x - self.points
        below = point.values[self.number] - self._values - np.vecdot(self.slopes, away)
        found: Array = np.maximum(np.abs(below), self.bend * np.vecdot(away, away))
        return found

    def at(self, row: int, x: Array) -> float:
        """A tangent's value at ``x``."""
        return float(self._values[row] + self.slopes[row] @ (x - self.points[row]))

    def near(self, point: Point, radius: float) -> Mask:
        """Which gradients are of points within the radius, or stand for some that are."""
        away = point.x - self.points
        close: Mask = np.vecdot(away, away) <= radius * radius
        if self.proven and self._still_proven(point, radius):
            close |= np.isin(self.serials, list(self.proven))
        return close

    def _still_proven(self, point: Point, radius: float) -> bool:
        """Whether proofs hold at a point: they tell of gradients within half of a radius."""
        at = self.proven_at
        return at is not None and 2 * euclidean_norm(point.x - at.x) <= radius

    def prove(self, serial: int, centre: Point, there: Point) -> None:
        """Keep a tangent if it is not above the function ``there``, half a radius from the centre.

        By the mean value theorem a gradient from between is as steep as the tangent on the way,
        if that meets the centre's within the radius: all of a convex function are below it.
        Where there is no kink between, none is from another piece.
        """
        number, radius = self.number, 2 * euclidean_norm(there.x - centre.x)
        if not self._still_proven(centre, radius):
            self.proven, self.proven_at = set(), centre
        error, bent, rounded = (found[number] for found in _compare(centre, there))
        kinked = error > SMALL * bent + rounded
        for row in np.flatnonzero(self.serials == serial).tolist():
            steeper = np.linalg.norm(self.slopes[row] - centre.slopes[number])
            gap = centre.values[number] - self.at(row, centre.x)
            rounding = SUMMED * float(self._sizes[row] + there.size[number])
            below = self.at(row, there.x) <= there.values[number] + rounding
            # values may be rounded by more than their size says: slopes have to agree
            step = there.x - centre.x
            rise = float((there.slopes[number] - centre.slopes[number]) @ step)
            wanted = float((self.slopes[row] - centre.slopes[number]) @ step)
            below &= rise >= (1 - SMALL) * wanted
            if kinked and below and gap <= steeper * radius + rounding:
                self.proven.add(serial)
            else:
                self.keep(self.serials != serial)


class Gathered:
    """Which functions have kinks, and their tangents.

    Parameters
    ----------
    n, functions : int
        Numbers of variables and of functions.
    """

    def __init__(self, n: int, functions: int) -> None:
        self._n = n
        self.capacity = min(2 * n + 10, MOST_TANGENTS)
        self.left = np.zeros(functions, dtype=int)  # evaluations for which each has a kink
        self.of: dict[int, Tangents] = {}
        self.curved = np.inf  # plausible change of gradients with distance
        room = max(1, LARGE // (functions * n))
        self.recent: deque[Point] = deque(maxlen=min(self.capacity, room))

    @property
    def kinked(self) -> bool:
        """Whether any function has a kink nearby."""
        return bool(self.of)

    @property
    def met(self) -> bool:
        """Whether the last program needed more than one piece of a function."""
        return any((tangents.weights > 0).any() for tangents in self.of.values())

    @property
    def slopeless(self) -> bool:
        """Whether values of the objective differ, and no gradient says so."""
        differ = len({point.fun for point in self.recent}) > 1
        return differ and not any(point.grad.any() for point in self.recent)

    def add(self, point: Point, centre: Point | None) -> None:
        """Learn from a point, compared with the centre of the last program."""
        if centre is not None:
            error, curved, rounding = _compare(centre, point)
            length = euclidean_norm(point.x - centre.x)
            blunt = point.displaced / length if length > 0 else np.inf
            kinks = error > np.maximum((ALIKE + blunt) * curved, rounding)
            if kinks.any():
                # across one kink it is half of the change of slope at most
                kinks &= error <= (0.5 + blunt) * curved + rounding
                kinks &= point.values != centre.values  # which rounding makes the same
            for number, tangents in self.of.items():
                kinks[number] |= tangents.needed(point, length)
            if self.of or kinks.any():
                left = np.maximum(self.left - 1, 0)
                self.left = np.where(kinks, MEMORY, left)
                self._choose()
        self.recent.append(point)
        for tangents in self.of.values():
            tangents.add(point, self.capacity, self.curved, centre)

    def clear(self) -> None:
        """Forget all kinks, and all points."""
        self.left[:] = 0
        self.of.clear()
        self.recent.clear()

    def _choose(self) -> None:
        """Begin or end with functions."""
        for number in [k for k in self.of if not self.left[k]]:
            del self.of[number]
        for number in np.flatnonzero(self.left).tolist():
            if number not in self.of:
                tangents = self.of[number] = Tangents(number, self._n)
                for point in self.recent:
                    tangents.add(point, self.capacity, self.curved, None)

    def is_near(self, point: Point, radius: float) -> bool:
        """Whether all tangents that the last program used are of points within the radius."""
        found = [tangents.weights > 0 for tangents in self.of.values()]
        close = [tangents.near(point, radius) for tangents in self.of.values()]
        return all(bool(near[used].all()) for used, near in zip(found, close, strict=True))

    def far(self, point: Point, radius: float, normals: Array) -> list[tuple[int, int, Array]]:
        """Tangents from beyond the radius that the last program used, and where to prove them.

        Functions, serials, and directions (n,) of length 1 in which the piece of the tangent
        rises above all others that are within the radius, and not along the ``normals`` (k, n).
        """
        found = []
        for number, tangents in self.of.items():
            used = tangents.weights > 0
            away = tangents.points - point.x
            lengths = np.linalg.norm(tangents.slopes - point.slopes[number], axis=1)
            close = used | (tangents.gaps(point) <= lengths * radius)
            slopes = np.concatenate([point.slopes[number][None], tangents.slopes[close]])
            for row in np.flatnonzero(used & ~tangents.near(point, radius)):
                others = slopes - tangents.slopes[row]
                others = others[others.any(axis=1)]
                least = min_norm_point(others, normals).point if len(others) else -away[row]
                length = float(np.linalg.norm(least))
                rising = -least / length if length > 0 else away[row] / np.linalg.norm(away[row])
                found.append((number, int(tangents.serials[row]), rising))
        return found

    def near(self, number: int, point: Point, radius: float) -> Array:
        """Gradients (m, n) of a function's other pieces within the radius of a point."""
        if number not in self.of:
            return np.empty((0, self._n))
        tangents = self.of[number]
        found: Array = tangents.slopes[tangents.near(point, radius) & tangents.apart(point, SMALL)]
        return found

    def nearest(self, point: Point) -> list[Point]:
        """Recent points at other places, the nearest first."""
        others = [other for other in self.recent if (other.x != point.x).any()]
        return sorted(others, key=lambda other: float(np.linalg.norm(other.x - point.x)))

    def contradicted(self, point: Point, visible: Array) -> int | None:
        """A function whose values nearby exclude its gradients.

        Across one kink the trapezoid rule is off by half the change of slope at most. At the
        nearest points whose predicted changes are ``visible`` it is off by more.
        """
        compared = [
            (np.abs(other.slopes @ (point.x - other.x)), *_compare(other, point)[:2])
            for other in self.nearest(point)
        ]
        for number, least in enumerate(visible.tolist()):
            off = [
                error[number] > max(bent[number], ALIKE * rise[number])
                for rise, error, bent in compared
                if rise[number] > least
            ]
            if len(off) >= WITNESSES and all(off[:WITNESSES]):
                return number
        return None

    def pair(self, point: Point, used: Mask) -> tuple[Point, Mask] | None:
        """The recent point of the same piece of the objective with the nearest gradient.

        Gradients of one piece meet as points do, those of others stay apart, and of many of
        these one would seem to be of the same by accident: only few are asked. And which
        functions are on the same piece there, of those ``used``.
        """
        others = [other for other in self.recent if (other.x != point.x).any()]
        if not others:
            return None
        changes = point.grad - np.array([other.grad for other in others])
        nearest = np.argsort(np.vecdot(changes, changes), kind="stable")
        if point.blur is None:  # slopes by differences need not be nearest where points are
            nearest = nearest[:WITNESSES]
        for other in (others[k] for k in nearest.tolist()):
            errors, curved, roundings = _compare(other, point)
            same = errors <= SMALL * curved + roundings
            if same[0]:
                return other, same & used
        return None
