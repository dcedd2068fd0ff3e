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
from scipy.linalg.blas import ddot

from smoothmin._precision import DOUBLE as EPS
from smoothmin._protocol import Array, Ask, Problem, ask_one
from smoothmin.subproblems.min_norm import euclidean_norm


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
        squares = np.vecdot(changes, changes)
        known = (squares > 0) & (squares < math.inf)
        changes = changes[known] / np.sqrt(squares[known])[:, None]
        values, vectors = np.linalg.eigh(changes.dot(changes.T))
        # of changes that are parallel but for rounding one is enough
        seen = values > EPS * len(values) * values.max(initial=0.0)
        shares = vectors[:, seen] / np.sqrt(values[seen])
        for _ in range(2):  # once more, for rounding
            rest -= shares.dot(shares.T.dot(changes.dot(rest))).dot(changes)
    rest[free == 0] = 0.0
    slope = ddot(rest, free)
    if not (slope > 0 and fall > 0 and fall / slope < math.inf):
        return None
    step: Array = -(fall / slope) * rest
    return step if math.isfinite(ddot(step, step)) else None


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


def promised_along(
    problem: Problem, x: Array, g: Array, pg: Array, lengths: tuple[float, float]
) -> Generator[Ask, Any, float]:
    """What the gradient promises along itself, by the curvature there.

    Over a length between that of the promised step and that of the last one (``lengths``): the
    curvature over a step from far away is that of far away. ``pg`` is the projected gradient.
    """
    size, (near, far) = euclidean_norm(pg), lengths
    if not 0 < size < math.inf or not far > 0:
        return 0.0
    resolved = math.sqrt(EPS) * max(1.0, euclidean_norm(x))
    there = problem.clip(x - min(far, max(math.sqrt(near * far), resolved)) / size * pg)
    step = there - x
    _, g_there = yield from ask_one(there)
    slope, change = float(g @ step), float((g_there - g) @ step)
    if not math.isfinite(change) or slope >= 0:
        return 0.0
    return 0.5 * slope * slope / change if change > 0 else math.inf
