"""What runs in a worker process of our own."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
from multiprocessing.connection import Connection
from typing import Any

from smoothmin.workers.advice import unpickled
from smoothmin.workers.call import Call, Raised

READY = "ready"


def serve(connection: Connection[Any, Any], dump: bytes) -> None:
    """Evaluate what is asked for, as long as somebody is there to ask.

    Parameters
    ----------
    connection
        Sends `READY`, or `Raised` if the objective cannot be loaded; then receives (order,
        user's arrays) and sends a `Chunk` for each, until it is None.
    dump : bytes
        The objective, pickled.
    """
    _lead()
    # read by a thread, so that whoever asks is never kept waiting, and missed when gone
    asked: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, asked), daemon=True).start()
    with contextlib.suppress(OSError):  # nobody wants the answer any more
        try:
            objective = unpickled(dump)
        except RuntimeError as error:
            return connection.send(Raised(error))
        connection.send(READY)
        while (message := asked.get()) is not None:
            order, points = message
            connection.send(Call(objective, order, home=0)(points))


def _listen(connection: Connection[Any, Any], asked: queue.SimpleQueue[Any]) -> None:
    """Pass on what is asked; end this process, whatever it is at, when the other is gone."""
    try:
        while True:
            message = connection.recv()
            asked.put(message)
            if message is None:
                return
    except (EOFError, OSError):
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGTERM)
        os._exit(1)


def _lead() -> None:
    """Become the leader of a group, so that programs that fun starts can be ended with it.

    Ctrl-C is for the process that asks, which then ends this one.
    """
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    # a handler, not SIG_IGN, which programs that fun starts would inherit
    signal.signal(signal.SIGINT, lambda *_: None)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
