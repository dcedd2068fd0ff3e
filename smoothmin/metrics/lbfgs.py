"""The limited-memory BFGS matrix.

Reference: J. Nocedal, S. J. Wright, *Numerical Optimization*, 2nd ed. (2006),
section 7.2.

Deviations, and why: products with the matrix are by its compact form, in fewer passes
over memory than the two-loop recursion takes.
"""

from __future__ import annotations

import math

import numpy as np

from smoothmin._protocol import Array
from smoothmin.metrics.compact import CompactMemory, CompactModel, is_curved
from smoothmin.metrics.metric import Metric


class LimitedMemory(CompactMemory, Metric):
    """The last ``memory`` pairs, scaled by the newest as in (7.20)."""

    rowwise = False
    _first: Array | None = None  # the diagonal of P, where it is not the identity

    def start(self, scales: Array) -> None:
        """Have ``P = diag(scales)^2``, in place of the identity, once there are pairs."""
        self._first = scales**2

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.scale = 1.0

    def update(
        self, s: Array, y: Array, cause: Array | None = None, gradient: Array | None = None
    ) -> None:
        """Keep the pair if its curvature is positive, dropping the oldest."""
        w = self._start_from(y)
        sy, yw = float(s.dot(y)), float(y.dot(w))
        if not is_curved(sy, yw, math.sqrt(s.dot(s)) * math.sqrt(max(yw, 0.0))):
            return
        self.append(s, w)
        self.set_products(self.products(y))
        self.scale = sy / yw

    def root(self, gradients: Array) -> Array:
        """A factor of the inner products ``G H G'``, as many columns as rows."""
        images = np.array([self.apply(g) for g in gradients])
        values, vectors = np.linalg.eigh(gradients @ images.T)
        root: Array = vectors * np.sqrt(np.maximum(values, 0.0))
        return root

    def apply(self, g: Array) -> Array:
        """``H g``."""
        return self.combine(self.products(g), g if self.fresh else self._start_from(g))

    def model(self) -> CompactModel:
        """``H^-1``."""
        return CompactModel(self, self._first)

    def _start_from(self, g: Array) -> Array:
        """``P g``."""
        return g if self._first is None else self._first * g
