"""The smooth pieces of a function, each with a quadratic model learnt from its points.

References: A. S. Lewis, C. Wylie, "A simple Newton method for local nonsmooth
optimization" (2019), for one point to a piece and a step to the minimum of the largest
model; A. R. Conn, N. I. M. Gould, Ph. L. Toint, Math. Program. 50 (1991), for the
symmetric rank-one update.

Deviations: Hessians are not asked for but learnt from pairs of points on the same piece,
and pieces are recognized: on a smooth piece the change of the value is the mean of the
two slopes to third order, across a kink it is not.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from smoothmin._factors import SMALL, WITNESSES
from smoothmin._machine import HALF_OF_DIGITS, PRODUCTS, SUMMED
from smoothmin._protocol import Array
from smoothmin._recent import SPAN, faded
from smoothmin.subproblems.boxed_minimax import least_maximum_in_box
from smoothmin.subproblems.min_norm import euclidean_norm
from smoothmin.subproblems.minimax import Minimax, least_maximum


class PieceModels:
    """Models of the pieces that points have shown, the least recent forgotten.

    Parameters
    ----------
    n : int
        Number of variables.
    most : int
        Pieces that are kept, ``2 n + 2`` at most; 2 or more.
    """

    def __init__(self, n: int, most: int) -> None:
        most, members = min(2 * n + 2, most), WITNESSES  # of each piece
        # a piece of fewer points has its first one several times
        self._points = np.empty((most, members, n))
        self._values = np.empty((most, members))
        self._gradients = np.empty((most, members, n))
        self._hessians = np.zeros((most, n, n))
        self._newest = np.zeros(most, dtype=np.intp)  # among the members
        self._met = np.zeros(most, dtype=np.intp)  # when a piece was met last
        self._each = np.arange(most)
        self._common = np.zeros((n, n))  # curvature learnt from pairs of any piece
        self._steepest = 0.0  # largest curvature of late
        self._paired = False  # whether two points of one piece have told of it
        self._clock = 0
        self._sharp = -SPAN  # when a kink was observed last
        self._most = most
        self._count = 0
        self._compared: _Comparison | None = None  # the last, if nothing has been added since

    def __len__(self) -> int:
        return self._count

    def add(self, x: Array, fun: float, grad: Array) -> bool:
        """Learn from a point; true if it lies on a new piece."""
        self._clock += 1
        k = self._count
        there = self._compare(x)
        change = grad - self._gradients[:k]
        curved = np.vecdot(change, there.steps)
        piece = self._piece_of(fun, grad, there, change, curved)
        if self._is_sharp(curved, there.squares, piece):
            self._sharp = self._clock
        new = piece is None
        if piece is None:
            piece, slot = self._room(), slice(None)
        else:
            newest = self._newest.item(piece)
            self._learn(piece, there.steps[piece, newest], change[piece, newest], grad)
            newest = (newest + 1) % WITNESSES
            self._newest[piece], slot = newest, slice(newest, newest + 1)
        self._points[piece, slot], self._gradients[piece, slot] = x, grad
        self._values[piece, slot] = fun
        self._met[piece] = self._clock
        self._compared = None
        return new

    def _compare(self, x: Array) -> _Comparison:
        """How ``x`` is reached from every point known."""
        if self._compared is None or self._compared.x is not x:
            steps = x - self._points[: self._count]
            self._compared = _Comparison(x, steps, np.vecdot(steps, steps))
        return self._compared

    @property
    def kinked(self) -> bool:
        """Whether kinks were observed of late; a smooth function that bends has pieces, too.

        Pieces without curvature, more than there are variables, show kinks by their number.
        """
        several = self._count >= max(self._common.shape[0] + 1, SPAN)
        flat = self._paired and self._steepest == 0 and several
        return flat or self._clock - self._sharp < SPAN

    @property
    def ever_kinked(self) -> bool:
        """Whether kinks were observed at all."""
        return self._sharp > 0

    def _is_sharp(self, curved: Array, squares: Array, piece: int | None) -> bool:
        """Whether the gradient has jumped since the nearest point of another piece."""
        if self._steepest == 0:
            return False
        others = squares.copy()
        if piece is not None:
            others[piece] = np.inf
        nearest = int(others.argmin())
        square = others.item(nearest)
        smooth = 2 * self._steepest * square  # what curvature explains, which may have grown
        return bool(square < np.inf and abs(curved.item(nearest)) > smooth)

    def _room(self) -> int:
        """Place for a new piece, with the curvature that pieces have in common."""
        if self._count < self._most:
            piece = self._count
            self._count += 1
        else:
            piece = int(self._met.argmin())
        self._newest[piece] = 0
        self._hessians[piece] = self._common
        return piece

    def _piece_of(
        self, fun: float, grad: Array, there: _Comparison, change: Array, curved: Array
    ) -> int | None:
        """The piece that a point lies on: consistent, and best predicted; None if there is none."""
        k = self._count
        if k == 0:
            return None
        values = self._values[:k]
        error = np.abs(fun - values - np.vecdot(self._gradients[:k], there.steps) - 0.5 * curved)
        size = abs(fun) + np.abs(values) + euclidean_norm(grad) * np.sqrt(there.squares)
        same = error <= SMALL * np.abs(curved) + SUMMED * size
        found = same.all(axis=1).nonzero()[0]
        if len(found) < 2:
            return int(found[0]) if len(found) else None
        newest = self._newest[found]
        bent = np.matmul(self._hessians[found], there.steps[found, newest][:, :, None])[:, :, 0]
        missed = change[found, newest] - bent
        return int(found[np.vecdot(missed, missed).argmin()])

    def _learn(self, piece: int, step: Array, change: Array, grad: Array) -> None:
        """Update the curvature of a piece, and what all have in common, by a pair of points."""
        square = float(step.dot(step))
        if square == 0:
            return
        self._paired = True
        steepness = euclidean_norm(change) / math.sqrt(square)
        self._steepest = max(steepness, faded(self._steepest, 0.0))
        if not self._common.any():
            # the first pair of all gives the scale
            start = max(float(step.dot(change)) / square, 0.0) * np.eye(step.size)
            self._common += start
            self._hessians[: self._count] += start
        least = PRODUCTS * euclidean_norm(grad)
        for hessian in (self._hessians[piece], self._common):
            _rank_one_update(hessian, step, change, least)

    def models(self, x: Array) -> tuple[Array, Array]:
        """Values (k,) and gradients (k, n) at ``x`` of each piece's quadratic."""
        k = self._count
        there = self._compare(x)
        each, nearest = self._each[:k], there.squares.argmin(axis=1)
        step, gradients = there.steps[each, nearest], self._gradients[each, nearest]
        bent = np.matmul(self._hessians[:k], step[:, :, None])[:, :, 0]
        values = self._values[each, nearest] + np.vecdot(gradients + 0.5 * bent, step)
        return values, gradients + bent

    def predict(self, x: Array) -> float:
        """The largest of the quadratics at ``x``."""
        return float(self.models(x)[0].max())

    def minimize(
        self, x: Array, fun: float, radius: float, box: tuple[Array, Array] | None = None
    ) -> Minimax | None:
        """The step from ``x``, of value ``fun``, to where the largest of the models is least.

        None where fewer than two pieces are known, or none gives a decrease.
        """
        values, gradients = self.models(x)
        # a function is the largest of its pieces: what lies above it is none of them here
        below = np.flatnonzero(values <= fun + PRODUCTS * abs(fun))
        hessians = self._hessians[below]
        if len(below) < 2 or not (np.isfinite(gradients).all() and np.isfinite(hessians).all()):
            return None
        models = values[below], gradients[below], hessians, radius
        if box is None:
            return least_maximum(*models)
        return least_maximum_in_box(*models, box[0] - x, box[1] - x)


class _Comparison(NamedTuple):
    """A point, and how it is reached from others: steps (k, members, n), their squared lengths."""

    x: Array
    steps: Array
    squares: Array


def _rank_one_update(hessian: Array, step: Array, change: Array, least: float) -> None:
    """SR1 in place, skipped where it is not defined or would be rounding."""
    missing = change - hessian @ step
    product = float(missing.dot(step))
    size = euclidean_norm(missing)
    if size > least and abs(product) >= HALF_OF_DIGITS * size * euclidean_norm(step):
        hessian += missing[:, None] * (missing / product)
