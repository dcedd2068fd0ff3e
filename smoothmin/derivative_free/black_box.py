"""`Homotopy` from values alone: descent, search, and what to do with what is left.

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

import contextlib
import math
from collections import deque
from collections.abc import Generator
from typing import Any

import numpy as np

from smoothmin import _status
from smoothmin._method import Method
from smoothmin._protocol import Answers, Array, Ask, Finish, Iterate, Problem, Reply, Steps, resume
from smoothmin._scale import START_SHARE, box_scale, search_range
from smoothmin._status import Status
from smoothmin._stopping import Progress
from smoothmin.derivative_free.coordinate_search import CoordinateSearch
from smoothmin.derivative_free.difference_descent import DifferenceDescent
from smoothmin.derivative_free.directional_smoothing import DirectionalSmoothing
from smoothmin.derivative_free.gaussian_search import FULL, GaussianSearch, default_population
from smoothmin.derivative_free.model_descent import ModelDescent
from smoothmin.derivative_free.multi_level_single_linkage import Starts
from smoothmin.derivative_free.separability import foretold, separable
from smoothmin.portfolio.phases import Arm, Ledger, Watch, choose, hopeless

MODEL_FIRST = 50  # up to so many variables a model descent comes before the first differences
MANY = 100  # variables, from which on the first descent measures curvature, and searches
# along coordinates come before those with a distribution, which learns too slowly
SMOOTHING_LIMIT = 50  # evaluations per variable
MODEL_LIMIT = 6  # simplex gradients, of n + 1 evaluations each, that it gets
LOOSEST = 0.1  # tolerance of its length, in units of the scale
FIRST_LIMIT = 60  # evaluations per variable of the first descent where scouts may do better
DESCENT_LIMIT = 200  # evaluations per variable of one descent
LARGEST_POPULATION = 2**14
SAMPLE = 6  # points per variable from which another descent's start is chosen
ORDERED = 4  # times the population where a model chooses which of its points are evaluated
VAIN = 3  # descents in a row without a step, after which there are no more in a round
PATIENCE = 30  # generations over which a later search is judged
SEARCHED_IN_VAIN = "No sample of the search has a finite value."
SIGNAL = 10.0  # decrease, in units of the noise, that the noise alone does not bring
UNCLEAR = 0.03  # share of the scale below which a tenth of a start value suggests another
MULTIPLES = (3.0, 0.3, 1.0)  # of the scale at which scouts go out in turn, then by credit
AFAR = 2  # times the population of a scout, which is to tell valleys apart, not to end in one
SCOUT_LIMIT = 40  # simplex gradients after which a scout must have found something lower
NEAR = 1e-3  # share of the decrease so far, so near to the best value a scout may descend
UNSETTLED_SHARE = 1 / 3  # of the scouts, compared with the search, where there is no minimum yet
NEWS = 1e-6  # share of the decrease so far that is more than another polish of a minimum
SLICE = 15  # simplex gradients of the first search between scouts
TRAIL = 6  # iterates of a phase that are remembered
CREEPING = 1e-6  # share of the decrease so far that these gained, where there was more to gain
NOISY = 1e-7  # noise relative to the decrease so far from which differences are given up


class BlackBox:
    """One run of `Homotopy` without gradients.

    Parameters
    ----------
    problem : Problem
    rng : Generator
    scale : ndarray, shape (d,)
        First standard deviation of the search.
    guessed : bool
        Whether nobody has said that scale.
    population : int or None
        Of the first search.
    restarts : float
        How many further rounds, each a larger search and as much local effort.
    xtol, ftol : float
        Tolerances of the searches; ``ftol`` in units of the decrease so far, or of 1 if
        that is less.
    """

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        scale: Array,
        guessed: bool,
        population: int | None,
        restarts: float,
        xtol: float,
        ftol: float,
    ) -> None:
        self._problem, self._rng, self._restarts = problem, rng, restarts
        self._xtol, self._ftol = xtol, ftol
        self._scale, self._guessed = scale, guessed
        self._n = problem.x0.size
        self._best, self._best_x = np.inf, problem.x0
        self._first = (problem.x0, np.inf)  # the first point with a value
        self._separable = False  # whether it is known to be a sum over the variables
        self._starts = Starts(scale)
        self._typical = np.inf  # the median of the first values
        self._boxed = not np.isnan(box_scale(problem)).any()
        self._population = max(5, population or default_population(self._n))
        # far from the minimum, as in a box, more points are wanted, and a model makes them cheap
        more = ORDERED if self._boxed and population is None and self._n <= FULL else 1
        self._first_population = more * self._population
        self._ledger = Ledger()
        self._noise = 0.0
        self._radius = 1.0  # where the model descent was left, in units of the scale
        self._seen: list[tuple[Array, Array]] = []  # its points and values
        self._low, self._end = np.inf, problem.x0  # the lowest iterate of the last phase
        self._trail: deque[tuple[float, Array]] = deque(maxlen=TRAIL)  # its last iterates
        self._settled = False  # whether the descent found a minimum, maybe not the lowest
        self._scouting = not self._boxed and self._n <= MODEL_FIRST
        self._scouts = [Arm(multiple) for multiple in MULTIPLES]

    def run(self) -> Steps:
        """The first round, then as many as are wanted."""
        x0 = self._problem.x0
        if self._guessed:
            yield from self._measure_scale()
        lost = yield from self._come_down(x0)
        if self._n > MANY and not self._separable and np.isfinite(self._best):
            yield from self._search_coordinates()
        last = yield from self._first_search(lost)
        if not np.isfinite(self._best):
            return Finish(Status.NONFINITE, _status.NO_FINITE_SAMPLE)
        assert last is not None
        if last.status is Status.NONFINITE:  # what is known is from before the search
            last = Finish(Status.PRECISION, SEARCHED_IN_VAIN)
        polish = yield from self._descend(self._best_x)
        if polish is not None and polish.status.success:
            last = polish
        number = 0
        while number < self._restarts:
            number += 1
            yield from self._round(number)
        return Finish(last.status, last.message, **self._info())

    def _measure_scale(self) -> Generator[Ask, Answers, None]:
        """A tenth of a start value near zero is its scale if such steps lead lower."""
        x0 = self._problem.x0
        near = START_SHARE * np.abs(x0)
        unclear = np.flatnonzero((near > 0) & (near < UNCLEAR * self._scale))
        if len(unclear) == 0 or self._boxed:
            return
        sides = [np.diag(size)[unclear] for size in (near, -near, self._scale, -self._scale)]
        points = self._problem.clip(x0 + np.concatenate(sides))
        answers = yield Ask(points, 0)
        self._book("scale", points, answers.values)
        values = np.where(np.isnan(answers.values), np.inf, answers.values)
        nearer, farther = values.reshape(2, 2, -1).min(axis=1)
        lower = unclear[nearer < farther]
        self._scale = self._scale.copy()
        self._scale[lower] = near[lower]

    def _come_down(self, x0: Array) -> Generator[Any, Any, bool]:
        """A model, then differences; whether noise or kinks made these useless.

        Where the function is a sum over the variables, a search along these instead.
        """
        finish: Finish | None = None
        if self._n <= MODEL_FIRST:
            finish = yield from self._come_down_a_model(x0)
        elif self._boxed:
            other = self._problem.clip(x0 + self._scale)
            other = np.where(other - x0 < self._scale, x0 - self._scale, other)
            ends = np.stack([x0, self._problem.clip(other)])
            self._separable = yield from self._test(separable(ends, None, self._rng))
            if self._separable:
                finish = yield from self._search_coordinates()
        if self._n > MANY and not self._separable:
            limit = SMOOTHING_LIMIT * self._n
            yield from self._phase("smoothing", DirectionalSmoothing(self._scale), x0, limit)
        if not self._separable:
            creeping = _after(FIRST_LIMIT * self._n) if self._scouting else None
            finish = yield from self._descend(self._best_x, creeping)
        self._settled = finish is not None and finish.status.success
        lost = self._ledger.cost("descent") > 0 and not self._settled
        if lost and self._boxed:
            yield from self._search_near()
        return lost

    def _come_down_a_model(self, x0: Array) -> Generator[Any, Any, Finish | None]:
        """In a box only where its first points do not look like a sum's."""
        limit = MODEL_LIMIT * (self._n + 1)
        method = ModelDescent(self._scale, min(max(self._xtol, ModelDescent.xtol), LOOSEST))
        steps = method.run(self._problem.at(x0), self._rng)
        finish: Finish | None = None
        with contextlib.closing(steps):
            if self._boxed:
                if (yield from self._drive("model", steps, watch=_after(0))) is not None:
                    return None
                star = self._seen[0]
                limit -= len(star[1])
                self._separable = yield from self._test(foretold(*star))
                if self._separable:
                    finish = yield from self._search_coordinates(star)
            if not self._separable:
                yield from self._drive("model", steps, limit)
        return finish

    def _search_near(self) -> Generator[Any, Any, None]:
        """Where a descent has come far and creeps, a search as wide as its last steps led."""
        if len(self._trail) < TRAIL:
            return
        (early, x), (late, x_late) = self._trail[0], self._trail[-1]
        size = float(np.linalg.norm((x_late - x) / self._scale)) / math.sqrt(self._n)
        if size == 0 or early - late > CREEPING * (self._typical - self._best):
            return
        method = self._gaussian(size * self._scale, self._population, noise=self._noise)
        yield from self._phase("search", method, self._best_x)

    def _first_search(self, lost: bool) -> Generator[Any, Any, Finish | None]:
        """From the start in a box, from the best point without; near it if it is no minimum."""
        scale = self._scale
        seen = self._typical - self._best > SIGNAL * self._noise  # more than noise
        if not self._boxed and lost and seen:
            scale = scale * min(1.0, self._radius)
        method = self._gaussian(scale, self._first_population, noise=self._noise)
        x0 = self._problem.x0 if self._boxed else self._best_x
        return (yield from self._search(method, x0, scouts=self._scouting))

    def _round(self, number: int) -> Generator[Any, Any, None]:
        """Local runs from new points and from the best, then a larger search."""
        ledger = self._ledger
        vain = 0  # descents in a row without a step, as on a plateau
        while vain < VAIN and ledger.cost("descent", "coordinates", "scout") < ledger.cost(
            "search"
        ):
            if self._scouting:
                yield from self._scout()
                continue
            if self._noisy:
                break
            x = yield from self._promising()
            yield from self._descend(x, hopeless(self._best))
            vain = 0 if np.isfinite(self._low) else vain + 1
            if vain == 0:
                self._starts.add(self._end[None], np.array([self._low]), fresh=False)
        yield from self._search_coordinates()
        population = min(self._population * 2**number, LARGEST_POPULATION)
        larger = self._gaussian(self._scale, population, model=False)
        yield from self._search(larger, self._random(), hopeless(self._best, PATIENCE))

    def _promising(self) -> Generator[Ask, Answers, Array]:
        """Where to descend: the best of a sample that grows."""
        points = np.array([self._random() for _ in range(SAMPLE * self._n)])
        answers = yield Ask(points, 0)
        self._book("descent", points, answers.values)
        self._starts.add(points, answers.values)
        return self._starts.take()

    def _test(self, test: Generator[Ask, Answers, bool]) -> Generator[Ask, Answers, bool]:
        """What a test of separability says."""
        reply: Any = None
        while True:
            try:
                ask = test.send(reply)
            except StopIteration as end:
                return bool(end.value)
            reply = yield ask
            self._book("separability", ask.points, reply.values)

    def _search_coordinates(
        self, star: tuple[Array, Array] | None = None
    ) -> Generator[Any, Any, Finish | None]:
        """From the best point or a star that is known, and a descent if there is a new one."""
        before = self._best
        method = CoordinateSearch(separable=self._separable, scale=self._scale)
        problem = self._problem.at(self._best_x)
        if star is None:
            steps = method.run(problem, self._rng)
        else:
            steps = method.run_from(problem, self._rng, *star)
        with contextlib.closing(steps):
            finish = yield from self._drive("coordinates", steps)
        if finish is not None and not finish.status.success:
            self._separable = False
        elif self._best < before:
            return (yield from self._descend(self._best_x))
        return None

    def _scout(self) -> Generator[Any, Any, None]:
        """A search around the start, given up early: another scale may find another minimum."""
        arm = next((a for a in self._scouts if a.wins + a.losses == 0), None)
        arm = arm or choose(self._scouts, self._rng)
        before, limit = self._best, SCOUT_LIMIT * (self._n + 1)
        goal, hopeless_now = before + NEAR * (self._typical - before), hopeless(before, PATIENCE)

        def watch(now: Progress) -> str | None:
            if self._settled and now.fun <= goal:
                return "A descent is faster from here."
            if now.nfev >= limit and self._best >= before:
                return "Nothing new so far."
            return hopeless_now(now)

        scale = arm.value * self._scale
        search = self._gaussian(scale, AFAR * self._population, noise=self._noise)
        yield from self._phase("scout", search, self._problem.x0, watch=watch)
        if self._settled:
            descent, limit = DifferenceDescent(scale=self._scale), DESCENT_LIMIT * self._n
            yield from self._phase("scout", descent, self._end, limit, hopeless(before))
        arm.note(self._best < before - NEWS * (self._typical - before))

    def _descend(self, x: Array, watch: Watch | None = None) -> Generator[Any, Any, Finish | None]:
        """A descent, unless noise makes differences useless."""
        if self._noisy:
            return None
        first = "descent" not in self._ledger.nfev
        method = DifferenceDescent(scale=self._scale, curvature=first and self._n > MANY)
        finish = yield from self._phase("descent", method, x, DESCENT_LIMIT * self._n, watch)
        if finish is not None:
            self._noise = finish.info.get("noise", self._noise)
        return finish

    @property
    def _noisy(self) -> bool:
        """Whether noise makes differences useless."""
        return self._noise > NOISY * (self._typical - self._best)

    def _search(
        self, method: GaussianSearch, x: Array, watch: Watch | None = None, scouts: bool = False
    ) -> Generator[Any, Any, Finish | None]:
        """A search, told what the model descent saw; scouts go out in between."""
        problem = self._problem.at(x)
        if self._seen and method.model:
            points, values = (np.concatenate(part) for part in zip(*self._seen, strict=True))
            steps = method.run_from(problem, self._rng, points, values)
        else:
            steps = method.run(problem, self._rng)
        if scouts:
            watch = _after(SLICE / self._share * (self._n + 1))
        try:
            while True:
                finish = yield from self._drive("search", steps, watch=watch)
                if finish is not None:
                    self._noise = finish.info.get("noise", self._noise)
                if finish is not None or not scouts:
                    return finish
                while self._scouts_due():
                    yield from self._scout()
        finally:
            steps.close()

    def _gaussian(self, scale: Array, population: int, **how: Any) -> GaussianSearch:
        """A search to the tolerances asked for, whatever the units of the values."""
        ftol = self._ftol * min(1.0, self._typical - self._best)
        return GaussianSearch(scale, population, xtol=self._xtol, ftol=ftol, **how)

    def _scouts_due(self) -> bool:
        """Whether scouts have had less than their share; in a single round, one at each scale."""
        untried = any(arm.wins + arm.losses == 0 for arm in self._scouts)
        due = self._ledger.cost("scout") < self._share * self._ledger.cost("search")
        return due and (untried or self._restarts > 0)

    @property
    def _share(self) -> float:
        """Of the scouts: less where the first search has found no minimum to begin with."""
        return 1.0 if self._settled else UNSETTLED_SHARE

    def _phase(
        self,
        name: str,
        method: Method,
        x: Array,
        limit: float = math.inf,
        watch: Watch | None = None,
    ) -> Generator[Any, Any, Finish | None]:
        """Run a method from ``x``, until told otherwise; its last word, if it had one."""
        steps = method.run(self._problem.at(x), self._rng)
        self._low, self._end = np.inf, x
        self._trail.clear()
        try:
            return (yield from self._drive(name, steps, limit, watch))
        finally:
            steps.close()

    def _drive(
        self, name: str, steps: Steps, limit: float = math.inf, watch: Watch | None = None
    ) -> Generator[Any, Any, Finish | None]:
        """Pass messages on, keep the best point, book the cost."""
        cost = nit = 0
        reply: Reply = None
        while cost < limit:
            message: Any = resume(steps, reply)
            reply = None
            if isinstance(message, Ask):
                if cost == 0 and self._knows(name, message.points):
                    reply = Answers(np.array([self._best]))
                    continue
                reply = yield message
                assert isinstance(reply, Answers)
                self._book(name, message.points, reply.values)
                cost += len(message.points)
                if name == "model":
                    self._seen.append((message.points, reply.values))
            elif isinstance(message, Finish):
                return message
            else:
                self._trail.append((message.fun, message.x))
                if message.fun < self._low:
                    self._low, self._end = message.fun, message.x
                info = {**message.info, **self._info(), "phase": name}
                if name == "model":
                    self._radius = message.info.get("radius", self._radius)
                yield Iterate(message.x, message.fun, message.grad, **info)
                nit += 1
                now = Progress(nit, cost, 0.0, message.x, message.fun, message.grad)
                if watch is not None and watch(now):
                    return None
        return None

    def _knows(self, name: str, points: Array) -> bool:
        """Whether a descent begins by asking for the value of the best point."""
        return name == "descent" and len(points) == 1 and np.array_equal(points[0], self._best_x)

    def _book(self, name: str, points: Array, values: Array) -> None:
        """Keep the best point, and what the phase cost and gained."""
        values = np.where(np.isnan(values), np.inf, values)
        if self._typical == np.inf:
            self._typical = float(np.median(values))
        if not np.isfinite(self._first[1]):
            self._first = (points[0].copy(), float(values[0]))
        before, k = self._best, int(values.argmin())
        if values[k] < self._best:
            self._best, self._best_x = float(values[k]), points[k].copy()
        self._ledger.add(name, len(points), before - self._best)

    def _info(self) -> dict[str, Any]:
        """What the result says of the run."""
        ledger = self._ledger
        # the expected minimum of as many normal deviates as there were evaluations
        error = self._noise * math.sqrt(2 * math.log(max(2, sum(ledger.nfev.values()))))
        phases = {"phase_nfev": dict(ledger.nfev), "phase_gain": dict(ledger.gain)}
        return {**phases, "noise": self._noise, "error": error}

    def _random(self) -> Array:
        """A point uniform in the box, or around the start."""
        return self._rng.uniform(*search_range(self._problem, self._problem.x0, self._scale))


def _after(cost: float) -> Watch:
    """A watch that fires after so many evaluations."""
    return lambda now: "Enough." if now.nfev >= cost else None
