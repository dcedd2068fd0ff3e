"""The Hessian of the Lagrangian, learnt from steps.

References: M. J. D. Powell, "A fast algorithm for nonlinearly constrained optimization
calculations" (1978), for the damped update; A. S. Lewis, M. L. Overton, Math. Program. 141
(2013), for the matrix across kinks.

Deviations, and why: where the quadratic program knows of a kink the matrix is not to learn it
as curvature, so pairs of points are of one smooth piece of the objective, and functions that
are on another piece are left out.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator

import numpy as np

from smoothmin._factors import FASTEST_GROWTH, OTHER_ORDER
from smoothmin._machine import FEW, PRODUCTS
from smoothmin._protocol import Array, Mask
from smoothmin.descent.unexplored import POLLED, unexplored
from smoothmin.metrics.dense_bfgs import InverseHessian
from smoothmin.metrics.lbfgs import PAIRS, LimitedMemory
from smoothmin.metrics.metric import Changes
from smoothmin.sqp.functions import Point
from smoothmin.sqp.program import Direction
from smoothmin.sqp.settings import SQPSettings
from smoothmin.sqp.tangent_space import normal_basis, tangential
from smoothmin.sqp.tangents import Gathered
from smoothmin.subproblems.boxed_qp import IdentityModel, RowModel


class _DividedModel:
    """A model's matrix divided by a factor."""

    def __init__(self, model: RowModel, factor: float) -> None:
        self._model, self._factor = model, factor

    def curve(self, s: Array) -> Array:
        """The matrix times ``s``."""
        return self._model.curve(s) / self._factor

    def newton_rows(self, rows: Array, free: Mask) -> Array:
        """Minus the inverse of its free part times each row (m, n); 0 elsewhere."""
        return self._factor * self._model.newton_rows(rows, free)


class LagrangianMetric:
    """A quasi-Newton estimate of the inverse Hessian, dense or of limited memory.

    Parameters
    ----------
    n : int
    settings : SQPSettings
    growing : bool
        Whether a dense matrix is enlarged as a whole where it makes too little of a flat step:
        between bounds, not where equalities decide of steps.
    """

    def __init__(self, n: int, settings: SQPSettings, *, growing: bool) -> None:
        self._n, self._damping = n, settings.damping
        self._growing = growing
        dense = n <= settings.dense_up_to
        self._metric: InverseHessian | LimitedMemory
        self._metric = InverseHessian(n) if dense else LimitedMemory(n, PAIRS)
        self._largest = 0.0  # curvature along a step so far
        # the last steps and changes of the gradient
        self.pairs: deque[tuple[Array, Array]] = deque(maxlen=min(PAIRS, n))
        self.first = 1.0  # the inverse Hessian's diagonal before anything is learnt
        self.trust = 1.0  # factor of the inverse Hessian, for short steps after failures

    @property
    def fresh(self) -> bool:
        """Whether nothing was learnt since the last reset."""
        return self._metric.fresh

    def reset(self, first: float | None = None) -> None:
        """Forget everything, but for what the inverse Hessian's diagonal is at first."""
        self._metric.reset()
        self.trust = 1.0
        if first is not None:
            self.first = first

    def quadratic(self, *, boxed: bool) -> Array | RowModel:
        """J (n, n) of the inverse Hessian, or the Hessian as a model; shortened by the trust.

        The latter for limited memory, and for more than a few variables that are ``boxed``.
        """
        metric = self._metric
        if isinstance(metric, InverseHessian) and (self._n <= FEW or not boxed):
            factor = metric.factor()
            root = math.sqrt(self.first) * np.eye(self._n) if factor is None else factor
            return root if self.trust == 1 else root * math.sqrt(self.trust)
        if metric.fresh:
            return IdentityModel(self.first * self.trust)
        return _DividedModel(metric.model(), self.trust)

    def learn(
        self,
        before: Point,
        after: Point,
        direction: Direction,
        share: float,
        gathered: Gathered,
    ) -> float:
        """Learn from a step to ``after`` that was ``share`` of the direction.

        The curvature that was met, 0 where none is known.
        """
        weights = np.concatenate([[1.0], direction.multipliers])
        if not gathered.kinked or share == 0:
            step, change = after.x - before.x, weights @ (after.slopes - before.slopes)
            bent = -(share / self.trust) * direction.solution.lagrangian
            steep = float(weights @ after.steep)
            bent = bent if share else self._bent(step)
            if (after.violation > np.maximum(before.violation, after.allowed)).any():
                share = 0.0  # what bends down for want of a row's curvature leads no farther
            return self._update(step, change, bent, steep, share)
        found = gathered.pair(after, weights > 0)
        if found is None:
            return 0.0
        other, same = found
        step = after.x - other.x
        change = (weights * same) @ (after.slopes - other.slopes)
        # a kink taken for curvature grows as steps shrink
        # more than any smooth piece has shown: a kink
        if self._largest > 0 and step @ change > OTHER_ORDER * self._largest * (step @ step):
            return 0.0
        if other is before and not self._metric.fresh:
            bent = -(share / self.trust) * direction.solution.lagrangian
        else:
            bent = self._bent(step)
        if not same[weights > 0].all():
            share = 0.0  # what is left out may be what bends
        met = self._update(step, change, bent, float((weights * same) @ after.steep), share)
        gathered.curved = OTHER_ORDER * self._largest
        return met

    def _bent(self, step: Array) -> Array:
        """The Hessian so far times a step."""
        if not self._metric.fresh:
            try:
                return self._metric.model().curve(step)
            except np.linalg.LinAlgError:  # the matrix is lost to rounding
                self._metric.reset()
        return step

    def _update(self, step: Array, change: Array, bent: Array, steep: float, share: float) -> float:
        """The damped BFGS update; the curvature.

        ``bent`` is the Hessian so far times the step, ``steep`` the length of gradients of which
        ``change`` is a difference; the step was ``share`` of a direction, of which a flat one
        leads farther.
        """
        square = float(step @ step)
        if not square > 0:  # it may have underflowed
            return 0.0
        self.pairs.append((step, change))
        curved = float(step @ change)
        before = 0.0 if self._metric.fresh else float(step @ bent)
        if max(before, curved) <= PRODUCTS * steep * math.sqrt(square):  # rounding
            if self._metric.fresh and share > 0:
                self.first *= FASTEST_GROWTH * share
            return 0.0
        self._largest = max(self._largest, curved / square)
        damped = before > 0 and curved < self._damping * before
        if isinstance(self._metric, InverseHessian):  # a damped step is not known to be flat
            self._metric.growing = self._growing and not damped
        if damped:
            share = (1 - self._damping) * before / (before - curved)
            change = share * change + (1 - share) * bent
        self._metric.update(step, change)
        return curved / square

    def doubtful(self, slope: Array, errors: Array, fall: float, longest: Array) -> Iterator[Array]:
        """Steps of this fall by a slope where the matrix may claim too much curvature.

        Downward along what the last changes of the gradient leave of the slope, and in units of
        the matrix's diagonal; and along the coordinates for which no step has
        shown the curvature claimed, to a factor of two, by changes of the gradient beyond
        ``errors`` (n,); of limited memory the most promising few. None is longer than
        ``longest`` (n,).
        """
        factor = self._metric.factor() if isinstance(self._metric, InverseHessian) else None
        inverse = np.ones(self._n) if factor is None else np.vecdot(factor, factor)
        proven = np.zeros(self._n, dtype=bool)
        for step, change in self.pairs if factor is not None else ():
            ratio = step / np.where(change == 0, np.inf, inverse * change)
            proven |= (np.abs(change) > errors) & (ratio > 0.5) & (ratio < 2)
        last = [change for _, change in self.pairs][1 - self._n :] if self._n > 1 else []
        rest = unexplored(Changes(len(last), lambda part: np.array(last)[:, part]), slope, fall)
        down = slope if rest is None else -rest
        for downward in (down, inverse * slope) if factor is not None else (down,):
            step = downward * (fall / (float(downward @ slope) or np.inf))
            if (np.abs(step) <= longest).all() and step.any():
                yield -step
            if self._n == 1:
                return
        promising = np.abs(slope) * longest
        every = np.flatnonzero(~proven & (promising > fall))
        if factor is None:  # of which none is proven, however many there are
            every = every[np.argsort(-promising[every], kind="stable")[:POLLED]]
        for k in every:
            step = np.zeros(self._n)
            step[k] = -fall / slope[k]
            yield step

    def promised_by(self, errors: Array, held: Array | None = None) -> float:
        """The decrease that a gradient promises that is no more than ``errors`` (n,).

        Along steps that leave the ``held`` rows (k, n) as they are.
        """
        factor = self._metric.factor() if isinstance(self._metric, InverseHessian) else None
        if factor is None:
            return 0.5 * self.first * float(errors @ errors)
        image = _less(errors[:, None] * factor, held, factor)
        return 0.5 * float(np.vdot(image, image))

    def bends(self) -> Array:
        """The Hessian's diagonal (n,), zero where the matrix is lost to rounding."""
        factor = self._metric.factor() if isinstance(self._metric, InverseHessian) else None
        if factor is None:
            return np.full(self._n, 1 / self.first)
        try:
            inverse = np.linalg.inv(factor)
        except np.linalg.LinAlgError:
            return np.zeros(self._n)
        diagonal: Array = (inverse * inverse).sum(axis=0)
        return diagonal

    def promised_along(self, slope: Array, held: Array | None = None) -> float:
        """The decrease that a gradient promises that is ``slope`` (n,), as above."""
        factor = self._metric.factor() if isinstance(self._metric, InverseHessian) else None
        if factor is None:
            image = slope * math.sqrt(self.first)
        else:
            image = _less(slope @ factor, held, factor)
        return 0.5 * float(image @ image)


def _less(images: Array, held: Array | None, factor: Array) -> Array:
    """Images by a factor, less what rows that are held take of them."""
    if held is None or not len(held):
        return images
    return tangential(images, normal_basis(held @ factor))


def down_coordinates(slope: Array, longest: Array) -> Iterator[Array]:
    """Steps down a slope along the coordinates that promise most, as long as each may be (n,)."""
    for k in np.argsort(-np.abs(slope) * longest, kind="stable")[:POLLED].tolist():
        step = np.zeros(slope.size)
        step[k] = -math.copysign(longest[k], slope[k])
        yield step
