"""A trial of self-scaling updates, where a quasi-Newton matrix is too long everywhere.

Reference: S. S. Oren, D. G. Luenberger, "Self-scaling variable metric (SSVM)
algorithms", Management Sci. 20 (1974).

BFGS shortens a matrix in one direction at a time. At a sharp minimum, as where a mean of
many kinks vanishes or outliers are all that is left of it, the right length falls with the
distance in all directions at once, and the plain update lags behind. Self-scaling ones keep
up, but creep where some directions have no kink, since they forget what was learnt of
these. How far the matrix is off does not tell which is the case; how the value falls does.
"""

from __future__ import annotations

import math

from smoothmin._factors import OTHER_ORDER
from smoothmin._recent import SPAN
from smoothmin.descent.gradient_sampling.settings import SelfScalingSettings
from smoothmin.descent.gradient_sampling.trials import Rates, Trials
from smoothmin.linesearch.line_result import LinePoint
from smoothmin.metrics.dense_bfgs import InverseHessian
from smoothmin.metrics.product_form import SquareFactor


class SelfScaling:
    """Decides whether a dense metric scales itself.

    A trial begins with the identity, where the plain updates' gains fall off slowly although
    the last steps found the matrix far too long. It goes on for as long as gains fall off fast,
    as they do where the minimum is neared fast. Otherwise all is as before it.
    """

    def __init__(self, metric: InverseHessian, settings: SelfScalingSettings) -> None:
        self._metric, self._settings = metric, settings
        self._trials, self._rates = Trials(settings.trials), Rates(SPAN)
        self._before: tuple[SquareFactor | None, LinePoint] | None = None  # the trial
        self._long = 0  # steps that found the metric too long, one after the other
        self._least, self._most = 0.0, math.inf  # that the next window of a trial may gain
        metric.self_scaling = 0.0

    def stepped(self, gained: float, here: LinePoint, nfev: int) -> LinePoint | None:
        """Take note of a step of ``nfev`` evaluations; the point to go back to, if any."""
        settings, rates = self._settings, self._rates
        self._long = self._long + 1 if self._metric.excess > OTHER_ORDER else 0
        if not self._trials.active:
            self._trials.plain(nfev)
        if not rates.add(gained, nfev):
            return None
        if self._trials.active:
            return None if self._trials.judge(self._falls_fast()) else self._end()
        slow = rates.fall_less(settings.slow) and self._long >= SPAN // 2
        if slow and self._trials.ready:
            self._least = settings.share * rates.rate * min(1.0, rates.rate / rates.before)
            self._most = math.inf
            self._before = self._metric.save(), here
            self._metric.reset()
            self._metric.self_scaling = settings.power
            self._trials.enter()
        return None

    def _falls_fast(self) -> bool:
        """Whether a trial's first window was what plain updates promised, the later ones small."""
        gain, settings = self._rates.rate, self._settings
        good = self._least <= gain <= self._most
        self._most = settings.slow * self._most if self._most < math.inf else settings.slow * gain
        self._least = 0.0
        return good

    def failed(self) -> LinePoint | None:
        """Take note of a search that found nothing lower; the point to go back to, if any."""
        self._rates.clear()
        self._long = 0
        if not self._trials.active:
            return None
        self._trials.leave()
        return self._end()

    def _end(self) -> LinePoint | None:
        """Back to plain updates, and to where they were if the trial has not paid."""
        assert self._before is not None
        matrix, there = self._before
        self._before = None
        self._metric.restore(matrix)
        self._metric.self_scaling = 0.0
        return None if self._trials.paid else there
