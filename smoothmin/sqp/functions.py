"""The functions of a constrained problem at a point: the objective and excesses of constraints.

Each finite bound of a row is a *side*, with an excess that is to be at most zero; a row with
two bounds has two, an equality's are of opposite sign. Function 0 is the objective, function
``1 + s`` the excess of side s.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from smoothmin._machine import EPS
from smoothmin._protocol import Array, Ask, Problem, Rows


class Sides:
    """The bounds of rows, as excesses ``sign * c[row] - bound``.

    Parameters
    ----------
    rows : Rows or None
        None has no side.

    Attributes
    ----------
    count : int
        Of the rows.
    row : ndarray of int, shape (s,)
        That each side is of.
    size : ndarray, shape (s,)
        Of the bounds.
    resolution : ndarray, shape (s,)
        Of the finite differences that its gradients are, zero if they are none, as of `Rows`.
    any_differences : bool
        Whether any are.
    any_equality : bool
        Whether any row is one.
    """

    def __init__(self, rows: Rows | None) -> None:
        self.count = 0 if rows is None else len(rows.lower)
        if rows is None:
            rows = Rows(np.empty(0), np.empty(0), np.empty(0))
        high, low = np.flatnonzero(rows.upper < np.inf), np.flatnonzero(rows.lower > -np.inf)
        self.row: NDArray[np.intp] = np.concatenate([high, low])
        self.sign = np.concatenate([np.ones(len(high)), -np.ones(len(low))])
        self.bound = np.concatenate([rows.upper[high], -rows.lower[low]])
        self.size = np.abs(self.bound)
        self.tolerance = rows.tolerance[self.row]
        hard = np.zeros(self.count, dtype=bool) if rows.hard is None else rows.hard
        self.hard = hard[self.row]
        steps = np.zeros(self.count) if rows.resolution is None else rows.resolution
        self.resolution: Array = steps[self.row]
        self.any_differences = bool(self.resolution.any())
        self.any_equality = bool((rows.lower == rows.upper).any())
        self._two_sided = len(high) + len(low) > len(np.union1d(high, low))

    def __len__(self) -> int:
        return len(self.row)

    def excess(self, rows: Array) -> Array:
        """By how much rows of these values (k,) are beyond each bound."""
        found: Array = self.sign * rows[self.row] - self.bound
        return found

    def allowed(self, rows: Array) -> Array:
        """Violations (s,) that count as none where rows have these values."""
        found: Array = self.tolerance * np.maximum(1.0, np.abs(rows[self.row]))
        return found

    def slopes(self, jacobian: Array) -> Array:
        """Gradients (s, n) of the excesses."""
        found: Array = self.sign[:, None] * jacobian[self.row]
        return found

    def shared(self, values: Array) -> Array:
        """The larger of the values (s,) of the sides of each row, for each side."""
        if not self._two_sided:
            return values
        most = np.zeros(self.count)
        np.maximum.at(most, self.row, values)
        return most[self.row]

    def of_rows(self, multipliers: Array) -> Array:
        """Multipliers (k,) of rows, such that ``grad f = sum multiplier * grad c``."""
        found = np.bincount(self.row, -self.sign * multipliers, self.count)
        return found.astype(float, copy=False)


@dataclass(eq=False, slots=True)
class Values:
    """A point with all values.

    Attributes
    ----------
    x : ndarray, shape (n,)
    values : ndarray, shape (1 + s,)
        The objective, then the sides' excesses.
    rows : ndarray, shape (k,)
        The nonlinear constraints' values themselves.
    sides : Sides
    fun : float
        The objective.
    excess : ndarray, shape (s,)
        Of the sides; negative where there is room.
    violation : ndarray, shape (s,)
        The same, zero where there is room.
    allowed : ndarray, shape (s,)
        Violations that count as none.
    feasible, finite : bool
        Whether there are none but these, and whether all values are finite.
    """

    x: Array
    values: Array
    rows: Array
    sides: Sides
    fun: float = field(init=False)
    excess: Array = field(init=False)
    violation: Array = field(init=False)
    allowed: Array = field(init=False)
    feasible: bool = field(init=False)
    finite: bool = field(init=False)

    def __post_init__(self) -> None:
        self.fun, self.excess = self.values.item(0), self.values[1:]
        self.finite = not_infinite(self.values)
        self.violation = self.allowed = self.excess
        self.feasible = True
        if len(self.excess):
            self.violation = np.maximum(self.excess, 0.0)
            self.allowed = self.sides.allowed(self.rows)
            self.feasible = bool(np.logical_and.reduce(self.excess <= self.allowed))


@dataclass(eq=False, slots=True)
class Point(Values):
    """The same with gradients.

    Attributes
    ----------
    slopes : ndarray, shape (1 + s, n)
    serial : int
        Points are numbered in the order of evaluation.
    unit : float
        Rounding unit of the values' type.
    blur : ndarray, shape (1 + s, n), or None
        Errors of the slopes for values that are off by one unit; None without differences.
    displaced : float
        How far away the point is at most whose slopes differences give.
    grad : ndarray, shape (n,)
        The objective's gradient.
    steep : ndarray, shape (1 + s,)
        Lengths of the gradients.
    size : ndarray, shape (1 + s,)
        Of what `EPS` is the functions' rounding: their values, and what x makes of them.
    """

    slopes: Array
    serial: int
    unit: float = EPS
    blur: Array | None = None
    displaced: float = 0.0
    grad: Array = field(init=False)
    steep: Array = field(init=False)
    size: Array = field(init=False)

    def __post_init__(self) -> None:
        Values.__post_init__(self)
        self.finite = self.finite and not_infinite(self.slopes)
        self.grad = self.slopes[0]
        self.steep = np.sqrt(np.vecdot(self.slopes, self.slopes))
        self.size = np.abs(self.values) + np.abs(self.slopes).dot(np.abs(self.x))
        if self.unit != EPS:
            self.size *= self.unit / EPS

    def blurred(self, steps: Array, number: int | slice = slice(None)) -> Array | float:
        """Errors of slopes along steps (n,) or (m, n), in units of `size` times `EPS`."""
        return 0.0 if self.blur is None else np.abs(steps) @ self.blur[number].T


def not_infinite(values: Array) -> bool:
    """Whether all are finite; mostly without a look at each."""
    square = float(np.vdot(values, values))
    return square - square == 0 or bool(np.isfinite(values).all())


class PointEvaluator:
    """Asks for points, and numbers them.

    Attributes
    ----------
    asked : int
        How many so far.
    by_differences : bool
        Whether gradients cost more than values.
    """

    def __init__(self, problem: Problem, sides: Sides) -> None:
        self._problem, self._sides = problem, sides
        self.asked, self.by_differences = 0, problem.differences is not None

    def values_at(self, x: Array) -> Generator[Ask, object, Values]:
        """The point ``x``, without gradients."""
        answers = yield Ask(x[None], 0)
        self.asked += 1
        return Values(x, *self._valued(answers), self._sides)

    def at(self, x: Array, *, known: bool = False) -> Generator[Ask, object, Point]:
        """The point ``x``; ``known`` if it was the last one that values were asked for at."""
        answers = yield Ask(x[None], 1, known=known)
        values, rows = self._valued(answers)
        slopes = answers.gradients  # type: ignore[attr-defined]
        if len(self._sides):
            jacobian = answers.jacobians[0]  # type: ignore[attr-defined]
            slopes = np.concatenate([slopes, self._sides.slopes(jacobian)])
        self.asked += not known
        seen = self._resolved(x)
        return Point(x, values, rows, self._sides, slopes, self.asked, self._problem.unit, *seen)

    def _resolved(self, x: Array) -> tuple[Array | None, float]:
        """`Point.blur` and `Point.displaced` there."""
        differences, steps = self._problem.differences, self._sides.resolution
        if differences is None and not self._sides.any_differences:
            return None, 0.0
        size = np.maximum(1.0, np.abs(x))
        if differences is None:
            whole = np.append(0.0, steps)
            blur = 2 / np.where(whole > 0, whole, np.inf)[:, None] / size
            return blur, float(steps.max() * np.linalg.norm(size))
        apart = np.append(1.0, steps > 0)[:, None]
        return apart * differences.rounded(x), float(np.linalg.norm(differences.displaced(x)))

    def _valued(self, answers: object) -> tuple[Array, Array]:
        """Values (1 + s,) and rows (k,)."""
        values: Array = answers.values  # type: ignore[attr-defined]
        if not len(self._sides):
            return values, np.empty(0)
        rows: Array = answers.rows[0]  # type: ignore[attr-defined]
        return np.concatenate([values, self._sides.excess(rows)]), rows
