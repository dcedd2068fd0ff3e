"""Counts, and the best point, of a run with constraints.

The best is the lowest of the points that meet the constraints, else the least violated.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from smoothmin import _status
from smoothmin._differences import Stencil
from smoothmin._domain import Domain
from smoothmin._evaluate import Batch, Best, Ledger, owner_of
from smoothmin._limits import Halt, Limits
from smoothmin._machine import LARGE, PRODUCTS
from smoothmin._protocol import Answers, Array, Ask, Done, Mask, Rows, advance, quiet
from smoothmin._status import Status
from smoothmin.constraints.evaluation import SLOPES_ALONE, FeasibleLimits, Sizes
from smoothmin.constraints.region import (
    FeasibleRegion,
    excess,
    part_of,
    relative_excess,
    scaled_excess,
)

# rows (m, w) of points, and slopes (m, w, n) or None
FoundRows: TypeAlias = tuple[NDArray[Any], Array | None]


class BestFeasible(Best):
    """The best point: its violation, its rows and their Jacobian are kept, too."""

    __slots__ = ("feasible", "jacobian", "rows", "violation")

    def __init__(self) -> None:
        super().__init__()
        self.feasible, self.violation = False, math.inf
        self.rows: Array | None = None
        self.jacobian: Array | None = None

    def beaten_by(self, value: float, violation: float, feasible: bool) -> bool:
        """Whether a point is better than the best so far."""
        if self.x is None:
            return True
        if feasible != self.feasible:
            return feasible
        if feasible:
            return value < self.fun
        return (violation, value) < (self.violation, self.fun)

    def is_at(self, point: Array) -> bool:
        """Whether the best is this point, where no gradient is known yet."""
        return self.grad is None and self.x is not None and np.array_equal(point, self.x)

    def replace(
        self,
        point: Array,
        row: Array,
        slopes: Array | None,
        violation: float,
        feasible: bool,
    ) -> None:
        """Take a point."""
        self.x, self.fun, self.rows = point.copy(), float(row[0]), row[1:].copy()
        self.grad = None if slopes is None else slopes[0].copy()
        self.jacobian = None if slopes is None else slopes[1:].copy()
        self.violation, self.feasible = violation, feasible
        self.changes += 1


class ConstrainedLedger(Ledger):
    """A `Ledger` of rows: values with those of the constraints behind them.

    Attributes
    ----------
    region : FeasibleRegion
        What is known of the constraints; of nonlinear rows nothing before the first value.
    jacobians_told, slopes_told : int
        Points whose Jacobians were evaluated, with the values or afterwards.
    slopes_apart : bool
        Whether differences leave Jacobians to be evaluated afterwards.
    """

    best: BestFeasible
    wide = True
    _changed = ("best", "precision", "_recent")

    def __init__(
        self,
        domain: Domain,
        limits: Limits,
        stencil: Stencil | None,
        region: FeasibleRegion,
        sizes: Sizes,
    ) -> None:
        given = (limits.maxfev, limits.maxtime, limits.f_target, limits.started)
        super().__init__(domain, FeasibleLimits(*given, feasible=self._meets), stencil)
        self.best = BestFeasible()
        self.region, self._sizes, self._domain = region, sizes, domain
        self._rows: Rows | None = region.rows
        hard = None if region.linear is None else region.linear.hard
        self._hard = None
        if region.linear is not None and hard is not None:
            self._hard = part_of(region.linear, hard)
        self.jacobians_told, self._n = 0, domain.size
        self._started_outside = False
        self._last = np.empty((0, 0)), np.empty((0, 0))  # points and rows of the last batch
        self._recent: deque[tuple[Array, Array]] = deque()  # points and slopes (1 + k, n)
        self.slopes_told, self.slopes_apart = 0, False
        self._centers: Array | None = None  # while differences are taken, where

    @property
    def on_plateau(self) -> bool:
        """Not where there was a violation to be ended, and it was."""
        return super().on_plateau and not (self._started_outside and self.best.feasible)

    def violation_at(self, x: Array) -> float:
        """The violation at the best point or one of those last evaluated; else NaN."""
        if self.best.x is not None and np.array_equal(x, self.best.x):
            return self.best.violation
        points, rows = self._last
        here = np.flatnonzero((points == x).all(axis=1)) if points.shape[1:] == x.shape else ()
        if not len(here):
            return math.nan
        k = here[:1]
        return float(self.violations(points[k], rows[k, 1:])[0][0])

    def constraint_counts(self) -> list[int]:
        """How often each constraint was evaluated, differences for its Jacobian included."""
        counts = []
        for item in self.region.forms.items:
            more = 0
            if item.matrix is None and not item.exact:
                scheme = item.jac or "2-point"
                more = self.jacobians_told * self._n * (2 if scheme == "3-point" else 1)
            alone = self.slopes_told  # an order of its own, which finds values, too
            counts.append(0 if item.matrix is not None else self.nfev + more + alone)
        return counts

    def jacobian_counts(self) -> list[int]:
        """How often each constraint's Jacobian was computed by the user's code."""
        told = self.jacobians_told + self.slopes_told
        return [told if item.exact else 0 for item in self.region.forms.items]

    @property
    def violated(self) -> str:
        """By how much the best point violates constraints, if by too much."""
        best = self.best
        if best.x is None or best.feasible or self._rows is None:
            return ""
        return f"constraints are violated by {best.violation:.3g}, in units of max(1, |limit|)"

    def exchange(self, ask: Ask) -> Generator[Batch, FoundRows, Answers]:
        """See `Ledger`; answers have rows, and Jacobians with gradients."""
        if ask.order and self.stencil is not None:
            if ask.known:
                self._remind(ask.points, self.stencil)
            return (yield from self._by_differences(ask.points, self.stencil))
        rows, slopes = yield from self._found_at(ask.points, ask.order)
        values, beside = rows[:, 0].copy(), rows[:, 1:]
        if slopes is None:
            return Answers(values, None, beside)
        return Answers(values, slopes[:, 0].copy(), beside, slopes[:, 1:])

    def slopes_around(self, x: Array, radius: float) -> list[tuple[float, Array]]:
        """Slopes (1 + k, n) of the last points other than ``x``, and how far these are.

        Those that are finite, not farther than the radius, in units of ``max(1, |x|)``.
        """
        size = np.maximum(1.0, np.abs(x))
        found = []
        for point, slopes in self._recent:
            away = float((np.abs(point - x) / size).max(initial=0.0))
            if 0 < away <= radius and np.isfinite(slopes).all():
                found.append((away, slopes))
        return found

    def _remember(self, points: Array, slopes: Array) -> None:
        """Keep the last points' slopes (m, 1 + k, n), one more than may meet at a kink."""
        if self._recent.maxlen is None:
            most = min(self._n + 1, LARGE // max(1, slopes[0].size))
            self._recent = deque(maxlen=max(1, most))
        self._recent.extend(zip(points, slopes, strict=True))

    def _remind(self, points: Array, stencil: Stencil) -> None:
        """Let differences know what was found last, if that was at the same point."""
        last, rows = self._last
        if len(last) and len(points) == 1 and np.array_equal(last[0], points[0]):
            stencil.know(points[0], rows[0])

    def _by_differences(
        self, points: Array, stencil: Stencil
    ) -> Generator[Batch, FoundRows, Answers]:
        before, context = self.best.changes, quiet()
        steps = stencil.with_rows(points)
        batch = context.run(advance, steps)
        self._centers = points
        while not isinstance(batch, Done):
            rows, _ = yield from self._found_at(batch, 0)
            batch = context.run(advance, steps, rows)
        self._centers = None
        values, gradients = batch.value
        jacobians = stencil.jacobians
        if self.slopes_apart and jacobians is not None:
            _, slopes = yield points, SLOPES_ALONE
            assert slopes is not None
            self.slopes_told += len(points)
            known = np.isfinite(slopes[:, 1:]).any(axis=2)
            jacobians[known] = slopes[:, 1:][known]
        best = self.best
        if jacobians is not None:
            self._remember(points, np.concatenate([gradients[:, None], jacobians], axis=1))
        new = best.changes > before or best.grad is None
        if best.x is not None and best.x.size and new:
            owner = owner_of(best.x, points, stencil)
            if owner is not None and stencil.jacobians is not None:
                best.grad = gradients[owner].copy()
                best.jacobian = stencil.jacobians[owner].copy()
        return Answers(values, gradients, stencil.rows, stencil.jacobians)

    def _found_at(self, points: NDArray[Any], order: int) -> Generator[Batch, FoundRows, FoundRows]:
        """Rows and slopes; infinite, and not evaluated, where ``keep_feasible`` forbids."""
        if self._hard is None or (kept := self._kept(points.real, self._hard)).all():
            return widened(*(yield points, order))
        width = 1 if self._rows is None else 1 + self._width
        rows = np.full((len(points), width), np.nan, dtype=points.dtype)
        rows[:, 0] = np.inf
        slopes = np.full((*rows.shape, points.shape[1]), np.nan) if order else None
        if kept.any():
            found, found_slopes = widened(*(yield points[kept], order))
            rows[kept] = found
            if slopes is not None and found_slopes is not None:
                slopes[kept] = found_slopes
        return rows, slopes

    @property
    def _width(self) -> int:
        nonlinear = self.region.nonlinear
        return 0 if nonlinear is None else len(nonlinear.lower)

    @staticmethod
    def _kept(points: Array, hard: Rows) -> Mask:
        """Which points violate no linear row that no evaluation may, but for rounding."""
        values = (hard.matrix @ points.T).T
        slack = PRODUCTS * (abs(hard.matrix) @ np.abs(points).T).T
        kept: Mask = (excess(hard, values) <= slack).all(axis=1)
        return kept

    def _meets(self, point: Array, row: Array) -> bool:
        """Whether a point meets the constraints."""
        if self._first is None and self.region.has_nonlinear:
            return False  # the rows are not known yet: `_stop` looks at the first point
        return bool(self.violations(point[None], row[None])[1][0])

    def take(
        self,
        points: NDArray[Any],
        values: NDArray[Any],
        gradients: Array | None,
        center: Array | None = None,
    ) -> None:
        """Count what was found, rows (m, w) and slopes (m, w, n)."""
        self._found = values, gradients = widened(values, gradients)
        if gradients is not None:
            self.jacobians_told += len(values)
        own = None if gradients is None else gradients[:, 0]
        super().take(points[: len(values)], values[:, 0], own, center)

    @property
    def usual(self) -> bool:  # type: ignore[override]
        """Not at the start, and not where points are refused or may have no rows."""
        return self._first is not None and self._hard is None and self.failures is None

    def answer_one(
        self, point: Array, value: Any, gradient: Array | None, *, lasting: bool = False
    ) -> Answers:
        """See `Ledger`: a row and slopes, or value and gradient where all rows are linear."""
        row = value if isinstance(value, np.ndarray) else np.array([value])
        slopes = gradient if gradient is None or gradient.ndim == 2 else gradient[None]
        points, rows, fun = point[None], row[None], row.item(0)
        own = rows[:, 0].copy()
        self._last = points, rows
        if fun - fun != 0 or self.recorder is not None:
            self.take(points, rows, None if slopes is None else slopes[None])
        else:
            self.nfev += 1
            self._dead = 0
            if not self.precision.known:
                self.precision.add(fun)
            self._varied = self._varied or fun != self._first
            if slopes is not None:
                self.njev += 1
                self.jacobians_told += 1
                self._remember(points, slopes[None])
            self._offer(point, row, slopes)
        if slopes is None:
            return Answers(own, None, rows[:, 1:])
        return Answers(own, slopes[:1].copy(), rows[:, 1:], slopes[None, 1:])

    def _offer(self, point: Array, row: Array, slopes: Array | None) -> None:
        """Take a point that is the best, or what was not known of the best."""
        best, fun = self.best, row.item(0)
        if not best.feasible or fun < best.fun:
            violations, met = self.violations(point[None], row[None, 1:])
            violation, feasible = violations.item(0), met.item(0)
            if best.beaten_by(fun, violation, feasible):
                best.replace(point, row, slopes, violation, feasible)
        if slopes is not None and best.is_at(point):
            best.grad, best.jacobian = slopes[0].copy(), slopes[1:].copy()
        if best.feasible and isinstance(self.limits, FeasibleLimits):
            self.limits.look_at_feasible(best.fun)

    def violations(self, points: Array, rows: Array) -> tuple[Array, Mask]:
        """The largest violation of each point, in units of its limit, and whether it is none."""
        if self._rows is None or not len(self._rows.lower):
            return np.zeros(len(points)), np.ones(len(points), dtype=bool)
        if len(points) == 1 and self._inside(points[0], rows[0]):
            return np.zeros(1), np.ones(1, dtype=bool)
        values = self.region.values(points, rows)
        beyond = scaled_excess(self._rows, values)
        met: Mask = np.logical_and.reduce(beyond <= self._rows.tolerance, axis=1)
        return relative_excess(self._rows, values).max(axis=1), met

    def _inside(self, point: Array, row: Array) -> bool:
        """Whether a point violates nothing at all: quickly, as most do not."""
        assert self._rows is not None
        linear = self.region.linear
        if linear is not None:
            above = linear.matrix @ point
            row = above if not len(row) else np.concatenate([above, row])
        rows = self._rows
        return bool((row >= rows.lower).all()) and bool((row <= rows.upper).all())

    def _note(
        self, points: Array, values: Array, gradients: Array | None, center: Array | None
    ) -> None:
        """Remember the best, and stop on what nothing can be made of."""
        rows, slopes = self._found
        points = points if center is None else center + points
        count = len(values)
        sure = math.isfinite(values.sum())
        finite = count if sure else int(np.count_nonzero(np.isfinite(values)))
        self.n_nonfinite += count - finite
        self._dead = 0 if finite else self._dead + count
        self.njev += 0 if gradients is None else count
        self._last = points, rows
        start = self._first is None
        if start:
            self._first = float(values[0])
            self._learn(points[0], rows.shape[1] - 1)
        if slopes is not None:
            self._remember(points, slopes)
        violation, feasible = self.violations(points, rows[:, 1:])
        if self._centers is not None:
            feasible &= ~self._aside(points, self._centers) | (violation <= 0)
        if start:
            self._started_outside = not feasible[0]
        for k in self._candidates(values, violation, feasible):
            if self.best.beaten_by(float(values[k]), float(violation[k]), bool(feasible[k])):
                slope = None if slopes is None else slopes[k]
                self.best.replace(points[k], rows[k], slope, float(violation[k]), bool(feasible[k]))
            elif slopes is not None and self.best.is_at(points[k]):
                self.best.grad, self.best.jacobian = slopes[k, 0].copy(), slopes[k, 1:].copy()
        if finite < count and (values[feasible] == -math.inf).any():
            raise Halt(Status.NONFINITE, _status.unbounded(-math.inf))
        if start and np.array_equal(points[0], self._x0):
            self._refuse_start(values.item(0), rows[0, 1:])
        if self.best.feasible and isinstance(self.limits, FeasibleLimits):
            self.limits.look_at_feasible(self.best.fun)

    @staticmethod
    def _aside(points: Array, centers: Array) -> Mask:
        """Which points are steps of differences away from those that were asked for.

        These violate constraints by what the steps lead across them, and lie lower for it: they
        are candidates only where they violate nothing.
        """
        aside = np.ones(len(points), dtype=bool)
        aside[: len(centers)] = not np.array_equal(points[: len(centers)], centers)
        return aside

    def _learn(self, x: Array, total: int) -> None:
        """How many rows there are, after the first evaluation, at ``x``."""
        if self.region.has_nonlinear:
            sizes = self._sizes.learn(self._domain.restore(x), total)
            self.region = self.region.learned(sizes)
            self._rows = self.region.rows

    def _refuse_start(self, value: float, values: Array) -> None:
        """Raise where the start violates what no evaluation may, or has no value."""
        rows = self.region.nonlinear
        bad: Mask = np.zeros(0, dtype=bool)
        if rows is not None and rows.hard is not None:
            bad = rows.hard & ~((values >= rows.lower) & (values <= rows.upper))
        if rows is not None and bad.any():
            k = int(np.argmax(bad))
            raise ValueError(
                f"x0 violates a constraint marked keep_feasible: row {k} of the nonlinear ones is "
                f"{values[k]:.6g}, not between {rows.lower[k]:g} and {rows.upper[k]:g}"
            )
        if not math.isfinite(value):
            raise Halt(Status.NONFINITE, _status.nonfinite_start(value))

    @staticmethod
    def _candidates(values: Array, violation: Array, feasible: Mask) -> list[int]:
        """The best of these points; none without a value is."""
        if len(values) == 1:
            return [0] if math.isfinite(values[0]) else []
        usable = np.flatnonzero(np.isfinite(values))
        if not usable.size:
            return []
        inside = usable[feasible[usable]]
        if inside.size:
            return [int(inside[np.argmin(values[inside])])]
        return [int(usable[np.lexsort((values[usable], violation[usable]))[0]])]


def widened(values: NDArray[Any], gradients: Array | None) -> FoundRows:
    """Rows and slopes, of values and gradients alone where there is no nonlinear row."""
    if values.ndim == 2:
        return values, gradients
    return values[:, None], None if gradients is None else gradients[:, None]
