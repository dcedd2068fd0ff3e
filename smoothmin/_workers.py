"""Evaluation by workers: processes, threads, any Executor or map.

The points are drawn in this process and the answers come back in order, so a
run does not depend on who evaluates it.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin import _status
from smoothmin._domain import Domain
from smoothmin._protocol import Array
from smoothmin._source import Block, Halt, Limits, Objective, Source, as_gradient, as_values
from smoothmin._status import Status


class _Stopped:
    """What a worker answers where the user's function raised `StopIteration`."""


class Call:
    """One evaluation, picklable: a point to its value and gradient."""

    def __init__(self, objective: Objective, order: int) -> None:
        self.objective = objective
        self.gradient = order == 1 and objective.has_gradient

    def __call__(self, x: NDArray[Any]) -> Any:
        """Evaluate at the user's array ``x``, writable and owned by nobody else."""
        x = np.array(x)
        try:
            if self.gradient:
                return self.objective.value_and_gradient(x)
            return self.objective.value(x), None
        except StopIteration:
            # it would end the generator of the pool that carries it
            return _Stopped()

    def batch(self, points: NDArray[Any]) -> list[Any]:
        """Evaluate one point after the other, no further than a stop."""
        results = []
        for x in points:
            results.append(self(x))
            if isinstance(results[-1], _Stopped):
                break
        return results


_objective: Objective | None = None


def _install(pickled: bytes) -> None:
    """Keep the objective in a worker process, so that it is shipped once."""
    global _objective
    _objective = pickle.loads(pickled)


def _installed_batch(order: int, points: NDArray[Any]) -> list[Any]:
    assert _objective is not None
    return Call(_objective, order).batch(points)


class Mapped(Source):
    """Blocks of points evaluated by a map-like callable or an Executor."""

    def __init__(self, objective: Objective, domain: Domain, workers: Any) -> None:
        super().__init__(objective, domain)
        self._workers = workers
        self._is_executor = is_executor(workers)
        # without knowing the size of somebody else's pool, enough blocks for any here
        self._blocks = 4 * (getattr(workers, "_max_workers", None) or os.cpu_count() or 1)

    def __call__(self, points: NDArray[Any], order: int, limits: Limits) -> Block:
        batch = self.domain.spread(points)
        want = order == 1 and self.objective.has_gradient
        gradients = np.empty((len(points), self.domain.start.size)) if want else None
        values: list[Any] = []
        results = self._submit(batch, order) if self._is_executor else self._map(batch, order)
        halt = _collect(results, values, gradients, self.domain.shape, limits)
        done = as_values(values, points.dtype)
        if gradients is not None:
            gradients = self.domain.gather(gradients[: len(done)])
        return Block(done, gradients, halt)

    def _map(self, batch: NDArray[Any], order: int) -> Iterator[Iterable[Any]]:
        """One item a point; a list, since some maps refuse iterators."""
        yield list(self._workers(Call(self.objective, order), list(batch)))

    def _submit(self, batch: NDArray[Any], order: int) -> Iterator[list[Any]]:
        """Blocks of points as futures; those not begun are dropped on a stop."""
        task = self._task(order)
        parts = np.array_split(batch, min(self._blocks, len(batch)))
        futures = [self._workers.submit(task, part) for part in parts]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()

    def _task(self, order: int) -> Callable[[NDArray[Any]], list[Any]]:
        return Call(self.objective, order).batch


class Processes(Mapped):
    """A pool of ``count`` processes of our own, each given the objective once."""

    def __init__(self, objective: Objective, domain: Domain, count: int) -> None:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        try:
            pickled = pickle.dumps(objective)
        except Exception as error:
            raise ValueError(
                "workers: fun, jac and args must be picklable for worker processes "
                f"(defined at a module's top level); got {objective.fun!r}. "
                "A concurrent.futures.ThreadPoolExecutor takes any."
            ) from error
        # fork would copy threads' locks in whatever state they are
        context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
        pool = ProcessPoolExecutor(
            count, mp_context=context, initializer=_install, initargs=(pickled,)
        )
        super().__init__(objective, domain, pool)
        self._pool = pool

    def _task(self, order: int) -> Callable[[NDArray[Any]], list[Any]]:
        from functools import partial

        return partial(_installed_batch, order)

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(cancel_futures=True)


def _collect(
    results: Iterator[Iterable[Any]],
    values: list[Any],
    gradients: Array | None,
    shape: tuple[int, ...],
    limits: Limits,
) -> Halt | None:
    """Take results in order, up to a stop or a limit."""
    for block in results:
        for result in block:
            if isinstance(result, _Stopped):
                return Halt(Status.CALLBACK, _status.FUN_RAISED)
            value, gradient = result
            if gradients is not None:
                gradients[len(values)] = as_gradient(gradient, shape).reshape(-1)
            values.append(value)
        if limits.watched and values:
            halt = limits.halt(float(np.min(as_values(values, float))))
            if halt is not None:
                return halt
    return None


def is_executor(workers: Any) -> bool:
    """Whether ``workers`` has the protocol of `concurrent.futures.Executor`."""
    return callable(getattr(workers, "submit", None)) and callable(getattr(workers, "map", None))


def source_for(objective: Objective, domain: Domain, workers: Any) -> Source | None:
    """The source that ``workers`` means, or None for this process alone."""
    if workers is None or is_executor(workers) or callable(workers):
        return None if workers is None else Mapped(objective, domain, workers)
    if isinstance(workers, bool) or not isinstance(workers, (int, np.integer)):
        raise TypeError(
            f"workers must be an int, a map-like callable or an Executor, got {workers!r}"
        )
    if workers == 0 or workers < -1:
        raise ValueError(f"workers must be a positive int or -1 for all, got {workers!r}")
    count = (os.cpu_count() or 1) if workers == -1 else int(workers)
    return None if count == 1 else Processes(objective, domain, count)
