"""What ends a run from outside: evaluations, seconds, a target; and how it is told."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

from smoothmin import _status
from smoothmin._machine import HALF_OF_DIGITS
from smoothmin._status import Status

PROMPT = 0.1  # seconds within which an answer seems immediate, Miller (1968)


class Halt(Exception):
    """The run must end, for the given reason; never reaches the user."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Limits:
    """What ends a run in the midst of a batch."""

    maxfev: float = math.inf
    maxtime: float = math.inf
    f_target: float = -math.inf
    started: float = 0.0
    watched: bool = field(init=False)  # whether each single value has to be looked at

    def __post_init__(self) -> None:
        watched = self.maxtime < math.inf or self.f_target > -math.inf
        object.__setattr__(self, "watched", watched)

    def look(self, value: float) -> None:
        """Raise `Halt` if a value, or the time it took, ends the run."""
        self.look_at_value(value)
        self.look_at_clock()

    def look_at_value(self, value: float) -> None:
        """Raise `Halt` if the target is reached."""
        if value <= self.f_target > -math.inf:
            raise Halt(Status.TARGET, _status.target_reached(value, self.f_target))

    def look_at_answer(self, point: Any, answer: Any) -> None:
        """Raise `Halt` if what came back for a point, its value first, reaches the target."""
        self.look_at_value(answer[0])

    def look_at_clock(self) -> None:
        """Raise `Halt` if time is up."""
        if self.maxtime < math.inf and self.seconds_left() <= 0:
            raise Halt(Status.MAXTIME, _status.maxtime_reached(self.maxtime))

    def seconds_left(self) -> float:
        """Time until ``maxtime``."""
        return self.maxtime - (time.perf_counter() - self.started)


class Patience:
    """Ends a run without limits after so many requests in a row without progress.

    That is a decrease, of the lowest value or of the lowest that the method has reported, by
    more than the last half of their digits.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self._since = 0
        self._best = self._reported = math.inf  # what is to be undercut

    def look(self, best: float, reported: float) -> None:
        """Take note of a request; `Halt` if there were enough."""
        self._since += 1
        if best < self._best - HALF_OF_DIGITS * abs(best):
            self._best, self._since = best, 0
        if reported < self._reported - HALF_OF_DIGITS * abs(reported):
            self._reported, self._since = reported, 0
        if self._since >= self._most:
            raise Halt(Status.PRECISION, _status.no_progress(int(self._most)))
