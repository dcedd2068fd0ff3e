"""What differences of a point to both sides tell: slopes, their errors, curvatures.

Half of what the slopes to both sides differ by is the curvature along a coordinate, times how
far from the point the slopes to one side are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from smoothmin._factors import MINOR, OTHER_ORDER
from smoothmin._machine import SUMMED
from smoothmin._protocol import Array, Mask


@dataclass(frozen=True, slots=True)
class BothSides:
    """Differences to both sides; all arrays of shape (n,).

    Parameters
    ----------
    central : ndarray
        Mean of the slopes to both sides.
    free : ndarray
        The same without what pushes against bounds.
    error : ndarray
        What slopes to one side are off by.
    change : ndarray
        What they would be off by had no earlier curvature been made use of.
    rounded : ndarray
        What rounding of values makes of a slope.
    displaced : ndarray
        How far ahead the slopes to one side are.
    """

    central: Array
    free: Array
    error: Array
    change: Array
    rounded: Array
    displaced: Array

    @property
    def error_of_free(self) -> Array:
        """The error along the coordinates that no bound holds."""
        return np.where(self.free == 0, 0.0, self.error)

    @property
    def misleading(self) -> bool:
        """Whether slopes to one side are wrong by more than a tenth where both sides tell any."""
        seen = np.abs(self.free) > OTHER_ORDER * self.rounded
        return bool((np.abs(self.error) > MINOR * np.abs(self.free))[seen].any())

    @property
    def promised_alone(self) -> float:
        """The largest decrease that a slope and its curvature promise along a coordinate.

        Slopes that are the same on both sides tell of no curvature: values may be multiples.
        """
        with np.errstate(all="ignore"):
            along = self.free**2 * np.abs(self.displaced) / self._most
        return 0.5 * float(np.nanmax(along[self._bends], initial=0.0))

    @property
    def curvatures(self) -> Array:
        """Along the coordinates, the largest where there is none."""
        bend = self._most / np.abs(self.displaced)
        return np.where(self._bends, bend, np.max(bend, initial=1.0))

    @property
    def bent_down(self) -> Array:
        """Slopes along the coordinates on which values bend down, zero on others.

        No minimum bends down along a coordinate, whatever its slope.
        """
        down = (self.change * self.displaced < 0) & (np.abs(self.change) > self.rounded)
        return np.where(down, np.copysign(self.change, self.central), 0.0)

    @property
    def _bends(self) -> Mask:
        """Where slopes to both sides differ by more than their own rounding."""
        change = np.where(self.free == 0, 0.0, np.abs(self.change))
        differ: Mask = change > SUMMED * np.abs(self.central)
        return differ

    @property
    def _most(self) -> Array:
        """By how much slopes differ over the displacement, or may for rounding."""
        return np.maximum(np.abs(self.change), self.rounded)
