"""A convex quadratic program over the simplex.

Reference: J. Nocedal, S. J. Wright, *Numerical Optimization*, 2nd ed. (2006), section 16.5.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dgesv

from smoothmin._machine import PRODUCTS
from smoothmin._protocol import Array


def simplex_weights(products: Array, gaps: Array, start: Array) -> Array:
    """Weights w (k,) >= 0 of sum 1 that minimize ``w @ products @ w / 2 + w @ gaps``.

    A primal active-set method (Nocedal and Wright, section 16.5) that begins with the
    weights ``start``; ``products`` is positive semidefinite.
    """
    weights = start.copy()
    scale = float(np.abs(products).max() + np.abs(gaps).max())
    if len(gaps) == 1 or not 0 < scale < np.inf:
        return weights
    inside = weights > 0
    entering = -1
    for _ in range(5 * len(gaps)):
        while True:
            rows = inside.nonzero()[0]
            wanted = _stationary(products[rows[:, None], rows], gaps[rows], scale)
            old = weights[rows]
            weights[:] = 0.0
            if wanted.min() > 0:
                weights[rows] = wanted / wanted.sum()
                break
            # as far as the first weight allows, which leaves
            falling = wanted <= 0
            share = np.where(falling, old / np.where(falling, old - wanted, 1.0), np.inf)
            leaving = int(share.argmin())
            mixed = np.maximum(old + share[leaving] * (wanted - old), 0.0)
            mixed[leaving] = 0.0
            weights[rows] = mixed / mixed.sum()
            inside[rows[leaving]] = False
            if rows[leaving] == entering and share[leaving] == 0:
                return weights  # rounding alone let it in
        slopes = products @ weights + gaps
        excess = float(weights @ slopes) - slopes
        excess[inside] = -np.inf
        entering = int(excess.argmax())
        if not excess[entering] > PRODUCTS * scale:
            break
        inside[entering] = True
    return weights


def _stationary(products: Array, gaps: Array, scale: float) -> Array:
    """The minimizer among weights of sum 1 and any sign."""
    m = len(gaps)
    if m == 1:
        return np.ones(1)
    system = np.empty((m + 1, m + 1))
    system[m] = system[:, m] = scale
    system[:m, :m] = products
    diagonal = system.ravel()[:: m + 2]
    diagonal[:m] += 1e-14 * scale  # pieces of the same gradient
    diagonal[m] = 0.0
    target = np.empty(m + 1)
    target[:m], target[m] = -gaps, scale
    _, _, weights, singular = dgesv(system, target)
    if singular:
        weights = np.linalg.lstsq(system, target, rcond=None)[0]
    found: Array = weights[:m]
    return found
