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
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from smoothmin._protocol import Array

NEGLIGIBLE = 1e-4  # penalties smaller than this part of the first are as good as none
MAX_PENALTIES = 10


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
    scale = float(np.abs(gradients).max())
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


def cutting_plane_weights(gradients: Array, gaps: Array) -> Array:
    """Weights of the step that minimizes a piecewise linear model plus half its square.

    They minimize ``|w @ gradients|^2 / 2 + w @ gaps`` over the simplex.

    Parameters
    ----------
    gradients : ndarray (m, n)
        Slopes of the cuts, in the metric of the step.
    gaps : ndarray (m,)
        How far each cut is below the value at the centre; nonnegative, and zero for one
        cut at least.

    Returns
    -------
    ndarray (m,)
        To about five per cent of the penalty ``w @ gaps``; exact where that is zero.

    Notes
    -----
    ``|w @ gradients|^2 + (w @ gaps)^2 / penalty`` has the same minimizer if the penalty
    is ``w @ gaps``: a min-norm problem with one more coordinate. That penalty is found
    by iteration from above, where the map is increasing. Steps by exact weights, which
    `minimax.simplex_weights` gives, take some evaluations more.
    """
    squares = np.einsum("ij,ij->i", gradients, gradients)
    penalty = 0.5 * float(squares[gaps == 0].min())
    if not 0 < penalty < np.inf:
        return _shortest(gradients, 0).weights
    smallest = NEGLIGIBLE * penalty
    for _ in range(MAX_PENALTIES):
        lifted = np.column_stack([gradients, gaps / math.sqrt(penalty)])
        weights = min_norm_point(lifted).weights
        previous, penalty = penalty, float(weights @ gaps)
        if penalty <= smallest or previous - penalty <= 0.05 * previous:
            break
    return weights


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
