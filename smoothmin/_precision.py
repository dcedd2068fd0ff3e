"""Finds whether values were computed in single precision, though they come as doubles."""

from __future__ import annotations

import math

import numpy as np

from smoothmin._factors import WITNESSES
from smoothmin._machine import EPS

SINGLE = float(np.finfo(np.float32).eps)
ROUNDINGS = 4.0  # units of rounding that a difference of two values may be off by
SINGLE_BITS = int(np.finfo(np.float32).nmant)  # of a mantissa behind its first


class Precision:
    """What the mantissas of a function's values tell of their type."""

    def __init__(self) -> None:
        self._evidence = 0
        self.known = False  # whether further values tell no more

    def add(self, value: float) -> None:
        """Look at the mantissa of a value."""
        if self.known or not math.isfinite(value):
            return
        mantissa = 2 * math.frexp(value)[0]
        self.known = not math.ldexp(mantissa, SINGLE_BITS).is_integer()
        # one of half as many bits may be a round number instead
        self._evidence += not math.ldexp(mantissa, SINGLE_BITS // 2).is_integer()

    @property
    def unit(self) -> float:
        """Rounding unit of the type that the values seem to have been computed in."""
        return SINGLE if not self.known and self._evidence >= WITNESSES else EPS
