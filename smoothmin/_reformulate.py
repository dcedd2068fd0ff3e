"""A method shown another problem: its points mapped outward, the answers inward.

A `Reformulation` says how, and may remember what it was last asked; `relay` drives the
inner method, which never knows. What the inner method is told of the problem before it
starts, its start and bounds among it, is up to whoever starts it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from smoothmin._protocol import (
    Answers,
    Array,
    Ask,
    Differences,
    Finish,
    Iterate,
    Message,
    Reply,
    Steps,
    resume,
)
from smoothmin._resumable import Resumable


class Reformulation:
    """How the messages of an inner method translate; as it is here, not at all.

    One object serves one run. Between `outward` and `inward` there is no other request.
    """

    def outward(self, points: Array) -> Array:
        """Points (m, n) of the inner method's problem in the variables outside."""
        return points

    def inward(self, answers: Answers) -> Answers:
        """What the inner method is told of the points that were last mapped outward."""
        return answers

    def ask(self, message: Ask) -> Ask:
        """The request outside.

        `Samples` become an ordinary request of all points, since a map need not take
        steps around a center to such.
        """
        points, anew, known = self.outward(message.points), message.anew, message.known
        return Ask(points, message.order, phase=message.phase, anew=anew, known=known)

    def iterate(self, message: Iterate) -> Iterate:
        """A step of the inner method, as it is reported."""
        return message

    def finish(self, message: Finish) -> Finish:
        """The inner method's last word, as it is reported."""
        return message


def relay(view: Reformulation, steps: Steps, reply: Reply = None) -> Steps:
    """Drive an inner method through a reformulation, to its end.

    Parameters
    ----------
    view : Reformulation
    steps : generator
        The inner method's run.
    reply : Answers, optional
        To a request that ``steps`` has made already, as the inner method sees it.
    """
    return _Relay(view, steps, reply)


class _Relay(Resumable):
    def __init__(self, view: Reformulation, steps: Steps, reply: Reply) -> None:
        self._view, self._steps, self._first = view, steps, reply

    def step(self, reply: Reply) -> Generator[Ask, Any, Iterate | Finish]:
        """Pass messages until the inner method has made a step."""
        view = self._view
        reply, self._first = self._first or reply, None
        while True:
            message: Message | Finish = resume(self._steps, reply)
            if isinstance(message, Ask):
                answers = yield view.ask(message)
                reply = view.inward(answers)
            elif isinstance(message, Iterate):
                return view.iterate(message)
            else:
                return view.finish(message)


class SeenDifferences:
    """Finite differences as a reformulation shows them; here as they are."""

    def __init__(self, differences: Differences) -> None:
        self._differences = differences

    @property
    def resolution(self) -> float:
        """See `smoothmin._protocol.Differences`."""
        return self._differences.resolution

    @property
    def noise(self) -> float:
        """See `smoothmin._protocol.Differences`."""
        return self._differences.noise

    @property
    def resolves(self) -> bool:
        """See `smoothmin._protocol.Differences`."""
        return self._differences.resolves

    @property
    def at_bottom(self) -> bool:
        """See `smoothmin._protocol.Differences`."""
        return self._differences.at_bottom

    def displaced(self, x: Array) -> Array:
        """See `smoothmin._protocol.Differences`."""
        return self._differences.displaced(x)

    def rounded(self, x: Array) -> Array:
        """See `smoothmin._protocol.Differences`."""
        return self._differences.rounded(x)

    def toward(self, side: float) -> bool:
        """See `smoothmin._protocol.Differences`."""
        return self._differences.toward(side)

    def correct(self, x: Array, error: Array) -> None:
        """See `smoothmin._protocol.Differences`."""
        self._differences.correct(x, error)

    def corrected(self, x: Array) -> Array:
        """See `smoothmin._protocol.Differences`."""
        return self._differences.corrected(x)
