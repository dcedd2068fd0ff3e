"""The inverse BFGS matrix of a few pairs in compact form.

Reference: R. H. Byrd, J. Nocedal, R. B. Schnabel, "Representations of quasi-Newton
matrices and their use in limited memory methods", Math. Program. 63 (1994), (3.1).

Deviations, and why: any symmetric positive definite ``gamma * P`` may stand for the
first matrix, of which only ``w = P y`` for each pair and ``P g`` are needed; and the
small triangular matrix is never inverted, but solved with, which is as accurate as the
two-loop recursion where a pair's curvature is small.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.blas import dgemv, dtrsv

from smoothmin._protocol import Array

SMALLEST_CURVATURE = 1e-16  # of s'y / y'w, below which a pair is rounding


class CompactMemory:
    """The last ``memory`` pairs (s, y), with ``w = P y``.

    ``scale`` is gamma. Row 2i of ``_rows`` is an s and row 2i + 1 its w; pairs take turns
    in them, so that nothing long is ever moved. The small matrices ``_sy[i, j] = s_i'y_j``
    (i <= j) and ``_yw[i, j] = y_i'w_j`` are in the order of time.
    """

    def __init__(self, n: int, memory: int, scale: float = 1.0) -> None:
        self._memory = memory
        # rows take memory only once they are written
        self._all_rows = np.empty((2 * memory, n))
        # by columns, as the solves with them want it
        self._all_sy, self._all_yw = np.zeros((2, memory, memory)).transpose(0, 2, 1)
        self.scale = scale
        self.reset()

    @property
    def fresh(self) -> bool:
        """Whether there are no pairs."""
        return self._count == 0

    def reset(self) -> None:
        """Forget all pairs, but not the scale."""
        self._oldest = self._count = 0
        self._look()

    def append(self, s: Array, w: Array, sy: float, yw: float) -> int:
        """Take the place of the oldest pair, or a new one; `learn` must follow."""
        slot = self._count
        if slot < self._memory:
            self._count += 1
        else:
            slot = self._oldest
            self._oldest = (slot + 1) % self._memory
            self._all_sy[:-1, :-1] = self._all_sy[1:, 1:]
            self._all_yw[:-1, :-1] = self._all_yw[1:, 1:]
        self._all_rows[2 * slot], self._all_rows[2 * slot + 1] = s, w
        self._look()
        return slot
