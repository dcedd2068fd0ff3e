"""Models of objective and constraints in a trust region, judged by an exact penalty.

References: M. J. D. Powell, "A direct search optimization method that models the objective and
constraint functions by linear interpolation" (1994); A. R. Conn, K. Scheinberg, L. N. Vicente,
*Introduction to Derivative-Free Optimization* (2009), Chapter 10, for when the radius may shrink.

Deviations: models are quadratic and made of all points there are; the price of the violation
follows the multipliers, up and down; which point is best is asked of all points at every price.
Where nothing more is promised at a point that violates constraints, the price is raised to the
dearest: what the run then ends at is a stationary point of the violation.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np

from smoothmin._factors import MINOR, SHORTEST, SMALL
from smoothmin._machine import SUMMED, TINY
from smoothmin._noise import DOUBTFUL, NOISE_FLOOR, POINTS, noise_along
from smoothmin._protocol import Array, Done, Multipliers, advance
from smoothmin._scale import FIRST_STEP, search_range
from smoothmin._verdict import NEGLIGIBLE, Knowledge
from smoothmin.derivative_free.constrained.models import WILD, Models, fit
from smoothmin.derivative_free.constrained.penalty_step import (
    PenaltyStep,
    Walls,
    merit,
    steered_step,
)
from smoothmin.derivative_free.constrained.state import (
    DEARER,
    FORGETTING,
    End,
    InterpolationState,
)
from smoothmin.derivative_free.settings import DerivativeFreeSettings
from smoothmin.subproblems.trust_region import EXCELLENT, FAST_GROWTH, GOOD, GROWTH, POOR

FARTHEST = 1e12  # radius, in units of the scale, beyond which nothing is a minimum
SHORT_STEP = 0.25  # in radii, below which a good step shrinks the radius
NOTHING = (math.inf, 0.0, math.inf)  # known of a prediction
WINDOW = 8  # predictions of which more than half have to be wrong
LOWERED = 0.5  # share of the violation that is worth a step where little else is promised


class TrustRegion:
    """A descent along models, which may be resumed."""

    def __init__(self, state: InterpolationState, xtol: float) -> None:
        self.state, self.last = state, xtol
        self.delta = FIRST_STEP
        self.models: Models | None = None
        self.knows: Knowledge | None = None  # at the end
        self._reliable = 0.0  # the last radius at which a prediction was right
        self._steep = self._reliable_steep = np.empty(0)
        # predicted decreases, their errors, and how much slopes change values over the radius
        self._recent = [NOTHING] * WINDOW
        self._listened = False  # whether noise was measured

    def start(self, z: Array) -> Generator[Any, Any, End | None]:
        """The first points, around one of the region, and the units of the sides."""
        state = self.state
        first = yield from state.evaluate(z[None])
        yield from state.evaluate(state.region.simplex(z, self.delta))
        if not len(state.bank.points):
            low, high = search_range(state.problem, z * state.scale, state.scale)
            spread = (
                state.rng.uniform(low, high, (DerivativeFreeSettings.sample * z.size, z.size))
                / state.scale
            )
            yield from state.evaluate(np.stack([state.region.beside(z, p) for p in spread]))
            if not len(state.bank.points):
                return End.NONFINITE
        centre = 0 if np.isfinite(first).all() else state.best()
        anything = np.full(first.shape[1], math.inf)
        models = fit(state.bank, centre, self.delta, None, anything, state.noise)
        sizes = np.abs(models.slopes).max(axis=1)
        tiny = TINY
        state.weight = 1.0 / np.maximum(sizes[1:], max(NEGLIGIBLE * sizes.max(), tiny))
        state.price = max(float(sizes[0]), NEGLIGIBLE * float(np.abs(models.values[0])), tiny)
        self._steep = self._reliable_steep = sizes / self.delta
        state.cheapest = state.price / DEARER
        state.steepened(state.price)
        yield state.iterate(self.delta)
        return None

    def restart(self) -> None:
        """Begin again, around the best point and near it."""
        self.delta = max(self.delta, SMALL * FIRST_STEP)
        self._recent = [NOTHING] * WINDOW

    def run(self) -> Generator[Any, Any, End]:
        """Descend from the best point."""
        state, lowest = self.state, math.inf
        while True:
            if self.delta > FARTHEST:
                return End.UNBOUNDED
            if self.delta <= self.last:
                level = state.merit(state.bank.values[state.best()])
                if self._kinked or not level < lowest or not self._reliable:
                    return End.STUCK
                lowest = level
                yield from self._afresh()
            models, found = self._plan()
            if found is None:
                return End.STUCK
            length = float(np.abs(found.step).max())
            if self._settled(models, found, length):
                if (yield from self._improve(models)):
                    continue
                if not self._dearer(models):
                    return End.CONVERGED
                self.delta *= SHORTEST
                continue
            new = state.region.towards(models.centre, models.centre + self.delta * found.step)
            values = yield from state.evaluate(new[None])
            change = state.merit(models.values) - state.merit(values[0])
            ratio = change / found.decrease if math.isfinite(change) else -math.inf
            self._note(models, found.decrease, change)
            if ratio >= GOOD:
                self._reliable, self._reliable_steep = self.delta, self._steep
            if ratio > 0:
                yield state.iterate(self.delta)
            yield from self._resize(models, ratio, length)
            state.cheapen(found.multipliers)
            if ratio < POOR and self._failing():
                end = yield from self._explained()
                if end is not None:
                    return end

    def _afresh(self) -> Generator[Any, Any, None]:
        """New points at the last radius at which a prediction was right, and no model."""
        state = self.state
        self.delta, self.models = self._reliable, None
        self._recent = [NOTHING] * WINDOW
        z = state.bank.points[state.best()]
        yield from state.evaluate(state.region.simplex(z, self.delta))

    def _plan(self) -> tuple[Models, PenaltyStep | None]:
        """Models around the best point, and their step, at a price for which both hold."""
        state = self.state
        while True:
            k = state.best()
            steep = self._steep * self.delta
            models = fit(state.bank, k, self.delta, self.models, steep, state.noise)
            if not (np.isfinite(models.slopes).all() and np.isfinite(models.hessians).all()):
                return models, None
            self.models = models
            now = np.abs(models.slopes).max(axis=1) / self.delta
            if not state.noise.any():  # of which slopes are soon made
                self._steep = np.maximum(FORGETTING * self._steep, now)
            state.steepened(FIRST_STEP * float(now[0]))
            walls = self._walls(models.centre)
            allowed = state.sides.allowed(models.values[1:])
            prices = state.price, state.weight, state.dearest
            found = steered_step(models, walls, *prices, allowed)
            state.price = found.price
            if state.best() == k:
                state.multipliers = self._multipliers(models, found)
                return models, found

    def look_close(self, radius: float) -> bool:
        """Learn multipliers from the points so near to the best, which were not steps.

        Whether models of these promise next to nothing, too.
        """
        self.delta = radius
        models, found = self._plan()
        if found is None:
            return False
        settled = self._settled(models, found, float(np.abs(found.step).max()))
        return settled or found.decrease <= NOISE_FLOOR * self.state.level

    def goes_on_farther(self) -> Generator[Any, Any, bool]:
        """Whether long steps lower the merit by more than noise, as along a slight slope."""
        state = self.state
        before = state.merit(state.bank.values[state.best()])
        self.delta = max(FIRST_STEP, self.delta)
        yield from self.run()
        now = state.merit(state.bank.values[state.best()])
        return now < before - NOISE_FLOOR * state.level

    def _walls(self, z: Array) -> Walls:
        region, delta = self.state.region, self.delta
        return Walls(
            np.minimum(0.0, np.maximum(region.low - z, -delta) / delta),
            np.maximum(0.0, np.minimum(region.high - z, delta) / delta),
            region.rows,
            np.maximum(0.0, region.room - region.rows @ z) / delta,
        )

    def _multipliers(self, models: Models, found: PenaltyStep) -> Multipliers:
        """In the user's sign and units."""
        state, delta = self.state, self.delta
        sides, region, before = state.sides, state.region, state.multipliers
        nonlinear, linear = np.zeros_like(before.nonlinear), np.zeros_like(before.linear)
        np.subtract.at(nonlinear, sides.index, sides.sign * found.multipliers)
        hard = found.hard_multipliers / delta
        np.subtract.at(linear, region.index, region.sign * hard / region.size)
        slopes = models.slopes_at(found.step)
        left = (slopes[0] + found.multipliers @ slopes[1:]) / delta + hard @ region.rows
        z = models.centre + delta * found.step
        near = NEGLIGIBLE * delta
        at_bound = (z <= region.low + near) | (z >= region.high - near)
        return Multipliers(linear, nonlinear, np.where(at_bound, left / state.scale, 0.0))

    def _settled(self, models: Models, found: PenaltyStep, length: float) -> bool:
        """Whether next to nothing is promised, of the violation neither."""
        state, sides = self.state, self.state.sides
        c = np.stack([models.values, models.at(found.step)])[:, 1:]
        if not sides.met(c[:1])[0]:
            now, then = sides.violation(c)
            if then < LOWERED * now:
                return False
        knows = self.knows = state.knowledge(
            End.CONVERGED.value, found.decrease, length * self.delta
        )
        return knows.invisible or knows.negligible

    def _dearer(self, models: Models) -> bool:
        """Raise the price where constraints are violated, unless it is the dearest."""
        state = self.state
        if state.sides.met(models.values[None, 1:])[0] or state.price >= state.dearest:
            return False
        state.price = min(DEARER * state.price, state.dearest)
        return True

    def _resize(self, models: Models, ratio: float, length: float) -> Generator[Any, Any, None]:
        """The next radius; where a prediction failed, maybe for want of points, one more."""
        if ratio >= GOOD:
            growth = FAST_GROWTH if ratio > EXCELLENT else GROWTH
            if length > SHORT_STEP:
                self.delta *= max(1.0, growth * length)
            else:
                self.delta *= max(SHORT_STEP, 2 * length)
        elif ratio >= POOR:
            self.delta *= max(0.5, length)
        else:
            # to the minimum of the parabola through the values
            shrunk = min(0.5, max(SHORTEST, 0.5 * length / (1 - ratio)))
            if ratio < -1 or not len(models.missing):
                self.delta *= shrunk
                yield from self._improve(models)
            elif not (yield from self._improve(models)):
                self.delta *= shrunk

    def _improve(self, models: Models) -> Generator[Any, Any, bool]:
        """A point in a direction where there is none near; false if none misses or has room."""
        state, z, delta = self.state, models.centre, self.delta
        for direction in models.missing:
            ends = [state.region.within(z, z + s * delta * direction) for s in (1.0, -1.0)]
            ends.sort(key=lambda e: merit(models.at((e - z) / delta), state.price, state.weight))
            ends += list(state.region.simplex(z, delta))
            for end in ends:
                if np.abs(models.missing @ (end - z)).max() >= 2 * MINOR * delta:
                    values = yield from state.evaluate(end[None])
                    rise = np.abs(values[0] - models.values)
                    return bool((rise <= WILD * self._steep * delta).all())
        return False

    def _note(self, models: Models, predicted: float, change: float) -> None:
        error = abs(change - predicted) if math.isfinite(change) else 0.0
        prices = np.append(1.0, self.state.price * self.state.weight)
        usual = float(prices @ np.abs(models.slopes).max(axis=1))
        self._recent = [*self._recent[1:], (predicted, error, usual)]

    def _failing(self) -> bool:
        """Whether the last predictions failed at radii where curvature does not explain it."""
        wrong = sum(e >= DOUBTFUL * p for p, e, _ in self._recent)
        return self.delta <= SMALL and wrong > WINDOW // 2

    def _explained(self) -> Generator[Any, Any, End | None]:
        """What predictions fail for: noise, which is measured once, or kinks."""
        state = self.state
        if not self._listened:
            self._listened = True
            state.noise = yield from _noise(state)
            if state.noise.any() and not (state.rounded and self._kinked):
                self._recent = [NOTHING] * WINDOW
                self._steep = self._reliable_steep
                # slopes show above the noise where they change values by several times as much
                shown = NOISE_FLOOR * state.level / max(float(self._steep[0]), 1e-300)
                self.delta = max(self.delta, self._reliable, min(FIRST_STEP, shown))
                self.models = None  # whose curvature is noise
                return None
        predicted = float(np.median([p for p, _, _ in self._recent]))
        if state.noise.any() and predicted <= NOISE_FLOOR * state.level:
            return End.NOISE
        return End.STUCK if state.rounded and self._kinked else None

    @property
    def _kinked(self) -> bool:
        """Whether errors are as large as slopes make values change: so do slopes change."""
        _, errors, usual = np.median(self._recent, axis=0)
        return bool(errors >= DOUBTFUL * usual)


def _noise(state: InterpolationState) -> Generator[Any, Any, Array]:
    """The noise of every function along a line into the region."""
    z = state.bank.points[state.best()]
    corner = state.region.simplex(z, 1.0)
    direction = state.rng.dirichlet(np.ones(z.size)) @ (corner - z)
    offsets = np.arange(POINTS)[:, None] / (POINTS - 1)
    known: dict[float, Array] = {}
    levels = np.zeros(state.bank.values.shape[1])
    for j in range(len(levels)):
        attempts = noise_along(lambda spacing: np.array([spacing]))
        spacing = advance(attempts)
        while not isinstance(spacing, Done):
            t = float(spacing[0])
            if t not in known:
                points = z + min(1.0, POINTS * t) * offsets * direction
                points = np.stack([state.region.towards(z, p) for p in points])
                known[t] = yield from state.evaluate(points)
            spacing = advance(attempts, known[t][:, j])
        nearest = known[min(known)][:, j]
        levels[j] = spacing.value or _scatter(nearest)
        values = np.concatenate([found[:, j] for found in known.values()])
        if j == 0 and len(np.unique(values)) <= len(values) // 2:
            state.stepped = True
    return levels


def _scatter(values: Array) -> float:
    """The deviation of values on the shortest line from a parabola, if they go up and down."""
    if not np.isfinite(values).all():
        return 0.0
    t = np.linspace(-1.0, 1.0, len(values))
    left = values - np.polynomial.polynomial.polyval(
        t, np.polynomial.polynomial.polyfit(t, values, 2)
    )
    turns = np.count_nonzero(np.diff(np.sign(np.diff(values))))
    level = float(np.linalg.norm(left)) / math.sqrt(len(values) - 3)
    return level if turns > 2 and level > SUMMED * float(np.abs(values).max()) else 0.0
