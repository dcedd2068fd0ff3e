"""The least point of a quadratic in a ball, and in a ball and a box; and the next radius.

References: J. J. More, D. C. Sorensen, "Computing a trust region step", SIAM J. Sci. Stat.
Comput. 4 (1983), for the multiplier; M. J. D. Powell, "The NEWUOA software for unconstrained
optimization without derivatives" (2006), for the radius.

Deviation: the radius grows fourfold where nearly everything came out as predicted, since starts
may be far away.
"""

from __future__ import annotations

import math

import numpy as np

from smoothmin._factors import MINOR
from smoothmin._protocol import Array, Mask

POOR, GOOD, EXCELLENT = 0.1, 0.7, 1 - MINOR  # ratios of actual to predicted decrease
GROWTH, FAST_GROWTH = 2.0, 4.0  # of the radius after a good or an excellent step
ACCURACY = 1e-3  # relative, of what small problems are solved to
RELEASES = 3  # rounds of letting variables go from their bounds


def next_radius(radius: float, length: float, ratio: float) -> float:
    """The radius after a step so long, with that ratio of actual to predicted decrease."""
    if ratio <= POOR:
        return min(0.5 * radius, length)
    growth = 1.0 if ratio <= GOOD else GROWTH if ratio <= EXCELLENT else FAST_GROWTH
    return max(0.5 * radius, growth * length)


def trust_region_step(gradient: Array, hessian: Array, radius: float) -> Array:
    """Minimize ``g's + s'Hs/2`` subject to ``|s| <= radius``.

    H is a matrix (n, n), or its diagonal (n,) where it has no more. By its eigenvectors; the
    multiplier by Newton's method on ``1/radius - 1/|s|``, safeguarded by bisection.
    """
    if not (np.isfinite(hessian).all() and np.isfinite(gradient).all()):
        return np.zeros_like(gradient)  # no model is no reason to move
    # in units of a power of two no square overflows or vanishes
    unit = math.frexp(max(float(np.abs(gradient).max()), float(np.abs(hessian).max())))[1]
    gradient, hessian = np.ldexp(gradient, -unit), np.ldexp(hessian, -unit)
    if hessian.ndim == 1:
        order = np.argsort(hessian, kind="stable")
        step = np.empty_like(gradient)
        step[order] = _along_axes(gradient[order], hessian[order], radius)
        return step
    curvature, vectors = np.linalg.eigh(hessian)
    turned: Array = vectors @ _along_axes(vectors.T @ gradient, curvature, radius)
    return turned


def _along_axes(g: Array, curvature: Array, radius: float) -> Array:
    """The step in coordinates along the eigenvectors, whose curvatures ascend."""
    size = float(np.linalg.norm(g))
    tiny = 1e-14 * max(float(np.abs(curvature).max()), size / radius, 1e-300)
    if curvature[0] > tiny:
        s = -g / curvature
        if s @ s <= radius**2:
            return s
    low = max(0.0, tiny - float(curvature[0]))
    high = low + size / radius + tiny
    multiplier = low
    for _ in range(60):
        s = -g / (curvature + multiplier)
        length = float(np.linalg.norm(s))
        if abs(length - radius) <= ACCURACY * radius or (multiplier == low and length < radius):
            break
        if length > radius:
            low = multiplier
        else:
            high = multiplier
        slope = float((s * s / (curvature + multiplier)).sum())
        multiplier += length**2 / slope * (length - radius) / radius
        if not low < multiplier < high:
            multiplier = 0.5 * (low + high)
    if length < radius:  # the hard case: the rest of the way along the least curvature
        s[0] += math.copysign(math.sqrt(radius**2 - length**2), -g[0])
        length = float(np.linalg.norm(s))
    return s * min(1.0, radius / length)


def boxed_step(
    gradient: Array,
    hessian: Array,
    radius: float,
    low: Array,
    high: Array,
    covariance: Array | None = None,
) -> Array:
    """Minimize ``g's + s'Hs/2`` in a ball and a box, by an active-set heuristic.

    The box is around zero. With a ``covariance`` C the ball is the ellipsoid ``s'C^-1 s <=
    radius^2``; where variables are held at bounds, that of the others by their own part of C.
    """
    s = np.zeros_like(gradient)
    fixed = ((low >= 0) & (gradient > 0)) | ((high <= 0) & (gradient < 0))
    best, lowest = s, 0.0
    for _ in range(RELEASES):
        s = s.copy()
        _fill(s, fixed, gradient, hessian, radius, (low, high), covariance)
        slope = gradient + hessian @ s
        value = 0.5 * float(s @ (gradient + slope))
        if value < lowest:
            best, lowest = s, value
        released = fixed & (((s <= low) & (slope < 0)) | ((s >= high) & (slope > 0)))
        if not released.any():
            break
        fixed &= ~released
    return best


def _fill(
    s: Array,
    fixed: Mask,
    gradient: Array,
    hessian: Array,
    radius: float,
    box: tuple[Array, Array],
    covariance: Array | None,
) -> None:
    """Set the free variables of ``s``, and fix those that the minimizer takes to a bound."""
    low, high = box
    while not fixed.all():
        free = ~fixed
        slope, inner = gradient, hessian
        if not free.all():
            slope = gradient[free] + hessian[np.ix_(free, fixed)] @ s[fixed]
            inner = hessian[np.ix_(free, free)]
        if covariance is None:
            held = float(s[fixed] @ s[fixed])
            if held >= radius**2:
                return
            room = math.sqrt(radius**2 - held) if held else radius
            step = trust_region_step(slope, inner, room)
        else:
            try:
                root = np.linalg.cholesky(covariance[np.ix_(free, free)])
            except np.linalg.LinAlgError:  # too ill-conditioned: what there is will do
                return
            step = root @ trust_region_step(root.T @ slope, root.T @ inner @ root, radius)
        s[free] = clipped = np.minimum(np.maximum(step, low[free]), high[free])
        outside = clipped != step
        if not outside.any():
            return
        fixed[free] = outside
