"""Drives a method: answers what it asks, watches its steps, makes the result."""

from __future__ import annotations

import contextlib
import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from smoothmin import _status
from smoothmin._domain import Domain
from smoothmin._evaluate import Evaluator
from smoothmin._protocol import Array, Ask, Finish, Iterate, Method, Reply, Steps, resume
from smoothmin._source import Halt
from smoothmin._status import Status
from smoothmin._stopping import Never, Progress, Termination


@dataclass(frozen=True)
class Settings:
    """How a run is watched and what is kept of it."""

    maxiter: float = np.inf
    termination: Termination = field(default_factory=Never)
    callback: Callable[[OptimizeResult], Any] | None = None
    return_all: bool = False
    history: bool = False
    return_on_interrupt: bool = False


class Run:
    """One run of a method on a problem."""

    def __init__(
        self,
        method: Method,
        evaluator: Evaluator,
        domain: Domain,
        has_gradient: bool,
        rng: np.random.Generator,
        settings: Settings,
    ) -> None:
        self._method, self._evaluator, self._domain = method, evaluator, domain
        self._problem = domain.problem(has_gradient)
        self._rng = rng
        self._settings = settings
        self._started = time.perf_counter()
        self._watch = settings.termination.start()
        self._watching = not isinstance(settings.termination, Never)
        self._nit = 0
        self._last: Iterate | None = None
        self._info: dict[str, Any] = {}
        self._allvecs: list[Array] = []
        self._history: dict[str, list[Any]] = {}

    def drive(self) -> OptimizeResult:
        """Run to the end, whatever ends it."""
        steps = self._method.run(self._problem, self._rng)
        try:
            return self._result(self._loop(steps))
        except Halt as halt:
            return self._result(Finish(halt.status, halt.message))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and self._settings.return_on_interrupt:
                return self._result(Finish(Status.INTERRUPTED, _status.INTERRUPTED))
            # nothing computed is lost: the exception carries what there is
            with contextlib.suppress(Exception):
                error.partial_result = self._result(  # type: ignore[attr-defined]
                    Finish(Status.INTERRUPTED, f"`fun` raised {error!r}.")
                )
            raise
        finally:
            steps.close()

    def _loop(self, steps: Steps) -> Finish:
        """Pass messages until the method returns."""
        answer = self._evaluator.answer
        reply: Reply = None
        while True:
            message = resume(steps, reply)
            if isinstance(message, Ask):
                reply = answer(message)
                if self._settings.maxiter == 0:
                    raise Halt(Status.MAXITER, _status.maxiter_reached(0))
            elif isinstance(message, Iterate):
                reply = None
                self._report(message)
            else:
                return message

    def _report(self, iterate: Iterate) -> None:
        """Note a step, tell who wants to know, stop if that was enough."""
        self._nit += 1
        self._last = iterate
        self._info.update(iterate.info)
        settings = self._settings
        if settings.return_all:
            self._allvecs.append(self._domain.restore(iterate.x))
        if settings.history:
            self._remember(iterate)
        if settings.callback is not None:
            self._call_back(iterate, settings.callback)
        if self._watching:
            said = self._watch(self._progress(iterate))
            if said:
                raise Halt(self._watch.status, said)
        if self._nit >= settings.maxiter:
            raise Halt(Status.MAXITER, _status.maxiter_reached(int(settings.maxiter)))

    def _progress(self, iterate: Iterate) -> Progress:
        seconds = time.perf_counter() - self._started
        return Progress(
            self._nit, self._evaluator.nfev, seconds, iterate.x, iterate.fun, iterate.grad
        )

    def _remember(self, iterate: Iterate) -> None:
        row = {
            "nit": self._nit,
            "nfev": self._evaluator.nfev,
            "fun": float(iterate.fun),
            "best_fun": self._evaluator.best.fun,
        } | {k: v for k, v in iterate.info.items() if np.ndim(v) == 0}
        for key in self._history.keys() | row.keys():
            column = self._history.setdefault(key, [None] * (self._nit - 1))
            column.append(row.get(key))

    def _call_back(self, iterate: Iterate, callback: Callable[[OptimizeResult], Any]) -> None:
        grad = iterate.grad
        intermediate = OptimizeResult(
            x=self._domain.restore(iterate.x),
            fun=float(iterate.fun),
            jac=None if grad is None else self._full_gradient(grad),
            nit=self._nit,
            nfev=self._evaluator.nfev,
            best_fun=self._evaluator.best.fun,
            **self._info,
        )
        try:
            stop = callback(intermediate)
        except StopIteration:
            raise Halt(Status.CALLBACK, _status.CALLBACK_RAISED) from None
        if isinstance(stop, (bool, np.bool_)) and stop:
            raise Halt(Status.CALLBACK, _status.CALLBACK_TRUE)

    def _full_gradient(self, grad: Array) -> Array:
        """A gradient in the user's shape, zero for fixed variables."""
        if self._domain.free is None:
            return grad.reshape(self._domain.shape).copy()
        full = np.zeros(self._domain.start.size)
        full[self._domain.free] = grad
        return full.reshape(self._domain.shape)

    def _gradient_at(self, x: Array) -> Array:
        """The gradient at the best point if it is known, NaN otherwise."""
        best, last = self._evaluator.best, self._last
        grad = best.grad
        if grad is None and last is not None and last.grad is not None:
            grad = last.grad if np.array_equal(last.x, x) else None
        return np.full(x.shape, np.nan) if grad is None else grad

    def _result(self, finish: Finish) -> OptimizeResult:
        """The best feasible point evaluated, and how the run went."""
        evaluator = self._evaluator
        best = evaluator.best
        x = self._problem.x0 if best.x is None else best.x
        value = evaluator.first_value if best.x is None else best.fun
        status = Status(finish.status)
        if status.success and not np.isfinite(value):
            status = Status.NONFINITE
        # what belongs to an iterate, such as an error estimate, is not the best point's
        details = {**self._info, **finish.info}
        result = OptimizeResult(
            x=self._domain.restore(x),
            fun=float(value),
            jac=self._full_gradient(self._gradient_at(x)),
            nit=self._nit,
            nfev=evaluator.nfev,
            njev=evaluator.njev,
            n_nonfinite=evaluator.n_nonfinite,
            success=status.success,
            status=int(status),
            message=finish.message,
            method=self._method.name,
            **details,
        )
        if self._settings.return_all:
            result.allvecs = self._allvecs
        if self._settings.history:
            result.history = self._history
        return result


def as_callback(callback: Any) -> Callable[[OptimizeResult], Any] | None:
    """The user's callback as a function of the intermediate result, as in SciPy."""
    if callback is None:
        return None
    if not callable(callback):
        raise TypeError(f"callback must be callable, got {callback!r}")
    try:
        parameters = set(inspect.signature(callback).parameters)
    except (TypeError, ValueError):  # builtins have none
        parameters = set()
    if parameters == {"intermediate_result"}:
        return lambda result: callback(intermediate_result=result)
    return lambda result: callback(np.copy(result.x))
