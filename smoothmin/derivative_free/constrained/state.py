"""What the phases share: all points there are, the merit, and what the judge wants to know."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from smoothmin._factors import MINOR
from smoothmin._machine import SUMMED
from smoothmin._protocol import Answers, Array, Ask, Iterate, Multipliers, Problem
from smoothmin._verdict import SHORT, Knowledge
from smoothmin.derivative_free.constrained.linear_set import LinearSet
from smoothmin.derivative_free.constrained.models import Bank
from smoothmin.derivative_free.constrained.penalty_step import merit
from smoothmin.derivative_free.constrained.rows import RowSides
from smoothmin.subproblems.trust_region import FAST_GROWTH

DEARER = 100.0  # factor of the price where nothing but the violation is left
FORGETTING = 0.7  # of what the price had to be, and of how steep functions were, in a step
DEAREST = 1e7  # price, in units of what the objective changes over a first radius


class End(Enum):
    """Why a phase ended."""

    CONVERGED = "Next to nothing is promised"
    CERTIFIED = "Slopes around promise next to nothing"
    STUCK = "No step gains what models of the values predict"
    NOISE = "What is promised is below the noise"
    NONFINITE = "No finite values"
    UNBOUNDED = "Values fall for as far as steps lead"


@dataclass
class InterpolationState:
    """What the phases share.

    Parameters
    ----------
    problem : Problem
    scale : ndarray (n,)
        By which coordinates are divided.
    rng : Generator
    sides : RowSides
    region : LinearSet
        The box and the linear rows.
    bank : Bank
    weight : ndarray (k,)
        Of the sides in the merit: the inverse of how much they first changed over a radius.
    noise : ndarray (1 + k,)
        Of objective and sides; zero where none was found.
    price, cheapest, dearest : float
        Of the weighted violation, what it does not fall below, and what it never exceeds.
    needed : float
        What it had to be of late.
    multipliers : Multipliers
        Of the rows, by the last models.
    stepped : bool
        Whether values come in quanta: most of them were the same where noise was looked for.
    """

    problem: Problem
    scale: Array
    rng: np.random.Generator
    sides: RowSides
    region: LinearSet
    bank: Bank
    weight: Array
    noise: Array
    multipliers: Multipliers
    price: float = 1.0
    cheapest: float = 0.0
    dearest: float = 0.0
    needed: float = 0.0
    stepped: bool = False

    @staticmethod
    def of(
        problem: Problem, scale: Array, rng: np.random.Generator, region: LinearSet
    ) -> InterpolationState:
        """The state before the first evaluation."""
        sides, n = RowSides.of(problem), problem.x0.size
        k = len(sides)
        parts = (problem.linear, problem.nonlinear)
        none = [np.zeros(0 if rows is None else len(rows.lower)) for rows in parts]
        multipliers = Multipliers(none[0], none[1], np.zeros(n))
        bank = Bank(n, k)
        return InterpolationState(
            problem, scale, rng, sides, region, bank, np.ones(k), np.zeros(1 + k), multipliers
        )

    def steepened(self, change: float) -> None:
        """The objective changes so much over a first radius: it may have been flat before."""
        self.dearest = max(self.dearest, DEAREST * change)
        self.price = max(self.price, change / DEAREST)

    def cheapen(self, multipliers: Array) -> None:
        """A price far above all multipliers (k,) makes errors of rows loud: it falls."""
        need = float((multipliers / self.weight).max(initial=0.0))
        self.needed = max(need, FORGETTING * self.needed)
        # all multipliers are far below the price
        if 0 < self.needed < MINOR * self.price and self.price < self.dearest:
            self.price = max(self.needed, self.price / FAST_GROWTH, self.cheapest)

    def evaluate(self, z: Array) -> Generator[Ask, Answers, Array]:
        """Values (m, 1 + k) at points, which are kept."""
        answers = yield Ask(self.outward(z), 0)
        c = np.empty((len(z), 0)) if answers.rows is None else self.sides.of_rows(answers.rows)
        values = np.column_stack([answers.values, c])
        self.bank.add(z, values)
        return values

    def outward(self, z: Array) -> Array:
        """In the user's units: the start itself, and clipped against rounding."""
        points = self.problem.clip(z * self.scale)
        started = (z == self.problem.x0 / self.scale).all(axis=-1)
        points[started] = self.problem.x0
        return points

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

    @property
    def lowest(self) -> Array:
        """The best point (n,), in the user's units."""
        k = self.best()
        found: Array = self.outward(self.bank.points[k : k + 1])[0]
        return found

    def iterate(self, radius: float) -> Iterate:
        """The best point, as a report."""
        return Iterate(self.lowest, float(self.bank.values[self.best(), 0]), radius=radius)

    @property
    def only_feasibility(self) -> bool:
        """Whether the objective never differed, and there was a violation to be ended."""
        values = self.bank.values
        started = bool(self.sides.met(values[:1, 1:])[0])
        return not started and bool((values[:, 0] == values[0, 0]).all())

    @property
    def rounded(self) -> bool:
        """Whether all noise is rounding."""
        latest = self.bank.values[-len(self.scale) - 1 :]
        sizes = np.abs(latest).max(axis=0)
        sizes[1:] = np.maximum(sizes[1:], self.sides.units(latest[-1, 1:]))
        return bool((self.noise <= SUMMED * sizes).all())

    @property
    def coarse(self) -> bool:
        """Whether values come in quanta that are no rounding: a staircase."""
        return self.stepped and bool(self.noise[0] > SHORT * np.ptp(self.bank.values[:, 0]))

    def told(self) -> dict[str, Any]:
        """What the result says: multipliers of rows, and noise, where there are any."""
        told: dict[str, Any] = {}
        if self.multipliers.all_rows().size:
            told["multipliers"] = self.multipliers
        if self.noise.any():
            told["noise"] = float(self.noise[0])
        return told

    def lately(self) -> tuple[float, float]:
        """By how much the merit fell in the last half of the steps that lowered it, how far."""
        merits = self.merits()
        lower = np.flatnonzero(merits < np.append(math.inf, np.minimum.accumulate(merits)[:-1]))
        then, now = lower[len(lower) // 2 - 1] if len(lower) > 1 else lower[0], lower[-1]
        points = self.bank.points
        return float(merits[then] - merits[now]), float(np.abs(points[now] - points[then]).max())

    @property
    def level(self) -> float:
        """Noise of the merit."""
        return float(self.noise[0] + self.price * (self.weight @ self.noise[1:]))

    def knowledge(self, message: str, promised: float, step: float) -> Knowledge:
        """What the judge wants to know; ``step`` is how far the promised point is."""
        fall, moved = self.lately()
        k = self.best()
        size, c = abs(float(self.merits()[k])), self.bank.values[k, 1:]
        units = self.sides.units(c)
        active = np.abs(c) <= self.sides.tolerance * units
        rounded = size + self.price * float(self.weight[active] @ units[active])
        return Knowledge(
            message,
            promised=max(0.0, promised),
            lately=((1.0, fall),),
            size=size,
            noise=self.level + SUMMED * rounded,
            far=step / moved if moved > 0 else math.inf,
        )
