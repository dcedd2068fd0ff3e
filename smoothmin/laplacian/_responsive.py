"""Variables whose gradient is always exactly zero, left out of a descent.

A field whose rim is held by zeros in the gradient would lose it: smoothing carries the
neighbours' gradients there. Such variables are taken for fixed, until one of them has a
gradient after all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from smoothmin._protocol import (
    Answers,
    Array,
    Differences,
    Finish,
    Iterate,
    Mask,
    Problem,
    Reply,
    Steps,
    ask_one,
    resume,
)
from smoothmin._reformulate import Reformulation, SeenDifferences, relay
from smoothmin._scale import PROBE
from smoothmin._status import Status
from smoothmin.laplacian._blocks import whole_shape


def in_responsive(problem: Problem, descend: Callable[[Problem], Steps]) -> Steps:
    """Run what ``descend`` makes of a problem in the variables that have a gradient."""
    x = problem.clip(problem.x0)
    f, g = yield from ask_one(x)
    first = Answers(np.array([f]), g[None])
    silent = g == 0
    if np.isfinite(f) and silent.any() and not silent.all():
        _, beside = yield from ask_one(_beside(problem, x))
        silent &= beside == 0
    while silent.any() and not silent.all():
        part = _Part(problem, x, ~silent)
        finish = yield from part.converse(descend(part.problem), first)
        if not part.waking.any():
            return finish
        # what was silent so far takes part from here on
        x, silent = part.x, silent & ~part.waking
        f, g = yield from ask_one(x)
        first = Answers(np.array([f]), g[None])
    finish = yield from _begun(descend(problem.at(x)), first)
    return finish


def _beside(problem: Problem, x: Array) -> Array:
    """A point near ``x`` where every variable differs, the same in every run."""
    rng = np.random.default_rng(0)
    # random sizes as well as signs, so that differences of neighbours do not cancel
    step = (0.5 + rng.random(x.size)) * (rng.integers(0, 2, x.size) * 2.0 - 1.0)
    step *= PROBE * max(1.0, float(np.abs(x).max()))
    moved = problem.clip(x + step)
    return np.where(moved == x, problem.clip(x - step), moved)


def _begun(steps: Steps, first: Answers) -> Steps:
    """A run whose first question is answered already."""
    resume(steps, None)
    message = resume(steps, first)
    while not isinstance(message, Finish):
        message = resume(steps, (yield message))
    return message


class _Part(Reformulation):
    """A problem in some of its variables; ``waking`` are others that have a gradient."""

    def __init__(self, problem: Problem, x: Array, kept: Mask) -> None:
        self.x, self.waking = x, np.zeros(kept.size, dtype=bool)
        self.kept = kept
        shape = whole_shape(problem)
        free = np.arange(kept.size) if problem.free is None else problem.free
        held = x.copy() if problem.held is None else problem.held
        differences = problem.differences
        self.problem = dataclasses.replace(
            problem,
            x0=x[kept],
            differences=None if differences is None else _InPart(differences, self),
            box=None if problem.box is None else (problem.box[0][kept], problem.box[1][kept]),
            shape=(int(kept.sum()),),
            free=free[kept],
            whole=shape,
            held=self._among(held, free, x),
        )

    @staticmethod
    def _among(held: Array, free: NDArray[np.intp], x: Array) -> Array:
        whole = held.copy()
        whole[free] = x
        return whole

    def outward(self, points: Array) -> Array:
        """Points among the variables that stay."""
        return self.whole(points)

    def inward(self, answers: Answers) -> Answers:
        """Answers for the part, while a look is had at the rest of the gradients."""
        if answers.gradients is None:
            return answers
        self.waking |= (answers.gradients != 0).any(axis=0) & ~self.kept
        return Answers(answers.values, answers.gradients[:, self.kept])

    def iterate(self, message: Iterate) -> Iterate:
        """With a gradient of zero where variables stay."""
        self.x = self.whole(message.x)
        grad = None
        if message.grad is not None:
            grad = np.zeros(self.kept.size)
            grad[self.kept] = message.grad
        return Iterate(self.x, message.fun, grad, **message.info)

    def converse(self, inner: Steps, first: Answers) -> Steps:
        """Relay until the run ends, or a variable that was left out has a gradient."""
        resume(inner, None)
        steps = relay(self, inner, self.inward(first))
        reply: Reply = None
        while True:
            message = resume(steps, reply)
            if isinstance(message, Finish):
                return message
            reply = yield message
            if isinstance(message, Iterate) and self.waking.any():
                steps.close()
                inner.close()
                return Finish(Status.CONVERGED, "A gradient appeared.")

    def whole(self, points: Array) -> Array:
        """Points (m, k) or one (k,) among the variables that stay."""
        whole = np.empty((*points.shape[:-1], self.kept.size))
        whole[...] = self.x
        whole[..., self.kept] = points
        return whole


class _InPart(SeenDifferences):
    """Finite differences along the variables of a part."""

    def __init__(self, differences: Differences, part: _Part) -> None:
        super().__init__(differences)
        self._part = part

    def displaced(self, x: Array) -> Array:
        """See `smoothmin._protocol.Differences`."""
        return super().displaced(self._part.whole(x))[self._part.kept]

    def rounded(self, x: Array) -> Array:
        """See `smoothmin._protocol.Differences`."""
        return super().rounded(self._part.whole(x))[self._part.kept]

    def correct(self, x: Array, error: Array) -> None:
        """See `smoothmin._protocol.Differences`; slopes of zero are right."""
        whole = np.zeros(self._part.kept.size)
        whole[self._part.kept] = error
        super().correct(self._part.whole(x), whole)

    def corrected(self, x: Array) -> Array:
        """See `smoothmin._protocol.Differences`."""
        return super().corrected(self._part.whole(x))[self._part.kept]
