"""What a descent has observed lately: values, points, and sizes of gradients.

"Lately" is the last half of the steps, so that nothing depends on how a run began.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from smoothmin._protocol import Array

WINDOWS, FEWEST = 4, 3  # shares of the last half of the steps, of so many steps at least
SIDES = 4  # steps of which some have led to another side of a kink, if there is one
SHRUNK = 10.0  # times a gradient that one on another side of a kink may be larger at most


class Recent:
    """Values (each lower than the last, but for noise) and gradient sizes, step by step."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget the steps, since values no longer compare."""
        self._values: list[float] = []
        self._sizes: list[float] = []
        self._marks: deque[Array] = deque(maxlen=2)

    def add(self, x: Array, value: float, size: float) -> None:
        """Take note of an iterate, its value, and the length of its gradient."""
        steps = len(self._values)
        self._values.append(value)
        self._sizes.append(size)
        if steps > 0 and steps & (steps - 1) == 0:  # a power of two
            self._marks.append(x)

    def moved(self, x: Array) -> float:
        """How far ``x`` is from where the descent was a half to three quarters of its steps ago."""
        away = x - self._marks[0] if self._marks else np.zeros(1)
        return math.sqrt(away.dot(away))

    @property
    def steps(self) -> int:
        """Steps made so far."""
        return len(self._values) - 1

    @property
    def value(self) -> float:
        """The last value."""
        return self._values[-1]

    @property
    def fall(self) -> float:
        """By how much the value fell in the last half of the steps."""
        return self._gain(len(self._values) - self._half) if self.steps else 0.0

    @property
    def changes(self) -> tuple[tuple[float, float], ...]:
        """By how much the value fell in the last half of the steps, and in shares of that.

        Pairs of share, each half of the one before, and fall. The first step is the start's.
        """
        width = len(self._values) - self._half if self.steps else 0
        shares = [0.5**k for k in range(WINDOWS) if k == 0 or width * 0.5**k >= FEWEST]
        return tuple((share, self._gain(round(width * share))) for share in shares)

    def extrapolated(self, noise: float) -> float:
        """Sum of the gains to come if they go on shrinking as in the last steps.

        Aitken's rule for two windows, an eighth of the last half of the steps each; 0 where
        the last gains are no more than noise.
        """
        width = max(FEWEST, self.steps // 16)
        if self.steps < 2 * width:
            return 0.0
        last = self._gain(width)
        earlier = self._gain(2 * width) - last
        if last <= noise:
            return 0.0
        return last * last / (earlier - last) if last < earlier else math.inf

    @property
    def steepness(self) -> float:
        """The gradient's size in units of the largest lately; 0 before there is a history."""
        if self.steps < 2 * SIDES:
            return 0.0
        largest = max(self._sizes[self.steps // 4 :])
        if not largest > 0:
            return 0.0
        # at a kink it depends on the side, so the largest of a few counts, unless the last is
        # much smaller than a side of a kink
        return min(max(self._sizes[-SIDES:]), SHRUNK * self._sizes[-1]) / largest

    @property
    def left(self) -> float:
        """The last gradient's size in units of the largest."""
        largest = max(self._sizes, default=0.0)
        return self._sizes[-1] / largest if largest > 0 else 0.0

    def gained(self, steps: int) -> float:
        """Decrease in the last ``steps``; infinite if there were fewer."""
        return self._values[-1 - steps] - self._values[-1] if self.steps >= steps else math.inf

    @property
    def _half(self) -> int:
        return len(self._values) // 2 + 1 if self.steps > 1 else len(self._values)

    def _gain(self, steps: int) -> float:
        if not 0 < steps < len(self._values):
            return 0.0
        gain = self._values[-1 - steps] - self._values[-1]
        return gain if math.isfinite(gain) else 0.0
