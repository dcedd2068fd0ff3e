"""The convex hull of gradients in a metric, and its least element, while points are added."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smoothmin._protocol import Array
from smoothmin.descent.min_norm import min_norm_point
from smoothmin.descent.quasi_newton import Metric


class Hull:
    """Images of gradients in a metric that does not change, each computed once.

    Parameters
    ----------
    metric : Metric
        H, in which lengths are measured.
    normals : ndarray (k, n)
        Outward normals of the active bounds, added with nonnegative multipliers.
    """

    def __init__(self, metric: Metric, normals: Array) -> None:
        self._metric = metric
        self._normals = normals
        self._roots: dict[int, Array] = {}

    def least_element(self, gradients: Array, serials: NDArray[np.intp]) -> tuple[Array, float]:
        """The least element p, and the slope along ``-H p``: minus its squared length.

        Parameters
        ----------
        gradients : ndarray (m, n)
        serials : ndarray (m,)
            A number for each gradient that is its own for as long as the hull lives.
        """
        m = len(gradients)
        roots = self._images(gradients, serials)
        found = min_norm_point(roots[:m], roots[m:])
        least = found.weights @ gradients + found.multipliers @ self._normals
        return least, -float(found.point @ found.point)

    def _images(self, gradients: Array, serials: NDArray[np.intp]) -> Array:
        """Rows with the inner products in H of gradients and normals."""
        if not self._metric.rowwise:
            return self._metric.root(np.concatenate([gradients, self._normals]))
        known = self._roots
        new = [k for k, serial in enumerate(serials) if serial not in known]
        if new:
            images = self._metric.root(gradients[new])
            known.update(zip(serials[new].tolist(), images, strict=True))
        if len(self._normals) and -1 not in known:
            known[-1] = self._metric.root(self._normals)
        rows = np.array([known[serial] for serial in serials.tolist()])
        return np.concatenate([rows, known[-1]]) if len(self._normals) else rows
