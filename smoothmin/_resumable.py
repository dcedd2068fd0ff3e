"""Runs of methods whose state can be kept between two steps.

A generator cannot be pickled. A `Resumable` run is one generator for each step: right after a
step was reported nothing is under way, and all that the run knows is in its attributes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Generator
from typing import Any, TypeAlias

from smoothmin._protocol import Ask, Finish, Iterate, Message, Reply, Steps, resume

Beginning: TypeAlias = tuple[Steps, Reply]


class Resumable(Generator[Message, Any, Finish]):
    """A method's run, as a generator of the same protocol, made of generators of one step."""

    _talk: Generator[Ask, Any, Iterate | Finish] | None = None

    @abstractmethod
    def step(self, reply: Reply) -> Generator[Ask, Any, Iterate | Finish]:
        """Ask for what the next report takes, or the end; ``reply`` is that to the last report."""

    def send(self, reply: Any) -> Message:
        """The next message."""
        talk = self._talk
        try:
            if talk is None:
                talk = self._talk = self.step(reply)
                reply = None
            return talk.send(reply)
        except StopIteration as end:
            message = end.value
        return self._ended(message)

    def throw(self, kind: Any, value: Any = None, trace: Any = None) -> Message:
        """The next message where an answer was an exception."""
        error = kind if isinstance(kind, BaseException) else value or kind()
        if self._talk is None:
            raise error
        try:
            return self._talk.throw(error)
        except StopIteration as end:
            message = end.value
        return self._ended(message)

    def close(self) -> None:
        """Give up what is under way."""
        if self._talk is not None:
            self._talk.close()

    def _ended(self, message: Iterate | Finish) -> Message:
        """What a step has come to."""
        self._talk = None
        if isinstance(message, Finish):
            raise StopIteration(message)
        return message

    def __getstate__(self) -> dict[str, Any]:
        """All that is known, between two steps."""
        if self._talk is not None:
            raise TypeError("a run cannot be pickled in the midst of a step")
        return vars(self) | {"_talk": None}


class Begun(Resumable):
    """Steps that something has to be evaluated for before they are known.

    Parameters
    ----------
    begin : callable
        Makes a generator that asks for it, and returns the end, or the steps and the reply to
        what they have asked for, None if they have not begun. It is not kept, since as a rule
        it is a local function, which does not pickle.
    """

    def __init__(self, begin: Callable[[], Generator[Ask, Any, Beginning | Finish]]) -> None:
        self._begin = begin
        self._steps: Steps | None = None

    def send(self, reply: Any) -> Message:
        """The next message: of the steps themselves, once they are known."""
        if self._talk is None and self._steps is not None:
            return self._steps.send(reply)
        return super().send(reply)

    def throw(self, kind: Any, value: Any = None, trace: Any = None) -> Message:
        """The next message where an answer was an exception."""
        if self._talk is None and self._steps is not None:
            return self._steps.throw(kind if value is None else value)
        return super().throw(kind, value, trace)

    def close(self) -> None:
        """Give up what is under way."""
        super().close()
        if self._steps is not None:
            self._steps.close()

    def step(self, reply: Reply) -> Generator[Ask, Any, Iterate | Finish]:
        """Begin at first, then pass messages."""
        if self._steps is None:
            begun = yield from self._begin()
            if isinstance(begun, Finish):
                return begun
            self._steps, reply = begun
            del self._begin
        message = resume(self._steps, reply)
        while isinstance(message, Ask):
            message = resume(self._steps, (yield message))
        return message
