"""Compiled loops on threads: their kernels hold no lock of the interpreter.

Threads share ``args``, so the objective is compiled for arrays that cannot be written to:
one that writes to them is no objective for threads, but for processes, which have copies.
"""

from __future__ import annotations

import itertools
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeAlias

import numpy as np

from smoothmin import _status
from smoothmin._domain import Domain
from smoothmin._limits import Halt, Limits
from smoothmin._protocol import Answers, Array, Samples
from smoothmin._source import Block, Objective, Source
from smoothmin._status import Status
from smoothmin.compiled.source import SUMMED, Compiled
from smoothmin.compiled.trampoline import Trampoline

HANDOVER = 5e-5  # seconds that it takes to give a thread something to do
PARTS = 4  # of a batch for each thread, so that none waits long for the last

Part: TypeAlias = tuple[int, int]


class Threaded(Compiled):
    """Batches cut into parts for ``count`` threads.

    ``instead`` makes the source that takes over if the objective cannot be compiled.
    """

    price: ClassVar[float] = 0.0
    shared: ClassVar[bool] = True

    def __init__(
        self, objective: Objective, domain: Domain, count: int, instead: Callable[[], Source]
    ) -> None:
        super().__init__(objective, domain)
        self._count, self._instead = count, instead
        self._tasks: queue.SimpleQueue[_Divided | None] | None = None
        self._other: Source | None = None

    @property
    def parallel(self) -> int | None:
        """See `Source`."""
        return self._count

    def batches(self, blocks: Iterator[Array]) -> Iterator[list[Array]]:
        """Many together, since they are divided."""
        return Source.batches(self, blocks)

    def sample(self, ask: Samples, evaluate: Any) -> Answers:
        """Samples; as in `Compiled` if they are not worth threads."""
        divided = self._other is not None or self._is_worth(sum(map(len, ask.blocks())))
        return (Source if divided else Compiled).sample(self, ask, evaluate)

    def __call__(
        self, points: Array, order: int, limits: Limits, center: Array | None = None
    ) -> Block:
        """See `Source`."""
        if self._other is None and len(points) > 1 and self._trampoline(order) is None:
            self._other = self._instead()
        if self._other is not None:
            return self._other(points, order, limits, center)
        return super().__call__(points, order, limits, center)

    def close(self) -> None:
        """End the threads, without waiting for an evaluation that nobody needs any more."""
        if self._tasks is not None:
            for _ in range(self._count):
                self._tasks.put(None)
        if self._other is not None:
            self._other.close()

    def _is_worth(self, count: int) -> bool:
        """Whether a batch, if it is known, takes long enough to be divided."""
        return count > 1 and not 0 < self._seconds * count < self._count * HANDOVER

    def _in_loops(
        self,
        trampoline: Trampoline,
        points: Array,
        order: int,
        limits: Limits,
        center: Any,
        begun: tuple[Array, int] | None = None,
    ) -> Block:
        """See `Compiled`."""
        # nothing interrupts a loop, so with a time limit another thread had better wait for it
        worth = self._is_worth(len(points)) or (limits.maxtime < math.inf and len(points) > 1)
        if order == SUMMED or trampoline.parallel or not worth:
            return super()._in_loops(trampoline, points, order, limits, center, begun)
        values = np.empty(len(points))
        gradients = self._room_for(trampoline, len(points), order)
        loop = self._loop(trampoline, points, center, limits.f_target, values, gradients)
        done, ended = 0, None
        while done < len(points) and ended is None:
            divided = _Divided(self, loop, self._parts(done, len(points)))
            try:
                self._give(divided)
                for (begin, end), reached, seconds in divided.results(limits, self._seconds > 0):
                    done = reached
                    self._seconds = seconds / max(1, done - begin)
                    if done > begin and limits.watched:
                        limits.look(values.item(done - 1))
                    if done < end:
                        break
                if done < end and (done == begin or not values[done - 1] <= limits.f_target):
                    row, ended = self._in_python(points, done, limits, center, values, gradients)
                    done += row
            except BaseException as error:  # what was evaluated before it must not be lost
                ended = error
            finally:
                divided.cancelled = True
        if ended is None:
            return values, gradients, None
        return values[:done], None if gradients is None else gradients[:done], ended

    def _parts(self, begin: int, end: int) -> list[Part]:
        """Points ``begin`` to ``end`` in parts for all threads, few at a time if they are slow."""
        size = min(math.ceil((end - begin) / (PARTS * self._count)), self._unattended())
        return [(k, min(k + size, end)) for k in range(begin, end, size)]

    def _give(self, divided: _Divided) -> None:
        """Have the threads, which are started now if there are none, work on something."""
        if self._tasks is None:
            self._tasks = queue.SimpleQueue()
            for _ in range(self._count):
                # whatever a thread is at, the interpreter does not wait for it to end
                threading.Thread(target=_work, args=(self._tasks,), daemon=True).start()
        for _ in range(self._count):
            self._tasks.put(divided)


def _work(tasks: queue.SimpleQueue[_Divided | None]) -> None:
    """What a thread does until it is told to end."""
    while (divided := tasks.get()) is not None:
        divided.work()
        del divided


class _Divided:
    """Parts of a batch, which threads take one after the other.

    It holds its ``owner``: what a loop reads must be there as long as a thread is in it.
    """

    def __init__(self, owner: Any, loop: Callable[[int, int], int], parts: list[Part]) -> None:
        self._owner, self._loop, self._parts = owner, loop, parts
        self._next = itertools.count()
        self._found: queue.SimpleQueue[tuple[int, Any, float]] = queue.SimpleQueue()
        self.cancelled = False

    def work(self) -> None:
        """Evaluate parts as long as there are any."""
        for k in self._next:
            if self.cancelled or k >= len(self._parts):
                return
            began = time.perf_counter()
            try:
                reached: Any = self._loop(*self._parts[k])
            except BaseException as error:
                reached = error
            self._found.put((k, reached, time.perf_counter() - began))

    def results(self, limits: Limits, begun: bool) -> Iterator[tuple[Part, int, float]]:
        """Every part in order, how far the loop came in it, and how long it took.

        The clock ends that at any time if anything was evaluated before, as ``begun`` says.
        """
        timed = limits.maxtime < math.inf
        found: dict[int, tuple[Any, float]] = {}
        for k, part in enumerate(self._parts):
            while k not in found:
                wait = max(0.0, limits.seconds_left()) if timed and (k or begun) else None
                try:
                    which, *rest = self._found.get(timeout=wait)
                except queue.Empty:
                    message = _status.maxtime_reached(limits.maxtime)
                    raise Halt(Status.MAXTIME, message) from None
                found[which] = (rest[0], rest[1])
            reached, seconds = found.pop(k)
            if isinstance(reached, BaseException):
                raise reached
            yield part, reached, seconds
