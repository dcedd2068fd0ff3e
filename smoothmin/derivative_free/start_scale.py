"""What the start says of the scale of its small elements."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from smoothmin._protocol import Answers, Array, Ask, Problem
from smoothmin._scale import START_SHARE


def start_scale(
    problem: Problem, scale: Array, shown: int, rng: np.random.Generator
) -> Generator[Ask, Answers, Array]:
    """The scale, (n,); a tenth of a start value near zero is its own if such steps lead lower.

    Measured for ``shown`` variables; the others are taken to be like most of these.
    """
    x0 = problem.x0
    near = START_SHARE * np.abs(x0)
    unclear = np.flatnonzero((near > 0) & (near < START_SHARE * scale))
    if len(unclear) == 0:
        return scale
    asked = rng.permutation(unclear)[:shown]
    sides = [np.diag(size)[asked] for size in (near, -near, scale, -scale)]
    points = problem.clip(x0 + np.concatenate([np.zeros((1, x0.size)), *sides]))
    found = (yield Ask(points, 0)).values[1:]
    values = np.where(np.isnan(found), np.inf, found)
    nearer, farther = values.reshape(2, 2, -1).min(axis=1)
    lower = asked[nearer < farther]
    if len(asked) < len(unclear):
        lower = unclear if 2 * len(lower) > len(asked) else unclear[:0]
    scale = scale.copy()
    scale[lower] = near[lower]
    return scale
