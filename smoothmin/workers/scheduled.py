"""Chunks of a batch handed to a team as it has room, and taken back as they are done."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from smoothmin._domain import Domain
from smoothmin._limits import Limits
from smoothmin._source import Objective
from smoothmin.workers.call import Chunk, Raised
from smoothmin.workers.distributed import Distributed
from smoothmin.workers.intake import Intake
from smoothmin.workers.pace import Pace

Done: TypeAlias = tuple[int, Chunk | BaseException]


class Team(ABC):
    """Those who evaluate: chunks have numbers, by which they come back."""

    @abstractmethod
    def prepare(self, points: int) -> int:
        """Get ready for a batch; how many workers there are, or will be."""

    @abstractmethod
    def room(self, left: int) -> int:
        """How many more chunks, of about ``left`` in this batch, are to be handed out now."""

    @abstractmethod
    def hand(self, number: int, order: int, points: NDArray[Any]) -> None:
        """Let a chunk of the user's arrays be evaluated."""

    @abstractmethod
    def wait(self, timeout: float | None) -> list[Done]:
        """The chunks that came back; none if time was up, or if there is more room instead."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is under way."""


class _Flight(NamedTuple):
    first: int
    points: int
    since: float | None  # None if it had to queue


class Scheduled(Distributed):
    """Batches evaluated by a team, a chunk of points at a time."""

    def __init__(self, objective: Objective, domain: Domain, team: Team) -> None:
        super().__init__(objective, domain)
        self._team = team
        self._pace = Pace()
        self._numbers = self._workers = 0
        self._under_way: dict[int, _Flight] = {}
        self._any = False  # whether any answer has come, without which no run is timed out

    def close(self) -> None:
        """See `Source`."""
        self._team.close()

    def _gather(self, batch: NDArray[Any], order: int, limits: Limits, intake: Intake) -> None:
        """See `Distributed`."""
        self._workers = self._team.prepare(len(batch))
        self._pace.turn()
        timed = limits.maxtime < np.inf
        given = 0
        while True:
            while given < len(batch) and not intake.failed:
                size = self._pace.chunk(len(batch), self._workers)
                if self._team.room(math.ceil((len(batch) - given) / size)) <= 0:
                    break
                self._hand(given, order, batch[given : given + size])
                given = min(given + size, len(batch))
            if not self._under_way and (given == len(batch) or intake.failed):
                return intake.settle(waiting=False)
            timeout = max(0.0, limits.seconds_left()) if timed and self._any else None
            for number, chunk in self._team.wait(timeout):
                self._take(number, chunk, intake)
            intake.settle(waiting=bool(self._under_way))
            if timed and self._any:
                limits.look_at_clock()

    def _hand(self, first: int, order: int, points: NDArray[Any]) -> None:
        self._numbers += 1
        now = time.perf_counter()
        since = now if len(self._under_way) < self._workers else None
        self._under_way[self._numbers] = _Flight(first, len(points), since)
        self._team.hand(self._numbers, order, points)
        self._pace.send(time.perf_counter() - now)

    def _take(self, number: int, chunk: Chunk | BaseException, intake: Intake) -> None:
        flight = self._under_way.pop(number)
        if isinstance(chunk, BaseException):  # of the team, not of the user's function
            return intake.put(flight.first, Chunk([], Raised(chunk)))
        self._any = True
        if chunk.answers:
            now = time.perf_counter()
            self._pace.note(chunk, None if flight.since is None else now - flight.since)
        intake.put(flight.first, chunk)
