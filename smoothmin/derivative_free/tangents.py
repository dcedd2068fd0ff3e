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

import numpy as np

from smoothmin._machine import SUMMED
from smoothmin._protocol import Array
from smoothmin._verdict import SHORT
from smoothmin.descent.gradient_sampling.bundle import Bundle
from smoothmin.descent.gradient_sampling.smooth_descent import LIKE_FOURTH_POWER
from smoothmin.metrics.metric import Metric
from smoothmin.subproblems.simplex_qp import simplex_weights

ROOM = 30  # tangents before the newest


class IterateTangents:
    """Those at the last iterates, of which the newest is the centre of a bundle."""

    def __init__(self, x: Array, f: float, g: Array) -> None:
        self._bundle = Bundle(x.size, ROOM + 1)
        self._skewness = 0.5  # until it is known
        self._x, self._f, self._g = x, f, g
        self._bundle.restart(x, f, g)

    def move(self, x: Array, f: float, g: Array) -> None:
        """Take the tangent at the next iterate."""
        whole = float((g - self._g) @ (x - self._x))
        if 0 < whole < np.inf:  # how much the last tangent is off there
            skewness = abs(abs(f - self._f - float(self._g @ (x - self._x))) / whole - 0.5)
            self._skewness = 0.5 * (self._skewness + min(skewness, 0.5))
        self._x, self._f, self._g = x, f, g
        self._bundle.move(x, f, g)
        self._bundle.add(x, f, g)
        if not self._bundle.convex(SUMMED * abs(f)):
            self.clear()

    def clear(self) -> None:
        """Forget all but the newest."""
        self._bundle.restart(self._x, self._f, self._g)

    def step(self, metric: Metric) -> tuple[Array, float] | None:
        """The step that minimizes the highest tangent plus half the step's square.

        With it, how much the highest tangent falls; None where the newest alone decides,
        where none would fall, or where there are no kinks.
        """
        if self._skewness < LIKE_FOURTH_POWER or len(self._bundle) == 1:
            return None
        gradients, gaps, serials = self._bundle.tangents()
        newest = serials == serials.max()
        root = metric.root(gradients)
        products = root @ root.T
        if not np.isfinite(products).all():
            return None
        weights = simplex_weights(products, gaps, newest.astype(float))
        if weights[~newest].sum() < SHORT:
            return None
        step = -metric.apply(weights @ gradients)
        change = float((gradients @ step - gaps).max())
        return (step, change) if change < 0 else None
