"""The trend under the ripples: how slopes change over all samples, and lengths that fit it.

Reference: least squares for a symmetric matrix, N. J. Higham, "The symmetric Procrustes
problem", BIT 28 (1988), :doi:`10.1007/BF01934701`.

Ripples turn the slope this way and that, as noise would, while the trend changes it in
proportion to the distance. So the Hessian of the trend is what best takes points to
gradients, over all samples of all passes. The landscape goes up in the end: negative
curvatures are noise, and say how large positive ones must be to mean something.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from smoothmin._factors import OTHER_ORDER
from smoothmin._machine import HALF_OF_DIGITS, HUGE
from smoothmin._method import Method
from smoothmin._protocol import Answers, Array, Ask, Iterate, Problem, Samples, Steps
from smoothmin._reformulate import Reformulation, relay
from smoothmin.smoothing.smoothed_function import MIN_EIGENVALUE

FEWEST = 3.0  # samples per variable


@dataclass(frozen=True)
class LandscapeMetric:
    """Lengths that count as one: ``x - x0 = scale * (root z)``.

    ``root`` and its inverse, symmetric (n, n), are None where all directions are alike.
    """

    scale: Array
    root: Array | None = None
    inverse: Array | None = None

    def outward(self, z: Array) -> Array:
        """Steps ``z`` (n,) or (m, n) in the variables themselves."""
        step: Array = self.scale * (z if self.root is None else z @ self.root)
        return step

    def inward(self, steps: Array) -> Array:
        """Steps (n,) or (m, n) in units of the lengths."""
        z: Array = steps / self.scale
        return z if self.inverse is None else z @ self.inverse

    def slopes(self, gradients: Array) -> Array:
        """Gradients (m, n) with respect to ``z``."""
        g: Array = gradients * self.scale
        return g if self.root is None else g @ self.root

    def times(self, factor: float) -> LandscapeMetric:
        """All lengths multiplied."""
        return replace(self, scale=factor * self.scale)


class Trend:
    """Sums over samples, in units of ``scale`` (n,), and the metric they suggest."""

    def __init__(self, scale: Array) -> None:
        n = scale.size
        self._scale = scale
        self._origin: Array | None = None
        self._count = 0
        self._x, self._g = np.zeros(n), np.zeros(n)
        self._xx, self._xg, self._gg = np.zeros((n, n)), np.zeros((n, n)), 0.0

    def add(self, points: Array, gradients: Array) -> None:
        """Take samples: points and gradients (m, n)."""
        if self._origin is None:
            self._origin = points[0].copy()
        x, g = (points - self._origin) / self._scale, gradients * self._scale
        # those whose squares can be summed; not so NaN
        good = np.maximum(np.abs(x), np.abs(g)).max(axis=1) < HUGE
        x, g = x[good], g[good]
        self._count += len(x)
        self._x += x.sum(axis=0)
        self._g += g.sum(axis=0)
        self._xx += x.T @ x
        self._xg += x.T @ g
        self._gg += float(np.square(g).sum())

    def metric(self) -> LandscapeMetric:
        """Lengths at which the trend rises alike in all directions, if one is clear."""
        n, m = self._scale.size, self._count
        round_metric = LandscapeMetric(self._scale)
        if n == 1 or m < FEWEST * n:
            return round_metric
        x, g = self._x / m, self._g / m
        spread, axes = np.linalg.eigh(self._xx / m - np.outer(x, x))
        if not spread[-1] > 0:
            return round_metric
        spread = np.maximum(spread, 0.0) + MIN_EIGENVALUE * float(spread.mean())
        products = axes.T @ (self._xg / m - np.outer(x, g)) @ axes
        # 1. the symmetric H of least |g - Hx|^2, in the axes of the samples
        hessian = (products + products.T) / (spread[:, None] + spread)
        curvatures, vectors = np.linalg.eigh(hessian)
        # 2. its noise: the largest eigenvalue that slopes left unexplained would make
        explained = float((hessian * products).sum())
        residual = max(self._gg / m - float(g @ g) - explained, 0.0) / n
        noise = math.sqrt(2 * n * residual / m / math.exp(float(np.log(spread).mean())))
        least = max(noise, abs(float(curvatures[0])), HALF_OF_DIGITS * float(curvatures[-1]))
        if not curvatures[-1] > OTHER_ORDER * least:
            return round_metric
        # 3. lengths by what stands out of it, the longest as given
        lengths = np.sqrt(least / np.maximum(curvatures, least))
        vectors = axes @ vectors
        root, inverse = ((vectors * size) @ vectors.T for size in (lengths, 1 / lengths))
        return LandscapeMetric(self._scale, root, inverse)


def in_metric(
    method: Method, metric: LandscapeMetric, problem: Problem, rng: np.random.Generator
) -> Steps:
    """Run a method in the variables ``z`` of a metric around the start, which is zero.

    It sees no box: points beyond are moved to its nearest point, and steps of samples cut
    to the distance of the nearer bound, alike in both directions.
    """
    inside = replace(problem, x0=np.zeros(problem.x0.size), box=None)
    return relay(_InLandscapeMetric(metric, problem), method.run(inside, rng))


class _InLandscapeMetric(Reformulation):
    """The variables of a metric around the start of a problem."""

    def __init__(self, metric: LandscapeMetric, problem: Problem) -> None:
        self._metric, self._problem = metric, problem

    def outward(self, points: Array) -> Array:
        """In the variables themselves, in the box."""
        return self._problem.clip(self._problem.x0 + self._metric.outward(points))

    def ask(self, message: Ask) -> Ask:
        """Samples keep their steps as far as there is room on both sides."""
        if not isinstance(message, Samples):
            return super().ask(message)
        center = self.outward(message.center)
        moves = self._metric.outward(np.concatenate(list(message.blocks())))
        if self._problem.box is not None:
            lower, upper = self._problem.box
            room = np.minimum(center - lower, upper - center)
            moves = np.clip(moves, -room, room)
        return Ask(self._problem.clip(center + moves), message.order)

    def inward(self, answers: Answers) -> Answers:
        """With the slopes along the variables of the metric."""
        gradients = answers.gradients
        slopes = None if gradients is None else self._metric.slopes(gradients)
        return Answers(answers.values, slopes)

    def iterate(self, message: Iterate) -> Iterate:
        """Where it is; gradients of smoothed functions are not reported."""
        return Iterate(self.outward(message.x), message.fun, None, **message.info)
