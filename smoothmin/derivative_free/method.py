"""`DerivativeFree`: the portfolio of searches from values alone.

References: N. Hansen, "Benchmarking a BI-population CMA-ES on the BBOB-2009 function
testbed" (2009) (restarts with doubled populations against as much effort for small
runs); I. Loshchilov, M. Schoenauer, M. Sebag, "Bi-population CMA-ES algorithms with
surrogate models and line searches", GECCO (2013) (model first, line searches).

The phases are methods of their own: `ModelDescent`, `DifferenceDescent`,
`GaussianSearch`, `CoordinateSearch`. The model comes down fastest at first, noise or not;
where there is none, differences get to the minimum sooner. In a box the model's first points
and one more tell whether the function is a sum over the variables: every variable is
searched by itself, which neither other minima nor different curvatures make any harder. Where
a descent creeps, a search near by goes on. The first search trusts a model and starts with
what the model descent saw; the later ones, with larger populations, do not: a function that is
still unsolved then is not nearly quadratic. Descents to further minima begin at the lowest
points of a sample, as in multi level single linkage (`Starts`).

Without a box the scale is a guess, and the minimum next to the start may have been passed
by, or be the wrong one. Hence the scouts: searches that begin at the start as well, with a
third of the scale to three times the scale, while the first search goes on from the best
point; they are given up unless they soon come lower.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from smoothmin import _status
from smoothmin._check import per_coordinate, require_integer, require_real, require_scale
from smoothmin._method import Method
from smoothmin._protocol import Answers, Array, Ask, Finish, Problem, Steps
from smoothmin._scale import START_SHARE, box_scale, search_range, typical_scale
from smoothmin._status import Status
from smoothmin._stopping import Progress
from smoothmin.derivative_free.cma import require_population
from smoothmin.derivative_free.coordinate_search import CoordinateSearch
from smoothmin.derivative_free.difference_descent import DifferenceDescent
from smoothmin.derivative_free.directional_smoothing import DirectionalSmoothing
from smoothmin.derivative_free.gaussian_search import FULL, GaussianSearch, default_population
from smoothmin.derivative_free.model_descent import ModelDescent
from smoothmin.derivative_free.multi_level_single_linkage import Starts
from smoothmin.derivative_free.separability import predicted, separable
from smoothmin.derivative_free.settings import DerivativeFreeSettings
from smoothmin.derivative_free.verification import verified
from smoothmin.portfolio.accounts import Share
from smoothmin.portfolio.bandit import Bandit
from smoothmin.portfolio.decisions import Action, Facts, next_action
from smoothmin.portfolio.incumbent import Incumbent
from smoothmin.portfolio.phase import Known, Outcome, Phase, Watch, play
from smoothmin.portfolio.watches import after, hopeless

SEARCHED_IN_VAIN = "No sample of the search has a finite value."
LOCAL = Share(("descent", "coordinates", "scout"), ("search",))
LARGEST_POPULATION = 2**14


@dataclass(frozen=True)
class DerivativeFree(Method):
    """Minimize from values alone: models, differences, Gaussian search, coordinates.

    A descent with a quadratic through few points, a quasi-Newton descent with differences,
    and a Gaussian search with a fitted quadratic, whose normal distribution is a smoothing
    and shrinks as it learns; with ``restarts``, larger searches, searches along the
    coordinates and descents from new points in equal shares. In a box, a function that is a
    sum over the variables is searched along these first. Where there is no box, scouts,
    short searches from the start at several scales, share the effort of the first search.
    More than a hundred variables are first smoothed along each coordinate.

    Parameters
    ----------
    sigma : float or array_like of shape (d,), optional
        First size of the searches. By default a fifth of the box's width. Without a box, or
        in one that is 1e4 times wider than the larger of 1 and ``|x0|``, a tenth of the larger
        of 1 and ``|x0|``, or of ``|x0|`` where it is small and such steps lead lower.
    n : int, optional
        Points per generation of the first search, at least 5. By default ``4 + 3 log(d)``,
        and in a box, for ``d`` up to 200, four times as many, of which a model chooses the
        few that are evaluated.
    restarts : int or "budget", default 0
        Further rounds after the first; "budget": until a limit ends the run.
    xtol : float, default 1e-11
        A search has converged when no standard deviation of its distribution is larger, in
        units of the first.
    ftol : float, default 1e-12
        A search has converged when the values of its last generations differ by no more, in
        units of the decrease so far if that is less than 1, or by no more than rounding.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value.

    Notes
    -----
    Gradients are not asked for, even where there are some. ``maxfev`` alone does not make it
    go on after the first round; ``restarts`` does.

    ``res.phase_nfev`` says what each kind of phase cost and ``res.phase_gain`` by how much
    it lowered the best value. ``res.noise`` is the standard deviation of the noise as last
    measured (0 if none was observed), and ``res.error`` how far ``res.fun`` is expected to
    lie below the noise-free value, being the lowest of many. The samples of a generation,
    the differences of a gradient and the points of a line's range are asked as one batch.

    References
    ----------
    .. [1] N. Hansen, "The CMA evolution strategy: a tutorial" (2016),
       :doi:`10.48550/arXiv.1604.00772`.
    .. [2] N. Hansen, "A global surrogate assisted CMA-ES", GECCO (2019),
       :doi:`10.1145/3321707.3321842`.
    .. [3] J. J. Moré, S. M. Wild, "Estimating computational noise", SIAM J. Sci. Comput. 33
       (2011), :doi:`10.1137/100786125`.

    Examples
    --------
    >>> import numpy as np
    >>> import smoothmin
    >>> def rastrigin(x):
    ...     return 10 * x.size + np.sum(x**2 - 10 * np.cos(2 * np.pi * x))
    >>> res = smoothmin.minimize(rastrigin, [2.2, -1.7], bounds=[(-5, 5)] * 2, rng=0,
    ...                          options={"maxfev": 1000, "restarts": "budget"})
    >>> res.method, bool(res.fun < 1e-8)
    ('derivative-free', True)
    """

    name: ClassVar[str] = "derivative-free"
    summary: ClassVar[str] = "values alone: many minima, noise, kinks; the default without gradient"
    reference: ClassVar[str] = "Hansen (2009); Loshchilov, Schoenauer, Sebag (2013)"
    handles_bounds: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True
    tolerances: ClassVar[tuple[str, ...]] = ("xtol", "ftol")

    sigma: Any = None
    n: int | None = None
    restarts: int | str = 0
    xtol: float = 1e-11
    ftol: float = 1e-12
    settings: DerivativeFreeSettings = field(
        default=DerivativeFreeSettings(), repr=False, kw_only=True, metadata={"option": False}
    )

    def __post_init__(self) -> None:
        if self.sigma is not None:
            require_scale("sigma", self.sigma)
        if self.n is not None:
            require_integer("n", self.n, 5)
        if not (isinstance(self.restarts, str) and self.restarts == "budget"):
            require_integer("restarts", self.restarts, 0)
        for name in ("xtol", "ftol"):
            require_real(name, getattr(self, name), minimum=0)

    @property
    def needs_gradient(self) -> bool:
        """Never."""
        return False

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        return _Run(self, replace(problem, has_gradient=False), rng).run()


class _Run:
    """The actions, and the facts that they leave."""

    def __init__(self, options: DerivativeFree, problem: Problem, rng: np.random.Generator) -> None:
        self._options, self._settings = options, options.settings
        self._problem, self._rng, self._n = problem, rng, problem.x0.size
        self._incumbent = Incumbent(problem, rng)
        self._incumbent.noise = 0.0
        if options.sigma is None:
            self._scale = typical_scale(problem)
        else:
            self._scale = per_coordinate("sigma", options.sigma, self._n, problem.free)
        boxed = not bool(np.isnan(box_scale(problem)).any())
        self._population = options.n or default_population(self._n)
        require_population(self._population, self._n)
        # far from the minimum, as in a box, more points are wanted, and a model makes them cheap
        more = boxed and options.n is None and self._n <= FULL
        self._first_population = (self._settings.ordered if more else 1) * self._population
        self._starts = Starts(self._scale)
        self._scouts = Bandit(self._settings.multiples, each_first=True)
        self._model: Outcome | None = None  # of the model descent
        self._descent: Outcome | None = None  # the first one
        self._searched: Outcome | None = None  # of the first search
        self._finish: Finish | None = None
        self._futile = 0  # descents in a row without a step
        self._facts = Facts(
            n=self._n,
            boxed=boxed,
            guessed=options.sigma is None,
            finite=False,
            scouting=not boxed and self._n <= self._settings.model_first,
            restarts=math.inf if options.restarts == "budget" else float(options.restarts),
            model_first=self._settings.model_first,
            many=self._settings.many,
        )

    def run(self) -> Steps:
        """Whatever the table says is next, to the end."""
        actions = {
            Action.SCALE: self._measure_scale, Action.STAR: self._star, Action.TEST: self._test,
            Action.SUM: self._sum, Action.MODEL: self._come_down_model,
            Action.SMOOTHING: self._smooth, Action.DESCENT: self._first_descent,
            Action.NEAR: self._search_near, Action.COORDINATES: self._search_coordinates,
            Action.SEARCH: self._search, Action.SCOUT: self._scout, Action.POLISH: self._polish,
            Action.RESTART: self._restart, Action.LARGER: self._larger,
        }  # fmt: skip
        while True:
            facts = self._facts = self._observed()
            action = next_action(facts)
            if action is Action.END:
                return (yield from self._end())
            if action is Action.ROUND:
                self._futile = 0
                self._facts = replace(facts, round=facts.round + 1, done=frozenset())
                continue
            if (yield from actions[action]()):
                self._facts = replace(self._facts, done=self._facts.done | {action})

    def _observed(self) -> Facts:
        """The facts that change by themselves."""
        incumbent, accounts, facts = self._incumbent, self._incumbent.accounts, self._facts
        if facts.round == 0:
            share = Share(("scout",), ("search",), self._scout_share)
            wanted = self._scouts.untried or facts.restarts > 0
            due = facts.scouting and wanted and share.left(accounts)
        else:
            due = False
        assert incumbent.noise is not None
        return replace(
            facts,
            finite=incumbent.finite,
            noisy=incumbent.noise > self._settings.noisy * incumbent.decrease,
            scouts_due=due,
            local_left=LOCAL.left(accounts),
            futile=self._futile >= self._settings.futile,
        )

    @property
    def _settled(self) -> bool:
        """Whether the descent found a minimum, maybe not the lowest."""
        return self._descent is not None and self._descent.success

    @property
    def _scout_share(self) -> float:
        """Of the scouts: less where the first search has found no minimum to begin with."""
        return 1.0 if self._settled else self._settings.unsettled_share

    def _end(self) -> Generator[Any, Any, Finish]:
        """The last word."""
        incumbent = self._incumbent
        if not incumbent.finite:
            return Finish(Status.NONFINITE, _status.NO_FINITE_SAMPLE)
        finish = self._finish
        assert finish is not None
        status, message = finish.status, finish.message
        if status is Status.NONFINITE:  # what is known is from before the search
            status, message = Status.PRECISION, SEARCHED_IN_VAIN
        if status.success:
            doubt = yield from verified(incumbent, self._scale)
            if doubt is not None:
                status, message = Status.PRECISION, doubt
        return Finish(status, message, **incumbent.info())

    # actions; each says whether it is done in this round

    def _measure_scale(self) -> Generator[Any, Any, bool]:
        """A tenth of a start value near zero is its scale if such steps lead lower."""
        x0 = self._problem.x0
        near = START_SHARE * np.abs(x0)
        unclear = np.flatnonzero((near > 0) & (near < self._settings.unclear * self._scale))
        if len(unclear) == 0:
            return True
        sides = [np.diag(size)[unclear] for size in (near, -near, self._scale, -self._scale)]
        points = self._problem.clip(x0 + np.concatenate(sides))
        values = yield from self._values("scale", points)
        nearer, farther = values.reshape(2, 2, -1).min(axis=1)
        lower = unclear[nearer < farther]
        self._scale = self._scale.copy()
        self._scale[lower] = near[lower]
        return True

    def _star(self) -> Generator[Any, Any, bool]:
        """A model's first points in a box."""
        self._model = yield from play(self._model_phase(watch=after(0)), self._incumbent, keep=True)
        return True

    def _model_phase(self, **how: Any) -> Phase:
        tolerance = min(max(self._options.xtol, ModelDescent.xtol), self._settings.loosest)
        method = ModelDescent(self._scale, tolerance)
        limit = self._settings.model_limit * (self._n + 1)
        return Phase("model", method, self._problem.x0, limit, **how)

    def _test(self) -> Generator[Any, Any, bool]:
        """Whether values contradict a sum over the variables."""
        if self._model is None:
            x0 = self._problem.x0
            other = self._problem.clip(x0 + self._scale)
            other = np.where(other - x0 < self._scale, x0 - self._scale, other)
            ends = np.stack([x0, self._problem.clip(other)])
            test = separable(ends, None, self._rng)
        elif self._model.rest is not None:
            test = predicted(*self._model.asked[0])
        else:
            return True
        found = yield from self._booked("separability", test)
        self._facts = replace(self._facts, separable=found)
        return True

    def _sum(self) -> Generator[Any, Any, bool]:
        """Every variable by itself."""
        star = None if self._model is None else self._model.asked[0]
        self._descent = yield from self._coordinates(known=star)
        return True

    def _come_down_model(self) -> Generator[Any, Any, bool]:
        """The model descent, or what is left of it."""
        phase, star = self._model_phase(), self._model
        if star is None:
            self._model = yield from play(phase, self._incumbent, keep=True)
        elif star.rest is not None:
            phase = star.resumed(phase, limit=phase.limit - star.cost)
            self._model = yield from play(phase, self._incumbent, keep=True)
            self._model.asked[:0] = star.asked
        return True

    def _smooth(self) -> Generator[Any, Any, bool]:
        method, limit = DirectionalSmoothing(self._scale), self._settings.smoothing_limit * self._n
        yield from play(Phase("smoothing", method, self._problem.x0, limit), self._incumbent)
        return True

    def _first_descent(self) -> Generator[Any, Any, bool]:
        """From the best point; shorter where scouts may do better."""
        watch = after(self._settings.first_limit * self._n) if self._facts.scouting else None
        self._descent = yield from self._descend(
            self._incumbent.x, watch, curvature=self._facts.large
        )
        self._facts = replace(self._facts, lost=self._descent is not None and not self._settled)
        return True

    def _search_near(self) -> Generator[Any, Any, bool]:
        """Where a descent has come far and creeps, a search as wide as its last steps led."""
        trail = None if self._descent is None else self._descent.trail
        if not trail or len(trail) < (trail.maxlen or 0):
            return True
        (early, x), (late, x_late) = trail[0], trail[-1]
        size = float(np.linalg.norm((x_late - x) / self._scale)) / math.sqrt(self._n)
        if size == 0 or early - late > self._settings.news * self._incumbent.decrease:
            return True
        method = self._gaussian(size * self._scale, self._population)
        yield from play(Phase("search", method, self._incumbent.x), self._incumbent)
        return True

    def _search(self) -> Generator[Any, Any, bool]:
        """The first search, a slice at a time where scouts go out in between."""
        facts, settings = self._facts, self._settings
        width = settings.slice / self._scout_share * (self._n + 1)
        watch = after(width) if facts.scouting else None
        if self._searched is None:
            phase = replace(self._first_search(), watch=watch)
        else:
            phase = self._searched.resumed(self._first_search(), watch=watch)
        self._searched = yield from play(phase, self._incumbent, keep=True)
        self._searched.asked.clear()
        self._learn(self._searched)
        if self._searched.finish is None:
            return False
        self._finish = self._searched.finish
        return True

    def _first_search(self) -> Phase:
        """From the start in a box, from the best point without; near it if it is no minimum."""
        incumbent, facts, scale = self._incumbent, self._facts, self._scale
        assert incumbent.noise is not None
        more = incumbent.decrease > self._settings.signal * incumbent.noise
        if not facts.boxed and facts.lost and more and self._model is not None:
            scale = scale * min(1.0, self._model.info.get("radius", 1.0))
        method = replace(
            self._gaussian(scale, self._first_population),
            survey=facts.restarts < math.inf,  # else it has no last word
        )
        known: Known | None = None
        if self._model is not None and self._model.asked:
            points, values = (np.concatenate(p) for p in zip(*self._model.asked, strict=True))
            known = points, values
        x0 = self._problem.x0 if facts.boxed else incumbent.x
        return Phase("search", method, x0, known=known)

    def _polish(self) -> Generator[Any, Any, bool]:
        outcome = yield from self._descend(self._incumbent.x)
        if outcome is not None and outcome.success:
            self._finish = outcome.finish
        return True

    def _restart(self) -> Generator[Any, Any, bool]:
        """A descent from the best of a sample that grows."""
        count = self._settings.sample * self._n
        points = np.array([self._random() for _ in range(count)])
        self._starts.add(points, (yield from self._values("descent", points)))
        outcome = yield from self._descend(self._starts.take(), hopeless(self._incumbent.fun))
        if outcome is None or outcome.lowest is None:
            self._futile += 1
            return False
        self._futile = 0
        self._starts.add(outcome.lowest[None], np.array([outcome.fun]), fresh=False)
        return False

    def _search_coordinates(self) -> Generator[Any, Any, bool]:
        yield from self._coordinates()
        return True

    def _larger(self) -> Generator[Any, Any, bool]:
        """A search with a larger population, from anywhere, without a model."""
        incumbent, number = self._incumbent, self._facts.round
        population = min(self._population * 2**number, LARGEST_POPULATION)
        method = replace(self._gaussian(self._scale, population), model=False, noise=0.0)
        watch = hopeless(incumbent.fun, self._settings.patience)
        phase = Phase("search", method, self._random(), watch=watch)
        self._learn((yield from play(phase, incumbent)))
        return True

    def _scout(self) -> Generator[Any, Any, bool]:
        """A search around the start, given up early: another scale may find another minimum."""
        settings, incumbent = self._settings, self._incumbent
        arm = self._scouts.choose(self._rng)
        before, typical, patience = incumbent.fun, incumbent.typical, settings.patience
        limit, stuck = settings.scout_limit * (self._n + 1), hopeless(before, patience)
        goal = before + settings.near * (typical - before)

        def watch(now: Progress) -> str | None:
            if self._settled and now.fun <= goal:
                return "A descent is faster from here."
            if now.nfev >= limit and incumbent.fun >= before:
                return "Nothing new so far."
            return stuck(now)

        search = self._gaussian(arm.value * self._scale, settings.afar * self._population)
        found = yield from play(Phase("scout", search, self._problem.x0, watch=watch), incumbent)
        if self._settled:
            x = self._problem.x0 if found.lowest is None else found.lowest
            limit = settings.descent_limit * self._n
            descent = DifferenceDescent(scale=self._scale)
            yield from play(Phase("scout", descent, x, limit, hopeless(before)), incumbent)
        arm.note(incumbent.fun < before - settings.news * (incumbent.typical - before))
        return False

    # what actions share

    def _coordinates(self, known: Known | None = None) -> Generator[Any, Any, Outcome | None]:
        """From the best point, and a descent if there is a new one, which is returned."""
        incumbent = self._incumbent
        method = CoordinateSearch(separable=self._facts.separable, scale=self._scale, closing=False)
        outcome = yield from play(Phase("coordinates", method, incumbent.x, known=known), incumbent)
        if outcome.finish is None or not outcome.finish.info.get("separable", True):
            self._facts = replace(self._facts, separable=False)
        elif outcome.gain > 0:
            return (yield from self._descend(incumbent.x))
        return None

    def _descend(
        self, x: Array, watch: Watch | None = None, curvature: bool = False
    ) -> Generator[Any, Any, Outcome | None]:
        """A descent, unless noise makes differences useless."""
        if self._observed().noisy:
            return None
        method = DifferenceDescent(scale=self._scale, curvature=curvature)
        limit = self._settings.descent_limit * self._n
        outcome = yield from play(Phase("descent", method, x, limit, watch), self._incumbent)
        self._learn(outcome)
        return outcome

    def _learn(self, outcome: Outcome) -> None:
        """The noise, if a phase has measured it."""
        if outcome.finish is not None:
            self._incumbent.noise = outcome.finish.info.get("noise", self._incumbent.noise)

    def _gaussian(self, scale: Array, population: int) -> GaussianSearch:
        """A search to the tolerances asked for, whatever the units of the values."""
        incumbent, options = self._incumbent, self._options
        assert incumbent.noise is not None
        return GaussianSearch(
            scale,
            population,
            xtol=options.xtol,
            ftol=options.ftol,
            decrease=max(0.0, min(1.0, incumbent.decrease)) if incumbent.finite else 1.0,
            noise=incumbent.noise,
            survey=False,
        )

    def _random(self) -> Array:
        """A point uniform in the box, or around the start."""
        return self._rng.uniform(*search_range(self._problem, self._problem.x0, self._scale))

    def _values(self, name: str, points: Array) -> Generator[Ask, Answers, Array]:
        """Values at some points, booked; infinite where there is none."""
        ask = Ask(points, 0)
        answers = yield ask
        self._incumbent.book(name, ask, answers.values)
        return np.where(np.isnan(answers.values), np.inf, answers.values)

    def _booked(
        self, name: str, test: Generator[Ask, Answers, bool]
    ) -> Generator[Ask, Answers, bool]:
        """What a test says, its values booked."""
        reply: Any = None
        while True:
            try:
                ask = test.send(reply)
            except StopIteration as end:
                return bool(end.value)
            reply = yield ask
            self._incumbent.book(name, ask, reply.values)
