"""Limited-memory BFGS whose first metric is a smoothing operator's.

Reference: R. H. Byrd, J. Nocedal, R. B. Schnabel, "Representations of
quasi-Newton matrices and their use in limited memory methods", Math. Program. 63
(1994), (3.1) with ``H0 = gamma * A^-1``.

Deviations, and why: the change of ``A^-1 g`` is kept in place of that of ``g``, since
products with it are all that (3.1) needs, so that one solve per step is enough; and
gamma follows ``s'y / y'A^-1 y`` with inertia, since one step's curvature is a noisy
guide.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dtrsv

from smoothmin._protocol import Array

# a change of the gradient whose square is a smaller share would be lost in differences
CANCELLING = 1e-12


class SobolevMemory:
    """The last ``memory`` pairs (s, y), with ``w = A^-1 y``.

    ``scale`` is gamma. Rows of ``_s`` and ``_w`` are used in turn; the small
    matrices ``_sy[i, j] = s_i'y_j`` (i <= j) and ``_yw[i, j] = y_i'w_j`` are in the
    order of time, which ``_order`` translates.
    """

    def __init__(self, n: int, memory: int, scale: float = 1.0) -> None:
        self._memory = memory
        # rows take memory only once they are written
        self._s, self._w = np.empty((memory, n)), np.empty((memory, n))
        self._sy, self._yw = np.zeros((memory, memory)), np.zeros((memory, memory))
        self._upper, self._middle = self._sy, self._yw
        # rows are used in turn: their order in time is a window on two turns of the wheel
        self._wheel = np.tile(np.arange(memory), 2)
        self._oldest = self._count = 0
        # products of the rows with the gradient last applied to
        self._applied_to: Array | None = None
        self._sg, self._wg = np.empty(0), np.empty(0)
        self.scale = scale

    @property
    def fresh(self) -> bool:
        """Whether there are no pairs."""
        return self._count == 0

    def reset(self) -> None:
        """Forget all pairs, but not the scale."""
        self._oldest = self._count = 0

    def apply(self, g: Array, smooth: Array) -> Array:
        """``H g``, a new array, where ``smooth`` is ``A^-1 g``."""
        k, order = self._count, self._order
        if k == 0:
            return self.scale * smooth
        gamma, s, w = self.scale, self._s[:k], self._w[:k]
        sg, wg = self._products(g)
        u = dtrsv(self._upper, sg[order])
        right = self._middle @ u - gamma * wg[order]
        left, below = np.empty(k), np.empty(k)
        left[order] = dtrsv(self._upper, right, trans=1)
        below[order] = gamma * u
        result: Array = left @ s
        result -= below @ w
        result += gamma * smooth
        return result

    def update(self, s: Array, y: Array, w: Array, new: Array | None = None) -> bool:
        """Learn from a step and the changes of ``g`` and ``A^-1 g``.

        The pair is left out, and the answer False, if its curvature is not positive.
        Where ``y`` is the gradient ``new`` less the one last applied to, its products
        with old pairs are taken as differences of those that are needed anyway.
        """
        sy, yw = float(s @ y), float(y @ w)
        if not (sy > 1e-16 * yw and yw > 0 and math.isfinite(yw)):
            return False
        old_sg, old_wg = self._sg, self._wg
        slot = self._slot()
        self._s[slot], self._w[slot] = s, w
        k, order = self._count, self._order
        if new is None or float(y @ y) < CANCELLING * float(new @ new):
            sy_column, wy_column = self._s[:k] @ y, self._w[:k] @ y
        else:
            sg, wg = self._products(new)
            sy_column, wy_column = sg.copy(), wg.copy()
            sy_column[: old_sg.size] -= old_sg[:k]
            wy_column[: old_wg.size] -= old_wg[:k]
            sy_column[slot], wy_column[slot] = sy, yw
        self._sy[:k, k - 1] = sy_column[order]
        self._yw[:k, k - 1] = self._yw[k - 1, :k] = wy_column[order]
        # the mean of new and old, in logarithms
        self.scale = sy / yw if k == 1 else math.sqrt(self.scale * sy / yw)
        # R, and D + gamma Y'A^-1 Y, of (3.1)
        self._upper = np.asfortranarray(self._sy[:k, :k])
        self._middle = self.scale * self._yw[:k, :k]
        self._middle.flat[:: k + 1] += self._upper.diagonal()
        return True

    def _products(self, g: Array) -> tuple[Array, Array]:
        """``s_i'g`` and ``w_i'g`` for every row in use, once for each ``g``."""
        k = self._count
        if g is not self._applied_to or self._sg.size != k:
            self._applied_to = g
            self._sg, self._wg = self._s[:k] @ g, self._w[:k] @ g
        return self._sg, self._wg

    @property
    def _order(self) -> NDArray[np.intp]:
        """The rows in use, oldest first."""
        order: NDArray[np.intp] = self._wheel[self._oldest : self._oldest + self._count]
        return order

    def _slot(self) -> int:
        """A row for a new pair: that of the oldest once all are in use."""
        k = self._count
        if k == self._memory:
            self._sy[:-1, :-1] = self._sy[1:, 1:]
            self._yw[:-1, :-1] = self._yw[1:, 1:]
            slot = self._oldest
            self._oldest = (slot + 1) % self._memory
            return slot
        self._count += 1
        return k
