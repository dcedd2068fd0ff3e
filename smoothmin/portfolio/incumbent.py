"""`Incumbent`: the best point of a run of several phases, and what these cost and gained."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

import numpy as np

from smoothmin._estimate import ESTIMATE, CurvatureEstimate
from smoothmin._machine import SUMMED
from smoothmin._protocol import Answers, Array, Ask, Done, Problem, Samples, advance
from smoothmin._verdict import NEGLIGIBLE
from smoothmin.portfolio.accounts import Accounts

R = TypeVar("R")


class Incumbent:
    """What all phases of a run share.

    Parameters
    ----------
    problem : Problem
    rng : Generator
    """

    def __init__(self, problem: Problem, rng: np.random.Generator) -> None:
        self.problem, self.rng = problem, rng
        self.x, self.fun = problem.x0, np.inf
        self.typical = np.inf  # the median of the first values
        self.noise: float | None = None  # of the values; None where nobody looks for it
        self.start: float | None = None  # the value at the start, once it is known
        self.highest = -np.inf  # of all finite values
        self.silent = 0  # values since the last finite one
        self.steps = 0  # of all phases
        self.accounts = Accounts()
        self.notes: dict[str, Any] = {}  # what else the result says of the run
        self._described = np.inf  # the value at the minimum whose curvature is told

    @property
    def finite(self) -> bool:
        """Whether any value was finite."""
        return bool(np.isfinite(self.fun))

    @property
    def differs(self) -> bool:
        """Whether values do, by more than rounding."""
        return self.highest - self.fun > SUMMED * abs(self.fun)

    @property
    def level(self) -> bool:
        """Whether more values than there are variables do not differ."""
        many = sum(self.accounts.nfev.values()) > self.x.size
        return self.finite and many and not self.differs

    @property
    def decrease(self) -> float:
        """By how much the best value lies below the first ones."""
        return self.typical - self.fun

    @property
    def unit(self) -> float:
        """Of values: the decrease so far, or what is large beside the value."""
        if not self.finite:
            return 1.0
        return max(0.0, min(max(1.0, abs(self.fun)), self.decrease))

    def begin_at_best(self) -> Problem:
        """What follows starts at the best point."""
        self.problem, self.start = self.problem.at(self.x), self.fun
        return self.problem

    def book(self, phase: str, ask: Ask, values: Array, recalled: int = 0) -> float:
        """Keep the best point, and what a phase paid for it; the lowest value.

        ``recalled`` values were known.
        """
        finite = np.isfinite(values)
        if finite.all():
            self.silent, self.highest = 0, max(self.highest, float(values.max()))
        else:
            values = np.where(np.isnan(values), np.inf, values)
            known = np.flatnonzero(finite)
            if len(known):
                self.highest = max(self.highest, float(values[known].max()))
                self.silent = len(values) - 1 - int(known[-1])
            else:
                self.silent += len(values)
        if self.typical == np.inf:
            self.typical = float(np.median(values))
        if self.start is None and np.array_equal(row(ask, 0), self.problem.x0):
            self.start = float(values[0])
        before, k = self.fun, int(values.argmin())
        if values[k] < self.fun:
            self.x, self.fun = row(ask, k), float(values[k])
        self.accounts.add(phase, len(values) - recalled, before - self.fun)
        return float(values[k])

    def ask(self, phase: str, points: Array) -> Generator[Ask, Answers, Array]:
        """Values at some points, booked; infinite where there is none."""
        ask = Ask(points, 0, phase=phase)
        answers = yield ask
        self.book(phase, ask, answers.values, answers.recalled)
        return np.where(np.isnan(answers.values), np.inf, answers.values)

    def booked(self, phase: str, test: Generator[Ask, Answers, R]) -> Generator[Any, Any, R]:
        """What a test says, its values booked."""
        reply: Any = None
        while True:
            ask = advance(test, reply)
            if isinstance(ask, Done):
                return ask.value
            ask.phase = phase
            reply = yield ask
            self.book(phase, ask, reply.values, reply.recalled)

    def describe(self, fun: float, curvature: CurvatureEstimate | None) -> None:
        """Tell the curvature at the best point; that of another minimum is told no more."""
        if curvature is not None and fun - self.fun <= NEGLIGIBLE * self.decrease:
            self._described, self.notes[ESTIMATE] = self.fun, curvature
        elif ESTIMATE in self.notes and self._described - self.fun > NEGLIGIBLE * self.decrease:
            self._described, self.notes[ESTIMATE] = self.fun, CurvatureEstimate()

    def known(self, x: Array) -> float | None:
        """The value at a point that is the best, or the start."""
        if self.finite and np.array_equal(x, self.x):
            return self.fun
        return self.start if np.array_equal(x, self.problem.x0) else None

    def info(self) -> dict[str, Any]:
        """What the result says of the run."""
        accounts = self.accounts
        info = {"phase_nfev": dict(accounts.nfev), "phase_gain": dict(accounts.gain)} | self.notes
        return info if self.noise is None else info | {"noise": self.noise}


def row(ask: Ask, k: int) -> Array:
    """The k-th point of a request, without the others of `Samples`."""
    if not isinstance(ask, Samples):
        point: Array = ask.points[k].copy()
        return point
    for steps in ask.blocks():
        if k < len(steps):
            sample: Array = ask.center + steps[k]
            return sample
        k -= len(steps)
    raise IndexError(k)
