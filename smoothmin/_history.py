"""What a run has evaluated, in arrays: ``res.history``.

Memory is bounded: once there are `ROWS` rows every second one goes, and from then on every
second evaluation is kept, and so on; the first and the last one always are.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from smoothmin._machine import LARGE, ROWS

Array = NDArray[np.float64]
Column: TypeAlias = NDArray[Any]  # of integers, numbers or names

ALIASES = {"evaluation": "nfev", "fun": "value", "best_fun": "best"}


class History(Mapping[str, NDArray[Any]]):
    """What a run has evaluated: columns of equal length, one row an evaluation.

    Of a long run every second, fourth, ... evaluation is kept, so that there are never more
    than about eight thousand rows, the first and the last one always among them. ``best`` is
    right in every row all the same.

    Attributes
    ----------
    nfev : ndarray of int
        The number of the evaluation, from 1 on; also ``evaluation``.
    value : ndarray of float
        The function's value; also ``fun``.
    best : ndarray of float
        The lowest value so far, with constraints the lowest feasible one; infinite before there
        is any. Also ``best_fun``.
    time : ndarray of float
        Seconds since the run began. Evaluations of one batch share it.
    phase : ndarray of str
        What the evaluation was for, as in ``res.phase_nfev``; the method's name if it has no
        phases.
    points : ndarray or None
        Where, of shape ``(rows, *x0.shape)``, with ``history="points"``; in one flat vector for
        ``x0`` in blocks.
    steps : dict of str to ndarray
        One entry an iteration: ``nit``, ``nfev``, ``fun``, ``best_fun`` and what the method
        reports, such as ``radius``; None where it did not. Thinned alike.

    Notes
    -----
    A mapping of its columns: ``history["best"]`` is ``history.best``; what is no column is
    looked for among ``steps``. ``pandas.DataFrame(history.to_dict())`` makes a table.

    Examples
    --------
    >>> from smoothmin import minimize
    >>> res = minimize(lambda x: float(x @ x), [1.0, 2.0], rng=0, options={"history": True})
    >>> history = res.history
    >>> len(history.value) == res.nfev, bool(history.best[-1] == res.fun)
    (True, True)
    """

    nfev: NDArray[np.int64]
    value: Array
    best: Array
    time: Array
    phase: NDArray[np.str_]
    points: Array | None
    steps: dict[str, NDArray[Any]]

    def __init__(
        self,
        columns: Mapping[str, Column],
        points: Array | None = None,
        steps: Mapping[str, Column] | None = None,
    ) -> None:
        self._columns = dict(columns)
        self.points = points
        self.steps = dict(steps or {})

    def __getattr__(self, name: str) -> Column:
        """A column as an attribute."""
        columns: dict[str, Column] = vars(self).get("_columns", {})
        key = ALIASES.get(name, name)
        if key not in columns:
            raise AttributeError(f"a history has no column {name!r}, but {list(columns)}")
        return columns[key]

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A column, or else one of `steps`."""
        key = ALIASES.get(name, name)
        if key in self._columns:
            return self._columns[key]
        if name in self.steps:
            return self.steps[name]
        raise KeyError(f"{name!r}: columns are {list(self._columns)}, of steps {list(self.steps)}")

    def __iter__(self) -> Iterator[str]:
        """The columns' names."""
        return iter(self._columns)

    def __len__(self) -> int:
        """How many columns there are."""
        return len(self._columns)

    def __repr__(self) -> str:
        """One line."""
        rows = len(self._columns["nfev"])
        last = int(self._columns["nfev"][-1]) if rows else 0
        kept = f"{rows} of {last} evaluations" if rows != last else f"{rows} evaluations"
        where = "" if self.points is None else ", points"
        return f"History({kept}: {', '.join(self._columns)}{where}; steps: {', '.join(self.steps)})"

    def __eq__(self, other: object) -> bool:
        """Whether another one is the same but for the seconds."""
        if not isinstance(other, History):
            return NotImplemented
        if self._columns.keys() != other._columns.keys() or self.steps.keys() != other.steps.keys():
            return False
        pairs = [(self.points, other.points)]
        pairs += [(self[key], other[key]) for key in self if key != "time"]
        pairs += [(self.steps[key], other.steps[key]) for key in self.steps]
        return all(_same(a, b) for a, b in pairs)

    __hash__ = None  # type: ignore[assignment]

    def to_dict(self) -> dict[str, Column]:
        """The columns, and those of `points` as ``x0``, ``x1``, ...; for ``pandas.DataFrame``."""
        table = dict(self._columns)
        if self.points is not None:
            flat = self.points.reshape(len(self.points), -1)
            table |= {f"x{k}": flat[:, k] for k in range(flat.shape[1])}
        return table


class Recorder:
    """Takes note of what is evaluated.

    Parameters
    ----------
    size : int
        Number of free variables.
    points : bool
        Whether to keep them.
    """

    def __init__(self, size: int, points: bool) -> None:
        self._most = ROWS
        if points:
            self._most = max(16, min(ROWS, LARGE // max(1, size)))
        self._stride, self._count = 1, 0
        self._best = math.inf
        self._started = time.perf_counter()
        self._rows: list[tuple[int, float, float, float, str, Any]] = []
        self._last: tuple[int, float, float, float, str, Any] | None = None
        self._keeps_points = points
        self.phase = ""

    def add(
        self, points: NDArray[Any], values: NDArray[Any], best: float, center: Array | None
    ) -> None:
        """A batch of values (m,) at points (m, n), and the best value after it."""
        m = len(values)
        if m == 0:
            return
        now = time.perf_counter() - self._started
        usable = np.where(np.isnan(values.real), np.inf, values.real)
        lowest = np.maximum(np.minimum.accumulate(np.minimum(usable, self._best)), best)
        lowest[-1] = best
        self._best = best
        first = (-self._count) % self._stride
        for k in dict.fromkeys([*range(first, m, self._stride), m - 1]):
            x = None
            if self._keeps_points:
                x = points[k].real.copy() if center is None else center + points[k]
            row = (self._count + k + 1, float(values[k].real), float(lowest[k]), now, self.phase, x)
            if (self._count + k) % self._stride == 0:
                self._rows.append(row)
            self._last = row
        self._count += m
        while len(self._rows) > self._most:
            self._rows, self._stride = self._rows[::2], 2 * self._stride

    def history(self, method: str, steps: Mapping[str, list[Any]], shaped: Any) -> History:
        """What was noted; ``shaped`` makes the user's arrays of points (m, n)."""
        rows = self._rows
        if self._last is not None and (not rows or rows[-1][0] != self._last[0]):
            rows = [*rows, self._last]
        nfev, value, best, seconds, phase, points = zip(*rows, strict=True) if rows else [()] * 6
        columns = {
            "nfev": np.array(nfev, dtype=np.int64),
            "value": np.array(value, dtype=float),
            "best": np.array(best, dtype=float),
            "time": np.array(seconds, dtype=float),
            "phase": np.array([name or method for name in phase], dtype=str),
        }
        where = shaped(np.array(points)) if self._keeps_points and rows else None
        return History(columns, where, {key: _column(steps[key]) for key in steps})


class Steps:
    """Columns of what is reported at each iteration, thinned as evaluations are."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._columns: dict[str, list[Any]] = {name: [] for name in names}
        self._stride, self._count, self._rows = 1, 0, 0

    def add(self, row: Mapping[str, Any]) -> None:
        """A row; what it lacks is None."""
        kept = self._count % self._stride == 0
        self._count += 1
        for key in dict.fromkeys([*self._columns, *row]):  # in order of appearance
            column = self._columns.setdefault(key, [None] * self._rows)
            if kept:
                column.append(row.get(key))
        self._rows += kept
        if self._rows > ROWS:
            self._columns = {key: column[::2] for key, column in self._columns.items()}
            self._stride, self._rows = 2 * self._stride, (self._rows + 1) // 2

    @property
    def columns(self) -> dict[str, list[Any]]:
        """By name."""
        return self._columns


def _same(a: NDArray[Any] | None, b: NDArray[Any] | None) -> bool:
    if a is None or b is None:
        return a is b
    return np.array_equal(a, b, equal_nan=a.dtype.kind == b.dtype.kind == "f")


def _column(entries: list[Any]) -> NDArray[Any]:
    """An array of one kind of numbers, of objects where entries are missing or of other kinds."""
    kinds = {type(entry) for entry in entries}
    if kinds <= {int, float} or kinds in ({bool}, {str}):
        return np.array(entries)
    return np.array(entries, dtype=object)
