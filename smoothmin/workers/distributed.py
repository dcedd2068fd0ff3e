"""What all sources that let others evaluate have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin._limits import Halt, Limits
from smoothmin._protocol import Array
from smoothmin._source import Block, Scattered, Source
from smoothmin._status import Status
from smoothmin.workers.intake import Intake


class Distributed(Source):
    """Blocks of points given to others, whose answers come in any order."""

    def __call__(
        self, points: NDArray[Any], order: int, limits: Limits, center: Array | None = None
    ) -> Block:
        """See `Source`."""
        points = points if center is None else center + points
        intake = Intake(points, limits, self.objective.failures)
        ended: BaseException | None = None
        try:
            self._gather(self.domain.spread(points), order, limits, intake)
        except BaseException as error:
            ended = error
            rest = intake.scattered()
            # where the target or the user's function ends a run it is the run of one process,
            # which would not have gone on to other points
            exact = isinstance(error, Halt) and error.status is not Status.MAXTIME
            if rest and not exact:
                answers = [intake.answers[k] for k in rest]
                ended = Scattered(error, points[rest], *self._stacked(answers, points, order))
        answers = intake.answers[: intake.front]
        return (*self._stacked(answers, points, order), ended)

    @abstractmethod
    def _gather(self, batch: NDArray[Any], order: int, limits: Limits, intake: Intake) -> None:
        """Have the user's arrays in ``batch`` evaluated, and raise what ends that early."""

    def _stacked(
        self, answers: list[Any], points: NDArray[Any], order: int
    ) -> tuple[NDArray[Any], Array | None]:
        """Values and gradients of some answers as arrays."""
        if self.objective.wide:
            rows: tuple[NDArray[Any], Array | None]
            order = self.objective.order_of(order)
            rows = self.objective.stacked(answers, self.domain, order)
            return rows
        gradient = order == 1 and self.objective.has_gradient
        values = np.array([value for value, _ in answers], dtype=points.dtype)
        if not gradient:
            return values, None
        gradients = np.empty((len(answers), self.domain.start.size))
        for row, (_, slope) in zip(gradients, answers, strict=True):
            row[:] = slope
        return values, self.domain.gather(gradients)
