"""What each kind of phase cost and gained, and which share of the effort it may have."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Accounts:
    """Evaluations and decrease of every kind of phase."""

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


@dataclass(frozen=True)
class Share:
    """How much effort some phases may have, compared with others.

    Parameters
    ----------
    phases : tuple of str
        Whose effort is limited.
    of : tuple of str
        Whose effort it is compared with.
    factor : float
        Of the latter's cost.
    """

    phases: tuple[str, ...]
    of: tuple[str, ...]
    factor: float = 1.0

    def left(self, accounts: Accounts) -> bool:
        """Whether these phases have had less than their share."""
        return accounts.cost(*self.phases) < self.factor * accounts.cost(*self.of)
