"""Minimization by hand: the library asks for values, the user finds them."""

from __future__ import annotations

import copy
import math
import pickle
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

import smoothmin
from smoothmin import _status
from smoothmin._check import as_generator
from smoothmin._engine import Run
from smoothmin._evaluate import Ledger, exchange
from smoothmin._limits import Halt
from smoothmin._method import Method
from smoothmin._protocol import Answers, Array, Ask, Done, Finish, advance
from smoothmin._recall import Memory
from smoothmin._result import Result
from smoothmin._returned import as_real_array, as_values, unmasked
from smoothmin._setup import Arguments
from smoothmin._status import Status
from smoothmin._types import Blocks, BoundsGiven, Integrality, Scheme, Seed, Start
from smoothmin._warm import known_points
from smoothmin.constraints.told import as_told
from smoothmin.journal.told import Told, digest

if TYPE_CHECKING:
    from smoothmin.typing import Options

# values, and gradients in the free variables; with constraints rows and slopes
Answer: TypeAlias = tuple[Array, Array | None]
# where users evaluate
OF_NO_EFFECT = (
    "asynchronous",
    "disp",
    "journal",
    "on_error",
    "progress",
    "return_on_interrupt",
    "workers",
)


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
        As in `minimize`, but ``asynchronous``, ``disp``, ``journal``, ``on_error``,
        ``progress``, ``return_on_interrupt`` and ``workers`` are of no effect, with a warning.
    constraints : optional
        As in `minimize`; the values of nonlinear ones are told, their functions never called,
        and may be None.
    integrality : array_like of bool, optional
        As in `minimize`: which variables are integers.
    rng : int, numpy.random.Generator or other seed, optional
        Source of all randomness.

    Raises
    ------
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
    goes on from there exactly. Kept is what was told, of more than 32 MB in a temporary file,
    and a copy's new run is told it again, which takes the method's own time once more; it has
    to ask for the same points, or is refused, as by another processor that rounds differently.
    "bfgs", "lbfgs" and "gradient-descent" instead keep their state from time to time, and only
    what was told since. After the end the result alone is kept. Pickles of other
    versions of the library are refused. Only ``maxtime`` begins anew.

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
        x0: Start,
        method: str | Method | type[Method] | None = None,
        jac: bool | Scheme | None = None,
        bounds: BoundsGiven | None = None,
        tol: float | None = None,
        options: Options | None = None,
        *,
        constraints: object = (),
        integrality: Integrality | None = None,
        rng: Seed = None,
    ) -> None:
        if integrality is not None and (options is None or isinstance(options, Mapping)):
            options = {**(options or {}), "integrality": integrality}
        _warn_of_unused(options)
        x0, method, bounds, options = _owned(x0, method, bounds, options)
        self._constraints = constraints = _copied(constraints)
        self._given = (x0, method, jac, bounds, tol, options)
        if callable(jac):
            raise TypeError(f"jac must be a bool or a finite-difference scheme, got {jac!r}")
        given = Arguments.of(
            x0, method, jac, bounds, constraints, tol, None, options, rng, told=True
        )
        if given.jac == "cs":
            raise ValueError('jac must not be "cs": complex points are not asked for')
        generator = as_generator(given.seed)
        self._seed = copy.deepcopy(generator)
        self._domain = given.domain
        self._keeps_state = given.method.needs_gradient
        self._gradients = given.jac is True
        self._state, self._wanted = b"", 0.0  # kept last, and how much is told until the next
        held = given.constraints
        self._nonlinear = (
            [] if held is None else [held.forms.items[k] for k in held.forms.nonlinear]
        )
        self._sizes = None if held is None else held.sizes
        self._told, self._answers = Told(), 0
        # after how many answers which points were told that nobody had asked for
        self._foreign: list[tuple[int, Array, Array]] = []
        self._ended: tuple[str, Result] | None = None
        self._begin(*given.assemble(generator))

    def _begin(self, run: Run, ledger: Ledger) -> None:
        """Drive a run from its start, or from where its state was kept."""
        self._run, self._ledger, self._order = run, ledger, 0
        run.reported = self._keep_state
        if run.memory is None and not self._keeps_state:
            run.memory = Memory()  # for what may be told without being asked for
        self._batches = self._converse()
        self._asked: Array = self._next(None)

    def _keep_state(self) -> None:
        """Keep what has come of what was told, instead of that, where it is no more."""
        if self._told.size < self._wanted:
            return
        try:
            state = pickle.dumps((self._run, self._ledger))
        except (pickle.PicklingError, TypeError, AttributeError):  # a generator, or the user's
            self._wanted = math.inf
            return
        self._wanted = len(state)
        if self._told.size >= len(state):
            self._state, self._told = state, Told()
            self._answers, self._foreign = 0, []

    def _converse(self) -> Generator[Array, Answer, Result]:
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

    def _exchange(self, ask: Ask) -> Generator[Array, Answer, Answers]:
        """The answer to one request, which may take several batches."""
        talk = exchange(ask, self._ledger)
        batch = advance(talk)
        while not isinstance(batch, Done):
            points, order = batch
            points, over = self._ledger.admit(points)
            if len(points) or over is None:
                self._order = order
                values, gradients = yield points
                self._ledger.take(points, values, gradients if order else None)
                if not self._ledger.wide:
                    self._ledger.limits.look_at_value(float(np.fmin.reduce(values)))
            if over is not None:
                raise over
            batch = advance(talk, (values, gradients))
        return batch.value

    def _next(self, told: Answer | Halt | None) -> Array:
        """The points to ask for after what was told; none at the end."""
        message = advance(self._batches, told)
        if isinstance(message, Done):
            result = message.value
            self._ended = Status(result.status).name.lower(), result
            self._state, self._told = b"", Told()
            return np.empty((0, self._domain.size))
        return message

    def ask(self) -> Array:
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
        points: Array = self._domain.spread(self._asked)
        structure = self._domain.structure
        if structure is None:
            return points
        return [structure.build(point) for point in points]  # type: ignore[return-value]

    def tell(
        self,
        points: ArrayLike | Sequence[Blocks],
        values: ArrayLike,
        gradients: ArrayLike | Sequence[Blocks] | None = None,
        constraints: Sequence[ArrayLike] | None = None,
        jacobians: Sequence[ArrayLike] | None = None,
    ) -> None:
        """Go on with what was found.

        Parameters
        ----------
        points : array_like, shape (S, *x0.shape)
            What `ask` returned, in any order, or any other points: see Notes.
        values : array_like, shape (S,)
            The function's values there; NaN and infinity are survived as in `minimize`.
        gradients : array_like, shape (S, *x0.shape), optional
            With ``jac=True``.
        constraints : sequence of array_like, shapes (S, m_i), optional
            The values there of each nonlinear constraint, in the order in which they were
            given.
        jacobians : sequence of array_like, shapes (S, m_i, N), optional
            Their derivatives over the flat ``x``, with ``jac=True``.

        Raises
        ------
        RuntimeError
            If the run has ended.
        TypeError, ValueError
            For points outside the bounds, or values and gradients that do not fit
            them. The optimizer is left as it was.

        Notes
        -----
        Points that were not asked for count as no evaluation. Their values are known from then
        on: they are not asked for again, the lowest is a candidate for the result, and if one
        is lower than all that was asked for the method begins anew there, and `ask` has other
        points.
        Gradients and constraints cannot be told of them.
        """
        asked = self._flat("points", self.ask())
        order = order_of(self._flat("points", points), asked)
        if order is None:
            if gradients is not None or constraints is not None or self._nonlinear:
                raise ValueError(
                    "points must be those that were asked for where gradients or constraints "
                    f"are told, got {points!r:.80}"
                )
            x, f = known_points("tell", points, values, self._domain, strict=True)
            self._foreign.append((self._answers, x, f))
            self._take_foreign(x, f)
            return
        found = as_values(list(values) if np.iterable(values) else [values], np.float64)
        if found.shape != (len(asked),):
            raise ValueError(f"values must be {len(asked)} numbers, got {values!r:.80}")
        rows = self._as_rows(gradients, asked.shape)
        if not self._order:  # nobody wants them now
            rows = None
        if self._nonlinear:
            found, rows = self._with_constraints(found, rows, constraints, jacobians)
        found, rows = found[order], None if rows is None else rows[order]
        self._told.add(self._asked, found, rows)
        self._answers += 1
        self._asked = self._next((found, rows))

    def _take_foreign(self, points: Array, values: Array) -> None:
        """Note what was found at points that were not asked for; go on from a lower one."""
        before, limits = self._ledger.best.fun, self._ledger.limits
        self._run.recall(points, values)
        lowest = self._ledger.best
        if lowest.x is None or not lowest.fun < before:
            return
        if lowest.fun <= limits.f_target:
            text = _status.target_reached(lowest.fun, limits.f_target)
            self._asked = self._next(Halt(Status.TARGET, text))
            return
        if self._ledger.nfev:
            self._begin(self._run.moved_to(lowest.x.copy()), self._ledger)

    def _with_constraints(
        self, values: Array, gradients: Array | None, constraints: Any, jacobians: Any
    ) -> Answer:
        """Rows and slopes, of values and gradients and those of the constraints."""
        count = len(values)
        parts = as_told("constraints", constraints, self._nonlinear, (count, -1))
        sizes = [part.shape[1] for part in parts]
        for item, m in zip(self._nonlinear, sizes, strict=True):
            item.spread(m)
        assert self._sizes is not None
        self._sizes.see(sizes)
        rows = np.concatenate([values[:, None], *parts], axis=1)
        if gradients is None:
            return rows, None
        size = self._domain.start.size
        told = as_told("jacobians", jacobians, self._nonlinear, (count, -1, size), sizes)
        wide = np.concatenate(told, axis=1)
        slim = self._domain.gather(wide.reshape(-1, size)).reshape(*wide.shape[:2], -1)
        return rows, np.concatenate([gradients[:, None], slim], axis=1)

    def _flat(self, name: str, found: Any) -> NDArray[Any]:
        """Points or gradients as one array, (S, n) where they come in blocks."""
        structure = self._domain.structure
        if structure is None:
            return np.asarray(unmasked(found))
        return np.array([structure.flat(blocks, f"{name}[{k}]") for k, blocks in enumerate(found)])

    def _as_rows(self, gradients: Any, expected: tuple[int, ...]) -> Array | None:
        if not self._gradients:
            if gradients is None:
                return None
            raise ValueError("gradients are of no use without jac=True")
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
    def result(self) -> Result:
        """The best so far, as `minimize` returns it, with status 7 before the end."""
        if self._ended is not None:
            return Result(self._ended[1])
        return self._run.result(Finish(Status.INTERRUPTED, _status.UNDER_WAY))

    def __getstate__(self) -> dict[str, Any]:
        """What the run began with, and what it was told since; only its result after the end."""
        state = {"version": smoothmin.__version__, "given": self._given, "seed": self._seed}
        state |= {"constraints": self._constraints, "rows": self._sizes and self._sizes.rows}
        told = {"state": self._state, "told": self._told.content()}
        return state | told | {"ended": self._ended, "foreign": self._foreign}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Begin again, and tell it all again, unless it has ended."""
        version = state.get("version")
        if version != smoothmin.__version__:
            raise ValueError(
                f"an Optimizer of version {version} of smoothmin was pickled, "
                f"this is {smoothmin.__version__}"
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what was warned of at first
            self.__init__(  # type: ignore[misc]
                *state["given"],
                constraints=state["constraints"],
                rng=copy.deepcopy(state["seed"]),
            )
        if self._sizes is not None:
            self._sizes.rows = state["rows"]
        if state["ended"] is not None:
            self._ended = state["ended"]
            return
        if state["state"]:
            run, ledger = pickle.loads(state["state"])
            ledger.restart()
            self._begin(run, ledger)
        told, foreign = Told(state["told"]), list(state["foreign"])
        count = 0
        for points, values, gradients in told:
            foreign = self._retell(foreign, count)
            if self._ended is not None or not np.array_equal(points, digest(self._asked)):
                raise ValueError(
                    "an Optimizer told again what it was told asks for other points: another "
                    "processor or another version of NumPy may round differently"
                )
            self._asked = self._next((values, gradients))
            count += 1
        self._retell(foreign, count)
        self._state, self._told, self._answers = state["state"], told, count
        self._foreign = list(state["foreign"])

    def _retell(self, foreign: list[tuple[int, Array, Array]], count: int) -> list[Any]:
        """Tell again what nobody had asked for when there were so many answers; the rest."""
        while foreign and foreign[0][0] == count:
            self._take_foreign(*foreign.pop(0)[1:])
        return foreign


def order_of(points: NDArray[Any], asked: NDArray[Any]) -> NDArray[np.intp] | None:
    """What puts points in the order in which they were asked for; None if they are others."""
    if points.shape != asked.shape:
        return None
    order = np.arange(len(asked))
    if np.array_equal(points, asked):
        return order
    ours, theirs = (np.lexsort(found.reshape(len(asked), -1).T) for found in (asked, points))
    order[ours] = theirs
    return order if np.array_equal(points[order], asked) else None


def _owned(x0: Any, method: Any, bounds: Any, options: Any) -> tuple[Any, ...]:
    """Copies of what the caller may change, as deep as they can be made."""
    if isinstance(bounds, Iterator):
        bounds = list(bounds)
    if isinstance(options, Mapping):
        options = {key: _copied(value) for key, value in options.items() if key not in OF_NO_EFFECT}
    return _copied(x0), _copied(method), _copied(bounds), options


def _copied(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except Exception:  # an object that cannot be copied, whatever it raises, is shared
        return value


def _warn_of_unused(options: Any) -> None:
    """Say which options are of no use to users who evaluate by themselves."""
    given = options if isinstance(options, Mapping) else {}
    unused = [name for name in OF_NO_EFFECT if given.get(name)]
    if unused:
        text = f"options of no effect on an Optimizer: {', '.join(unused)}"
        warnings.warn(text, RuntimeWarning, stacklevel=3)
