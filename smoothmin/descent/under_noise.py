"""What slopes by differences tell of a minimum where values are noisy.

A slope over h has an error e of ``2 noise / h``, one half of its square by noise and as much by
curvature, if h is the best there is (Moré and Wild). By curvature c along a coordinate errors
promise ``e^2 / 2c``, less than noise; in a valley across coordinates they promise more, and noise
hides it. A metric does not know, since errors feign curvature in it: along a step s if that is not
much longer than noise, and ``e^2 / s'y`` across. So curvature is taken from steps that have shown
``VISIBLE`` times the noise and ``SURE`` times their own error of it. What they may have feigned
across is taken off, and along directions that no step has shown errors promise more than
``VISIBLE`` times the noise. Curvature of long ago is that of elsewhere: twice as many pairs count
as span the space.

Reference: H.-J. M. Shi, Y. Xie, R. Byrd, J. Nocedal, "A noise-tolerant quasi-Newton algorithm for
unconstrained optimization", SIAM J. Optim. 32 (2022), whose noise control condition asks of a
pair that its curvature can be told from noise.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator
from typing import Any

import numpy as np

from smoothmin._differences import VISIBLE
from smoothmin._machine import HALF_OF_DIGITS
from smoothmin._noise import ATTEMPTS, NOISE_FLOOR
from smoothmin._protocol import Array, Ask, Problem, ask_one
from smoothmin._verdict import SURE, Knowledge
from smoothmin.metrics.dense_bfgs import InverseHessian


class UnderNoise:
    """The curvature that steps have shown lately in spite of noise."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._pairs: deque[tuple[Array, Array]] = deque(maxlen=2 * problem.x0.size)
        self._last: tuple[Array, Array] | None = None

    @property
    def matters(self) -> bool:
        """Whether noise has made the steps of differences longer than rounding does."""
        differences = self._problem.differences
        return self._problem.noise > 0 and (
            differences is not None and differences.resolution > HALF_OF_DIGITS
        )

    def stepped(self, x: Array, pg: Array) -> None:
        """Take note of a point and its projected gradient."""
        if not self.matters:
            return
        last, self._last = self._last, (x, pg)
        if last is not None:
            step, change = x - last[0], np.where((pg == 0) | (last[1] == 0), 0.0, pg - last[1])
            if step.dot(change) > self._least(x, step):
                self._pairs.append((step, change))

    def told(self, knows: Knowledge, x: Array, pg: Array, *, alone: bool) -> Knowledge:
        """With what slopes and their errors promise; by these pairs alone, not by a metric too."""
        if not self.matters:
            return knows
        metric, error = self._metric(x, pg)
        promised, promises = 0.5 * float(pg @ metric.apply(pg)), _by(metric, error)
        return knows._replace(
            promised=promised if alone else max(promised, knows.promised),
            hidden=float(promises.trace()),
            unsure=self._unsure(float(np.linalg.eigvalsh(promises)[-1])),
        )

    def explored(
        self, x: Array, f: float, g: Array, pg: Array
    ) -> Generator[Ask, Any, tuple[Array, float, Array] | None]:
        """Steps where least is known, as long as curvature takes to show; or a lower point.

        "Lengthening" in the reference, along the direction whose errors promise most.
        """
        noise = self._problem.noise
        for _ in range(x.size):
            metric, error = self._metric(x, pg)
            sizes, directions = np.linalg.eigh(_by(metric, error))
            if not self._unsure(sizes[-1]) > NOISE_FLOOR * noise:
                return None
            step = metric.apply(error * directions[:, -1])
            step *= math.sqrt(VISIBLE) / float(np.linalg.norm(step * error)) * noise
            rise = 0.0
            for _ in range(ATTEMPTS):
                ends = self._problem.clip(np.stack([x + step, x - step]))
                values = (yield Ask(ends, 0)).values
                if not np.isfinite(values).all():
                    return None
                k = int(values.argmin())
                if values[k] < f - NOISE_FLOOR * noise:
                    there: Array = ends[k].copy()
                    return there, *(yield from ask_one(there))
                rise = float(values.sum()) - 2 * f
                if rise > (least := self._least(x, step)):
                    break
                step *= math.sqrt(2) * least / max(rise, noise)
            _, g_there = yield from ask_one(ends[0])
            change = np.where(pg == 0, 0.0, g_there - g)
            if not float((ends[0] - x) @ change) > self._least(x, ends[0] - x):
                return None
            self._pairs.append((ends[0] - x, change))
        return None

    def _unsure(self, largest: float) -> float:
        """What errors promise along a direction by the curvature there that they have not feigned.

        In units of theirs that is ``1 / s'y`` by each pair; one of them may be ``SURE`` times that.
        """
        shares = [1 / float(step @ change) for step, change in self._pairs]
        feigned = sum(shares) + (SURE - 1) * max(shares, default=0.0)
        curvature = 0.5 / largest - feigned
        return 0.5 / curvature if curvature > 0 else math.inf

    def _least(self, x: Array, step: Array) -> float:
        """The change of slopes along a step beyond which it is curvature."""
        assert self._problem.differences is not None
        noise = self._problem.noise
        errors = noise * self._problem.differences.rounded(x) * step
        return max(VISIBLE * noise, SURE * float(np.linalg.norm(errors)))

    def _metric(self, x: Array, pg: Array) -> tuple[InverseHessian, Array]:
        """The inverse curvature by the pairs, and the errors of slopes."""
        assert self._problem.differences is not None
        steps, noise = 2 / self._problem.differences.rounded(x), self._problem.noise
        metric = InverseHessian(x.size)
        metric.begin_with(np.diag(VISIBLE * steps**2 / noise))
        for step, change in self._pairs:
            metric.update(step, change)
        return metric, np.where(pg == 0, 0.0, 2 * noise / steps)


def _by(metric: InverseHessian, error: Array) -> Array:
    """What errors of slopes promise: a quadratic form (n, n) of them in their own units."""
    promises: Array = 0.5 * error[:, None] * metric.matrix(error.size) * error
    return promises
