"""Evaluation by a Dask cluster, for more than one machine."""

from __future__ import annotations

import contextlib
from typing import Any

from numpy.typing import NDArray

from smoothmin._source import Objective
from smoothmin.workers.call import Call, Chunk
from smoothmin.workers.executor import FutureTeam


class DaskTeam(FutureTeam):
    """The workers of a cluster, as ``cluster`` names it: a client, a cluster, or an address.

    A client is used as it is and left open; for others one is made, and closed at the end.
    """

    def __init__(self, objective: Objective, cluster: Any) -> None:
        self._client, self._is_ours = _client_of(cluster)
        super().__init__(objective, self._submit_task, self._threads)
        self._shipped: Any = None

    def _threads(self) -> int | None:
        """How many evaluations the cluster does at once now."""
        return sum(self._client.nthreads().values()) or None

    def prepare(self, points: int) -> int:
        """See `Team`: all is handed out at once, since the scheduler has the queue."""
        workers = super().prepare(points)
        self._most = points
        return workers

    def _submit_task(self, *task: Any) -> Any:
        # equal points are no reason to evaluate once only: functions may be noisy
        return self._client.submit(*task, pure=False)

    def task(self, order: int, points: NDArray[Any]) -> tuple[Any, ...]:
        """See `FutureTeam`: the objective is sent once, by a task that can be done again."""
        if self._shipped is None:
            self._shipped = self._client.submit(_itself, self._objective, pure=False)
            # else the scheduler sends the first tasks to the worker that has it; what goes wrong
            # there goes wrong with the tasks
            with contextlib.suppress(Exception):
                self._client.replicate(self._shipped)
        return _evaluate, self._shipped, order, points

    def explained(self, error: BaseException) -> BaseException:
        """See `FutureTeam`."""
        if type(error).__name__ != "KilledWorker":
            return super().explained(error)
        better = RuntimeError(
            "workers: evaluations killed several Dask workers one after the other: they ended "
            f"themselves, crashed, or ran out of memory ({error})"
        )
        better.__cause__ = error
        return better

    def close(self) -> None:
        """See `Team`."""
        super().close()
        self._futures.clear()
        self._shipped = None
        if self._is_ours:
            self._client.close()


def _itself(objective: Objective) -> Objective:
    """A task whose result is the objective, on whatever worker needs it."""
    return objective


def _evaluate(objective: Objective, order: int, points: NDArray[Any]) -> Chunk:
    """A task that evaluates a chunk of the user's arrays."""
    return Call(objective, order)(points)


def _client_of(cluster: Any) -> tuple[Any, bool]:
    """A client, and whether it has to be closed."""
    if not isinstance(cluster, str) and callable(getattr(cluster, "get_executor", None)):
        if getattr(cluster, "asynchronous", False):
            raise TypeError(
                f"workers must be a Dask client that is not asynchronous, got {cluster!r}"
            )
        return cluster, False
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError(f"workers={cluster!r} needs Dask: pip install smoothmin[dask]") from error
    return Client(cluster, set_as_default=False), True  # type: ignore[no-untyped-call]
