"""Finite differences inside the bounds, asked for as batches.

Steps are those of Press et al. and of SciPy: the square root of the rounding
unit for one-sided differences, its cube root for central ones, relative to
max(1, |x|), and turned or shortened where a bound is in the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin._protocol import Array

SCHEMES = ("2-point", "3-point", "cs")
EPS = float(np.finfo(float).eps)
BLOCK_ELEMENTS = 2**21  # 16 MB of stencil points at a time


class Stencil:
    """Which points a finite-difference gradient needs, and what it makes of their values.

    Parameters
    ----------
    scheme : {"2-point", "3-point", "cs"}
    box : (lower, upper), ndarrays of shape (n,), or None
    relative_step : float, optional
        Step relative to max(1, |x|), instead of the scheme's own.
    """

    def __init__(
        self,
        scheme: str,
        box: tuple[Array, Array] | None,
        relative_step: float | None = None,
    ) -> None:
        self.scheme = scheme
        self._box = box
        own = {"2-point": EPS**0.5, "3-point": EPS ** (1 / 3), "cs": EPS}[scheme]
        self._relative = own if relative_step is None else relative_step

    def blocks(self, points: Array) -> Iterator[tuple[slice, Iterator[NDArray[Any]]]]:
        """Slices of ``points``, each with the batches of values it needs."""
        n = points.shape[1]
        per_point = (2 * n + 1) * n
        rows = max(1, BLOCK_ELEMENTS // per_point)
        for first in range(0, len(points), rows):
            part = slice(first, min(first + rows, len(points)))
            yield part, self._batches(points[part])

    def _batches(self, points: Array) -> Iterator[NDArray[Any]]:
        """The points themselves, then every coordinate's step from each of them."""
        m, n = points.shape
        width = max(1, BLOCK_ELEMENTS // (2 * n * m))
        for first in range(0, n, width):
            columns = np.arange(first, min(first + width, n))
            moved = self._moved(points, columns)
            if first == 0 and not np.iscomplexobj(moved):
                yield np.concatenate([points, moved])
            elif first == 0:
                yield points
                yield moved
            else:
                yield moved

    def _moved(self, points: Array, columns: NDArray[np.intp]) -> NDArray[Any]:
        """For each coordinate, each sign, each point: the point moved; shape (c*s*m, n)."""
        steps = self._steps(points)
        shifts = [1j * steps[0]] if self.scheme == "cs" else steps
        out = np.empty((len(columns), len(shifts), *points.shape), dtype=shifts[0].dtype)
        out[...] = points
        for at, j in enumerate(columns):
            for s, shift in enumerate(shifts):
                out[at, s, :, j] += shift[:, j]
        if self._box is not None and self.scheme != "cs":
            np.clip(out, *self._box, out=out)  # the sum may round outward
        moved: NDArray[Any] = out.reshape(-1, points.shape[1])
        return moved

    def _steps(self, points: Array) -> list[Array]:
        """Signed steps (m, n): one for one-sided schemes, two for the three-point one."""
        h = self._relative * np.maximum(1.0, np.abs(points))
        if self.scheme == "cs":
            return [h]
        sign = np.where(points < 0, -1.0, 1.0)
        h = (points + h) - points  # a step that the sum represents exactly
        if self._box is None:
            return [sign * h] if self.scheme == "2-point" else [h, -h]
        lower, upper = self._box
        above, below = upper - points, points - lower
        if self.scheme == "2-point":
            ahead = np.where(sign > 0, above, below)
            turned = np.where((ahead < h) & (np.maximum(above, below) > ahead), -sign, sign)
            room = np.where(turned > 0, above, below)
            return [np.clip(points + turned * np.minimum(h, room), lower, upper) - points]
        central = np.minimum(above, below) >= h
        side = np.where(above >= below, 1.0, -1.0)
        reach = np.minimum(h, np.maximum(above, below) / 2)
        return [
            np.clip(points + np.where(central, h, side * reach), lower, upper) - points,
            np.clip(points + np.where(central, -h, 2 * side * reach), lower, upper) - points,
        ]

    def combine(self, points: Array, found: NDArray[Any]) -> tuple[Array, Array]:
        """Values (m,) and gradients (m, n) from the values of all batches."""
        m, n = points.shape
        values = found[:m].real
        if self.scheme == "cs":
            moved = found[m:].reshape(n, m).T
            return values, moved.imag / self._relative / np.maximum(1.0, np.abs(points))
        steps = self._steps(points)
        if self.scheme == "2-point":
            moved = found[m:].reshape(n, m).T
            return values, (moved - values[:, None]) / _nonzero(steps[0])
        pairs = found[m:].reshape(n, 2, m)
        first, second = pairs[:, 0].T - values[:, None], pairs[:, 1].T - values[:, None]
        # the parabola through the three points, whichever sides they lie on
        a, b = _nonzero(steps[0]), _nonzero(steps[1])
        gradients = (first * b / a - second * a / b) / _nonzero(b - a)
        return values, gradients


def _nonzero(step: Array) -> Array:
    """Steps to divide by; a step of zero has a difference of zero."""
    return np.where(step == 0, 1.0, step)
