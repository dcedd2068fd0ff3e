"""Where values and gradients come from: the user's callables, called one way or another.

A source turns a block of points into values and gradients. It neither counts
nor remembers; `smoothmin._evaluate` does.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smoothmin import _status
from smoothmin._domain import Domain
from smoothmin._protocol import Array
from smoothmin._status import Status


class Halt(Exception):
    """The run must end, for the given reason; never reaches the user."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Block(NamedTuple):
    """Values (k,) and gradients (k, n) of the first k points asked for.

    ``halt`` says why k is less than what was asked, if it is.
    """

    values: NDArray[Any]
    gradients: Array | None
    halt: Halt | None


class Limits(NamedTuple):
    """What ends a run in the midst of a batch."""

    maxfev: float = np.inf
    maxtime: float = np.inf
    f_target: float = -np.inf
    started: float = 0.0

    @property
    def watched(self) -> bool:
        """Whether each single value has to be looked at."""
        return self.maxtime < np.inf or self.f_target > -np.inf

    def halt(self, value: float) -> Halt | None:
        """The reason to stop after a value, if there is one."""
        if value <= self.f_target:
            return Halt(Status.TARGET, _status.target_reached(value, self.f_target))
        return self.overtime()

    def overtime(self) -> Halt | None:
        """The reason to stop now, if time is up."""
        if self.maxtime < np.inf and time.perf_counter() - self.started >= self.maxtime:
            return Halt(Status.MAXTIME, _status.maxtime_reached(self.maxtime))
        return None


class Objective:
    """The user's function and gradient, called at one of the user's arrays.

    Picklable if they are, so that workers can have it.
    """

    def __init__(self, fun: Callable[..., Any], jac: Any, args: tuple[Any, ...]) -> None:
        self.fun, self.jac, self.args = fun, jac, args

    @property
    def paired(self) -> bool:
        """Whether ``fun`` returns the gradient along with the value."""
        return self.jac is True

    @property
    def has_gradient(self) -> bool:
        """Whether gradients can be had at all."""
        return self.jac is True or callable(self.jac)

    def value(self, x: NDArray[Any]) -> Any:
        """The value alone."""
        out = self.fun(x, *self.args)
        return _pair(out)[0] if self.paired else out

    def value_and_gradient(self, x: NDArray[Any]) -> tuple[Any, Any]:
        """Both; ``x`` may be changed by the user's code, so it is passed as a copy once."""
        if self.paired:
            return _pair(self.fun(x, *self.args))
        again = x.copy()
        return self.fun(x, *self.args), self.jac(again, *self.args)


def _pair(out: Any) -> tuple[Any, Any]:
    try:
        value, gradient = out
    except (TypeError, ValueError):
        raise ValueError(
            f"with jac=True, fun must return (value, gradient), got {type(out).__name__}"
        ) from None
    return value, gradient


class Source(ABC):
    """Evaluates blocks of points in the free variables."""

    def __init__(self, objective: Objective, domain: Domain) -> None:
        self.objective = objective
        self.domain = domain

    @abstractmethod
    def __call__(self, points: NDArray[Any], order: int, limits: Limits) -> Block:
        """Values, and gradients if ``order`` is 1, at the rows of ``points``."""

    def close(self) -> None:  # noqa: B027
        """Give back what the source holds, if anything."""


class Serial(Source):
    """One point after the other in this process."""

    def __init__(self, objective: Objective, domain: Domain) -> None:
        super().__init__(objective, domain)
        fun, args = objective.fun, objective.args
        self._fun: Callable[[Any], Any] = (lambda x: fun(x, *args)) if args else fun
        self._gradient_shape: tuple[int, ...] | None = None

    def __call__(self, points: NDArray[Any], order: int, limits: Limits) -> Block:
        values: list[Any] = []
        gradients = None
        if order and self.objective.has_gradient:
            gradients = np.empty((len(points), self.domain.start.size))
        halt = None
        try:
            if gradients is None:
                self._values(points, values, limits)
            elif self.objective.paired:
                self._pairs(points, values, gradients, limits)
            else:
                self._both(points, values, gradients, limits)
        except StopIteration:
            halt = Halt(Status.CALLBACK, _status.FUN_RAISED)
        except Halt as reason:
            halt = reason
        done = as_values(values, points.dtype)
        if gradients is not None:
            gradients = self.domain.gather(gradients[: len(done)])
        return Block(done, gradients, halt)

    def _values(self, points: NDArray[Any], values: list[Any], limits: Limits) -> None:
        """Fill values alone."""
        fun = self.objective.value if self.objective.paired else self._fun
        add = values.append
        for x in self.domain.spread(points):
            add(fun(x))
            if limits.watched:
                self._look(values, limits)

    def _pairs(
        self, points: NDArray[Any], values: list[Any], gradients: Array, limits: Limits
    ) -> None:
        """Fill values and gradients from a function that returns both."""
        fun, batch, add = self._fun, self.domain.spread(points), values.append
        if self._gradient_shape is None:
            value, gradient = _pair(fun(batch[0]))
            gradients[0] = as_gradient(gradient, self.domain.shape).reshape(-1)
            self._gradient_shape = np.shape(gradient)
            add(value)
            self._look(values, limits)
            batch = batch[1:]
        rows = gradients.reshape(len(gradients), *self._gradient_shape)
        # the one loop whose overhead a user can see: keep it bare
        if not limits.watched:
            for i, x in enumerate(batch, len(values)):
                value, rows[i] = fun(x)
                add(value)
            return
        for i, x in enumerate(batch, len(values)):
            value, rows[i] = fun(x)
            add(value)
            self._look(values, limits)

    def _both(
        self, points: NDArray[Any], values: list[Any], gradients: Array, limits: Limits
    ) -> None:
        """Fill values and gradients from two functions."""
        fun, jac, args = self._fun, self.objective.jac, self.objective.args
        # fun may change its argument, so jac gets its own
        again = self.domain.spread(points)
        for i, x in enumerate(self.domain.spread(points)):
            value = fun(x)
            gradient = as_gradient(jac(again[i], *args), self.domain.shape)
            gradients[i] = gradient.reshape(-1)
            values.append(value)
            self._look(values, limits)

    @staticmethod
    def _look(values: list[Any], limits: Limits) -> None:
        """Raise if the last value, or the clock, ends the run."""
        if limits.watched:
            halt = limits.halt(as_value(values[-1]))
            if halt is not None:
                raise halt


class Vectorized(Source):
    """All points in one call: ``fun`` maps ``(*shape, S)`` to ``(S,)``."""

    def __call__(self, points: NDArray[Any], order: int, limits: Limits) -> Block:
        objective, m = self.objective, len(points)
        want = order == 1 and objective.has_gradient
        gradients: Any = None
        try:
            out = objective.fun(self._columns(points), *objective.args)
            values, gradients = _pair(out) if objective.paired else (out, None)
            if want and not objective.paired:
                gradients = objective.jac(self._columns(points), *objective.args)
        except StopIteration:
            empty = np.empty((0, self.domain.size)) if want else None
            return Block(np.empty(0), empty, Halt(Status.CALLBACK, _status.FUN_RAISED))
        values = np.array(values, dtype=points.dtype)
        if values.size != m:
            raise ValueError(
                f"with vectorized=True, fun must return {m} values for {m} columns, "
                f"got shape {values.shape}"
            )
        values = values.reshape(m)
        if want:
            expected = (*self.domain.shape, m)
            gradients = np.asarray(gradients, dtype=float)
            if gradients.shape != expected:
                raise ValueError(
                    f"with vectorized=True, the gradients must have shape {expected}, "
                    f"got {gradients.shape}"
                )
            gradients = self.domain.gather(np.array(gradients.reshape(-1, m).T, order="C"))
        halt = limits.halt(float(values.real.min())) if limits.watched else None
        return Block(values, gradients if want else None, halt)

    def _columns(self, points: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(np.moveaxis(self.domain.spread(points), 0, -1))


def as_value(value: Any) -> float:
    """A float from what ``fun`` returned: a number or an array of one element."""
    try:
        if isinstance(value, (float, int)):
            return float(value)
        return float(np.asarray(value, dtype=float).reshape(()))
    except (TypeError, ValueError):
        raise _bad_value(value) from None


def as_values(values: list[Any], dtype: Any) -> NDArray[Any]:
    """One array from what ``fun`` returned, call by call."""
    try:
        out = np.array(values, dtype=dtype)
    except (TypeError, ValueError):
        for value in values:
            if np.shape(value) != () and np.size(value) != 1:
                raise _bad_value(value) from None
        try:
            out = np.array([np.asarray(v, dtype=dtype).reshape(()) for v in values], dtype=dtype)
        except (TypeError, ValueError):
            raise _bad_value(values[0]) from None
    if out.ndim != 1:
        if out.size != len(values):
            raise _bad_value(values[0])
        out = out.reshape(-1)
    return out


def _bad_value(value: Any) -> Exception:
    kind = TypeError if np.size(value) == 1 else ValueError
    return kind(f"fun must return one real number, got {value!r:.80}")


def as_gradient(gradient: Any, shape: tuple[int, ...]) -> Array:
    """A gradient of the user's shape, or of as many elements."""
    try:
        out = np.asarray(gradient, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(f"the gradient must be an array of numbers, got {gradient!r:.80}") from None
    if out.shape != shape:
        if out.size != int(np.prod(shape)):
            raise ValueError(f"the gradient must have shape {shape}, got {out.shape}")
        out = out.reshape(shape)
    return out
