"""`Phase`: a method, from where, how long; and the one frame that drives it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from smoothmin._estimate import ESTIMATE
from smoothmin._method import Method
from smoothmin._protocol import (
    Answers,
    Array,
    Arrived,
    Ask,
    Finish,
    Iterate,
    Samples,
    Steps,
    resume,
)
from smoothmin._protocol import Known as Known
from smoothmin._stopping import Progress
from smoothmin.portfolio.incumbent import Incumbent, row

TRAIL = 6  # last iterates of a phase that are remembered

Watch: TypeAlias = Callable[[Progress], str | None]
Observer: TypeAlias = Callable[[Array, Array], None]  # points and gradients (m, n)


@dataclass(frozen=True)
class Phase:
    """What is to be done next.

    Parameters
    ----------
    name : str
        In the accounts.
    method : Method
    start : ndarray, shape (n,)
    limit : float
        Evaluations after which it is over.
    watch : callable, optional
        ``watch(progress)`` is asked at each step, and ends the phase by a sentence.
    known : (points, values), optional
        For a method that has ``run_from``.
    observe : callable, optional
        ``observe(points, gradients)`` is told of all samples.
    rest : generator, optional
        The phase goes on with a method that was suspended, where it is.
    reply : optional
        What that method still waits for.
    """

    name: str
    method: Method
    start: Array
    limit: float = math.inf
    watch: Watch | None = None
    known: Known | None = None
    observe: Observer | None = None
    rest: Steps | None = None
    reply: Any = None

    def begin(self, incumbent: Incumbent) -> Steps:
        """The method at work."""
        if self.rest is not None:
            return self.rest
        problem = incumbent.problem.at(self.start)
        if self.known is None:
            return self.method.run(problem, incumbent.rng)
        run_from: Callable[..., Steps] = self.method.run_from  # type: ignore[attr-defined]
        return run_from(problem, incumbent.rng, *self.known)


@dataclass
class PhaseOutcome:
    """What came of a phase."""

    x: Array  # where it stands
    finish: Finish | None = None  # its last word, if it had one
    last: float = math.inf  # the value there, as the method tells it
    lowest: Array | None = None  # the lowest iterate
    fun: float = math.inf  # the value there
    least: tuple[float, Array] | None = None  # value and place of the lowest point asked for
    flat: NDArray[np.intp] | None = None  # where the last gradient was zero
    cost: int = 0
    gain: float = 0.0  # decrease of the incumbent's value
    trail: deque[tuple[float, Array]] = field(default_factory=lambda: deque(maxlen=TRAIL))
    info: dict[str, Any] = field(default_factory=dict)  # of the last iterate
    asked: list[Known] = field(default_factory=list)  # all points, where ``keep`` says so
    rest: Steps | None = None  # to go on with, where it was suspended
    reply: Any = None  # that it still waits for

    @property
    def success(self) -> bool:
        """Whether the method converged."""
        return self.finish is not None and self.finish.status.success

    def resumed(self, phase: Phase, **changes: Any) -> Phase:
        """The same phase from where it was suspended."""
        return replace(phase, rest=self.rest, reply=self.reply, start=self.x, **changes)


def play(
    phase: Phase, incumbent: Incumbent, keep: bool = False
) -> Generator[Any, Any, PhaseOutcome]:
    """Drive a method until it is done or told to end: pass messages on, book all values.

    With ``keep`` a method that was told to end is suspended and can go on, and the outcome
    has all points and values.
    """
    steps = phase.begin(incumbent)
    outcome, before = PhaseOutcome(phase.start), incumbent.fun
    try:
        outcome.finish = yield from _drive(phase, steps, incumbent, outcome, keep)
        if keep and outcome.finish is None:
            outcome.rest = steps
    finally:
        if outcome.rest is None:
            steps.close()
    outcome.gain = before - incumbent.fun
    return outcome


def _drive(
    phase: Phase, steps: Steps, incumbent: Incumbent, outcome: PhaseOutcome, keep: bool
) -> Generator[Any, Any, Finish | None]:
    """The method's last word, None if it was told to end."""
    nit, reply = 0, phase.reply
    while outcome.cost < phase.limit:
        message: Any = resume(steps, reply)
        if isinstance(message, Ask):
            reply = yield from _answer(phase, message, incumbent, outcome)
            if keep and message.order == 0 and isinstance(reply, Answers):
                asked = reply.points if isinstance(reply, Arrived) else message.points
                outcome.asked.append((asked, reply.values))
        elif isinstance(message, Finish):
            return message
        else:
            nit, reply = nit + 1, None
            outcome.x, outcome.last, outcome.info = message.x, message.fun, message.info
            outcome.trail.append((message.fun, message.x))
            if message.grad is not None:
                outcome.flat = np.flatnonzero(message.grad == 0)
            if message.fun < outcome.fun:
                outcome.fun, outcome.lowest = message.fun, message.x
            incumbent.steps += 1
            if incumbent.noise is not None:
                incumbent.noise = message.info.get("noise", incumbent.noise)
            incumbent.describe(message.fun, message.info.pop(ESTIMATE, None))
            info = {**message.info, **incumbent.info(), "phase": phase.name}
            yield Iterate(message.x, message.fun, message.grad, **info)
            now = Progress(nit, outcome.cost, 0.0, message.x, message.fun, message.grad)
            if phase.watch is not None and phase.watch(now):
                return None
    outcome.reply = reply
    return None


def _answer(
    phase: Phase, ask: Ask, incumbent: Incumbent, outcome: PhaseOutcome
) -> Generator[Any, Any, Answers]:
    """The answer to a request, booked; that to the first point may be known."""
    first = outcome.cost == 0 and ask.order == 0 and type(ask) is Ask and not ask.anew
    value = incumbent.known(ask.points[0]) if first else None
    if value is not None:
        others: list[float] = []
        if len(ask.points) > 1:
            rest = yield from _answer(phase, Ask(ask.points[1:], 0), incumbent, outcome)
            others = rest.values.tolist()
        return Answers(np.array([value, *others]))
    shown = ask
    if phase.observe is not None and isinstance(ask, Samples):
        shown = _observed(ask, phase.observe)
    shown.phase = phase.name
    reply: Answers = yield shown
    if isinstance(reply, Arrived):
        ask = Ask(reply.points, 0)
    least = incumbent.book(phase.name, ask, reply.values, reply.recalled)
    if least < (math.inf if outcome.least is None else outcome.least[0]):
        outcome.least = least, row(ask, int(np.flatnonzero(reply.values == least)[0]))
    outcome.cost += len(reply.values) - reply.recalled
    if phase.observe is not None and reply.gradients is not None:
        phase.observe(ask.points, reply.gradients)
    return reply


def _observed(ask: Samples, observe: Observer) -> Samples:
    """The same samples, shown to an observer on their way."""

    def take(steps: Array, values: Array, gradients: Array | None) -> None:
        if gradients is not None:
            observe(ask.center + steps, gradients)
        ask.take(steps, values, gradients)

    return Samples(ask.center, ask.blocks, ask.order, take)
