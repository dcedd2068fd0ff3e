"""Where values and gradients come from: the user's callables, called one way or another.

A source turns a block of points into values and gradients. It neither counts
nor remembers; `smoothmin._evaluate` does.
"""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy import float64, ndarray
from numpy.typing import NDArray

from smoothmin import _status
from smoothmin._domain import Domain
from smoothmin._failures import FAILED, Failures, Guarded, unguarded
from smoothmin._limits import Halt, Limits
from smoothmin._machine import CACHED, LARGE
from smoothmin._out import IntoOut, returning
from smoothmin._protocol import Answers, Array, Samples
from smoothmin._returned import as_complex as as_complex
from smoothmin._returned import as_gradient as as_gradient
from smoothmin._returned import as_pair, leading_values
from smoothmin._returned import as_value as as_value
from smoothmin._returned import as_values as as_values
from smoothmin._status import Status

FLOAT = np.dtype(float64)


# steps (k, n), an order and the center to what a `Source` makes of them, without an end
Evaluate: TypeAlias = Callable[[Array, int, Array], tuple[Array, Any]]
# values (k,) and gradients (k, n) of the first k points asked for, and, if those
# are not all or the run must end: the `Halt`, or what the user's code raised
Block: TypeAlias = tuple[NDArray[Any], Any, BaseException | None]


class Scattered(Exception):
    """What ended a block, and answers at ``points`` that came back though earlier ones did not.

    Never raised: it stands for ``cause`` in a `Block`.
    """

    def __init__(
        self, cause: BaseException, points: NDArray[Any], values: Any, gradients: Array | None
    ) -> None:
        super().__init__(cause)
        self.cause, self.points = cause, points
        self.values, self.gradients = values, gradients


class Objective:
    """The user's function and gradient, called at one of the user's arrays.

    Picklable if they are, so that workers can have it. ``wide`` ones return values
    with those of constraints: `smoothmin.constraints.evaluation.Constrained`.
    """

    wide = False
    failures: Failures | None = None  # where what they raise counts as no value

    def __init__(self, fun: Callable[..., Any], jac: Any, args: tuple[Any, ...]) -> None:
        self.fun, self.jac, self.args = fun, jac, args
        if jac is True:
            self.fun = returning(fun, args, paired=True)
        elif callable(jac):
            self.jac = returning(jac, args, paired=False)

    def guard(self, failures: Failures, *, columns: bool) -> None:
        """Let exceptions be no value; ``columns`` if many points are given in one call."""
        self.failures = failures
        returns = "both" if self.paired else "value"
        self.fun = Guarded(self.fun, failures, returns, columns=columns)
        if callable(self.jac):
            self.jac = Guarded(self.jac, failures, "gradient", columns=columns)

    @property
    def paired(self) -> bool:
        """Whether ``fun`` returns the gradient along with the value."""
        return self.jac is True

    @property
    def has_gradient(self) -> bool:
        """Whether gradients can be had at all."""
        return self.jac is True or callable(self.jac)

    def at(self, x: NDArray[Any], order: int) -> Any:
        """What a wide one returns."""
        raise NotImplementedError

    def order_of(self, order: int) -> int:
        """What a wide one can do of it."""
        raise NotImplementedError

    def stacked(self, found: Any, domain: Domain, order: int) -> Any:
        """Values and gradients of several such, as arrays."""
        raise NotImplementedError

    def value(self, x: NDArray[Any]) -> Any:
        """The value alone."""
        out = self.fun(x, *self.args)
        return as_pair(out)[0] if self.paired else out

    def value_and_gradient(self, x: NDArray[Any]) -> tuple[Any, Any]:
        """Both; ``jac`` gets an array that ``fun`` cannot have changed."""
        if self.paired:
            return as_pair(self.fun(x, *self.args))
        again = x.copy()
        return self.fun(x, *self.args), self.jac(again, *self.args)


class Remembered:
    """``fun`` and its gradient as two functions where ``fun`` returns both; one call a point."""

    def __init__(self, fun: Callable[..., Any]) -> None:
        self._fun = fun
        self._x: Array | None = None

    def __call__(self, x: Array, *args: Any) -> Any:
        """The value."""
        return self._both(x, args)[0]

    def gradient(self, x: Array, *args: Any) -> Any:
        """The gradient."""
        return self._both(x, args)[1]

    def _both(self, x: Array, args: tuple[Any, ...]) -> tuple[Any, Any]:
        if self._x is None or not np.array_equal(x, self._x):
            self._x = np.array(x)  # before fun can change it
            self._found = as_pair(self._fun(x, *args))
        return self._found


class Source(ABC):
    """Evaluates blocks of points in the free variables."""

    def __init__(self, objective: Objective, domain: Domain) -> None:
        self.objective = objective
        self.domain = domain

    @abstractmethod
    def __call__(
        self, points: NDArray[Any], order: int, limits: Limits, center: Array | None = None
    ) -> Block:
        """Values, and gradients if ``order`` is 1, at ``center`` plus the rows of ``points``.

        With a ``center`` the gradients are valid until the next call.
        """

    def one(self, point: Array, order: int) -> tuple[Any, Array | None] | None:
        """Value, and gradient if ``order`` is 1, at one point at its barest; None if it has none.

        Of a wide objective its row and slopes. What the user's code raises is passed on.
        """
        return None

    @property
    def parallel(self) -> int | None:
        """How many evaluations are made at once; None if that is not known."""
        return 1

    @property
    def under_way(self) -> int:
        """How many points were given to `stream` whose values it has not told."""
        return 0

    def stream(self, points: Array, left: int, limits: Limits) -> Block:
        """Points (k, n) that have values now, these, and what ends the run: see `Stream`.

        Here those that were asked for: nobody waits for any.
        """
        values, _, ended = self(points, 0, limits)
        return points[: len(values)], values, ended

    def batches(self, blocks: Iterator[Array]) -> Iterator[list[Array]]:
        """Blocks of steps together, as many as are best evaluated in one call."""
        held: list[Array] = []
        size = 0
        for block in blocks:
            held.append(block)
            size += block.size
            if size >= LARGE:
                yield held
                held, size = [], 0
        if held:
            yield held

    def sample(self, ask: Samples, evaluate: Evaluate) -> Answers:
        """Samples, as many at a time as are best, by ``evaluate`` around this source."""
        found = []
        for blocks in self.batches(ask.blocks()):
            steps = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
            values, gradients = evaluate(steps, ask.order, ask.center)
            found.append(values)
            first = 0
            for block in blocks:  # what is summed must not depend on the source
                part = slice(first, first + len(block))
                rows = None if gradients is None else gradients[part]
                ask.take(block, values[part], rows)
                first = part.stop
        return Answers(found[0] if len(found) == 1 else np.concatenate(found), taken=True)

    def close(self) -> None:  # noqa: B027
        """Give back what the source holds, if anything."""


class Serial(Source):
    """One point after the other in this process."""

    def __init__(self, objective: Objective, domain: Domain) -> None:
        super().__init__(objective, domain)
        self._fun = _bound(objective.fun, objective.args)
        self._jac = _bound(objective.jac, objective.args) if callable(objective.jac) else None
        self._flat = domain.free is None and len(domain.shape) == 1  # points are as the user's
        self._chunk = max(1, CACHED // domain.start.size)
        self._room: Array = np.empty((0, domain.start.size))
        self._moved: Array = np.empty((0, domain.start.size))
        # what the first call shows: whether values are plain numbers, and gradients' shape
        self._plain: bool | None = None
        self._gradient_shape: tuple[int, ...] | None = None

    def batches(self, blocks: Iterator[Array]) -> Iterator[list[Array]]:
        """One at a time, while it is in the cache."""
        return ([block] for block in blocks)

    def one(self, point: Array, order: int) -> tuple[float, Array | None] | None:
        """See `Source`; None before earlier calls have shown what the callables return."""
        shape = self._gradient_shape
        if not self._plain or (order and shape is None):
            return None
        x = point.copy() if self._flat else self.domain.spread(point[None])[0]
        try:
            if not order:
                out = self._fun(x)
                return as_value(as_pair(out)[0] if self.objective.paired else out), None
            if self._jac is None:
                value, found = self._fun(x)
            else:  # fun may change its argument
                again = x.copy()
                value, found = self._fun(x), self._jac(again)
        except StopIteration:
            raise Halt(Status.CALLBACK, _status.FUN_RAISED) from None
        if type(found) is not ndarray or found.dtype is not FLOAT or found.shape != shape:
            found = as_gradient(found, self.domain.shape)
        if type(value) is not float:
            value = float(value) if type(value) is float64 else as_value(value)
        if self._flat:
            return value, found.flatten()
        return value, self.domain.gather(found.reshape(1, -1).copy())[0]

    def __call__(
        self, points: NDArray[Any], order: int, limits: Limits, center: Array | None = None
    ) -> Block:
        """See `Source`."""
        values: list[Any] = []
        gradients = None
        if order and self.objective.has_gradient:
            shape = (len(points), self.domain.start.size)
            gradients = np.empty(shape) if center is None else self._room_for(len(points))
        ended: BaseException | None = None
        try:
            if center is not None and gradients is not None and self._passes_through(points):
                value, gradient = self._fun(self._moved_from(center, points)[0])
                gradients = as_gradient(gradient, self.domain.shape).reshape(1, -1)
                self._adder(values, limits)(value)
            elif points.dtype.kind == "f":
                self._fill(points, values, gradients, limits, center)
            else:
                self._complex_values(points, values, limits)
        except StopIteration:
            ended = Halt(Status.CALLBACK, _status.FUN_RAISED)
        except BaseException as error:  # what was evaluated before it must not be lost
            ended = error
        found, wrong = leading_values(values, points.dtype)
        ended = wrong or ended
        if gradients is not None:
            gradients = self.domain.gather(gradients[: len(found)] if ended else gradients)
        return found, gradients, ended

    def _passes_through(self, points: Array) -> bool:
        """Whether the user's own gradient array will do: one long row that is soon done with."""
        return len(points) == 1 and self._gradient_shape is not None and self._jac is None

    def _room_for(self, count: int) -> Array:
        """Room for gradients that are soon done with: the same again."""
        if len(self._room) < count:
            self._room = np.empty((count, self.domain.start.size))
        return self._room[:count]

    def _moved_from(self, center: Array, steps: Array) -> NDArray[Any]:
        """The user's own arrays for the points ``center + steps``."""
        if self.domain.free is not None:
            return self.domain.spread(center + steps)
        # memory of this size is dear: it is taken again, unless the user's code has kept a
        # view of it (the two references are this attribute and getrefcount's argument)
        if len(self._moved) < len(steps) or sys.getrefcount(self._moved) > 2:
            self._moved = np.empty(steps.shape)
        np.add(center, steps, out=self._moved[: len(steps)])
        return self.domain.reshaped(self._moved[: len(steps)])

    def _fill(
        self,
        points: Array,
        values: list[Any],
        gradients: Array | None,
        limits: Limits,
        center: Array | None,
    ) -> None:
        """Evaluate, a chunk of points at a time, as far as nothing is raised."""
        add = self._adder(values, limits)
        fresh = self.domain.spread if center is None else partial(self._moved_from, center)
        done = 0
        if (self._plain if gradients is None else self._gradient_shape) is None:
            add(self._first(fresh(points[:1])[0], gradients))
            add = self._adder(values, limits)
            done = 1
        rows, loop = points, self._values
        if gradients is not None:
            rows, loop = gradients, self._pairs if self._jac is None else self._both
            shape = self._gradient_shape
            if shape is not None and len(shape) > 1:
                rows = gradients.reshape(-1, *shape)
        if done == 0 and len(points) <= self._chunk:
            return loop(fresh(points), rows, add)
        for begin in range(done, len(points), self._chunk):
            end = begin + self._chunk
            loop(fresh(points[begin:end]), rows[begin:end], add)

    def _adder(self, values: list[Any], limits: Limits) -> Callable[[Any], None]:
        """What takes a value: at its barest if it is a number and nothing depends on it."""
        if self._plain and not limits.watched:
            return values.append

        def add(value: Any) -> None:
            # arrays are converted at once, for they may be used again for the next value
            number = as_value(value)
            values.append(number)
            if limits.watched:
                limits.look(number)

        return add

    def _first(self, x: NDArray[Any], gradients: Array | None) -> Any:
        """Evaluate one point with care, to learn what the callables return."""
        if gradients is None:
            value = self.objective.value(x)
        else:
            value, gradient = self.objective.value_and_gradient(x)
            gradients[0] = as_gradient(gradient, self.domain.shape).ravel()
            self._gradient_shape = np.shape(gradient)
        self._plain = isinstance(value, (float, int, np.floating)) and value is not FAILED
        return value

    # The cost of these loops is the library's cost: they do no more than they must.

    def _values(self, chunk: Array, rows: Array, add: Callable[[Any], None]) -> None:
        """Take values alone."""
        fun = self.objective.value if self.objective.paired else self._fun
        for x in chunk:
            add(fun(x))

    def _pairs(self, chunk: Array, rows: Array, add: Callable[[Any], None]) -> None:
        """Take values, and gradients into ``rows``, from a function that returns both."""
        fun, shape = self._fun, self._gradient_shape
        for x, row in zip(chunk, rows):  # noqa: B905
            value, found = fun(x)
            if type(found) is not ndarray or found.dtype is not FLOAT or found.shape != shape:
                found = as_gradient(found, self.domain.shape).reshape(row.shape)
            row[...] = found
            add(value)

    def _both(self, chunk: Array, rows: Array, add: Callable[[Any], None]) -> None:
        """Take them from two functions; ``fun`` may change its argument, not that of ``jac``."""
        fun, jac, shape = self._fun, self._jac, self._gradient_shape
        assert jac is not None
        for x, again, row in zip(chunk, chunk.copy(), rows):  # noqa: B905
            value, found = fun(x), jac(again)
            if type(found) is not ndarray or found.dtype is not FLOAT or found.shape != shape:
                found = as_gradient(found, self.domain.shape).reshape(row.shape)
            row[...] = found
            add(value)

    def _complex_values(
        self, points: NDArray[np.complex128], values: list[Any], limits: Limits
    ) -> None:
        """Values off the real axis: no target is reached there."""
        for x in self.domain.spread(points):
            values.append(as_complex(self._fun(x)))
            limits.look_at_clock()


def source_of(objective: Objective, domain: Domain) -> Source:
    """The source that evaluates in this process."""
    if objective.wide:
        from smoothmin.constraints.evaluation import OneByOne

        return OneByOne(objective, domain)
    if _is_compiled(objective):
        from smoothmin.compiled.source import Compiled

        return Compiled(objective, domain)
    return Serial(objective, domain)


def threads_of(
    objective: Objective, domain: Domain, workers: Any, instead: Callable[[], Source]
) -> Source:
    """The source of so many threads if numba has compiled the objective, or another."""
    whole = isinstance(workers, (int, np.integer)) and not isinstance(workers, bool)
    several = whole and (workers > 1 or workers == -1)
    if several and not objective.wide and _is_compiled(objective):
        from smoothmin.compiled.threads import Threaded

        count = (os.cpu_count() or 1) if workers == -1 else int(workers)
        return Threaded(objective, domain, count, instead)
    return source_of(objective, domain) if whole and workers == 1 else instead()


def _is_compiled(objective: Objective) -> bool:
    """Whether numba compiles the function."""
    fun = unguarded(objective.fun)
    fun = fun.fun if isinstance(fun, IntoOut) else fun
    if not hasattr(fun, "py_func") or "numba" not in sys.modules:
        return False
    from smoothmin.compiled.trampoline import is_compiled

    return is_compiled(fun)


def _bound(fun: Callable[..., Any], args: tuple[Any, ...]) -> Callable[[Any], Any]:
    """The function with its further arguments."""
    return (lambda x: fun(x, *args)) if args else fun
