"""`KinkedLine`: the minimum of a function with kinks on a line, by secants from both sides.

Reference: R. Mifflin, J.-J. Strodiot, "A bracketing technique to ensure desirable
convergence in univariate minimization", Math. Program. 43 (1989) (polyhedral steps).

Deviations: values only, hence secants instead of tangents. Those of a convex function,
extended, are below it, so the point where two cross shows how low it can be at most.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

STEEPER = 1.5  # slope after the last point, in units of the secant before it, if nothing is known


class KinkedLine:
    """Points t on a line in ascending order, and their values.

    Parameters
    ----------
    t, values : list of float
        At least two; the lowest is not the last.
    slope : float
        At the first, negative.
    """

    def __init__(self, t: list[float], values: list[float], slope: float) -> None:
        self.t, self.values, self._slope = t, values, slope

    @property
    def lowest(self) -> int:
        """Index of the lowest point."""
        return self.values.index(min(self.values))

    def narrow(
        self, value: Callable[[float], Generator[Any, Any, float]], trials: int, gain: float
    ) -> Generator[Any, Any, None]:
        """Evaluate where secants cross, while that may add to the decrease.

        Parameters
        ----------
        value : callable
            A generator that asks for the value at ``t`` and returns it.
        trials : int
            Most values.
        gain : float
            Share of the decrease that the next one has to promise.
        """
        for _ in range(trials):
            crossings = [found for k in (self.lowest - 1, self.lowest) if (found := self._cross(k))]
            if not crossings:
                return
            bound, t, k = min(crossings)
            if min(self.values) - bound < gain * (self.values[0] - bound):
                return
            f = yield from value(t)
            if not f < float("inf"):
                return
            self.t.insert(k, t)
            self.values.insert(k, f)

    def _cross(self, k: int) -> tuple[float, float, int] | None:
        """Lower bound between points k and k + 1, where it is, and the index it would get."""
        t, f = self.t, self.values
        if k < 0 or k + 1 >= len(t):
            return None
        left = self._secant(k - 1) if k > 0 else self._slope
        if k + 2 < len(t):
            right = self._secant(k + 1)
        else:  # as steep as it was downwards
            right, secant = -self._slope, self._secant(k)
            if right <= secant:
                right = STEEPER * secant
        if not left < right:
            return None
        at = (f[k + 1] - f[k] + left * t[k] - right * t[k + 1]) / (left - right)
        if not t[k] < at < t[k + 1]:
            return None
        return f[k] + left * (at - t[k]), at, k + 1

    def _secant(self, k: int) -> float:
        return (self.values[k + 1] - self.values[k]) / (self.t[k + 1] - self.t[k])
