"""Where neither models nor slopes predict the values: polls, with a barrier that comes down.

References: C. Audet, J. E. Dennis, "A progressive barrier for derivative-free nonlinear
programming", SIAM J. Optim. 20 (2009); M. A. Abramson, C. Audet, J. E. Dennis, S. Le Digabel,
"OrthoMADS: a deterministic MADS instance with orthogonal directions", SIAM J. Optim. 20 (2009).

Deviations: directions are random and orthogonal, and there is no mesh: a poll has to lower the
value, or the violation, by a share of the square of its size (sufficient decrease) instead. A
poll's points are asked as one batch.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from smoothmin._factors import SMALL
from smoothmin._protocol import Array
from smoothmin.derivative_free.constrained.state import InterpolationState

LAST = 1e-5  # size of the polls, in units of the scale


class BarrierSearch:
    """Polls around the best feasible point and the best one below the barrier.

    The violation is the weighted sum of the sides'; what is below their tolerance is none.
    """

    def __init__(self, state: InterpolationState) -> None:
        self.state, self.size = state, 1.0
        self.barrier = np.inf

    def run(self) -> Generator[Any, Any, bool]:
        """Search; whether anything better was found."""
        state, improved = self.state, False
        while self.size > LAST:
            values, violation = state.bank.values, self._violation()
            poles = self._poles(values[:, 0], violation)
            before = len(values)
            points = np.concatenate([self._poll(state.bank.points[k]) for k in poles])
            yield from state.evaluate(points)
            if self._better(poles, before):
                self.size *= 2
                improved = True
                yield state.iterate(self.size)
            else:
                self.size /= 2
        return improved

    def _violation(self) -> Array:
        """Of all points (m,)."""
        c = self.state.bank.values[:, 1:]
        met = self.state.sides.met(c)
        return np.where(met, 0.0, np.maximum(c, 0.0) @ self.state.weight)

    def _poles(self, values: Array, violation: Array) -> list[int]:
        """The best feasible point, and the best infeasible one below the barrier, if any."""
        poles = []
        for among in (violation == 0, (violation > 0) & (violation <= self.barrier)):
            if among.any():
                poles.append(int(np.where(among, values, np.inf).argmin()))
        return poles or [int(violation.argmin())]

    def _poll(self, z: Array) -> Array:
        """Points (2 n, n) along random orthogonal directions and against them."""
        state = self.state
        axes, _ = np.linalg.qr(state.rng.standard_normal((z.size, z.size)))
        ways = self.size * np.concatenate([axes, -axes])
        return np.stack([state.region.beside(z, z + way) for way in ways])

    def _better(self, poles: list[int], before: int) -> bool:
        """Whether the poll found more than a little; the barrier comes down."""
        values, violation = self.state.bank.values[:, 0], self._violation()
        spread = float(np.abs(values[before:] - values[poles[0]]).max(initial=0.0))
        least = SMALL * spread * self.size
        feasible = violation == 0
        lowest = np.where(feasible[:before], values[:before], np.inf).min(initial=np.inf)
        if (values[before:][feasible[before:]] < lowest - least).any():
            return True
        k = poles[-1]
        if violation[k] == 0:
            return False
        fresh = violation[before:]
        nearer = (fresh < (1 - SMALL * self.size) * violation[k]) & (fresh > 0)
        dominating = nearer & (values[before:] <= values[k])
        below = violation[(violation < violation[k]) & (violation > 0)]
        self.barrier = float(below.max()) if below.size and nearer.any() else float(violation[k])
        return bool(dominating.any() or (nearer.any() and lowest == np.inf))
