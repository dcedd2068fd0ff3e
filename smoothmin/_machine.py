"""What the machine brings: rounding, and room in its memories."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

EPS, TINY = float(np.finfo(float).eps), float(np.finfo(float).tiny)
HALF_OF_DIGITS = math.sqrt(EPS)
QUARTER_OF_DIGITS = math.sqrt(HALF_OF_DIGITS)
SUMMED = 64 * EPS  # share of a value, by which sums of many differ
PRODUCTS = 1e3 * EPS  # of vectors' lengths, by which products of them, or solutions, are wrong
HUGE = math.cbrt(1 / TINY)  # products of three such numbers are finite
CACHED = 2**16  # numbers that stay in the cache: 512 kB
DENSE_UP_TO = 500  # variables for which a matrix is kept and factorized without much thought
FEW = 100  # variables whose matrices are small: steps may take operations of their cube
LARGE = 2**22  # numbers that an array may have that is not kept for long: 32 MB
ROWS = 2**13  # that are kept of what would grow without end


def cached_parts(rows: int, n: int) -> Iterator[slice]:
    """Parts of ``n`` coordinates of which the cache holds so many rows."""
    width = max(1, CACHED // max(1, rows))
    return (slice(first, first + width) for first in range(0, n, width))


def room_at_first(rows: int, n: int) -> int:
    """Of so many rows of ``n`` numbers, which take memory only once they are written.

    All, unless what is kept of each besides would take more than they do, or the cache holds.
    """
    return rows if rows <= n else min(rows, max(1, CACHED // n))
