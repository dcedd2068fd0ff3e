"""What the machine brings: rounding, and room in its memories."""

from __future__ import annotations

import math

import numpy as np

EPS, TINY = float(np.finfo(float).eps), float(np.finfo(float).tiny)
HALF_OF_DIGITS = math.sqrt(EPS)
QUARTER_OF_DIGITS = math.sqrt(HALF_OF_DIGITS)
SUMMED = 64 * EPS  # share of a value, by which sums of many differ
PRODUCTS = 1e3 * EPS  # of vectors' lengths, by which products of them, or solutions, are wrong
HUGE = math.cbrt(1 / TINY)  # products of three such numbers are finite
CACHED = 2**16  # numbers that stay in the cache: 512 kB
DENSE_UP_TO = 500  # variables for which a matrix is kept and factorized without much thought
LARGE = 2**22  # numbers that an array may have that is not kept for long: 32 MB
