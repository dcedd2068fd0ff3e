"""The lowest feasible point that steps of "sqp" have led to."""

from __future__ import annotations

from smoothmin.sqp.functions import Point
from smoothmin.sqp.program import Programs


class LowestFeasible:
    """Remembers it, and tells whether a run may end elsewhere."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self._point: Point | None = None

    def note(self, point: Point) -> None:
        """Remember a point if it is the lowest of those that are feasible."""
        lowest = self._point
        if (lowest is None or point.fun < lowest.fun) and point.feasible:
            self._point = point

    def left_behind(self, point: Point, noise: float) -> Point | None:
        """It, if it is lower than where the run ends by more than tolerances make.

        The merit function's weights may have risen since.
        """
        if (best := self._point) is None:
            return None
        allowed = float(self._programs.weights @ best.allowed)
        return best if best.fun < point.fun - noise - allowed else None

    def instead(self, point: Point) -> Point | None:
        """It, if the run ends at a point that is not feasible."""
        return None if point.feasible else self._point
