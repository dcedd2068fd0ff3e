"""What a worker does: evaluate points one after the other, and say what came of it."""

from __future__ import annotations

import hashlib
import os
import pickle
import time
import traceback
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin._returned import as_complex, as_gradient, as_value
from smoothmin._source import Objective


class Stopped:
    """The user's function raised `StopIteration`: raised again, it would end generators here."""


class Raised:
    """What the user's function raised: itself in this process, its likeness in another."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> tuple[Any, ...]:
        text = "".join(traceback.format_exception(self.error))
        return _received, (_portable(self.error), text)


class WorkerTraceback(Exception):
    """Where in another process an exception was raised: the cause of its likeness here."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def _received(parts: tuple[Any, ...], text: str) -> Raised:
    """The likeness of an exception that was sent as `_portable` has taken it apart."""
    kind, dump, arguments, attributes = parts
    if dump is not None:
        error = pickle.loads(dump)
    elif kind is not None:  # its own constructor might ask for other arguments than it has
        error = kind.__new__(kind, *arguments)
        error.args = arguments
        error.__dict__.update(attributes)
    else:
        error = RuntimeError(*arguments)
    error.__cause__ = WorkerTraceback(text)
    return Raised(error)


def _portable(error: BaseException) -> tuple[Any, ...]:
    """As much of an exception as can be sent: the whole, its class and arguments, or its text."""
    try:
        dump = pickle.dumps(error)
        if type(pickle.loads(dump)) is type(error):
            return None, dump, (), {}
    except Exception:
        pass
    attributes = {k: v for k, v in vars(error).items() if _travels(v)}
    arguments = tuple(a if _travels(a) else repr(a) for a in error.args)
    parts = (type(error), None, arguments, attributes)
    try:
        _received(pickle.loads(pickle.dumps(parts)), "")
    except Exception:
        return None, None, (f"{type(error).__name__}: {error}",), {}
    return parts


def _travels(value: Any) -> bool:
    try:
        pickle.loads(pickle.dumps(value))
    except Exception:
        return False
    return True


@dataclass(frozen=True)
class Chunk:
    """What came of some points: answers of the first, and what ended them.

    ``seconds`` and ``squares`` are sums over the points of how long each took, and its square;
    ``failure`` is the first traceback of what counts as no value.
    """

    answers: list[Any]
    ended: Stopped | Raised | None = None
    seconds: float = 0.0
    squares: float = 0.0
    failure: str | None = None


@dataclass(frozen=True)
class Call:
    """Evaluation of the user's arrays; picklable if ``objective`` is."""

    objective: Objective
    order: int
    home: int = field(default_factory=os.getpid)

    def answer(self, x: NDArray[Any]) -> Any:
        """Value and gradient, or None for it, at one of the user's arrays; rows of constraints."""
        if self.objective.wide:
            return self.objective.at(x, self.objective.order_of(self.order))
        gradient = self.order == 1 and self.objective.has_gradient
        if not gradient:
            value = self.objective.value(x)
            return (as_complex if np.iscomplexobj(x) else as_value)(value), None
        shape = x.shape
        value, slope = self.objective.value_and_gradient(x)
        # a copy: the user's function may use the same array for its next gradient
        return as_value(value), as_gradient(slope, shape).flatten()

    def __call__(self, points: NDArray[Any]) -> Chunk:
        """Evaluate one point after the other, as far as nothing is raised."""
        answers: list[Any] = []
        ended: Stopped | Raised | None = None
        seconds = squares = 0.0
        now = time.perf_counter()
        try:
            for x in points:
                # a copy: what crossed processes may be read-only, what did not be shared
                answers.append(self.answer(np.array(x)))
                before, now = now, time.perf_counter()
                seconds += now - before
                squares += (now - before) ** 2
        except StopIteration:
            ended = Stopped()
        except Exception as error:
            ended = Raised(error)
        except BaseException as error:  # Ctrl-C and the like
            if os.getpid() == self.home:
                raise
            ended = Raised(error)
        failures = self.objective.failures
        failure = None if failures is None else failures.take()
        return Chunk(answers, ended, seconds, squares, failure)


@dataclass(frozen=True)
class MarkedCall:
    """The evaluation of one point, whose answer says which point it is of."""

    call: Call

    def __call__(self, x: NDArray[Any]) -> tuple[bytes, Chunk]:
        """The point's mark and its answer."""
        mark = mark_of(x)  # before the user's function can change it
        return mark, self.call(np.asarray(x)[None])


def mark_of(x: NDArray[Any]) -> bytes:
    """A digest of a point: equal points are answered alike, so it tells enough."""
    return hashlib.blake2b(np.ascontiguousarray(x).tobytes(), digest_size=16).digest()
