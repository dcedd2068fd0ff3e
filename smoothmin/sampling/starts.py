"""`Starts`: where descents to further minima begin.

Reference: A. H. G. Rinnooy Kan, G. T. Timmer, "Stochastic global optimization methods
part II: multi level methods", Math. Program. 39 (1987), :doi:`10.1007/BF02592071`: a
descent begins at a sampled point unless a lower one is near, which leads to the same
minimum.

Deviation: near are the ``d`` nearest points instead of all within a distance, which needs
no idea of how many minima there are; the lowest such point comes first.
"""

from __future__ import annotations

import numpy as np

from smoothmin._protocol import Array


class Starts:
    """A sample of points that grows, and the minima found from it.

    Parameters
    ----------
    scale : ndarray, shape (d,)
        Units of distances.
    """

    def __init__(self, scale: Array) -> None:
        self._scale = scale
        self._points = np.empty((0, scale.size))
        self._values = np.empty(0)
        self._fresh = np.empty(0, dtype=bool)  # whether no descent has begun there

    def add(self, points: Array, values: Array, fresh: bool = True) -> None:
        """More points (m, d) and values (m,); minima, with ``fresh=False``, are no starts."""
        values = np.where(np.isnan(values), np.inf, values)
        self._points = np.concatenate([self._points, points])
        self._values = np.concatenate([self._values, values])
        self._fresh = np.concatenate([self._fresh, np.full(len(points), fresh)])

    def take(self) -> Array:
        """The lowest fresh point with no lower one near, or else the lowest fresh point."""
        fresh = np.flatnonzero(self._fresh)
        order = fresh[np.argsort(self._values[fresh], kind="stable")]
        chosen = next((k for k in order if self._lowest_around(k)), order[0])
        self._fresh[chosen] = False
        point: Array = self._points[chosen].copy()
        return point

    def _lowest_around(self, k: int) -> bool:
        distances = np.square((self._points - self._points[k]) / self._scale).sum(axis=1)
        distances[k] = np.inf
        near = np.argsort(distances, kind="stable")[: self._scale.size]
        return bool((self._values[near] >= self._values[k]).all())
