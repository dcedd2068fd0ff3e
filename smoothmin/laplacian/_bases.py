"""Eigenvectors of the second difference as matrices, for sides that suit no fast transform.

All boundaries are alike at both ends, so that half of the eigenvectors are symmetric
and half antisymmetric: with the two halves of a line added and subtracted, two products
with matrices of half the side do what one of the whole would.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin._machine import DENSE_UP_TO, FEW
from smoothmin._protocol import Array

Floats = NDArray[np.floating[Any]]


def is_short(length: int, boundary: str) -> bool:
    """Whether products with a `Basis` are quicker than fast transforms.

    Of a long side an element costs half its length in a product, and in a transform the
    length's largest prime factor; that of sines transforms one element more.
    """
    if length <= FEW:
        return True
    sines = boundary == "dirichlet"
    return length <= min(2 * _largest_factor(length + sines), DENSE_UP_TO)


def _largest_factor(number: int) -> int:
    """The largest prime factor, of 1 itself."""
    factor = 2
    while factor * factor <= number:
        if number % factor:
            factor += 1
        else:
            number //= factor
    return number


@functools.lru_cache(maxsize=16)
def eigenvectors(length: int, boundary: str) -> Array:
    """Orthonormal columns (length, length): symmetric ones, then antisymmetric."""
    k, j = _order(length, boundary), np.arange(length)[:, None]
    # angles are reduced to a turn while they are integers, lest rounding grow with them
    if boundary == "dirichlet":
        basis: Array = np.sin(np.pi / (length + 1) * ((k + 1) * (j + 1) % (2 * length + 2)))
    elif boundary == "neumann":
        basis = np.cos(np.pi / (2 * length) * (k * (2 * j + 1) % (4 * length)))
    else:
        angles = np.pi / length * (k * (2 * j + 1) % (2 * length))
        half = (length + 1) // 2
        basis = np.hstack([np.cos(angles[:, :half]), np.sin(angles[:, half:])])
    basis /= np.linalg.norm(basis, axis=0)
    basis.flags.writeable = False
    return basis


def _order(length: int, boundary: str) -> NDArray[np.intp]:
    """The frequencies of `eigenvectors`, as numbers of `axis_eigenvalues`."""
    k = np.arange(length)
    if boundary == "periodic":
        return np.concatenate([k[: (length + 1) // 2], k[1 : length // 2 + 1]])
    return np.concatenate([k[::2], k[1::2]])


class Basis:
    """Transforms along one axis of arrays, by products with the eigenvectors' matrix.

    ``order`` are the frequencies in the order of the spectrum.
    """

    def __init__(self, length: int, boundary: str) -> None:
        self._length, self._half = length, (length + 1) // 2
        self._boundary = boundary
        self.order = _order(length, boundary)

    def forward(self, fields: Floats, axis: int) -> Floats:
        """Each eigenvector's share, in a new array."""
        parts = self._parts(fields, axis)
        half, rest = self._half, self._length - self._half
        front, back = parts[:, :rest], parts[:, : half - 1 : -1]
        folded, result = np.empty_like(parts), np.empty_like(parts)
        np.add(front, back, out=folded[:, :rest])
        folded[:, rest:half] = parts[:, rest:half]
        np.subtract(front, back, out=folded[:, half:])
        even, odd = self._halves(fields.dtype)
        _product(even.T, folded[:, :half], result[:, :half])
        _product(odd.T, folded[:, half:], result[:, half:])
        return result.reshape(fields.shape)

    def backward(self, spectrum: Floats, axis: int) -> Floats:
        """The fields of a spectrum, in a new array."""
        parts = self._parts(spectrum, axis)
        half, rest = self._half, self._length - self._half
        folded, result = np.empty_like(parts), np.empty_like(parts)
        even, odd = self._halves(spectrum.dtype)
        _product(even, parts[:, :half], folded[:, :half])
        _product(odd, parts[:, half:], folded[:, half:])
        np.add(folded[:, :rest], folded[:, half:], out=result[:, :rest])
        result[:, rest:half] = folded[:, rest:half]
        np.subtract(folded[:, :rest], folded[:, half:], out=result[:, : half - 1 : -1])
        return result.reshape(spectrum.shape)

    def _parts(self, array: Floats, axis: int) -> Floats:
        """The array as (before, length, after)."""
        after = math.prod(array.shape[axis:][1:])
        return array.reshape(-1, self._length, after)

    def _matrix(self, dtype: Any) -> Floats:
        return _as(self._length, self._boundary, dtype)

    def _halves(self, dtype: Any) -> tuple[Floats, Floats]:
        """Those of the symmetric and of the antisymmetric, on the first half."""
        matrix, half = self._matrix(dtype), self._half
        return matrix[:half, :half], matrix[: self._length - half, half:]


@functools.lru_cache(maxsize=16)
def _as(length: int, boundary: str, dtype: Any) -> Floats:
    """`eigenvectors` in some precision."""
    return eigenvectors(length, boundary).astype(dtype)


def _product(matrix: Floats, parts: Floats, out: Floats | None = None) -> Floats:
    """The matrix times each part (length, after)."""
    result = np.empty_like(parts) if out is None else out
    if parts.shape[-1] == 1:
        np.matmul(parts[..., 0], matrix.T, out=result[..., 0])
    else:
        np.matmul(matrix, parts, out=result)
    return result
