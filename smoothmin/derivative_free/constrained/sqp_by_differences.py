"""`SQPGradientSampling` within a method from values alone: gradients are differences."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import replace

import numpy as np

from smoothmin._differences import Stencil
from smoothmin._noisy_differences import NoiseAwareStencil
from smoothmin._protocol import Answers, Array, Ask, Done, Finish, Iterate, Problem, advance, resume
from smoothmin.constraints.kept_differences import KeptStencil
from smoothmin.sqp.method import SQPGradientSampling
from smoothmin.sqp.settings import SQPSettings


class SQPByDifferences:
    """Runs that leave to others the proof of an end on kinks.

    ``x`` is where the last has ended, None before any.
    """

    def __init__(self, problem: Problem, rng: np.random.Generator) -> None:
        self._stencil = _stencil(problem, rng)
        self._problem = replace(problem, has_gradient=True, differences=self._stencil)
        self._rng = rng
        self._last: tuple[Array, Answers] | None = None  # asked for without a gradient
        self.x: Array | None = None
        self._trail: deque[Array] = deque(maxlen=problem.x0.size)

    def run(self, x: Array) -> Generator[Ask | Iterate, Answers, Finish]:
        """From a point to the end, with values asked for where slopes are wanted."""
        self.x, method = x, SQPGradientSampling(settings=SQPSettings(certifies_kinks=False))
        steps = method.run(self._problem.at(x), self._rng)
        reply: Answers | None = None
        while True:
            message = resume(steps, reply)
            if isinstance(message, Finish):
                return message
            if isinstance(message, Iterate):
                self._trail.append(self.x)
                self.x = message.x
                yield message
                reply = None
            elif message.order:
                reply = yield from self._with_slopes(message)
            else:
                reply = yield message
                self._last = message.points[-1], reply

    @property
    def reach(self) -> Array:
        """How far as many steps as there are variables have led along each of them."""
        if self.x is None or not self._trail:
            return np.full_like(self._problem.x0, np.inf)
        return np.abs(self.x - self._trail[0])

    @property
    def noisy(self) -> bool:
        """Whether values have noise, in which slopes promise too little for a success."""
        return self._stencil.noise > 0

    def _with_slopes(self, ask: Ask) -> Generator[Ask, Answers, Answers]:
        """Values and rows, and slopes by differences of both."""
        stencil = self._stencil
        if ask.known and self._last is not None and np.array_equal(self._last[0], ask.points[0]):
            stencil.know(ask.points[0], _rows(self._last[1])[-1])
        talk = stencil.with_rows(ask.points)
        batch = advance(talk)
        while not isinstance(batch, Done):
            batch = advance(talk, _rows((yield Ask(batch, 0))))
        values, gradients = batch.value
        return Answers(values, gradients, stencil.rows, stencil.jacobians)


def _rows(answers: Answers) -> Array:
    """Values (m,), and those of the constraints beside them."""
    rows = np.empty((len(answers.values), 0)) if answers.rows is None else answers.rows
    return np.column_stack([answers.values, rows])


def _stencil(problem: Problem, rng: np.random.Generator) -> Stencil:
    """As long as noise demands, and such that linear constraints hold at every point."""
    steps = NoiseAwareStencil(problem.box, rng)
    nonlinear = problem.nonlinear
    hard = nonlinear is not None and nonlinear.hard is not None and nonlinear.hard.any()
    if problem.linear is None and not hard:
        return steps
    return KeptStencil(steps, problem.linear, problem.box, problem.x0.size)
