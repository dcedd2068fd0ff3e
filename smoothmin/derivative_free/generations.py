"""The values of a generation: whether they jump, or were predicted."""

from __future__ import annotations

import numpy as np

from smoothmin._protocol import Array
from smoothmin.derivative_free.quadratic_regression import kendall

JUMP = 3.0  # gap among values, by the range of those below: of a parabola it is less than 1


def jumps(values: Array) -> bool:
    """Whether a generation's values end or jump: a gap above their lowest quarter, or more."""
    found = np.sort(values[np.isfinite(values)])
    few = len(found) // 4
    if len(found) < len(values) or few == 0:
        return len(found) < len(values)
    gaps, below = np.diff(found)[few:], found[few:-1] - found[0]
    return bool((gaps > JUMP * below).any())


def foresight(predicted: list[tuple[float, float]]) -> float:
    """Kendall's tau of pairs of values that were predicted and then seen.

    A model of noise agrees with what it was fitted to, and predicts nothing. No value counts
    as a high one.
    """
    guessed, seen = np.array(predicted).T
    ended = ~np.isfinite(seen)
    seen = np.where(ended, np.max(seen, initial=-np.inf, where=~ended) + 1, seen)
    return kendall(guessed, seen)
