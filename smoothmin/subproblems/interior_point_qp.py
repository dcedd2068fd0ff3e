"""A convex quadratic with bounds, hard rows, and rows whose violation costs.

Reference: S. Mehrotra, "On the implementation of a primal-dual interior point method", SIAM J.
Optim. 2 (1992); J. Nocedal, S. J. Wright, *Numerical Optimization* (2006), Sections 16.6 and
18.5 (the elastic rows of the S l1 QP method).

Deviations: how much to centre is told by the last step's length instead of by a predictor, whose
second solve costs as much as it saves in systems this small; the slacks of elastic rows and of
bounds are eliminated by hand, so that the system has the size of the variables.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from smoothmin._protocol import Array, Mask

ROUNDS = 60
SOLVED = 1e-9  # gap and residuals, in units of the largest slope
LITTLE, MUCH = 0.03, 0.5  # centring after a long and after a short step
TO_THE_WALL = 0.995  # share of the way to the nearest zero of a slack or multiplier


@dataclass(frozen=True)
class ElasticProgram:
    """Minimize ``g'd + d'Hd/2 + sum(price * max(0, rows @ d - room))`` between walls.

    Parameters
    ----------
    hessian : ndarray (n, n)
        Positive semidefinite.
    gradient : ndarray (n,)
    rows : ndarray (k, n)
        Elastic: ``rows @ d <= room``, or else it costs.
    room, price : ndarrays (k,)
        Positive prices of a unit of violation.
    hard : ndarray (m, n)
        Rows that hold: ``hard @ d <= hard_room``; there has to be such a point.
    hard_room : ndarray (m,)
    low, high : ndarrays (n,)
        Finite bounds.
    """

    hessian: Array
    gradient: Array
    rows: Array
    room: Array
    price: Array
    hard: Array
    hard_room: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class ElasticStep:
    """The minimizer, and the multipliers of elastic rows (at most their price) and hard ones."""

    step: Array
    multipliers: Array
    hard_multipliers: Array


def solve_elastic(qp: ElasticProgram) -> ElasticStep:
    """The minimizer, to about nine digits.

    Examples
    --------
    >>> import numpy as np
    >>> from smoothmin.subproblems.interior_point_qp import ElasticProgram, solve_elastic
    >>> none, one = np.empty((0, 1)), np.ones(1)
    >>> qp = ElasticProgram(np.eye(1), -2 * one, np.ones((1, 1)), one, 5 * one, none, np.empty(0),
    ...                -3 * one, 3 * one)
    >>> found = solve_elastic(qp)
    >>> found.step.round(6), found.multipliers.round(6)
    (array([1.]), array([1.]))
    """
    free = qp.high - qp.low > 1e-14 * np.maximum(1.0, np.abs(qp.low))
    if not free.all():
        return _without_fixed(qp, free)
    unit = max(float(np.abs(qp.gradient).max()), float(np.abs(qp.hessian).max(initial=0)), 1e-300)
    if len(qp.price):
        unit = max(unit, 1e-3 * float((qp.price * np.abs(qp.rows).max(axis=1)).max()))
    inner = _Interior(qp, unit, qp.gradient.size)
    for _ in range(ROUNDS):
        if inner.round():
            break
    return ElasticStep(
        np.clip(inner.d, qp.low, qp.high), unit * inner.multiplier, unit * inner.hard_multiplier
    )


def _without_fixed(qp: ElasticProgram, free: Mask) -> ElasticStep:
    """The program in the variables that have room."""
    step = np.where(free, 0.0, 0.5 * (qp.low + qp.high))
    if not free.any():
        return ElasticStep(step, np.zeros(len(qp.rows)), np.zeros(len(qp.hard)))
    part = ElasticProgram(
        qp.hessian[np.ix_(free, free)],
        (qp.gradient + qp.hessian @ step)[free],
        qp.rows[:, free],
        qp.room - qp.rows @ step,
        qp.price,
        qp.hard[:, free],
        qp.hard_room - qp.hard @ step,
        qp.low[free],
        qp.high[free],
    )
    found = solve_elastic(part)
    step[free] = found.step
    return ElasticStep(step, found.multipliers, found.hard_multipliers)


class _Interior:
    """The iterate: variables, slacks and multipliers, all of them positive."""

    def __init__(self, qp: ElasticProgram, unit: float, n: int) -> None:
        self.h, self.g = qp.hessian / unit, qp.gradient / unit
        self.rows, self.room, self.price = qp.rows, qp.room, qp.price / unit
        size = np.linalg.norm(qp.hard, axis=1)
        self.size = np.where(size > 0, size, 1.0)
        self.hard, self.hard_room = qp.hard / self.size[:, None], qp.hard_room / self.size
        self.low, self.high = qp.low, qp.high
        width = qp.high - qp.low
        self.d = np.clip(np.zeros(n), qp.low + 0.1 * width, qp.high - 0.1 * width)
        self.below, self.above = self.d - qp.low, qp.high - self.d
        self.y_below, self.y_above = np.full(n, 1.0), np.full(n, 1.0)
        left = self.room - self.rows @ self.d
        start = np.maximum(0.1, np.abs(left))
        self.slack = np.where(left > 0, start + left, start)
        self.excess = self.slack - left
        self.multiplier = 0.5 * self.price
        self.wall = np.maximum(0.1, self.hard_room - self.hard @ self.d)
        self.y_wall = np.full(len(self.wall), 1.0)
        self.pairs = max(1, 2 * n + 2 * len(self.room) + len(self.wall))
        self.centring = MUCH

    @property
    def hard_multiplier(self) -> Array:
        """Of the hard rows, as they were given."""
        found: Array = self.y_wall / self.size
        return found

    def round(self) -> bool:
        """A step; whether it was the last."""
        rest = self.price - self.multiplier
        gap = (
            self.slack @ self.multiplier + self.excess @ rest + self.wall @ self.y_wall
            + self.below @ self.y_below + self.above @ self.y_above
        ) / self.pairs  # fmt: skip
        r_d = self.h @ self.d + self.g + self.multiplier @ self.rows + self.y_wall @ self.hard
        r_d = r_d - self.y_below + self.y_above
        r_slack = self.room - self.rows @ self.d + self.excess - self.slack
        r_wall = self.hard_room - self.hard @ self.d - self.wall
        worst = max(
            float(np.abs(r_d).max()),
            float(np.abs(r_slack).max(initial=0.0)),
            float(np.abs(r_wall).max(initial=0.0)),
        )
        if gap <= SOLVED and worst <= SOLVED**0.8:
            return True
        weight = 1.0 / (self.excess / rest + self.slack / self.multiplier)
        wall_weight = self.y_wall / self.wall
        matrix = self.h + (self.rows.T * weight) @ self.rows
        matrix += (self.hard.T * wall_weight) @ self.hard
        diagonal = self.y_below / self.below + self.y_above / self.above
        matrix[np.diag_indices_from(matrix)] += diagonal
        factor, failed = dpotrf(matrix, lower=1)
        if failed:
            return True
        move = self._direction(factor, weight, self.centring * gap, rest, r_d, r_slack, r_wall)
        longest = self._longest(move, rest)
        if not np.isfinite(move[0]).all():
            return True
        t = min(1.0, TO_THE_WALL * longest)
        self._go(move, t)
        self.centring = LITTLE if t > 0.9 else MUCH if t < 0.5 else 0.2
        return t < 1e-9

    def _direction(
        self,
        factor: Array,
        weight: Array,
        centre: float,
        rest: Array,
        r_d: Array,
        r_slack: Array,
        r_wall: Array,
    ) -> tuple[Array, ...]:
        """Newton's direction for complementarities of ``centre``."""
        e = -r_slack - (centre / rest - self.excess) + (centre / self.multiplier - self.slack)
        wall_weight = self.y_wall / self.wall
        e_wall = centre / self.wall - self.y_wall - wall_weight * r_wall
        e_below, e_above = centre / self.below - self.y_below, centre / self.above - self.y_above
        right = -r_d - (weight * e) @ self.rows - e_wall @ self.hard + e_below - e_above
        d, _ = dpotrs(factor, right, lower=1)
        y = weight * (self.rows @ d + e)
        slack = centre / self.multiplier - self.slack - self.slack / self.multiplier * y
        excess = centre / rest - self.excess + self.excess / rest * y
        along = self.hard @ d
        wall, y_wall = r_wall - along, wall_weight * along + e_wall
        y_below = e_below - self.y_below / self.below * d
        y_above = e_above + self.y_above / self.above * d
        return d, y, slack, excess, wall, y_wall, y_below, y_above

    def _longest(self, move: tuple[Array, ...], rest: Array) -> float:
        """The longest step that keeps everything nonnegative, at most about 1."""
        d, y, slack, excess, wall, y_wall, y_below, y_above = move
        slacks = self.slack, self.excess, self.wall, self.below, self.above
        duals = self.multiplier, rest, self.y_wall, self.y_below, self.y_above
        at = np.concatenate([*slacks, *duals])
        change = np.concatenate([slack, excess, wall, d, -d, y, -y, y_wall, y_below, y_above])
        return 1.0 / max(1.0 / 1.005, float((-change / at).max()))

    def _go(self, move: tuple[Array, ...], t: float) -> None:
        d, y, slack, excess, wall, y_wall, y_below, y_above = (t * part for part in move)
        self.d = self.d + d
        self.multiplier = self.multiplier + y
        self.slack, self.excess = self.slack + slack, self.excess + excess
        self.wall, self.y_wall = self.wall + wall, self.y_wall + y_wall
        self.below, self.above = self.d - self.low, self.high - self.d
        self.y_below, self.y_above = self.y_below + y_below, self.y_above + y_above
