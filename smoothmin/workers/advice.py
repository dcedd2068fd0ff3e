"""Clear words for what goes wrong between processes."""

from __future__ import annotations

import pickle
import signal
from concurrent.futures import BrokenExecutor
from typing import Any

from smoothmin._source import Objective

NO_GUARD = 94  # exit code of a worker process whose script starts workers when it is imported

ADVICE = (
    "Functions must be defined at the top level of a file that can be imported, not in a notebook "
    "or console; a concurrent.futures.ThreadPoolExecutor as workers takes any."
)
GUARD = 'A script must start its work under `if __name__ == "__main__":`.'


def pickled(objective: Objective) -> bytes:
    """The objective for another process."""
    try:
        return pickle.dumps(objective)
    except Exception as error:
        raise ValueError(
            f"workers: fun, jac and args must be picklable, got {objective.fun!r} ({error}). "
            f"{ADVICE}"
        ) from error


def unpickled(dump: bytes) -> Objective:
    """The objective in another process."""
    try:
        objective: Objective = pickle.loads(dump)
    except Exception as error:
        raise RuntimeError(
            f"workers: a worker process cannot load fun, jac or args ({error}). {ADVICE}"
        ) from error
    return objective


def explained(error: BaseException) -> BaseException:
    """The error of a pool, or a more helpful one for what often goes wrong with processes."""
    better: BaseException
    if isinstance(error, BrokenExecutor):
        better = RuntimeError(
            "workers: a worker process died: it was killed, as by a system short of memory, "
            f"crashed, ended itself, or could not start. {GUARD} {ADVICE}"
        )
    elif "pickle" in str(error) and isinstance(
        error, (pickle.PicklingError, AttributeError, TypeError)
    ):
        better = ValueError(f"workers: {error}. {ADVICE}")
    else:
        return error
    better.__cause__ = error
    return better


def ended_at_start(code: int | None) -> RuntimeError:
    """For a worker process that ended before it was ready."""
    if code == NO_GUARD:
        why = (
            "the script that calls minimize does so when it is imported, as workers must import it"
        )
    else:
        why = f"{_end(code)}, and may have printed why; it imports the script that calls minimize"
    return RuntimeError(f"workers: no worker process could start: {why}. {GUARD}")


def ended_at_work(code: int | None, points: Any) -> RuntimeError:
    """For a worker process that ended while it evaluated one of some ``points``."""
    hint = "as os._exit does; an exception would have been passed on"
    if code is not None and code < 0:
        hint = "as systems do that are short of memory, or somebody"
        if -code in _CRASHES:
            hint = "a crash in compiled code that fun calls"
    where = f"x = {points[0]!r:.200}"
    if len(points) > 1:
        where = f"one of {len(points)} points, the first of them {where}"
    return RuntimeError(f"workers: a worker process died: {_end(code)}, {hint}. It was at {where}")


_CRASHES = {
    int(getattr(signal, name))
    for name in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT")
    if hasattr(signal, name)
}


def _end(code: int | None) -> str:
    """How a process ended, in words."""
    if code is None:
        return "it ended"
    if code >= 0:
        return f"it ended itself with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    return f"it was killed by signal {-code} ({name})"
