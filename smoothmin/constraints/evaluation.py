"""Constraints evaluated with the function: every point once, whoever evaluates it.

A *row* is the function's value followed by those of the nonlinear constraints, ``1 + k``
numbers; *slopes* are its derivatives, ``(1 + k, N)``. Constraints marked ``keep_feasible``
are evaluated first: where one is violated the function is not called, its value is infinite.
Jacobians that nobody gives are differences of the constraints' own values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from smoothmin import _status
from smoothmin._differences import Stencil
from smoothmin._domain import Domain
from smoothmin._failures import FAILED, Failures
from smoothmin._limits import Halt, Limits
from smoothmin._protocol import Array, Done, Mask, advance
from smoothmin._returned import as_complex, as_gradient, as_jacobian, as_row, as_value
from smoothmin._source import Block, Objective, Source
from smoothmin._status import Status
from smoothmin.constraints.forms import Item

SLOPES_ALONE = 2  # an order: the Jacobians that differences of rows do not make, nothing else
Row: TypeAlias = NDArray[Any]
# a row, slopes or None, and how many rows each constraint has
Found: TypeAlias = tuple[Row, Array | None, list[int]]


class Unanswered(Exception):
    """A constraint has raised what counts as no value; never reaches the user."""


class Sizes:
    """How many rows each nonlinear constraint has: known once it was evaluated."""

    def __init__(self, items: list[Item]) -> None:
        self.items = items
        self.rows: list[int] | None = None

    def learn(self, x: NDArray[Any], total: int) -> list[int]:
        """They, where rows came from a journal: by calling the constraints at ``x``, if need be."""
        if self.rows is None and len(self.items) == 1:
            self.rows = [total]
        elif self.rows is None:
            self.rows = [len(as_row(item.fun(x), item.label)) for item in self.items if item.fun]
        return self.rows

    def width(self, failures: Failures | None) -> int:
        """Of a row: the function's value and theirs."""
        if self.rows is None:
            raise ValueError(
                "constraints must have values at the start, to tell how many; one raised an "
                f"exception: {failures and failures.first}"
            )
        return 1 + sum(self.rows)

    def see(self, found: list[int]) -> None:
        """Learn them, or raise if they are others than before."""
        if self.rows is None:
            self.rows = found
        if found != self.rows:
            k = next(k for k, m in enumerate(found) if m != self.rows[k])
            raise ValueError(
                f"{self.items[k].label} must always return as many values: {self.rows[k]} before, "
                f"{found[k]} now"
            )


@dataclass(frozen=True, slots=True)
class FeasibleLimits(Limits):
    """Limits whose target counts where the constraints are met."""

    feasible: Callable[[Array, Array], bool] = lambda point, row: True

    def look_at_value(self, value: float) -> None:
        """Nothing: whether a value counts depends on the point."""

    def look_at_feasible(self, value: float) -> None:
        """Raise `Halt` if the target is reached."""
        if value <= self.f_target > -math.inf:
            raise Halt(Status.TARGET, _status.target_reached(value, self.f_target))

    def look_at_point(self, point: Array, row: Array) -> None:
        """Raise `Halt` if the value that begins a row, or the time it took, ends the run."""
        self.look_at_answer(point, (row,))
        self.look_at_clock()

    def look_at_answer(self, point: Any, answer: Any) -> None:
        """Raise `Halt` if the value that begins a row, the first of an answer, is the target."""
        row = answer[0]
        if row[0] <= self.f_target > -math.inf and self.feasible(point, row[1:]):
            self.look_at_feasible(float(row[0]))


class ConstrainedObjective(Objective):
    """The user's function and nonlinear constraints, called at one of the user's arrays.

    Parameters
    ----------
    objective : Objective
    items : sequence of Item
        Nonlinear ones.
    domain : Domain
    sizes : Sizes
    scheme : str, optional
        Of the differences that the function's gradient is, if it is.
    keeps : callable, optional
        Turns differences into such that never leave what no evaluation may.
    """

    wide = True

    def __init__(
        self,
        objective: Objective,
        items: Iterable[Item],
        domain: Domain,
        sizes: Sizes,
        scheme: str | None = None,
        keeps: Callable[[Stencil], Stencil] | None = None,
    ) -> None:
        super().__init__(objective.fun, objective.jac, objective.args)
        self.failures = objective.failures
        self.items, self.sizes = list(items), sizes
        self.scheme, self.keeps = scheme, keeps
        self._domain = domain
        # what must hold before the function is called comes first, and is put back in order
        self._hard = [bool(item.hard.any()) for item in self.items]
        self._order = sorted(range(len(self.items)), key=lambda k: not self._hard[k])

    def at(self, x: NDArray[Any], order: int) -> Found:
        """The row at ``x``, the slopes for order 1, and how many rows each constraint has.

        For order 2 slopes alone, as far as differences of rows are not to make them. Where a
        constraint raises what counts as no value, the row is a single NaN, of no constraint.
        """
        if self.failures is None:
            return self._at(x, order)
        try:
            return self._at(x, order)
        except Unanswered:
            return np.array([FAILED]), None, []

    def _at(self, x: NDArray[Any], order: int) -> Found:
        if order == SLOPES_ALONE:
            return self._slopes_alone(x)
        parts: list[Row] = [np.empty(0)] * len(self.items)
        kept = True
        for k in self._order:
            parts[k] = self.row(self.items[k], x)
            kept = kept and not (self._hard[k] and broken(self.items[k], parts[k]))
        if order and self.has_gradient:
            return self._with_slopes(x, parts, kept)
        value: Any = np.inf
        if kept:
            value = (as_complex if np.iscomplexobj(x) else as_value)(self.value(x))
        return np.concatenate([[value], *parts]), None, [len(part) for part in parts]

    def order_of(self, order: int) -> int:
        """What can be done of it."""
        return order if order == SLOPES_ALONE or self.has_gradient else 0

    def row(self, item: Item, x: NDArray[Any]) -> Row:
        """The values of one constraint; off the real axis only if differences need them there."""
        assert item.fun is not None
        off = x.dtype.kind == "c" and item.jac == "cs"
        given = x.copy() if off else x.real.copy()
        return as_row(self.guarded(item.fun, given), item.label, complex_step=off)

    def guarded(self, function: Callable[..., Any], x: NDArray[Any]) -> Any:
        """What a constraint's function returns; `Unanswered` where that is no value."""
        if self.failures is None:
            return function(x)
        try:
            return function(x)
        except StopIteration:
            raise
        except Exception as error:
            self.failures.note(error)
            raise Unanswered from error

    def _slopes_alone(self, x: NDArray[Any]) -> Found:
        blocks, sizes = [np.full((1, x.size), np.nan)], []
        for item in self.items:
            row = self.row(item, x)
            apart = slopes_apart(item, self.scheme)
            nothing = np.full((len(row), x.size), np.nan)
            blocks.append(self.jacobian(item, x, row) if apart else nothing)
            sizes.append(len(row))
        slopes = np.concatenate(blocks)
        return np.full(len(slopes), np.nan), slopes, sizes

    def _with_slopes(self, x: NDArray[Any], parts: list[Row], kept: bool) -> Found:
        jacobians = [
            self.jacobian(item, x, row) for item, row in zip(self.items, parts, strict=True)
        ]
        if kept:
            found, given = self.value_and_gradient(x)
            value, gradient = as_value(found), as_gradient(given, x.shape)
        else:
            value, gradient = np.inf, np.full(x.shape, np.nan)
        row = np.concatenate([[value], *parts])
        slopes = np.concatenate([gradient.reshape(1, -1), *jacobians])
        return row, slopes, [len(part) for part in parts]

    def stacked(
        self, found: list[Found], domain: Domain, order: int
    ) -> tuple[NDArray[Any], Array | None]:
        """Rows (m, w) and slopes (m, w, n) in the free variables."""
        if not found:
            return np.empty((0, 1)), np.empty((0, 1, domain.size)) if order else None
        for _, _, sizes in found:
            if sizes:
                self.sizes.see(sizes)
        width = self.sizes.width(self.failures)
        rows = np.array([row if s else _nothing(row, width) for row, _, s in found])
        if not order:
            return rows, None
        whole = width, domain.start.size
        wide = np.array([np.full(whole, np.nan) if s is None else s for _, s, _ in found])
        slim = domain.gather(wide.reshape(-1, wide.shape[-1]))
        return rows, slim.reshape(*rows.shape, -1)

    def jacobian(self, item: Item, x: NDArray[Any], row: Row) -> Array:
        """Of one constraint at ``x``, where its values are ``row``."""
        if item.exact:
            found = self.guarded(item.jac, x.copy())
            return as_jacobian(found, item.label, len(row), x.size)
        return self._by_differences(item, x, row)

    def _by_differences(self, item: Item, x: NDArray[Any], row: Row) -> Array:
        """Differences along the free variables, of this constraint's values alone."""
        domain, flat = self._domain, x.reshape(1, -1)
        point = flat if domain.free is None else flat[:, domain.free]
        found = jacobian_by(
            self.differences(item),
            point,
            row[None],
            lambda batch: np.array(
                [self._checked(item, each, len(row)) for each in domain.spread(batch)]
            ),
        )
        if domain.free is None:
            whole: Array = found[0]
            return whole
        jacobian = np.zeros((len(row), x.size))
        jacobian[:, domain.free] = found[0]
        return jacobian

    def _checked(self, item: Item, x: NDArray[Any], m: int) -> Row:
        return same_length(self.row(item, x), m, item.label)

    def differences(self, item: Item) -> Stencil:
        """The differences for a constraint whose Jacobian nobody gives."""
        steps = item.stencil(self._domain.box)
        return steps if self.keeps is None else self.keeps(steps)


def _nothing(row: Row, width: int) -> Row:
    """The row of a point where there is no value of any constraint."""
    return np.concatenate([row, np.full(width - 1, np.nan)])


def slopes_apart(item: Item, scheme: str | None) -> bool:
    """Whether a Jacobian is not made of the differences for the function's gradient."""
    return item.exact or (scheme == "cs" and item.jac != "cs")


def jacobian_by(
    stencil: Stencil,
    points: Array,
    rows: NDArray[Any],
    evaluate: Callable[[NDArray[Any]], NDArray[Any]],
) -> Array:
    """Jacobians (m, k, n) at ``points``, whose ``rows`` are known; others ``evaluate`` finds."""
    if not points.shape[1]:  # all variables are fixed
        return np.empty((*rows.shape, 0))
    talk, m = stencil.gradients(points), len(points)
    batch = advance(talk)
    while not isinstance(batch, Done):
        known = m if np.array_equal(batch[:m], points) else 0
        parts = [rows[:known]] + ([evaluate(batch[known:])] if len(batch) > known else [])
        stencil.beside = np.concatenate(parts)
        batch = advance(talk, np.zeros(len(batch), dtype=batch.dtype))
    assert stencil.jacobians is not None
    return stencil.jacobians


def same_length(row: Row, m: int, label: str) -> Row:
    """The row, if it has as many elements as before."""
    if len(row) != m:
        raise ValueError(f"{label} must always return as many values: {m} before, {len(row)} now")
    return row


def broken(item: Item, row: Row) -> bool:
    """Whether a row that must hold before the function is called does not."""
    lower, upper, hard = item.spread(len(row))
    return not bool(((row.real >= lower) & (row.real <= upper))[hard].all())


class OneByOne(Source):
    """Rows and slopes, one point after the other in this process."""

    objective: ConstrainedObjective

    def one(self, point: Array, order: int) -> tuple[Any, Array | None] | None:
        """See `Source`."""
        objective, domain = self.objective, self.domain
        if objective.failures is not None or objective.sizes.rows is None:
            return None
        try:
            row, slopes, sizes = objective.at(domain.spread(point[None])[0], order)
        except StopIteration:
            raise Halt(Status.CALLBACK, _status.FUN_RAISED) from None
        objective.sizes.see(sizes)
        return row, slopes if slopes is None else domain.gather(slopes)

    def __call__(
        self, points: NDArray[Any], order: int, limits: Limits, center: Array | None = None
    ) -> Block:
        """See `Source`."""
        points = points if center is None else center + points
        order = self.objective.order_of(order)
        found: list[Found] = []
        ended: BaseException | None = None
        try:
            for point, x in zip(points, self.domain.spread(points), strict=True):
                found.append(self.objective.at(x, order))
                if isinstance(limits, FeasibleLimits) and limits.watched:
                    limits.look_at_point(point, found[-1][0])
        except StopIteration:
            ended = Halt(Status.CALLBACK, _status.FUN_RAISED)
        except BaseException as error:  # what was evaluated before it must not be lost
            ended = error
        return (*self.objective.stacked(found, self.domain, order), ended)


class _Ended(Exception):
    """What ended a batch, raised out of it."""

    def __init__(self, reason: BaseException) -> None:
        super().__init__(str(reason))
        self.reason = reason


class ConstrainedColumns(Source):
    """Rows and slopes of all points in one call: functions map ``(*shape, S)`` to ``(m, S)``."""

    objective: ConstrainedObjective

    def __init__(self, objective: Objective, domain: Domain) -> None:
        from smoothmin._vectorized import Vectorized

        super().__init__(objective, domain)
        plain = Objective(objective.fun, objective.jac, objective.args)
        self._plain = Vectorized(plain, domain)

    def __call__(
        self, points: NDArray[Any], order: int, limits: Limits, center: Array | None = None
    ) -> Block:
        """See `Source`."""
        points = points if center is None else center + points
        order = self.objective.order_of(order)
        try:
            rows, wide = self._evaluate(points, order)
        except (StopIteration, _Ended) as end:
            empty = np.empty((0, 1, self.domain.size)) if order else None
            halt = Halt(Status.CALLBACK, _status.FUN_RAISED)
            return np.empty((0, 1)), empty, end.reason if isinstance(end, _Ended) else halt
        ended = None
        try:
            limits.look_at_clock()
        except Halt as halt:
            ended = halt
        return rows, wide, ended

    def _evaluate(self, points: NDArray[Any], order: int) -> tuple[NDArray[Any], Array | None]:
        objective, m = self.objective, len(points)
        if order == SLOPES_ALONE:
            return self._slopes_alone(points)
        parts: list[NDArray[Any]] = []
        kept: Mask = np.ones(m, dtype=bool)
        for item in objective.items:
            parts.append(self._rows_of(item, points))
            if item.hard.any():
                kept &= np.array([not broken(item, row) for row in parts[-1]], dtype=bool)
        if parts:
            objective.sizes.see([part.shape[1] for part in parts])
        values = np.full((m, 1), np.inf, dtype=points.dtype)
        gradients = np.full((m, 1, self.domain.size), np.nan)
        if kept.any():
            found, slope, ended = self._plain(points[kept], order, Limits())
            if ended is not None:
                raise _Ended(ended)
            values[kept, 0] = found
            if slope is not None:
                gradients[kept, 0] = slope
        rows = np.concatenate([values, *parts], axis=1)
        if not order:
            return rows, None
        jacobians = [
            self._jacobians_of(item, points, part)
            for item, part in zip(objective.items, parts, strict=True)
        ]
        return rows, np.concatenate([gradients, *jacobians], axis=1)

    def _slopes_alone(self, points: Array) -> tuple[NDArray[Any], Array]:
        blocks = [np.full((len(points), 1, self.domain.size), np.nan)]
        for item in self.objective.items:
            rows = self._rows_of(item, points)
            nothing = np.full((*rows.shape, self.domain.size), np.nan)
            apart = slopes_apart(item, self.objective.scheme)
            blocks.append(self._jacobians_of(item, points, rows) if apart else nothing)
        slopes = np.concatenate(blocks, axis=1)
        return np.full(slopes.shape[:2], np.nan), slopes

    def _rows_of(self, item: Item, points: NDArray[Any]) -> NDArray[Any]:
        """Values (S, m) of one constraint."""
        points = points if item.jac == "cs" else points.real
        return self._answered(lambda some: self._rows_at(item, some), item, points, ())

    def _answered(
        self,
        evaluate: Callable[[NDArray[Any]], NDArray[Any]],
        item: Item,
        points: NDArray[Any],
        shape: tuple[int, ...],
    ) -> NDArray[Any]:
        """What is found at points (S, m, *shape), NaN at those where the user's code fails."""
        try:
            return evaluate(points)
        except Unanswered:
            if len(points) == 1:
                sizes, items = self.objective.sizes, self.objective.items
                sizes.width(self.objective.failures)  # which has to be known
                assert sizes.rows is not None
                m = next(m for m, each in zip(sizes.rows, items, strict=True) if each is item)
                return np.full((1, m, *shape), np.nan)
        parts = np.array_split(points, 2)
        return np.concatenate([self._answered(evaluate, item, part, shape) for part in parts])

    def _rows_at(self, item: Item, points: NDArray[Any]) -> NDArray[Any]:
        assert item.fun is not None
        out = self.objective.guarded(item.fun, self.domain.columns(points))
        count = len(points)
        flat = as_row(out, item.label, complex_step=np.iscomplexobj(points))
        if flat.size and np.shape(out)[-1:] != (count,):
            raise ValueError(
                f"with vectorized=True, {item.label} must return (m, {count}) values for "
                f"{count} columns, got shape {np.shape(out)}"
            )
        return flat.reshape(-1, count).T.copy()

    def _jacobians_of(self, item: Item, points: Array, rows: Array) -> Array:
        """Jacobians (S, m, n) of one constraint."""
        m = rows.shape[1]
        if item.exact:
            shape = (self.domain.size,)
            return self._answered(lambda p: self._jacobians_at(item, p, m), item, points, shape)
        steps = self.objective.differences(item)
        return jacobian_by(steps, points, rows, lambda batch: self._checked(item, batch, m))

    def _jacobians_at(self, item: Item, points: Array, m: int) -> Array:
        count = len(points)
        expected = (m, self.domain.start.size, count)
        found = np.asarray(self.objective.guarded(item.jac, self.domain.columns(points)), float)
        if found.size != m * self.domain.start.size * count or found.shape[-1] != count:
            raise ValueError(
                f"with vectorized=True, the Jacobian of {item.label} must have shape "
                f"{expected}, got {found.shape}"
            )
        columns = np.moveaxis(found.reshape(expected), 2, 0)
        slim = self.domain.gather(columns.reshape(count * m, -1))
        return slim.reshape(count, m, self.domain.size)

    def _checked(self, item: Item, points: NDArray[Any], m: int) -> NDArray[Any]:
        rows = self._rows_of(item, points)
        same_length(rows[0], m, item.label)
        return rows
