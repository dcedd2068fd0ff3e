"""A square matrix J that rank-one changes update, for H = J J'.

A large matrix is read from memory at each product and written at each change, which
takes nearly all the time. So changes are collected, ``J = matrix + S V'``, and made
several at a time; one that begins as a diagonal is none but a diagonal until the first are,
and the inverse of ``J J'`` is had by Sherman, Morrison and Woodbury until then.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg.blas import dgemm, dgemv, dger

from smoothmin._check import require_memory
from smoothmin._machine import CACHED
from smoothmin._protocol import Array
from smoothmin.metrics.compact import CompactModel, Grams

CHANGES = 1 / 8  # share of as many as there are columns, that are made at a time


def dense(n: int) -> Array:
    """A matrix (n, n) of anything, if there is memory for one."""
    what, size = f"a dense metric of {n} variables", np.dtype(float).itemsize * n * n
    advice = ': take method "lbfgs", or with "gradient-sampling" a smaller dense_up_to'
    require_memory(what, size, advice)
    try:
        return np.empty((n, n), order="F")
    except MemoryError:
        raise MemoryError(f"{what} takes {size / 2**30:.3g} GiB{advice}") from None


class SquareFactor:
    """J, and its changes that are still to be made.

    Parameters
    ----------
    start : ndarray (n,) or (n, n)
        What J begins with, or its diagonal.
    """

    def __init__(self, start: Array) -> None:
        n = len(start)
        self._matrix = dense(n)
        self.large = n * n >= CACHED
        self._room = np.empty((2, int(CHANGES * n) if self.large else 0, n))
        self._count, self._unit = 0, 1.0  # what a diagonal and its changes are multiplied by
        self._model: CompactModel | None = None  # until the next change
        self._grams: Grams | None = None  # for models, and V'V, as far as models have needed them
        self._products = np.empty((0, 0))
        self._take_views()
        self._start: Array | None = start.copy()  # the diagonal, until the matrix is made
        if not self.large or start.ndim == 2:
            self._make(start)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """With views, which copies and pickles turn to arrays of their own."""
        vars(self).update(state)
        self._take_views()

    def _make(self, start: Array) -> None:
        """Make the matrix."""
        self._start = None
        if start.ndim == 2:
            self._matrix[...] = start
        else:
            self._matrix[...] = 0.0
            np.fill_diagonal(self._matrix, self._unit * start)
            self._right *= self._unit
            self._unit = 1.0
        self._model = self._grams = None

    def image(self, g: Array) -> Array:
        """``J'g``."""
        start = self._start
        image: Array = dgemv(1.0, self._matrix, g, trans=1) if start is None else start * g
        if self._count:
            shares = dgemv(1.0, self._left, g, trans=1)
            image = dgemv(1.0, self._right, shares, beta=1.0, y=image, overwrite_y=1)
        return self._in_units(image)

    def images(self, gradients: Array) -> Array:
        """``gradients @ J``."""
        start = self._start
        images: Array = gradients @ self._matrix if start is None else gradients * start
        if self._count:
            images += (gradients @ self._left) @ self._right.T
        return self._in_units(images)

    def expand(self, image: Array) -> Array:
        """``J image``."""
        start = self._start
        out: Array = dgemv(1.0, self._matrix, image) if start is None else start * image
        if self._count:
            shares = dgemv(1.0, self._right, image, trans=1)
            out = dgemv(1.0, self._left, shares, beta=1.0, y=out, overwrite_y=1)
        return self._in_units(out)

    def _in_units(self, image: Array) -> Array:
        """Multiplied by what a diagonal and its changes are."""
        if self._unit != 1:
            image *= self._unit
        return image

    def image_and_product(self, g: Array) -> tuple[Array, Array]:
        """``J'g`` and ``J J'g``, reading J once."""
        if self._start is not None:
            image = self.image(g)
            return image, self.expand(image)
        n = len(g)
        image = self._right @ (g @ self._left)
        product = np.zeros(n)
        width = max(1, CACHED // n)
        for first in range(0, n, width):
            part = slice(first, first + width)
            columns = self._matrix[:, part]
            image[part] = dgemv(1.0, columns, g, trans=1, beta=1.0, y=image[part])
            product = dgemv(1.0, columns, image[part], beta=1.0, y=product, overwrite_y=1)
        if self._count:
            product += self._left @ (image @ self._right)
        return image, product

    def change(self, s: Array, v: Array) -> None:
        """Add ``s v'``."""
        if not self.large:
            self._matrix = dger(1.0, s, v, a=self._matrix, overwrite_a=1)
            return
        if self._grams is not None:
            self._grams.came(self._count)
        self._room[:, self._count] = s, v / self._unit
        self._count += 1
        self._model = None
        self._take_views()
        if self._count == len(self._room[0]):
            self.dense()

    def change_by(self, left: Array, right: Array) -> None:
        """Add ``left' right``, of few rows."""
        if not self.large:
            self._matrix += left.T @ right
            return
        for s, v in zip(left, right, strict=True):
            self.change(s, v)

    def scale(self, factor: float) -> None:
        """Multiply by a number."""
        if self._start is not None:
            self._unit *= factor
            self._model = None
            return
        self._matrix *= factor
        self._right *= factor

    def dense(self) -> Array:
        """J itself, in Fortran's order."""
        if self._start is not None:
            self._make(self._start)
        if self._count:
            self._matrix = dgemm(
                1.0, self._left, self._right, beta=1.0, c=self._matrix, trans_b=1, overwrite_c=1
            )
            self._count = 0
            self._take_views()
        return self._matrix

    def square(self) -> Array:
        """``J J'``, a new array; J is left as it is, to the last bit."""
        j = self._matrix if self._start is None else np.diag(self._start)
        j = self._in_units(j + self._left @ self._right.T) if self._count else self._unit * j
        return j @ j.T

    def model(self) -> CompactModel | None:
        """The inverse of ``J J'`` while J is a diagonal D but for few changes.

        ``J J' = D^2 + S W' + W S' + S V'V S'`` with ``W = D V``, but for the unit's square.
        """
        if self._start is None or not self._count:
            return None
        if self._model is None:
            count, (left, right) = self._count, self._room[:, : self._count]
            if self._grams is None:
                self._grams = Grams(np.square(self._start), 2 * len(self._room[0]))
            if len(self._products) < count:
                known, products = len(self._products), np.empty((count, count))
                products[:known, :known] = self._products
                products[known:] = right[known:] @ right.T
                products[:, known:] = products[known:].T
                self._products = products
            rows, middle = np.empty((2 * count, len(self._start))), np.zeros((2 * count, 2 * count))
            rows[::2], rows[1::2] = left, self._start * right
            lengths = np.sqrt(self._products.diagonal())
            lengths = np.where(lengths > 0, lengths, 1.0)
            middle[::2, 1::2] = middle[1::2, ::2] = np.eye(count)
            middle[1::2, 1::2] = -self._products / lengths / lengths[:, None]
            weights = np.stack([lengths, 1 / lengths], axis=1).ravel()
            self._model = CompactModel(self._unit**2, (rows, weights, middle), self._grams)
        return self._model

    def _take_views(self) -> None:
        """S and V, (n, count), of the changes still to be made."""
        self._left, self._right = (rows[: self._count].T for rows in self._room)
