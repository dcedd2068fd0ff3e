"""Whether the gradient is that of the values: what failed line searches tell at no cost."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from smoothmin import _status
from smoothmin._factors import ALIKE, MINOR, WITNESSES
from smoothmin._machine import EPS, PRODUCTS
from smoothmin._protocol import Array, Finish, Problem
from smoothmin._status import Status
from smoothmin.linesearch.line_result import LinePoint, LineResult

VISIBLE = 100.0  # predicted decrease, in units of the noise, that values must show


class Doubt:
    """Counts failed searches on which values and gradients exclude each other.

    Over a short step on which the slopes are alike a function is a line. Values at three
    points that are on a line too, but on another one, are not those of these gradients. Kinks
    make slopes differ, and noise the values, so neither is taken for an error. Differences are
    not the user's gradients, and are left alone.
    """

    def __init__(self, problem: Problem, enough: int = WITNESSES) -> None:
        self._asked, self._problem = problem.differences is None, problem
        self._enough, self._count = enough, 0
        self._said, self._largest = "", 0.0

    @property
    def finish(self) -> Finish | None:
        """The end, if enough searches in a row contradict."""
        return None if self._count < self._enough else Finish(Status.GRADIENT, self._said)

    def hear(
        self, found: LineResult, direction: Array, fun: float, slope: float, noise: float
    ) -> None:
        """Take note of a search along ``direction`` from a point of this value and slope."""
        self._largest = max(self._largest, abs(fun))
        if found.lower or not self._asked:
            self._count = 0
            return
        resolved = PRODUCTS * self._problem.unit / EPS * self._largest  # what cancels leaves
        nearest = telling(found.trials, slope, max(VISIBLE * noise, resolved))
        if nearest is None:  # steps so short say nothing of either
            return
        near = contradicting(nearest, fun, slope)
        self._count = 0 if near is None else self._count + 1
        if near is not None:
            length = near.t * float(np.linalg.norm(direction))
            self._said = _status.gradient_contradicted(length, near.t * slope, near.fun - fun)

    def go_on(self, other: Doubt) -> None:
        """Count on from another one's searches, the last before these."""
        self._count, self._said, self._largest = other._count, other._said, other._largest


def telling(trials: Iterable[LinePoint], slope: float, visible: float) -> list[LinePoint] | None:
    """The nearest of a line's points whose values show a slope, if as many do as it takes."""
    shown = [trial for trial in trials if math.isfinite(trial.fun) and -trial.t * slope > visible]
    nearest = sorted(shown, key=lambda trial: trial.t)[:WITNESSES]
    return nearest if len(nearest) == WITNESSES else None


def contradicting(nearest: list[LinePoint], fun: float, slope: float) -> LinePoint | None:
    """The nearest of these points, if they show another slope than all the gradients."""
    rates = [(trial.fun - fun) / trial.t for trial in nearest]
    slopes = all(abs(trial.slope - slope) <= ALIKE * abs(slope) for trial in nearest)
    line = max(rates) - min(rates) <= ALIKE * max(abs(rates[0]), abs(slope))
    return nearest[0] if slopes and line and rates[0] > MINOR * slope else None
