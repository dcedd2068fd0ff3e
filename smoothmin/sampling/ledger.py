"""What the phases of a run cost and gained."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Ledger:
    """What each kind of phase cost and gained."""

    nfev: dict[str, int] = field(default_factory=dict)
    gain: dict[str, float] = field(default_factory=dict)

    def add(self, phase: str, cost: int, gain: float) -> None:
        """Book a phase; the first finite value is no gain."""
        self.nfev[phase] = self.nfev.get(phase, 0) + cost
        if np.isfinite(gain):
            self.gain[phase] = self.gain.get(phase, 0.0) + gain

    def cost(self, *phases: str) -> int:
        """Evaluations of these phases."""
        return sum(self.nfev.get(phase, 0) for phase in phases)
