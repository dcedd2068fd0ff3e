"""The point of least norm in the convex hull of gradients, plus a cone of normals.

References: C. L. Lawson, R. J. Hanson, *Solving Least Squares Problems* (1974),
chapter 23, for the reduction to nonnegative least squares; P. Wolfe, "Finding the
nearest point in a polytope", Math. Program. 11 (1976), for the optimality
condition.

With the gradients as columns of ``G`` and the normals as columns of ``N``, nonnegative
least squares on the stacked system ``[G N; e' 0] [w; v] = [0; 1]`` finds weights
proportional to the wanted ones: for weights c (w, v) with ``e'w = 1`` the residual is
``c^2 |Gw + Nv|^2 + (1 - c)^2``, least over c at ``r / (1 + r)``, ``r = |Gw + Nv|^2``,
which grows with r.

This is `simplex_qp` without gaps, which could solve it: nonnegative least squares is compiled,
needs no inner products, whose rounding a short vector does not survive, and takes the cone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import ddot
from scipy.optimize import nnls

from smoothmin._protocol import Array


@dataclass(frozen=True)
class HullPoint:
    """``point = weights @ gradients + multipliers @ normals``, of least norm."""

    point: Array
    weights: Array
    multipliers: Array


def min_norm_point(gradients: Array, normals: Array | None = None) -> HullPoint:
    """Find the shortest vector of a convex hull, or of a hull plus a cone.

    Parameters
    ----------
    gradients : ndarray (m, n)
        Whose convex hull it is; at least one row, all finite.
    normals : ndarray (k, n), optional
        Rows that may be added with any nonnegative multiplier: normals of active
        bounds.

    Returns
    -------
    HullPoint
        Its weights are nonnegative with sum 1, its multipliers nonnegative.

    Notes
    -----
    The point p is the only one with ``<p, g> >= |p|^2`` for every gradient and
    ``<p, v> >= 0`` for every normal. In a metric H = J J' pass ``gradients @ J``.

    Examples
    --------
    >>> import numpy as np
    >>> from smoothmin.subproblems.min_norm import min_norm_point
    >>> hull = min_norm_point(np.array([[1.0, 1.0], [-1.0, 1.0], [0.0, 3.0]]))
    >>> bool(np.allclose(hull.point, [0.0, 1.0])), bool(np.allclose(hull.weights, [0.5, 0.5, 0.0]))
    (True, True)
    """
    m, n = gradients.shape
    k = 0 if normals is None else len(normals)
    if m == 1 and k == 0:
        return HullPoint(gradients[0].copy(), np.ones(1), np.empty(0))
    scale = float(np.abs(gradients).max(initial=0.0))
    if scale == 0:
        return HullPoint(np.zeros(n), np.full(m, 1 / m), np.zeros(k))
    rows = gradients if normals is None else np.concatenate([gradients, normals * scale])
    weights = _stacked_nnls(rows / scale, m)
    w, v = weights[:m], weights[m:]
    total = float(w.sum())
    if not total > 0:
        return _shortest(gradients, k)
    w = w / total
    v = v * (scale / total)
    point = w @ gradients if normals is None else w @ gradients + v @ normals
    return HullPoint(point, w, v)


def _stacked_nnls(rows: Array, m: int) -> Array:
    """Weights (m + k,) of the stacked system, the first ``m`` with the row of ones."""
    count, n = rows.shape
    # only inner products matter: a triangular factor is as good and smaller
    columns = np.linalg.qr(rows.T, mode="r") if count < n else rows.T
    height = len(columns)
    system = np.zeros((height + 1, count))
    system[:height] = columns
    system[height, :m] = 1.0
    target = np.zeros(height + 1)
    target[height] = 1.0
    try:
        weights: Array = nnls(system, target, maxiter=10 * count + 100)[0]
    except RuntimeError:  # cycling at rounding level
        return np.zeros(count)
    return weights


def _shortest(gradients: Array, k: int) -> HullPoint:
    """The shortest of the gradients themselves."""
    best = int(np.einsum("ij,ij->i", gradients, gradients).argmin())
    weights = np.zeros(len(gradients))
    weights[best] = 1.0
    return HullPoint(gradients[best].copy(), weights, np.zeros(k))


def euclidean_norm(vector: Array) -> float:
    """Of a short vector in a tenth of the time of `numpy.linalg.norm`."""
    return math.sqrt(ddot(vector, vector))


class KnownLength:
    """`euclidean_norm` of a vector that does not change, which is asked for often."""

    def __init__(self) -> None:
        self._vector: Array | None = None

    def __call__(self, vector: Array) -> float:
        """That of the last vector is known."""
        if self._vector is not vector:
            self._vector, self._length = vector, euclidean_norm(vector)
        return self._length
