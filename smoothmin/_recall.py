"""Points whose values are known already are not evaluated again.

Integers recur, and runs may begin with what an earlier one has found. Every request of values
alone passes through here: points are made those that may be evaluated, and only those that are
new are asked for.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from smoothmin._method import Method
from smoothmin._protocol import (
    Answers,
    Array,
    Ask,
    Finish,
    Iterate,
    Problem,
    Samples,
    Steps,
    resume,
)

MOST = 2**18  # points remembered, after which the oldest go


class Memory:
    """Values at points, by their bits."""

    def __init__(self) -> None:
        self._values: dict[bytes, float] = {}

    def add(self, points: Array, values: Array) -> None:
        """Remember the values (m,) at points (m, n)."""
        for x, value in zip(np.ascontiguousarray(points), values.tolist(), strict=True):
            self._values[x.tobytes()] = value
        for key in list(self._values)[: len(self._values) - MOST]:
            del self._values[key]

    def __call__(self, points: Array) -> list[float | None]:
        """The values at points (m, n), None where there is none."""
        return [self._values.get(x.tobytes()) for x in np.ascontiguousarray(points)]

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True)
class Recalling(Method):
    """A method whose points are looked up before they are evaluated.

    Parameters
    ----------
    inner : Method
    memory : Memory
        Of points and values that are known.
    keeps : bool
        Whether what is evaluated is remembered, too: where points recur.
    """

    inner: Method
    memory: Memory = field(default_factory=Memory)
    keeps: bool = True

    handles_bounds = True

    @property
    def needs_gradient(self) -> bool:
        """As the inner method."""
        return self.inner.needs_gradient

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Drive the inner method."""
        steps, reply = self.inner.run(problem, rng), None
        while True:
            message: Any = resume(steps, reply)
            if isinstance(message, Ask):
                reply = yield from self._answer(message, problem)
            elif isinstance(message, Iterate):
                if problem.lattice is not None:
                    x = problem.clip(message.x)
                    message = Iterate(x, message.fun, message.grad, **message.info)
                reply = yield message
            else:
                last: Finish = message
                return last

    def _answer(self, ask: Ask, problem: Problem) -> Generator[Any, Any, Any]:
        """What is known, and what has to be asked for."""
        unknown = isinstance(ask, Samples) or ask.order or len(self.memory) == 0
        if problem.lattice is None and unknown:
            return (yield ask)
        points = ask.points
        if problem.lattice is not None:
            points = problem.clip(points)
        if ask.anew or ask.order:
            return (yield Ask(points, ask.order, phase=ask.phase))
        found = self.memory(points)
        new = [k for k, value in enumerate(found) if value is None]
        if self.keeps:
            first = {x.tobytes(): k for k, x in reversed(list(enumerate(points)))}
            new = [k for k in new if first[points[k].tobytes()] == k]
        if len(new) == len(points):
            answers = yield Ask(points, 0, phase=ask.phase)
            if self.keeps:
                self.memory.add(points, answers.values)
            return answers
        asked = points[new]
        values = np.empty(0)
        if new:
            values = (yield Ask(asked, 0, phase=ask.phase)).values
            if self.keeps:
                self.memory.add(asked, values)
        told = dict(zip((points[k].tobytes() for k in new), values.tolist(), strict=True))
        every = [told[x.tobytes()] if v is None else v for x, v in zip(points, found, strict=True)]
        return Answers(np.array(every), recalled=len(points) - len(new))


def recalling(method: Method, problem: Problem, memory: Memory | None) -> Method:
    """The method itself where nothing is known and no variable is an integer."""
    if problem.lattice is not None:
        return Recalling(method, Memory() if memory is None else memory)
    return method if memory is None else Recalling(method, memory, keeps=False)
