"""Limited-memory BFGS whose first metric is a smoothing operator's, ``gamma * A^-1``.

Deviations, and why: the change of ``A^-1 g`` is kept in place of that of ``g``, so that
one solve per step is enough; and gamma follows ``s'y / y'A^-1 y`` with inertia, since
one step's curvature is a noisy guide.
"""

from __future__ import annotations

import math

import numpy as np

from smoothmin._protocol import Array
from smoothmin.descent.compact import CompactMemory, is_curved

# a change of the gradient whose square is a smaller share would be lost in differences
CANCELLING = 1e-12


class SobolevMemory(CompactMemory):
    """The last ``memory`` pairs (s, y), with ``w = A^-1 y``; ``scale`` is gamma."""

    # the gradient last seen, and its products with the rows
    _seen: Array | None = None
    _seen_products: Array = np.empty(0)

    def apply(self, g: Array, smooth: Array) -> Array:
        """``H g``, a new array, where ``smooth`` is ``A^-1 g``."""
        if g is not self._seen or self._seen_products.size != len(self._rows):
            self._seen, self._seen_products = g, self.products(g)
        return self.combine(self._seen_products, smooth)

    def update(self, s: Array, y: Array, w: Array, new: Array | None = None) -> bool:
        """Learn from a step and the changes of ``g`` and ``A^-1 g``.

        The pair is left out, and the answer False, if its curvature is not positive.
        Where ``y`` is the gradient ``new`` less the one last applied to, its products
        with old pairs are taken as differences of those that are needed anyway.
        """
        sy, yw = float(s.dot(y)), float(y.dot(w))
        if not is_curved(sy, yw):
            return False
        slot = self.append(s, w)
        if new is None or y.dot(y) < CANCELLING * new.dot(new):
            products = self.products(y)
        else:
            old = self._seen_products
            self._seen, self._seen_products = new, self.products(new)
            products = self._seen_products.copy()
            products[: old.size] -= old[: products.size]
            # the newest rows had no part in the old products
            products[2 * slot], products[2 * slot + 1] = sy, yw
        self.set_products(products)
        # the mean of new and old, in logarithms
        known = self._count > 1
        self.scale = math.sqrt(self.scale * sy / yw) if known else sy / yw
        return True
