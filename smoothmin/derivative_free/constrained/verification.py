"""Whether what models ended at may be called a minimum: fresh points tell."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np

from smoothmin._factors import MINOR
from smoothmin._machine import SUMMED, TINY
from smoothmin._protocol import Array
from smoothmin._scale import WIDE
from smoothmin._verdict import KINK, NEGLIGIBLE, SHORT
from smoothmin.derivative_free.constrained.models import Models
from smoothmin.derivative_free.constrained.state import InterpolationState


def distance(state: InterpolationState, models: Models) -> float:
    """Of fresh points, in units of the scale: so far that noise hides no change of slopes."""
    least = min(SHORT, max(SHORT**2, models.radius))
    if state.rounded:
        return least
    prices = _prices(state)
    steep, curved = _changes(models, prices)
    seen, tiny = state.level / MINOR**2, TINY
    far = min(seen / max(steep, tiny), math.sqrt(seen / max(KINK * curved, tiny)))
    return max(least, min(WIDE, far * models.radius))


def _changes(models: Models, prices: Array) -> tuple[float, float]:
    """What slopes and curvatures of objective and active sides change values over the radius."""
    steep = float(prices @ np.abs(models.slopes).max(axis=1))
    return steep, float(prices @ np.abs(models.hessians).max(axis=(1, 2)))


def around(
    state: InterpolationState, models: Models, size: float
) -> Generator[Any, Any, tuple[Array, Array]]:
    """Fresh points about so far away, one more than variables, and their values."""
    z, n = models.centre, models.centre.size
    ways = state.rng.standard_normal((n + 1, n))
    ways *= size / np.abs(ways).max(axis=1, keepdims=True)
    points = np.stack([state.region.beside(z, z + way) for way in ways])
    return points, (yield from state.evaluate(points))


def as_predicted(
    state: InterpolationState, models: Models, size: float
) -> Generator[Any, Any, bool]:
    """Whether values at fresh points are what the models predict.

    Next to a kink they are off by about as much as the slopes change there. Measured in units
    of the slopes of objective and active sides, since those of the Lagrangian vanish.
    """
    points, values = yield from around(state, models, size)
    if not np.isfinite(values).all():
        return False
    prices = _prices(state)
    steep, curved = _changes(models, prices)
    share = size / models.radius
    usual = share * max(steep, KINK * curved * share)
    blur = SUMMED * float(prices @ np.abs(models.values))
    if (values[:, 0] == models.values[0]).all() and not state.only_feasibility:
        return False  # a plateau
    told = np.stack([models.at((p - models.centre) / models.radius) for p in points])
    errors = np.abs(values - told) @ prices
    # errors of predictions by the slopes over the distance, and noise by such errors
    return bool((errors <= MINOR * usual + (blur + state.level) / MINOR).all())


def _prices(state: InterpolationState) -> Array:
    """Of the objective, which is one, and of the sides, their multipliers."""
    found = np.ones(1 + len(state.sides))
    if len(state.sides):
        multipliers = state.multipliers.nonlinear[state.sides.index]
        found[1:] = np.maximum(0.0, -state.sides.sign * multipliers)
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
    return state.merit(values[0]) < now - state.level / MINOR - SUMMED * abs(now) - fell
