"""Evaluation by workers: processes, threads, any Executor or map.

The points are drawn in this process and the answers are taken in order, so a
run does not depend on who evaluates it.
"""

from __future__ import annotations

import os
import pickle
import sys
from array import array
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import BrokenExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin import _status
from smoothmin._domain import Domain
from smoothmin._limits import Halt, Limits
from smoothmin._protocol import Array
from smoothmin._source import (
    Block,
    Objective,
    Serial,
    Source,
    as_complex,
    as_gradient,
    as_value,
    source_of,
)
from smoothmin._status import Status


class _Stopped:
    """What a worker answers where the user's function raised `StopIteration`."""


class Call:
    """One evaluation, picklable: a point to its value and gradient."""

    def __init__(self, objective: Objective, order: int) -> None:
        self.objective = objective
        self.gradient = order == 1 and objective.has_gradient

    def __call__(self, x: NDArray[Any]) -> Any:
        """Evaluate at the user's array ``x``."""
        x = np.array(x)  # what crossed processes may be read-only, what did not be shared
        try:
            if self.objective.wide:
                return self.objective.at(x, int(self.gradient))
            if not self.gradient:
                value = self.objective.value(x)
                return (as_complex if np.iscomplexobj(x) else as_value)(value), None
            shape = x.shape
            value, gradient = self.objective.value_and_gradient(x)
            # a copy: the user's function may use the same array for its next gradient
            return as_value(value), as_gradient(gradient, shape).flatten()
        except StopIteration:
            return _Stopped()  # raised, it would end the generator of the pool that carries it

    def batch(self, points: NDArray[Any]) -> list[Any]:
        """Evaluate one point after the other, no further than a stop."""
        results: list[Any] = []
        for x in points:
            results.append(self(x))
            if isinstance(results[-1], _Stopped):
                break
        return results


class Mapped(Source):
    """Blocks of points evaluated by a map-like callable or an Executor."""

    def __init__(self, objective: Objective, domain: Domain, workers: Any) -> None:
        super().__init__(objective, domain)
        self._workers = workers
        self._is_executor = is_executor(workers)
        # without knowing the size of somebody else's pool, enough blocks for any here
        self._blocks = 4 * (getattr(workers, "_max_workers", None) or os.cpu_count() or 1)

    def __call__(
        self, points: NDArray[Any], order: int, limits: Limits, center: Array | None = None
    ) -> Block:
        """See `Source`."""
        points = points if center is None else center + points
        want = order == 1 and self.objective.has_gradient
        if self.objective.wide:
            return self._wide(points, int(want), limits)
        gradients = np.empty((len(points), self.domain.start.size)) if want else None
        real = points.dtype == np.float64
        values: Any = array("d") if real else []
        ended: BaseException | None = None
        evaluate = self._submit if self._is_executor else self._map
        results = evaluate(self.domain.spread(points), order, limits)
        try:
            for result in results:
                if isinstance(result, _Stopped):
                    raise Halt(Status.CALLBACK, _status.FUN_RAISED)
                value, gradient = result
                if gradients is not None:
                    gradients[len(values)] = gradient
                values.append(value)
                if real:
                    limits.look_at_value(value)
        except BaseException as error:
            ended = _explained(error)
        finally:
            results.close()
        if gradients is not None:
            gradients = self.domain.gather(gradients[: len(values)])
        return np.asarray(values, points.dtype), gradients, ended

    def _wide(self, points: NDArray[Any], order: int, limits: Limits) -> Block:
        """Values with those of constraints."""
        from smoothmin.constraints.evaluation import collected

        evaluate = self._submit if self._is_executor else self._map
        results = evaluate(self.domain.spread(points), order, limits)
        found, ended = collected(results, _Stopped)
        return (*self.objective.stacked(found, self.domain, order), _explained(ended))

    def _map(self, batch: NDArray[Any], order: int, limits: Limits) -> Generator[Any, None, None]:
        """Result by result, as far as the map gives them so."""
        # a list, since some maps refuse iterators
        results: Iterable[Any] = self._workers(Call(self.objective, order), list(batch))
        count = 0
        for count, result in enumerate(results, 1):
            if count > len(batch):
                break
            yield result
            if count < len(batch):
                limits.look_at_clock()
        if count != len(batch):
            raise ValueError(f"workers: {len(batch)} points were given and not as many came back")

    def _submit(
        self, batch: NDArray[Any], order: int, limits: Limits
    ) -> Generator[Any, None, None]:
        """Blocks of points as futures; those not begun are dropped on a stop."""
        task = self._task(order)
        timed = limits.maxtime < np.inf
        # nothing interrupts a block, so with a time limit it is a single point
        parts = np.array_split(batch, len(batch) if timed else min(self._blocks, len(batch)))
        futures = []
        try:
            futures += [self._workers.submit(task, part) for part in parts]
            for k, future in enumerate(futures):
                # as everywhere, the clock ends a run after an evaluation, not before the first
                yield from self._await(future, limits) if timed and k else future.result()
        finally:
            for future in futures:
                future.cancel()

    @staticmethod
    def _await(future: Any, limits: Limits) -> list[Any]:
        """The result of a future, unless time is up first."""
        try:
            results: list[Any] = future.result(timeout=max(0.0, limits.seconds_left()))
        except TimeoutError:
            if future.done():  # it is the user's own
                raise
            raise Halt(Status.MAXTIME, _status.maxtime_reached(limits.maxtime)) from None
        return results

    def _task(self, order: int) -> Callable[[NDArray[Any]], list[Any]]:
        return Call(self.objective, order).batch


class Processes(Mapped):
    """A pool of ``count`` processes of our own, each given the objective once."""

    def __init__(self, objective: Objective, domain: Domain, count: int) -> None:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        # fork would copy threads' locks in whatever state they are
        context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
        pool = ProcessPoolExecutor(
            count, mp_context=context, initializer=_install, initargs=(_pickled(objective),)
        )
        super().__init__(objective, domain, pool)
        self._pool = pool
        self._here = _here(objective, domain)

    def __call__(
        self, points: NDArray[Any], order: int, limits: Limits, center: Array | None = None
    ) -> Block:
        """A lone point is evaluated here: to ship it would only take longer."""
        if len(points) == 1:
            return self._here(points, order, limits)
        return super().__call__(points, order, limits, center)

    def _task(self, order: int) -> Callable[[NDArray[Any]], list[Any]]:
        return partial(_installed_batch, order)

    def close(self) -> None:
        """End the processes, without waiting for an evaluation that nobody needs any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


_shipped: bytes = b""
_objective: Objective | None = None


def _install(pickled: bytes) -> None:
    """Keep the objective in a worker process, so that it is shipped once."""
    global _shipped
    _shipped = pickled


def _installed_batch(order: int, points: NDArray[Any]) -> list[Any]:
    """Evaluate in a worker process; unpickling here lets its error reach the caller."""
    global _objective
    if _objective is None:
        try:
            _objective = pickle.loads(_shipped)
        except Exception as error:
            raise RuntimeError(
                f"workers: a worker process cannot load fun, jac or args ({error}). {ADVICE}"
            ) from error
    return Call(_objective, order).batch(points)


ADVICE = (
    "Functions must be defined at the top level of a file that can be imported, not in a notebook "
    "or console; a concurrent.futures.ThreadPoolExecutor as workers takes any."
)


def _pickled(objective: Objective) -> bytes:
    """The objective for another process."""
    try:
        return pickle.dumps(objective)
    except Exception as error:
        raise ValueError(
            f"workers: fun, jac and args must be picklable, got {objective.fun!r} ({error}). "
            f"{ADVICE}"
        ) from error


def _explained(error: BaseException | None) -> BaseException | None:
    """The error, or a more helpful one for what often goes wrong with processes."""
    explained: BaseException
    if isinstance(error, BrokenExecutor):
        explained = RuntimeError(
            "workers: a worker process died. A script must start its work under `if __name__ == "
            f'"__main__":`. {ADVICE}'
        )
    elif "pickle" in str(error) and isinstance(
        error, (pickle.PicklingError, AttributeError, TypeError)
    ):
        explained = ValueError(f"workers: {error}. {ADVICE}")
    else:
        return error
    explained.__cause__ = error
    return explained


def _here(objective: Objective, domain: Domain) -> Source:
    """The source that calls the user's functions one by one in this process."""
    return source_of(objective, domain) if objective.wide else Serial(objective, domain)


def is_executor(workers: Any) -> bool:
    """Whether ``workers`` has the protocol of `concurrent.futures.Executor`."""
    return callable(getattr(workers, "submit", None)) and callable(getattr(workers, "map", None))


def source_for(objective: Objective, domain: Domain, workers: Any) -> Source:
    """The source that ``workers`` means."""
    if callable(getattr(workers, "get_executor", None)):
        # a Dask client; by itself it takes equal points for one and forgets what is cancelled
        workers = workers.get_executor(pure=False)
    if is_executor(workers) or callable(workers):
        return Mapped(objective, domain, workers)
    if isinstance(workers, bool) or not isinstance(workers, (int, np.integer)):
        raise TypeError(
            "workers must be an int, a map-like callable such as pool.map, or an Executor, "
            f"got {workers!r}"
        )
    if workers == 0 or workers < -1:
        raise ValueError(f"workers must be a positive int or -1 for all, got {workers!r}")
    count = (os.cpu_count() or 1) if workers == -1 else int(workers)
    if count > 1:
        return Processes(objective, domain, count)
    return _here(objective, domain)
