"""The last gradients, and where they were: what a descent knows of the function around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smoothmin._machine import PRODUCTS, cached_parts, room_at_first
from smoothmin._protocol import Array


class Bundle:
    """A ring of points with their values and gradients, seen from a centre.

    Parameters
    ----------
    n : int
        Number of variables.
    capacity : int
        Points kept; the oldest that is not held makes room.
    """

    def __init__(self, n: int, capacity: int) -> None:
        self.capacity = capacity
        try:
            self._make_place(n, room_at_first(capacity, n))
        except MemoryError:  # more is made when it is needed
            self._make_place(n, 1)
        self._measured, self._added = False, 0
        self._centre = self._gradient = self._from = np.empty(n)
        self._value = self._from_value = 0.0

    def _make_place(self, n: int, size: int) -> None:
        """For so many points; there are none."""
        self._points, self._gradients = np.empty((size, n)), np.empty((size, n))
        self._gaps = np.empty(size)  # value at an earlier centre over each tangent there
        self._serials = np.full(size, -1, dtype=np.intp)
        self._distances = np.empty(size)  # from the centre, squared
        self._held = np.zeros(size, dtype=bool)
        self._denied = np.zeros(size, dtype=bool)  # gradients that are none
        self._centre_denied = False

    def __len__(self) -> int:
        return min(self._added, self.capacity)

    def restart(self, x: Array, fun: float, grad: Array) -> None:
        """Forget all points but the centre, which this is."""
        self._added = 0
        self._measured = False
        self._held[:] = self._denied[:] = self._centre_denied = False
        self._centre, self._value, self._gradient = x, fun, grad
        self._from, self._from_value = x, fun
        self.add(x, fun, grad)

    def add(self, x: Array, fun: float, grad: Array) -> None:
        """Keep a point, unless its value or gradient is not finite."""
        gap = self._from_value - fun - float(grad @ (self._from - x))
        if gap - gap != 0:
            return
        row = self._added
        if row >= self.capacity:
            row = int(np.where(self._held, self._added, self._serials).argmin())
        elif row == len(self._gaps):
            self._grow()
        self._points[row], self._gradients[row], self._gaps[row] = x, grad, gap
        self._serials[row], self._denied[row] = self._added, False
        if self._measured:
            away = x - self._centre
            self._distances[row] = away @ away
        self._added += 1

    def _grow(self) -> None:
        """Make place for twice as many points."""
        for name in (
            "_points",
            "_gradients",
            "_gaps",
            "_serials",
            "_distances",
            "_held",
            "_denied",
        ):
            old = getattr(self, name)
            new = np.zeros((min(2 * len(old), self.capacity), *old.shape[1:]), dtype=old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)

    def move(self, x: Array, fun: float, grad: Array) -> None:
        """Make another point the centre."""
        self._measured = self._centre_denied = False
        self._held[:] = False
        self._centre, self._value, self._gradient = x, fun, grad

    def gaps(self) -> Array:
        """Value at the centre over each tangent there (len,)."""
        m = len(self)
        if self._from is not self._centre:
            self._shift(self._gradients[:m] @ (self._centre - self._from))
        return self._gaps[:m]

    def _shift(self, changes: Array) -> None:
        """Gaps at the centre, by the ``changes`` of all tangents on the way there."""
        self._gaps[: len(self)] += self._value - self._from_value - changes
        self._from, self._from_value = self._centre, self._value

    def hold(self, serials: NDArray[np.intp]) -> None:
        """Keep these points, and no others, until the centre moves."""
        self._held = (self._serials[:, None] == serials).any(axis=1)

    def near(self, radius: float) -> tuple[Array, NDArray[np.intp]]:
        """Gradients (m, n) within ``radius`` of the centre, and their serials (m,).

        The centre's own comes first, even when its place in the ring is taken; its serial
        is `CENTRE`.
        """
        m = len(self)
        if not self._measured:
            self._measure()
        rows = np.flatnonzero((self._distances[:m] <= radius * radius) & ~self._denied[:m])
        gradients = np.empty((len(rows) + 1, self._gradient.size))
        gradients[0] = self._gradient
        np.take(self._gradients, rows, axis=0, out=gradients[1:], mode="clip")  # without a copy
        serials = np.concatenate([[CENTRE], self._serials[rows]])
        first = 1 if self._centre_denied and len(rows) else 0
        return gradients[first:], serials[first:]

    def seen(self, serials: NDArray[np.intp]) -> tuple[Array, Array, Array]:
        """Points (k, n), values (k,) and gradients (k, n) of some tangents."""
        rows = np.array(
            [np.flatnonzero(self._serials == k)[0] for k in serials if k != CENTRE], int
        )
        inner = serials != CENTRE
        points = np.tile(self._centre, (len(serials), 1))
        gradients = np.tile(self._gradient, (len(serials), 1))
        points[inner], gradients[inner] = self._points[rows], self._gradients[rows]
        values = np.full(len(serials), self._value)
        away = np.vecdot(gradients[inner], points[inner] - self._centre)
        values[inner] += away - self.gaps()[rows]
        return points, values, gradients

    def deny(self, serials: NDArray[np.intp]) -> None:
        """Take some of the gradients, of which the centre's may be one, for none from now on."""
        self._denied |= (self._serials[:, None] == serials).any(axis=1)
        self._centre_denied = self._centre_denied or bool((serials == CENTRE).any())

    def _measure(self) -> None:
        """Squared distances from the centre."""
        m = len(self)
        self._distances[:m] = 0.0
        for part in cached_parts(m, self._centre.size):
            away = self._points[:m, part] - self._centre[part]
            self._distances[:m] += np.einsum("ij,ij->i", away, away)
        self._measured = True

    def mixed(self, serials: NDArray[np.intp], weights: Array) -> tuple[float, Array]:
        """By how much a mix of tangents misses the value at the centre, and the mean of its points.

        Both are the centre's own as far as these weights are.
        """
        shares = weights @ (self._serials[: len(self)] == serials[:, None])
        mean = self._centre.copy()
        for part in cached_parts(len(self), mean.size):
            mean[part] += shares @ (self.points[:, part] - self._centre[part])
        return float(shares @ np.abs(self.gaps())), mean

    def changes(self) -> Array:
        """Gradients (len, n) less that of the centre."""
        changes: Array = self._gradients[: len(self)] - self._gradient
        return changes

    def kinks(self, direction: Array, slope: float) -> tuple[Array, Array]:
        """Where along ``direction`` the tangents in the bundle meet the centre's, of ``slope``.

        Returns
        -------
        meets : ndarray (len,)
            In units of ``direction``; infinite for tangents that do not.
        slopes : ndarray (len,)
            Slopes of the tangents along ``direction``.
        """
        m = len(self)
        if self._from is self._centre:
            slopes = self._gradients[:m] @ direction
        else:  # all gradients are read from memory, but once
            both = self._gradients[:m] @ np.column_stack([self._centre - self._from, direction])
            self._shift(both[:, 0])
            slopes = both[:, 1]
        gaps = self._gaps[:m]
        meets = np.full(m, np.inf)
        crossing = (slopes > slope) & (gaps > PRODUCTS * abs(self._value))
        np.divide(gaps, slopes - slope, out=meets, where=crossing)
        return meets, slopes

    def cuts(self, rows: NDArray[np.intp]) -> tuple[Array, Array]:
        """Gradients and gaps at the centre of some tangents, after those of the centre's own.

        Gaps of a function that is not convex may be negative; their size is what says how
        far from the centre a tangent is valid.
        """
        gradients = np.concatenate([self._gradient[None, :], self._gradients[rows]])
        return gradients, np.concatenate([[0.0], np.abs(self.gaps()[rows])])

    def convex(self, noise: float) -> bool:
        """Whether no tangent lies above the value at the centre, by more than ``noise``."""
        return bool(self.gaps().min() >= -noise)

    def tangents(self) -> tuple[Array, Array, NDArray[np.intp]]:
        """Gradients (len, n) of all tangents, their gaps at the centre, and serials."""
        m = len(self)
        return self._gradients[:m], np.maximum(self.gaps(), 0.0), self._serials[:m]

    @property
    def points(self) -> Array:
        """Where the tangents touch (len, n)."""
        return self._points[: len(self)]


MOST_TANGENTS = 250  # however many variables there are
CENTRE = -2  # serial of the centre's gradient
