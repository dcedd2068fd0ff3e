"""Finite differences where some rows may never be violated, by no step either.

Steps go to the side that has room. A point so near to several rows that neither side has is
replaced by one a little farther inside, as far as the steps are long: its slopes are those of
a point as near as differences see. On linear equalities steps go along projected coordinates,
whose slopes are the projected gradient, which is all that matters there.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smoothmin._differences import OTHER_ENDS, VISIBLE, Stencil
from smoothmin._machine import EPS, PRODUCTS
from smoothmin._protocol import Array, Mask, Rows
from smoothmin.constraints.radial import roomy_point
from smoothmin.constraints.region import dense, part_of


class _Directions(NamedTuple):
    """From where differences are taken, along what, how far, and whether both ways."""

    base: Array  # (n,)
    steps: Array  # (n,), signed
    central: Mask  # (n,)


class KeptStencil(Stencil):
    """Another stencil's steps, turned and shortened where rows must hold.

    Parameters
    ----------
    steps : Stencil
        How long steps are, and of what scheme.
    rows : Rows or None
        Linear rows that hold at every point asked for; None if only functions have to be kept.
    box : (lower, upper) or None
    n : int
    """

    def __init__(
        self, steps: Stencil, rows: Rows | None, box: tuple[Array, Array] | None, n: int
    ) -> None:
        super().__init__(steps.scheme, box)
        self._like = steps
        self._relative = steps._relative
        self._along: Array = np.eye(n)
        parts, bounds = [np.empty((0, n))], [np.empty(0)]
        held = None
        if rows is not None:
            equal = rows.lower == rows.upper
            if equal.any():
                held = dense(part_of(rows, equal).matrix)
                basis = np.linalg.svd(held.T, full_matrices=False)
                span = basis[0][:, basis[1] > EPS * max(held.shape) * basis[1].max()]
                self._along = np.eye(n) - span @ span.T
            others = part_of(rows, ~equal)
            matrix = dense(others.matrix)
            above, below = np.isfinite(others.upper), np.isfinite(others.lower)
            parts += [matrix[above], -matrix[below]]
            bounds += [others.upper[above], -others.lower[below]]
        if box is not None:
            unit = np.eye(n)
            below, above = np.isfinite(box[0]), np.isfinite(box[1])
            parts += [unit[above], -unit[below]]
            bounds += [box[1][above], -box[0][below]]
        self._matrix, self._bound = np.vstack(parts), np.concatenate(bounds)
        equalities = None if held is None or rows is None else (held, rows.lower[equal])
        self._center = roomy_point(self._matrix, self._bound, box, equalities)

    def _fill(
        self, points: Array, values: Array, gradients: Array, which: tuple[int, slice]
    ) -> Generator[NDArray[Any], NDArray[Any], None]:
        """The gradients at some of the points, one after the other."""
        if self.scheme == "cs":
            yield from super()._fill(points, values, gradients, which)
            return
        for k, x in enumerate(points):
            values[k], gradients[k], row, jacobian = yield from self._at(x)
            if row is None or jacobian is None:
                continue
            if self.rows is None or self.jacobians is None:
                self.rows = np.empty((which[0], len(row)))
                self.jacobians = np.empty((which[0], *jacobian.shape))
            self.rows[which[1].start + k], self.jacobians[which[1].start + k] = row, jacobian

    def _at(
        self, x: Array
    ) -> Generator[NDArray[Any], NDArray[Any], tuple[float, Array, Array | None, Array | None]]:
        """Value and gradient at a point, and of what is found beside."""
        ways = self._directions(x)
        ends = ways.base + ways.steps[:, None] * self._along
        backs = (ways.base - ways.steps[:, None] * self._along)[ways.central]
        here, first = self._known(x[None]), [x]
        if here is not None:
            first = []
        if not np.array_equal(x, ways.base):
            first.append(ways.base)
        found = yield from self._ask(np.vstack([*first, ends, backs]))
        here = found[0] if here is None else here
        base = here if np.array_equal(x, ways.base) else found[len(first) - 1]
        n, found = x.size, found[len(first) :]
        ahead = found[:n]
        slopes = (ahead - base) / ways.steps[:, None]
        slopes[ways.central] = (ahead[ways.central] - found[n:]) / (
            2 * ways.steps[ways.central, None]
        )
        for share in OTHER_ENDS:
            bad = ~np.isfinite(slopes).all(axis=1)
            if not bad.any() or not np.isfinite(base).all():
                break
            steps = share * ways.steps[bad, None]
            again = yield from self._ask(ways.base + steps * self._along[bad])
            slopes[bad] = (again - base) / steps
        rises = np.abs(slopes[:, 0] * ways.steps)
        least = VISIBLE * EPS * abs(float(here[0]))
        self.resolves = self.resolves or bool((rises > least).any())
        if len(here) == 1:
            return float(here[0]), slopes[:, 0], None, None
        return float(here[0]), slopes[:, 0], here[1:], slopes[:, 1:].T

    def _ask(self, points: Array) -> Generator[NDArray[Any], NDArray[Any], Array]:
        """Values and what is found beside, (m, 1 + k)."""
        values = yield points
        beside = self.beside
        if beside is None:
            return values[:, None]
        return np.concatenate([values[:, None], beside], axis=1)

    def _directions(self, x: Array) -> _Directions:
        """Steps with room, from ``x`` or from a point a little inside."""
        lengths = self._like._steps(x[None])[0]
        base, share = x, np.max(lengths / np.maximum(1.0, np.abs(x)))
        while True:
            ahead, behind = self._room(base)
            blocked = (ahead < lengths) & (behind < lengths)
            if not blocked.any() or self._center is None or share > 1:
                break
            base = x + share * (self._center - x)
            share *= 2
        away = np.where(base < 0, -1.0, 1.0)
        first, other = np.where(away > 0, ahead, behind), np.where(away > 0, behind, ahead)
        turn = (first < lengths) & (other > first)
        room = np.where(turn, other, first)
        # where there is no room at all a step of rounding's length is as good as none
        size = np.maximum(np.minimum(lengths, room), EPS * np.maximum(1.0, np.abs(base)))
        central = (ahead >= lengths) & (behind >= lengths) & (self.scheme == "3-point")
        return _Directions(base, np.where(turn, -away, away) * size, central)

    def _room(self, x: Array) -> tuple[Array, Array]:
        """How far every direction may be followed, ahead and back."""
        if not len(self._bound):
            return np.full(x.size, np.inf), np.full(x.size, np.inf)
        slack = self._bound - self._matrix @ x
        slack = np.maximum(slack - PRODUCTS * (np.abs(self._matrix) @ np.abs(x)), 0.0)
        rates = self._matrix @ self._along.T  # (k, n)
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = slack[:, None] / np.abs(rates)
        ahead = np.where(rates > 0, reach, np.inf).min(axis=0)
        behind = np.where(rates < 0, reach, np.inf).min(axis=0)
        return ahead, behind
