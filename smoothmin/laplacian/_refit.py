"""Smoothing that follows the curvature met on the way: sigma anew from secant pairs.

A step s and the change y of the gradient over it show one curvature, ``s'y``. Were the
Hessian proportional to ``A = I + sigma*K``, all ratios of ``s'y`` to ``s'A s`` would be
equal; so the sigma that makes them most alike is the one to have, if it does so by far
better than that in use. Only numbers are needed of each pair.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from smoothmin._machine import TINY
from smoothmin._protocol import Array, Problem
from smoothmin.laplacian._blocks import Blocks, Layout
from smoothmin.laplacian._metric import SobolevMemory

# so many of the latest pairs are looked at, after so many steps, twice as many, and so on;
# in the end the memory makes up for any metric
PAIRS, LAST = 5, 80
# a new sigma must bring the logarithms of the ratios so much nearer to each other, and so near,
NEARER, NEAR = 0.3, 0.2
# and differ by such a factor; the steps must have told rough and smooth apart by another
FACTOR, APART = 3.0, 2.0
# values of sigma tried, from far below to far above where the two parts of s'A s balance
TRIALS, BEYOND = 80, 1e3


@dataclass
class Refit:
    """When and how to choose sigma again.

    ``sigma`` is that in use, and none is larger than ``strongest``. ``first`` is the
    gradient at the start, by whose norm convergence is measured.
    """

    layout: Layout
    problem: Problem
    sigma: float
    strongest: float
    first: Array
    steps: int = 0
    due: int = PAIRS

    def after_step(self, memory: SobolevMemory) -> Blocks | None:
        """A better metric, if it is time to look for one and there is one.

        The memory is emptied then, and its scale is that of the new metric.
        """
        self.steps += 1
        if self.steps < self.due or self.steps > LAST:
            return None
        self.due *= 2
        steps, curvatures = memory.latest(PAIRS)
        if len(steps) < PAIRS:
            return None
        unit = self.layout.smoother(self.problem, 1.0)
        lengths = np.array([float(s @ s) for s in steps])
        roughness = np.array([unit.energy(s) for s in steps]) - lengths
        sigma = self._chosen(lengths, np.maximum(roughness, TINY), curvatures)
        if sigma == self.sigma:
            return None
        self.sigma = sigma
        memory.reset()
        ratios = np.log(curvatures) - np.log(lengths + sigma * roughness)
        memory.scale = math.exp(-float(ratios.mean()))
        return self.layout.smoother(self.problem, sigma)

    def _chosen(self, lengths: Array, roughness: Array, curvatures: Array) -> float:
        """The sigma to use from now on."""
        balanced = lengths / roughness
        if np.std(np.log(balanced)) < math.log(APART):
            return self.sigma
        lowest = min(float(balanced.min()) / BEYOND, self.strongest)
        highest = min(float(balanced.max()) * BEYOND, self.strongest)
        sigmas = np.append(np.geomspace(max(lowest, TINY), max(highest, TINY), TRIALS), self.sigma)
        images = lengths + np.multiply.outer(sigmas, roughness)
        spreads = np.std(np.log(curvatures / images), axis=1)
        k = int(spreads.argmin())
        sigma = float(sigmas[k])
        other = max(sigma, self.sigma) >= FACTOR * min(sigma, self.sigma)
        better = spreads[k] < min(NEARER * spreads[-1], NEAR)
        return sigma if other and better else self.sigma
