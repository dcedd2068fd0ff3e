"""Descent at a given rate, in any geometry: one evaluation a step.

References: B. T. Polyak, "Some methods of speeding up the convergence of iteration
methods", USSR Comput. Math. Math. Phys. 4 (1964); Y. Nesterov, Sov. Math. Dokl. 27
(1983), in the form of I. Sutskever et al., ICML (2013), (3)-(4).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg.blas import ddot

from smoothmin._protocol import (
    Array,
    Ask,
    Changed,
    Finish,
    Iterate,
    Problem,
    Reply,
    Steps,
    ask_one,
)
from smoothmin._resumable import Resumable
from smoothmin._status import Status
from smoothmin.descent.convergence import Convergence
from smoothmin.descent.first_point import Found
from smoothmin.subproblems.min_norm import euclidean_norm


@dataclass(slots=True)
class RatePoint:
    """Where a descent stands.

    ``free`` is the gradient without what pushes against a bound, ``smooth`` the gradient
    in the descent's geometry: ``A^-1 g``.
    """

    x: Array
    fun: float
    grad: Array
    free: Array
    smooth: Array


@dataclass(frozen=True)
class Momentum:
    """Share of the last step added to this one, Polyak's or Nesterov's."""

    share: float = 0.0
    nesterov: bool = False


class Geometry(ABC):
    """What a descent measures by: a gradient's direction, and what is known of its end.

    Parameters
    ----------
    problem : Problem
    known : Convergence
        What the judge is told.
    """

    def __init__(self, problem: Problem, known: Convergence) -> None:
        self.problem, self.known = problem, known

    @abstractmethod
    def at(self, x: Array, fun: float, grad: Array) -> Any:
        """A `RatePoint`, or what has its attributes."""

    def towards(self, here: Any) -> Array:
        """What a step of rate 1 leads against, as far as bounds let it."""
        smooth: Array = here.smooth
        return smooth

    def within(self, here: Any, step: Array) -> Array:
        """The part of a step that may be tried; what leaves the box is cut off later."""
        return step

    def facts(self, here: Any) -> dict[str, Any]:
        """What a report says besides value and gradient."""
        return {}

    def begin(self, here: Any) -> None:
        """Take note of the start, or of a problem that has changed."""
        self.known.begin(here.x, here.fun, here.free)

    def stepped(self, here: Any, new: Any) -> None:
        """Take note of a step."""
        step = new.x - here.x
        length = euclidean_norm(step)
        self.known.stepped(new.x, new.fun, new.free, length=length)

    def met(self, here: Any) -> Finish | None:
        """The end, if the user's tolerance is met, or nothing of the gradient is left."""
        return self.known.met(here.free)

    def reached(
        self, here: Any, promised: float, step: Array
    ) -> Generator[Ask, Any, Finish | Found | bool]:
        """The end, if ``here`` is one; ``step`` is what the rate promises a decrease for."""
        met = self.met(here)
        return met or (yield from self.known.enough(promised, step, here.x, here.fun, here.grad))


def fixed_rate(
    problem: Problem,
    geometry: Geometry,
    here: Any,
    rates: Iterator[Any],
    momentum: Momentum,
) -> Steps:
    """``v <- momentum v - rate A^-1 g; x <- x + v``; a rate may differ by coordinate.

    The geometry knows of the start. A step is reported where it leads, with the value and
    gradient there.
    """
    return _FixedRate(problem, geometry, here, rates, momentum)


class Constant(Iterator[Any]):
    """The same rate for ever."""

    def __init__(self, rate: Any) -> None:
        self._rate = rate

    def __next__(self) -> Any:
        return self._rate


class _FixedRate(Resumable):
    def __init__(
        self,
        problem: Problem,
        geometry: Geometry,
        here: Any,
        rates: Iterator[Any],
        momentum: Momentum,
    ) -> None:
        self._problem, self._geometry, self._here = problem, geometry, here
        self._rates, self._momentum = rates, momentum
        self._velocity: Any = 0.0

    def step(self, reply: Reply) -> Generator[Ask, Any, Iterate | Finish]:
        """One step; another problem's point is evaluated anew first."""
        geometry, momentum = self._geometry, self._momentum
        # no value decides on a step here, so another sample's gradient will do
        redrawn = isinstance(reply, Changed) and reply.redrawn
        if isinstance(reply, Changed) and not redrawn:
            x = self._here.x
            f, g = yield from ask_one(x)
            self._here = geometry.at(x, f, g)
            geometry.begin(self._here)
        here, rate = self._here, next(self._rates)
        ended = yield from _ended(geometry, here, rate / (1 - momentum.share))
        if isinstance(ended, Finish):
            return ended
        step = -rate * here.smooth
        if momentum.share:
            self._velocity = velocity = momentum.share * self._velocity + step
            step = momentum.share * velocity + step if momentum.nesterov else velocity
        x = self._problem.clip(here.x + geometry.within(here, step))
        del step  # a vector less while samples are evaluated
        f, g = yield from ask_one(x)
        square = ddot(g, g)
        if square - square != 0 and not np.isfinite(g).all():
            return Finish(Status.NONFINITE, f"The gradient is not finite at a value of {f}.")
        self._here = new = geometry.at(x, f, g)
        if redrawn:  # values of two samples do not compare
            geometry.begin(new)
        else:
            geometry.stepped(here, new)
        return Iterate(x, f, g, **geometry.facts(new))


def _ended(geometry: Geometry, here: Any, reach: Any) -> Generator[Ask, Any, Finish | Found | bool]:
    """The end, if what all steps from ``here`` would lead to by themselves is negligible.

    Steps that shrink by the momentum lead ``reach`` times the gradient in all. What they
    promise is half of what the slope tells; where rates that differ by coordinate lead up
    nothing is known.
    """
    step = reach * geometry.towards(here)
    promised = 0.5 * ddot(here.free, step)
    return (yield from geometry.reached(here, promised if promised >= 0 else math.inf, step))
