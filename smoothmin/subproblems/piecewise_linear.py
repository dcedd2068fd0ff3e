"""The least point of a piecewise linear function and of a price for others, within walls.

Reference: J. E. Kelley, "The cutting-plane method for solving convex programs", J. SIAM 8 (1960),
for the epigraph; R. Fletcher, *Practical Methods of Optimization* (1987), section 14.3, for
violations at a price.
"""

from __future__ import annotations

import numpy as np

from smoothmin._machine import TINY
from smoothmin._protocol import Array


def least_of_pieces(
    slopes: Array,
    heights: Array,
    prices: Array,
    rows: Array,
    room: Array,
    lower: Array,
    upper: Array,
) -> tuple[Array, Array] | None:
    """Where ``f + prices @ max(0, c)`` is least, each function the largest of its linear pieces.

    Parameters
    ----------
    slopes : ndarray (m, 1 + k, n)
        Of m pieces of f and of each c.
    heights : ndarray (m, 1 + k)
        Their values at 0.
    prices : ndarray (k,)
    rows, room : ndarrays (j, n) and (j,)
        ``rows @ d <= room``, met by 0.
    lower, upper : ndarrays (n,)
        ``lower <= d <= upper``, finite.

    Returns
    -------
    step : ndarray (n,)
    multipliers : ndarray (k,)
        Of the c.
    None if the linear program has no accurate solution.
    """
    from scipy.optimize import linprog

    m, functions, n = slopes.shape
    units = np.maximum(np.abs(slopes).max(axis=(0, 2)), TINY)
    # the variables: d, then each function's largest piece, in its unit
    pieces = np.concatenate([slopes / units[:, None], heights[:, :, None] / units[:, None]], axis=2)
    pieces = pieces.swapaxes(0, 1).reshape(functions * m, n + 1)
    largest = -np.repeat(np.eye(functions), m, axis=0)
    walls = np.concatenate([rows, np.zeros((len(rows), functions))], axis=1)
    cost = np.concatenate([np.zeros(n), [1.0], prices * units[1:] / units[0]])
    bounds = np.full((n + functions, 2), (0.0, np.inf))
    bounds[:n], bounds[n] = np.stack([lower, upper], axis=1), (-np.inf, np.inf)
    found = linprog(
        cost,
        A_ub=np.concatenate([np.concatenate([pieces[:, :n], largest], axis=1), walls]),
        b_ub=np.concatenate([-pieces[:, n], room]),
        bounds=bounds,
        method="highs",
    )
    if found.status != 0:
        return None
    weights = -found.ineqlin.marginals[m : functions * m].reshape(functions - 1, m).sum(axis=1)
    return np.clip(found.x[:n], lower, upper), weights * units[0] / units[1:]
