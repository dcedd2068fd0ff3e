"""The value that a run in noise ends with, and how sure it is.

The lowest of many noisy values is low by luck. Values that are drawn anew at the points where a
run may end say which of them is lower, and others, which had no part in that choice, what the
value is: the 95 % interval of their mean, by Student's t, is that of the value without noise.
Where no evaluations are left for that, the interval allows for the luck.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence

import numpy as np
from scipy.special import chdtri

from smoothmin._machine import SUMMED
from smoothmin._noise import POINTS, REPEATS, Repeated, repeated
from smoothmin._protocol import Answers, Array, Ask

# evaluations that a run has made, or that are left of no more than it has made times this, for
# each that measures its end: the interval is three times as wide as all that were left could make
# it, and no run is made twice as long
EFFORT = 9

# by chi-square: the most that noise is likely to be, nine in ten times, in units of what a table
# of so few values makes of it; with the luck below 95 % of lowest values are covered, 30 to 10000
UNDERRATED = math.sqrt((POINTS - 1) / float(chdtri(POINTS - 1, 0.9)))


def error_of_lowest(noise: float, nfev: int) -> float:
    """By how much the lowest of ``nfev`` values may be off for luck: the least normal deviate."""
    return UNDERRATED * noise * math.sqrt(2 * math.log(max(2, nfev)))


def drowned(noise: float, fun: float) -> bool:
    """Whether noise is more than rounding makes of a value."""
    return noise > SUMMED * abs(fun)


def measured_end(
    ends: Sequence[Array], nfev: int, left: float
) -> Generator[Ask, Answers, tuple[Array, Repeated] | None]:
    """Which of the points is the lowest, and the value there.

    None where evaluations do not suffice, or where the noise is a part of the function, so that
    values at a point are the same each time, or where there is none at all.

    Parameters
    ----------
    ends : sequence of ndarrays, shape (n,)
    nfev : int
        Evaluations so far.
    left : float
        How many more there may be, infinite where nobody said.
    """
    if left < REPEATS * (len(ends) + 2):
        return None
    twice = yield Ask(np.repeat(ends[0][None], 2, axis=0), 0, phase="check", anew=True)
    if twice.values[0] == twice.values[1]:
        return None
    k = 0
    if len(ends) > 1:
        means = []
        for x in ends:
            means.append((yield from repeated(x, REPEATS)).mean)
        k = int(np.argmin(np.where(np.isfinite(means), means, np.inf)))
    known = left if left < math.inf else 0.0
    count = max(REPEATS, int(max(nfev, min(known, EFFORT * nfev)) // EFFORT))
    value = yield from repeated(ends[k], int(min(count, left - REPEATS * (len(ends) + 1))))
    return (ends[k], value) if math.isfinite(value.mean) else None
