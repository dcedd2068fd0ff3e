"""A function continued beyond linear rows that no evaluation may leave.

With a point ``c`` inside the rows let ``gauge(z)`` be how far ``z`` lies along its ray from
``c``, in units of where the ray leaves them (Minkowski's functional). Beyond, at a gauge of
more than one, the function is that of the point where the ray leaves, plus a slope times
``gauge - 1``: continuous, and as no point of a ray is lower than where it leaves, with the
same minima, whatever the slope.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from smoothmin._machine import PRODUCTS
from smoothmin._protocol import Array, Problem, Rows
from smoothmin.constraints.region import dense


class Radial:
    """The continuation.

    Parameters
    ----------
    matrix, bound : ndarrays (k, n), (k,)
        Rows ``matrix @ x <= bound``.
    center : ndarray, shape (n,)
        Inside them.
    """

    def __init__(self, matrix: Array, bound: Array, center: Array) -> None:
        self._center = center
        self._slack = bound - matrix @ center
        self._matrix = matrix
        self._slope = 0.0

    @classmethod
    def of(cls, rows: Rows, problem: Problem) -> Radial | None:
        """Around the point with the most room; None if there is no room at all."""
        matrix = dense(rows.matrix)
        above, below = np.isfinite(rows.upper), np.isfinite(rows.lower)
        sides = np.vstack([matrix[above], -matrix[below]])
        bound = np.concatenate([rows.upper[above], -rows.lower[below]])
        center = roomy_point(sides, bound, problem.box)
        return None if center is None else cls(sides, bound, center)

    def _gauge(self, z: Array) -> tuple[Array, Array]:
        """Gauges (m,) and which row is first."""
        along = ((z - self._center) @ self._matrix.T) / self._slack
        first = along.argmax(axis=1)
        return along[np.arange(len(z)), first], first

    def points(self, z: Array) -> Array:
        """Where the function is evaluated."""
        gauge, _ = self._gauge(z)
        # a little less than to the rows, for rounding not to lead beyond
        share = np.where(gauge > 1, (1.0 - PRODUCTS) / np.maximum(gauge, 1.0), 1.0)
        out: Array = np.where(
            share[:, None] < 1, self._center + share[:, None] * (z - self._center), z
        )
        return out

    def inward(
        self, z: Array, values: Array, gradients: Array | None
    ) -> tuple[Array, Array | None]:
        """Values and gradients of the continuation, of those where it is evaluated."""
        gauge, first = self._gauge(z)
        beyond = gauge > 1
        if gradients is not None and beyond.any():
            finite = np.abs(gradients[np.isfinite(gradients).all(axis=1)])
            if finite.size:
                width = float(np.linalg.norm(z - self._center, axis=1).max())
                self._slope = self._slope or width * float(finite.max())
        elif beyond.any() and not self._slope:
            finite = np.abs(values[np.isfinite(values)])
            self._slope = max(1.0, float(finite.max(initial=0.0)))
        if not beyond.any():
            return values, gradients
        values = values + self._slope * np.where(beyond, gauge - 1.0, 0.0)
        if gradients is None:
            return values, None
        rise = self._matrix[first] / self._slack[first][:, None]
        offset = z - self._center
        inner = np.einsum("mn,mn->m", gradients, offset)
        # the chain rule through center + (z - center) / gauge
        safe = np.where(beyond, gauge, 1.0)[:, None]
        chained = gradients / safe - (inner[:, None] / safe**2) * rise + self._slope * rise
        return values, np.where(beyond[:, None], chained, gradients)


def roomy_point(
    matrix: Array,
    bound: Array,
    box: tuple[Array, Array] | None,
    equalities: tuple[Array, Array] | None = None,
) -> Array | None:
    """A point of the box farthest inside the rows, up to a distance of one; None without room."""
    from scipy.optimize import linprog

    n = matrix.shape[1]
    size = np.linalg.norm(matrix, axis=1)
    sides = np.tile([-np.inf, np.inf], (n, 1)) if box is None else np.column_stack(box)
    cost = np.zeros(n + 1)
    cost[-1] = -1.0
    held: dict[str, Any] = {}
    if equalities is not None:
        held = {"A_eq": np.pad(equalities[0], ((0, 0), (0, 1))), "b_eq": equalities[1]}
    found = linprog(
        cost,
        A_ub=np.hstack([matrix, size[:, None]]),
        b_ub=bound,
        bounds=[*map(tuple, sides), (0.0, 1.0)],
        method="highs",
        **held,
    )
    if found.status != 0 or not found.x[-1] > math.sqrt(PRODUCTS):
        return None
    center: Array = found.x[:n]
    return center
