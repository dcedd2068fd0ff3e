"""Quadratic models of several functions from all the points there are.

References: M. J. D. Powell, "Least Frobenius norm updating of quadratic models that satisfy
interpolation conditions", Math. Program. 100 (2004); S. M. Wild, "MNH: a derivative-free
optimization algorithm using minimal norm Hessians" (2008), for points taken from a bank and for
the test of their independence.

Deviations: values far away are fitted, not interpolated, with an error that grows as the cube
of the distance, what a quadratic cannot know; so no point has to be given up, and all functions
share one factor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lu_factor, lu_solve, qr

from smoothmin._factors import MINOR, OTHER_ORDER, SMALL
from smoothmin._machine import SUMMED, TINY
from smoothmin._protocol import Array
from smoothmin._verdict import NEGLIGIBLE, STATIONARY

NEAR = 2.0  # radii in which points determine the slopes
WILD = 1e3  # rise over a radius, in units of the largest slope, that no quadratic is to follow


class Bank:
    """All points with finite values, of the objective and of every side."""

    def __init__(self, n: int, k: int) -> None:
        self.points, self.values = np.empty((0, n)), np.empty((0, 1 + k))

    def add(self, points: Array, values: Array) -> None:
        """Keep what is finite."""
        good = np.isfinite(values).all(axis=1)
        self.points = np.concatenate([self.points, points[good]])
        self.values = np.concatenate([self.values, values[good]])


@dataclass(frozen=True)
class Models:
    """``values + slopes @ d + d @ hessians @ d / 2`` of ``d = (z - centre) / radius``.

    Parameters
    ----------
    centre : ndarray (n,)
    radius : float
    values : ndarray (1 + k,)
        Of the objective and of the sides, at the centre.
    slopes : ndarray (1 + k, n)
    hessians : ndarray (1 + k, n, n)
    missing : ndarray (j, n)
        Orthonormal directions in which there is no point near.
    """

    centre: Array
    radius: float
    values: Array
    slopes: Array
    hessians: Array
    missing: Array

    def at(self, d: Array) -> Array:
        """All functions (1 + k,) at a step."""
        found: Array = self.values + (self.slopes + 0.5 * (self.hessians @ d)) @ d
        return found

    def slopes_at(self, d: Array) -> Array:
        """All slopes (1 + k, n) at a step."""
        found: Array = self.slopes + self.hessians @ d
        return found


def fit(
    bank: Bank, centre: int, radius: float, before: Models | None, steep: Array, noise: Array
) -> Models:
    """Models around a point of the bank that change least from those before.

    ``before`` may have another centre and radius; ``steep`` (1 + k,) is how steep each function
    was at most, in units of the radius: values that rise more than `WILD` times as much are
    left out. ``noise`` (1 + k,) is theirs.
    """
    x = bank.points[centre]
    n = x.size
    z = (bank.points - x) / radius
    distance = np.abs(z).max(axis=1)
    rise = np.abs(bank.values - bank.values[centre])
    tame = (rise <= WILD * steep * np.maximum(distance, 1.0)[:, None]).all(axis=1)
    order = np.argsort(distance, kind="stable")
    # so many radii away points say nothing of the slopes
    order = order[(distance[order] <= OTHER_ORDER) & tame[order]]
    spread, missing = _spread(z[order[distance[order] <= NEAR]])
    few = (n + 1) * (n + 2) // 2
    if (noise > SUMMED * np.abs(bank.values).max(axis=0)).any():
        # of the nearest points much is noise, and the more there are, the less
        few = max(few, int((distance[order] <= NEAR).sum()))
    first_few = np.union1d(spread, np.arange(min(len(order), few)))
    order = order[first_few]
    z, distance, values = z[order], distance[order], bank.values[order]
    first = bank.values[centre]
    k = values.shape[1]
    slopes, hessians = np.zeros((k, n)), np.zeros((k, n, n))
    if before is not None:
        ratio = radius / before.radius
        slopes = before.slopes_at((x - before.centre) / before.radius) * ratio
        hessians = before.hessians * ratio**2
    bent = np.einsum("mi,kij,mj->mk", z, hessians, z)
    residual = values - first - z @ slopes.T - 0.5 * bent
    shape = z, 0.5 * (z @ z.T) ** 2, (SMALL * distance**3) ** 2 + SUMMED  # of the curvature
    first = first.copy()
    for which in (noise == 0, noise > 0):
        if not which.any():
            continue
        level = float((noise[which] / np.maximum(steep[which], TINY)).max())
        level = min(level, 1 / STATIONARY)  # slopes of less are as good as none
        weights, slope, constant = _least_change(*shape, level, residual[:, which])
        slopes[which] += slope.T
        hessians[which] += np.einsum("mk,mi,mj->kij", weights, z, z)
        first[which] += constant
    return Models(x, radius, first, slopes, hessians, missing)


def _least_change(
    z: Array, kernel: Array, error: Array, level: float, residual: Array
) -> tuple[Array, Array, Array]:
    """Weights (m, k), slopes (n, k) and constants (k,) of the quadratics least in their Hessians.

    With noise, ``level`` in units of the slopes, the value at the centre is fitted as all are.
    """
    tail = np.column_stack([z, np.ones(len(z))]) if level > 0 else z
    m, t = tail.shape
    n, k = z.shape[1], residual.shape[1]
    matrix = np.zeros((m + t, m + t))
    matrix[:m, :m] = kernel
    matrix[:m, m:], matrix[m:, :m] = tail, tail.T
    matrix[np.arange(m), np.arange(m)] += error + level**2
    matrix[np.arange(m, m + t), np.arange(m, m + t)] = -NEGLIGIBLE  # what points do not tell stays
    solution = lu_solve(lu_factor(matrix), np.concatenate([residual, np.zeros((t, k))]))
    constant = solution[m + n] if level > 0 else np.zeros(k)
    return solution[:m], solution[m : m + n], constant


def _spread(z: Array) -> tuple[NDArray[np.intp], Array]:
    """Which points determine slopes, and orthonormal directions (j, n) in which none does."""
    q, r, order = qr(z.T, pivoting=True)
    # distances, in radii, from the span of the others
    rank = int((np.abs(np.diagonal(r)) >= MINOR).sum())
    return order[:rank], q[:, rank:].T
