"""The user's Hessian as a metric, anew wherever a step begins.

Reference: J. L. Greenstadt, "On the relative efficiencies of gradient methods", Math. Comp. 21
(1967), for negative curvature, which is taken as positive of the same size, so that steps go
down along it. Deviation: eigenvalues are those of the matrix with a unit diagonal, so that what
is flat beside what is steep does not depend on the variables' units.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from smoothmin._machine import EPS, HALF_OF_DIGITS
from smoothmin._protocol import Array
from smoothmin.metrics.dense_bfgs import InverseHessian
from smoothmin.metrics.metric import Ends
from smoothmin.subproblems.linear_system import solved

RootAt: TypeAlias = Callable[[Array], Array | None]  # J at x with J J' the inverse Hessian


class NewtonMetric(InverseHessian):
    """H is the inverse Hessian where a step begins; what updates say where there is none."""

    def __init__(self, n: int, root_at: RootAt) -> None:
        super().__init__(n)
        self._root_at, self._at = root_at, np.empty(0)
        self._step: tuple[Array, Array] | None = None  # the last one, and its curvature

    def arrive(self, x: Array) -> None:
        """Take the Hessian of another point than the last, if it knows of the last step.

        Else it is not that of the function, or varies too much for a step as long.
        """
        if x is self._at:
            return  # whoever has forgotten it here wants to do without
        self._at = x
        root = self._root_at(x)
        if root is not None and self._fits(root):
            self.begin_with_root(root)

    def update(
        self, s: Array, y: Array, cause: Array | None = None, ends: Ends | None = None
    ) -> None:
        """Learn from a step, and compare the next Hessian with it."""
        super().update(s, y, cause, ends)
        self._step = s, y

    def _fits(self, root: Array) -> bool:
        """Whether half of what gradients say of the last step, in its metric, is as it says."""
        if self._step is None:
            return True
        step, change = self._step
        found = solved(root, step)
        off = root.T.dot(change) - found
        return 2 * float(off.dot(off)) <= float(found.dot(found))


def positive_root(hessian: Array) -> Array | None:
    """J (n, n) with ``J J' |hessian| = I``; None where there is no curvature, or no number."""
    if not np.isfinite(hessian).all():
        return None
    sizes = np.abs(hessian)
    unit = np.sqrt(np.maximum(sizes.diagonal(), HALF_OF_DIGITS * sizes.max(axis=0)))
    unit[unit == 0] = 1.0
    curvature, axes = np.linalg.eigh((hessian + hessian.T) / 2 / np.outer(unit, unit))
    size = np.abs(curvature)
    if not 0 < size.max() < np.inf:
        return None
    root: Array = axes / np.sqrt(np.maximum(size, len(size) * EPS * size.max())) / unit[:, None]
    return root if np.isfinite(root).all() else None
