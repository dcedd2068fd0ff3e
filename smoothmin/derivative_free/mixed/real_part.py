"""A method that moves the real variables alone, the integers where they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from smoothmin._method import Method
from smoothmin._protocol import Answers, Array, Iterate, Mask, Problem, Steps
from smoothmin._reformulate import Reformulation, relay


def real_problem(problem: Problem, real: Mask) -> Problem:
    """The problem in the real variables, the others at the start."""
    box = problem.box
    return replace(
        problem,
        x0=problem.x0[real],
        box=None if box is None else (box[0][real], box[1][real]),
        shape=(int(np.count_nonzero(real)),),
        free=None,
        whole=None,
        lattice=None,
    )


class _RealView(Reformulation):
    """Points of the real variables, put beside the integers."""

    def __init__(self, x: Array, real: Mask) -> None:
        self._x, self._real = x, real

    def outward(self, points: Array) -> Array:
        """In all variables."""
        whole = np.repeat(self._x[None], len(points), axis=0)
        whole[:, self._real] = points
        return whole

    def inward(self, answers: Answers) -> Answers:
        """The same values."""
        return Answers(answers.values, recalled=answers.recalled)

    def iterate(self, message: Iterate) -> Iterate:
        """In all variables, without a gradient."""
        return Iterate(self.outward(message.x[None])[0], message.fun, **message.info)


@dataclass(frozen=True)
class RealPart(Method):
    """A method for the real variables; of the integers there is only the start."""

    inner: Method

    handles_bounds = True

    @property
    def needs_gradient(self) -> bool:
        """Never."""
        return False

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize over the real variables."""
        assert problem.lattice is not None
        real = ~problem.lattice.discrete
        steps = self.inner.run(real_problem(problem, real), rng)
        return relay(_RealView(problem.x0.copy(), real), steps)
