"""`Homotopy` from values alone: descent, search, and what to do with what is left.

References: N. Hansen, "Benchmarking a BI-population CMA-ES on the BBOB-2009 function
testbed" (2009) (restarts with doubled populations against as much effort for small
runs); I. Loshchilov, M. Schoenauer, M. Sebag, "Bi-population CMA-ES algorithms with
surrogate models and line searches", GECCO (2013) (model first, line searches).

The phases are methods of their own: `ModelDescent`, `DifferenceDescent`,
`GaussianSearch`, `CoordinateSearch`. The model comes down fastest at first, noise or not;
where there is none, differences get to the minimum sooner. The first search trusts a
model and starts with what the model descent saw; the later ones, with larger populations,
do not: a function that is still unsolved then is not nearly quadratic.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np

from smoothmin import _status
from smoothmin._protocol import (
    Answers,
    Array,
    Ask,
    Finish,
    Iterate,
    Method,
    Problem,
    Reply,
    Steps,
    resume,
)
from smoothmin._status import Status
from smoothmin._stopping import Progress
from smoothmin.sampling.coordinate_search import CoordinateSearch
from smoothmin.sampling.difference_descent import DifferenceDescent
from smoothmin.sampling.directional_smoothing import DirectionalSmoothing
from smoothmin.sampling.gaussian_search import GaussianSearch, default_population
from smoothmin.sampling.model_descent import ModelDescent
from smoothmin.sampling.phases import Ledger, Watch, hopeless
from smoothmin.sampling.scale import search_range

SEARCH_FIRST = 12  # up to so many variables with a box, the search comes before the descent
MODEL_FIRST = 50  # up to so many variables a model descent comes before the first differences
MANY = 100  # variables, from which on the first descent measures curvature, and searches
# along coordinates come before those with a distribution, which learns too slowly
SMOOTHING_LIMIT = 50  # evaluations per variable
MODEL_LIMIT = 6  # simplex gradients, of n + 1 evaluations each, that it gets
DESCENT_LIMIT = 200  # evaluations per variable of one descent
LARGEST_POPULATION = 2**14
SEARCH_PATIENCE = 30  # generations over which a later search is judged
SEARCHED_IN_VAIN = "No sample of the search has a finite value."
SIGNAL = 10.0  # decrease, in units of the noise, that the noise alone does not bring
NOISY = 1e-7  # noise relative to the decrease so far from which differences are given up


class BlackBox:
    """One run of `Homotopy` without gradients.

    Parameters
    ----------
    problem : Problem
    rng : Generator
    scale : ndarray, shape (d,)
        First standard deviation of the search.
    population : int or None
        Of the first search.
    restarts : float
        How many further rounds, each a larger search and as much local effort.
    """

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        scale: Array,
        population: int | None,
        restarts: float,
    ) -> None:
        self._problem, self._rng, self._scale, self._restarts = problem, rng, scale, restarts
        self._n = problem.x0.size
        self._population = max(5, population or default_population(self._n))
        self._best, self._best_x = np.inf, problem.x0
        self._typical = np.inf  # the median of the first values
        self._boxed = problem.box is not None and bool(np.isfinite(problem.box).all())
        self._ledger = Ledger()
        self._noise = 0.0
        self._radius = 1.0  # where the model descent was left, in units of the scale
        self._seen: list[tuple[Array, Array]] = []  # its points and values

    def run(self) -> Steps:
        """The first round, then as many as are wanted."""
        x0 = self._problem.x0
        if self._boxed and self._n <= SEARCH_FIRST:
            last = yield from self._search(GaussianSearch(self._scale, self._population), x0)
        else:
            lost = yield from self._come_down(x0)
            if self._n > MANY and np.isfinite(self._best):
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

    def _come_down(self, x0: Array) -> Generator[Any, Any, bool]:
        """A model, then differences; whether noise or kinks made these useless."""
        if self._n <= MODEL_FIRST:
            limit = MODEL_LIMIT * (self._n + 1)
            yield from self._phase("model", ModelDescent(self._scale), x0, limit)
        elif self._n > MANY:
            limit = SMOOTHING_LIMIT * self._n
            yield from self._phase("smoothing", DirectionalSmoothing(self._scale), x0, limit)
        finish = yield from self._descend(self._best_x)
        return finish is not None and not finish.status.success

    def _first_search(self, lost: bool) -> Generator[Any, Any, Finish | None]:
        """From the start in a box, from the best point without; near it if it is no minimum."""
        scale = self._scale
        seen = self._typical - self._best > SIGNAL * self._noise  # more than noise
        if not self._boxed and lost and seen:
            scale = scale * min(1.0, self._radius)
        method = GaussianSearch(scale, self._population, noise=self._noise)
        x0 = self._problem.x0 if self._boxed else self._best_x
        return (yield from self._search(method, x0))

    def _round(self, number: int) -> Generator[Any, Any, None]:
        """Local runs from new points and from the best, then a larger search."""
        ledger = self._ledger
        while ledger.cost("descent", "coordinates") < ledger.cost("search"):
            cost = ledger.cost("descent")
            yield from self._descend(self._random(), hopeless(self._best))
            if ledger.cost("descent") == cost:  # noise makes differences useless
                break
        yield from self._search_coordinates()
        population = min(self._population * 2**number, LARGEST_POPULATION)
        larger = GaussianSearch(self._scale, population, model=False)
        yield from self._search(larger, self._random(), hopeless(self._best, SEARCH_PATIENCE))

    def _search_coordinates(self) -> Generator[Any, Any, None]:
        """From the best point, and a descent if there is a new one."""
        before = self._best
        method = CoordinateSearch(scale=self._scale)
        yield from self._phase("coordinates", method, self._best_x)
        if self._best < before:
            yield from self._descend(self._best_x)

    def _descend(self, x: Array, watch: Watch | None = None) -> Generator[Any, Any, Finish | None]:
        """A descent, unless noise makes differences useless."""
        if self._noise > NOISY * (self._typical - self._best):
            return None
        first = "descent" not in self._ledger.nfev
        method = DifferenceDescent(scale=self._scale, curvature=first and self._n > MANY)
        finish = yield from self._phase("descent", method, x, DESCENT_LIMIT * self._n, watch)
        if finish is not None:
            self._noise = finish.info.get("noise", self._noise)
        return finish

    def _search(
        self, method: GaussianSearch, x: Array, watch: Watch | None = None
    ) -> Generator[Any, Any, Finish | None]:
        """A search, told what the model descent saw if it has a use for it."""
        problem = self._problem.at(x)
        if self._seen and method.model:
            points, values = (np.concatenate(part) for part in zip(*self._seen, strict=True))
            steps = method.run_from(problem, self._rng, points, values)
        else:
            steps = method.run(problem, self._rng)
        finish = yield from self._drive("search", steps, watch=watch)
        if finish is not None:
            self._noise = finish.info.get("noise", self._noise)
        return finish

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
        return (yield from self._drive(name, steps, limit, watch))

    def _drive(
        self, name: str, steps: Steps, limit: float = math.inf, watch: Watch | None = None
    ) -> Generator[Any, Any, Finish | None]:
        """Pass messages on, keep the best point, book the cost."""
        cost = nit = 0
        reply: Reply = None
        try:
            while cost < limit:
                message: Any = resume(steps, reply)
                reply = None
                if isinstance(message, Ask):
                    reply = yield message
                    assert isinstance(reply, Answers)
                    before = self._best
                    self._note(message.points, reply.values)
                    self._ledger.add(name, len(message.points), before - self._best)
                    cost += len(message.points)
                    if name == "model":
                        self._seen.append((message.points, reply.values))
                elif isinstance(message, Finish):
                    return message
                else:
                    info = {**message.info, **self._info(), "phase": name}
                    self._radius = message.info.get("radius", self._radius)
                    yield Iterate(message.x, message.fun, message.grad, **info)
                    nit += 1
                    now = Progress(nit, cost, 0.0, message.x, message.fun, message.grad)
                    if watch is not None and watch(now):
                        return None
            return None
        finally:
            steps.close()

    def _note(self, points: Array, values: Array) -> None:
        values = np.where(np.isnan(values), np.inf, values)
        if self._typical == np.inf:
            self._typical = float(np.median(values))
        k = int(values.argmin())
        if values[k] < self._best:
            self._best, self._best_x = float(values[k]), points[k].copy()

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
