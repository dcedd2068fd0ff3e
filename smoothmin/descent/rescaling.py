"""Functions of extreme scale, brought to where squares of gradients are numbers.

A gradient of 1e160 has no squared length in floating point, nor one of 1e-170. The function
is multiplied by a power of two, which rounds nothing, and reports are divided by it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from smoothmin._estimate import ESTIMATE
from smoothmin._machine import HUGE, TINY
from smoothmin._protocol import (
    Answers,
    Array,
    Ask,
    Differences,
    Finish,
    Iterate,
    Problem,
    Steps,
    resume,
)
from smoothmin._reformulate import Reformulation, SeenDifferences, relay
from smoothmin._resumable import Beginning, Begun


def in_range(problem: Problem, run: Callable[[Problem], Steps]) -> Steps:
    """Run a method that begins by asking for its start, on the function in a fitting unit."""

    def begin() -> Generator[Ask, Any, Beginning]:
        answers = yield Ask(problem.clip(problem.x0)[None], 1)
        value, gradient = answers.first()
        power = _power(float(np.abs(gradient).max()), abs(value))
        shown = problem
        if power != 0 and problem.differences is not None:
            differences = _ScaledDifferences(problem.differences, 2.0**power)
            shown = dataclasses.replace(problem, differences=differences)
        steps = run(shown)
        resume(steps, None)  # asks for the start
        if power == 0:
            return steps, answers
        view = _InUnit(2.0**power)
        return relay(view, steps, view.inward(answers)), None

    return Begun(begin)


class _InUnit(Reformulation):
    """The function multiplied by ``unit``."""

    def __init__(self, unit: float) -> None:
        self._unit = unit

    def inward(self, answers: Answers) -> Answers:
        """Multiplied."""
        gradients = None if answers.gradients is None else answers.gradients * self._unit
        rows, jacobians = answers.rows, answers.jacobians
        return Answers(answers.values * self._unit, gradients, rows, jacobians)

    def iterate(self, message: Iterate) -> Iterate:
        """Divided."""
        unit = self._unit
        grad = None if message.grad is None else message.grad / unit
        return Iterate(message.x, message.fun / unit, grad, **_reported(message.info, unit))

    def finish(self, message: Finish) -> Finish:
        """With a word on the numbers it names."""
        sentence = f"{message.message} These numbers are in units of {1 / self._unit:.3g}."
        return Finish(message.status, sentence, **_reported(message.info, self._unit))


def _power(size: float, value: float) -> int:
    """Of two, by which to multiply; 0 if all is well, or nothing is known."""
    if not 0 < size < math.inf or not value < math.inf or 1 / HUGE <= size <= HUGE:
        return 0
    if size > HUGE:
        return -math.ceil(math.log2(size / HUGE))
    power = -math.floor(math.log2(size) + math.log2(HUGE))
    room = math.log2(HUGE) - math.log2(max(value, TINY))
    return max(0, min(power, math.floor(room)))


def _reported(info: dict[str, Any], unit: float) -> dict[str, Any]:
    """A stationarity is a gradient's length, an inverse Hessian that of the function."""
    if "stationarity" in info:
        info = {**info, "stationarity": info["stationarity"] / unit}
    if "multipliers" in info:
        info = {**info, "multipliers": info["multipliers"].divided(unit)}
    if ESTIMATE in info:
        info = {**info, ESTIMATE: info[ESTIMATE].multiplied(unit)}
    return info


class _ScaledDifferences(SeenDifferences):
    """Finite differences of the scaled function."""

    def __init__(self, differences: Differences, unit: float) -> None:
        super().__init__(differences)
        self._unit = unit

    def correct(self, x: Array, error: Array) -> None:
        """In the function's own unit."""
        super().correct(x, error / self._unit)

    def corrected(self, x: Array) -> Array:
        """In the unit of the values."""
        return super().corrected(x) * self._unit

    @property
    def noise(self) -> float:
        """In the unit of the values."""
        return super().noise * self._unit
