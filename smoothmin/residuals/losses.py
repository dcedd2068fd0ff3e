"""What a residual costs: squares, robust losses of SciPy's, and losses with kinks.

A loss is a sum over the residuals ``r``. Smooth ones are SciPy's, ``f_scale^2 rho((r /
f_scale)^2) / 2``; "l1" is ``|r|`` and "quantile" ``max(q r, (q - 1) r)``, the pinball loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from smoothmin._check import require_one_of, require_real
from smoothmin._protocol import Array

SMOOTH = ("linear", "soft_l1", "huber", "cauchy", "arctan")
KINKED = ("l1", "quantile")


@dataclass(frozen=True)
class Loss:
    """A loss, with derivatives by the residuals.

    Parameters
    ----------
    name : str
        Of `SMOOTH` or `KINKED`, or "user".
    rho : callable or None
        The user's: ``rho(z)`` is an array (3, m) of the loss and two derivatives, as SciPy's.
    scale : float
        ``f_scale``.
    quantile : float
        Share of residuals that "quantile" leaves below zero.
    """

    name: str
    rho: Callable[[Array], Any] | None = None
    scale: float = 1.0
    quantile: float = 0.5

    @classmethod
    def of(cls, loss: Any, f_scale: Any, quantile: Any) -> Loss:
        """Check them."""
        require_real("f_scale", f_scale, above=0, below=np.inf)
        require_real("quantile", quantile, above=0, below=1)
        if callable(loss):
            return cls("user", loss, float(f_scale))
        require_one_of("loss", loss, (*SMOOTH, *KINKED))
        return cls(loss, None, float(f_scale), float(quantile))

    @property
    def kinked(self) -> bool:
        """Whether it has a kink at zero."""
        return self.name in KINKED

    @property
    def sides(self) -> tuple[float, float]:
        """Slopes of a kinked loss above and below zero, both positive."""
        return (1.0, 1.0) if self.name == "l1" else (self.quantile, 1 - self.quantile)

    def cost(self, r: Array) -> float:
        """The loss of residuals (m,)."""
        if self.name == "linear":
            return 0.5 * float(r @ r)
        if self.kinked:
            above, below = self.sides
            return float(np.where(r > 0, above * r, -below * r).sum())
        return 0.5 * self.scale**2 * float(self._rho(r)[0].sum())

    def slopes(self, r: Array) -> Array:
        """Derivatives by the residuals; at a kink, zero."""
        if self.name == "linear":
            return r
        if self.kinked:
            above, below = self.sides
            return np.where(r > 0, above, np.where(r < 0, -below, 0.0))
        found: Array = r * self._rho(r)[1]
        return found

    def bends(self, r: Array) -> Array:
        """Second derivatives, not negative: a model of the rest is convex."""
        if self.name == "linear":
            return np.ones_like(r)
        if self.kinked:
            return np.zeros_like(r)
        rho = self._rho(r)
        bends: Array = np.maximum(rho[1] + 2 * rho[2] * (r / self.scale) ** 2, 0.0)
        return bends

    def _rho(self, r: Array) -> Array:
        """The loss and its derivatives by ``z = (r / scale)^2``, (3, m)."""
        z = (r / self.scale) ** 2
        if self.rho is not None:
            found = np.asarray(self.rho(z), dtype=float)
            if found.shape != (3, r.size):
                raise ValueError(f"loss must return an array (3, {r.size}), got {found.shape}")
            return found
        if self.name == "huber":
            near, root = z <= 1, np.sqrt(np.maximum(z, 1.0))
            return np.array([
                np.where(near, z, 2 * root - 1),
                np.where(near, 1.0, 1 / root),
                np.where(near, 0.0, -0.5 / root**3),
            ])  # fmt: skip
        t = 1 + z
        if self.name == "soft_l1":
            return np.array([2 * (np.sqrt(t) - 1), 1 / np.sqrt(t), -1 / (2 * t * np.sqrt(t))])
        if self.name == "cauchy":
            return np.array([np.log1p(z), 1 / t, -1 / t**2])
        t = 1 + z**2
        return np.array([np.arctan(z), 1 / t, -2 * z / t**2])


LINEAR = Loss("linear")
