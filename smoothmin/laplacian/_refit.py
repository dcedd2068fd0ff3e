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

from smoothmin._factors import ALIKE, OTHER_ORDER
from smoothmin._machine import TINY
from smoothmin._protocol import Array, Problem
from smoothmin.laplacian._blocks import Blocks, Layout
from smoothmin.laplacian._metric import SobolevMemory

# so many of the latest pairs are looked at, after so many steps, twice as many, and so on
PAIRS = 5


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
        if self.steps < self.due:
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
        balanced = np.log(lengths) - np.log(roughness)  # where the two parts of s'A s are equal
        beyond = math.log(OTHER_ORDER)
        ends = np.array([balanced.min() - beyond, balanced.max() + beyond])
        lowest, highest = np.clip(ends, math.log(TINY), math.log(max(self.strongest, TINY)))
        sigmas = np.append(np.exp(np.arange(lowest, highest, ALIKE)), self.sigma)
        images = lengths + np.multiply.outer(sigmas, roughness)
        spreads = np.std(np.log(curvatures / images), axis=1)
        k = int(spreads.argmin())
        return float(sigmas[k]) if spreads[k] < ALIKE < spreads[-1] else self.sigma
