"""`Bandit`: choices that earn credit by success.

Reference: W. R. Thompson, "On the likelihood that one unknown probability exceeds another
in view of the evidence of two samples", Biometrika 25 (1933), :doi:`10.2307/2332286`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")


@dataclass
class Arm(Generic[T]):
    """A choice, and how often it paid."""

    value: T
    wins: int = 0
    losses: int = 0

    def note(self, won: bool) -> None:
        """Count a trial."""
        self.wins += won
        self.losses += not won


class Bandit(Generic[T]):
    """Arms with these values, chosen by their success rates' posteriors.

    Parameters
    ----------
    values : iterable
    each_first : bool, default False
        Whether every arm is tried once, in order, before credit counts.
    """

    def __init__(self, values: tuple[T, ...], each_first: bool = False) -> None:
        self.arms = [Arm(value) for value in values]
        self._each_first = each_first

    @property
    def untried(self) -> bool:
        """Whether there is an arm that nobody has tried."""
        return any(arm.wins + arm.losses == 0 for arm in self.arms)

    def choose(self, rng: np.random.Generator) -> Arm[T]:
        """The arm with the highest draw from its success rate's posterior."""
        if self._each_first and self.untried:
            return next(arm for arm in self.arms if arm.wins + arm.losses == 0)
        draws = [rng.beta(1 + arm.wins, 1 + arm.losses) for arm in self.arms]
        return self.arms[int(np.argmax(draws))]
