"""The stationary point of a quadratic on rows that are held, by what their independence allows.

Products of rows cost least and lose half of the digits where rows are nearly dependent; there
rotations serve.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dgeqrf, dorgqr, dpotrf, dpotrs, dtrtrs

from smoothmin._machine import PRODUCTS, QUARTER_OF_DIGITS
from smoothmin._protocol import Array

# part of every unit row with which products lose no more than half the digits
INDEPENDENT = QUARTER_OF_DIGITS
WELL = 0.03  # the same with which one round of refinement will do


@dataclass(slots=True)
class Target:
    """Where the rows held are met, but for the excesses of their groups.

    Attributes
    ----------
    weights : ndarray (w,)
        Their multipliers, of any sign.
    mixed : ndarray (p,)
        J' times the gradient of the Lagrangian.
    dependent : bool
        Whether rows depend on one another: multipliers run away.
    back : callable or None
        From excesses of the rows (w,) to the change of ``mixed`` that ends them.
    prices : dict
        The excess of each group at its cap, which is wrong if negative.
    rounds : int
        Of refinement that are worth while.
    """

    weights: Array
    mixed: Array
    dependent: bool
    back: Callable[[Array], Array] | None
    prices: dict[int, float]
    rounds: int = 2


def stationary(rows: Array, base: Array, offsets: Array) -> Target:
    """Weights w of any sign of least ``|base + w @ rows|^2 / 2 + w @ offsets``."""
    w = len(rows)
    if w == 0:
        return Target(np.empty(0), base, False, None, {})
    if w == 1:
        return _stationary_for_one(rows[0], base, offsets.item(0))
    lengths = np.sqrt(np.vecdot(rows, rows))
    unit = 1.0 / (lengths + (lengths == 0))
    rows = rows * unit[:, None]
    factor, failed = dpotrf(rows.dot(rows.T), 1)
    least = 0.0 if failed else factor.diagonal().min()
    if least < INDEPENDENT:
        return _stationary_by_rotations(rows, base, unit * offsets, unit)
    weights = dpotrs(factor, -(unit * offsets + rows.dot(base)), 1, 1)[0]

    def back(missed: Array) -> Array:
        change: Array = dpotrs(factor, unit * missed, 1, 1)[0].dot(rows)
        return change

    rounds = 1 if least > WELL else 2
    return Target(weights * unit, base + weights.dot(rows), False, back, {}, rounds)


def _stationary_for_one(row: Array, base: Array, offset: float) -> Target:
    """The same for one row."""
    square = float(row.dot(row))
    if not square > 0:
        return Target(np.array([-offset / PRODUCTS]), base, True, None, {})
    weight = -(offset + float(row.dot(base))) / square

    def back(missed: Array) -> Array:
        return missed.item(0) / square * row

    return Target(np.array([weight]), base + weight * row, False, back, {}, 1)


def _stationary_by_rotations(rows: Array, base: Array, offsets: Array, unit: Array) -> Target:
    """The same for rows of length 1 that are nearly dependent; ``unit`` made them so."""
    w, p = rows.shape
    r, scales = dgeqrf(rows.T)[:2]  # R above the diagonal, beside what makes Q
    q = dorgqr(r[:, : min(w, p)], scales)[0]
    if p < w:  # more rows than dimensions
        q = np.concatenate([q, np.zeros((p, w - p))], axis=1)
        r = np.concatenate([r, np.zeros((w - p, w))])
    r = r[:w]
    diagonal = np.einsum("ii->i", r)
    lost = np.abs(diagonal) < PRODUCTS
    dependent = bool(lost.any())
    diagonal[lost] = PRODUCTS
    ahead, along = dtrtrs(r, offsets, trans=1)[0], base.dot(q)
    weights = dtrtrs(r, -(ahead + along))[0] * unit

    def back(missed: Array) -> Array:
        change: Array = q.dot(dtrtrs(r, unit * missed, trans=1)[0])
        return change

    mixed = base - q.dot(along + ahead)
    return Target(weights, mixed, dependent, None if dependent else back, {})
