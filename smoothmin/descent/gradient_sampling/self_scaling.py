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

from smoothmin.descent.gradient_sampling.window import Window
from smoothmin.linesearch.weak_wolfe import LinePoint
from smoothmin.metrics.dense_bfgs import InverseHessian
from smoothmin.metrics.metric import Metric
from smoothmin.metrics.product_form import SquareFactor

WINDOW = 10  # evaluations, at least, between looks at the value
TOO_LONG = 10.0  # excess of the matrix at each of ...
STEPS = 5  # ... the last steps before a trial
SLOW = 0.3  # what a window gains before a trial, or at its second, in units of the one before
SHARE = 0.5  # of what the plain updates promise, that the first window of a trial gains
FAST = 0.25  # what each of its later windows may gain, in units of the one before
PROVEN = 5  # windows of a trial that were not in vain, however it ends
SELDOM = 100  # windows without trials after one that failed, and each time so many times more


class ScalingTrials:
    """Decides whether a dense metric scales itself; leaves others alone.

    A trial begins with the identity, where the plain updates' gains fall off slowly although
    each step finds the matrix far too long. It goes on for as long as gains fall off fast, as
    they do where the minimum is neared fast. Otherwise all is as before it.
    """

    def __init__(self, metric: Metric) -> None:
        self._metric = metric if isinstance(metric, InverseHessian) else None
        self._before: tuple[SquareFactor | None, LinePoint] | None = None  # the trial
        self._wait, self._next_wait = 0, SELDOM
        self._long = 0  # steps that found the metric too long, one after the other
        self._window = Window(WINDOW)

    def stepped(self, gained: float, here: LinePoint, nfev: int) -> LinePoint | None:
        """Take note of a step of ``nfev`` evaluations; the point to go back to, if any."""
        metric = self._metric
        if metric is None:
            return None
        self._long = self._long + 1 if metric.excess > TOO_LONG else 0
        if not self._window.add(gained, nfev):
            return None
        if metric.self_scaling:
            return self._judge(metric)
        self._wait -= 1
        gain, last = self._window.rate, self._window.before
        if self._wait < 0 and self._long >= STEPS and gain > SLOW * last > 0:
            self._begin(metric, here, gain * min(1.0, gain / last))
        return None

    def failed(self) -> LinePoint | None:
        """Take note of a search that found nothing lower; the point to go back to, if any."""
        self._window.clear()
        self._long = 0
        metric = self._metric
        return self._end(metric) if metric is not None and metric.self_scaling else None

    def _begin(self, metric: InverseHessian, here: LinePoint, promised: float) -> None:
        """Try self-scaling updates; ``promised`` is the gain that plain ones might bring."""
        self._before = metric.save(), here
        metric.reset()
        metric.self_scaling = True
        self._windows = 0
        self._least, self._most = SHARE * promised, math.inf

    def _judge(self, metric: InverseHessian) -> LinePoint | None:
        """Go on, or end the trial."""
        gain = self._window.rate
        if not self._least <= gain <= self._most:
            return self._end(metric)
        self._windows += 1
        self._least = 0.0
        self._most = SLOW * gain if self._windows == 1 else FAST * self._most
        return None

    def _end(self, metric: InverseHessian) -> LinePoint | None:
        """Back to plain updates, and to where they were if nothing was won."""
        assert self._before is not None
        matrix, there = self._before
        self._before = None
        metric.restore(matrix)
        metric.self_scaling = False
        self._wait, self._next_wait = self._next_wait, SELDOM * self._next_wait
        return None if self._windows >= PROVEN else there
