"""How nearly a point is stationary, and what a run may say when it ends there."""

from __future__ import annotations

from dataclasses import dataclass

from smoothmin._protocol import Finish
from smoothmin._status import Status


@dataclass(frozen=True)
class Certificate:
    """Zero lies within ``stationarity`` of the hull of gradients within ``radius``."""

    stationarity: float
    radius: float

    def success(self, stationarity_tol: float, radius_tol: float) -> Finish | None:
        """The end, if both tolerances are met."""
        if self.stationarity > stationarity_tol or self.radius > radius_tol:
            return None
        return self._finish(
            Status.CONVERGED,
            f"Stationarity {self.stationarity:.3g} <= {stationarity_tol:.3g} "
            f"within radius {self.radius:.3g} <= {radius_tol:.3g}.",
        )

    def failure(self) -> Finish:
        """The end, where no more can be done."""
        return self._finish(
            Status.PRECISION,
            f"No descent within radius {self.radius:.3g}, but no certificate either: "
            f"stationarity {self.stationarity:.3g}.",
        )

    def _finish(self, status: Status, message: str) -> Finish:
        return Finish(status, message, stationarity=self.stationarity, radius=self.radius)
