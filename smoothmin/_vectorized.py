"""Batches of points as columns of one array, in one call of the user's function."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin import _status
from smoothmin._domain import Domain
from smoothmin._limits import Halt, Limits
from smoothmin._protocol import Array
from smoothmin._returned import as_pair, as_real_array, leading_values, unmasked
from smoothmin._source import Block, Objective, Source
from smoothmin._status import Status


class Vectorized(Source):
    """All points in one call: ``fun`` maps ``(*shape, S)`` to ``(S,)``.

    The columns are those of an array in Fortran order: the rows of ours, transposed.
    """

    def __init__(self, objective: Objective, domain: Domain) -> None:
        super().__init__(objective, domain)
        self._moved: Array = np.empty((0, domain.size))

    def batches(self, blocks: Iterator[Array]) -> Iterator[list[Array]]:
        """One at a time, while what the user's function makes of it is in the cache."""
        return ([block] for block in blocks)

    def __call__(
        self, points: NDArray[Any], order: int, limits: Limits, center: Array | None = None
    ) -> Block:
        """See `Source`."""
        objective, m = self.objective, len(points)
        want = order == 1 and objective.has_gradient
        gradients = None
        try:
            out = objective.fun(self._columns(points, center), *objective.args)
            values = out
            if objective.paired:
                values, gradients = as_pair(out)
            elif want:
                gradients = objective.jac(self._columns(points, center), *objective.args)
        except StopIteration:
            empty = np.empty((0, self.domain.size)) if want else None
            return np.empty(0), empty, Halt(Status.CALLBACK, _status.FUN_RAISED)
        found, ended = self._as_values(values, m, points.dtype)
        rows = self._as_rows(gradients, m, passing=center is not None) if want else None
        if ended is not None:
            return found, None if rows is None else rows[: len(found)], ended
        if limits.watched:
            try:
                limits.look(float(np.fmin.reduce(found.real)))
            except Halt as halt:
                ended = halt
        return found, rows, ended

    def _columns(self, points: NDArray[Any], center: Array | None) -> NDArray[Any]:
        """The user's own array, (*shape, m)."""
        if center is None:
            return self.domain.columns(points)
        if self.domain.free is not None:
            return self.domain.columns(center + points)
        # as in `Serial`, unless the user's code has kept a view of it
        if len(self._moved) < len(points) or sys.getrefcount(self._moved) > 2:
            self._moved = np.empty(points.shape)
        rows = np.add(center, points, out=self._moved[: len(points)])
        return np.moveaxis(self.domain.reshaped(rows), 0, -1)

    def _as_values(
        self, values: Any, m: int, dtype: Any
    ) -> tuple[NDArray[Any], BaseException | None]:
        """A copy of the values, or of the first of them and what is wrong with the next."""
        given = values
        try:
            values = np.asarray(unmasked(given))
            told = f"got shape {values.shape}"
        except ValueError:  # of parts of different shapes
            values, told = np.empty(0), f"got {given!r:.80}"
        if values.size != m:
            pair = isinstance(given, (tuple, list)) and len(given) == 2 != m
            hint = "; if that is (values, gradients), jac must be True" if pair else ""
            raise ValueError(
                f"with vectorized=True, fun must return {m} values for {m} columns, {told}{hint}"
            )
        if values.dtype.kind == "O":
            found, wrong = leading_values(list(values.flat), dtype)
            if wrong is not None:
                wrong = TypeError(f"fun must return real numbers, got {values!r:.80}")
            return found, wrong
        if not np.can_cast(values.dtype, dtype, "same_kind"):
            raise TypeError(f"fun must return real numbers, got {values!r:.80}")
        return np.array(values.reshape(m), dtype=dtype), None

    def _as_rows(self, gradients: Any, m: int, passing: bool) -> Array:
        """Gradients (m, n) in the free variables; a view if they are soon done with."""
        expected = (*self.domain.shape, m)
        gradients = as_real_array(gradients, "the gradients")
        if gradients.shape != expected:
            raise ValueError(
                f"with vectorized=True, the gradients must have shape {expected}, "
                f"got {gradients.shape}"
            )
        rows = np.moveaxis(gradients, -1, 0).reshape(m, -1)
        if not passing:
            rows = np.array(rows, order="C")
        return self.domain.gather(rows)
