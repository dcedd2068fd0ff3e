"""The convex hull of gradients in a metric, and its least element, while points are added."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smoothmin._protocol import Array
from smoothmin.metrics.metric import Metric
from smoothmin.subproblems.growing_hull import GrowingHull
from smoothmin.subproblems.min_norm import HullPoint, min_norm_point


class Hull:
    """Images of gradients in a metric that does not change, each computed once.

    Parameters
    ----------
    metric : Metric
        H, in which lengths are measured.
    normals : ndarray (k, n)
        Outward normals of the active bounds, added with nonnegative multipliers.

    ``support`` are the serials of the gradients of which the least element is made.
    """

    def __init__(self, metric: Metric, normals: Array) -> None:
        self._metric = metric
        self._normals = normals
        self._numbers: dict[int, int] = {}  # of gradients, by their serials
        self._images: GrowingHull | None = None
        self.support: NDArray[np.intp] = np.empty(0, dtype=np.intp)

    def least_element(
        self, gradients: Array, serials: NDArray[np.intp]
    ) -> tuple[Array, Array, float]:
        """The least element p, ``-H p``, and the slope along it: minus p's squared length.

        Parameters
        ----------
        gradients : ndarray (m, n)
        serials : ndarray (m,)
            A number for each gradient that is its own for as long as the hull lives.
        """
        rowwise = self._metric.rowwise
        found = (self._grown if rowwise else self._anew)(gradients, serials)
        self.support = serials[found.weights > 0]
        least = found.weights @ gradients + found.multipliers @ self._normals
        metric = self._metric
        product = metric.apply_to_mix(least, found.point) if rowwise else metric.apply(least)
        return least, -product, -float(found.point @ found.point)

    def _grown(self, gradients: Array, serials: NDArray[np.intp]) -> HullPoint:
        """Only what is new has its image computed, and starts from the last solution."""
        if self._images is None:
            self._images = GrowingHull(self._metric.root(self._normals))
        known, names = self._numbers, serials.tolist()
        new = [k for k, name in enumerate(names) if name not in known]
        if new:
            self._images.append(self._metric.root(gradients[new]))
            known.update((names[k], number) for number, k in enumerate(new, start=len(known)))
        return self._images.least(np.array([known[name] for name in names]))

    def _anew(self, gradients: Array, serials: NDArray[np.intp]) -> HullPoint:
        """Images depend on one another."""
        roots = self._metric.root(np.concatenate([gradients, self._normals]))
        return min_norm_point(roots[: len(gradients)], roots[len(gradients) :])
