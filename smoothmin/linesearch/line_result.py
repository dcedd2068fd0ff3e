"""What a search along a line has seen: its trials, and the point it has come to."""

from __future__ import annotations

import math
from dataclasses import dataclass

from smoothmin._protocol import Array

MAX_TRIALS = 60


@dataclass(slots=True)
class LinePoint:
    """A point of the search: step length, position, value, gradient, slope there.

    The gradient is NaN where the value told enough; the slope is a parabola's then.
    """

    t: float
    x: Array
    fun: float
    grad: Array
    slope: float


@dataclass(slots=True)
class LineResult:
    """What a search found.

    ``wolfe``: both conditions hold at ``point``. ``lower``: ``point`` is at least
    lower than the start. ``trials``: all points tried, in order. ``slope``: that at the start.
    Of many variables only the last trials have positions and gradients: see `_Bracket.keep`.
    """

    point: LinePoint
    wolfe: bool
    lower: bool
    trials: list[LinePoint]
    slope: float

    @property
    def nfev(self) -> int:
        """Number of points tried."""
        return len(self.trials)

    @property
    def known(self) -> list[LinePoint]:
        """The trials of which there are position and gradient."""
        return [trial for trial in self.trials if trial.x.size]

    @property
    def highest(self) -> float:
        """The largest value of a trial; not finite if any is."""
        return max(trial.fun if trial.fun == trial.fun else math.inf for trial in self.trials)

    @property
    def walled(self) -> bool:
        """Whether there was a trial without a value."""
        return any(not math.isfinite(trial.fun) for trial in self.trials)

    @property
    def endless(self) -> bool:
        """Whether values still fell at the last trial, the longest of as many as are made."""
        last = self.trials[-1]
        farthest = max(trial.t for trial in self.trials)
        return self.nfev >= MAX_TRIALS and last is self.point and last.t == farthest
