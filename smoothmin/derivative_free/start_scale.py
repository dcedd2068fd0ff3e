"""What the start says of the scale of its small elements."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from smoothmin._protocol import Answers, Array, Ask, Problem
from smoothmin._scale import START_SHARE
from smoothmin.derivative_free.settings import DerivativeFreeSettings


def start_scale(
    problem: Problem, scale: Array, settings: DerivativeFreeSettings, rng: np.random.Generator
) -> Generator[Ask, Answers, Array]:
    """The scale, (n,); a tenth of a start value near zero is its own if such steps lead lower."""
    x0 = problem.x0
    near = START_SHARE * np.abs(x0)
    unclear = np.flatnonzero((near > 0) & (near < settings.unclear * scale))
    if len(unclear) == 0:
        return scale
    shown = rng.permutation(unclear)[: settings.shown]
    sides = [np.diag(size)[shown] for size in (near, -near, scale, -scale)]
    points = problem.clip(x0 + np.concatenate([np.zeros((1, x0.size)), *sides]))
    found = (yield Ask(points, 0)).values[1:]
    values = np.where(np.isnan(found), np.inf, found)
    nearer, farther = values.reshape(2, 2, -1).min(axis=1)
    lower = shown[nearer < farther]
    if len(shown) < len(unclear):  # the others are taken to be like most of them
        lower = unclear if 2 * len(lower) > len(shown) else unclear[:0]
    scale = scale.copy()
    scale[lower] = near[lower]
    return scale
