"""Limited-memory BFGS whose first metric is a smoothing operator's, ``gamma * A^-1``.

Deviations, and why: the change of ``A^-1 g`` is kept in place of that of ``g``, so that
one solve per step is enough; and gamma follows ``s'y / y'A^-1 y`` with inertia, since
one step's curvature is a noisy guide.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np

from smoothmin._machine import HALF_OF_DIGITS
from smoothmin._protocol import Array
from smoothmin.metrics.compact import CompactMemory, is_curved


class SmoothedGradient(Protocol):
    """A point's gradient, its image under ``A^-1``, and its dual norm."""

    grad: Array
    smooth: Array
    norm: float


class SobolevMemory(CompactMemory):
    """The last ``memory`` pairs (s, y), with ``w = A^-1 y``; ``scale`` is gamma."""

    # the gradient last seen, and its products with the rows
    _seen: Array | None = None
    _seen_products: Array = np.empty(0)

    def apply(self, g: Array, smooth: Array, factor: float = 1.0) -> Array:
        """``factor * H g``, a new array, where ``smooth`` is ``A^-1 g``."""
        if g is not self._seen or self._seen_products.size != len(self._rows):
            self._seen, self._seen_products = g, self.products(g)
        return self.combine(self._seen_products, smooth, factor)

    def update(self, s: Array, y: Array, w: Array) -> bool:
        """Learn from a step and the changes of ``g`` and ``A^-1 g``.

        The pair is left out, and the answer False, if its curvature is not positive.
        """
        sy, yw = float(s.dot(y)), float(y.dot(w))
        if not is_curved(sy, yw):
            return False
        self.append(s, w)
        self.set_products(self.products(y))
        self._set_scale(sy, yw)
        return True

    def follow(
        self, t: float, direction: Array, sy: float, old: SmoothedGradient, new: SmoothedGradient
    ) -> bool:
        """`update` after a step of ``t`` times a direction, in fewer passes over memory.

        The old gradient is the one last applied to. ``sy`` is t times the change of
        the slope; no other difference is formed, if that can be had of what is known.
        """
        yw = new.norm**2 - 2 * float(new.grad.dot(old.smooth)) + old.norm**2
        if old.grad is not self._seen or not yw > HALF_OF_DIGITS * new.norm**2:
            # so small a change would be lost in the difference of squares
            return self.update(t * direction, new.grad - old.grad, new.smooth - old.smooth)
        if not is_curved(sy, yw):
            return False
        before, slot = self._seen_products, self.make_room()
        np.multiply(direction, t, out=self._room[2 * slot])
        np.subtract(new.smooth, old.smooth, out=self._room[2 * slot + 1])
        self._seen, self._seen_products = new.grad, self.products(new.grad)
        products = self._seen_products.copy()
        products[: before.size] -= before[: products.size]
        # the newest rows had no part in the old products
        products[2 * slot], products[2 * slot + 1] = sy, yw
        self.set_products(products)
        self._set_scale(sy, yw)
        return True

    def _set_scale(self, sy: float, yw: float) -> None:
        """The mean of new and old, in logarithms."""
        known = self._count > 1
        self.scale = math.sqrt(self.scale * sy / yw) if known else sy / yw


class RenewedMemory(SobolevMemory):
    """Pairs in a metric that changes: with each new one, ``A^-1 y`` anew for all."""

    def __init__(self, n: int, memory: int, scale: float = 1.0) -> None:
        self._pairs: deque[tuple[Array, Array]] = deque(maxlen=memory)
        super().__init__(n, memory, scale)

    def reset(self) -> None:
        """Forget all pairs, but not the scale."""
        super().reset()
        self._pairs.clear()

    def renew(self, s: Array, y: Array, solve: Callable[[Array], Array]) -> None:
        """Learn from a step and the change of ``g``, in the metric of ``solve``."""
        pairs = [*self._pairs, (s, y)]
        self.reset()
        for old in pairs[-self._memory :]:
            if self.update(*old, solve(old[1])):
                self._pairs.append(old)
