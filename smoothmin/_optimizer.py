"""Minimization by hand: the library asks for values, the user finds them."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Generator, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult

from smoothmin import _status
from smoothmin._check import as_generator
from smoothmin._evaluate import exchange
from smoothmin._limits import Halt
from smoothmin._protocol import Answers, Array, Ask, Done, Finish, advance
from smoothmin._returned import as_real_array, as_values, unmasked
from smoothmin._setup import Arguments
from smoothmin._status import Status

Told: TypeAlias = tuple[Array, Array | None]  # values, and gradients in the free variables
OF_NO_EFFECT = ("disp", "journal", "return_on_interrupt", "workers")  # where users evaluate


class Optimizer:
    """Minimize a function that is evaluated elsewhere: ask, evaluate, tell.

    For experiments, simulations on other machines, and loops of one's own. The methods
    are those of `minimize`, and told the same values they go the same way.

    Parameters
    ----------
    x0 : array_like, or dict, list or tuple of arrays
        As in `minimize`.
    method : str or Method, optional
        As in `minimize`.
    jac : bool or {"2-point", "3-point"}, optional
        True if gradients will be told along with the values; a finite-difference scheme;
        or None, the default, for what `minimize` does without a gradient.
    bounds : scipy.optimize.Bounds or sequence of (min, max), optional
        No point asked for leaves them.
    tol : float, optional
        Sets the method's main tolerances unless ``options`` does.
    options : dict, optional
        As in `minimize`, but ``disp``, ``journal``, ``return_on_interrupt`` and
        ``workers`` are of no effect, with a warning.
    constraints : optional
        Not implemented: anything but none raises `NotImplementedError`.
    rng : int, numpy.random.Generator or other seed, optional
        Source of all randomness.

    Raises
    ------
    NotImplementedError
        For constraints.
    TypeError, ValueError
        For arguments of a wrong kind or value.

    Warns
    -----
    scipy.optimize.OptimizeWarning
        For unknown options and a start outside the bounds.
    RuntimeWarning
        For options of no effect.

    Notes
    -----
    An optimizer can be pickled or copied at any time, between `ask` and `tell` too, and
    goes on from there exactly: what is kept is what was told, and a new run is told it
    again. Only ``maxtime`` begins anew.

    Examples
    --------
    >>> import numpy as np
    >>> from smoothmin import Optimizer
    >>> optimizer = Optimizer([3.0, -2.0], bounds=[(-5, 5), (-5, 5)], rng=0)
    >>> while not optimizer.stop():
    ...     points = optimizer.ask()
    ...     optimizer.tell(points, [abs(x[0] - 1) + abs(x[1]) for x in points])
    >>> bool(optimizer.result.fun < 1e-4)
    True
    """

    def __init__(
        self,
        x0: Any,
        method: Any = None,
        jac: Any = None,
        bounds: Any = None,
        tol: float | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        constraints: Any = (),
        rng: Any = None,
    ) -> None:
        self._given = (copy.copy(x0), method, jac, bounds, tol, copy.copy(options))
        _warn_of_unused(options)
        if callable(jac):
            raise TypeError(f"jac must be a bool or a finite-difference scheme, got {jac!r}")
        given = Arguments.of(x0, method, jac, bounds, constraints, tol, None, options, rng)
        if given.jac == "cs":
            raise ValueError('jac must not be "cs": complex points are not asked for')
        generator = as_generator(given.seed)
        self._seed = copy.deepcopy(generator)
        self._domain, self._limits = given.domain, given.plan.limits
        self._gradients = given.jac is True
        self._run, self._ledger = given.assemble(generator)
        self._told: list[Told] = []
        self._ended: tuple[str, OptimizeResult] | None = None
        self._batches = self._converse()
        self._asked: Array = self._next(None)

    def _converse(self) -> Generator[Array, Told, OptimizeResult]:
        """Yield points in the free variables until the method is done."""
        talk = self._run.conversation()
        ask = advance(talk)
        while not isinstance(ask, Done):
            try:
                reply: Answers | Halt = yield from self._exchange(ask)
            except Halt as halt:
                reply = halt
            ask = advance(talk, reply)
        return ask.value

    def _exchange(self, ask: Ask) -> Generator[Array, Told, Answers]:
        """The answer to one request, which may take several batches."""
        talk = exchange(ask, self._ledger)
        batch = advance(talk)
        while not isinstance(batch, Done):
            points, order = batch
            points, over = self._ledger.admit(points)
            if len(points) or over is None:
                values, gradients = yield points
                self._ledger.take(points, values, gradients if order else None)
                self._limits.look_at_value(float(np.fmin.reduce(values)))
            if over is not None:
                raise over
            batch = advance(talk, (values, gradients))
        return batch.value

    def _next(self, told: Told | None) -> Array:
        """The points to ask for after what was told; none at the end."""
        message = advance(self._batches, told)
        if isinstance(message, Done):
            result = message.value
            self._ended = Status(result.status).name.lower(), result
            return np.empty((0, self._domain.size))
        return message

    def ask(self) -> Any:
        """Points to evaluate.

        Returns
        -------
        ndarray, shape (S, *x0.shape)
            A copy; the same points again until they are told. A list of S points where
            ``x0`` is in blocks.

        Raises
        ------
        RuntimeError
            If the run has ended.
        """
        if self._ended is not None:
            raise RuntimeError(f"nothing to ask for, the run has ended: {self.stop()}")
        points, structure = self._domain.spread(self._asked), self._domain.structure
        return points if structure is None else [structure.build(point) for point in points]

    def tell(self, points: Any, values: Any, gradients: Any = None) -> None:
        """Go on with what was found.

        Parameters
        ----------
        points : array_like, shape (S, *x0.shape)
            What `ask` returned.
        values : array_like, shape (S,)
            The function's values there; NaN and infinity are survived as in `minimize`.
        gradients : array_like, shape (S, *x0.shape), optional
            With ``jac=True``.

        Raises
        ------
        RuntimeError
            If the run has ended.
        TypeError, ValueError
            For other points than were asked for, or values and gradients that do not fit
            them. The optimizer is left as it was.
        """
        asked = self._flat("points", self.ask())
        if not np.array_equal(self._flat("points", points), asked):
            raise ValueError(f"points must be those that were asked for, got {points!r:.80}")
        found = as_values(list(values) if np.iterable(values) else [values], np.float64)
        if found.shape != (len(asked),):
            raise ValueError(f"values must be {len(asked)} numbers, got {values!r:.80}")
        self._tell(found, self._as_rows(gradients, asked.shape) if self._gradients else None)

    def _flat(self, name: str, found: Any) -> NDArray[Any]:
        """Points or gradients as one array, (S, n) where they come in blocks."""
        structure = self._domain.structure
        if structure is None:
            return np.asarray(unmasked(found))
        return np.array([structure.flat(blocks, f"{name}[{k}]") for k, blocks in enumerate(found)])

    def _tell(self, values: Array, gradients: Array | None) -> None:
        self._told.append((values, gradients))
        # the method may change what it is sent
        rows = None if gradients is None else gradients.copy()
        self._asked = self._next((values.copy(), rows))

    def _as_rows(self, gradients: Any, expected: tuple[int, ...]) -> Array:
        if gradients is None:
            raise ValueError("gradients must be told with jac=True, got None")
        found: NDArray[Any] = as_real_array(self._flat("gradients", gradients), "gradients")
        if found.shape != expected:
            raise ValueError(f"gradients must have shape {expected}, got {found.shape}")
        return self._domain.gather(found.reshape(expected[0], -1).copy())

    def stop(self) -> dict[str, str]:
        """Why the run has ended: nothing while it goes on.

        Returns
        -------
        dict
            The status's name, in lower case, to the message of the result.
        """
        return {} if self._ended is None else {self._ended[0]: self._ended[1].message}

    @property
    def result(self) -> OptimizeResult:
        """The best so far, as `minimize` returns it, with status 7 before the end."""
        if self._ended is not None:
            return OptimizeResult(self._ended[1])
        return self._run.result(Finish(Status.INTERRUPTED, _status.UNDER_WAY))

    def __getstate__(self) -> dict[str, Any]:
        """What the run began with, and what it was told since."""
        return {"given": self._given, "seed": self._seed, "told": list(self._told)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Begin again, and tell it all again."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what was warned of at first
            self.__init__(*state["given"], rng=copy.deepcopy(state["seed"]))  # type: ignore[misc]
        for values, gradients in state["told"]:
            self._tell(values, gradients)


def _warn_of_unused(options: Any) -> None:
    """Say which options are of no use to users who evaluate by themselves."""
    given = options if isinstance(options, Mapping) else {}
    unused = [name for name in OF_NO_EFFECT if given.get(name)]
    if unused:
        text = f"options of no effect on an Optimizer: {', '.join(unused)}"
        warnings.warn(text, RuntimeWarning, stacklevel=3)
