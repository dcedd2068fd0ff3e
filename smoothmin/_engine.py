"""Drives a method: answers what it asks, watches its steps, makes the result."""

from __future__ import annotations

import contextlib
import copy
import inspect
import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from smoothmin import _status, _verdict
from smoothmin._beyond import falls_on, lower_beyond
from smoothmin._check import require_takes
from smoothmin._domain import Domain
from smoothmin._estimate import ESTIMATE, CurvatureEstimate
from smoothmin._evaluate import Ledger
from smoothmin._history import Steps as HistorySteps
from smoothmin._limits import Halt, Patience
from smoothmin._method import Method
from smoothmin._noisy_end import drowned, error_of_lowest, measured_end
from smoothmin._progress import Monitor
from smoothmin._protocol import (
    Answers,
    Array,
    Ask,
    Finish,
    Iterate,
    Problem,
    Reply,
    Steps,
    quiet,
)
from smoothmin._recall import Memory, recalling
from smoothmin._recent import SIDES
from smoothmin._reflection import within_bounds
from smoothmin._result import Result, in_words_of_trust_constr
from smoothmin._scaling import Scaled
from smoothmin._status import Status
from smoothmin._stopping import Never, Progress, Termination

if TYPE_CHECKING:
    from smoothmin.constraints.run import ConstrainedRun

HISTORY = ("nit", "nfev", "fun", "best_fun")  # what any method reports of its steps


class Callback(NamedTuple):
    """The user's callback, and what it wants: an `OptimizeResult`, ``x``, or both."""

    function: Callable[..., Any]
    wants_result: bool
    wants_both: bool = False


@dataclass(frozen=True)
class Settings:
    """How a run is watched and what is kept of it."""

    maxiter: float = math.inf
    patience: float = math.inf  # requests in a row without progress
    termination: Termination = field(default_factory=Never)
    callback: Callback | None = None
    return_all: bool = False
    history: bool | str = False  # or "points"
    return_on_interrupt: bool = False
    result: str = "best"  # or "last": which point is the result's x
    disp: bool = False
    progress: bool = False


class Run:
    """One run of a method on a problem."""

    def __init__(
        self,
        method: Method,
        ledger: Ledger,
        domain: Domain,
        problem: Problem,
        rng: np.random.Generator,
        settings: Settings,
        constrained: ConstrainedRun | None = None,
    ) -> None:
        self._method, self._ledger, self._domain = method, ledger, domain
        self._problem = problem
        self._rng = rng
        self._settings = settings
        self._constrained = constrained
        self._started = time.perf_counter()
        never = isinstance(settings.termination, Never)
        self._watch = None if never else settings.termination.start()
        self._patience = Patience(settings.patience) if settings.patience < math.inf else None
        self._monitor = Monitor.of(ledger.limits, settings.disp, settings.progress)
        told = (settings.callback, self._watch, self._monitor)
        kept = settings.return_all or settings.history
        self._watched = kept or any(who is not None for who in told)  # else steps cost little
        self._nit = 0
        self._last: Iterate | None = None
        self._before: Array | None = None  # where the one before it was
        self._end: Iterate | None = None  # measured in noise, where the lowest value is none
        self._lowest = math.inf  # of the values that the method has reported
        self._info: dict[str, Any] = {}
        self._message = ""
        self._curvature = CurvatureEstimate()
        self._allvecs: list[Array] = []
        self._history = HistorySteps(HISTORY)
        self._steps: Steps | None = None  # once the method runs
        self.reported: Callable[[], None] | None = None  # called after each step
        self.memory: Memory | None = None  # of values that need not be evaluated
        self.x_scale: Array | None = None  # what the method's variables are divided by

    def recall(self, points: Array, values: Array) -> None:
        """Take note of values (m,) that are known at points (m, n): they cost no evaluation."""
        if self.memory is None:
            self.memory = Memory()
        self.memory.add(points, values)
        for x, value in zip(points, values.tolist(), strict=True):
            if math.isfinite(value):
                self._ledger.best.offer(value, x, None)

    def counted_by(self, ledger: Ledger) -> Run:
        """The same run, to make a result of, by another ledger of its kind."""
        other = copy.copy(self)
        other._ledger = ledger
        if self._constrained is not None:
            other._constrained = self._constrained.counted_by(ledger)
        return other

    def moved_to(self, x: Array) -> Run:
        """The same run with its method begun anew at ``x``; this one is over."""
        if self._steps is not None:
            self._steps.close()
        other = copy.copy(self)
        other._problem, other._steps = self._problem.at(x), None
        return other

    def __getstate__(self) -> dict[str, Any]:
        """All of the run, if the method's can be kept: see `Resumable`."""
        return vars(self) | {"reported": None}

    def drive(self, answer: Callable[[Ask], Answers]) -> Result:
        """Run to the end, whatever ends it."""
        talk = self.conversation()
        try:
            message = next(talk)
            while True:
                try:
                    reply = answer(message)
                except BaseException as error:  # the method's own to clean up after
                    message = talk.throw(error)
                else:
                    message = talk.send(reply)
        except StopIteration as end:
            result: Result = end.value
            return result

    def conversation(self) -> Generator[Ask, Answers, Result]:
        """Ask for what the method needs; whatever goes wrong over the answer is thrown in."""
        try:
            finish = yield from self._loop()
            return self.result(finish)
        except Halt as halt:
            return self.result(Finish(halt.status, halt.message))
        except GeneratorExit:  # nobody wants a result, and to make one while garbage is collected
            raise  # can crash CPython before 3.12 (python/cpython#148891)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and self._settings.return_on_interrupt:
                return self.result(Finish(Status.INTERRUPTED, _status.INTERRUPTED))
            # nothing computed is lost: the exception carries what there is
            with contextlib.suppress(Exception):
                error.partial_result = self.result(  # type: ignore[attr-defined]
                    Finish(Status.INTERRUPTED, _status.raised(error))
                )
            raise
        finally:
            if self._monitor is not None:
                self._monitor.close(self._ledger.nfev, self._message)

    def _loop(self) -> Generator[Ask, Answers, Finish]:
        """Run the method, unless there is nothing for it to do."""
        context = quiet()
        if self._steps is None:
            if self._constrained is not None:
                finish = yield from self._begin(self._constrained)
                if finish is not None:
                    return finish
            start = self._problem.x0[None, :]
            if start.size == 0:
                yield from self._once(Ask(start, 0))
                return Finish(Status.CONVERGED, _status.ALL_FIXED)
            if self._settings.maxiter == 0:
                yield from self._once(Ask(start, 1))
                return Finish(Status.MAXITER, _status.maxiter_reached(0))
            method = self._assembled(self._problem)
            if self.x_scale is not None:
                method = Scaled(self._assembled, self.x_scale)
            method = recalling(method, self._problem, self.memory)
            self._steps = context.run(method.run, self._problem, self._rng)
        try:
            finish = yield from self._converse(self._steps, context.run)
            finish = yield from self._doubted(finish)
            yield from self._measured(finish)
            return finish
        finally:
            self._steps.close()

    def _once(self, ask: Ask) -> Generator[Ask, Answers, None]:
        """Evaluate the start, unless its constraints have done so."""
        if self._constrained is None or self._constrained.recall(ask) is None:
            yield ask

    def _doubted(self, finish: Finish) -> Generator[Ask, Answers, Finish]:
        """The same end, unless it is a success and no minimum.

        That is on a step of values that come in steps, or on the way to infinity.
        """
        best, stencil, problem = self._ledger.best, self._ledger.stencil, self._problem
        from_values = not problem.has_gradient or stencil is not None
        known = self._constrained is not None or problem.lattice is not None
        if finish.status is not Status.CONVERGED or best.x is None:
            return finish
        before, died, message = self._ledger.nfev, self._ledger.died, ""
        try:
            step = None if known or "phase_nfev" in finish.info else self._last_step()
            if (yield from falls_on(problem, best.x.copy(), best.fun, step, best.grad)):
                message = _status.INFIMUM_FAR_AWAY
            elif from_values and not known and (stencil is None or best.grad is not None):
                flat = None if stencil is None or best.grad is None else best.grad == 0
                fallen = self._ledger.first_value - best.fun
                if (yield from lower_beyond(problem, best.x.copy(), best.fun, flat, fallen)):
                    message = _status.STEPS
        except Halt as halt:
            if halt.status is Status.TARGET:
                raise
        if not died:  # so near a point with a value
            self._ledger.revive()
        self._book(finish, before)
        return Finish(Status.PRECISION, message, **finish.info) if message else finish

    def _book(self, finish: Finish, before: int) -> None:
        """Tell what was evaluated since there were so many to whoever keeps accounts."""
        asked, accounts = self._ledger.nfev - before, finish.info.get("phase_nfev")
        if accounts is not None and asked:
            accounts["check"] = accounts.get("check", 0) + asked

    def _measured(self, finish: Finish) -> Generator[Ask, Answers, None]:
        """The value at the end of a run from values alone in noise, by values drawn anew."""
        best, ledger, last = self._ledger.best, self._ledger, self._last
        surveyed = finish.info.pop("surveyed", False)
        noise = finish.info.get("noise", self._info.get("noise", 0.0))
        plain = self._constrained is None and self._settings.result == "best"
        asked = plain and not self._method.needs_gradient and drowned(noise, best.fun)
        if not asked or best.x is None or last is None:
            return
        ends = [last.x]
        if not (surveyed or np.array_equal(best.x, last.x)):
            ends.append(best.x.copy())
        before = ledger.nfev
        try:
            end = yield from measured_end(ends, before, ledger.limits.maxfev - before)
        except Halt as halt:
            if halt.status is Status.TARGET:
                raise
            return
        self._book(finish, before)
        if end is not None:
            x, value = end
            self._last = self._end = Iterate(x, value.mean)
            finish.info.update(noise=value.spread, error=value.half_width)

    def _last_step(self) -> Array | None:
        """The last one, if there were enough to have become short near a minimum."""
        if self._nit < 2 * SIDES or self._before is None or self._last is None:
            return None
        step: Array = self._last.x - self._before
        return step

    def _assembled(self, problem: Problem) -> Method:
        """The method with what it needs for constraints and bounds that it does not know of."""
        method = self._method
        if self._constrained is not None:
            method = self._constrained.around(method, problem)
        return within_bounds(method, problem.box)

    def _begin(self, constrained: ConstrainedRun) -> Generator[Ask, Answers, Finish | None]:
        """Evaluate the start, which shows how many rows the constraints have."""
        if constrained.contradiction:
            message = _status.contradictory(constrained.contradiction)
            return Finish(Status.INFEASIBLE, message)
        self._problem = yield from constrained.begin(self._problem)
        return None

    def _converse(self, steps: Steps, run: Callable[..., Any]) -> Generator[Ask, Answers, Finish]:
        """Pass messages until the method returns; ``run`` calls it where NumPy does not warn."""
        reply: Reply = None
        send, best = steps.send, self._ledger.best
        patience, constrained = self._patience, self._constrained
        recorder = self._ledger.recorder
        while True:
            try:
                message = run(send, reply)
            except StopIteration as end:
                finish: Finish = end.value
                return finish
            if isinstance(message, Ask):
                if recorder is not None and message.phase:
                    recorder.phase = message.phase
                if patience is not None:
                    patience.look(best.fun, self._lowest)
                known = None if constrained is None else constrained.recall(message)
                if self._monitor is not None:  # a gradient by differences can take long
                    self._show(self._monitor)
                reply = (yield message) if known is None else known
            else:
                reply = None
                self._report(message)
                if self.reported is not None:
                    self.reported()

    def _report(self, iterate: Iterate) -> None:
        """Note a step, tell who wants to know, stop if that was enough."""
        self._nit += 1
        self._before, self._last = None if self._last is None else self._last.x, iterate
        if iterate.fun < self._lowest:
            self._lowest = iterate.fun
        if iterate.info:
            self._curvature = iterate.info.pop(ESTIMATE, self._curvature)
            self._info.update(iterate.info)
        if self._watched:
            self._tell(iterate)
        if self._nit >= self._settings.maxiter:
            raise Halt(Status.MAXITER, _status.maxiter_reached(int(self._settings.maxiter)))

    def _tell(self, iterate: Iterate) -> None:
        """Keep what is to be kept of a step, and tell whoever wants to know."""
        settings = self._settings
        if settings.return_all:
            x0 = self._problem.x0
            if self._nit == 1 and not np.array_equal(iterate.x, x0):
                self._allvecs.append(self._domain.restore(x0))
            self._allvecs.append(self._domain.restore(iterate.x))
        if settings.history:
            self._remember(iterate)
        if settings.callback is not None:
            self._call_back(iterate, settings.callback)
        if self._monitor is not None:
            self._show(self._monitor)
        if self._watch is not None:
            message = self._watch(self._progress(iterate))
            if message:
                raise Halt(self._watch.status, message)

    def _show(self, monitor: Monitor) -> None:
        """Tell how far the run is."""
        ledger = self._ledger
        if ledger.nfev:
            monitor.step(self._nit, ledger.nfev, ledger.best.fun, self._info)

    def _progress(self, iterate: Iterate) -> Progress:
        x, grad = iterate.x, iterate.grad
        if grad is not None:
            grad = self._problem.projected_gradient(x, grad)
        seconds = time.perf_counter() - self._started
        return Progress(self._nit, self._ledger.nfev, seconds, x, iterate.fun, grad)

    def _remember(self, iterate: Iterate) -> None:
        """Append a row to the history."""
        row = {
            "nit": self._nit,
            "nfev": self._ledger.nfev,
            "fun": float(iterate.fun),
            "best_fun": self._ledger.best.fun,
        } | {key: value for key, value in _plain(iterate.info).items() if np.ndim(value) == 0}
        self._history.add(row)

    def _call_back(self, iterate: Iterate, callback: Callback) -> None:
        try:
            if callback.wants_result:
                stop = callback.function(intermediate_result=self._intermediate(iterate))
            elif callback.wants_both:
                state = self._intermediate(iterate)
                left = None if self._constrained is not None else self._progress(iterate).grad
                state.update(in_words_of_trust_constr(state, self._started, left))
                stop = callback.function(self._domain.restore(iterate.x), state)
            else:
                stop = callback.function(self._domain.restore(iterate.x))
        except StopIteration:
            raise Halt(Status.CALLBACK, _status.CALLBACK_RAISED) from None
        if isinstance(stop, (bool, np.bool_)) and stop:
            raise Halt(Status.CALLBACK, _status.CALLBACK_TRUE)

    def _intermediate(self, iterate: Iterate) -> Result:
        """What a callback is told of a step."""
        grad = iterate.grad
        standard = {
            "x": self._domain.restore(iterate.x),
            "fun": float(iterate.fun),
            "jac": None if grad is None else self._domain.restore_gradient(grad),
            "nit": self._nit,
            "nfev": self._ledger.nfev,
            "best_fun": self._ledger.best.fun,
        }
        if self._constrained is not None:
            standard["constr_violation"] = self._constrained.ledger.violation_at(iterate.x)
        return Result({**_plain(self._info), **standard})

    def result(self, finish: Finish) -> Result:
        """The best feasible point evaluated, and how the run went."""
        ledger = self._ledger
        best = ledger.best
        x = self._problem.x0 if best.x is None else best.x
        value = ledger.first_value if best.x is None else best.fun
        last_x, last_value = x, value
        if self._last is not None:
            last_x, last_value = self._last.x, float(self._last.fun)
        if self._end is not None or self._settings.result == "last":
            x, value = last_x, last_value
        status, self._message = _verdict.final(finish, value, ledger)
        standard = {
            "x": self._domain.restore(x),
            "fun": value,
            "jac": self._domain.restore_gradient(self._gradient_at(x)),
            "nit": self._nit,
            "nfev": ledger.nfev,
            "njev": ledger.njev,
            "x_last": self._domain.restore(last_x),
            "fun_last": last_value,
            "nhev": 0,
            "n_nonfinite": ledger.n_nonfinite,
            "n_failed": ledger.n_failed,
            "success": status.success,
            "status": int(status),
            "message": self._message,
            "method": self._method.name or type(self._method).__name__,
        }
        if ledger.failures is not None:
            standard["first_failure"] = ledger.failures.first
        if self._settings.return_all:
            standard["allvecs"] = self._allvecs
        if ledger.recorder is not None:
            steps, shaped = self._history.columns, self._domain.spread
            standard["history"] = ledger.recorder.history(standard["method"], steps, shaped)
        seen = {"noise": self._problem.noise} if self._problem.noise > 0 else {}
        info = seen | self._info | finish.info
        if "noise" in info and not self._method.needs_gradient:
            info.setdefault("error", error_of_lowest(info["noise"], ledger.nfev))
        if self._constrained is not None:
            told = info.pop("multipliers", None)
            standard |= self._constrained.describe(x, told)
        estimate = info.pop(ESTIMATE, self._curvature)
        if self._method.hess_inv is not None and self._problem.lattice is None:
            inverse = estimate.told(self._method.hess_inv, self._domain)
            standard |= {} if inverse is None else {"hess_inv": inverse}
        return Result({**standard, **_plain(info), **standard})

    def _gradient_at(self, x: Array) -> Array:
        """The gradient at the result's point if it is known, NaN otherwise.

        Without gradients, the method's own estimate if its last step led there.
        """
        best, last = self._ledger.best, self._last
        if self._settings.result == "last" and last is not None:
            return np.full(x.shape, np.nan) if last.grad is None else last.grad
        if best.grad is not None:
            return best.grad
        own = None if self._problem.has_gradient or last is None else last.grad
        if own is not None and last is not None and np.array_equal(last.x, x):
            return own
        return np.full(x.shape, np.nan)


def _plain(info: dict[str, Any]) -> dict[str, Any]:
    """NumPy's numbers as Python's."""
    return {k: v.item() if isinstance(v, np.generic) else v for k, v in info.items()}


def as_callback(callback: Any) -> Callback | None:
    """The user's callback, called as SciPy does."""
    if callback is None:
        return None
    if not callable(callback):
        raise TypeError(f"callback must be callable, got {callback!r}")
    try:
        parameters = inspect.signature(callback).parameters
    except (TypeError, ValueError):  # builtins have none
        return Callback(callback, False)
    named = set(parameters) == {"intermediate_result"}
    required = [
        p
        for p in parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    if not named:  # of "trust-constr" it takes two
        require_takes("callback", callback, 2 if len(required) == 2 else 1)
    return Callback(callback, named, len(required) == 2)
