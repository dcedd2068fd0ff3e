"""Minimization by hand: the library asks for values, the user finds them."""

from __future__ import annotations

import copy
import math
import pickle
import warnings
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

import smoothmin
from smoothmin import _status
from smoothmin._asked import FOREIGN, Batch, Foreign, OtherPoints, Part
from smoothmin._check import as_generator
from smoothmin._engine import Run
from smoothmin._evaluate import Ledger, exchange
from smoothmin._limits import Halt
from smoothmin._method import Method
from smoothmin._protocol import Answers, Array, Ask, Done, Finish, advance
from smoothmin._recall import Memory
from smoothmin._result import Result
from smoothmin._returned import as_values
from smoothmin._setup import Arguments
from smoothmin._status import Status
from smoothmin._telling import copied, owned, told_gradients, told_points, told_rows, warn_of_unused
from smoothmin._types import Blocks, BoundsGiven, Integrality, Scheme, Seed, Start
from smoothmin._warm import known_points
from smoothmin.constraints.told import uncalled
from smoothmin.journal.told import Told, digest

if TYPE_CHECKING:
    from smoothmin.typing import Options

# values, and gradients in the free variables; with constraints rows and slopes
Answer: TypeAlias = tuple[Array, Array | None]


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
        warn_of_unused(options)
        x0, method, bounds, options = owned(x0, method, bounds, options)
        self._constraints = constraints = uncalled(copied(constraints))
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
        self._foreign: list[Foreign] = []
        self._ended: tuple[str, Result] | None = None
        self._begin(*given.assemble(generator))

    def _begin(self, run: Run, ledger: Ledger) -> None:
        """Drive a run from its start, or from where its state was kept."""
        self._run, self._ledger, self._order = run, ledger, 0
        run.reported = self._keep_state
        if run.memory is None and not self._keeps_state:
            run.memory = Memory()  # for what may be told without being asked for
        self._batches = self._converse()
        self._batch = self._batch_of(self._next(None))

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

    def _batch_of(self, points: Array, earlier: Batch | None = None) -> Batch:
        keys = () if earlier is None else earlier.keys
        return Batch(points, self._flattened(points), keys)

    def _flattened(self, points: Array) -> Array:
        """The user's points, (m, N)."""
        return self._domain.spread(points).reshape(len(points), self._domain.start.size)

    def ask(self) -> Array:
        """Points to evaluate.

        Returns
        -------
        ndarray, shape (S, *x0.shape)
            A copy; those that have not been told yet, until all are. A list of S points
            where ``x0`` is in blocks.

        Raises
        ------
        RuntimeError
            If the run has ended.
        """
        if self._ended is not None:
            raise RuntimeError(f"nothing to ask for, the run has ended: {self.stop()}")
        points: Array = self._domain.spread(self._batch.left)
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
            What `ask` returned, or some of it, in any order; or any other points: see Notes.
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

        Warns
        -----
        RuntimeWarning
            For points that are those asked for but for the digits that single precision loses:
            they are others.

        Notes
        -----
        The run goes on when all points of a batch have been told. Of what is told twice, of this
        batch or the one before, the first counts.

        Points that were not asked for count as no evaluation. Their values are known from then
        on: they are not asked for again, the lowest is a candidate for the result, and if one
        is lower than all that was asked for the method begins anew there, and `ask` has other
        points. Gradients cannot be told of them, nor are they taken where there are constraints.
        """
        if self._ended is not None:
            self.ask()  # which says so
        told = told_points(points, self._domain)
        found = as_values(list(values) if np.iterable(values) else [values], np.float64)
        if found.shape != (len(told),):
            raise ValueError(
                f"values must be {len(told)} numbers for as many points, got {values!r:.80}"
            )
        rows = self._rows_of(gradients, len(told))
        places = self._batch.places(told)
        foreign = self._foreign_ones(told, found, places, gradients is not None)
        if self._nonlinear:
            assert self._sizes is not None
            found, rows = told_rows(
                found, rows, constraints, jacobians, self._nonlinear, self._sizes, self._domain
            )
        here = places >= 0
        if here.any():
            self._batch.take(places[here], found[here], None if rows is None else rows[here])
            self._look_at_batch()
        if foreign is not None and self._ended is None:
            self._foreign.append(Foreign(self._answers, *foreign, self._batch.part()))
            self._take_foreign(*foreign)

    def _rows_of(self, gradients: Any, count: int) -> Array | None:
        """Gradients (S, n), as far as anybody wants them now."""
        if not self._gradients:
            if gradients is None:
                return None
            raise ValueError("gradients are of no use without jac=True")
        if gradients is None:
            raise ValueError("gradients must be told with jac=True, got None")
        rows = told_gradients(gradients, count, self._domain)
        return rows if self._order else None

    def _foreign_ones(
        self, told: Array, values: Array, places: NDArray[np.intp], slopes: bool
    ) -> tuple[Array, Array] | None:
        """The points that were not asked for, and their values; None if there are none."""
        foreign = places == FOREIGN
        if not foreign.any():
            return None
        if slopes or self._sizes is not None:
            raise ValueError(
                "points must be those that were asked for where gradients are told, or there are "
                f"constraints, got {told[int(foreign.argmax())]!r:.80}"
            )
        x, f = known_points("tell", told[foreign], values[foreign], self._domain, strict=True)
        asked = {row.tobytes() for row in self._flattened(self._batch.left).astype(np.float32)}
        if any(row.tobytes() in asked for row in told[foreign].astype(np.float32)):
            warnings.warn(
                "points were told that differ from those asked for by less than single precision "
                "shows, and are taken for others: tell what ask() returned with all its digits",
                RuntimeWarning,
                stacklevel=3,
            )
        return x, f

    def _look_at_batch(self) -> None:
        """Go on if all of it is known, or what is known ends the run."""
        batch = self._batch
        if batch.answered.all():
            _, values, gradients = batch.found
            self._told.add(batch.points, values, gradients)
            self._answers += 1
            self._batch = self._batch_of(self._next((values, gradients)), batch)
        elif self._lowest_of_batch() <= self._ledger.limits.f_target:
            self._end_at_target(self._lowest_of_batch())

    def _lowest_of_batch(self) -> float:
        """The lowest value that has come of it; with constraints nothing is said."""
        values = self._batch.found[1]
        return math.inf if self._ledger.wide else float(np.fmin.reduce(values, initial=math.inf))

    def _end_at_target(self, value: float) -> None:
        """End the run, in the midst of a batch."""
        text = _status.target_reached(value, self._ledger.limits.f_target)
        self._give_up_batch()
        if self._ended is None:
            self._batch = self._batch_of(self._next(Halt(Status.TARGET, text)))

    def _give_up_batch(self) -> None:
        """Count what has come of it, and remember it."""
        points, values, gradients = self._batch.found
        if not len(points):
            return
        if self._run.memory is not None:
            self._run.memory.add(points, values)
        try:
            self._ledger.take(points, values, gradients if self._order else None)
        except Halt as halt:
            self._batch = self._batch_of(self._next(halt))

    def _take_foreign(self, points: Array, values: Array) -> None:
        """Note what was found at points that were not asked for; go on from a lower one."""
        before = min(self._ledger.best.fun, self._lowest_of_batch())
        self._run.recall(points, values)
        lowest = self._ledger.best
        if lowest.x is None or not lowest.fun < before:
            return
        if lowest.fun <= self._ledger.limits.f_target:
            self._end_at_target(lowest.fun)
            return
        self._give_up_batch()
        if self._ledger.nfev and self._ended is None:
            self._begin(self._run.moved_to(lowest.x.copy()), self._ledger)

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
        run, order = self._run, self._order
        points, values, gradients = self._batch.found
        if len(points):
            more = self._ledger.with_more(points, values, gradients if order else None)
            run = run.counted_by(more)
        return run.result(Finish(Status.INTERRUPTED, _status.UNDER_WAY))

    def __getstate__(self) -> dict[str, Any]:
        """What the run began with, and what it was told since; only its result after the end."""
        state = {"version": smoothmin.__version__, "given": self._given, "seed": self._seed}
        state |= {"constraints": self._constraints, "rows": self._sizes and self._sizes.rows}
        told = {"state": self._state, "told": self._told.content()}
        now = {"foreign": self._foreign, "part": self._batch.part()}
        return state | told | now | {"ended": self._ended}

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
        self._tell_again(Told(state["told"]), list(state["foreign"]), state["part"])
        self._state, self._foreign = state["state"], state["foreign"]

    def _tell_again(self, told: Told, foreign: list[Foreign], part: Part | None) -> None:
        """Go the way of what was told; a batch that was answered in part comes last."""
        for points, values, gradients in told:
            self._tell_foreign(foreign)
            if self._ended is not None or not np.array_equal(points, digest(self._batch.points)):
                raise OtherPoints
            self._batch = self._batch_of(self._next((values, gradients)), self._batch)
            self._answers += 1
        self._tell_foreign(foreign)
        if self._ended is None:
            self._batch.restore(part)
        self._told = told

    def _tell_foreign(self, foreign: list[Foreign]) -> None:
        """Tell again, and drop, what nobody had asked for when there were so many answers."""
        while foreign and foreign[0].answers == self._answers:
            first = foreign.pop(0)
            self._batch.restore(first.part)
            self._take_foreign(first.points, first.values)
