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

Where that leaves errors that promise more, values around tell, see `model_by_values`.

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
from smoothmin._noise import NOISE_FLOOR
from smoothmin._noisy_differences import BEST
from smoothmin._protocol import Array, Ask, Finish, Problem, ask_one
from smoothmin._recent import SPAN
from smoothmin._verdict import SURE, Knowledge, judge
from smoothmin.descent.first_point import Found, unusable
from smoothmin.descent.model_by_values import Model, model_by_values
from smoothmin.metrics.dense_bfgs import InverseHessian


class UnderNoise:
    """The curvature that steps have shown lately in spite of noise."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._pairs: deque[tuple[Array, Array]] = deque(maxlen=2 * problem.x0.size)
        self._last: tuple[Array, Array] | None = None
        self._models = 0  # that were made

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

    def modelled(
        self, knows: Knowledge, x: Array, f: float, pg: Array
    ) -> Generator[Ask, Any, Finish | Found | None]:
        """The end by a model of values around, or a lower point; None where there is no model.

        Where a model promises more than noise hides, its minimum has to be one by another, too.
        """
        finish, reach = None, f + NOISE_FLOOR * self._problem.noise
        while self._models < SPAN:
            self._models += 1
            model = yield from model_by_values(self._problem, x, f, self._inverse(x, pg))
            if not isinstance(model, Model):
                return model or finish
            known = knows._replace(promised=model.promised, hidden=model.hidden, unsure=0.0)
            finish = judge(known)
            if finish.status.success:
                break
            there, before = model.point, f
            f, g = yield from ask_one(there)
            if f < before and unusable(f, g) is None:
                return there, f, g
            if not f < reach:
                break
            x, pg = there, self._problem.projected_gradient(there, g)
        return finish

    def _inverse(self, x: Array, pg: Array) -> Array:
        """The inverse curvature (n, n) by the pairs and by what steps suit, but for held ones."""
        problem, held = self._problem, np.zeros(x.size, dtype=bool)
        if problem.box is not None:
            held = (pg == 0) & ((x == problem.box[0]) | (x == problem.box[1]))
        assert problem.differences is not None
        steps = 2 / problem.differences.rounded(x)
        metric = InverseHessian(x.size)
        # the curvature for which these steps are the best
        metric.begin_with(np.diag(steps**2 / (BEST**2 * problem.noise)))
        for step, change in self._pairs:
            metric.update(step, change)
        return np.where(held | held[:, None], 0.0, metric.matrix(x.size))

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
