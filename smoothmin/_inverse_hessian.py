"""The inverse Hessian of a limited memory as SciPy gives it: an operator."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

from smoothmin._protocol import Array
from smoothmin.metrics.metric import Metric


class InverseHessianOperator(LinearOperator):  # type: ignore[misc]
    """``H``, of which only products are known.

    Parameters
    ----------
    metric : Metric or None
        For the free variables; the identity if None.
    unit : float
        What to multiply it by.
    size : int
        Number of the user's variables.
    free : ndarray of int or None
        Where the free ones are; rows and columns of the others are zero.
    scale : ndarray or None
        What the free variables were divided by.
    """

    def __init__(
        self,
        metric: Metric | None,
        unit: float,
        size: int,
        free: NDArray[np.intp] | None,
        scale: Array | None = None,
    ) -> None:
        super().__init__(np.dtype(float), (size, size))
        self._metric, self._unit, self._free, self._scale = metric, unit, free, scale

    def _matvec(self, x: Any) -> Array:
        given = np.asarray(x, dtype=float).ravel()
        inner = given if self._free is None else np.ascontiguousarray(given[self._free])
        inner = inner if self._scale is None else inner * self._scale
        image = inner if self._metric is None else self._metric.apply(inner)
        image = self._unit * image
        image = image if self._scale is None else image * self._scale
        if self._free is None:
            return image
        whole = np.zeros(self.shape[0])
        whole[self._free] = image
        return whole

    def _adjoint(self) -> InverseHessianOperator:
        return self

    def todense(self) -> Array:
        """As an array."""
        dense: Array = self @ np.eye(self.shape[0])
        return dense
