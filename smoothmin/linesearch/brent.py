"""`Valley`: a bracket of a minimum on a line.

Reference: R. P. Brent, *Algorithms for Minimization Without Derivatives* (1973), Chapter
5, for parabolic steps and golden sections within a bracket.

Deviation: a golden section follows two steps that have not halved the bracket, as where
the curvature jumps at the minimum.
"""

from __future__ import annotations

import math

import numpy as np

from smoothmin._machine import HALF_OF_DIGITS

PATIENCE = 2  # steps in a row that may leave more than half of the bracket
EDGE = 1e-3  # share of the bracket, so near to its ends parabolic steps are refused


class Valley:
    """A bracket ``a <= m <= b`` with ``m`` the lowest, and the parabola through the three.

    Parameters
    ----------
    points : three floats
        Ascending. Where two are the same, the minimum is at an end of the line.
    values : three floats
        The values there.
    """

    def __init__(
        self, points: tuple[float, float, float], values: tuple[float, float, float]
    ) -> None:
        self._a, self.m, self._b = points
        self._f_a, self.f_m, self._f_b = values
        self._slow = 0  # steps in a row that left more than half of the bracket
        self._foretell()

    @property
    def width(self) -> float:
        """Of the bracket."""
        return self._b - self._a

    def _foretell(self) -> None:
        """Where the parabola has its vertex, and how far below ``m``; NaN and 0 if nowhere."""
        left, right = self._a - self.m, self._b - self.m
        self.vertex, self.decrease = np.nan, 0.0
        if not left < 0 < right or not np.isfinite(self._f_a + self._f_b):
            return
        fall, rise = (self._f_a - self.f_m) / left, (self._f_b - self.f_m) / right
        curvature = (rise - fall) / (right - left)
        if curvature > 0:
            slope = fall - curvature * left
            self.vertex = self.m - 0.5 * slope / curvature
            self.decrease = slope * slope / (4 * curvature)

    def next_point(self) -> float:
        """The vertex, or a golden section of the larger part where that is no good."""
        a, m, b = self._a, self.m, self._b
        edge = EDGE * (b - a)
        same = HALF_OF_DIGITS * (b - a)
        inside = a + edge < self.vertex < b - edge and abs(self.vertex - m) > same
        if inside and self._slow < PATIENCE:
            return self.vertex
        golden = (3 - math.sqrt(5)) / 2
        return m + golden * ((b - m) if b - m > m - a else (a - m))

    def add(self, u: float, f_u: float) -> None:
        """Shrink the bracket by the value at ``u``."""
        width = self._b - self._a
        if f_u < self.f_m:
            if u < self.m:
                self._b, self._f_b = self.m, self.f_m
            else:
                self._a, self._f_a = self.m, self.f_m
            self.m, self.f_m = u, f_u
        elif u < self.m:
            self._a, self._f_a = u, f_u
        else:
            self._b, self._f_b = u, f_u
        self._slow = self._slow + 1 if self._b - self._a > 0.5 * width else 0
        self._foretell()
