"""Compiled selections over rows of gradients; imports numba."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

# sums may be reordered into vector lanes; NaN and infinity keep their meaning
_SUM = {"reassoc", "contract"}


@njit(cache=True, nogil=True, fastmath=_SUM)
def squared_norms(gradients: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Squared norm of every row."""
    for i in range(gradients.shape[0]):
        row = gradients[i]
        total = 0.0
        for j in range(row.shape[0]):
            total += row[j] * row[j]
        out[i] = total


@njit(cache=True, nogil=True, fastmath=_SUM)
def select_largest(gradients: NDArray[np.float64], best: NDArray[np.float64]) -> bool:
    """Per coordinate the element of largest magnitude, the first of equals.

    Returns whether all are finite; ``best`` means nothing if they are not.
    """
    zero = 0.0
    for i in range(gradients.shape[0]):
        row = gradients[i]
        for j in range(row.shape[0]):
            zero += 0.0 * row[j]
            best[j] = row[j] if abs(row[j]) > abs(best[j]) else best[j]
    return zero == 0.0


@njit(cache=True, nogil=True, fastmath=_SUM)
def select_smallest(gradients: NDArray[np.float64], best: NDArray[np.float64]) -> bool:
    """Per coordinate the element of smallest magnitude, as `select_largest`."""
    zero = 0.0
    for i in range(gradients.shape[0]):
        row = gradients[i]
        for j in range(row.shape[0]):
            zero += 0.0 * row[j]
            best[j] = row[j] if abs(row[j]) < abs(best[j]) else best[j]
    return zero == 0.0
