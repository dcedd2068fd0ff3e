"""The descent before a kink is seen: limited memory, and no thought of kinks but one.

References: J. Nocedal, S. J. Wright, *Numerical Optimization*, 2nd ed. (2006), section 7.2;
E. S. Page, "Continuous inspection schemes", Biometrika 41 (1954), for the watch for kinks.

Most functions are smooth, and there all that is made for kinks would cost and bring nothing.
Whether there are kinks shows in the values at both ends of steps, which cost nothing: on a
smooth function their difference is the mean of the two slopes to third order, across a kink
it is not. The first step, along the gradient, may be so long that it tells nothing; of the
others what they exceed the usual by is added up, for as long as that is positive.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from smoothmin._estimate import CurvatureEstimate
from smoothmin._factors import MINOR
from smoothmin._machine import CACHED
from smoothmin._protocol import Array, Finish, Iterate, Problem
from smoothmin._recent import SIDES, faded
from smoothmin._verdict import KINK, NEGLIGIBLE
from smoothmin.descent.convergence import Convergence
from smoothmin.descent.first_point import Found
from smoothmin.descent.gradient_check import VISIBLE
from smoothmin.descent.gradient_sampling.settings import SearchSettings
from smoothmin.descent.quasi_newton import Descent
from smoothmin.linesearch.line_result import LinePoint, LineResult
from smoothmin.metrics.dense_bfgs import InverseHessian
from smoothmin.metrics.lbfgs import PAIRS, LimitedMemory

ON_A_KINK = 0.25  # mean `skewness` where a kink may be anywhere in a step
LIKE_FOURTH_POWER = 1 / 12  # the same far from the minimum of one


def skewness(fall: float, before: float, after: float) -> float:
    """How far a change of the value is from the mean of two slopes, in units of their difference.

    0 for a parabola, half at most for a convex function; 0 where slopes do not rise.
    """
    rise = after - before
    return min(abs((fall - before) / rise - 0.5), 0.5) if 0 < rise < math.inf else 0.0


class SmoothDescent(Descent):
    """L-BFGS until kinks are seen.

    Parameters
    ----------
    remembered : int
        Points that are kept for who comes next.
    scales : ndarray (n,)
        Of the variables, for the metric to begin with.
    watchful : bool
        Whether there is room for a dense metric, which takes over where as many steps as there
        are variables were not enough, and where kinks are seen, with which this ends; otherwise
        it ends only where a search fails.

    Attributes
    ----------
    points : deque of LinePoint
        The last ones that were evaluated; of the failed search alone where memory is limited.
    failed : LineResult or None
        The last search, if it did not end as it should.
    """

    metric: LimitedMemory | InverseHessian
    persistent = False

    def __init__(
        self,
        problem: Problem,
        known: Convergence,
        start: Found,
        remembered: int,
        settings: SearchSettings,
        scales: Array,
        *,
        watchful: bool,
    ) -> None:
        n = problem.x0.size
        memory = min(settings.most_pairs, max(PAIRS, CACHED // (2 * n)))
        limited = LimitedMemory(n, memory, scaled=True, lasting=not watchful)
        limited.start(scales)
        super().__init__(problem, limited, known, start)
        self._settings, self._watchful = settings, watchful
        self.tells_forgotten = watchful
        # as many steps as a dense metric takes for a parabola: fewer pairs are not enough
        self._enough = max(memory, n) if watchful else math.inf
        self._excess = 0.0  # of skewness over half a kink's, a sum since it was least
        self._skewness = 0.0  # a mean of late
        self._rejected = 0.0  # trials of a step that were too long, a mean of late
        self.failed: LineResult | None = None
        self.points = deque([LinePoint(0.0, *start, 0.0)], maxlen=remembered)

    def observes(self, found: LineResult) -> bool:
        """Whether steps lead across kinks, and gradients do not shrink as on a smooth function."""
        if self._watchful or not found.wolfe:  # points take as much memory as a limited metric
            self.points.extend(found.known)
        if self.known.recent.steps >= self._enough:
            self.thicken()
        if not found.wolfe:
            self.failed = found
            return True
        if not self._watchful:
            return False
        recent, point = self.known.recent, found.point
        # a search that went on and on tells most by its last stretch
        long, last, fun, slope = 0, 0.0, self.f, found.slope
        for trial in found.trials:
            if last < trial.t < point.t:
                last, fun, slope = trial.t, trial.fun, trial.slope
            long += trial.t > point.t
        self._rejected = faded(self._rejected, long)
        steep = recent.steepness
        if 0 < steep <= KINK:  # gradients shrink as on a smooth function
            self._excess = 0.0
            return False
        before, after = (point.t - last) * slope, (point.t - last) * point.slope
        rounding = VISIBLE * self._problem.unit * abs(self.f)
        visible = after - before > max(rounding, NEGLIGIBLE * recent.fall)
        # values that are the same may be so by what cancels in them
        if visible and point.fun != fun and not self.metric.fresh:
            skew = skewness(point.fun - fun, before, after)
            self._excess = max(0.0, self._excess + skew - ON_A_KINK / 2)
            self._skewness = faded(self._skewness, skew)
        # steps of the metric are too long more often than right: so are those across many kinks
        lost = (steep > 0 and self._rejected >= 1) or (
            recent.steps >= 4 * SIDES and steep > 1 - MINOR
        )
        return (lost and self._skewness >= LIKE_FOURTH_POWER / 2) or self._excess > ON_A_KINK / 4

    def go_on(
        self, point: LinePoint, metric: LimitedMemory | InverseHessian, length: float
    ) -> None:
        """Come back to a point whither other steps have led, the last of this length."""
        self.x, self.f, self.g = point.x, point.fun, point.grad
        self._pg = self._problem.projected_gradient(self.x, self.g)
        self.metric = self.known.metric = metric
        self._told = CurvatureEstimate(metric)
        self.length, self._guess = length, metric.fresh
        self._leaving = self._left = False
        self._excess = self._skewness = self._rejected = 0.0
        self.failed = None
        self.points.clear()
        self.points.append(point)

    def thicken(self) -> None:
        """Go on with a dense metric, from the pairs of the limited memory."""
        limited, self._enough = self.metric, math.inf
        if isinstance(limited, LimitedMemory) and not limited.fresh:
            self.metric = InverseHessian(self.x.size, growing=self._problem.box is not None)
            self.metric.start(limited.scales)
            self.metric.begin_from(limited)
            self._told = CurvatureEstimate(self.metric)

    def report(self) -> Iterate:
        """With the certificate of the gradient alone."""
        iterate = super().report()
        iterate.info |= self.facts
        return iterate

    @property
    def facts(self) -> dict[str, Any]:
        """The gradient at the point itself, which proves as much as its length."""
        return {"stationarity": self.known.size(self._pg), "radius": 0.0}

    def concluded(self, finish: Finish) -> Finish | None:
        """Where success is not certain there may be a kink."""
        return finish if finish.status.success else None
