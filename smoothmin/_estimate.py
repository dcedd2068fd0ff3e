"""The inverse Hessian that a run has learnt, in the user's variables: ``res.hess_inv``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from smoothmin._domain import Domain
from smoothmin._protocol import Array
from smoothmin.metrics.metric import Metric

ESTIMATE: Final = "hess_inv"  # what an `Iterate` or a `Finish` carries it by


@dataclass(frozen=True, slots=True)
class CurvatureEstimate:
    """A metric, of a function multiplied by ``1 / unit``; the identity if there is none.

    Of variables divided by ``scale`` if there is one.

    It is looked at when it is told, so that the metric may go on learning.
    """

    metric: Metric | None = None
    unit: float = 1.0
    scale: Array | None = None

    def scaled(self, scale: Array) -> CurvatureEstimate:
        """That of variables which had been divided by ``scale``."""
        return CurvatureEstimate(self.metric, self.unit, scale)

    def multiplied(self, unit: float) -> CurvatureEstimate:
        """That of the function before it was multiplied by ``unit``."""
        return CurvatureEstimate(self.metric, self.unit * unit, self.scale)

    def told(self, kind: str, domain: Domain) -> Any:
        """An array (N, N), or an operator, for the user's ``N`` variables; 0 for fixed ones."""
        if kind == "array":
            with np.errstate(all="ignore"):  # what curvature there was may be no number
                return self._as_array(domain)
        from smoothmin._inverse_hessian import InverseHessianOperator

        size, free = domain.start.size, domain.free
        return InverseHessianOperator(self.metric, self.unit, size, free, self.scale)

    def _as_array(self, domain: Domain) -> Array:
        size, free = domain.start.size, domain.free
        metric = np.eye(domain.size) if self.metric is None else self.metric.matrix(domain.size)
        inner: Array = self.unit * metric
        if self.scale is not None:
            inner = self.scale[:, None] * inner * self.scale
        if free is None:
            return inner
        whole = np.zeros((size, size))
        whole[np.ix_(free, free)] = inner
        return whole
