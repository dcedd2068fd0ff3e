"""Across kinks: slopes by differences, here and near by, and a quadratic program of them all.

References: F. E. Curtis, M. L. Overton, "A sequential quadratic programming algorithm for
nonconvex, nonsmooth constrained optimization", SIAM J. Optim. 22 (2012); K. C. Kiwiel, *Methods
of Descent for Nondifferentiable Optimization* (1985), for the linearizations that are kept.

Deviations: slopes are differences of values, so few are sampled: those where a step failed are
what the next one lacks. Linearizations that are above the value here are lowered to it, as no
function need be convex. A certificate samples slopes at random within the radius, as many as
tell, and holds only where none of them promises more.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from smoothmin._protocol import Array
from smoothmin.derivative_free.constrained.trust_region import GOOD, POOR, State
from smoothmin.subproblems.elastic_qp import ElasticQP, solve_elastic

ASIDE = 0.05
STATIONARY = 1e-4
DIFFERENCE = 1e-3  # of the radius: kinks nearer than that are straddled
LEAST_DIFFERENCE = 1e-8  # by which values still differ more than rounding
NULL_SHRINKING, SHRINKING, GROWTH = 0.7, 0.1, 2.0
NEAR = 3.0  # radii in which slopes are kept
FLAT = 1e-6  # curvature, in units of the slopes over the radius, that makes steps unique
RAISE = 4.0
CAPPED = 0.99


@dataclass(frozen=True)
class Piece:
    """Values (1 + k,) and slopes (1 + k, n) at a point."""

    z: Array
    values: Array
    slopes: Array


class SlopeBundle:
    """One descent along slopes."""

    def __init__(self, state: State, radius: float, last: float) -> None:
        self.state, self.radius, self.last = state, radius, last
        self._pieces: list[Piece] = []
        self.promised = np.inf

    def run(self) -> Generator[Any, Any, bool]:
        """Descend; whether a certificate was reached at the last radius."""
        state = self.state
        new = True
        first = self.radius
        while self.radius > self.last:
            k = state.best()
            z, values = state.bank.points[k], state.bank.values[k]
            self._forget(z)
            if new or not self._pieces:
                yield from self._add(z)
            if not self._pieces:
                return False
            step, promised = self._step(z, values)
            share = promised / (self.radius * self._typical(z))
            new = False
            if share <= STATIONARY:
                if (yield from self._sampled(z, promised)):
                    self.promised = promised
                    return True
                continue
            if share <= 0.1 * np.sqrt(self.radius / first):
                self.radius *= 0.25
                new = True
                continue
            trial = state.region.towards(z, z + step)
            found = (yield from state.evaluate(trial[None]))[0]
            change = state.merit(values) - state.merit(found)
            ratio = change / promised
            if ratio >= POOR:
                new = True
                yield state.iterate(self.radius)
                if ratio >= GOOD:
                    self.radius *= GROWTH
                continue
            if np.isfinite(found).all():
                yield from self._add(trial)
            self.radius *= NULL_SHRINKING
        return False

    def _typical(self, z):
        s=np.abs(np.stack([p.slopes for p in self._pieces])).max(axis=(0,2))
        return s[0]

    def _sampled(self, z: Array, promised: float) -> Generator[Any, Any, bool]:
        """Whether slopes at random points within the radius promise no more."""
        state, n = self.state, z.size
        before = state.best()
        for _ in range(n + 1):
            yield from self._add(state.region.within(z, z + self.radius * state.rng.uniform(-1, 1, n)))
            if state.best() != before:
                return False
        step, promised = self._step(z, state.bank.values[before])
        return promised <= STATIONARY * self.radius * self._typical(z)

    def _forget(self, z: Array) -> None:
        reach = NEAR * self.radius
        self._pieces = [p for p in self._pieces if np.abs(p.z - z).max() <= reach]

    def _add(self, z: Array) -> Generator[Any, Any, None]:
        """The slopes next to a point, unless there are no values around it.

        Next to it, as steps lead onto kinks, where differences are no slopes.
        """
        region, away = self.state.region, ASIDE * self.radius
        base = region.within(z, z + away * self.state.rng.uniform(-1, 1, z.size))
        size = max(DIFFERENCE * away, LEAST_DIFFERENCE)
        around = region.simplex(base, size)
        found = yield from self.state.evaluate(np.concatenate([base[None], around]))
        if not np.isfinite(found).all():
            return
        slopes = np.linalg.solve(around - base, found[1:] - found[0]).T
        self._pieces.append(Piece(base, found[0], slopes))

    def _step(self, z: Array, values: Array) -> tuple[Array, float]:
        """The step, and by how much the merit falls by the pieces."""
        state, r, n = self.state, self.radius, z.size
        slopes = r * np.concatenate([p.slopes[None] for p in self._pieces])  # (m, 1 + k, n)
        heights = np.stack([p.values + p.slopes @ (z - p.z) for p in self._pieces])
        heights = np.minimum(heights - values, 0.0)
        while True:
            found = self._solve(slopes, heights, z, values)
            d, multipliers = found
            model = values + (heights + slopes @ d).max(axis=0)
            promised = state.merit(values) - state.merit(model)
            if (multipliers < CAPPED * state.price * state.weight).all() or state.price > 1e7: break
            v0=state.weight@np.maximum(values[1:],0); v1=state.weight@np.maximum(model[1:],0)
            if v1<=0.1*v0 or v1<1e-12: break
            state.price *= RAISE
        return r * d, promised

    def _solve(self, slopes: Array, heights: Array, z: Array, values: Array):
        state, r, n = self.state, self.radius, z.size
        m, k = heights.shape
        unit = float(np.abs(slopes[:, 0]).max()) or 1.0
        hessian = FLAT * unit * np.eye(n + 1)
        hessian[n, n] = 0.0
        gradient = np.append(np.zeros(n), unit)
        top = np.column_stack([slopes[:, 0], np.full(m, -unit)])
        low = np.maximum(state.region.low - z, -r) / r
        high = np.minimum(state.region.high - z, r) / r
        rows, room = state.region.rows, (state.region.room - state.region.rows @ z) / r
        hard = np.concatenate([top, np.pad(rows, ((0, 0), (0, 1)))])
        w = state.weight
        elastic = (slopes[:, 1:] * w[:, None]).reshape(-1, n)
        away = w * (values[1:] + heights[:, 1:])
        qp = ElasticQP(hessian, gradient, np.pad(elastic, ((0, 0), (0, 1))), -away.ravel(),
            np.full(m * (k - 1), state.price), hard, np.concatenate([-heights[:, 0], np.maximum(room,0)]),
            np.append(np.minimum(low,0), -2.0 * n), np.append(np.maximum(high,0), 2.0 * n))
        found = solve_elastic(qp)
        return found.step[:n], w * found.multipliers.reshape(m, k - 1).max(axis=0,initial=0)
