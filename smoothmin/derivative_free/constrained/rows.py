"""Nonlinear constraints as ``c <= 0``, one side at a time, and how much they are violated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smoothmin._protocol import Array, Mask, Problem


@dataclass(frozen=True)
class RowSides:
    """Every finite side of every row: ``sign * (row - bound) <= 0``.

    Parameters
    ----------
    index : ndarray of int, shape (k,)
        Of the row.
    sign, bound, tolerance : ndarrays, shape (k,)
    """

    index: NDArray[np.intp]
    sign: Array
    bound: Array
    tolerance: Array

    @staticmethod
    def of(problem: Problem) -> RowSides:
        """Those of a problem."""
        rows = problem.nonlinear
        if rows is None:
            return RowSides(np.empty(0, dtype=np.intp), np.empty(0), np.empty(0), np.empty(0))
        above, below = np.isfinite(rows.upper), np.isfinite(rows.lower)
        index = np.concatenate([np.flatnonzero(above), np.flatnonzero(below)])
        sign = np.concatenate([np.ones(int(above.sum())), -np.ones(int(below.sum()))])
        bound = np.concatenate([rows.upper[above], rows.lower[below]])
        return RowSides(index, sign, bound, rows.tolerance[index])

    def __len__(self) -> int:
        return len(self.index)

    def of_rows(self, rows: Array) -> Array:
        """``c`` (m, k) for rows (m, j)."""
        found: Array = self.sign * (rows[:, self.index] - self.bound)
        return found

    def net(self, multipliers: Array) -> Array:
        """Multipliers (k,) without what the two sides of an equality take from each other.

        Only their difference is determined.
        """
        rows = np.zeros(int(self.index.max(initial=-1)) + 1)
        np.add.at(rows, self.index, self.sign * multipliers)
        found: Array = np.maximum(self.sign * rows[self.index], 0.0)
        return found

    def units(self, c: Array) -> Array:
        """``max(1, |row|)``, in which violations are measured."""
        return np.maximum(1.0, np.abs(self.sign * c + self.bound))

    def allowed(self, c: Array) -> Array:
        """Violations that count as none where sides are c."""
        found: Array = self.tolerance * self.units(c)
        return found

    def violation(self, c: Array) -> Array:
        """The largest violation of each point (m,), in units of ``max(1, |row|)``; of c (m, k)."""
        if not len(self):
            return np.zeros(len(c))
        excess = np.maximum(c, 0.0) / self.units(c)
        worst: Array = np.where(np.isnan(excess), np.inf, excess).max(axis=1)
        return worst

    def met(self, c: Array) -> Mask:
        """Whether each point (m,) violates nothing by more than its tolerance; of c (m, k)."""
        within = np.maximum(c, 0.0) <= self.allowed(c)
        met: Mask = np.asarray(within.all(axis=1))
        return met
