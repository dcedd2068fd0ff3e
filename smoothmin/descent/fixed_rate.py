"""Descent at a given rate, in any geometry: one evaluation a step.

References: B. T. Polyak, "Some methods of speeding up the convergence of iteration
methods", USSR Comput. Math. Math. Phys. 4 (1964); Y. Nesterov, Sov. Math. Dokl. 27
(1983), in the form of I. Sutskever et al., ICML (2013), (3)-(4).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from smoothmin._protocol import Array, Changed, Finish, Iterate, Problem, Steps, ask_one
from smoothmin._status import Status


@dataclass(slots=True)
class Point:
    """Where a descent stands, and ``smooth``, the gradient in its geometry: ``A^-1 g``."""

    x: Array
    fun: float
    grad: Array
    smooth: Array


@dataclass(frozen=True)
class Momentum:
    """Share of the last step added to this one, Polyak's or Nesterov's."""

    share: float = 0.0
    nesterov: bool = False


class Geometry(ABC):
    """What a descent measures by: a gradient's direction, and when it is small."""

    @abstractmethod
    def at(self, x: Array, fun: float, grad: Array) -> Any:
        """A `Point`, or what has its attributes."""

    @abstractmethod
    def done(self, here: Any) -> Finish | None:
        """The end, if ``here`` is one."""

    def within(self, here: Any, step: Array) -> Array:
        """The part of a step that may be tried; what leaves the box is cut off later."""
        return step

    def facts(self, here: Any) -> dict[str, Any]:
        """What a report says besides value and gradient."""
        return {}


def fixed_rate(
    problem: Problem,
    geometry: Geometry,
    here: Any,
    rates: Iterator[Any],
    momentum: Momentum,
) -> Steps:
    """``v <- momentum v - rate A^-1 g; x <- x + v``; a rate may differ by coordinate.

    A step is reported where it leads, with the value and gradient there.
    """
    velocity: Any = 0.0
    for rate in rates:
        finish = geometry.done(here)
        if finish is not None:
            return finish
        step = -rate * here.smooth
        if momentum.share:
            velocity = momentum.share * velocity + step
            step = momentum.share * velocity + step if momentum.nesterov else velocity
        x = problem.clip(here.x + geometry.within(here, step))
        del step  # a vector less while samples are evaluated
        f, g = yield from ask_one(x)
        if not np.isfinite(g).all():
            return Finish(Status.NONFINITE, f"The gradient is not finite at a value of {f}.")
        here = geometry.at(x, f, g)
        reply = yield Iterate(x, f, g, **geometry.facts(here))
        # nothing is compared here, so another sample's gradient will do
        if isinstance(reply, Changed) and not reply.redrawn:
            f, g = yield from ask_one(x)
            here = geometry.at(x, f, g)
    raise AssertionError("rates never end")
