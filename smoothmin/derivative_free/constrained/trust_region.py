"""Models of objective and constraints in a trust region, judged by an exact penalty.

References: M. J. D. Powell, "A direct search optimization method that models the objective and
constraint functions by linear interpolation" (1994); A. R. Conn, K. Scheinberg, L. N. Vicente,
*Introduction to Derivative-Free Optimization* (2009), Chapter 10, for when the radius may shrink.

Deviations: models are quadratic and made of all points there are; the price of the violation
follows the multipliers, up and down; which point is best is asked of all points at every price.
A row whose violation no step lowers keeps a bounded price: the run then ends at a stationary
point of the violation.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from smoothmin._noise import POINTS, noise_along
from smoothmin._protocol import Answers, Array, Ask, Done, Iterate, Problem, advance
from smoothmin._scale import search_range
from smoothmin._verdict import Knowledge
from smoothmin.derivative_free.constrained.linear_set import LinearSet
from smoothmin.derivative_free.constrained.models import INDEPENDENT, WILD, Bank, Models, fit
from smoothmin.derivative_free.constrained.penalty_step import (
    PenaltyStep,
    Walls,
    merit,
    steered_step,
)
from smoothmin.derivative_free.constrained.rows import Sides

POOR, GOOD, EXCELLENT = 0.1, 0.7, 0.9  # ratios of actual to predicted decrease
GROWTH, FAST_GROWTH = 2.0, 4.0  # of the radius after a good or an excellent step
FIRST = 0.5  # radius, in units of the scale
SHORT_STEP = 0.25  # in radii, below which a good step shrinks the radius
LEAST_SHRINKING, MOST_SHRINKING = 0.5, 0.1
CHEAPER = 0.1  # share of the price that all multipliers are below when it falls
FORGETTING = 0.7  # of what the price had to be, in a step
PRICES = 1e-3, 1e7  # least and greatest, in units of the first
SAMPLE = 10  # points per variable of a search for a start with finite values
DOUBTFUL = 0.5  # errors of the model relative to the changes it foretold
SMALL = 0.01  # radius from which curvature explains such errors no more
ROUNDING = 64 * float(np.finfo(float).eps)


class End(Enum):
    """Why a descent along models ended."""

    CONVERGED = "nothing more is promised"
    STUCK = "predictions fail at any radius"
    NOISE = "what is promised is below the noise"
    NONFINITE = "no finite values"


@dataclass
class State:
    """What the phases share.

    Parameters
    ----------
    problem : Problem
    scale : ndarray (n,)
        By which coordinates are divided.
    rng : Generator
    sides : Sides
    region : LinearSet
        The box and the linear rows.
    bank : Bank
    weight : ndarray (k,)
        Of the sides in the merit: the inverse of how much they first changed over a radius.
    price : float
        Of the weighted violation.
    noise : ndarray (1 + k,)
        Of objective and sides; zero where none was found.
    multipliers : ndarray (k,)
        Of the sides, in the units of the values.
    """

    problem: Problem
    scale: Array
    rng: np.random.Generator
    sides: Sides
    region: LinearSet
    bank: Bank
    weight: Array
    noise: Array
    multipliers: Array
    price: float = 1.0

    def evaluate(self, z: Array) -> Generator[Ask, Answers, Array]:
        """Values (m, 1 + k) at points, which are kept."""
        answers = yield Ask(self.outward(z), 0)
        c = np.empty((len(z), 0)) if answers.rows is None else self.sides.of_rows(answers.rows)
        values = np.column_stack([answers.values, c])
        self.bank.add(z, values)
        return values

    def outward(self, z: Array) -> Array:
        """In the user's units; clipped again, against rounding."""
        return self.problem.clip(z * self.scale)

    def merits(self) -> Array:
        """Of all points, in the order of their evaluation."""
        values = self.bank.values
        found: Array = values[:, 0] + self.price * (np.maximum(values[:, 1:], 0.0) @ self.weight)
        return found

    def merit(self, values: Array) -> float:
        """Of one point; infinite where it has no values."""
        found = merit(values, self.price, self.weight)
        return found if np.isfinite(values).all() else math.inf

    def best(self) -> int:
        """The point of least merit."""
        return int(self.merits().argmin())

    def iterate(self, radius: float) -> Iterate:
        """The best point, as a report."""
        k = self.best()
        return Iterate(
            self.outward(self.bank.points[k]), float(self.bank.values[k, 0]), radius=radius
        )

    def knowledge(self, message: str, promised: float, step: float) -> Knowledge:
        """What the judge wants to know; ``step`` is how far the promised point is."""
        merits = np.minimum.accumulate(self.merits())
        half = len(merits) // 2
        size = abs(float(merits[-1]))
        falls = [(1.0, float(merits[half] - merits[-1]))]
        now, then = self.best(), int(self.merits()[: half + 1].argmin())
        moved = float(np.abs(self.bank.points[now] - self.bank.points[then]).max())
        noise = float(self.noise[0] + self.price * (self.weight @ self.noise[1:]))
        return Knowledge(
            message,
            promised=promised,
            lately=tuple(falls),
            size=size,
            noise=noise + ROUNDING * max(size, float(np.abs(self.bank.values[now, 0]))),
            far=step / moved if moved > 0 else math.inf,
        )


class TrustRegion:
    """One descent along models."""

    def __init__(self, state: State, xtol: float) -> None:
        self.state, self.last = state, xtol
        self.delta = FIRST
        self.models: Models | None = None
        self.found: PenaltyStep | None = None
        self._steep = np.empty(0)
        self._prices = 0.0, math.inf
        self._need = 0.0  # of the price, by the multipliers lately
        self._predicted, self._errors = [math.inf] * 3, [0.0] * 3

    def run(self, z: Array) -> Generator[Any, Any, End]:
        """Descend from a point of the region."""
        state = self.state
        if not (yield from self._start(z)):
            return End.NONFINITE
        while self.delta > self.last:
            models, found = self._plan()
            if found is None:
                return End.STUCK
            length = float(np.abs(found.step).max())
            if self._settled(found, length):
                if (yield from self._improve(models)):
                    continue
                if length < 1:
                    return End.CONVERGED
                self.delta *= MOST_SHRINKING
                continue
            new = state.region.towards(models.centre, models.centre + self.delta * found.step)
            values = yield from state.evaluate(new[None])
            change = state.merit(models.values) - state.merit(values[0])
            ratio = change / found.decrease if math.isfinite(change) else -math.inf
            self._note(found.decrease, change)
            if ratio > 0:
                yield state.iterate(self.delta)
            yield from self._resize(models, ratio, length)
            self._cheapen(found)
            if ratio < POOR and (yield from self._noisy()):
                return End.NOISE
        return End.STUCK

    def _start(self, z: Array) -> Generator[Any, Any, bool]:
        """The first points, and the units of the sides; whether there are values."""
        state = self.state
        first = yield from state.evaluate(z[None])
        star = state.region.simplex(z, self.delta)
        yield from state.evaluate(star)
        if not len(state.bank.points):
            low, high = search_range(state.problem, z * state.scale, state.scale)
            spread = state.rng.uniform(low, high, (SAMPLE * z.size, z.size)) / state.scale
            yield from state.evaluate(np.stack([state.region.within(z, p) for p in spread]))
            if not len(state.bank.points):
                return False
        centre = 0 if np.isfinite(first).all() else state.best()
        steep = np.full(first.shape[1], math.inf)
        models = fit(state.bank, centre, self.delta, None, steep, state.noise)
        sizes = np.abs(models.slopes).max(axis=1)
        tiny = np.finfo(float).tiny
        state.weight = 1.0 / np.maximum(sizes[1:], max(1e-10 * sizes.max(), tiny))
        state.price = max(float(sizes[0]), 1e-10 * float(np.abs(models.values[0])), tiny)
        self._steep = sizes / self.delta
        self._prices = PRICES[0] * state.price, PRICES[1] * state.price
        yield state.iterate(self.delta)
        return True

    def _plan(self) -> tuple[Models, PenaltyStep | None]:
        """Models around the best point, and their step, at a price for which both hold."""
        state = self.state
        while True:
            k = state.best()
            z = state.bank.points[k]
            models = fit(
                state.bank, k, self.delta, self.models, self._steep * self.delta, state.noise
            )
            if not (np.isfinite(models.slopes).all() and np.isfinite(models.hessians).all()):
                return models, None
            self.models = models
            now = np.abs(models.slopes).max(axis=1) / self.delta
            self._steep = np.maximum(0.9 * self._steep, now)
            found = steered_step(
                models, self._walls(z), state.price, state.weight, self._prices[1]
            )
            state.price = found.price
            state.multipliers = found.multipliers
            self.found = found
            if state.best() == k:
                return models, found

    def _walls(self, z: Array) -> Walls:
        region, delta = self.state.region, self.delta
        return Walls(
            np.minimum(0.0, np.maximum(region.low - z, -delta) / delta),
            np.maximum(0.0, np.minimum(region.high - z, delta) / delta),
            region.rows,
            np.maximum(0.0, region.room - region.rows @ z) / delta,
        )

    def _settled(self, found: PenaltyStep, length: float) -> bool:
        """Whether next to nothing is promised."""
        assert self.models is not None
        state, sides = self.state, self.state.sides
        knows = state.knowledge("", found.decrease, length * self.delta)
        c = np.stack([self.models.values, self.models.at(found.step)])[:, 1:]
        if not sides.met(c[:1])[0]:
            now, then = sides.violation(c)
            if then < 0.5 * now:
                return False
        return knows.invisible or (knows.negligible and length < 1)

    def _resize(self, models: Models, ratio: float, length: float) -> Generator[Any, Any, None]:
        """The next radius; where a prediction failed, maybe for want of points, one more."""
        if ratio >= GOOD:
            growth = FAST_GROWTH if ratio > EXCELLENT else GROWTH
            if length > SHORT_STEP:
                self.delta *= max(1.0, growth * length)
            else:
                self.delta *= max(SHORT_STEP, 2 * length)
        elif ratio >= POOR:
            self.delta *= max(LEAST_SHRINKING, length)
        else:
            # by the parabola through the values, whose minimum is where it is
            shrunk = min(LEAST_SHRINKING, max(MOST_SHRINKING, 0.5 * length / (1 - ratio)))
            if ratio < -1 or not len(models.missing):
                self.delta *= shrunk
                yield from self._improve(models)
            elif not (yield from self._improve(models)):
                self.delta *= shrunk

    def _cheapen(self, found: PenaltyStep) -> None:
        """A price far above all multipliers makes errors of rows loud: it falls."""
        state = self.state
        need = float((found.multipliers / state.weight).max(initial=0.0))
        self._need = max(need, FORGETTING * self._need)
        if 0 < self._need < CHEAPER * state.price:
            state.price = max(self._need, state.price / FAST_GROWTH, self._prices[0])

    def _improve(self, models: Models) -> Generator[Any, Any, bool]:
        """A point in a direction where there is none near; false if none misses or has room."""
        state, z, delta = self.state, models.centre, self.delta
        for direction in models.missing:
            ends = [state.region.within(z, z + s * delta * direction) for s in (1.0, -1.0)]
            ends.sort(key=lambda end: merit(models.at((end - z) / delta), state.price, state.weight))
            ends += list(state.region.simplex(z, delta))
            for end in ends:
                if np.abs(models.missing @ (end - z)).max() >= 2 * INDEPENDENT * delta:
                    values = yield from state.evaluate(end[None])
                    rise = np.abs(values[0] - models.values)
                    return bool((rise <= WILD * self._steep * delta).all())
        return False

    def _note(self, predicted: float, change: float) -> None:
        error = abs(change - predicted) if math.isfinite(change) else 0.0
        self._predicted = [*self._predicted[1:], predicted]
        self._errors = [*self._errors[1:], error]

    def _noisy(self) -> Generator[Any, Any, bool]:
        """Whether predictions fail for noise, which is measured once they do."""
        state = self.state
        wrong = [e >= DOUBTFUL * p for e, p in zip(self._errors, self._predicted, strict=True)]
        if self.delta > SMALL or not all(wrong):
            return False
        if not state.noise.any():
            state.noise = yield from _noise(state)
        level = float(state.noise[0] + state.price * (state.weight @ state.noise[1:]))
        return level > 0 and max(self._predicted) <= 5 * level


def _noise(state: State) -> Generator[Any, Any, Array]:
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
        levels[j] = spacing.value
    return levels


