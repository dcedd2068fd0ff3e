"""Termination criteria, combined with ``|`` and ``&``.

They are torchzero's in purpose, not in every number: its norms have to be small at 3 steps
running with a tolerance of 1e-8, these at 1 step with 1e-6, by default.
Counts of steps and evaluations start where the watch does: at the start of a run, or of
each stage of `GradientSampling`. Evaluations are single points, all samples counted.
Norms are of the whole vector, not a mean over its elements, and of one step. `NoImprovement`
compares with the lowest value so far, over n steps together; the patience ``n`` of the
others asks for n steps running, 1 by default. A criterion is a fixed description and keeps
no state, so one object may serve several runs.

A criterion is an immutable description; ``start()`` gives a watch, which is shown
every step and answers with a sentence once the criterion is met. The same
objects end a run (``options={"termination": ...}``) and tell
`GradientSampling` when to shrink its perturbations.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from smoothmin._check import require_bool, require_integer, require_real
from smoothmin._protocol import Array
from smoothmin._status import Status


@dataclass
class Progress:
    """One step as a criterion sees it; counts start where the watch did.

    Attributes
    ----------
    nit, nfev : int
        Steps made, and points evaluated.
    seconds : float
    x : ndarray, shape (n,)
        Where the step led, in the variables that are free to move; not to be changed.
    fun : float
        The value there as the method sees it, smoothed if it was.
    grad : ndarray, shape (n,), or None
        The gradient there, without what pushes against a bound; None if it is unknown.
    """

    nit: int
    nfev: int
    seconds: float
    x: Array
    fun: float
    grad: Array | None


class Watch(ABC):
    """A criterion at work on one run; ``status`` is that of what fired."""

    status: Status = Status.CONVERGED

    @abstractmethod
    def __call__(self, now: Progress) -> str | None:
        """A sentence when the criterion is met at this step, else None."""


class Termination(ABC):
    """What all criteria and their combinations share."""

    @abstractmethod
    def start(self) -> Watch:
        """Begin to watch a run, with fresh counts."""

    def __or__(self, other: Termination) -> Termination:
        """Met when either is."""
        return Either((self, _criterion(other)))

    def __and__(self, other: Termination) -> Termination:
        """Met when both are, at the same step."""
        return Both((self, _criterion(other)))


class Criterion(Termination):
    """A condition on a step, and how long it must hold.

    Its patience ``n`` fires it when the condition has held at ``n`` steps running. To write
    one, subclass it, as a frozen dataclass if it has options, and implement `holds`.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import smoothmin
    >>> @dataclass(frozen=True)
    ... class Near(smoothmin.Criterion):
    ...     radius: float
    ...     n: int = 1
    ...
    ...     def holds(self, now, before):
    ...         return "Near the origin." if now.x @ now.x <= self.radius**2 else None
    >>> res = smoothmin.minimize(lambda x: (x @ x, 2 * x), [3.0, 4.0], jac=True,
    ...                          method=smoothmin.GradientDescent(lr=0.1),
    ...                          options={"termination": Near(1.0) | smoothmin.AfterSteps(99)})
    >>> res.message
    'Near the origin.'
    """

    status: ClassVar[Status] = Status.CONVERGED
    n: int = 1

    @abstractmethod
    def holds(self, now: Progress, before: Progress | None) -> str | bool | None:
        """A sentence, or True, if the condition holds; ``before`` is the previous step."""

    def __post_init__(self) -> None:
        require_integer("n", self.n, 1)

    def start(self) -> Watch:
        """Begin to watch a run, with fresh counts."""
        return _CriterionWatch(self)


class _CriterionWatch(Watch):
    """Counts how long the condition of one criterion has held."""

    def __init__(self, criterion: Criterion) -> None:
        self.status = criterion.status
        self._criterion = criterion
        self._streak = 0
        self._before: Progress | None = None

    def __call__(self, now: Progress) -> str | None:
        message = self._criterion.holds(now, self._before)
        if message is not None and not isinstance(message, str):
            name = type(self._criterion).__name__
            require_bool(f"what {name}.holds returns", message)
            message = f"{name} holds." if message else None
        self._streak = self._streak + 1 if message else 0
        self._before = now
        return message if self._streak >= self._criterion.n else None


@dataclass(frozen=True)
class Either(Termination):
    """Met when any of its parts is; made by ``|``."""

    parts: tuple[Termination, ...]

    def start(self) -> Watch:
        """Begin to watch a run, with fresh counts."""
        return _EitherWatch([part.start() for part in self.parts])


class _EitherWatch(Watch):
    def __init__(self, parts: list[Watch]) -> None:
        self._parts = parts

    def __call__(self, now: Progress) -> str | None:
        messages = [part(now) for part in self._parts]  # all parts see every step
        for part, sentence in zip(self._parts, messages, strict=True):
            if sentence:
                self.status = part.status
                return sentence
        return None


@dataclass(frozen=True)
class Both(Termination):
    """Met when all of its parts are at the same step; made by ``&``."""

    parts: tuple[Termination, ...]

    def start(self) -> Watch:
        """Begin to watch a run, with fresh counts."""
        return _BothWatch([part.start() for part in self.parts])


class _BothWatch(Watch):
    def __init__(self, parts: list[Watch]) -> None:
        self._parts = parts

    def __call__(self, now: Progress) -> str | None:
        messages = [part(now) for part in self._parts]
        if not all(messages):
            return None
        # a limit among the parts keeps the whole from counting as success
        limits = [part.status for part in self._parts if not part.status.success]
        self.status = limits[0] if limits else self._parts[0].status
        return " ".join(sentence for sentence in messages if sentence)


@dataclass(frozen=True)
class AfterSteps(Criterion):
    """After ``steps`` steps.

    Parameters
    ----------
    steps : int
        At least 1.
    n : int, default 1
        Patience: how many steps running it must hold.

    Raises
    ------
    TypeError, ValueError
        For arguments of a wrong kind or value.
    """

    status: ClassVar[Status] = Status.MAXITER
    steps: int
    n: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_integer("steps", self.steps, 1)

    def holds(self, now: Progress, before: Progress | None) -> str | None:
        """Enough steps were made."""
        return f"{now.nit} steps made." if now.nit >= self.steps else None


@dataclass(frozen=True)
class AfterEvaluations(Criterion):
    """After ``evaluations`` evaluations, at the next step.

    Parameters
    ----------
    evaluations : int
        At least 1.
    n : int, default 1
        Patience: how many steps running it must hold.

    Raises
    ------
    TypeError, ValueError
        For arguments of a wrong kind or value.
    """

    status: ClassVar[Status] = Status.MAXFEV
    evaluations: int
    n: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_integer("evaluations", self.evaluations, 1)

    def holds(self, now: Progress, before: Progress | None) -> str | None:
        """Enough evaluations were made."""
        return f"{now.nfev} evaluations made." if now.nfev >= self.evaluations else None


@dataclass(frozen=True)
class AfterSeconds(Criterion):
    """After ``seconds`` seconds, at the next step.

    The one criterion that makes a run depend on the machine.

    Parameters
    ----------
    seconds : float
        At least 0.
    n : int, default 1
        Patience: how many steps running it must hold.

    Raises
    ------
    TypeError, ValueError
        For arguments of a wrong kind or value.
    """

    status: ClassVar[Status] = Status.MAXTIME
    seconds: float
    n: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_real("seconds", self.seconds, minimum=0)

    def holds(self, now: Progress, before: Progress | None) -> str | None:
        """Enough time has passed."""
        return f"{now.seconds:.3g} seconds passed." if now.seconds >= self.seconds else None


@dataclass(frozen=True)
class GradientNorm(Criterion):
    """When a norm of the gradient is at most ``tol``.

    Components that push against a bound do not count.

    Parameters
    ----------
    tol : float, default 1e-6
        In the units of the gradient.
    n : int, default 1
        Patience: how many steps running it must hold.
    ord : float, default 2
        Positive; `numpy.inf` for the largest element.

    Raises
    ------
    TypeError, ValueError
        For arguments of a wrong kind or value.
    """

    tol: float = 1e-6
    n: int = 1
    ord: float = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        require_real("tol", self.tol, minimum=0)
        require_real("ord", self.ord, above=0)

    def holds(self, now: Progress, before: Progress | None) -> str | None:
        """The gradient is known and short."""
        if now.grad is None:
            return None
        norm = float(np.linalg.norm(now.grad, self.ord))
        return f"Gradient norm {norm:.3g} <= {self.tol:g}." if norm <= self.tol else None


@dataclass(frozen=True)
class UpdateNorm(Criterion):
    """When a norm of the step is at most ``tol``.

    Parameters
    ----------
    tol : float, default 1e-6
        In the units of the variables.
    n : int, default 1
        Patience: how many steps running it must hold.
    ord : float, default 2
        Positive; `numpy.inf` for the largest element.

    Raises
    ------
    TypeError, ValueError
        For arguments of a wrong kind or value.
    """

    tol: float = 1e-6
    n: int = 1
    ord: float = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        require_real("tol", self.tol, minimum=0)
        require_real("ord", self.ord, above=0)

    def holds(self, now: Progress, before: Progress | None) -> str | None:
        """There was a step, and it was short."""
        if before is None:
            return None
        norm = float(np.linalg.norm(now.x - before.x, self.ord))
        return f"Step norm {norm:.3g} <= {self.tol:g}." if norm <= self.tol else None


@dataclass(frozen=True)
class NoImprovement(Termination):
    """When ``n`` steps together lowered the least value by at most ``tol``.

    Parameters
    ----------
    tol : float, default 0
        Decrease, in the units of the value, that still counts as none.
    n : int, default 10
        Patience, in steps.

    Raises
    ------
    TypeError, ValueError
        For arguments of a wrong kind or value.

    Examples
    --------
    Criteria combine with ``|`` and ``&``:

    >>> import smoothmin
    >>> idle = smoothmin.NoImprovement(tol=1e-3, n=5) | smoothmin.AfterSteps(500)
    >>> res = smoothmin.minimize(lambda x: (x @ x, 2 * x), [3.0, 4.0], jac=True,
    ...                          method=smoothmin.GradientDescent(lr=0.1),
    ...                          options={"termination": idle})
    >>> res.message
    'No decrease of more than 0.001 in 5 steps.'
    """

    tol: float = 0.0
    n: int = 10

    def __post_init__(self) -> None:
        require_real("tol", self.tol, minimum=0)
        require_integer("n", self.n, 1)

    def start(self) -> Watch:
        """Begin to watch a run, with fresh counts."""
        return _NoImprovementWatch(self)


class _NoImprovementWatch(Watch):
    """Counts the steps since the value last fell by enough."""

    def __init__(self, criterion: NoImprovement) -> None:
        self._criterion = criterion
        self._reference = math.inf
        self._streak = 0

    def __call__(self, now: Progress) -> str | None:
        tol, patience = self._criterion.tol, self._criterion.n
        if now.fun < self._reference - tol:
            self._reference = now.fun
            self._streak = 0
        else:
            self._streak += 1
        if self._streak < patience:
            return None
        return f"No decrease of more than {tol:g} in {self._streak} steps."


@dataclass(frozen=True)
class TargetValue(Criterion):
    """When the value is at most ``value``.

    Parameters
    ----------
    value : float
        Not NaN.
    n : int, default 1
        Patience: how many steps running it must hold.

    Raises
    ------
    TypeError, ValueError
        For arguments of a wrong kind or value.
    """

    status: ClassVar[Status] = Status.TARGET
    value: float
    n: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_real("value", self.value)

    def holds(self, now: Progress, before: Progress | None) -> str | None:
        """The value is low enough."""
        return f"Value {now.fun:.6g} <= {self.value:g}." if now.fun <= self.value else None


@dataclass(frozen=True)
class Never(Criterion):
    """Never; the neutral element of ``|``."""

    n: int = 1

    def holds(self, now: Progress, before: Progress | None) -> str | None:
        """Nothing does."""
        return None


def as_termination(name: str, given: Any) -> Termination:
    """One criterion from None, a criterion, or several of which any may fire."""
    if given is None:
        return Never()
    if isinstance(given, Termination):
        return given
    if isinstance(given, Iterable) and not isinstance(given, (str, bytes)):
        parts = tuple(given)
        if parts and all(isinstance(part, Termination) for part in parts):
            return Either(parts)
    raise TypeError(f"{name} must be a termination criterion or several, got {given!r}")


def _criterion(other: object) -> Termination:
    if not isinstance(other, Termination):
        raise TypeError(f"a criterion combines with another criterion, got {other!r}")
    return other
