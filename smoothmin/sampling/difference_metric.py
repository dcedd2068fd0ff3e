"""Inverse Hessians for `DifferenceDescent`, and the differences that suit them.

References: A. S. Berahas, R. H. Byrd, J. Nocedal, "Derivative-free optimization of
noisy functions via quasi-Newton methods", SIAM J. Optim. 29 (2019), for the length of
differences; J. Nocedal, S. J. Wright, *Numerical Optimization*, 2nd ed. (2006), Section
7.2, for the limited memory.
"""

from __future__ import annotations

import math

import numpy as np

from smoothmin._protocol import Array
from smoothmin.descent.bfgs import InverseHessian
from smoothmin.descent.lbfgs import LimitedMemory
from smoothmin.descent.quasi_newton import Metric
from smoothmin.descent.square_factor import SquareFactor

FIRST_DIFFERENCE = 1e-7  # in units of the scale, until as many steps as variables are known
FIRST_INVERSE = 1e3  # times the inverse curvature s'y / y'y of the first step
MEMORY = 100  # steps that a limited memory holds
FADING = 0.7  # of the credit of a diagonal from step to step


class DenseMetric(InverseHessian):
    """H = J J', begun from the first step; J's columns have unit curvature as far as known."""

    def __init__(self, n: int, scale: Array) -> None:
        super().__init__(n)
        self._scale = scale
        self._updates = 0

    def begin(self, curvature: Array) -> None:
        """Start from a diagonal Hessian."""
        self._j = SquareFactor(1 / np.sqrt(curvature))
        self._updates = 0

    def learn(self, s: Array, y: Array, cause: Array | None) -> None:
        """Update by a step and the change of the gradient."""
        if self._j is None:
            seen = y * self._scale
            length = float(seen @ seen)
            inverse = abs(float(s @ y)) / length if length > 0 else 0.0
            factor = math.sqrt(FIRST_INVERSE * inverse) if inverse > 0 else 1.0
            self._j = SquareFactor(self._scale * factor)
            self._updates = 0
        self._updates += 1
        self.update(s, y, cause)

    def difference_steps(self, noise: float) -> Array:
        """Rows to take differences along."""
        if self._j is None:
            return np.diag(FIRST_DIFFERENCE * self._scale)
        steps = self._j.dense().T * (2 * math.sqrt(noise))
        if self._updates < len(steps):
            size = np.linalg.norm(steps / self._scale, axis=1)
            steps = steps * np.minimum(1.0, FIRST_DIFFERENCE / size)[:, None]
        return np.ascontiguousarray(steps)


class LargeMetric(Metric):
    """A diagonal, and the last steps: for more variables than steps can be made.

    H starts from the diagonal times the newest ``s'y / y'y``, which a dense H never
    forgets and takes as many steps as variables to correct.
    """

    def __init__(self, n: int, scale: Array) -> None:
        self._scale = self._unit = scale  # H is scaled by the square of the unit
        self._begun, self._credit = False, 0.0
        self._memory = LimitedMemory(n, MEMORY)

    @property
    def fresh(self) -> bool:
        """Whether nothing is known."""
        return not self._begun and self._memory.fresh

    def reset(self) -> None:
        """Forget everything."""
        self._memory.reset()
        self._unit, self._begun = self._scale, False

    def begin(self, curvature: Array) -> None:
        """Start from a diagonal Hessian."""
        self._unit, self._begun, self._credit = 1 / np.sqrt(curvature), True, 0.0

    def apply(self, g: Array) -> Array:
        """``H g``."""
        return self._unit * self._memory.apply(self._unit * g)

    def root(self, gradients: Array) -> Array:
        """A factor of the inner products ``G H G'``."""
        return self._memory.root(gradients * self._unit)

    def update(
        self, s: Array, y: Array, cause: Array | None = None, gradient: Array | None = None
    ) -> None:
        """Remember a step and the change of the gradient."""
        self._memory.update(s / self._unit, y * self._unit)

    def learn(self, s: Array, y: Array, cause: Array | None) -> None:
        """Remember; first give up a diagonal that makes steps and changes less alike."""
        if self._begun and self._unit is not self._scale:
            self._credit *= FADING
            self._credit += _cosine(s / self._unit, y * self._unit)
            self._credit -= _cosine(s / self._scale, y * self._scale)
            if self._credit < 0:
                self._memory.reset()
                self._unit = self._scale
        self.update(s, y)

    def difference_steps(self, noise: float) -> Array:
        """Rows to take differences along: the coordinates."""
        size = FIRST_DIFFERENCE * self._scale
        if not self.fresh:
            size = np.minimum(size, self._unit * (2 * math.sqrt(noise * self._memory.scale)))
        return np.diag(size)


def _cosine(a: Array, b: Array) -> float:
    size = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return float(a @ b) / size if size > 0 else 0.0
