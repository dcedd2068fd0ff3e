"""The actions of "derivative-free", and the facts by which the next one is decided."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from smoothmin import _status
from smoothmin._check import per_coordinate
from smoothmin._machine import EPS, FEW
from smoothmin._method import Method
from smoothmin._noise import NOISE_FLOOR
from smoothmin._protocol import Array, Finish, Problem, Steps
from smoothmin._reflection import within_bounds
from smoothmin._scale import START_SHARE, box_scale, search_range, typical_scale
from smoothmin._scaling import told_scale
from smoothmin._status import Status
from smoothmin._stopping import Progress
from smoothmin._verdict import NEGLIGIBLE, SHORT
from smoothmin.derivative_free.cma import LARGEST_POPULATION, require_population
from smoothmin.derivative_free.coordinate_search import CoordinateSearch
from smoothmin.derivative_free.determined_model import determined
from smoothmin.derivative_free.difference_descent import DifferenceDescent
from smoothmin.derivative_free.difference_metric import FULL_BELOW
from smoothmin.derivative_free.directional_smoothing import DirectionalSmoothing
from smoothmin.derivative_free.evidence import Evidence, look_around
from smoothmin.derivative_free.gaussian_search import FULL, GaussianSearch, default_population
from smoothmin.derivative_free.interpolating_descent import InterpolatingDescent
from smoothmin.derivative_free.model_descent import ModelDescent
from smoothmin.derivative_free.multi_level_single_linkage import MinimaSeen, Starts
from smoothmin.derivative_free.plateaus import Plateaus
from smoothmin.derivative_free.separability import predicted, separable
from smoothmin.derivative_free.start_scale import start_scale
from smoothmin.derivative_free.survey import WIDENING
from smoothmin.derivative_free.verification import last_word
from smoothmin.portfolio.accounts import Share
from smoothmin.portfolio.bandit import Bandit
from smoothmin.portfolio.decisions import Action, Facts, next_action
from smoothmin.portfolio.incumbent import Incumbent
from smoothmin.portfolio.phase import Known, Phase, PhaseOutcome, Watch, play
from smoothmin.portfolio.watches import after, hopeless, until

if TYPE_CHECKING:
    from smoothmin.derivative_free.method import DerivativeFree

SCOUTS = Share(("scout",), ("search",))
LOCAL = Share(("descent", "coordinates", "scout"), ("search",))


class Actions:
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
        self._starts, self._minima = Starts(self._scale), MinimaSeen(self._scale)
        if problem.known is not None:
            self._starts.add(*problem.known)
        self._scouts = Bandit((WIDENING, 1 / WIDENING), each_first=True)
        self._model: PhaseOutcome | None = None  # of the model descent
        self._model_run: InterpolatingDescent | None = None
        self._inverse: Array | None = None  # Hessian, of a quadratic that predicted its minimizer
        self._descent: PhaseOutcome | None = None  # the first one
        self._searched: PhaseOutcome | None = None  # of the first search
        self._finish: Finish | None = None
        self._evidence: Evidence
        self._futile = False  # whether the last descent made no step
        self._plateaus = Plateaus(problem.x0)
        self._facts = Facts(
            n=self._n,
            boxed=boxed,
            guessed=options.sigma is None,
            finite=False,
            scouting=not boxed and self._n <= FULL_BELOW,
            restarts=math.inf if options.restarts == "budget" else float(options.restarts),
            few=FULL_BELOW,
            many=FEW,
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
            Action.SAMPLE: self._sample, Action.MIDDLE: self._middle, Action.LOOK: self._look,
            Action.ELSEWHERE: self._elsewhere, Action.STEPS: self._over_steps,
        }  # fmt: skip
        while True:
            facts = self._facts = self._observed()
            action = next_action(facts)
            if action is Action.END:
                return (yield from self._end())
            if action is Action.ROUND:
                self._futile = False
                self._facts = replace(facts, round=facts.round + 1, done=frozenset())
                continue
            if (yield from actions[action]()):
                self._facts = replace(self._facts, done=self._facts.done | {action})

    def _observed(self) -> Facts:
        """The facts that change by themselves."""
        incumbent, accounts, facts = self._incumbent, self._incumbent.accounts, self._facts
        wanted = self._scouts.untried or facts.restarts > 0
        due = facts.scouting and facts.round == 0 and wanted and SCOUTS.left(accounts)
        return replace(
            facts,
            finite=incumbent.finite,
            no_value=incumbent.start is not None and not np.isfinite(incumbent.start),
            level=facts.boxed and incumbent.level,
            noisy=self._noisy,
            settled=self._settled,
            scouts_due=due,
            local_left=LOCAL.left(accounts),
            flat=self._plateaus.untried(incumbent.x),
            futile=self._futile,
            all_seen=self._minima.all_seen,
        )

    @property
    def _noisy(self) -> bool:
        """Whether noise makes differences useless."""
        decrease = max(0.0, self._incumbent.decrease)
        return (self._incumbent.noise or 0.0) > NEGLIGIBLE * decrease

    @property
    def _settled(self) -> bool:
        """Whether a descent found a minimum, maybe not the lowest."""
        return self._descent is not None and self._descent.success

    def _end(self) -> Generator[Any, Any, Finish]:
        """The last word."""
        incumbent, finish = self._incumbent, self._finish
        if not incumbent.finite:
            return Finish(Status.NONFINITE, _status.NO_FINITE_SAMPLE)
        if finish is None:
            assert self._descent is not None
            finish = self._descent.finish
            assert finish is not None
            finish.message += _status.NO_OTHER_MINIMA
        elif finish.status.success and self._facts.once and self._facts.others:
            finish.message += _status.OTHER_MINIMA
        return (yield from last_word(incumbent, finish, self._scale, self._searched))

    # actions; each says whether it is done in this round

    def _measure_scale(self) -> Generator[Any, Any, bool]:
        """What small elements of the start say of their scale."""
        test = start_scale(self._problem, self._scale, self._settings.shown, self._rng)
        self._scale = yield from self._incumbent.booked("scale", test)
        return True

    def _sample(self) -> Generator[Any, Any, bool]:
        """The box, in ever more points until values differ; what follows starts at the best."""
        incumbent, count = self._incumbent, self._n + 1
        asked, most = 0, self._settings.descent_limit * self._n
        while not incumbent.differs and asked < most:
            low, high = search_range(self._problem, self._problem.x0, self._scale)
            points = self._rng.uniform(low, high, (count, self._n))
            yield from self._incumbent.ask("sample", points)
            asked, count = asked + count, 2 * count
        if not incumbent.differs:
            return True
        self._problem = incumbent.begin_at_best()
        self._model = self._model_run = None
        self._facts = replace(self._facts, done=frozenset())
        return False

    def _middle(self) -> Generator[Any, Any, bool]:
        """Begin there if it is lower: as a rule it is nearer to a point of the box than another."""
        assert self._problem.box is not None
        x0, middle = self._problem.x0, self._problem.clip(np.mean(self._problem.box, axis=0))
        if not np.array_equal(x0, middle):
            yield from self._incumbent.ask("sample", np.stack([x0, middle]))
            self._problem = self._incumbent.begin_at_best()
        return True

    def _star(self) -> Generator[Any, Any, bool]:
        """A model's first points in a box, and its first step."""
        phase = self._model_phase(watch=lambda now: "Enough." if now.nit > 1 else None)
        self._model = yield from play(phase, self._incumbent, keep=True)
        assert self._model_run is not None
        self._facts = replace(self._facts, accurate=self._model_run.accurate)
        return True

    def _model_phase(self, **how: Any) -> Phase:
        xtol = None if self._tolerance is None else float(self._tolerance.min())
        if xtol is None and not self._facts.once:
            xtol = 0.0
        if xtol is not None:
            xtol = min(max(xtol, NEGLIGIBLE), 0.5)
        method = ModelDescent(self._scale, xtol)
        if self._model_run is None:
            self._model_run = method.begin(self._problem, self._rng)
            how["rest"] = self._model_run.run()
        cost = 0 if self._model is None else self._model.cost
        limit = self._settings.model_limit * (self._n + 1) - cost
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
        found = yield from self._incumbent.booked("separability", test)
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
        if star is not None and star.rest is None:
            return True
        if star is not None:
            phase = star.resumed(phase)
        found = yield from play(phase, self._incumbent, keep=True)
        if star is not None:
            found.asked[:0] = star.asked
        self._model = found
        self._learn(found)
        if found.success and self._facts.once:
            self._descent = found
        elif found.finish is None:
            self._inverse = yield from determined(self._incumbent, found.asked, self._scale)
        return True

    def _smooth(self) -> Generator[Any, Any, bool]:
        method, limit = DirectionalSmoothing(self._scale), self._settings.smoothing_limit * self._n
        yield from play(Phase("smoothing", method, self._problem.x0, limit), self._incumbent)
        return True

    def _first_descent(self) -> Generator[Any, Any, bool]:
        """From the best point."""
        how: dict[str, Any] = {"curvature": self._facts.large, "hess_inv0": self._inverse}
        if (run := self._model_run) is not None:
            if self._inverse is None:
                how["hess_inv0"] = run.inverse_hessian()
            if self._facts.boxed:  # no start is so far away that falls from there mislead
                how["recent"] = run.recent
        outcome = yield from self._descend(self._incumbent.x, **how)
        self._descent = outcome or self._descent
        self._facts = replace(self._facts, lost=outcome is not None and not self._settled)
        return True

    def _look(self) -> Generator[Any, Any, bool]:
        """Along rays from the minimum, whether there may be others."""
        incumbent = self._incumbent
        problem, noise = self._problem.at(incumbent.x), incumbent.noise or 0.0
        where = problem, incumbent.fun, self._scale, noise
        around = look_around(*where, self._rng, self._problem.x0)
        self._evidence = yield from self._incumbent.booked("check", around)
        self._facts = replace(self._facts, evidence=self._evidence.found)
        return True

    def _elsewhere(self) -> Generator[Any, Any, bool]:
        """A descent from beyond a rise: to the minimum that is known, or to another."""
        incumbent, before = self._incumbent, self._incumbent.fun
        known = incumbent.x
        outcome = yield from self._descend(self._evidence.beyond[0])
        if outcome is None or outcome.lowest is None:
            return True
        away = np.abs(outcome.lowest - known) / self._scale
        same = bool((away <= SHORT).all()) and incumbent.fun >= before
        self._facts = replace(self._facts, others=not same)
        return True

    def _over_steps(self) -> Generator[Any, Any, bool]:
        """Over plateaus, to where the other variables have followed."""
        lower = yield from self._plateaus.leave(self._incumbent, self._descend)
        self._descent = lower or self._descent
        return False

    def _search_near(self) -> Generator[Any, Any, bool]:
        """Where a descent has come far and creeps, a search as wide as its last steps led."""
        trail = None if self._descent is None else self._descent.trail
        if not trail or len(trail) < (trail.maxlen or 0):
            return True
        (early, x), (late, x_late) = trail[0], trail[-1]
        size = float(np.linalg.norm((x_late - x) / self._scale)) / math.sqrt(self._n)
        if size == 0 or early - late > NEGLIGIBLE * self._incumbent.decrease:
            return True
        method = self._gaussian(size * self._scale, self._population)
        found = yield from play(Phase("search", method, self._incumbent.x), self._incumbent)
        if found.success and self._facts.once:
            self._descent = found
        return True

    def _search(self) -> Generator[Any, Any, bool]:
        """The first search, a slice at a time where scouts go out in between."""
        facts, settings = self._facts, self._settings
        watch = after(settings.slice * (self._n + 1)) if facts.scouting else None
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
        more = incumbent.decrease > NOISE_FLOOR * (incumbent.noise or 0.0)
        if not facts.boxed and facts.lost and more and self._model is not None:
            scale = scale * min(1.0, self._model.info.get("radius", 1.0))
        jumps, population = facts.jumps, self._first_population
        if jumps:  # as no model does
            scale, population = scale / WIDENING, self._population
        method = replace(
            self._gaussian(scale, population),
            model=not jumps,
            survey=facts.restarts < math.inf,  # else it has no last word
        )
        known: Known | None = None
        if self._model is not None and self._model.asked:
            points, values = (np.concatenate(p) for p in zip(*self._model.asked, strict=True))
            known = points, values
        if self._problem.known is not None:
            parts = [self._problem.known, *([] if known is None else [known])]
            known = tuple(np.concatenate(p) for p in zip(*parts, strict=True))  # type: ignore
        x0 = self._problem.x0 if facts.boxed and not jumps else incumbent.x
        if facts.guessed and not facts.boxed:  # far away rounding leaves nothing of such steps
            lost = scale < EPS**0.5 * np.abs(x0)
            method = replace(method, sigma=np.where(lost, START_SHARE * np.abs(x0), scale))
        return Phase("search", method, x0, known=known)

    def _polish(self) -> Generator[Any, Any, bool]:
        outcome = yield from self._descend(self._incumbent.x)
        self._finish = outcome.finish if outcome and outcome.success else self._finish
        return True

    def _restart(self) -> Generator[Any, Any, bool]:
        """A descent from the best of a sample that grows.

        In the first round while these come lower, or expect more minima, for a slice's effort.
        """
        incumbent, before = self._incumbent, self._incumbent.fun
        points = np.array([self._random() for _ in range(self._settings.sample * self._n)])
        self._starts.add(points, (yield from incumbent.ask("descent", points)))
        outcome = yield from self._descend(self._starts.take(), hopeless(incumbent.fun))
        if outcome is None or outcome.lowest is None:
            self._futile = True
        else:
            self._futile = False
            self._starts.add(outcome.lowest[None], np.array([outcome.fun]), fresh=False)
        gain = before - incumbent.fun
        if self._facts.round > 0 or gain > NEGLIGIBLE * incumbent.decrease:
            return False
        paid = incumbent.accounts.cost("descent") >= self._settings.slice * (self._n + 1)
        return self._futile or self._minima.all_seen or paid

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
        before, stuck = incumbent.fun, hopeless(incumbent.fun, settings.patience)
        limit = settings.slice * (self._n + 1)

        def watch(now: Progress) -> str | None:
            if self._settled and now.fun <= before:
                return "A descent is faster from here."
            if now.nfev >= limit and incumbent.fun >= before:
                return "Nothing new so far."
            return stuck(now)

        search = self._gaussian(arm.value * self._scale, self._population)
        found = yield from play(Phase("scout", search, self._problem.x0, watch=watch), incumbent)
        if self._settled:
            x = self._problem.x0 if found.lowest is None else found.lowest
            limit = settings.descent_limit * self._n
            descent = DifferenceDescent(scale=self._scale)
            yield from play(Phase("scout", descent, x, limit, hopeless(before)), incumbent)
        arm.note(incumbent.fun < before - NEGLIGIBLE * (incumbent.typical - before))
        return False

    # what actions share

    def _coordinates(self, known: Known | None = None) -> Generator[Any, Any, PhaseOutcome | None]:
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
        self, x: Array, watch: Watch | None = None, **how: Any
    ) -> Generator[Any, Any, PhaseOutcome | None]:
        """A descent, unless noise makes differences useless."""
        if self._noisy:
            return None
        ftol = self._options.ftol
        if ftol is None and not self._facts.once:
            ftol = 0.0
        method = self._options.local
        if method is None:
            method = DifferenceDescent(scale=self._scale, ftol=ftol, **how)
        else:
            assert isinstance(method, Method)
            method = within_bounds(told_scale(method, self._scale), self._problem.box)
        limit = self._settings.descent_limit * self._n
        phase = Phase("descent", method, x, limit, until(lambda: self._noisy, watch))
        outcome = yield from play(phase, self._incumbent)
        self._learn(outcome)
        if outcome.success and outcome.lowest is not None:
            self._minima.add(outcome.lowest)
        self._plateaus.learn(x, outcome)
        return outcome

    @property
    def _tolerance(self) -> Array | None:
        """Of the variables, in units of the scale; None where the user gave none."""
        return self._options.tolerance(self._scale, self._problem)

    def _learn(self, outcome: PhaseOutcome) -> None:
        """The noise, if a phase has measured it."""
        if outcome.finish is not None:
            info = outcome.finish.info
            self._incumbent.noise = info.get("noise", self._incumbent.noise)
            if info.get("jumps"):
                self._facts = replace(self._facts, jumps=True)

    def _gaussian(self, scale: Array, population: int) -> GaussianSearch:
        """A search to the tolerances asked for, whatever the units of the values."""
        incumbent, options = self._incumbent, self._options
        assert incumbent.noise is not None
        # a descent follows, from which more digits cost less
        least = NEGLIGIBLE if self._facts.once else GaussianSearch.ftol
        size = np.inf if self._problem.box is not None else np.maximum(1.0, np.abs(incumbent.x))
        xtol = self._tolerance
        if xtol is None:  # a start that was far away tells of no precision
            xtol = least * np.minimum(1.0, size / scale)
        return GaussianSearch(
            scale,
            population,
            xtol=xtol,
            ftol=least if options.ftol is None else options.ftol,
            decrease=incumbent.unit,
            noise=incumbent.noise,
            survey=False,
        )

    def _random(self) -> Array:
        """A point uniform in the box, or around the start, wider where variables went far."""
        problem = self._problem
        scale = np.maximum(self._scale, np.abs(self._incumbent.x - problem.x0))
        return self._rng.uniform(*search_range(problem, problem.x0, scale))
