"""The point of a ball and a box where the largest of a few quadratics is least.

Reference: J. Nocedal, S. J. Wright, *Numerical Optimization* (2006), section 16.5, for active
sets: variables that would leave the box are held at their bounds, and let go where the
multipliers say that the largest quadratic falls inward.

Deviation: variables are held, and let go, all at once: once let go, each is held for good where
it leaves the box again, so that rounds end.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from smoothmin._factors import ROUNDS
from smoothmin._protocol import Array, Mask
from smoothmin.subproblems.minimax import Minimax, least_maximum


def least_maximum_in_box(
    values: Array, gradients: Array, hessians: Array, radius: float, low: Array, high: Array
) -> Minimax | None:
    """Minimize as `least_maximum` does, over ``low <= d <= high`` around 0.

    Parameters
    ----------
    values : ndarray (k,)
    gradients : ndarray (k, n)
    hessians : ndarray (k, n, n)
    radius : float
        Longest step of the variables that are not held.
    low, high : ndarray (n,)
        Neither positive nor negative, in this order.

    Returns
    -------
    Minimax or None
        None if nothing was found below the centre.
    """
    step, free = np.zeros_like(low), np.ones(low.size, dtype=bool)
    let_go = ~free
    best: Minimax | None = None
    for _ in range(ROUNDS):
        found = _held(values, gradients, hessians, radius, step, free)
        outside = (found.step < low) | (found.step > high)
        if outside.any():
            step = np.clip(found.step, low, high)
            free &= ~outside
            continue
        if found.decrease > (0.0 if best is None else best.decrease):
            best = found
        slope = found.weights @ (gradients + hessians @ found.step)
        inward = np.where(found.step <= low, slope < 0, slope > 0)
        freed = ~free & ~let_go & inward
        if not freed.any():
            break
        step, free, let_go = found.step, free | freed, let_go | freed
    return best


def _held(
    values: Array, gradients: Array, hessians: Array, radius: float, step: Array, free: Mask
) -> Minimax:
    """The least point of the ``free`` variables, where the others are as far as ``step`` says."""
    start = float(values.max())
    at = np.where(free, 0.0, step)
    bent = hessians @ at
    heights = values + gradients @ at + 0.5 * (bent @ at)
    slopes = (gradients + bent)[:, free]
    found = None
    if free.any():
        found = least_maximum(heights, slopes, hessians[:, free][:, :, free], radius)
    if found is None:
        weights = np.zeros(len(values))
        weights[heights.argmax()] = 1.0
        return Minimax(at, start - float(heights.max()), limited=False, weights=weights)
    at[free] = found.step
    decrease = start - float(heights.max()) + found.decrease
    return dataclasses.replace(found, step=at, decrease=decrease)
