"""Whether a function is a sum of functions of one variable each, from a few values.

Reference: M. N. Omidvar, X. Li, Y. Mei, X. Yao, "Cooperative co-evolution with
differential grouping for large scale optimization", IEEE Trans. Evol. Comput. 18 (2014),
:doi:`10.1109/TEVC.2013.2281543`: variables interact where the change that one makes
depends on another.

Deviation: halves of the variables are compared instead of pairs. A function that is a sum
passes for every split in halves; the splits are by the digits of the variables' numbers,
so that any two variables are on different sides of one, ``2 log2(d)`` values in all and
two where the first split fails. A star of points, as there is around a start, predicts
other values of a sum, of which one or two may show that it is none.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from smoothmin._machine import SUMMED
from smoothmin._protocol import Answers, Array, Ask
from smoothmin._verdict import NEGLIGIBLE


def separable(
    points: Array, values: Array | None, rng: np.random.Generator
) -> Generator[Ask, Answers, bool]:
    """Whether nothing seen between two points contradicts a sum over the variables.

    Parameters
    ----------
    points : ndarray, shape (2, d)
    values : ndarray, shape (2,), or None
        The values there, if they are known.
    rng : Generator
        Numbers the variables.
    """
    if values is None:
        values = (yield Ask(points, 0)).values
    (p, q), (f_p, f_q) = points, values.tolist()
    change = abs(f_p - f_q)
    error = NEGLIGIBLE * change
    if not SUMMED * max(abs(f_p), abs(f_q)) <= error < np.inf:  # lost to rounding
        return False
    numbers = rng.permutation(p.size)
    for digit in range(int(p.size - 1).bit_length()):
        side = (numbers >> digit) % 2 == 0
        answers = yield Ask(np.stack([np.where(side, p, q), np.where(side, q, p)]), 0)
        if not abs(answers.values.sum() - f_p - f_q) <= error:
            return False
    return True


def contradicted(
    x: Array, f: float, shift: Array, box: tuple[Array, Array] | None, rng: np.random.Generator
) -> Generator[Ask, Answers, bool]:
    """Whether values around a point are those of no sum over the variables.

    A kink where variables interact may lie between two points and not be seen from there; from
    a point on it it is, if variables move to the same and to opposite sides.

    Parameters
    ----------
    x : ndarray, shape (d,)
    f : float
        Its value.
    shift : ndarray, shape (d,)
        How far every variable moves.
    box : tuple of ndarray, or None
        The bounds, which are not left.
    rng : Generator
        Numbers the variables.
    """
    low, high = (np.full(x.size, -np.inf), np.full(x.size, np.inf)) if box is None else box
    numbers = rng.permutation(x.size)
    for digit in range(int(x.size - 1).bit_length()):
        one = np.where((numbers >> digit) % 2 == 0, shift, 0.0)
        other = shift - one
        steps = np.stack([one, other, -other, one + other, one - other])
        values = (yield Ask(np.clip(x + steps, low, high), 0)).values
        alone, same, opposite, both, apart = values.tolist()
        largest = float(np.abs(values - f).max())
        error = max(NEGLIGIBLE * largest, SUMMED * float(np.abs(values).max()))
        misses = abs(alone + same - both - f), abs(alone + opposite - apart - f)
        if not max(misses) <= error < np.inf:
            return True
    return False


def predicted(points: Array, values: Array) -> Generator[Ask, Answers, bool]:
    """Whether a star of points predicts the value where all variables differ, as a sum's does.

    Parameters
    ----------
    points : ndarray, shape (m, d)
        Each differs from the first in one variable; for every variable there is one.
    values : ndarray, shape (m,)
    """
    if not np.isfinite(values).all():
        return False
    first, along = float(values[0]), points[1:] != points[0]
    for sign in (1.0, -1.0):  # the lowest and the highest of the points along each variable
        chosen = 1 + np.where(along, sign * values[1:, None], np.inf).argmin(axis=0)
        answers = yield Ask(points[chosen, np.arange(points.shape[1])][None], 0)
        value = float(answers.values[0])
        expected = first + float((values[chosen] - first).sum())
        error = NEGLIGIBLE * abs(value - first)
        misses = max(abs(value - expected), SUMMED * float(np.abs(values).sum()))
        if not misses <= error < np.inf:
            return False
    return True
