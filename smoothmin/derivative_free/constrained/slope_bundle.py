"""Across kinks: slopes by differences, here and near by, and a linear program of them all.

References: F. E. Curtis, M. L. Overton, "A sequential quadratic programming algorithm for
nonconvex, nonsmooth constrained optimization", SIAM J. Optim. 22 (2012); K. C. Kiwiel, *Methods
of Descent for Nondifferentiable Optimization* (1985), for the linearizations that are kept.

Deviations: slopes are differences of values, so few are sampled: those where a step failed are
what the next one lacks. They are taken next to a point, never at it, since steps lead onto kinks,
where differences are no slopes. Linearizations that are above the value here are lowered to it,
as no function need be convex. The certificate is theirs: slopes at random points within a
radius, one more than variables, promise next to nothing together with those there are.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from smoothmin._factors import MINOR, SMALL, WITNESSES
from smoothmin._machine import SUMMED, TINY
from smoothmin._protocol import Array
from smoothmin._scale import START_SHARE
from smoothmin._verdict import NEGLIGIBLE, SHORT, Knowledge
from smoothmin.derivative_free.constrained.models import NEAR
from smoothmin.derivative_free.constrained.state import (
    DEARER,
    End,
    InterpolationState,
)
from smoothmin.subproblems.piecewise_linear import least_of_pieces
from smoothmin.subproblems.trust_region import FAST_GROWTH, GOOD, GROWTH, POOR

ASIDE = 0.05  # of the radius, so far from a point are its slopes taken
SHRINKING = 0.7  # of the radius
MOST = 10  # pieces kept for each variable
STATIONARY = 1e-4  # share of the slopes' change over the radius, the promise of a certificate


@dataclass(frozen=True)
class Piece:
    """Values (1 + k,) and slopes (1 + k, n) at a point."""

    z: Array
    values: Array
    slopes: Array


class SlopeBundle:
    """A descent along slopes, at first as far around the best point as steps ``reach`` lately."""

    def __init__(self, state: InterpolationState, last: float, reach: Array) -> None:
        self.state, self.last = state, last
        self.radius = float(np.clip(reach.max(), SHORT, START_SHARE))
        self.knows: Knowledge | None = None  # at the end
        self._pieces: list[Piece] = []
        self._active = np.zeros(len(state.sides))  # multipliers

    def run(self) -> Generator[Any, Any, bool]:
        """Descend; whether there is a certificate at the end."""
        state, wanted = self.state, True
        while self.radius > self.last:
            k = state.best()
            z, values = state.bank.points[k], state.bank.values[k]
            self._forget(z, values)
            if wanted or not self._pieces:
                yield from self._add(z)
                if not self._pieces:
                    return False
            step, promised = self._step(z, values)
            reach = self._reach()
            negligible = self._told(state.knowledge("", promised, reach))
            if not negligible or promised > STATIONARY * self._typical():
                wanted = yield from self._try(z, values, step, promised)
                continue
            wanted = True
            if self.radius > reach > self.last:
                self.radius = reach
                continue
            certified = yield from self._certified(z)
            if certified is not None:
                return certified
        return False

    def _try(
        self, z: Array, values: Array, step: Array, promised: float
    ) -> Generator[Any, Any, bool]:
        """A step; whether it led lower. Where it did not, slopes from there."""
        state = self.state
        trial = state.region.towards(z, z + step)
        found = (yield from state.evaluate(trial[None]))[0]
        ratio = (state.merit(values) - state.merit(found)) / promised
        state.cheapen(self._active)
        if ratio >= POOR:
            if ratio >= GOOD:
                self.radius *= GROWTH
            yield state.iterate(self.radius)
            return True
        if np.isfinite(found).all():
            yield from self._add(trial)
        self.radius *= SHRINKING
        return False

    def _certified(self, z: Array) -> Generator[Any, Any, bool | None]:
        """Whether slopes at random points promise no more; None if that is not the last word."""
        state, n = self.state, z.size
        before = state.best()
        near = NEAR * self.radius
        self._pieces = [p for p in self._pieces if np.abs(p.z - z).max() <= near]
        for _ in range(n + 1):
            way = self.radius * state.rng.uniform(-1.0, 1.0, n)
            yield from self._add(state.region.beside(z, z + way))
        if state.best() != before:
            return None
        if not any(p.slopes[0].any() for p in self._pieces):
            return False  # a plateau
        _, promised = self._step(z, state.bank.values[before])
        if promised > STATIONARY * self._typical():
            return None
        met = state.sides.met(state.bank.values[before : before + 1, 1:])[0]
        if not met and state.price < state.dearest:
            state.price = min(DEARER * state.price, state.dearest)
            return None
        self.knows = state.knowledge(End.CERTIFIED.value, promised, self._reach())
        nonlinear = np.zeros_like(state.multipliers.nonlinear)
        np.subtract.at(nonlinear, state.sides.index, state.sides.sign * self._active)
        state.multipliers = replace(state.multipliers, nonlinear=nonlinear)
        return True if self._told(self.knows) else None

    def _reach(self) -> float:
        """The radius of a certificate, or the present one if that is smaller."""
        return min(self.radius, SHORT * self.state.lately()[1])

    @staticmethod
    def _told(knows: Knowledge) -> bool:
        return knows.invisible or knows.negligible

    def _typical(self) -> float:
        """What objective and active sides change over the radius."""
        slopes = np.abs(np.stack([p.slopes for p in self._pieces])).max(axis=(0, 2))
        steep = float(slopes[0] + self._active @ slopes[1:])
        return self.radius * max(steep, TINY)

    def _forget(self, z: Array, values: Array) -> None:
        """Give up what is far away and above the value here, as where functions are not convex."""
        kept = []
        for piece in self._pieces:
            away = z - piece.z
            above = piece.values + piece.slopes @ away - values
            steep = np.abs(piece.slopes).max(axis=1) * self.radius
            near = np.abs(away).max() <= NEAR * self.radius
            if near or (above <= SHORT * steep).all():
                kept.append(piece)
        self._pieces = kept[-MOST * (z.size + 1) :]

    def _add(self, z: Array) -> Generator[Any, Any, None]:
        """The slopes next to a point, unless there are no values around it.

        Where the centre of the simplex is not on a plane with its corners, a kink goes through
        it, and another simplex is tried.
        """
        region, away = self.state.region, ASIDE * self.radius
        size = max(NEGLIGIBLE, min(away, self._visible()))
        # a corner beyond a kink moves the centre by a share of what it is off
        plane = STATIONARY / (z.size + 1)
        for _ in range(WITNESSES):
            base = region.beside(z, z + away * self.state.rng.uniform(-1.0, 1.0, z.size))
            around = region.simplex(base, size)
            corners = np.concatenate([base[None], around])
            points = np.concatenate([corners, corners.mean(axis=0)[None]])
            found = yield from self.state.evaluate(points)
            if not np.isfinite(found).all():
                continue
            middle = found[:-1].mean(axis=0)
            spread = np.abs(found[:-1] - middle).max(axis=0) + 1e-300
            blur = SUMMED * np.abs(middle)
            if (np.abs(found[-1] - middle) <= plane * spread + blur).all():
                # the shortest slopes, where the set has no inside for others
                steps, rises = around - base, found[1:-1] - found[0]
                slopes = np.linalg.lstsq(steps, rises, rcond=None)[0].T
                self.state.steepened(float(np.abs(slopes[0]).max()))
                self._pieces.append(Piece(base, found[0], slopes))
                return

    def _visible(self) -> float:
        """How far slopes change values by so much that rounding blurs no certificate."""
        if not self._pieces:
            return 0.0
        blur = SUMMED * abs(float(self.state.bank.values[self.state.best(), 0]))
        return blur * self.radius / (STATIONARY * self._typical())

    def _step(self, z: Array, values: Array) -> tuple[Array, float]:
        """The step, and by how much the merit falls by the pieces, at a price for which both do."""
        state = self.state
        slopes = self.radius * np.stack([p.slopes for p in self._pieces])  # (m, 1 + k, n)
        heights = np.stack([p.values + p.slopes @ (z - p.z) for p in self._pieces])
        heights = np.minimum(heights - values, 0.0)
        allowed = state.sides.allowed(values[1:])
        before = state.weight @ np.maximum(values[1:] - allowed, 0.0)
        while True:
            found = self._least(slopes, heights, z, values)
            if found is None:
                return np.zeros_like(z), math.inf  # nothing is known to be settled
            d, self._active = found
            model = values + (heights + slopes @ d).max(axis=0)
            promised = state.merit(values) - state.merit(model)
            left = state.weight @ np.maximum(model[1:] - allowed, 0.0)
            capped = (self._active >= (1 - SMALL) * state.price * state.weight).any()
            if not capped or left <= MINOR * before or state.price >= state.dearest:
                return self.radius * d, promised
            state.price = min(FAST_GROWTH * state.price, state.dearest)

    def _least(
        self, slopes: Array, heights: Array, z: Array, values: Array
    ) -> tuple[Array, Array] | None:
        """The step in radii at the present price, and the sides' multipliers."""
        state, r, region = self.state, self.radius, self.state.region
        found = least_of_pieces(
            slopes,
            heights + np.append(0.0, values[1:]),
            state.price * state.weight,
            region.rows,
            np.maximum(0.0, region.room - region.rows @ z) / r,
            np.minimum(0.0, np.maximum(region.low - z, -r) / r),
            np.maximum(0.0, np.minimum(region.high - z, r) / r),
        )
        return None if found is None else (found[0], state.sides.net(found[1]))
