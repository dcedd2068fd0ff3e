"""What users call converged, said in SciPy's tolerances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from smoothmin._protocol import Array


@dataclass(frozen=True)
class Tolerances:
    """None of them by default; each method is a sentence where one is met, else empty.

    Parameters
    ----------
    fatol : float or None
        Change of the function by a step, or the fall that a program promises.
    gtol : float or None
        Largest element of the Lagrangian's gradient.
    xtol : float or None
        Length of a step.
    """

    fatol: float | None = None
    gtol: float | None = None
    xtol: float | None = None

    def of_program(self, fall: float, lagrangian: Array) -> str:
        """By what a program says; its promise is infinite where its matrix has learnt nothing."""
        if self.fatol is not None and fall <= self.fatol:
            return f"The function is promised to fall by {fall:.3g} <= fatol"
        if self.gtol is not None and (largest := float(np.abs(lagrangian).max())) <= self.gtol:
            return f"The Lagrangian's gradient has elements {largest:.3g} <= gtol"
        return ""

    def of_step(self, change: float, step: Array) -> str:
        """By what a step did."""
        if self.fatol is not None and abs(change) <= self.fatol:
            return f"The function changed by {abs(change):.3g} <= fatol"
        if self.xtol is not None and (length := float(np.linalg.norm(step))) <= self.xtol:
            return f"A step is {length:.3g} <= xtol long"
        return ""
