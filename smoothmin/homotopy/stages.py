"""A pass: minimize the smoothed function at shrinking sizes of the smoothing, then polish."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from smoothmin._method import Method
from smoothmin._protocol import Array, Problem, Steps
from smoothmin.descent.lbfgs import LBFGS
from smoothmin.homotopy.landscape_metric import LandscapeMetric, Trend, in_metric
from smoothmin.homotopy.polishes import Polisher
from smoothmin.portfolio.incumbent import Incumbent
from smoothmin.portfolio.phase import Phase, play
from smoothmin.smoothing.gradient_sampling import GradientSampling

if TYPE_CHECKING:
    from smoothmin.homotopy.method import Homotopy


class Stages:
    """The stages of every pass.

    Parameters
    ----------
    options : Homotopy
    incumbent : Incumbent
    polisher : Polisher
    trend : Trend or None
        Is told of all samples.
    """

    def __init__(
        self, options: Homotopy, incumbent: Incumbent, polisher: Polisher, trend: Trend | None
    ) -> None:
        self._options, self._settings = options, options.settings
        self._incumbent, self._polisher, self._trend = incumbent, polisher, trend

    def one_pass(self, number: int, metric: LandscapeMetric) -> Generator[Any, Any, None]:
        """Shrink the smoothing from a size of one in ``metric`` on, then polish."""
        options, settings, incumbent = self._options, self._settings, self._incumbent
        samples = math.ceil((options.n or settings.samples) * options.growth**number)
        x, observe = incumbent.x, None if self._trend is None else self._trend.add
        lowest = Lowest(x)
        for stage in range(options.stages):
            size = metric.times(options.decay**stage)
            method = self._smoothed(size, samples)
            limit = settings.stage_limit * samples
            phase = Phase("smoothed", method, x, limit, observe=observe)
            outcome = yield from play(phase, incumbent)
            lowest.meet(outcome.least)
            x = outcome.x
        yield from self._polisher.polish(x)
        if not np.array_equal(lowest.x, x):
            yield from self._polisher.polish(lowest.x)

    def _smoothed(self, size: LandscapeMetric, samples: int) -> Method:
        """Minimizes the function smoothed by ``samples`` points."""
        options = self._options
        sigma = size.scale if size.root is None else np.ones(size.scale.size)
        # a box as narrow as numbers get has a norm that underflows
        first_step = max(float(np.linalg.norm(sigma)), 1e-300)
        method = GradientSampling(
            LBFGS(gtol=0.0, first_step=first_step),
            sigma=sigma,
            n=samples,
            aggregate=options.aggregate,
            design=options.design,
            include_x0=False,
            beyond="shorten",
        )
        return method if size.root is None else InMetric(method, size)


class Lowest:
    """The lowest point of a pass."""

    def __init__(self, x: Array) -> None:
        self.x, self._fun = x, math.inf

    def meet(self, found: tuple[float, Array] | None) -> None:
        """Take a lower one."""
        if found is not None and found[0] < self._fun:
            self._fun, self.x = found


@dataclass(frozen=True)
class InMetric(Method):
    """A method in the variables of a metric around the start."""

    method: Method
    metric: LandscapeMetric

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        return in_metric(self.method, self.metric, problem, rng)
