"""Hops from the best point, steps of the model of minima, and random starts.

Reference: D. J. Wales, J. P. K. Doye, "Global optimization by basin-hopping", J. Phys.
Chem. A 101 (1997).
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np

from smoothmin._factors import MINOR
from smoothmin._protocol import Array
from smoothmin._scale import BOX_SHARE
from smoothmin._verdict import NEGLIGIBLE
from smoothmin.homotopy.landscape_metric import LandscapeMetric
from smoothmin.homotopy.polishes import Polisher
from smoothmin.homotopy.settings import HomotopySettings
from smoothmin.portfolio.accounts import Share
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
        self._hop_share = Share(("hop", "model"), PASSES)
        self._random_share = Share(("random",), PASSES, MINOR)
        self._hop = Hop(settings)
        self._modelled = 0  # how many minima there were when the model was last tried

    def hop(self, metric: LandscapeMetric, multiple: float) -> Generator[Any, Any, None]:
        """Polish near the best point, until the hops' share of the cost is used."""
        incumbent, minima, rng = self._incumbent, self._polisher.minima, self._incumbent.rng
        n, scaled = incumbent.problem.x0.size, metric.times(multiple)
        while self._hop_share.left(incumbent.accounts):
            before = incumbent.fun
            if minima.added > self._modelled:
                yield from self._step_of_model(metric)
                # once it fails it needs news, and not its own
                self._modelled = 0 if self._improved(before) else minima.added
                continue
            start = incumbent.x
            to = incumbent.problem.clip(start + scaled.outward(self._hop.draw(n, rng)))
            end = yield from self._polisher.polish(to, "hop")
            self._hop.adapt(self._went_back(metric, start, to, end))

    def start_anew(self) -> Generator[Any, Any, None]:
        """Polish random points, until their share of the cost is used."""
        while self._random_share.left(self._incumbent.accounts):
            x = self._incumbent.rng.uniform(*self._around)
            yield from self._polisher.polish(x, "random")

    def _step_of_model(self, metric: LandscapeMetric) -> Generator[Any, Any, None]:
        """Polish where the model of the minima is lowest."""
        incumbent = self._incumbent
        x = self._polisher.minima.propose(incumbent.x, incumbent.fun, metric)
        if x is not None:
            yield from self._polisher.polish(incumbent.problem.clip(x), "model")

    def _went_back(self, metric: LandscapeMetric, start: Array, to: Array, end: Array) -> bool:
        """Whether a polish from ``to`` ended where the step there began."""
        gone, aimed = (float(np.linalg.norm(metric.inward(x - start))) for x in (end, to))
        return gone <= MINOR * aimed

    def _improved(self, before: float) -> bool:
        """Whether the best value is lower than ``before``, by more than rounding."""
        return self._incumbent.fun < before - NEGLIGIBLE * abs(before)


class Hop:
    """A step away from the best point, as long as needed; the first about as long as sigma."""

    def __init__(self, settings: HomotopySettings) -> None:
        self._settings, self._size = settings, 1.0

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """A hop (n,), normal, in units of sigma."""
        return self._size * rng.standard_normal(n)

    def adapt(self, went_back: bool) -> None:
        """Go farther after a return, no farther than the range is wide, and else less far."""
        self._size *= math.exp(self._settings.hop_rate * (went_back - self._settings.returns))
        self._size = min(self._size, 1 / BOX_SHARE)
