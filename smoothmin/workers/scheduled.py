"""Chunks of a batch handed to a team as it has room, and taken back as they are done."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from smoothmin import _status
from smoothmin._domain import Domain
from smoothmin._limits import Halt, Limits
from smoothmin._protocol import Array
from smoothmin._source import Block, Objective
from smoothmin._status import Status
from smoothmin.workers.call import Chunk, Raised, Stopped
from smoothmin.workers.distributed import Distributed
from smoothmin.workers.intake import Intake
from smoothmin.workers.pace import Pace

Done: TypeAlias = tuple[int, Chunk | BaseException]


class Team(ABC):
    """Those who evaluate: chunks have numbers, by which they come back."""

    @property
    @abstractmethod
    def size(self) -> int | None:
        """How many they are; None if that is not known."""

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
        # of streams: points not handed out, those that were, and what has come
        self._waiting: Array = np.empty((0, domain.size))
        self._streamed: dict[int, Array] = {}
        self._came: list[tuple[Array, NDArray[Any]]] = []

    def close(self) -> None:
        """See `Source`."""
        self._team.close()

    @property
    def parallel(self) -> int | None:
        """See `Source`."""
        return self._team.size

    @property
    def under_way(self) -> int:
        """See `Source`."""
        return self._out + sum(len(points) for points, _ in self._came)

    @property
    def _out(self) -> int:
        """Points of streams that have no value yet."""
        return len(self._waiting) + sum(map(len, self._streamed.values()))

    def stream(self, points: Array, left: int, limits: Limits) -> Block:
        """See `Source`."""
        self._waiting = np.concatenate([self._waiting, points])
        self._workers = self._team.prepare(self._out)
        timed = limits.maxtime < np.inf
        ended: BaseException | None = None
        try:
            while not self._came or self._out > left:
                self._hand_waiting()
                timeout = max(0.0, limits.seconds_left()) if timed and self._any else None
                for number, chunk in self._team.wait(timeout):
                    self._arrive(number, chunk)
                for _, values in self._came:
                    limits.look_at_value(float(np.fmin.reduce(values)))
                if timed and self._any:
                    limits.look_at_clock()
            self._hand_waiting()  # nobody is to be idle while the method thinks
        except BaseException as error:
            ended = error
        came, self._came = self._came, []
        found = [np.concatenate(part) for part in zip(*came, strict=True)] if came else []
        return (*(found or (self._waiting[:0], np.empty(0))), ended)

    def _hand_waiting(self) -> None:
        """Hand out what is asked for by streams, as there is room."""
        while len(self._waiting):
            size = self._pace.chunk(len(self._waiting), self._workers)
            if self._team.room(math.ceil(len(self._waiting) / size)) <= 0:
                return
            points, self._waiting = self._waiting[:size], self._waiting[size:]
            self._numbers += 1
            self._streamed[self._numbers] = points
            self._team.hand(self._numbers, 0, self.domain.spread(points))

    def _arrive(self, number: int, chunk: Chunk | BaseException) -> None:
        """Take back what was handed out by a stream; raise what its function raised."""
        points = self._streamed.pop(number)
        if isinstance(chunk, BaseException):  # of the team
            raise chunk
        self._any = True
        self._pace.note(chunk, None)
        if self.objective.failures is not None:
            self.objective.failures.give(chunk.failure)
        if chunk.answers:
            self._came.append(
                (points[: len(chunk.answers)], self._stacked(chunk.answers, points, 0)[0])
            )
        if isinstance(chunk.ended, Stopped):
            raise Halt(Status.CALLBACK, _status.FUN_RAISED)
        if chunk.ended is not None:
            raise chunk.ended.error

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
                if number in self._streamed:
                    self._arrive(number, chunk)
                else:
                    self._take(number, chunk, intake)
            intake.settle(waiting=bool(self._under_way))
            if timed and self._any:
                limits.look_at_clock()

    def _hand(self, first: int, order: int, points: NDArray[Any]) -> None:
        self._numbers += 1
        now = time.perf_counter()
        since = now if len(self._under_way) + len(self._streamed) < self._workers else None
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
