"""Eigenvectors and eigenvalues of the second difference, by fast real transforms.

Reference: G. Strang, "The discrete cosine transform", SIAM Review 41 (1999),
for the boundaries of the cosine family; the sine family is its mirror image.
"""

from __future__ import annotations

import functools
import math
from typing import Any, Final

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from smoothmin._machine import FEW
from smoothmin._protocol import Array
from smoothmin.laplacian._bases import Basis, Floats, is_short

BOUNDARIES: Final = ("periodic", "neumann", "dirichlet")


def axis_eigenvalues(length: int, boundary: str, spacing: float) -> Array:
    """Eigenvalues (length,) of the negative second difference along one axis."""
    k = np.arange(length)
    if boundary == "periodic":
        angle = np.pi * k / length
    elif boundary == "neumann":
        angle = np.pi * k / (2 * length)
    else:
        angle = np.pi * (k + 1) / (2 * (length + 1))
    values: Array = (2.0 / spacing * np.sin(angle)) ** 2
    return values


class Transform:
    """To and from the eigenvectors of -L on the last ``len(grid)`` axes of an array.

    ``eigenvalues`` has the shape of one transformed field: that of the grid, with half
    of one axis where the spectrum ``is_complex``. It is the sum of those of each axis.
    """

    def __init__(self, grid: tuple[int, ...], boundary: str, spacing: tuple[float, ...]) -> None:
        self.grid, self._boundary = grid, boundary
        axes = range(-len(grid), 0)
        self._short = {k: Basis(grid[k], boundary) for k in axes if is_short(grid[k], boundary)}
        self._axes = tuple(k for k in axes if k not in self._short)
        self._lengths = tuple(grid[k] for k in self._axes)
        self.is_complex = boundary == "periodic" and bool(self._axes)
        by_axis = []
        for axis, length, step in zip(axes, grid, spacing, strict=True):
            values = axis_eigenvalues(length, boundary, step)
            if axis in self._short:
                values = values[self._short[axis].order]
            elif self.is_complex and axis == self._axes[-1]:
                values = values[: length // 2 + 1]
            shape = [1] * len(grid)
            shape[axis] = values.size
            by_axis.append(values.reshape(shape))
        self.eigenvalues: Array = functools.reduce(np.add, by_axis)

    def forward(self, fields: Floats) -> NDArray[Any]:
        """Each eigenvector's share of ``fields`` (..., *grid)."""
        result: NDArray[Any] = fields
        for axis, basis in self._short.items():
            result = basis.forward(result, axis)
        if not self._axes:
            return result
        if self._boundary == "periodic":
            return np.asarray(scipy.fft.rfftn(result, axes=self._axes))
        if self._boundary == "neumann":
            return np.asarray(scipy.fft.dctn(result, 2, axes=self._axes))
        return np.asarray(scipy.fft.dstn(result, 1, axes=self._axes))

    def backward(self, spectrum: NDArray[Any]) -> Floats:
        """The fields (..., *grid) of a spectrum, which is destroyed."""
        result: Floats = spectrum
        axes = self._axes
        if not axes:
            pass
        elif self._boundary == "periodic":
            result = scipy.fft.irfftn(spectrum, self._lengths, axes=axes, overwrite_x=True)
        elif self._boundary == "neumann":
            result = scipy.fft.idctn(spectrum, 2, axes=axes, overwrite_x=True)
        else:
            result = scipy.fft.idstn(spectrum, 1, axes=axes, overwrite_x=True)
        for axis, basis in self._short.items():
            result = basis.backward(result, axis)
        return result


class Multiplier:
    """Multiplies each eigenvector's share of a field by its weight."""

    def __init__(self, transform: Transform, weights: Array, dtype: Any) -> None:
        self._transform = transform
        self._weights = weights.astype(dtype)
        # up to some size one product with a matrix is quicker than any transform
        n = math.prod(transform.grid)
        self._matrix: Floats | None = None
        if n <= FEW:
            unit = np.eye(n, dtype=dtype).reshape(n, *transform.grid)
            self._matrix = self._apply(unit).reshape(n, n)

    def solve(self, g: Floats, out: Floats) -> None:
        """The product with ``g`` into ``out``; contiguous, one field or several."""
        if self._matrix is None:
            fields = g.reshape(-1, *self._transform.grid)
            out[...] = self._apply(fields).reshape(out.shape)
        elif g.ndim == 1:
            out[...] = self._matrix.dot(g)
        else:
            out[...] = (g.reshape(-1, len(self._matrix)) @ self._matrix).reshape(out.shape)

    def _apply(self, fields: Floats) -> Floats:
        spectrum = self._transform.forward(fields)
        spectrum *= self._weights
        return self._transform.backward(spectrum)


def second_difference(fields: Floats, axis: int, boundary: str, spacing: float) -> Floats:
    """``-L`` along one axis of ``fields``, by its stencil."""
    v = np.moveaxis(fields, axis, 0)
    result: Floats
    if boundary == "periodic":
        result = 2.0 * v - np.roll(v, 1, axis=0) - np.roll(v, -1, axis=0)
    else:
        result = np.zeros_like(v) if boundary == "neumann" else _ends(v)
        slope = np.diff(v, axis=0)
        result[:-1] -= slope
        result[1:] += slope
    result *= v.dtype.type(1.0 / spacing**2)
    return np.moveaxis(result, 0, axis)


def _ends(v: Floats) -> Floats:
    """What a zero beyond each end adds."""
    result = np.zeros_like(v)
    result[0] += v[0]
    result[-1] += v[-1]
    return result


def as_spacing(spacing: Any, dimensions: int | None = None) -> tuple[float, ...]:
    """One positive spacing per axis, from None, one number or one per axis.

    Without ``dimensions`` of as many axes as there are numbers.
    """
    try:
        given = np.asarray(1.0 if spacing is None else spacing, dtype=float).ravel()
    except (TypeError, ValueError):
        raise TypeError(f"spacing must be a number or one per axis, got {spacing!r:.80}") from None
    if dimensions is None:
        dimensions = max(1, given.size)
    if given.size not in (1, dimensions):
        raise ValueError(f"spacing must be one number or {dimensions} of them, got {spacing!r:.80}")
    if not np.all((given > 0) & np.isfinite(given)):
        raise ValueError(f"spacing must be positive and finite, got {spacing!r:.80}")
    return tuple(float(h) for h in np.broadcast_to(given, (dimensions,)))


def as_grid(name: str, shape: Any) -> tuple[int, ...]:
    """A grid's shape from an integer or a sequence of them."""
    lengths = shape if isinstance(shape, (tuple, list)) else (shape,)
    for length in lengths:
        if isinstance(length, bool) or not isinstance(length, (int, np.integer)):
            raise TypeError(f"{name} must be an integer or a tuple of them, got {shape!r}")
    if not lengths or math.prod(lengths) < 1 or min(lengths) < 1:
        raise ValueError(f"{name} must have positive lengths, got {shape!r}")
    return tuple(int(length) for length in lengths)
