"""What the machine brings: rounding, and room in its memories."""

from __future__ import annotations

import numpy as np

EPS, TINY = float(np.finfo(float).eps), float(np.finfo(float).tiny)
HALF_OF_DIGITS = 2.0**-26  # the root of `EPS`
SUMMED = 64 * EPS  # share of a value, by which sums of many differ
PRODUCTS = 1e3 * EPS  # of vectors' lengths, by which products of them, or solutions, are wrong
CACHED = 2**16  # numbers that stay in the cache: 512 kB
LARGE = 2**22  # numbers that an array may have that is not kept for long: 32 MB
