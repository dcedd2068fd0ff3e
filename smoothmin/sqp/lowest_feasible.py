"""The lowest feasible point that steps of "sqp" have led to."""

from __future__ import annotations

from smoothmin.sqp.certificate import KKTCertifier
from smoothmin.sqp.functions import Point, Sides
from smoothmin.sqp.program import Programs


class LowestFeasible:
    """Remembers it, and tells whether a run may end elsewhere."""

    def __init__(self, sides: Sides, programs: Programs, certifier: KKTCertifier) -> None:
        self._sides, self._programs, self._certifier = sides, programs, certifier
        self._point: Point | None = None

    def note(self, point: Point) -> None:
        """Remember a point if it is the lowest of those that are feasible."""
        lowest = self._point
        if (lowest is None or point.fun < lowest.fun) and self._certifier.feasible(point):
            self._point = point

    def left_behind(self, point: Point, noise: float) -> Point | None:
        """It, if it is lower than where the run ends by more than tolerances make.

        The merit function's weights may have risen since.
        """
        if (best := self._point) is None:
            return None
        allowed = float(self._programs.weights @ self._sides.allowed(best.rows))
        return best if best.fun < point.fun - noise - allowed else None

    def instead(self, point: Point) -> Point | None:
        """It, if the run ends at a point that is not feasible."""
        return None if self._certifier.feasible(point) else self._point
