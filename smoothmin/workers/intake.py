"""The answers of a batch, which may come in any order and are judged in that of the points."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin import _status
from smoothmin._failures import Failures
from smoothmin._limits import Halt, Limits
from smoothmin._status import Status
from smoothmin.workers.call import Chunk, Raised, Stopped


class Intake:
    """Answers to ``points`` (m, n), of which ``limits`` and ``failures`` are to be told.

    Attributes
    ----------
    answers : list
        One a point, None where there is none.
    front : int
        How many of the first points one process would have evaluated by now.
    failed : bool
        Whether something was raised: no further points need to be given out.
    """

    def __init__(
        self, points: NDArray[Any], limits: Limits, failures: Failures | None = None
    ) -> None:
        self.answers: list[Any] = [None] * len(points)
        self.front = 0
        self.failed = False
        self._points, self._limits = points, limits
        self._looks = points.dtype == np.float64 and limits.f_target > -np.inf
        self._failures = failures
        self._ends: dict[int, Stopped | Raised] = {}

    def put(self, first: int, chunk: Chunk) -> None:
        """Take what came of the points from ``first`` on."""
        after = first + len(chunk.answers)
        self.answers[first:after] = chunk.answers
        if self._failures is not None:
            self._failures.give(chunk.failure)
        if chunk.ended is not None:
            self._ends[after] = chunk.ended
            self.failed = True

    def settle(self, *, waiting: bool) -> None:
        """Go through what has come in order, and raise what one process would have raised.

        Exceptions wait while the answers to other points are under way, which are dear.
        """
        while self.front < len(self.answers) and self.answers[self.front] is not None:
            k, self.front = self.front, self.front + 1
            if self._looks:
                self._limits.look_at_answer(self._points[k], self.answers[k])
        ended = self._ends.get(self.front)
        if isinstance(ended, Stopped):
            raise Halt(Status.CALLBACK, _status.FUN_RAISED)
        if ended is not None and not waiting:
            raise ended.error

    def scattered(self) -> list[int]:
        """Which points beyond the first have answers."""
        rest = range(self.front, len(self.answers))
        return [k for k in rest if self.answers[k] is not None]
