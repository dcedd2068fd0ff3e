"""The user's tolerances for a descent: each that is met ends it with success."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from smoothmin._check import require_real
from smoothmin._protocol import Array


@dataclass(frozen=True, slots=True)
class Tolerances:
    """The user's, None where there is none; each one that is met ends the run with success.

    Parameters
    ----------
    gtol : float or None
        For the projected gradient's size.
    norm : float
        Order of the norm that is its size.
    ftol : float or None
        For the decrease in a step, in units of the larger of 1 and both values' sizes.
    fatol : float or None
        For the decrease in a step.
    xtol : float or None
        For the length of a step.
    xrtol : float or None
        For the same, in units of ``xrtol + |x|``.
    called : str
        What the user knows ``gtol`` as.
    """

    gtol: float | None = None
    norm: float = math.inf
    ftol: float | None = None
    fatol: float | None = None
    xtol: float | None = None
    xrtol: float | None = None
    called: str = "gtol"

    @property
    def for_steps(self) -> bool:
        """Whether any is for steps."""
        steps = (self.ftol, self.fatol, self.xtol, self.xrtol)
        return any(tolerance is not None for tolerance in steps)

    def check(self) -> None:
        """Raise for what is no tolerance."""
        for name in ("gtol", "ftol", "fatol", "xtol", "xrtol"):
            value = getattr(self, name)
            if value is not None:
                require_real(name, value, minimum=0)
        require_real("norm", self.norm)

    def flat(self, pg: Array) -> str:
        """The sentence, without a full stop, for a gradient that is small enough."""
        if self.gtol is None:
            return ""
        inf = self.norm == math.inf
        size = largest(pg) if inf else float(np.linalg.norm(pg, self.norm))
        what = "Gradient's largest element" if inf else f"Gradient's {self.norm:g}-norm"
        return f"{what} {size:.3g} <= {self.called}={self.gtol:.3g}" if size <= self.gtol else ""

    def short(self, before: float, f: float, length: float, start: float) -> str:
        """The same for a step that gained little, or led not far from where ``|x| = start``."""
        fall = before - f
        unit = max(abs(before), abs(f), 1.0)
        if self.ftol is not None and fall <= self.ftol * unit:
            return f"Decrease {fall:.3g} <= ftol={self.ftol:.3g} of the value"
        if self.fatol is not None and fall <= self.fatol:
            return f"Decrease {fall:.3g} <= fatol={self.fatol:.3g}"
        if self.xtol is not None and length <= self.xtol:
            return f"Step's length {length:.3g} <= xtol={self.xtol:.3g}"
        if self.xrtol is not None and length <= self.xrtol * (self.xrtol + start):
            return f"Step's length {length:.3g} <= xrtol={self.xrtol:.3g} of x"
        return ""


def largest(pg: Array) -> float:
    """The size of the largest element."""
    return float(np.abs(pg).max(initial=0.0))
