"""What the argument ``workers`` means."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from smoothmin._domain import Domain
from smoothmin._source import Objective, Source, source_of


def source_for(objective: Objective, domain: Domain, workers: Any) -> Source:
    """The source that ``workers`` means."""
    if _of_dask(workers):
        from smoothmin.workers.dask import DaskTeam
        from smoothmin.workers.scheduled import Scheduled

        return Scheduled(objective, domain, DaskTeam(objective, workers))
    if is_executor(workers):
        from smoothmin.workers.executor import FutureTeam, size_of
        from smoothmin.workers.scheduled import Scheduled

        team = FutureTeam(objective, workers.submit, lambda: size_of(workers))
        return Scheduled(objective, domain, team)
    if callable(workers):
        from smoothmin.workers.mapped import Mapped

        return Mapped(objective, domain, workers)
    count = _count(workers)
    if count == 1:
        return source_of(objective, domain)
    from smoothmin.workers.processes import Processes
    from smoothmin.workers.scheduled import Scheduled

    return Scheduled(objective, domain, Processes(objective, count))


def is_executor(workers: Any) -> bool:
    """Whether ``workers`` has the protocol of `concurrent.futures.Executor`."""
    return callable(getattr(workers, "submit", None)) and callable(getattr(workers, "map", None))


def _of_dask(workers: Any) -> bool:
    """Whether it is the address of a scheduler, a cluster, or a client."""
    if isinstance(workers, str):
        return "://" in workers
    return any(callable(getattr(workers, name, None)) for name in ("get_client", "get_executor"))


def _count(workers: Any) -> int:
    """A number of processes."""
    if isinstance(workers, bool) or not isinstance(workers, (int, np.integer)):
        raise TypeError(
            "workers must be an int, a map-like callable such as pool.map, an Executor, or a Dask "
            f"client or its scheduler's address such as 'tcp://host:8786', got {workers!r}"
        )
    if workers == 0 or workers < -1:
        raise ValueError(f"workers must be a positive int or -1 for all, got {workers!r}")
    if workers > 0:
        return int(workers)
    allowed = getattr(os, "sched_getaffinity", None)  # of all cores, those we may use
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1
