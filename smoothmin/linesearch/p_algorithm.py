"""`PAlgorithm`: samples of a function along a line, and where a lower value may be.

Reference: J. Calvin, A. Žilinskas, "On the convergence of the P-algorithm for
one-dimensional global optimization of smooth functions", J. Optim. Theory Appl. 102 (1999):
the next sample is in the interval where the least curvature would lead to a lower value.

Deviations: several intervals are sampled at a time; none where that takes more curvature than
the samples have shown, times a factor.
"""

from __future__ import annotations

import numpy as np

from smoothmin._protocol import Array
from smoothmin.linesearch.brent import Valley

LOWER = 0.02  # how much lower a value is sought, as a share of the median's height
LEAST = 5  # samples before these show curvature


class PAlgorithm:
    """Samples at ``t`` (m,), ascending, and their ``values`` (m,).

    Parameters
    ----------
    t, values : array_like, shape (m,)
        The first ones, at least one of which is finite.
    """

    def __init__(self, t: Array, values: Array) -> None:
        self.t, self.values = np.empty(0), np.empty(0)
        self.asked = 0  # samples so far, those dropped included
        self.settled = False  # whether the lowest valley has been followed to its end
        self.add(t, values)

    @property
    def best(self) -> int:
        """Which sample is the lowest."""
        return int(self.values.argmin())

    def add(self, t: Array, values: Array) -> None:
        """More samples; what has no value is infinite."""
        values = np.where(np.isnan(values), np.inf, values)
        if values.min() < self.values.min(initial=np.inf):
            self.settled = False
        self.asked += len(t)
        self.t, first = np.unique(np.append(self.t, t), return_index=True)
        self.values = np.append(self.values, values)[first]

    def doubtful(self, count: int, factor: float) -> Array:
        """Up to ``count`` points next to which a lower value may well be, the likeliest first."""
        finite = self.values[np.isfinite(self.values)]
        lowest = float(finite.min())
        height = float(np.median(finite)) - lowest or float(finite.max()) - lowest
        if height == 0 or len(self.t) < 2:
            return np.empty(0)
        values = np.minimum(self.values, finite.max())
        gaps = np.diff(self.t)
        roots = np.sqrt(values - lowest + LOWER * height)
        # two parabolas of this half curvature, with a common tangent at the value sought
        needed = np.square((roots[:-1] + roots[1:]) / gaps)
        chosen = np.argsort(needed, kind="stable")[:count]
        if len(self.t) >= LEAST:
            bends = np.diff(np.diff(values) / gaps) / (self.t[2:] - self.t[:-2])
            chosen = chosen[needed[chosen] <= factor * np.abs(bends).max()]
        shares = roots[chosen] / (roots[chosen] + roots[chosen + 1])
        points: Array = self.t[chosen] + shares * gaps[chosen]
        return points

    def valley(self) -> Valley:
        """The bracket of the lowest sample."""
        k = self.best
        a, b = max(k - 1, 0), min(k + 1, len(self.t) - 1)
        t, values = self.t, self.values
        return Valley(
            (float(t[a]), float(t[k]), float(t[b])),
            (float(values[a]), float(values[k]), float(values[b])),
        )

    def settle(self, t: float, value: float) -> None:
        """Put the end of the lowest sample's valley in its place."""
        keep = np.arange(len(self.t)) != self.best
        self.t, self.values = self.t[keep], self.values[keep]
        self.add(np.array([t]), np.array([value]))
        self.settled = True

    def shift(self, value: float) -> None:
        """Add a constant that makes the lowest sample's value this."""
        self.values = self.values + (value - self.values.min())
