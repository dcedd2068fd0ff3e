"""Functions of extreme scale, brought to where squares of gradients are numbers.

A gradient of 1e160 has no squared length in floating point, nor one of 1e-170. The function
is multiplied by a power of two, which rounds nothing, and reports are divided by it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from smoothmin._protocol import (
    Answers,
    Ask,
    Differences,
    Finish,
    Iterate,
    Problem,
    Reply,
    Steps,
    resume,
)

SMALLEST, LARGEST = 1e-100, 1e100  # first gradients that are left as they are
LARGEST_VALUE = 1e150  # at the start, after small gradients were enlarged


def in_range(problem: Problem, run: Callable[[Problem], Steps]) -> Steps:
    """Run a method that begins by asking for its start, on the function in a fitting unit."""
    answers = yield Ask(problem.clip(problem.x0)[None], 1)
    assert answers.gradients is not None
    size = float(np.abs(answers.gradients).max())
    power = _power(size, abs(answers.values.item(0)))
    if power == 0:
        return (yield from _through(run(problem), answers))
    unit = 2.0**power
    differences = problem.differences
    if differences is not None:
        differences = _Scaled(differences, unit)
    steps = run(dataclasses.replace(problem, differences=differences))
    resume(steps, None)
    reply: Reply = _times(answers, unit)
    while True:
        message = resume(steps, reply)
        if isinstance(message, Finish):
            said = f"{message.message} These numbers are in units of {1 / unit:.3g}."
            return Finish(message.status, said, **_reported(message.info, unit))
        if isinstance(message, Ask):
            reply = _times((yield message), unit)
        else:
            grad = None if message.grad is None else message.grad / unit
            known = _reported(message.info, unit)
            reply = yield Iterate(message.x, message.fun / unit, grad, **known)


def _through(steps: Steps, answers: Answers) -> Steps:
    """The rest of a run whose first question has been answered."""
    resume(steps, None)
    message = resume(steps, answers)
    while not isinstance(message, Finish):
        message = resume(steps, (yield message))
    return message


def _power(size: float, value: float) -> int:
    """Of two, by which to multiply; 0 if all is well, or nothing is known."""
    if not 0 < size < math.inf or not value < math.inf or SMALLEST <= size <= LARGEST:
        return 0
    if size > LARGEST:
        return -math.ceil(math.log2(size) - math.log2(LARGEST))
    power = math.ceil(math.log2(SMALLEST) - math.log2(size))
    room = math.log2(LARGEST_VALUE) - math.log2(value) if value > 0 else math.inf
    return max(0, min(power, math.floor(min(room, 1e4))))


def _times(answers: Answers, unit: float) -> Answers:
    gradients = None if answers.gradients is None else answers.gradients * unit
    return Answers(answers.values * unit, gradients)


def _reported(info: dict[str, Any], unit: float) -> dict[str, Any]:
    """A stationarity is a gradient's length."""
    if "stationarity" not in info:
        return info
    return {**info, "stationarity": info["stationarity"] / unit}


class _Scaled:
    """Finite differences of the scaled function."""

    def __init__(self, differences: Differences, unit: float) -> None:
        self._differences, self._unit = differences, unit

    @property
    def resolution(self) -> float:
        """As it is."""
        return self._differences.resolution

    @property
    def displacement(self) -> float:
        """As it is."""
        return self._differences.displacement

    @property
    def resolves(self) -> bool:
        """As it is."""
        return self._differences.resolves

    @property
    def noise(self) -> float:
        """In the unit of the values."""
        return self._differences.noise * self._unit
