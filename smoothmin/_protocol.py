"""What a method and the engine say to each other.

A method never calls the user's function. Its `run` is a generator that
yields `Ask` (answered by `Answers`) and `Iterate` (answered by None or
`CHANGED`), and returns a `Finish`. Whatever drives it, the engine or a
reformulation around it, decides how the answers are found.
"""

from __future__ import annotations

import contextvars
import dataclasses
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from smoothmin._lattice import Lattice
from smoothmin._machine import EPS
from smoothmin._precision import Precision
from smoothmin._status import Status

Array: TypeAlias = NDArray[np.float64]
Known: TypeAlias = tuple[Array, Array]  # points (m, n) and their values (m,)
Mask: TypeAlias = NDArray[np.bool_]

Y = TypeVar("Y")  # what a generator yields
S = TypeVar("S")  # what it is sent
R = TypeVar("R")  # what it returns


class Ask:
    """A request for values, and gradients if ``order`` is 1, at ``points`` (m, n).

    The rows of ``points`` must not change until the answers are there. ``phase`` says what it
    is for, if anybody knows; ``anew`` that values which are known will not do, ``known`` that
    those of the last request, if it was for the same point, will; ``lasting`` that neither the
    points nor what comes back will ever be changed, so that nobody has to copy them.
    """

    __slots__ = ("anew", "known", "lasting", "order", "phase", "points")

    def __init__(
        self,
        points: Array,
        order: int = 1,
        *,
        phase: str = "",
        anew: bool = False,
        known: bool = False,
        lasting: bool = False,
    ) -> None:
        self.points = points
        self.order = order
        self.phase, self.anew, self.known, self.lasting = phase, anew, known, lasting


class Samples(Ask):
    """A request for points ``center + steps`` that are needed in sum only.

    It may be treated as any `Ask`, of ``points``. Whoever can evaluates a block at a
    time instead and hands it to ``take``, so that neither all points nor all gradients
    ever exist at once, and answers with ``taken`` set.

    Parameters
    ----------
    center : ndarray, shape (n,)
    blocks : callable
        ``blocks()`` iterates over the steps, arrays (k, n), the same every time.
    order : int
    take : callable
        ``take(steps, values, gradients)`` is called for the blocks in order, whatever
        evaluates them; the gradients, None for order 0, are valid during the call.
    take_sum : callable, optional
        If the sum of the gradients, for order 1, is all that is needed: whoever has it can call
        ``take_sum(values, kept, sum)`` instead. ``kept`` is a mask, None for all, of samples
        with finite value and gradient, whose gradients are added one after the other.
    context : Context, optional
        In which the two are called; that in which this is made by default.
    """

    __slots__ = ("_context", "_take", "_take_sum", "blocks", "center")

    def __init__(
        self,
        center: Array,
        blocks: Callable[[], Iterator[Array]],
        order: int,
        take: Callable[[Array, Array, Array | None], None],
        take_sum: Callable[[Array, Mask | None, Array], None] | None = None,
        context: contextvars.Context | None = None,
    ) -> None:
        self.center, self.blocks, self.order = center, blocks, order
        self.phase, self.anew, self.known, self.lasting = "", False, False, False
        self._take, self._take_sum = take, take_sum
        self._context = contextvars.copy_context() if context is None else context

    @property
    def in_sum(self) -> bool:
        """Whether the sum of the gradients is all that is needed."""
        return self.order == 1 and self._take_sum is not None

    @property
    def points(self) -> Array:  # type: ignore[override]
        """All points at once."""
        return np.concatenate([self.center + steps for steps in self.blocks()])

    def take(self, steps: Array, values: Array, gradients: Array | None) -> None:
        """Hand a block to whoever asked, in whose context NumPy does not warn: see `quiet`."""
        self._context.run(self._take, steps, values, gradients)

    def take_sum(self, values: Array, kept: Mask | None, gradient: Array) -> None:
        """Hand over the values of a block and the sum of its gradients."""
        self._context.run(self._take_sum, values, kept, gradient)  # type: ignore[arg-type]

    def take_all(self, answers: Answers) -> None:
        """Hand out answers that came as those to an `Ask`."""
        first = 0
        for steps in self.blocks():
            part = slice(first, first + len(steps))
            gradients = None if answers.gradients is None else answers.gradients[part]
            self.take(steps, answers.values[part], gradients)
            first = part.stop


class Answers:
    """Values (m,) and gradients (m, n), or None, at the points of an `Ask`.

    With nonlinear constraints there are their values, ``rows`` (m, k), too, and their
    ``jacobians`` (m, k, n) with gradients.

    The arrays belong to whoever asked: the engine keeps no reference to them. After
    `Samples`, ``taken`` says that they were handed out already, and there are no gradients.
    ``recalled`` of them were known, and cost no evaluation.
    """

    __slots__ = ("gradients", "jacobians", "recalled", "rows", "taken", "values")

    def __init__(
        self,
        values: Array,
        gradients: Array | None = None,
        rows: Array | None = None,
        jacobians: Array | None = None,
        *,
        taken: bool = False,
        recalled: int = 0,
    ) -> None:
        self.recalled = recalled
        self.values = values
        self.gradients = gradients
        self.rows, self.jacobians = rows, jacobians
        self.taken = taken

    def first(self) -> tuple[float, Any]:
        """Value and gradient (n,), or None, at the first point."""
        gradients = self.gradients
        return self.values.item(0), None if gradients is None else gradients[0]


class Answer(Answers):
    """`Answers` at one point, of which arrays are made where somebody asks for them."""

    __slots__ = ("_gradient", "_value")
    rows = jacobians = None
    taken, recalled = False, 0

    def __init__(self, value: float, gradient: Array | None) -> None:
        self._value, self._gradient = value, gradient

    @property
    def values(self) -> Array:  # type: ignore[override]
        """The value (1,)."""
        return np.array([self._value])

    @property
    def gradients(self) -> Array | None:  # type: ignore[override]
        """The gradient (1, n), or None."""
        return None if self._gradient is None else self._gradient[None]

    def first(self) -> tuple[float, Any]:
        """Value and gradient (n,), or None."""
        return self._value, self._gradient


class Stream(Ask):
    """A request for values that need not wait for all of them.

    The answer, `Arrived`, comes as soon as no more than ``left`` points of this and of earlier
    such requests are under way, and any has come. Whoever does not know it answers it as any
    other `Ask`.
    """

    __slots__ = ("left",)

    def __init__(self, points: Array, left: int) -> None:
        super().__init__(points, 0)
        self.left = left


class Arrived(Answers):
    """Values (k,) at ``points`` (k, n) of some `Stream`, in the order in which they came.

    ``under_way`` is how many others have not come.
    """

    __slots__ = ("points", "under_way")

    def __init__(self, points: Array, values: Array, under_way: int) -> None:
        super().__init__(values)
        self.points, self.under_way = points, under_way


class Iterate:
    """An accepted step: the point, what the method knows of it, and diagnostics.

    ``fun`` and ``grad`` are those of the problem the method sees, smoothed ones
    inside a reformulation. The arrays must not change afterwards.
    """

    __slots__ = ("fun", "grad", "info", "x")

    def __init__(self, x: Array, fun: float, grad: Array | None = None, **info: Any) -> None:
        self.x = x
        self.fun = fun
        self.grad = grad
        self.info = info


class Finish:
    """The method itself is done: a `Status`, a sentence, and last diagnostics."""

    __slots__ = ("info", "message", "status")

    def __init__(self, status: Status, message: str, **info: Any) -> None:
        self.status = status
        self.message = message
        self.info = info


class Changed:
    """Reply to an `Iterate`: the problem changed, earlier answers no longer compare.

    ``redrawn`` if it is another sample of much the same function: whoever compares
    values has to ask again, whoever only follows gradients can use the last one.
    """

    __slots__ = ("redrawn",)

    def __init__(self, *, redrawn: bool = False) -> None:
        self.redrawn = redrawn


CHANGED: Final = Changed()
REDRAWN: Final = Changed(redrawn=True)

Message: TypeAlias = Ask | Iterate
Reply: TypeAlias = Answers | Changed | None
Steps: TypeAlias = Generator[Message, Any, Finish]


class Differences(Protocol):
    """What finite differences know of the function; it may change during a run."""

    @property
    def resolution(self) -> float:
        """The longest step relative to max(1, |x|): gradients see no kink that is nearer."""
        ...

    def displaced(self, x: Array) -> Array:
        """How far from ``x``, along each coordinate, the slopes are that differences give.

        A forward difference of step h is the slope of a parabola h/2 ahead.
        """
        ...

    def rounded(self, x: Array) -> Array:
        """Errors of the slopes at ``x`` for values that are off by one unit."""
        ...

    def toward(self, side: float) -> bool:
        """Take steps ahead (1) or back (-1) from now on; whether that can be chosen."""
        ...

    def correct(self, x: Array, error: Array) -> None:
        """Take slopes to be off by ``error`` at ``x``, and elsewhere by the same curvature."""
        ...

    def corrected(self, x: Array) -> Array:
        """What slopes at ``x`` are corrected by."""
        ...

    @property
    def noise(self) -> float:
        """Standard deviation of the values' noise, zero if it is no more than rounding."""
        ...

    @property
    def at_bottom(self) -> bool:
        """Whether values around the first point say that it is a minimum."""
        ...

    @property
    def resolves(self) -> bool:
        """Whether any difference could be told from rounding and noise so far."""
        ...


@dataclass(frozen=True)
class Rows:
    """Constraints ``lower <= c(x) <= upper``, row by row; equalities where both are equal.

    Parameters
    ----------
    lower, upper : ndarrays, shape (k,)
        Infinite where there is no bound.
    tolerance : ndarray, shape (k,)
        Largest violation that counts as none, in units of max(1, |c|).
    matrix : ndarray or sparse array, shape (k, n), or None
        Of linear rows: ``c(x) = matrix @ x``.
    hard : ndarray of bool, shape (k,), or None
        Rows that no point to evaluate may violate (``keep_feasible``); None if none is.
    resolution : ndarray, shape (k,), or None
        The step of the finite differences that a row's Jacobian is made of, relative to
        max(1, |x|), zero without; None if no Jacobian is.
    """

    lower: Array
    upper: Array
    tolerance: Array
    matrix: Any = None
    hard: Mask | None = None
    resolution: Array | None = None


@dataclass(frozen=True)
class Multipliers:
    """Lagrange multipliers that a method tells, as ``multipliers=`` of `Iterate` or `Finish`.

    Of the rows of the problem that it sees, such that ``grad f = sum multiplier * grad c``
    at a minimum: not negative where a lower bound is active.

    Parameters
    ----------
    linear, nonlinear : ndarrays, shapes (k,)
        Empty where there are no rows.
    box : ndarray, shape (n,)
        Of the bounds.
    """

    linear: Array
    nonlinear: Array
    box: Array

    def divided(self, unit: float) -> Multipliers:
        """Of the function divided by a number."""
        return Multipliers(self.linear / unit, self.nonlinear / unit, self.box / unit)

    def all_rows(self) -> Array:
        """Those of the linear rows, then those of the nonlinear ones."""
        return np.concatenate([self.linear, self.nonlinear])


@dataclass(frozen=True)
class Problem:
    """What a method is told of the problem before it starts.

    Parameters
    ----------
    x0 : ndarray, shape (n,)
        The start, inside the bounds.
    box : (lower, upper), ndarrays of shape (n,), or None
        The bounds, infinite where there is none; None without any.
    has_gradient : bool
        Whether an `Ask` of order 1 is answered with gradients.
    shape : tuple of int
        The shape of the user's ``x``, of ``n`` elements; ``(n,)`` when some
        variables are fixed.
    free : ndarray of int, shape (n,), or None
        Where the variables sit in the user's flat ``x``; None when none is fixed.
    whole : tuple of int, or None
        The shape of the user's ``x``, fixed variables included; ``shape`` if None.
    differences : Differences or None
        What gradients are made of if they are finite differences.
    precision : Precision or None
        What is known of the values' type.
    blocks : tuple of tuple of int, or None
        The shapes of the blocks that the user's flat ``x``, fixed variables included, is
        made of: what options of one value per block go by.
    held : ndarray, or None
        The user's flat start, whose fixed variables keep their values; None when none
        is fixed.
    linear : Rows or None
        Linear inequalities; linear equalities have been eliminated.
    nonlinear : Rows or None
        Constraints whose values are evaluated with the function's: `Answers.rows`.
    lattice : Lattice or None
        Where some variables are integers. Bounds are integers there.
    known : (points, values), arrays of shapes (m, n) and (m,), or None
        What an earlier run has found.
    ahead : int
        How many points methods that need not wait for all, by `Stream`, keep under way; else 0.
    """

    x0: Array
    box: tuple[Array, Array] | None
    has_gradient: bool
    shape: tuple[int, ...]
    free: NDArray[np.intp] | None = None
    whole: tuple[int, ...] | None = None
    differences: Differences | None = None
    precision: Precision | None = None
    blocks: tuple[tuple[int, ...], ...] | None = None
    held: Array | None = None
    linear: Rows | None = None
    nonlinear: Rows | None = None
    lattice: Lattice | None = None
    known: Known | None = None
    ahead: int = 0

    @property
    def unit(self) -> float:
        """Rounding unit of the values, which may have been computed in single precision."""
        return EPS if self.precision is None else self.precision.unit

    @property
    def resolution(self) -> float:
        """The step of finite differences, as in `Differences`; zero for exact gradients."""
        return 0.0 if self.differences is None else self.differences.resolution

    @property
    def noise(self) -> float:
        """The noise of the values, as in `Differences`; zero if nobody looked for it."""
        return 0.0 if self.differences is None else self.differences.noise

    def at(self, x: Array) -> Problem:
        """The same problem started elsewhere."""
        return dataclasses.replace(self, x0=x)

    def clip(self, x: Array) -> Array:
        """The nearest point that may be evaluated: in the box, with integers where they belong."""
        if self.lattice is not None:
            x = self.lattice.nearest(x)
        return x if self.box is None else np.clip(x, *self.box)

    def projected_gradient(self, x: Array, g: Array) -> Array:
        """``g`` without the components that push against an active bound."""
        if self.box is None:
            return g
        lower, upper = self.box
        blocked = ((x <= lower) & (g > 0)) | ((x >= upper) & (g < 0))
        return np.where(blocked, 0.0, g)


def quiet() -> contextvars.Context:
    """A context in which NumPy does not warn: methods meet infinities by design."""
    context = contextvars.copy_context()
    context.run(np.seterr, all="ignore")
    return context


@dataclass(frozen=True, slots=True)
class Done(Generic[R]):
    """What a generator returned, where it might have yielded."""

    value: R


def advance(talk: Generator[Y, S, R], reply: S | BaseException | None = None) -> Y | Done[R]:
    """The next message of a generator that is driven by hand, or `Done` with what it returns.

    A reply that is an exception is raised in the generator.
    """
    try:
        if isinstance(reply, BaseException):
            return talk.throw(reply)
        return talk.send(cast("S", reply))
    except StopIteration as end:
        value: R = end.value
        return Done(value)


def resume(steps: Steps, reply: Reply) -> Message | Finish:
    """The next message of a method that is driven by hand, or its last word."""
    message = advance(steps, reply)
    return message.value if isinstance(message, Done) else message


def ask_one(x: Array) -> Generator[Ask, Answers, tuple[float, Array]]:
    """Value and gradient at one point."""
    answers = yield Ask(x[None], 1)
    return answers.first()


def ask_value(x: Array) -> Generator[Ask, Answers, float]:
    """The value at one point."""
    answers = yield Ask(x[None], 0)
    return float(answers.values[0])
