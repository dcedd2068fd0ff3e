"""The box and the linear rows: known exactly, and kept by every point that is evaluated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from smoothmin._machine import EPS
from smoothmin._protocol import Array, Problem
from smoothmin._verdict import NEGLIGIBLE, SHORT
from smoothmin.subproblems.boxed_qp import projection


@dataclass(frozen=True)
class LinearSet:
    """``low <= z <= high`` and ``rows @ z <= room``, in coordinates divided by the scale.

    ``inside`` is the centre of the largest ball in it, near the start where it is unbounded,
    and ``radius`` that ball's; zero where the set has no inside.
    """

    low: Array
    high: Array
    rows: Array
    room: Array
    slack: Array  # by how much rounding may exceed the room
    inside: Array
    radius: float
    index: NDArray[np.intp]  # of each row among the problem's
    sign: Array  # and whether it is above or below
    size: Array  # by which it was divided

    @staticmethod
    def of(problem: Problem, scale: Array) -> LinearSet:
        """That of a problem."""
        n = problem.x0.size
        low, high = np.full(n, -np.inf), np.full(n, np.inf)
        if problem.box is not None:
            low, high = problem.box[0] / scale, problem.box[1] / scale
        rows, room, sizes = np.empty((0, n)), np.empty(0), np.empty(0)
        index, sign = np.empty(0, dtype=np.intp), np.empty(0)
        if problem.linear is not None:
            matrix = problem.linear.matrix
            matrix = np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix)
            matrix = matrix * scale
            size = np.linalg.norm(matrix, axis=1)
            size = np.where(size > 0, size, 1.0)
            matrix = matrix / size[:, None]
            up, down = problem.linear.upper / size, problem.linear.lower / size
            above, below = np.isfinite(up), np.isfinite(down)
            rows = np.concatenate([matrix[above], -matrix[below]])
            room = np.concatenate([up[above], -down[below]])
            index = np.concatenate([np.flatnonzero(above), np.flatnonzero(below)])
            sign = np.concatenate([np.ones(int(above.sum())), -np.ones(int(below.sum()))])
            sizes = size[index]
        slack = 4 * n * EPS * np.maximum(1.0, np.abs(room))
        z0 = problem.x0 / scale
        inside, radius = _largest_ball(low, high, rows, room, z0)
        return LinearSet(low, high, rows, room, slack, inside, radius, index, sign, sizes)

    def holds(self, z: Array) -> bool:
        """Whether a point is in the set, to rounding."""
        return bool(
            (z >= self.low).all()
            and (z <= self.high).all()
            and (self.rows @ z <= self.room + self.slack).all()
        )

    def nearest(self, z: Array) -> Array | None:
        """The nearest point of the set, None if there is none."""
        z = np.clip(z, self.low, self.high)
        if self.holds(z):
            return z
        nearest, _ = projection(z, self.rows, self.room, (self.low, self.high))
        found = self.towards(self.inside, nearest)
        return found if self.holds(found) else None

    def towards(self, start: Array, end: Array) -> Array:
        """``end``, moved into the set where rounding left it outside; else ``start``."""
        end = np.clip(end, self.low, self.high)
        goal = self.inside if self.radius > 0 else start
        back = 4 * EPS
        while back <= SHORT:
            if self.holds(end):
                return end
            end = np.clip(end + back * (goal - end), self.low, self.high)
            back *= 4
        return start

    def within(self, start: Array, end: Array) -> Array:
        """The last point in the set on the straight way from ``start``, which is in it."""
        way = end - start
        with np.errstate(all="ignore"):
            walls = np.concatenate([
                np.where(way < 0, (self.low - start) / way, np.inf),
                np.where(way > 0, (self.high - start) / way, np.inf),
                np.where(self.rows @ way > 0, (self.room - self.rows @ start)
                         / (self.rows @ way), np.inf),
            ])  # fmt: skip
        t = max(0.0, min(1.0, float(np.nanmin(walls, initial=1.0))))
        return self.towards(start, start + t * way)

    def beside(self, z: Array, there: Array) -> Array:
        """The point of the set nearest to one; at a corner most straight ways lead nowhere."""
        found = self.nearest(there)
        return self.within(z, there) if found is None else found

    def simplex(self, z: Array, size: float) -> Array:
        """Points (n, n) of the set whose differences to ``z`` are independent, about ``size`` long.

        Along the axes where there is room; else to the corners of a simplex around the inside.
        """
        n = z.size
        up = np.stack([self.within(z, z + row) for row in size * np.eye(n)])
        down = np.stack([self.within(z, z - row) for row in size * np.eye(n)])
        longer = np.abs(np.diagonal(up - z)) >= 0.5 * size
        points = np.where(longer[:, None], up, down)
        length = np.abs(np.diagonal(points - z))
        if (length >= size / 4).all() or not self.radius > 0:
            short = length < SHORT * size  # no inside: what has no room stays out of the set
            points[short] = np.clip(z + size * np.eye(n)[short], self.low, self.high)
            return points
        centre = self.inside - z
        sign = np.where(centre >= 0, 1.0, -1.0)
        corners = centre + self.radius / np.sqrt(n) * np.diag(sign)
        corners *= np.minimum(1.0, size / np.linalg.norm(corners, axis=1))[:, None]
        return np.stack([self.towards(z, z + corner) for corner in corners])


def _largest_ball(
    low: Array, high: Array, rows: Array, room: Array, z: Array
) -> tuple[Array, float]:
    """Centre and radius; of radius one where a larger one fits, and then near ``z``."""
    n = z.size
    if not len(rows):
        width = np.minimum(1.0, 0.5 * (high - low))
        return np.clip(z, low + width, high - width), float(width.min())
    size = np.linalg.norm(rows, axis=1)
    eye = np.eye(n)
    bounded_low, bounded_high = np.isfinite(low), np.isfinite(high)
    a = np.concatenate([rows, -eye[bounded_low], eye[bounded_high]])
    b = np.concatenate([room, -low[bounded_low], high[bounded_high]])
    radius = np.concatenate([size, np.ones(int(bounded_low.sum() + bounded_high.sum()))])
    found = linprog(
        np.append(np.zeros(n), -1.0), np.column_stack([a, radius]), b,
        bounds=[(None, None)] * n + [(None, 1.0)],
    )  # fmt: skip
    if found.x is None:
        return z, 0.0
    centre, ball = found.x[:n], float(found.x[n])
    if ball <= NEGLIGIBLE:
        return centre, min(ball, 0.0)
    slack = b - 0.5 * ball * radius - a @ z
    if (slack >= 0).all():  # half of it fits around the start
        return z, 0.5 * ball
    return centre, ball
