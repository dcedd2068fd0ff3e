"""Linear equations whose matrix may be singular to rounding: answered, never an exception."""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dgesv

from smoothmin._protocol import Array


def solved(matrix: Array, right: Array) -> Array:
    """The solution, that of least squares where the matrix (n, n) is singular.

    NaN where the matrix is not finite.
    """
    if not len(matrix):
        return np.zeros_like(right)
    # a third of the time of `numpy.linalg.solve` for few equations
    solution, failed = dgesv(matrix, right)[2:]
    return inverted(matrix) @ right if failed else np.asarray(solution)


def inverted(matrix: Array) -> Array:
    """The inverse, the pseudo-inverse where the matrix (n, n) is singular, NaN as in `solved`."""
    try:
        return np.asarray(np.linalg.inv(matrix), dtype=float)
    except np.linalg.LinAlgError:
        if not np.isfinite(matrix).all():
            return np.full(matrix.shape, np.nan)
        return np.asarray(np.linalg.pinv(matrix), dtype=float)
