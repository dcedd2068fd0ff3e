"""What lies beyond the point where a run has ended that looks like a minimum.

Where values fall for ever, ever more slowly, what is left of gradients and gains is lost to
rounding at last, very far from the start. Twice as far a minimum would have been passed.

Whether values that come in steps hide lower ones is asked of runs from values alone.
Integers inside a function, break points that are cut and images that are shifted make values
that are the same all around a point, in some variables or in all: differences are zero, and
models and searches see a minimum. Farther out such a function differs.
"""

from __future__ import annotations

import math
from collections.abc import Generator

import numpy as np

from smoothmin._factors import OTHER_ORDER
from smoothmin._machine import SUMMED
from smoothmin._protocol import Answers, Array, Ask, Mask, Problem
from smoothmin._scale import PROBE
from smoothmin._verdict import NEGLIGIBLE, SHORT
from smoothmin.subproblems.min_norm import euclidean_norm


def falls_on(
    problem: Problem, x: Array, f: float, step: Array | None, grad: Array | None
) -> Generator[Ask, Answers, bool]:
    """Whether values are no higher twice as far from the start along variables that have fled.

    Beside their distance from there that of the start from 0, or 1, is negligible. Or whether
    they are lower as far again along the last ``step``, if that has not become short; no higher
    is enough where the gradient at ``x``, if that is known, still leads down along it: a face of
    minima is flat.
    """
    away = x - problem.x0
    if step is not None and (yield from _falls_along(problem, x, f, step, grad)):
        return True
    away[NEGLIGIBLE * np.abs(away) <= np.maximum(1.0, np.abs(problem.x0))] = 0.0
    there = problem.clip(x + away)
    if (there == x).all() or not np.isfinite(there).all():
        return False
    value = (yield Ask(there[None], 0, phase="check")).values[0]
    return bool(value <= f)


def _falls_along(
    problem: Problem, x: Array, f: float, step: Array, grad: Array | None
) -> Generator[Ask, Answers, bool]:
    """Whether values are lower as far from ``x`` as the start, along a step that is not short."""
    far, length = euclidean_norm(x - problem.x0), euclidean_norm(step)
    if not SHORT * far < length < np.inf:
        return False
    there = problem.clip(x + far / length * step)
    if not np.isfinite(there).all() or (there == x).all():
        return False
    value = (yield Ask(there[None], 0, phase="check")).values[0]
    if value < f - SUMMED * abs(f):
        return True
    if grad is None or not value <= f:
        return False
    return -float(grad @ step) > SUMMED * length * euclidean_norm(grad)


def lower_beyond(
    problem: Problem, x: Array, f: float, flat: Mask | None, fallen: float
) -> Generator[Ask, Answers, bool]:
    """Whether values are lower where they first differ along variables that are flat at ``x``.

    Nor is it known that none are where all variables are flat as far as is looked: a plateau.
    What the judge calls negligible, beside all that values have ``fallen`` by, is no lower: the
    tails of functions that fall to an infimum are as flat. Other parameters as of `plateau_ends`.
    """
    little = max(SUMMED * abs(f), NEGLIGIBLE * min(abs(f), fallen))
    _, values, settled = yield from plateau_ends(problem, x, f, flat, little)
    return bool((values < f - little).any()) or not settled


def plateau_ends(
    problem: Problem, x: Array, f: float, flat: Mask | None, little: float = 0.0
) -> Generator[Ask, Answers, tuple[Array, Array, bool]]:
    """Points and values where these first differ along variables that are flat at ``x``.

    None farther out than one that is lower by more than a ``little``. And whether any variable is
    not flat as far as is looked.

    Parameters
    ----------
    problem : Problem
    x : ndarray, shape (n,)
    f : float
        The value there.
    flat : ndarray of bool, shape (n,), or None
        Along which differences were zero, if there were differences; else one value is asked
        for each variable.
    """
    size = PROBE * np.maximum(1.0, np.abs(x))
    if flat is None:
        points = problem.clip(x + np.diag(size))
        moved = (points != x).any(axis=1)
        flat = np.zeros(x.size, dtype=bool)
        flat[moved] = (yield Ask(points[moved], 0, phase="check")).values == f
    differ = np.zeros((2, x.size), dtype=bool)  # up and down
    differ[:, ~flat] = True
    ends, heights = [np.empty((0, x.size))], [np.empty(0)]
    while not differ.all() and size[~differ.all(axis=0)].min() < 1 - SHORT:
        size = math.sqrt(OTHER_ORDER) * size
        points = problem.clip(x + np.concatenate([np.diag(size), -np.diag(size)]))
        rows = np.flatnonzero(~differ)
        values = (yield Ask(points[rows], 0, phase="check")).values
        met = values != f
        ends.append(points[rows[met]])
        heights.append(values[met])
        differ.flat[rows] = met | (points[rows] == x).all(axis=1)
        if (values < f - little).any():
            break
    return np.concatenate(ends), np.concatenate(heights), bool(differ.all(axis=0).any())
