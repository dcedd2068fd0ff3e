"""Hops from the best point, steps of the model of minima, and random starts.

Reference: D. J. Wales, J. P. K. Doye, "Global optimization by basin-hopping", J. Phys.
Chem. A 101 (1997).
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from smoothmin._protocol import Array
from smoothmin.homotopy.landscape_metric import LandscapeMetric
from smoothmin.homotopy.polishes import Polisher
from smoothmin.homotopy.settings import HomotopySettings
from smoothmin.portfolio.accounts import Share
from smoothmin.portfolio.bandit import Bandit
from smoothmin.portfolio.incumbent import Incumbent

PASSES = ("smoothed", "polish")


class Hops:
    """What comes between passes.

    Parameters
    ----------
    settings : HomotopySettings
    incumbent : Incumbent
    polisher : Polisher
    around : (low, high)
        Where random starts are drawn.
    """

    def __init__(
        self,
        settings: HomotopySettings,
        incumbent: Incumbent,
        polisher: Polisher,
        around: tuple[Array, Array],
    ) -> None:
        self._settings, self._incumbent, self._polisher = settings, incumbent, polisher
        self._around = around
        self._hop_share = Share(("hop", "model"), PASSES, settings.hop_share)
        self._random_share = Share(("random",), PASSES, settings.random_share)
        hops = tuple(Hop(part, settings.first_hop, settings) for part in settings.hop_parts)
        self._hops = Bandit(hops)
        self._modelled = 0  # how many minima there were when the model was last tried

    def hop(self, metric: LandscapeMetric, multiple: float) -> Generator[Any, Any, None]:
        """Polish near the best point, until the hops' share of the cost is used."""
        incumbent, minima, rng = self._incumbent, self._polisher.minima, self._incumbent.rng
        n, scaled = incumbent.problem.x0.size, metric.times(multiple)
        while self._hop_share.left(incumbent.accounts):
            before = incumbent.fun
            news = minima.added - self._modelled
            if news > 0 and news >= self._settings.news * min(len(minima), n):
                yield from self._step_of_model(metric)
                # once it fails it needs news, and not its own
                self._modelled = 0 if self._improved(before) else minima.added
                continue
            arm = self._hops.choose(rng)
            start = incumbent.x
            to = incumbent.problem.clip(start + scaled.outward(arm.value.draw(n, rng)))
            end = yield from self._polisher.polish(to, "hop")
            arm.value.adapt(self._went_back(metric, start, to, end))
            arm.note(self._improved(before))

    def start_anew(self) -> Generator[Any, Any, None]:
        """Polish random points, until their share of the cost is used."""
        while self._random_share.left(self._incumbent.accounts):
            x = self._incumbent.rng.uniform(*self._around)
            yield from self._polisher.polish(x, "random")

    def _step_of_model(self, metric: LandscapeMetric) -> Generator[Any, Any, None]:
        """Polish where the model of the minima is lowest, or beyond if that leads back."""
        incumbent = self._incumbent
        start, before = incumbent.x, incumbent.fun
        x = self._polisher.minima.propose(start, before, metric)
        if x is None:
            return
        for doubling in range(self._settings.extensions + 1):
            to = incumbent.problem.clip(start + 2.0**doubling * (x - start))
            end = yield from self._polisher.polish(to, "model")
            if self._improved(before) or not self._went_back(metric, start, to, end):
                return

    def _went_back(self, metric: LandscapeMetric, start: Array, to: Array, end: Array) -> bool:
        """Whether a polish from ``to`` ended where the step there began."""
        gone, aimed = (float(np.linalg.norm(metric.inward(x - start))) for x in (end, to))
        return gone <= self._settings.same_minimum * aimed

    def _improved(self, before: float) -> bool:
        """Whether the best value is lower than ``before``, by more than rounding."""
        return self._incumbent.fun < before - 1e-9 * abs(before)


@dataclass
class Hop:
    """A kind of hop: which share of the variables it moves, and how far."""

    part: float
    size: float
    settings: HomotopySettings

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """A hop (n,): normal in some neighbouring variables, zero in the others."""
        hop = np.zeros(n)
        count = max(1, round(self.part * n))
        moved = (rng.integers(n) + np.arange(count)) % n
        hop[moved] = self.size * rng.standard_normal(count)
        return hop

    def adapt(self, went_back: bool) -> None:
        """Go farther after a return, and otherwise less far."""
        self.size *= math.exp(self.settings.hop_rate * (went_back - self.settings.returns))
        self.size = min(self.size, self.settings.longest_hop)
