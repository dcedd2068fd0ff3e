"""The program of `elastic_qp` for many variables between bounds, and few rows.

References: M. Hintermueller, K. Ito, K. Kunisch, "The primal-dual active set strategy as a
semismooth Newton method", SIAM J. Optim. 13 (2002), for the guess at the bounds that are met;
D. P. Bertsekas, "Projected Newton methods for optimization problems with simple constraints",
SIAM J. Control Optim. 20 (1982).

With the variables fixed that are guessed to be at bounds, the program in the others has few
dual variables, one a row, and what it takes of the Hessian are inner products of the rows and
the gradient. Variables that leave the bounds are fixed in the next round, those that are pulled
inside are freed. Deviation: after some rounds none is freed, so that rounds end, at a step
that meets bounds and rows but may be improved from its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from smoothmin._factors import ROUNDS
from smoothmin._machine import FEW, HALF_OF_DIGITS, PRODUCTS
from smoothmin._protocol import Array, Mask
from smoothmin.subproblems.elastic_qp import ElasticQP, Solution


class RowModel(Protocol):
    """A positive definite matrix B, as in `box_qp`."""

    def curve(self, s: Array) -> Array:
        """``B s``."""
        ...

    def newton_rows(self, rows: Array, free: Mask) -> Array:
        """``-B^-1`` for the rows and columns ``free`` alone times each row (m, n); 0 elsewhere."""
        ...


class IdentityModel:
    """The model of a distance, divided by a factor."""

    def __init__(self, factor: float = 1.0) -> None:
        self._factor = factor

    def curve(self, s: Array) -> Array:
        """The matrix times ``s``."""
        return s / self._factor

    def newton_rows(self, rows: Array, free: Mask) -> Array:
        """Minus the inverse of its free part times each row (m, n); 0 elsewhere."""
        return np.where(free, -self._factor * rows, 0.0)


@dataclass(frozen=True)
class BoxedQP:
    """Minimize ``g @ d + d'B d / 2 + sum_k caps[k] max(0, excesses of group k)`` in a box.

    Parameters
    ----------
    model : RowModel
        B.
    g, rows, offsets, groups, caps
        As in `ElasticQP`.
    lower, upper : ndarray (n,)
        With ``lower <= 0 <= upper``; infinite where there is none.
    """

    model: RowModel
    g: Array
    rows: Array
    offsets: Array
    groups: NDArray[np.intp]
    caps: Array
    lower: Array
    upper: Array

    def solve(self, start: Array | None = None, bounds: Array | None = None) -> Solution:
        """The minimum, from multipliers (m,) and those of the bounds (n,), as the last ones."""
        low = np.zeros(len(self.g), dtype=bool) if bounds is None else bounds < 0
        high = np.zeros(len(self.g), dtype=bool) if bounds is None else bounds > 0
        low, high = low & (self.lower > -np.inf), high & (self.upper < np.inf)
        # rows that were not needed are left out until they are broken
        used = np.zeros(len(self.rows), dtype=bool) if start is None else start > 0
        weights = np.zeros(len(self.rows)) if start is None else start
        solved, rounds = False, 0
        while not solved:
            rounds += 1
            fixed = low | high
            step, inner = self._of_free(low, high, used, weights[used])
            weights = np.zeros(len(self.rows))
            weights[used] = inner.multipliers
            pull = self.g + weights[used] @ self.rows[used] + self.model.curve(step)
            new = ~used & self._broken(step, inner)
            beyond_low, beyond_high = ~fixed & (step < self.lower), ~fixed & (step > self.upper)
            kept_low, kept_high = low, high
            if rounds <= ROUNDS:
                kept_low, kept_high = low & (pull >= 0), high & (pull <= 0)
            solved = not (beyond_low.any() or beyond_high.any() or new.any()) and bool(
                (kept_low == low).all() and (kept_high == high).all()
            )
            used = used | new
            low, high = kept_low | beyond_low, kept_high | beyond_high
        bounds = np.where(fixed, -pull, 0.0)
        return self._solution(self._within(step), weights, bounds, inner)

    def _broken(self, step: Array, inner: Solution) -> Mask:
        """Which rows are beyond what their group pays for."""
        if not len(self.rows):
            return np.zeros(0, dtype=bool)
        level = inner.excess[self.groups]
        size = self._lengths * float(np.linalg.norm(step)) + np.abs(self.offsets)
        broken: Mask = self.rows @ step - self.offsets > level + PRODUCTS * size
        return broken

    @cached_property
    def _lengths(self) -> Array:
        """Of the rows."""
        lengths: Array = np.sqrt(np.vecdot(self.rows, self.rows))
        return lengths

    def _within(self, step: Array) -> Array:
        """As much of a step as keeps rows that have no price, if rounds ended without that."""
        hard = self.caps[self.groups] == np.inf
        ends, offsets = (self.rows @ step)[hard], self.offsets[hard]
        size = self._lengths[hard] * float(np.linalg.norm(step))
        beyond = ends > offsets + PRODUCTS * (size + np.abs(offsets))
        if not beyond.any():
            return step
        share = float((offsets[beyond] / ends[beyond]).min())
        return max(share, 0.0) * step

    def _of_free(self, low: Mask, high: Mask, used: Mask, start: Array) -> tuple[Array, Solution]:
        """The step with these variables at their bounds, and the program of the rows used."""
        free = ~(low | high)
        at_bound = np.where(low, self.lower, np.where(high, self.upper, 0.0))
        g, rows, offsets = self.g, self.rows[used], self.offsets[used]
        if not free.all():
            g = g + self.model.curve(at_bound)
            offsets = offsets - rows @ at_bound
        every = np.concatenate([g[None], rows])
        images = self.model.newton_rows(every, free)
        values, vectors = np.linalg.eigh(-(images @ every.T))
        roots = vectors * np.sqrt(np.maximum(values, 0.0))
        groups = self.groups[used]
        program = ElasticQP(np.eye(len(roots)), roots[0], roots[1:], offsets, groups, self.caps)
        inner = program.solve(start)
        step = images[0] + inner.multipliers @ images[1:]
        return np.where(free, step, at_bound), inner

    def _solution(
        self, step: Array, multipliers: Array, bounds: Array, inner: Solution
    ) -> Solution:
        held = multipliers > 0
        lagrangian = self.g + multipliers[held] @ self.rows[held] + bounds
        curvature = max(-float(lagrangian @ step), 0.0)
        slope = -curvature - float(multipliers @ (self.offsets + inner.excess[self.groups]))
        slope -= float(bounds @ step)
        return Solution(
            np.minimum(np.maximum(step, self.lower), self.upper),
            multipliers,
            bounds,
            lagrangian,
            curvature,
            inner.excess,
            slope,
            inner.solved,
        )


def euclidean_step(
    g: Array,
    rows: Array,
    offsets: Array,
    groups: NDArray[np.intp],
    caps: Array,
    box: tuple[Array, Array] | None,
    factor: float = 1.0,
) -> Solution:
    """The solution for the Hessian that is the identity divided by a factor."""
    n = len(g)
    if n <= FEW:
        low, high = (None, None) if box is None else box
        root = np.sqrt(factor) * np.eye(n)
        return ElasticQP(root, g, rows, offsets, groups, caps, low, high).solve()
    low, high = (np.full(n, -np.inf), np.full(n, np.inf)) if box is None else box
    return BoxedQP(IdentityModel(factor), g, rows, offsets, groups, caps, low, high).solve()


def projection(
    x: Array, rows: Array, bounds: Array, box: tuple[Array, Array] | None
) -> tuple[Array, Array]:
    """The nearest point in the box with ``rows @ x <= bounds``.

    And by how much each row (m,) is exceeded, zero if it is no more than rounding: where no
    point meets them all.
    """
    beyond = rows @ x - bounds
    lengths = np.sqrt(np.vecdot(rows, rows))
    lengths = np.where(lengths > 0, lengths, 1.0)
    # dear enough to be met if they can be: the multipliers of a projection are distances
    caps = max(float((beyond / lengths).max(initial=0.0)), 1.0) / (HALF_OF_DIGITS * lengths)
    room = None if box is None else (box[0] - x, box[1] - x)
    groups = np.arange(len(bounds))
    found = euclidean_step(np.zeros(x.size), rows, -beyond, groups, caps, room)
    if found.excess.any() and box is not None and ((x < box[0]) | (x > box[1])).any():
        return projection(np.clip(x, *box), rows, bounds, box)  # from far outside it is enough
    nearest = x + found.step
    return nearest if box is None else np.clip(nearest, *box), found.excess
