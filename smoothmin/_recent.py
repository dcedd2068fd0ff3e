"""What a descent has observed lately: values, points, and sizes of gradients.

"Lately" is the last half of the steps, so that nothing depends on how a run began.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from smoothmin._factors import OTHER_ORDER, WITNESSES
from smoothmin._protocol import Array

WINDOWS = 4  # shares of the last half of the steps
SPAN = 10  # steps, or evaluations, whose gains are compared with those of others
SIDES = 4  # steps of which some have led to another side of a kink, if there is one


def faded(mean: float, value: float) -> float:
    """A mean of values that are as many steps old, on average, as show both sides of a kink."""
    return mean + (value - mean) / (SIDES + 1)


class Recent:
    """Values (each lower than the last, but for noise) and gradient sizes, step by step.

    Attributes
    ----------
    steps : int
        Steps made so far; -1 before there is a start.
    afar : float
        A gradient's size away from a start that is nearly a minimum, where that is known: what
        gradients are to be small beside there.
    """

    def __init__(self) -> None:
        self.afar = 0.0
        self.clear()

    def clear(self) -> None:
        """Forget the steps, since values no longer compare."""
        self._values: list[float] = []
        self._curvatures: list[float] = []
        self._promised_at: list[int] = []  # steps after which something was promised, ...
        self._promises: list[float] = []  # ... and how much
        self._sizes: deque[float] = deque(maxlen=SIDES)
        self._largest: deque[tuple[int, float]] = deque()  # steps whose later ones were smaller
        self._marks: deque[tuple[Array, float]] = deque(maxlen=2)
        self.steps = -1
        self.value = math.nan  # the last
        self.fall = 0.0  # by how much it fell in the last half of the steps
        self._steepness: float | None = 0.0  # asked for often, once it has been

    def add(self, x: Array, value: float, size: float, curvature: float = 0.0) -> None:
        """Take note of an iterate, its value, its gradient's length, curvature on the way there."""
        self.steps = steps = len(self._values)
        self._values.append(value)
        self.value = value
        self._curvatures.append(curvature)
        self._sizes.append(size)
        self.fall = self._gain(steps // 2)
        largest = self._largest
        while largest and largest[-1][1] <= size:
            largest.pop()
        largest.append((steps, size))
        self._steepness = None
        if steps & (steps - 1) == 0 and steps:  # a power of two
            self._marks.append((x, value))

    def promise(self, decrease: float) -> None:
        """Take note of the decrease that is promised at the last iterate."""
        if 0 < decrease < math.inf:
            self._promised_at.append(self.steps)
            self._promises.append(decrease)

    def exceeded(self, noise: float) -> float:
        """By which factor values have fallen farther than was promised; at least 1.

        A model that is right promises all that is to come. Promises count the less the longer
        ago they were made: the factor's power is their place among all steps.
        """
        if not self._promises:
            return 1.0
        steps = np.array(self._promised_at)
        falls = np.array(self._values)[steps] - (self._values[-1] + noise)
        factors = np.maximum(falls / self._promises, 1.0) ** (steps / max(self.steps, 1))
        return float(factors[np.isfinite(factors)].max(initial=1.0))

    def moved(self, x: Array) -> float:
        """How far ``x`` is from where the descent was a half to three quarters of its steps ago."""
        away = x - self._marks[0][0] if self._marks else np.zeros(1)
        return math.sqrt(away.dot(away))

    def far(self, x: Array, length: float) -> float:
        """The length of a step from ``x``, in units of how far steps led lately."""
        moved = self.moved(x)
        return length / moved if moved > 0 else math.inf

    @property
    def fallen(self) -> float:
        """By how much the value fell on the way that `moved` is the length of."""
        return self._marks[0][1] - self.value if self._marks else 0.0

    def curvature(self, since: int | None = None) -> float:
        """The largest in the last quarter of the steps, or since a step."""
        first = -max(WITNESSES, self.steps // 4) if since is None else since
        return max(self._curvatures[first:], default=0.0)

    @property
    def changes(self) -> tuple[tuple[float, float], ...]:
        """By how much the value fell in the last half of the steps, and in shares of that.

        Pairs of share, each half of the one before, and fall. The first step is the start's.
        """
        width = self.steps // 2
        shares = [0.5**k for k in range(WINDOWS) if k == 0 or width * 0.5**k >= WITNESSES]
        return tuple((share, self._gain(round(width * share))) for share in shares)

    @property
    def last_fall(self) -> float:
        """By how much the last step lowered the value; infinite before the first."""
        return self._gain(1) if self.steps > 0 else math.inf

    def extrapolated(self, noise: float) -> float:
        """Sum of the gains to come if they go on shrinking as in the last steps.

        Aitken's rule for two windows, an eighth of the last half of the steps each; 0 where
        the last gains are no more than noise.
        """
        width = max(WITNESSES, self.steps // 16)
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
        if self._steepness is None:
            self._steepness = self._steep() if self.steps >= 2 * SIDES else 0.0
        return self._steepness

    def steepness_with(self, size: float) -> float:
        """The same where the gradient has this size at the last iterate."""
        largest = self.largest
        return min(self.steepness, OTHER_ORDER * size / largest) if largest > 0 else 0.0

    def _steep(self) -> float:
        while self._largest[0][0] < self.steps // 4:
            self._largest.popleft()
        largest = max(self.afar, self._largest[0][1])
        if not largest > 0:
            return 0.0
        # at a kink it depends on the side, so the largest of a few counts, unless the last is
        # much smaller than a side of a kink
        return min(max(self._sizes), OTHER_ORDER * self._sizes[-1]) / largest

    @property
    def largest(self) -> float:
        """The size of the largest gradient lately, however few the steps."""
        return self._largest[0][1] if self._largest else 0.0

    @property
    def left(self) -> float:
        """The last gradient's size in units of the largest lately, however few the steps."""
        largest = self.largest
        return self._sizes[-1] / largest if largest > 0 else 0.0

    def gained(self, steps: int) -> float:
        """Decrease in the last ``steps``; infinite if there were fewer."""
        return self._values[-1 - steps] - self._values[-1] if self.steps >= steps else math.inf

    def _gain(self, steps: int) -> float:
        if not 0 < steps < len(self._values):
            return 0.0
        gain = self._values[-1 - steps] - self.value
        return gain if gain - gain == 0 else 0.0
