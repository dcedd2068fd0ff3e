"""Where a descent has observed no curvature of late.

A metric that was taught far from a minimum, where a function is steep, may promise next to
nothing in directions that no step has taken since. Changes of the gradient span those that were:
a function falls along what remains of the gradient without them by more than was promised, or
the promise holds.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from smoothmin._protocol import Array, Ask, Problem


def unexplored(gradients: Sequence[Array], free: Array, fall: float) -> Array | None:
    """The step along which slopes promise so much of a fall, if there is any.

    Parameters
    ----------
    gradients : sequence of ndarray (n,)
        The last ones.
    free : ndarray (n,)
        The gradient, without what pushes against bounds.
    fall : float
    """
    rest = free.copy()
    if len(gradients) > 1:
        stacked = np.array(gradients)
        changes = stacked[1:] - stacked[:-1]
        with np.errstate(all="ignore"):
            changes /= np.sqrt((changes * changes).sum(axis=1, keepdims=True))
        changes[~np.isfinite(changes)] = 0.0
        basis, _ = np.linalg.qr(changes.T)
        for _ in range(2):  # once more, for rounding
            rest -= basis @ (basis.T @ rest)
    rest[free == 0] = 0.0
    slope = float(rest @ free)
    if not (slope > 0 and fall > 0):
        return None
    with np.errstate(all="ignore"):
        step: Array = -(fall / slope) * rest
    return step if np.isfinite(step).all() else None


def farthest(
    problem: Problem, x: Array, step: Array, lowest: float
) -> Generator[Ask, Any, Array | None]:
    """The last point below ``lowest`` along a step that grows tenfold while values fall."""
    there = None
    while True:
        ahead = problem.clip(x + step)
        value = float((yield Ask(ahead[None], 0)).values[0])
        if not -math.inf < value < lowest:
            return there
        there, lowest, step = ahead, value, 10 * step
