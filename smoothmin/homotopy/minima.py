"""The local minima found so far, and where a quadratic through their values is lowest.

References: B. Addis, M. Locatelli, F. Schoen, "Local optima smoothing for global
optimization", Optim. Methods Softw. 20 (2005); B. Addis, S. Leyffer, "A trust-region
algorithm for global optimization", Comput. Optim. Appl. 35 (2006).

What these share: the function that takes x to the value of the minimum below it has no
ripples left, only the trend of the landscape, and that can be modelled. Deviations: the
model is fitted to the minima themselves, not to the points they were found from, and
passes through the best of them. It has a slope and one curvature, and as many minima as
there are slopes would determine it; of fewer they take the shortest slope that agrees
with them, so that the model serves from a handful on. With enough minima it has a full
Hessian.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from smoothmin._machine import DENSE_UP_TO, LARGE, QUARTER_OF_DIGITS
from smoothmin._protocol import Array
from smoothmin._verdict import SHORT
from smoothmin.derivative_free.quadratic_regression import WINDOW, full_size
from smoothmin.homotopy.landscape_metric import LandscapeMetric
from smoothmin.subproblems.trust_region import trust_region_step

FEWEST = 4  # minima for a model
REACH = 1.5  # longest step, in medians of the minima's distances
FREE = 1e3  # factor by which the one curvature is penalized less than the slopes


class Minima:
    """The last minima found: points (n,) inside the box, and values."""

    def __init__(self, dimension: int) -> None:
        n = dimension
        wanted = max(WINDOW * (n + 2) + FEWEST, WINDOW * full_size(n))
        size = max(FEWEST, min(math.ceil(3 * wanted), DENSE_UP_TO, LARGE // n))
        self._found: deque[tuple[Array, float]] = deque(maxlen=size)
        self._dimension = n
        self.added = 0

    def __len__(self) -> int:
        """Number of minima kept."""
        return len(self._found)

    def add(self, x: Array, value: float) -> None:
        """Keep a minimum in place of the oldest."""
        if math.isfinite(value):
            self._found.append((x, value))
            self.added += 1

    def propose(self, x: Array, value: float, metric: LandscapeMetric) -> Array | None:
        """Where the model that passes through ``value`` at ``x`` is lowest, within reach.

        Distances are those of the metric.
        """
        if len(self._found) < FEWEST:
            return None
        n = self._dimension
        z = metric.inward(np.array([at for at, _ in self._found]) - x)
        rise = np.array([f for _, f in self._found]) - value
        distance = np.sqrt(np.square(z).sum(axis=1))
        order = np.argsort(distance, kind="stable")
        order = order[distance[order] > SHORT * distance.max()]
        if len(order) < FEWEST - 1:
            return None
        near = order[: math.ceil(WINDOW * (n + 2)) + FEWEST]
        reach = REACH * float(np.median(distance[near]))
        if len(order) >= full_size(n):
            near = order[: math.ceil(WINDOW * full_size(n))]
            step = _full_step(z[near], rise[near], distance[near], reach)
        else:
            step = _round_step(z[near], rise[near], distance[near], reach)
        proposed: Array = x + metric.outward(step)
        return proposed


def _round_step(z: Array, rise: Array, distance: Array, reach: float) -> Array:
    """The minimizer of ``g'z + h |z|^2 / 2`` with ``|z| <= reach``."""
    # what a quadratic leaves unexplained grows with the distance
    design = np.column_stack([z / distance[:, None], 0.5 * FREE * distance])
    coefficients = _shortest(design, rise / distance)
    slope, curvature = coefficients[:-1], FREE * coefficients[-1]
    length = float(np.linalg.norm(slope))
    if length == 0:
        return slope
    newton = 1 / curvature if curvature > 0 else math.inf
    step: Array = -min(newton, reach / length) * slope
    return step


def _full_step(z: Array, rise: Array, distance: Array, reach: float) -> Array:
    """The minimizer of ``g'z + z'Hz / 2`` with ``|z| <= reach``."""
    n = z.shape[1]
    i, j = np.triu_indices(n)
    products = z[:, i] * z[:, j] * np.where(i == j, 0.5, 1.0)
    design = np.column_stack([z, products]) / distance[:, None]
    coefficients = _shortest(design, rise / distance)
    hessian = np.zeros((n, n))
    hessian[i, j] = hessian[j, i] = coefficients[n:]
    return trust_region_step(coefficients[:n], hessian, reach)


def _shortest(design: Array, target: Array) -> Array:
    """The shortest solution by least squares, up to a little damping."""
    u, s, v = np.linalg.svd(design, full_matrices=False)
    # the first singular value may be that of the one curvature
    # nor may the same minimum, come twice, make the system singular
    damping = QUARTER_OF_DIGITS * s[min(1, len(s) - 1)]
    result: Array = (s / (s * s + damping**2) * (target @ u)) @ v
    return result
