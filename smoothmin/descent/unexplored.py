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
from numpy.typing import NDArray
from scipy.linalg.blas import ddot
from scipy.linalg.lapack import dsyevd

from smoothmin._factors import FASTEST_GROWTH, OTHER_ORDER
from smoothmin._machine import EPS, LARGE, cached_parts
from smoothmin._precision import ROUNDINGS
from smoothmin._protocol import Array, Ask, Problem, ask_one
from smoothmin.descent.first_point import Found
from smoothmin.metrics.metric import Changes
from smoothmin.subproblems.min_norm import euclidean_norm

POLL, POLLED = 1e-4, 20  # length, in units of max(1, |x|), and number of steps along coordinates


def unexplored(changes: Changes, free: Array, fall: float) -> Array | None:
    """The step along which slopes promise so much of a fall, if there is any.

    Parameters
    ----------
    changes : Changes
        The last ones of the gradient.
    free : ndarray (n,)
        The gradient, without what pushes against bounds.
    fall : float
    """
    rest, steps = free.copy(), changes.number
    if steps > 0:
        parts = tuple(cached_parts(steps + 1, free.size))
        few = changes.of(parts[0]) if len(parts) == 1 else None

        def rows(part: slice) -> Array:
            return changes.of(part) if few is None else few

        gram = sum(each.dot(each.T) for each in map(rows, parts))
        squares = gram.diagonal()
        known = (squares > 0) & (squares < math.inf)
        unit = np.sqrt(np.where(known, squares, math.inf)) ** -1
        gram = gram * unit * unit[:, None]
        gram = gram if known.all() else gram[known][:, known]
        values, vectors = dsyevd(gram)[:2]
        # of changes that are parallel but for rounding one is enough
        seen = values > EPS * len(values) * values.max(initial=0.0)
        shares = np.zeros((steps, np.count_nonzero(seen)))
        shares[known] = unit[known, None] * vectors[:, seen] / np.sqrt(values[seen])
        for _ in range(2):  # once more, for rounding
            along = sum(rows(part).dot(rest[part]) for part in parts)
            taken = shares.dot(shares.T.dot(along))
            for part in parts:
                rest[part] -= taken.dot(rows(part))
    rest[free == 0] = 0.0
    slope = ddot(rest, free)
    if not (slope > 0 and fall > 0 and fall / slope < math.inf):
        return None
    step: Array = -(fall / slope) * rest
    return step if math.isfinite(ddot(step, step)) else None


def changes_of(gradients: Sequence[Array]) -> Changes:
    """From each to the next."""

    def of(part: slice) -> Array:
        rows: Array = np.array([gradient[part] for gradient in gradients])
        changes: Array = rows[1:] - rows[:-1]
        return changes

    return Changes(len(gradients) - 1, of)


def farthest(problem: Problem, start: Found, step: Array) -> Generator[Ask, Any, Found | None]:
    """The last point of those along a step that grows tenfold that are lower, if any are.

    The first one by half of what slopes promise, and not uphill: lower it may be by rounding.
    Where values do not show that, slopes that are still more than half as steep tell that the
    function falls below what values can show.
    """
    exact, found = problem.differences is None, None
    while True:
        ahead = problem.clip(start[0] + step)
        if (ahead == start[0]).all():  # by rounding, or at bounds
            break
        value, g = (yield Ask(ahead[None], int(exact))).first()
        move = ahead - start[0]
        promised, then = float(start[2] @ move), float(g @ move) if exact else 0.0
        lowest = start[1] + 0.5 * promised if found is None else found[1]
        if -math.inf < value < lowest and (found is not None or then <= 0):
            found = ahead, value, g
        elif (
            found is not None
            or not exact
            or not is_falling(start[0], step, promised, then, value - start[1])
        ):
            break
        step = FASTEST_GROWTH * step
    if found is None or exact:
        return found
    return (found[0], *(yield from ask_one(found[0])))


def is_falling(x: Array, step: Array, slope: float, then: float, rise: float) -> bool:
    """Whether slopes say that a function falls along a step, and no value denies that.

    ``slope`` is the first one times the step, ``then`` the last.
    """
    close = euclidean_norm(step) <= max(1.0, euclidean_norm(x))
    return close and rise <= -OTHER_ORDER * slope and then < 0.5 * slope


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


def _lowest_beside(
    problem: Problem, x: Array, first: NDArray[np.intp], steps: Array
) -> Generator[Ask, Any, tuple[Array, Array]]:
    """Values at steps back along some coordinates, and the lowest point; few at a time."""
    values, lowest, at_once = np.empty(len(first)), x, max(1, LARGE // x.size)
    for begin in range(0, len(first), at_once):
        part = slice(begin, begin + at_once)
        points = np.repeat(x[None], len(first[part]), axis=0)
        points[np.arange(len(points)), first[part]] -= steps[part]
        points = problem.clip(points)
        found = (yield Ask(points, 0)).values
        values[part] = np.where(np.isfinite(found), found, np.inf)
        k = int(values[part].argmin())
        if begin == 0 or values[begin + k] < values[:begin].min():
            lowest = points[k].copy()
    return values, lowest


def lower_along_coordinates(
    problem: Problem, x: Array, f: float, pg: Array, noise: float, known: float = 0.0
) -> Generator[Ask, Any, Array | None]:
    """The lowest point down the coordinates that promise most, if noise does not explain it.

    Along those for which parabolas through slopes and values promise more than noise, the
    least points of these follow. Not where values rise from ``f`` in a straight line, but for
    noise or what is ``known`` of values nearby: beyond a kink parabolas promise for ever.
    """
    size = np.maximum(1.0, np.abs(x))
    first = np.argsort(-np.abs(pg) * size, kind="stable")[:POLLED]
    first = first[pg[first] != 0]
    steps, slopes = POLL * size[first], np.abs(pg[first])
    before: tuple[Array, Array] | None = None  # steps and rises of the last round
    while len(first):
        values, there = yield from _lowest_beside(problem, x, first, np.copysign(steps, pg[first]))
        if values.min() < f - noise:
            return there
        rises = values - f
        shorter = slopes * steps**2 / (2 * (rises + slopes * steps))
        seen = (slopes * shorter > 2 * noise) & (shorter < 0.5 * steps)
        if before is not None:
            rates = (before[1] - rises) / (before[0] - steps)
            rounding = ROUNDINGS * EPS * (abs(f) + np.abs(before[1]))
            seen &= rises - rates * steps < -np.maximum(max(noise, known), rounding)
        before = steps[seen], rises[seen]
        first, steps, slopes = first[seen], shorter[seen], slopes[seen]
    return None
