"""Answers an `Ask`: counts, limits, finite differences, and the best point so far."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
import time
from collections.abc import Generator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import ddot

from smoothmin import _status
from smoothmin._differences import Stencil
from smoothmin._domain import Domain
from smoothmin._failures import Failures, count_failed
from smoothmin._history import Recorder
from smoothmin._limits import Halt, Limits
from smoothmin._machine import EPS
from smoothmin._precision import Precision
from smoothmin._protocol import (
    Answer,
    Answers,
    Array,
    Arrived,
    Ask,
    Done,
    Samples,
    Stream,
    advance,
    quiet,
)
from smoothmin._recent import SPAN
from smoothmin._source import Scattered, Source
from smoothmin._status import Status

# points to evaluate, in the free variables, and whether with gradients: 1, or not: 0
Batch: TypeAlias = tuple[NDArray[Any], int]
# their values, and gradients or None
Found: TypeAlias = tuple[NDArray[Any], Any]


class Best:
    """The lowest value seen, where, and the gradient there if it is known."""

    __slots__ = ("changes", "fun", "grad", "x")

    def __init__(self) -> None:
        self.fun = math.inf
        self.x: Array | None = None
        self.grad: Array | None = None
        self.changes = 0  # how often it became another point

    def offer(self, value: float, point: Array, gradient: Array | None) -> None:
        """Take a point that is lower, or as low and its gradient known for the first time."""
        lower = value < self.fun
        if not lower:
            known = self.x is None or self.grad is not None or gradient is None
            if known or value != self.fun:
                return
        self.changes += lower
        self.fun = value
        self.x, self.grad = point.copy(), None if gradient is None else gradient.copy()


class Ledger:
    """What was evaluated and what is still allowed.

    Attributes
    ----------
    nfev, njev, n_nonfinite : int
        Calls of ``fun``, gradients computed by the user's code, and values
        among the first that were not finite.
    n_failed : int
        Points where exceptions of the user's code count as no value.
    failures : Failures or None
        Where they do.
    under_way : int
        Points that are being evaluated while the run goes on.
    best : Best
    precision : Precision
    limits : Limits
        What ends the run.
    stencil : Stencil or None
        What gradients are made of, if they are finite differences.
    wide : bool
        Whether values come with those of constraints.
    """

    wide = False
    usual = True  # whether single points may be taken by `answer_one`
    failures: Failures | None = None
    _changed: tuple[str, ...] = ("best", "precision")  # what `take` changes in place

    def __init__(self, domain: Domain, limits: Limits, stencil: Stencil | None) -> None:
        self.stencil = stencil
        self.limits = limits
        self._timed = limits.maxtime < math.inf
        self._first: float | None = None
        self._varied = False  # whether any value differed from the first
        self._x0 = domain.x0
        # from values alone a finite box may be sampled where the start has no value
        finite_box = domain.box is not None and bool(np.isfinite(domain.box).all())
        self._sampled = stencil is None and finite_box
        self.nfev = self.njev = self.n_nonfinite = self.n_failed = 0
        self.under_way = 0
        self._dead = 0  # values in a row that were not finite
        self.best, self.precision = Best(), Precision()
        self.recorder: Recorder | None = None  # where a history is kept

    def restart(self) -> None:
        """Begin to count seconds anew."""
        self.limits = dataclasses.replace(self.limits, started=time.perf_counter())

    @property
    def first_value(self) -> float:
        """What ``fun`` returned at first, NaN if it was never called."""
        return math.nan if self._first is None else self._first

    @property
    def on_plateau(self) -> bool:
        """Whether the last gradient, or all that is known, is for want of values that differ."""
        alike = self.level and self.njev == 0
        return alike or (self.stencil is not None and self.stencil.plateau)

    @property
    def level(self) -> bool:
        """Whether several values are known and never differed."""
        return not self._varied and self.nfev > 1

    @property
    def died(self) -> bool:
        """Whether the last values were not finite, though others had been."""
        return self._dead >= SPAN

    def revive(self) -> None:
        """Count values that are not finite anew, after a look beyond a method's end."""
        self._dead = 0

    @property
    def failed(self) -> str:
        """A sentence if no point has a value, since exceptions count as none."""
        return _status.all_failed(self.nfev) if 0 < self.nfev == self.n_failed else ""

    @property
    def violated(self) -> str:
        """By how much the best point violates constraints, if by too much."""
        return ""

    def exchange(self, ask: Ask) -> Generator[Batch, Found, Answers]:
        """Say what to evaluate for an answer, several times for finite differences."""
        if ask.order and self.stencil is not None:
            best = self.best
            if ask.known and best.x is not None:
                self.stencil.know(best.x, np.array([best.fun]))
            return (yield from _by_differences(ask.points, self.stencil, best))
        values, gradients = yield ask.points, ask.order
        return Answers(values, gradients)

    def admit(
        self, points: NDArray[Any], center: Array | None = None
    ) -> tuple[NDArray[Any], Halt | None]:
        """As many of the points as may be evaluated, and what to raise after them.

        Those that are finite, as far as the limits allow; all are if ``center`` is, which
        points are relative to if it is given.
        """
        if self._timed and self.nfev:
            self.limits.look_at_clock()
        over = None
        where = points if center is None else center
        # a sum of squares takes half the time, and most are finite
        square = np.vdot(where, where).real if center is None else ddot(center, center)
        if not math.isfinite(square):
            finite = np.isfinite(np.atleast_2d(where)).all(axis=1)
            if not finite.all():
                over = Halt(Status.NONFINITE, _status.LEFT_NUMBERS)
                points = points[: int(finite.argmin())]
        room = self.limits.maxfev - self.nfev - self.under_way
        if len(points) > room:
            over = Halt(Status.MAXFEV, _status.maxfev_reached(int(self.limits.maxfev)))
            points = points[: max(0, int(room))]
        return points, over

    def take(
        self,
        points: NDArray[Any],
        values: NDArray[Any],
        gradients: Any,
        center: Array | None = None,
    ) -> None:
        """Count what was found; points off the real axis are candidates for nothing.

        Of ``gradients`` that of the lowest value alone is looked at.
        """
        self.nfev += len(values)
        if self.failures is not None:
            self.n_failed += count_failed(values, gradients)
        if len(values) and points.dtype == np.float64:
            self.precision.add(values.item(0))
            try:
                self._note(points, values, gradients, center)
            finally:
                if self.recorder is not None:
                    best = math.inf if self.violated else self.best.fun
                    self.recorder.add(points, values, best, center)
        if not self._varied:
            self._varied = bool((values != self._first).any())

    def with_more(self, points: Array, values: Array, gradients: Any) -> Ledger:
        """Another, that has taken this, too: part of a batch that is not complete."""
        other = copy.copy(self)
        for name in self._changed:
            setattr(other, name, copy.deepcopy(getattr(self, name)))
        other.recorder = None
        with contextlib.suppress(Halt):
            other.take(points, values, gradients)
        other.recorder = self.recorder
        return other

    def answer_one(
        self, point: Array, value: Any, gradient: Array | None, *, lasting: bool = False
    ) -> Answers:
        """`take` one real point, whose value and gradient are the answer; see `Ask`."""
        if value - value != 0 or self.failures is not None:  # not finite, maybe
            gradients = None if gradient is None else gradient[None]
            self.take(point[None], np.array([value]), gradients)
            return Answer(value, gradient)
        self.nfev += 1
        self._dead = 0
        if gradient is not None:
            self.njev += 1
        best = self.best
        if value < best.fun:
            best.changes += 1
            best.fun, best.x = value, point if lasting else point.copy()
            best.grad = gradient if lasting or gradient is None else gradient.copy()
        elif value == best.fun:
            best.offer(value, point, gradient)
        if not self._varied:
            self._first = value if self._first is None else self._first
            self._varied = value != self._first
        if not self.precision.known:
            self.precision.add(value)
        if self.recorder is not None:
            self.recorder.add(point[None], np.array([value]), self.best.fun, None)
        return Answer(value, gradient)

    def _note(self, points: Array, values: Array, gradients: Any, center: Array | None) -> None:
        """Remember the best, and stop on what nothing can be made of."""
        m, k = len(values), 0
        if m > 1:
            k, finite = _lowest(values)
            self.n_nonfinite += m - finite
        value = float(values[k])
        if m == 1 and not math.isfinite(value):
            self.n_nonfinite += 1
        self._dead = 0 if math.isfinite(value) else self._dead + m
        if gradients is not None:
            self.njev += m
        if value <= self.best.fun:
            point = points[k] if center is None else center + points[k]
            self.best.offer(value, point, None if gradients is None else gradients[k])
        start = self._first is None
        if start:
            self._first = float(values[0])
        if value == -math.inf:
            raise Halt(Status.NONFINITE, _status.unbounded(value))
        if start and not math.isfinite(values[0]) and (gradients is not None or not self._sampled):
            first = points[0] if center is None else center + points[0]
            if np.array_equal(first, self._x0):
                raise Halt(Status.NONFINITE, _status.nonfinite_start(float(values[0])))


def exchange(ask: Ask, ledger: Ledger) -> Generator[Batch, Found, Answers]:
    """Say what to evaluate for an answer, several times for finite differences."""
    return (yield from ledger.exchange(ask))


def _by_differences(
    points: Array, stencil: Stencil, best: Best
) -> Generator[Batch, Found, Answers]:
    """Values and finite-difference gradients, each point's in one batch or a few."""
    lowest, context = best.fun, quiet()
    steps = stencil.gradients(points)
    batch = context.run(advance, steps)
    while not isinstance(batch, Done):
        found, _ = yield batch, 0
        batch = context.run(advance, steps, found)
    values, gradients = batch.value
    if best.x is not None and (best.fun < lowest or best.grad is None):
        owner = owner_of(best.x, points, stencil)
        if owner is not None:
            best.grad = gradients[owner].copy()
    return Answers(values, gradients)


def owner_of(best: Array, points: Array, stencil: Stencil) -> int | None:
    """Which of the points the best is, or a step away from, unless it was found elsewhere.

    That is close enough for the gradient there to be as good as finite differences are;
    elsewhere is where noise was looked for.
    """
    away = np.abs(points - best) / np.maximum(1.0, np.abs(best))
    owner = int(away.max(axis=1).argmin())
    near = away[owner].max() <= 2 * max(stencil.resolution, EPS**0.5)
    return owner if near else None


class Evaluator:
    """Evaluates what methods ask for, by a source and within a ledger's limits."""

    def __init__(self, source: Source, ledger: Ledger) -> None:
        self._source, self.ledger = source, ledger

    def answer(self, ask: Ask) -> Answers:
        """Evaluate a batch; `Halt` if a limit is reached within it."""
        if type(ask) is Ask and len(points := ask.points) == 1:
            answer = self._answer_one(points[0], ask.order, ask.lasting)
            if answer is not None:
                return answer
        if self.ledger.wide or (ask.order and self.ledger.stencil is not None):
            talk = exchange(ask, self.ledger)
            batch = advance(talk)
            while not isinstance(batch, Done):
                batch = advance(talk, self._evaluate(*batch))
            return batch.value
        if type(ask) is Samples:
            return self._source.sample(ask, self._evaluate)
        if type(ask) is Stream:
            return self._stream(ask)
        values, gradients = self._evaluate(ask.points, ask.order)
        return Answers(values, gradients)

    def _answer_one(self, point: Array, order: int, lasting: bool) -> Answers | None:
        """`answer` at a single point, if it is usual; most are, and cost little."""
        ledger = self.ledger
        limits = ledger.limits
        if order and (order > 1 or ledger.stencil is not None):
            return None
        if not ledger.usual or point.size == 0 or ledger.nfev >= limits.maxfev:
            return None
        square = ddot(point, point)
        if square - square != 0:
            return None
        if limits.watched and ledger.nfev:
            limits.look_at_clock()
        found = self._source.one(point, order)
        if found is None:
            return None
        answer = ledger.answer_one(point, *found, lasting=lasting)
        if limits.watched:
            limits.look(found[0])
        return answer

    def _stream(self, ask: Stream) -> Answers:
        """What has come of points; where no more are allowed all that are under way."""
        ledger, source = self.ledger, self._source
        ledger.under_way = source.under_way
        points, over = ledger.admit(ask.points)
        values: Any = np.empty(0)
        if len(points) or source.under_way:
            left = ask.left if over is None else 0
            points, values, ended = source.stream(points, left, ledger.limits)
            ledger.under_way = source.under_way
            ledger.take(points, values, None)
            if ended is not None:
                raise ended
        if over is not None:
            raise over
        return Arrived(points, values, ledger.under_way)

    def _evaluate(self, points: NDArray[Any], order: int, center: Array | None = None) -> Found:
        """Values and gradients, as far as the limits allow; `Halt` if that is not all.

        Points are relative to ``center`` if it is given.
        """
        ledger = self.ledger
        if order > 1:  # derivatives alone of points that have been counted
            values, gradients, ended = self._source(points, order, ledger.limits)
            if ended is not None:
                raise ended
            return values, gradients
        points, over = ledger.admit(points, center)
        if len(points) or over is None:
            values, gradients, ended = self._source(points, order, ledger.limits, center)
            ledger.take(points, values, gradients, center)
            if isinstance(ended, Scattered):
                with contextlib.suppress(Halt):  # the run ends for another reason already
                    ledger.take(ended.points, ended.values, ended.gradients)
                raise ended.cause
            if ended is not None:
                raise ended
        if over is not None:
            raise over
        return values, gradients


def _lowest(values: Array) -> tuple[int, int]:
    """Index of the lowest value that is not NaN, and how many values are finite."""
    k = int(values.argmin())
    if math.isfinite(np.vdot(values, values).real):
        return k, len(values)
    finite = int(np.count_nonzero(np.isfinite(values)))
    if finite < len(values) and values[k] != values[k]:  # argmin falls for NaN
        k = int(np.where(np.isnan(values), np.inf, values).argmin())
    return k, finite
