"""Where a descent has observed no curvature of late.

A metric that was taught far from a minimum, where a function is steep, may promise next to
nothing in directions that no step has taken since. Changes of the gradient span those that were:
a function falls along what remains of the gradient without them by more than was promised, or
the promise holds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy.linalg.blas import ddot

from smoothmin._machine import CACHED, EPS
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
    rest, steps = free.copy(), len(gradients) - 1
    if steps > 0:
        parts = _changes(gradients)
        gram = sum(changes.dot(changes.T) for _, changes in parts())
        squares = gram.diagonal()
        unit = np.sqrt(np.where((squares > 0) & (squares < math.inf), squares, math.inf)) ** -1
        known = unit > 0
        gram = (gram * unit * unit[:, None])[known][:, known]
        values, vectors = np.linalg.eigh(gram)
        # of changes that are parallel but for rounding one is enough
        seen = values > EPS * len(values) * values.max(initial=0.0)
        shares = np.zeros((steps, np.count_nonzero(seen)))
        shares[known] = unit[known, None] * vectors[:, seen] / np.sqrt(values[seen])
        for _ in range(2):  # once more, for rounding
            along = sum(changes.dot(rest[part]) for part, changes in parts())
            taken = shares.dot(shares.T.dot(along))
            for part, changes in parts():
                rest[part] -= taken.dot(changes)
    rest[free == 0] = 0.0
    slope = ddot(rest, free)
    if not (slope > 0 and fall > 0 and fall / slope < math.inf):
        return None
    step: Array = -(fall / slope) * rest
    return step if math.isfinite(ddot(step, step)) else None


def _changes(gradients: Sequence[Array]) -> Callable[[], Iterable[tuple[slice, Array]]]:
    """Their differences (m - 1, .), of as many coordinates at a time as the cache holds."""
    n, width = len(gradients[0]), max(1, CACHED // len(gradients))
    if n <= width:
        rows = np.array(gradients)
        once = [(slice(None), rows[1:] - rows[:-1])]
        return lambda: once
    room = np.empty((len(gradients) - 1, width))
    pairs = list(zip(room, itertools.pairwise(gradients), strict=True))

    def parts() -> Iterator[tuple[slice, Array]]:
        for first in range(0, n, width):
            part, size = slice(first, first + width), min(width, n - first)
            for row, (before, after) in pairs:
                np.subtract(after[part], before[part], out=row[:size])
            yield part, room[:, :size]

    return parts


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
