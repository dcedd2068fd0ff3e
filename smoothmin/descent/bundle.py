"""The gradients seen last, and where: what a descent knows of the function around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smoothmin._protocol import Array


class Bundle:
    """A ring of points with their values and gradients.

    Parameters
    ----------
    n : int
        Number of variables.
    capacity : int
        Points kept; the oldest makes room.
    """

    def __init__(self, n: int, capacity: int) -> None:
        self.points = np.empty((capacity, n))
        self.values = np.empty(capacity)
        self.gradients = np.empty((capacity, n))
        self._capacity = capacity
        self.added = 0

    def __len__(self) -> int:
        return min(self.added, self._capacity)

    def add(self, x: Array, fun: float, grad: Array) -> None:
        """Keep a point, unless its value or gradient is not finite."""
        if not (np.isfinite(fun) and np.isfinite(grad.sum())):
            return
        row = self.added % self._capacity
        self.points[row], self.values[row], self.gradients[row] = x, fun, grad
        self.added += 1

    def clear(self) -> None:
        """Forget all points."""
        self.added = 0

    def distances(self, x: Array) -> Array:
        """Euclidean distances (len,) of the points from ``x``."""
        away = self.points[: len(self)] - x
        distances: Array = np.sqrt(np.einsum("ij,ij->i", away, away))
        return distances

    def near(self, x: Array, radius: float) -> NDArray[np.intp]:
        """Rows of the points within ``radius`` of ``x``."""
        return np.flatnonzero(self.distances(x) <= radius)

    def lowest(self) -> int:
        """Row of the lowest value."""
        return int(self.values[: len(self)].argmin())
