"""The last tangents of a function with kinks, and the step on which they agree.

References: L. Lukšan, J. Vlček, "A bundle-Newton method for nonsmooth unconstrained
minimization", Math. Program. 83 (1998) (the direction-finding problem); N. Haarala, K.
Miettinen, M. M. Mäkelä, "Globally convergent limited memory bundle method for
large-scale nonsmooth optimization", Math. Program. 109 (2007) (few tangents, in the
metric of a quasi-Newton method).

Deviations: the tangents of as many iterates as there is room for, none aggregated; where
one of them is above the value, the function is not convex around there, and tangents are
collected anew. By the trapezoid rule the previous tangent of a smooth function is off by
half the change of the slope along the step; while that holds, older ones have no say.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from smoothmin._protocol import Array
from smoothmin.descent.minimax import simplex_weights
from smoothmin.descent.quasi_newton import Metric

ROOM = 30  # tangents
SKEWED = 0.08  # mean distance of that share from a half, from which there are kinks
FADING = 0.8  # of that mean, from step to step
ABOVE = 1e-12  # share of the value by which rounding may put a tangent above it
ALONE = 0.999  # weight of the newest tangent from which the others do not matter


class Tangents:
    """Points, values and gradients of the last iterates."""

    def __init__(self) -> None:
        self._skewness = 0.5  # until it is known
        self._kept: deque[tuple[Array, float, Array]] = deque(maxlen=ROOM)

    def add(self, x: Array, f: float, g: Array) -> None:
        """Keep one."""
        self._kept.append((x, f, g))

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()

    def step(self, metric: Metric, x: Array, f: float, g: Array) -> tuple[Array, float] | None:
        """The step that minimizes the highest tangent plus half the step's square.

        With it, how much the highest tangent falls; None where the newest alone decides,
        where none would fall, where one is above the value, or where there are no kinks.
        """
        gradients = np.array([g, *(slope for _, _, slope in self._kept)])
        gaps = np.zeros(len(gradients))
        for i, (point, low, slope) in enumerate(self._kept):
            gaps[i + 1] = f - low - float(slope @ (x - point))
        if not gaps.min() >= -ABOVE * abs(f):
            self.clear()
            return None
        gaps = np.abs(gaps)
        if self._kept:
            self._note(x, g, float(gaps[-1]))
        if self._skewness < SKEWED:
            return None
        root = metric.root(gradients)
        products = root @ root.T
        if not (np.isfinite(products).all() and np.isfinite(gaps).all()):
            return None
        weights = simplex_weights(products, gaps, np.eye(len(gaps))[0])
        if weights[0] > ALONE:
            return None
        step = -metric.apply(weights @ gradients)
        change = float((gradients @ step - gaps).max())
        return (step, change) if change < 0 else None

    def _note(self, x: Array, g: Array, gap: float) -> None:
        """How much the newest tangent is off at the next point."""
        point, _, slope = self._kept[-1]
        whole = float((g - slope) @ (x - point))
        if 0 < whole < np.inf:
            skewness = abs(gap / whole - 0.5)
            self._skewness = FADING * self._skewness + (1 - FADING) * min(skewness, 0.5)
