"""Inverse Hessians for `DifferenceDescent`, and the differences that suit them.

References: A. S. Berahas, R. H. Byrd, J. Nocedal, "Derivative-free optimization of
noisy functions via quasi-Newton methods", SIAM J. Optim. 29 (2019), for the length of
differences; J. Nocedal, S. J. Wright, *Numerical Optimization*, 2nd ed. (2006), Section
7.2, for the limited memory.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import ClassVar

import numpy as np
from scipy.linalg import solve_triangular

from smoothmin._machine import FEW
from smoothmin._noise import SPACING
from smoothmin._protocol import Array, Mask
from smoothmin.metrics.dense_bfgs import LARGEST_GROWTH, InverseHessian
from smoothmin.metrics.lbfgs import LimitedMemory
from smoothmin.metrics.metric import Ends, Metric
from smoothmin.metrics.product_form import SquareFactor
from smoothmin.subproblems.box_qp import Model
from smoothmin.subproblems.linear_system import solved

# below so many variables H is a full matrix from the start, and up to `FEW` once there are as many
# steps; more are not remembered
FULL_BELOW = 50
FIRST_DIFFERENCE = SPACING  # in units of the scale, until as many steps as variables are known
AHEAD = 3.0  # inverse curvature of unknown directions, in units of the largest seen
FAR_BEHIND = 2.0  # factor by which that has to grow for H to be made anew
REMEMBERED = 4  # times as many steps as variables, from which H is made anew


class Units:
    """Of some diagonals the first in whose units steps and changes of the gradient are alike.

    One in whose units they are less so than in those of a later one is given up.
    """

    def __init__(self, *units: Array) -> None:
        self._units, self._credits = list(units), np.zeros(len(units))

    @property
    def now(self) -> Array:
        """That one (n,)."""
        return self._units[0]

    def learn(self, s: Array, y: Array) -> bool:
        """Take a step and the change of the gradient; whether it is another one now."""
        self._credits *= 0.5
        self._credits += [_cosine(s / unit, y * unit) for unit in self._units]
        best = int(self._credits.argmax())
        del self._units[:best]
        self._credits = self._credits[best:]
        return best > 0


def even(scale: Array) -> Array:
    """The same for all variables: a scale that is a guess may be worse than none."""
    if (scale == scale[0]).all():
        return scale
    return np.full_like(scale, np.exp(np.mean(np.log(scale))))


class DenseMetric(InverseHessian):
    """H = J J' from the last steps; J's columns have unit curvature as far as known.

    H starts from a diagonal times `AHEAD` times the least curvature's inverse. Steps that
    show less curvature make H anew from a larger multiple: updates alone take many steps to
    raise what is too small along a direction, while a gradient costs ``n`` values.
    """

    along_coordinates: ClassVar[bool] = False  # whether differences are, of many variables

    def __init__(self, n: int, scale: Array) -> None:
        super().__init__(n)
        self._scale, self._units = scale, Units(scale, even(scale))
        self._first: Array | None = None  # a J to start from in place of the unit
        self._multiple = 0.0  # of the square of the unit, from which H starts
        self._steps: deque[tuple[Array, Array]] = deque(maxlen=REMEMBERED * n)
        self._updates = 0  # since that start

    @property
    def learnt(self) -> bool:
        """Whether H is known along as many directions as there are variables."""
        return self._j is not None and (
            self._first is not None or self._updates >= self._scale.size
        )

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self._units = Units(self._scale, even(self._scale))
        self._multiple, self._first = 0.0, None
        self._steps.clear()

    def begin(self, curvature: Array) -> None:
        """Start from a diagonal Hessian."""
        self._units = Units(1 / np.sqrt(curvature))
        self._start(1.0)

    def begin_with(self, inverse: Array) -> None:
        """Start from an inverse Hessian (n, n), which is better known than a mere unit.

        One that is not positive definite, by rounding maybe, is as good as none.
        """
        try:
            root = np.linalg.cholesky(inverse)
        except np.linalg.LinAlgError:
            return
        self._first = np.asarray(root / math.sqrt(AHEAD), dtype=float)
        self._start(AHEAD)

    def learn(self, s: Array, y: Array, cause: Array | None) -> None:
        """Update by a step and the change of the gradient, or make H anew with them."""
        sy = float(s @ y)
        if not 0 < sy < np.inf:
            return
        self._steps.append((s, y))
        if not self.learnt and self._units.learn(s, y):
            self.adopt(self._units)
            return
        if self._first is None:
            in_units = s / self._units.now
        else:
            in_units = solve_triangular(self._first, s, lower=True)
        multiple = AHEAD * float(in_units @ in_units) / sy
        if self._j is not None:
            multiple = min(multiple, LARGEST_GROWTH * self._multiple)
        if not multiple > FAR_BEHIND * self._multiple:
            self._updates += 1
            self.update(s, y, cause)
        elif multiple < np.inf:
            self._start_anew(multiple)

    def adopt(self, units: Units, steps: Iterable[tuple[Array, Array]] = ()) -> None:
        """Begin with other units; with these steps, too, and changes of the gradient."""
        self._units = units
        self._steps.extend(steps)
        ratios = (np.square(s / units.now).sum() / (s @ y) for s, y in self._steps)
        multiple = AHEAD * float(max(ratios))
        if multiple < np.inf:
            self._start_anew(multiple)

    def _start_anew(self, multiple: float) -> None:
        """Start from that multiple, and learn all steps again."""
        self._start(multiple)
        for step, change in tuple(self._steps):
            self._updates += 1
            self.update(step, change)
            if self.fresh:  # J was lost to rounding, and everything with it
                return

    def _start(self, multiple: float) -> None:
        super().reset()
        self._multiple, self._updates = multiple, 0
        first = self._units.now if self._first is None else self._first
        self._j = SquareFactor(first * math.sqrt(multiple))

    def difference_steps(self, noise: float, longest: float = FIRST_DIFFERENCE) -> Array:
        """Rows to take differences along, none longer than that where little is known."""
        if self._j is None:
            return np.diag(longest * self._scale)
        steps = self._j.dense().T * (2 * math.sqrt(noise))
        if self._updates < len(steps):
            size = np.linalg.norm(steps / self._scale, axis=1)
            steps = steps * np.minimum(1.0, longest / size)[:, None]
        return np.ascontiguousarray(steps)


def metric_for(n: int, scale: Array) -> DenseMetric | GrowingMetric | LargeMetric:
    """What suits so many variables."""
    if n < FULL_BELOW:
        return DenseMetric(n, scale)
    return GrowingMetric(n, scale) if n <= FEW else LargeMetric(n, scale)


class LargeMetric(Metric):
    """A diagonal, and the last steps: for more variables than steps can be made.

    H starts from the diagonal times the newest ``s'y / y'y``, which a dense H never
    forgets and takes as many steps as variables to correct.
    """

    def __init__(self, n: int, scale: Array) -> None:
        self._scale, self._begun = scale, False
        self.units = Units(scale, even(scale))  # H is scaled by the square
        self._memory = LimitedMemory(n, FEW)

    learnt: ClassVar[bool] = False  # along few directions only
    along_coordinates: ClassVar[bool] = True  # whether differences are

    @property
    def fresh(self) -> bool:
        """Whether nothing is known."""
        return not self._begun and self._memory.fresh

    def reset(self) -> None:
        """Forget everything."""
        self._memory.reset()
        self.units, self._begun = Units(self._scale, even(self._scale)), False

    def begin(self, curvature: Array) -> None:
        """Start from a diagonal Hessian."""
        self._begun = True
        self.units = Units(1 / np.sqrt(curvature), self._scale, even(self._scale))

    def apply(self, g: Array) -> Array:
        """``H g``."""
        return self.units.now * self._memory.apply(self.units.now * g)

    def root(self, gradients: Array) -> Array:
        """A factor of the inner products ``G H G'``."""
        return self._memory.root(gradients * self.units.now)

    def model(self) -> InUnits:
        """``H^-1``."""
        return InUnits(self._memory.model(), self.units.now)

    def update(
        self, s: Array, y: Array, cause: Array | None = None, ends: Ends | None = None
    ) -> None:
        """Remember a step and the change of the gradient."""
        self._memory.update(s / self.units.now, y * self.units.now)

    def learn(self, s: Array, y: Array, cause: Array | None) -> None:
        """Remember, in other units if these make steps and changes more alike."""
        unit = self.units.now
        if self.units.learn(s, y):
            steps, changes = self._memory.pairs()
            self._memory.reset()
            for step, change in zip(steps * unit, changes / unit, strict=True):
                self.update(step, change)
        self.update(s, y)

    def difference_steps(self, noise: float, longest: float = FIRST_DIFFERENCE) -> Array:
        """Rows to take differences along: the coordinates."""
        size = longest * self._scale
        if not self.fresh:
            size = np.minimum(size, self.units.now * (2 * math.sqrt(noise * self._memory.scale)))
        return np.diag(size)


class GrowingMetric(Metric):
    """The last steps, scaled by the newest, while they are fewer than variables; H = J J' then.

    Few steps say little of the flattest direction, and a start as flat as the flattest of them
    is much too bold in directions that are unknown.
    """

    def __init__(self, n: int, scale: Array) -> None:
        self._few, self._dense = LargeMetric(n, scale), DenseMetric(n, scale)
        self._pairs: list[tuple[Array, Array]] = []
        self._now: LargeMetric | DenseMetric = self._few
        self._size = n

    @property
    def fresh(self) -> bool:
        """Whether nothing is known."""
        return self._now.fresh

    @property
    def learnt(self) -> bool:
        """Whether H is known along as many directions as there are variables."""
        return self._now is self._dense and self._dense.learnt

    @property
    def along_coordinates(self) -> bool:
        """Whether differences are."""
        return self._now is self._few

    def reset(self) -> None:
        """Forget everything."""
        self._few.reset()
        self._dense.reset()
        self._pairs.clear()
        self._now = self._few

    def begin(self, curvature: Array) -> None:
        """Start from a diagonal Hessian."""
        self._few.begin(curvature)

    def begin_with(self, inverse: Array) -> None:
        """Start from an inverse Hessian (n, n)."""
        self._dense.begin_with(inverse)
        if not self._dense.fresh:
            self._now = self._dense

    def apply(self, g: Array) -> Array:
        """``H g``."""
        return self._now.apply(g)

    def root(self, gradients: Array) -> Array:
        """A factor of the inner products ``G H G'``."""
        return self._now.root(gradients)

    def model(self) -> Model:
        """``H^-1``."""
        return self._now.model()

    def update(
        self, s: Array, y: Array, cause: Array | None = None, ends: Ends | None = None
    ) -> None:
        """Remember a step and the change of the gradient."""
        self._now.update(s, y, cause, ends)

    def learn(self, s: Array, y: Array, cause: Array | None) -> None:
        """Remember a step and the change of the gradient; change over once there are many."""
        self._now.learn(s, y, cause)
        if self._now is self._dense or not 0 < float(s @ y) < np.inf:
            return
        self._pairs.append((s, y))
        if len(self._pairs) >= self._size:
            self._dense.adopt(self._few.units, self._pairs)
            if not self._dense.fresh:
                self._now = self._dense
            self._pairs.clear()

    def difference_steps(self, noise: float, longest: float = FIRST_DIFFERENCE) -> Array:
        """Rows to take differences along, none longer than that where little is known."""
        return self._now.difference_steps(noise, longest)


class InUnits:
    """A model whose variables are measured in units (n,)."""

    def __init__(self, model: Model, unit: Array) -> None:
        self._model, self._unit = model, unit

    def curve(self, s: Array) -> Array:
        """``B s``."""
        return self._model.curve(s / self._unit) / self._unit

    def newton(self, r: Array, free: Mask) -> Array:
        """``-B^-1 r`` for the rows and columns ``free`` alone; 0 elsewhere."""
        return self._unit * self._model.newton(self._unit * r, free)


def _cosine(a: Array, b: Array) -> float:
    size = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return float(a @ b) / size if size > 0 else 0.0


def displaced(x: Array, steps: Array, box: tuple[Array, Array] | None) -> Array:
    """The points ``x + steps``; turned round, or along coordinates, if a bound is near."""
    points = x + steps
    if box is None:
        return points
    outside = ((points < box[0]) | (points > box[1])).any(axis=1)
    if not outside.any():
        return points
    points[outside] = x - steps[outside]
    if ((points < box[0]) | (points > box[1])).any():
        sizes = np.linalg.norm(steps, axis=0)
        sizes = np.minimum(sizes, 0.5 * (box[1] - box[0]))
        points = x + np.diag(np.where(x + sizes > box[1], -sizes, sizes))
    return np.clip(points, *box)


def gradient_along(steps: Array, change: Array) -> Array:
    """The gradient with these changes along these steps, at least in the least-squares sense."""
    lengths = np.diagonal(steps)
    if np.count_nonzero(steps) == np.count_nonzero(lengths) == len(change):  # along coordinates
        return change / lengths
    return solved(steps, change)
