"""Processes of our own: started when there is work for them, and none left behind."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import wait
from typing import Any

from numpy.typing import NDArray

from smoothmin._source import Objective
from smoothmin.workers.advice import ADVICE, NO_GUARD, ended_at_start, ended_at_work, pickled
from smoothmin.workers.call import Chunk, Raised
from smoothmin.workers.process import READY, serve
from smoothmin.workers.scheduled import Done, Team

NAME = "smoothmin worker"
GRACE = 1.0  # seconds: beside these a message takes no time, and after them a process is killed


class Worker:
    """One process, and the numbers and points of the chunks it has been given."""

    def __init__(self, context: Any, dump: bytes) -> None:
        self.connection, theirs = context.Pipe()
        # not a daemon: fun may start processes
        self.process = context.Process(target=serve, args=(theirs, dump), name=NAME, daemon=False)
        self.process.start()
        theirs.close()  # so that this end tells when the process is gone
        self.ready = False
        self.chunks: list[tuple[int, NDArray[Any]]] = []

    def receive(self) -> Any:
        """What it has sent, or None if it is dead."""
        with contextlib.suppress(EOFError, OSError):
            if self.connection.poll():
                return self.connection.recv()
        return None

    def exit_code(self) -> int | None:
        """How it ended."""
        self.process.join(GRACE)
        code: int | None = self.process.exitcode
        return code

    def dismiss(self) -> None:
        """Let it end, at once if it is at something."""
        if self.ready and not self.chunks:
            with contextlib.suppress(OSError):
                self.connection.send(None)
        else:
            self.signal(signal.SIGTERM)

    def signal(self, number: int) -> None:
        """Send a signal to it and to what its evaluations have started."""
        if self.ready and hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)
        elif number == signal.SIGTERM:
            self.process.terminate()
        else:
            self.process.kill()


class Processes(Team):
    """Up to ``count`` processes, each given the objective once."""

    def __init__(self, objective: Objective, count: int) -> None:
        us = multiprocessing.current_process()
        if us.name == NAME and getattr(us, "_inheriting", False):
            os._exit(NO_GUARD)  # a worker that imports a script without a main guard
        if us.daemon:
            raise RuntimeError(
                f"workers: a process of multiprocessing.Pool and other daemons may not start "
                f"processes, got workers={count}"
            )
        self._count = count
        self._dump = pickled(objective)
        # spawn everywhere: fork would copy threads' locks in whatever state they are
        self._context = multiprocessing.get_context("spawn")
        _require_importable_script()
        self._workers: list[Worker] = []
        self._longest = 0.0  # seconds that a chunk has taken
        # before multiprocessing's own handler, which waits for all processes to end
        atexit.register(self.close)

    @property
    def size(self) -> int:
        """See `Team`."""
        return self._count

    def prepare(self, points: int) -> int:
        """See `Team`: start as many as there is work for."""
        with _interrupts_later():
            while len(self._workers) < min(self._count, points):
                self._workers.append(Worker(self._context, self._dump))
        return self._count

    def room(self, left: int) -> int:
        """See `Team`: a second chunk each, not to wait for the next, while there are plenty.

        A point that takes long shall have none behind it that somebody else could do.
        """
        idle = sum(worker.ready and not worker.chunks for worker in self._workers)
        plenty = self._longest < GRACE and left > len(self._workers)
        if idle or not plenty or not all(worker.ready for worker in self._workers):
            return idle
        return sum(len(worker.chunks) < 2 for worker in self._workers)

    def hand(self, number: int, order: int, points: NDArray[Any]) -> None:
        """See `Team`."""
        ready = (worker for worker in self._workers if worker.ready)
        worker = min(ready, key=lambda worker: len(worker.chunks))
        worker.chunks.append((number, points))
        with contextlib.suppress(OSError):  # it is dead, as `wait` will see
            worker.connection.send((order, points))

    def wait(self, timeout: float | None) -> list[Done]:
        """See `Team`."""
        busy = [w for w in self._workers if w.chunks or not w.ready]
        # a process that its evaluations have started may keep a connection open: look at both
        where = {w.connection: w for w in busy} | {w.process.sentinel: w for w in busy}
        woken = {id(w): w for w in (where[key] for key in wait(list(where), timeout))}
        return [done for worker in woken.values() for done in self._hear(worker)]

    def _hear(self, worker: Worker) -> Iterator[Done]:
        """What a worker has to say."""
        message = worker.receive()
        if message is None or isinstance(message, Raised):
            self._workers.remove(worker)
            if not worker.ready:
                raise ended_at_start(worker.exit_code()) if message is None else message.error
            error = ended_at_work(worker.exit_code(), worker.chunks[0][1])
            yield from ((number, error) for number, _ in worker.chunks)
        elif message == READY:
            worker.ready = True
        else:
            assert isinstance(message, Chunk)
            self._longest = max(self._longest, message.seconds)
            yield worker.chunks.pop(0)[0], message

    def close(self) -> None:
        """See `Team`: end all, without waiting for evaluations that nobody needs any more."""
        atexit.unregister(self.close)
        with _interrupts_later():
            for worker in self._workers:
                worker.dismiss()
            until = time.monotonic() + GRACE
            for worker in self._workers:
                worker.process.join(max(0.0, until - time.monotonic()))
                if worker.process.exitcode is None:
                    worker.signal(getattr(signal, "SIGKILL", signal.SIGTERM))
                    worker.process.join()
                worker.connection.close()
            self._workers.clear()


def _require_importable_script() -> None:
    """Refuse a script from standard input, which other processes cannot import."""
    script = sys.modules.get("__main__")
    path = getattr(script, "__file__", None)
    named = getattr(script, "__spec__", None) is not None  # as by python -m: imported by its name
    if path is not None and not named and not os.path.exists(path):
        raise RuntimeError(
            f"workers: worker processes import the script that calls minimize, and {path!r} is no "
            f"file. {ADVICE}"
        )


@contextlib.contextmanager
def _interrupts_later() -> Iterator[None]:
    """Ctrl-C waits meanwhile; processes started here are deaf to it until they are ready."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
