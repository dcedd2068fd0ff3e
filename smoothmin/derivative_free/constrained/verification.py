"""Whether what models ended at may be called a minimum: fresh points tell."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from smoothmin._noise import SUMMED
from smoothmin._verdict import KINK, NEGLIGIBLE
from smoothmin.derivative_free.constrained.models import Models
from smoothmin.derivative_free.constrained.state import InterpolationState

LARGEST, LEAST = 1e-3, 1e-6  # of the distance of fresh points, in units of the scale
WITHIN = 0.1  # error of a predicted change, in units of the slopes over the distance


def distance(models: Models) -> float:
    """Of fresh points, in units of the scale."""
    return min(LARGEST, max(LEAST, models.radius))


def as_predicted(state: InterpolationState, models: Models) -> Generator[Any, Any, bool]:
    """Whether values at fresh points, one more than variables, are what the models predict.

    Next to a kink they are off by about as much as the slopes change there. Measured in units
    of the slopes of objective and active sides, since those of the Lagrangian vanish.
    """
    z, n = models.centre, models.centre.size
    size = distance(models)
    ways = state.rng.standard_normal((n + 1, n))
    ways *= size / np.abs(ways).max(axis=1, keepdims=True)
    points = np.stack([state.region.beside(z, z + way) for way in ways])
    values = yield from state.evaluate(points)
    if not np.isfinite(values).all():
        return False
    prices = np.append(1.0, _prices(state))
    steep = np.abs(models.slopes).max(axis=1) * size / models.radius
    usual = float(prices @ steep)
    blur = SUMMED * float(prices @ np.abs(models.values))
    if (values[:, 0] == models.values[0]).all() and not state.only_feasibility:
        return False  # a plateau
    told = np.stack([models.at((p - z) / models.radius) for p in points])
    errors = np.abs(values - told) @ prices
    curved = float(prices @ np.abs(models.hessians).max(axis=(1, 2))) * (size / models.radius) ** 2
    return bool((errors <= WITHIN * max(usual, KINK * curved) + 10 * blur + 10 * state.level).all())


def _prices(state: InterpolationState) -> np.ndarray:
    """Of the sides, their multipliers; the price of those violated beyond what multipliers say."""
    found = np.zeros(len(state.sides))
    rows = state.multipliers.nonlinear
    if len(found):
        found = np.maximum(0.0, -state.sides.sign * rows[state.sides.index])
    return found


def still_falling(state: InterpolationState) -> Generator[Any, Any, bool]:
    """Whether a feasible point is lower as far beyond the best as that is from the start."""
    k = state.best()
    z, start = state.bank.points[k], state.bank.points[0]
    beyond = state.region.within(z, 2 * z - start)
    if np.array_equal(beyond, z):
        return False
    values = yield from state.evaluate(beyond[None])
    now = state.merit(state.bank.values[k])
    if not state.sides.met(values[:, 1:])[0]:
        return False
    # the last digits, where the best is next to a bound, are no fall
    fell = NEGLIGIBLE * max(0.0, state.merit(state.bank.values[0]) - now)
    return state.merit(values[0]) < now - 10 * state.level - SUMMED * abs(now) - fell
