"""What the phases of a run share: their ledger, choices by credit, when to give up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from smoothmin._stopping import Progress

OPTIMISM = 100.0


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


Watch: TypeAlias = Callable[[Progress], str | None]


def hopeless(value: float, patience: int = 5) -> Watch:
    """A watch that fires when a run would have to go on for long to come below ``value``.

    That is `OPTIMISM` times as much decrease as in the last ``patience`` steps.
    """
    values: list[float] = []

    def watch(now: Progress) -> str | None:
        values.append(now.fun)
        if len(values) <= patience:
            return None
        expected = OPTIMISM * (min(values[:-patience]) - min(values))
        del values[: -2 * patience]
        return "Hopeless." if min(values) - expected > value else None

    return watch


@dataclass
class Arm:
    """A choice that earns credit by success."""

    value: Any
    wins: int = 0
    losses: int = 0

    def note(self, won: bool) -> None:
        """Count a trial."""
        self.wins += won
        self.losses += not won


def choose(arms: list[Arm], rng: np.random.Generator) -> Arm:
    """The arm with the highest draw from its success rate's posterior (Thompson)."""
    draws = [rng.beta(1 + arm.wins, 1 + arm.losses) for arm in arms]
    return arms[int(np.argmax(draws))]
