"""The inverse Hessian that a run has learnt, in the user's variables: ``res.hess_inv``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from smoothmin._domain import Domain
from smoothmin._machine import DENSE_UP_TO
from smoothmin._protocol import Array
from smoothmin.metrics.metric import Metric

ESTIMATE: Final = "hess_inv"  # what an `Iterate` or a `Finish` carries it by


class Curvature(Protocol):
    """What knows an inverse Hessian: a metric, or a model."""

    def matrix(self, n: int) -> Array | None:
        """The inverse Hessian (n, n), None while nothing is known."""


@dataclass(frozen=True, slots=True)
class CurvatureEstimate:
    """A metric, of a function multiplied by ``1 / unit``; the identity if there is none.

    Of variables divided by ``scale`` if there is one.

    It is looked at when it is told, so that the metric may go on learning.
    """

    metric: Curvature | None = None
    unit: float = 1.0
    scale: Array | None = None

    def scaled(self, scale: Array) -> CurvatureEstimate:
        """That of variables which had been divided by ``scale``."""
        return CurvatureEstimate(self.metric, self.unit, scale)

    def multiplied(self, unit: float) -> CurvatureEstimate:
        """That of the function before it was multiplied by ``unit``."""
        return CurvatureEstimate(self.metric, self.unit * unit, self.scale)

    def told(self, kind: str, domain: Domain) -> Any:
        """An array (N, N), or an operator, for the user's ``N`` variables; 0 for fixed ones.

        None where the ``kind`` is "learnt" and nothing was; what a limited memory has learnt of
        many variables is an operator.
        """
        if kind == "learnt" and domain.size > DENSE_UP_TO and self._is_operator:
            kind = "operator"
        if kind != "operator":
            with np.errstate(all="ignore"):  # what curvature there was may be no number
                return self._as_array(kind, domain)
        from smoothmin._inverse_hessian import InverseHessianOperator

        metric, size, free = self.metric, domain.start.size, domain.free
        assert metric is None or isinstance(metric, Metric)
        return InverseHessianOperator(metric, self.unit, size, free, self.scale)

    @property
    def _is_operator(self) -> bool:
        metric = self.metric
        return isinstance(metric, Metric) and metric.is_operator and not metric.fresh

    def _as_array(self, kind: str, domain: Domain) -> Array | None:
        size, free = domain.start.size, domain.free
        known = None if kind == "learnt" and getattr(self.metric, "fresh", False) else self.metric
        metric = None if known is None else known.matrix(domain.size)
        if metric is None and kind == "learnt":
            return None
        inner: Array = self.unit * (np.eye(domain.size) if metric is None else metric)
        if self.scale is not None:
            inner = self.scale[:, None] * inner * self.scale
        if free is None:
            return inner
        whole = np.zeros((size, size))
        whole[np.ix_(free, free)] = inner
        return whole
