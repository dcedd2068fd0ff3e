"""Evaluation by somebody else's Executor: threads, processes, MPI and others."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from smoothmin._source import Objective
from smoothmin.workers.advice import explained
from smoothmin.workers.call import Call, Chunk
from smoothmin.workers.scheduled import Done, Team


class FutureTeam(Team):
    """Chunks as futures of ``submit(function, *args)``.

    Parameters
    ----------
    submit : callable
    workers : callable
        ``workers()`` is how many there are, or None if that is not known.
    """

    def __init__(
        self, objective: Objective, submit: Callable[..., Any], workers: Callable[[], int | None]
    ) -> None:
        self._objective, self._submit, self._workers = objective, submit, workers
        self._futures: dict[int, Any] = {}
        self._done: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._most = 0

    @property
    def size(self) -> int | None:
        """See `Team`."""
        return self._workers()

    def prepare(self, points: int) -> int:
        """See `Team`; of an unknown number, one for each point is to have something to do."""
        known = self._workers()
        self._most = 2 * known if known else points  # one more each, not to wait for the next
        return known or points

    def room(self, left: int) -> int:
        """See `Team`."""
        return self._most - len(self._futures)

    def hand(self, number: int, order: int, points: NDArray[Any]) -> None:
        """See `Team`."""
        try:
            future = self._submit(*self.task(order, points))
        except Exception as error:
            raise explained(error)  # noqa: B904 (it has its cause)
        self._futures[number] = future
        future.add_done_callback(lambda _: self._done.put(number))

    def task(self, order: int, points: NDArray[Any]) -> tuple[Any, ...]:
        """A function and its arguments, for ``submit``."""
        return Call(self._objective, order), points

    def wait(self, timeout: float | None) -> list[Done]:
        """See `Team`."""
        try:
            numbers = [self._done.get(timeout=timeout)]
        except queue.Empty:
            return []
        while not self._done.empty():
            numbers.append(self._done.get())
        return [(number, self._result(number)) for number in numbers]

    def _result(self, number: int) -> Chunk | BaseException:
        try:
            chunk: Chunk = self._futures.pop(number).result()
        except BaseException as error:
            return self.explained(error)
        return chunk

    def explained(self, error: BaseException) -> BaseException:
        """What an exception of a future means."""
        return explained(error)

    def close(self) -> None:
        """See `Team`: what has begun goes on in an executor that is not ours."""
        for future in self._futures.values():
            future.cancel()


def size_of(executor: Any) -> int | None:
    """How many workers an Executor has, if it says so."""
    for name in ("_max_workers", "num_workers"):
        size = getattr(executor, name, None)
        if isinstance(size, int) and size > 0:
            return size
    return None
