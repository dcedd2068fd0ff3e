"""The gradients seen last, and where: what a descent knows of the function around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smoothmin._protocol import Array


class Bundle:
    """A ring of points with their values and gradients, seen from a centre.

    Parameters
    ----------
    n : int
        Number of variables.
    capacity : int
        Points kept; the oldest makes room.
    """

    def __init__(self, n: int, capacity: int) -> None:
        self._points = np.empty((capacity, n))
        self._gradients = np.empty((capacity, n))
        self._gaps = np.empty(capacity)  # value at the centre over each tangent there
        self._serials = np.empty(capacity, dtype=np.intp)
        self._capacity = capacity
        self._added = 0
        self._centre = self._gradient = np.empty(n)
        self._value = 0.0

    def __len__(self) -> int:
        return min(self._added, self._capacity)

    def restart(self, x: Array, fun: float, grad: Array) -> None:
        """Forget all points but the centre, which this is."""
        self._added = 0
        self._centre, self._value, self._gradient = x, fun, grad
        self.add(x, fun, grad)

    def add(self, x: Array, fun: float, grad: Array) -> None:
        """Keep a point, unless its value or gradient is not finite."""
        gap = self._value - fun - float(grad @ (self._centre - x))
        if gap - gap != 0:
            return
        row = self._added % self._capacity
        self._points[row], self._gradients[row], self._gaps[row] = x, grad, gap
        self._serials[row] = self._added
        self._added += 1

    def move(self, x: Array, fun: float, grad: Array) -> None:
        """Make another point the centre."""
        m = len(self)
        self._gaps[:m] += fun - self._value - self._gradients[:m] @ (x - self._centre)
        self._centre, self._value, self._gradient = x, fun, grad

    def near(self, radius: float) -> tuple[Array, NDArray[np.intp]]:
        """Gradients (m, n) within ``radius`` of the centre, and their serials (m,).

        The centre's own comes first, even when its place in the ring is taken; its serial
        is `CENTRE`.
        """
        m = len(self)
        away = self._points[:m] - self._centre
        rows = np.flatnonzero(np.einsum("ij,ij->i", away, away) <= radius**2)
        gradients = np.concatenate([self._gradient[None, :], self._gradients[rows]])
        return gradients, np.concatenate([[CENTRE], self._serials[rows]])

    def first_kink(self, direction: Array, slope: float) -> float:
        """How far along ``direction`` the centre's tangent, of ``slope``, meets a rising one.

        In units of ``direction``; infinite if it meets none.
        """
        m = len(self)
        slopes = self._gradients[:m] @ direction
        gaps = self._gaps[:m]
        rising = (slopes > 0) & (gaps > GAP_AT_ROUNDING * abs(self._value))
        if not rising.any():
            return np.inf
        return float((gaps[rising] / (slopes[rising] - slope)).min())


CENTRE = -2  # serial of the centre's gradient
GAP_AT_ROUNDING = 1e-12  # gaps smaller than this part of the value say nothing
