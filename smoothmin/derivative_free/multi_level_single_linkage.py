"""`Starts`: where descents to further minima begin.

Reference: A. H. G. Rinnooy Kan, G. T. Timmer, "Stochastic global optimization methods
part II: multi level methods", Math. Program. 39 (1987), :doi:`10.1007/BF02592071`: a
descent begins at a sampled point unless a lower one is near, which leads to the same
minimum.

Deviation: near are the ``d`` nearest points instead of all within a distance, which needs
no idea of how many minima there are; the lowest such point comes first.

`MinimaSeen` says when to stop: C. G. E. Boender, A. H. G. Rinnooy Kan, "Bayesian stopping rules for
multistart global optimization methods", Math. Program. 37 (1987), :doi:`10.1007/BF02591684`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smoothmin._machine import ROWS
from smoothmin._protocol import Array, Mask
from smoothmin._verdict import SHORT

AGAIN = 1.2  # growth of the sample after which a point with a lower one near is looked at again


class MinimaSeen:
    """The different minima that descents have ended at.

    Parameters
    ----------
    scale : ndarray, shape (d,)
        Units of distances.
    """

    def __init__(self, scale: Array) -> None:
        self._scale, self._descents = scale, 0
        self._minima: list[Array] = []

    def add(self, x: Array) -> None:
        """Where one more descent has ended."""
        self._descents += 1
        if all((np.abs(x - other) > SHORT * self._scale).any() for other in self._minima):
            self._minima.append(x)

    @property
    def all_seen(self) -> bool:
        """Whether no more than w are expected: ``w (t - 1) / (t - w - 2)`` of t descents."""
        seen, descents = len(self._minima), self._descents
        return seen * (descents - 1) < (seen + 0.5) * (descents - seen - 2)


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
        self._squares = np.empty(0)  # lengths of the points, in units of the scale, squared
        self._values = np.empty(0)
        self._fresh = np.empty(0, dtype=bool)  # whether no descent has begun there
        self._due = np.empty(0)  # size of the sample at which to look again
        self._size = 0  # of the sample, points dropped since included

    def add(self, points: Array, values: Array, fresh: bool = True) -> None:
        """More points (m, d) and values (m,); minima, with ``fresh=False``, are no starts."""
        values = np.where(np.isnan(values), np.inf, values)
        self._points = np.concatenate([self._points, points])
        squares = np.square(points / self._scale).sum(axis=1)
        self._squares = np.concatenate([self._squares, squares])
        self._values = np.concatenate([self._values, values])
        self._fresh = np.concatenate([self._fresh, np.full(len(points), fresh)])
        self._due = np.concatenate([self._due, np.zeros(len(points))])
        self._size += len(points)
        if len(self._values) > 2 * ROWS:
            self._keep(np.concatenate([self._lowest(kind) for kind in (self._fresh, ~self._fresh)]))

    def _lowest(self, kind: Mask) -> NDArray[np.intp]:
        rows = np.flatnonzero(kind)
        return rows[np.argsort(self._values[rows], kind="stable")[: ROWS // 2]]

    def _keep(self, rows: NDArray[np.intp]) -> None:
        self._points, self._squares = self._points[rows], self._squares[rows]
        self._values, self._fresh = self._values[rows], self._fresh[rows]
        self._due = self._due[rows]

    def take(self) -> Array:
        """The lowest fresh point with no lower one near, or else the lowest fresh point."""
        fresh = np.flatnonzero(self._fresh)
        order = fresh[np.argsort(self._values[fresh], kind="stable")]
        chosen = next((k for k in order if self._lowest_around(k)), order[0])
        self._fresh[chosen] = False
        point: Array = self._points[chosen].copy()
        return point

    def _lowest_around(self, k: int) -> bool:
        """Whether the ``d`` nearest points are nearer than any lower one, if it is due to look."""
        if self._due[k] > self._size:
            return False
        self._due[k] = AGAIN * self._size
        # squared distances but for a constant
        distances = self._squares - self._points @ (2.0 * self._points[k] / self._scale**2)
        distances[k] = np.inf
        lower = distances[self._values < self._values[k]].min(initial=np.inf)
        return bool(lower == np.inf or np.count_nonzero(distances < lower) >= self._scale.size)
