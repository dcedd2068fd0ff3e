"""Answers an `Ask`: counts, limits, finite differences, and the best point so far."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin import _status
from smoothmin._differences import Stencil
from smoothmin._domain import Domain
from smoothmin._protocol import Answers, Array, Ask
from smoothmin._source import Halt, Limits, Source
from smoothmin._status import Status


class Best:
    """The lowest finite value seen, where, and its gradient if it was known."""

    __slots__ = ("fun", "grad", "x")

    def __init__(self) -> None:
        self.fun = np.inf
        self.x: Array | None = None
        self.grad: Array | None = None

    def offer(self, points: Array, values: Array, gradients: Array | None) -> None:
        """Take the lowest of ``values`` if it is lower than what is known."""
        k = 0
        if len(values) > 1:
            k = int(values.argmin())
            if values[k] != values[k]:  # argmin falls for NaN
                k = int(np.where(np.isnan(values), np.inf, values).argmin())
        if values[k] < self.fun:
            self.fun = float(values[k])
            self.x = points[k].copy()
            self.grad = None if gradients is None else gradients[k].copy()


class Evaluator:
    """Evaluates what methods ask for, within the limits.

    Attributes
    ----------
    nfev, njev, n_nonfinite : int
        Calls of ``fun``, gradients computed by the user's code, and values
        among the first that were not finite.
    best : Best
    """

    def __init__(
        self, source: Source, domain: Domain, limits: Limits, stencil: Stencil | None
    ) -> None:
        self._source = source
        self._stencil = stencil
        self._limits = limits
        self._first: float | None = None
        self._x0 = domain.problem(False).x0
        self.nfev = self.njev = self.n_nonfinite = 0
        self.best = Best()

    @property
    def first_value(self) -> float:
        """What ``fun`` returned at first, NaN if it was never called."""
        return np.nan if self._first is None else self._first

    def answer(self, ask: Ask) -> Answers:
        """Evaluate a batch; `Halt` if a limit is reached within it."""
        if ask.order == 0 or self._stencil is None:
            values, gradients = self._evaluate(ask.points, ask.order)
            return Answers(values, gradients)
        return self._by_differences(ask.points, self._stencil)

    def _evaluate(self, points: Array, order: int) -> tuple[Array, Array | None]:
        """As many of the points as the limits allow; `Halt` if that is not all."""
        if self.nfev:
            late = self._limits.overtime()
            if late is not None:
                raise late
        room = self._limits.maxfev - self.nfev
        allowed = points if len(points) <= room else points[: int(room)]
        if len(allowed):
            values, gradients, halt = self._source(allowed, order, self._limits)
            self._note(allowed, values, gradients)
            if halt is not None:
                raise halt
            if len(allowed) == len(points):
                return values, gradients
        raise Halt(Status.MAXFEV, _status.maxfev_reached(int(self._limits.maxfev)))

    def _note(self, points: Array, values: Array, gradients: Array | None) -> None:
        """Count, remember the best, and stop on what nothing can be made of."""
        m = len(values)
        if m == 0:
            return
        start = self._first is None
        self.nfev += m
        self.njev += m if gradients is not None else 0
        total = values.sum()
        if total - total != 0:  # some value is not finite, or the sum overflowed
            self.n_nonfinite += int(m - np.isfinite(values).sum())
        self.best.offer(points, values, gradients)
        if start:
            self._first = float(values[0])
        if self.best.fun == -np.inf:
            raise Halt(Status.NONFINITE, _status.unbounded(-np.inf))
        if start and not np.isfinite(values[0]) and np.array_equal(points[0], self._x0):
            raise Halt(Status.NONFINITE, _status.nonfinite_start(float(values[0])))

    def _by_differences(self, points: Array, stencil: Stencil) -> Answers:
        """Values and finite-difference gradients, each point's in one batch or a few."""
        values = np.empty(len(points))
        gradients = np.empty(points.shape)
        for rows, steps in stencil.blocks(points):
            found = np.concatenate(list(self._stencil_values(steps, stencil)))
            values[rows], gradients[rows] = stencil.combine(points[rows], found)
        return Answers(values, gradients)

    def _stencil_values(
        self, steps: Iterator[NDArray[Any]], stencil: Stencil
    ) -> Iterator[NDArray[Any]]:
        for batch in steps:
            if np.iscomplexobj(batch):
                yield self._complex(batch)
            else:
                yield self._evaluate(batch, 0)[0]

    def _complex(self, points: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Values off the real axis: counted, never a candidate for the best."""
        room = self._limits.maxfev - self.nfev
        if room < len(points):
            raise Halt(Status.MAXFEV, _status.maxfev_reached(int(self._limits.maxfev)))
        late = self._limits.overtime()
        if late is not None:
            raise late
        values, _, halt = self._source(points, 0, Limits())
        self.nfev += len(values)
        if halt is not None:
            raise halt
        return values
