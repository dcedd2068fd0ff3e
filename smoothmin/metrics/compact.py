"""The inverse BFGS matrix of a few pairs in compact form.

Reference: R. H. Byrd, J. Nocedal, R. B. Schnabel, "Representations of quasi-Newton
matrices and their use in limited memory methods", Math. Program. 63 (1994), (3.1).

Deviations, and why: any symmetric positive definite ``gamma * P`` may stand for the
first matrix, since only ``w = P y`` for each pair and ``P g`` are needed of it; and R
is solved with rather than inverted, which is as accurate as the two-loop recursion
when the curvature of a pair is small.
"""

from __future__ import annotations

import math
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dgemv, dsbmv, dsymm, dsymv, dtrsm, dtrsv
from scipy.linalg.lapack import dgetrf, dgetrs, dposv, dpotrf, dpotrs

from smoothmin._factors import ROUNDS
from smoothmin._machine import EPS, room_at_first
from smoothmin._protocol import Array, Mask
from smoothmin.subproblems.linear_system import inverted, solved


def is_curved(sy: float, yw: float, least: float | None = None) -> bool:
    """Whether a pair's curvature is positive, and gamma ``s'y / y'w`` a number.

    No more than a share of ``least``, by default ``y'w``, is rounding.
    """
    return (
        sy > EPS / 2 * (yw if least is None else least)
        and 0 < yw < math.inf
        and 0 < sy / yw < math.inf
    )


class CompactMemory:
    """The last ``memory`` pairs (s, y), with ``w = P y``.

    ``scale`` is gamma. Rows 2i and 2i + 1 of ``_rows`` are an s and its w; pairs take
    turns in them, so that nothing long is ever moved. Of the small matrices
    ``_sy[i, j] = s_i'y_j`` and ``_yw[i, j] = y_i'w_j``, in the order of time, only the
    part i <= j is meant. ``_order`` translates between that order and rows, see `_turned`.
    """

    def __init__(self, n: int, memory: int, scale: float = 1.0) -> None:
        self._memory = memory
        try:
            self._make_place(n, room_at_first(memory, n))
        except MemoryError:  # more is made when it is needed
            self._make_place(n, 1)
        self.scale = scale
        self.reset()

    def __getstate__(self) -> dict[str, Any]:
        """All but the views and the rows that are not in use."""
        views = ("_rows", "_sy", "_yw", "_curvatures", "_order")
        state = {name: value for name, value in vars(self).items() if name not in views}
        return state | {"_room": self._rows, "_place": len(self._room)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """With place for as many rows as there was."""
        rows, place = state.pop("_room"), state.pop("_place")
        vars(self).update(state)
        self._room = np.empty((place, rows.shape[1]))
        self._room[: len(rows)] = rows
        self._take_views()

    def _make_place(self, n: int, pairs: int) -> None:
        """For so many pairs; there are none."""
        self._room = np.empty((2 * pairs, n))
        # columns of both small matrices, one after the other as BLAS wants them
        self._columns = np.zeros((2, pairs, pairs))

    def _grow(self) -> None:
        """Make place for twice as many pairs, of which none has been dropped yet."""
        rows, columns, k = self._room, self._columns, self._count
        self._make_place(rows.shape[1], min(2 * k, self._memory))
        self._room[: 2 * k], self._columns[:, :k, :k] = rows, columns

    @property
    def fresh(self) -> bool:
        """Whether there are no pairs."""
        return self._count == 0

    def reset(self) -> None:
        """Forget all pairs, but not the scale."""
        self._oldest = self._count = 0
        self._take_views()

    def release(self) -> None:
        """Give back the memory of pairs that were forgotten; there is place again when needed."""
        assert self.fresh
        self._make_place(self._room.shape[1], 1)
        self.reset()

    def products(self, g: Array) -> Array:
        """Those of all rows with ``g``, (2k,)."""
        result: Array = self._rows.dot(g)
        return result

    def combine(
        self, products: Array, image: Array, factor: float = 1.0, *, in_place: bool = False
    ) -> Array:
        """``factor * H g``; of the `products` with g and its ``image`` P g.

        A new array, or ``in_place`` of the image.
        """
        scale, k = factor * self.scale, self._count
        if not k:
            return scale * image
        # (3.1) for H / gamma, from right to left, but for the sign of the shares, all in place:
        # those of w, R^-1 S'g, stand before those of s
        forward, backward = self._order
        shares = dtrsv(self._sy, products[forward], 1, 0, 0, 0, 0, 1)
        shares = dsymv(-1.0, self._yw, shares, 1.0, shares, 0, 1, k, 1, 0, 1)
        diagonal = self._curvatures[None]
        shares = dsbmv(0, -1 / self.scale, diagonal, shares, 1, 0, 1.0, shares, 1, k, 0, 1)
        shares = dtrsv(self._sy, shares, 1, k, 0, 1, 0, 1)
        result: Array = dgemv(
            -scale, self._rows.T, shares[backward], scale, image, overwrite_y=in_place
        )
        return result

    def inner_products(self, gradients: Array, images: Array) -> Array:
        """``G H G'`` of rows G (m, n), of their ``images`` G P, in one pass over memory."""
        inner: Array = images.dot(gradients.T)
        if self._count:
            inner += self._inner_by_pairs(self._rows.dot(gradients.T))
        inner *= self.scale
        return inner

    def _inner_by_pairs(self, products: Array) -> Array:
        """What the pairs add to the `inner_products` of vectors (m), by `products` (2k, m)."""
        k, products = self._count, products[self._order[0]]
        u = dtrsm(1.0, self._sy, products[:k])
        half = dsymm(0.5, self._yw, u) + self._curvatures[:, None] * (u * (0.5 / self.scale))
        half -= products[k:]
        half = u.T.dot(half)
        inner: Array = half + half.T
        return inner

    def factors(self) -> tuple[Array, Array, Array]:
        """U' as rows (2k, n), their weights c (2k,), and K (2k, 2k).

        ``H = scale * (P + U diag(c) K^-1 diag(c) U')``; K is the inverse of the matrix in
        the middle of (3.1), for pairs scaled to a curvature of 1.
        """
        k, scale, order = self._count, math.sqrt(self.scale), self._order[0]
        unit = 1 / np.sqrt(self._curvatures)
        units, meant = unit[:, None] * unit, _upper(k)
        sorted_ = np.zeros((2 * k, 2 * k))  # by time, first s and then w
        np.multiply(self._sy, -units, out=sorted_[:k, k:], where=meant)
        sorted_[k:, :k] = sorted_[:k, k:].T
        sorted_[k:, k:] = np.where(meant, self._yw, self._yw.T) * (-self.scale * units)
        sorted_.flat[k * (2 * k + 1) :: 2 * k + 1] -= 1.0
        weights, inverse = np.empty(2 * k), np.empty((2 * k, 2 * k))
        weights[order] = np.concatenate([unit / scale, unit * scale])
        inverse[order[:, None], order] = sorted_
        return self._rows, weights, inverse

    def append(self, s: Array, w: Array) -> int:
        """Keep s and w, dropping the oldest pair if need be; where among the pairs.

        Its products must follow by `set_products`.
        """
        slot = self.make_room()
        self._room[2 * slot], self._room[2 * slot + 1] = s, w
        return slot

    def make_room(self) -> int:
        """`append` a pair that is still to be written into its rows."""
        slot = self._count
        if slot < self._memory:
            if 2 * slot == len(self._room):
                self._grow()
            self._count += 1
            self._take_views()
            return slot
        slot = self._oldest
        self._oldest = (slot + 1) % self._memory
        self._order = _turned(self._count, self._oldest)
        # up and left by one; what this breaks is set anew or not meant
        flat, shift = self._columns.ravel(), self._memory + 1
        flat[:-shift] = flat[shift:]
        return slot

    def latest(self, count: int) -> tuple[Array, Array]:
        """The latest steps (k, n), at most ``count``, and their ``s'y`` (k,); copies."""
        count = min(count, self._count)
        steps = self._order[0][self._count - count : self._count]
        return self._rows[steps], self._curvatures[-count:].copy()

    def set_products(self, products: Array) -> None:
        """Take the `products` with the y of the pair appended last."""
        k = self._count
        self._columns[:, k - 1, :k] = products[self._order[0]].reshape(2, k)

    def _take_views(self) -> None:
        """Of what is in use."""
        k = self._count
        self._rows = self._room[: 2 * k]
        self._sy, self._yw = self._columns[0, :k, :k].T, self._columns[1, :k, :k].T
        self._curvatures = self._sy.diagonal()
        self._order = _turned(k, self._oldest)


@lru_cache
def _upper(k: int) -> Mask:
    """Where a triangle (k, k) is meant."""
    meant: Mask = np.tri(k, dtype=bool).T
    return meant


@lru_cache(maxsize=1024)
def _turned(count: int, oldest: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows of s and then of w, from the oldest pair on; where rows come if w are first."""
    steps = np.arange(2 * oldest, 2 * (oldest + count), 2) % max(2 * count, 1)
    forward = np.concatenate([steps, steps + 1])
    backward = np.empty_like(forward)
    backward[forward] = np.roll(np.arange(2 * count), count)
    return forward, backward


class Grams:
    """``U' P^-1 U`` of a memory's rows, over all columns and over some, kept up to date.

    A new pair changes two rows of each, and columns that come or go what they add: an iteration
    is one pass over memory. From time to time all is made anew, since rounding adds up.

    Parameters
    ----------
    diagonal : ndarray (n,) or (1,)
        Of P.
    rows : int
        How many there may be.
    """

    def __init__(self, diagonal: Array, rows: int) -> None:
        self.rows, self.diagonal = rows, diagonal
        self._whole, self._some = np.empty((2, rows, rows))
        self._columns: Mask | None = None  # which ``some`` is over
        self._stale: set[int] | None = None  # pairs that came since; None if all did
        self._updates = 0

    def came(self, slot: int) -> None:
        """Take note of a new pair."""
        if self._stale is not None:
            self._stale.add(slot)

    def whole(self, rows: Array) -> Array:
        """Over all columns."""
        self._renew(rows)
        return self._whole[: len(rows), : len(rows)]

    def over(self, rows: Array, columns: Mask) -> Array:
        """Over these columns."""
        self._renew(rows)
        k, before = len(rows), self._columns
        some = self._some[:k, :k]
        differ = columns if before is None else np.flatnonzero(columns != before)
        if before is None or 4 * len(differ) > columns.size or self._updates > ROUNDS:
            some[:] = self._gram(rows * columns, rows)
            self._updates = 0
        elif len(differ):
            part = rows[:, differ]
            signs = np.where(columns[differ], 1.0, -1.0)
            diagonal = self.diagonal if len(self.diagonal) == 1 else self.diagonal[differ]
            some += (part * (signs / diagonal)).dot(part.T)
            self._updates += 1
        self._columns = columns
        return some

    def _renew(self, rows: Array) -> None:
        """What the pairs that came since have changed."""
        k, stale = len(rows), self._stale
        if stale is None or 4 * len(stale) > k:
            self._whole[:k, :k] = self._gram(rows, rows)
            self._columns = None
        elif stale:
            which = np.array([2 * slot + second for slot in stale for second in (0, 1)])
            new = rows[which]
            if self._columns is not None:
                new = np.concatenate([new, new * self._columns])
            found = self._gram(new, rows)
            self._put(self._whole, which, found[: len(which)])
            if self._columns is not None:
                self._put(self._some, which, found[len(which) :])
        self._stale = set()

    def _put(self, gram: Array, which: NDArray[np.intp], found: Array) -> None:
        k = found.shape[1]
        gram[which, :k] = found
        gram[:k, which] = found.T

    def _gram(self, some: Array, rows: Array) -> Array:
        product: Array = (some / self.diagonal).dot(rows.T)
        return product


class CompactModel:
    """The inverse of ``H = scale * (P + U diag(c) K^-1 diag(c) U')``, P diagonal.

    Parameters
    ----------
    scale : float
    factors : ndarray (m, n), ndarray (m,), ndarray (m, m)
        U' as rows, their weights c, and K, as of `CompactMemory.factors`.
    grams : Grams
        Of the rows.
    """

    def __init__(self, scale: float, factors: tuple[Array, Array, Array], grams: Grams) -> None:
        self._scale, self._grams, self._diagonal = scale, grams, grams.diagonal
        self._rows, self._weights, self._inverse = factors

    @cached_property
    def _whole(self) -> Array:
        return self._inverse + self._weighted(self._grams.whole(self._rows))

    @cached_property
    def _whole_factors(self) -> tuple[Array, Array, int]:
        lower_and_upper, pivots, failed = dgetrf(self._whole)
        return lower_and_upper, pivots, failed

    def diagonals(self, n: int) -> tuple[Array, Array]:
        """Those of H and of its inverse."""
        rows = self._weights[:, None] * self._rows
        above = np.einsum("ij,ij->j", rows, solved(self._inverse, rows))
        below = np.einsum("ij,ij->j", rows, solved(self._whole, rows))
        first = np.broadcast_to(self._diagonal, n)
        return self._scale * (first + above), (1 - below / first) / (self._scale * first)

    def curve(self, s: Array) -> Array:
        """``H^-1 s``, by Sherman, Morrison and Woodbury."""
        image = s / self._diagonal
        if not len(self._rows):  # of no equations LAPACK complains on the terminal
            return np.asarray(image / self._scale)
        right = self._weights * self._rows.dot(image)
        factors, pivots, failed = self._whole_factors
        shares = inverted(self._whole) @ right if failed else dgetrs(factors, pivots, right)[0]
        image -= (self._weights * shares).dot(self._rows) / self._diagonal
        image /= self._scale
        return image

    def newton(self, r: Array, free: Mask) -> Array:
        """Minus the inverse of the free part of ``H^-1`` times r; 0 elsewhere.

        It is the free part of ``H`` with the Gram matrix of the other rows added to K.
        """
        r = np.where(free, r, 0.0)
        step = self._diagonal * r
        shares = solved(self._inner(free), self._weights * self._rows.dot(r))
        step += (self._weights * shares).dot(self._rows)
        step *= -self._scale
        step[~free] = 0.0
        return step

    def newton_rows(self, rows: Array, free: Mask) -> Array:
        """`newton` of each row (m, n)."""
        rows = np.where(free, rows, 0.0)
        right = self._weights[:, None] * self._rows.dot(rows.T)
        shares = self._weights[:, None] * solved(self._inner(free), right)
        steps = self._diagonal * rows
        steps += shares.T.dot(self._rows)
        steps *= -self._scale
        steps[:, ~free] = 0.0
        return steps

    def _inner(self, free: Mask) -> Array:
        """K, and what the rows that are not free add to it."""
        fixed = ~free
        if not fixed.any():
            return self._inverse
        inner: Array = self._inverse + self._weighted(self._grams.over(self._rows, fixed))
        return inner

    def _weighted(self, gram: Array) -> Array:
        """``C gram C``."""
        product: Array = gram * self._weights[:, None]
        product *= self._weights
        return product


class DenseModel:
    """The inverse of a matrix H of few rows."""

    def __init__(self, matrix: Array) -> None:
        self._matrix = matrix

    @cached_property
    def _root(self) -> tuple[Array, int]:
        """Cholesky's, and whether there is none to rounding."""
        root, failed = dpotrf(self._matrix)
        return root, failed

    def curve(self, s: Array) -> Array:
        """``H^-1 s``."""
        root, failed = self._root
        return solved(self._matrix, s) if failed else np.asarray(dpotrs(root, s)[0])

    def newton(self, r: Array, free: Mask) -> Array:
        """Minus the inverse of the free part of ``H^-1`` times r; 0 elsewhere.

        That is what H has for the free part less what it then has for the rest.
        """
        image = self._matrix.dot(np.where(free, r, 0.0).T)
        if not free.all():
            rows = self._matrix[~free]
            inner, right = rows[:, ~free], image[~free]
            shares, failed = dposv(inner, right)[1:]
            image -= rows.T.dot(solved(inner, right) if failed else shares)
        return np.where(free, -image.T, 0.0)

    newton_rows = newton  # of each row (m, n) alike
