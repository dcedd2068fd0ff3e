"""The search from values alone where some variables are integers.

1. A descent from the start to a point next to which no integer is lower (`LatticeDescent`).
2. A box with fewer points than a search would look at is looked at wholly.
3. A Gaussian search whose distribution keeps reaching the next integers, and a descent from
   where it ends. It ends after as many generations without a lower value as it takes its
   distribution to learn.
4. With ``restarts`` these again, from points of the box, with ever larger populations.
5. The real variables by the search for these alone, which has the last word on them.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from smoothmin import _status
from smoothmin._check import per_coordinate
from smoothmin._protocol import Array, Finish, Problem, Steps
from smoothmin._scale import search_range, typical_scale
from smoothmin._status import Status
from smoothmin._stopping import Progress
from smoothmin._verdict import NEGLIGIBLE
from smoothmin.derivative_free.cma import LARGEST_POPULATION
from smoothmin.derivative_free.gaussian_search import GaussianSearch, default_population
from smoothmin.derivative_free.mixed.lattice_descent import LOOSE, NEIGHBOURS, LatticeDescent
from smoothmin.derivative_free.mixed.real_part import RealPart
from smoothmin.portfolio.incumbent import Incumbent
from smoothmin.portfolio.phase import Phase, PhaseOutcome, Watch, play

if TYPE_CHECKING:
    from smoothmin.derivative_free.method import DerivativeFree

ALL = "Every point of the box was evaluated."

ROUNDS = 4  # of real variables and integers in turn, at the end


class MixedSearch:
    """One run."""

    def __init__(self, options: DerivativeFree, problem: Problem, rng: np.random.Generator) -> None:
        assert problem.lattice is not None
        self._options, self._problem, self._rng = options, problem, rng
        self._incumbent = Incumbent(problem, rng)
        self._incumbent.noise = 0.0
        n = problem.x0.size
        if options.sigma is None:
            scale = typical_scale(problem)
        else:
            scale = per_coordinate("sigma", options.sigma, n, problem.free)
        self._scale: Array = np.maximum(scale, problem.lattice.step)
        self._population = options.n or default_population(n)
        self._finish: Finish | None = None

    def run(self) -> Steps:
        """Minimize."""
        options, incumbent, rounds = self._options, self._incumbent, 0
        start = self._problem.x0
        yield from self._descend(start)
        if not incumbent.finite:
            yield from self._sample()
        if not incumbent.finite:
            return Finish(Status.NONFINITE, _status.NO_FINITE_SAMPLE)
        if (yield from self._everything()):
            return self._end(Finish(Status.CONVERGED, ALL))
        last = math.inf if options.restarts == "budget" else int(options.restarts)
        while True:
            population = min(self._population * 2**rounds, LARGEST_POPULATION)
            yield from self._search(start if rounds == 0 else self._random(), population)
            rounds += 1
            if rounds > last:
                return self._end((yield from self._last()))
            yield from self._descend(self._random())

    def _last(self) -> Any:
        """The real variables by the search for these alone, again where integers move then."""
        assert self._finish is not None
        assert self._problem.lattice is not None
        discrete, incumbent = self._problem.lattice.discrete, self._incumbent
        if discrete.all():
            return self._finish
        real = replace(self._options, sigma=self._scale[~discrete], restarts=0)
        finish, least = self._finish, NEGLIGIBLE
        for _ in range(ROUNDS):
            before, integers = incumbent.fun, incumbent.x[discrete]
            phase = Phase("descent", RealPart(real), incumbent.x)
            found: PhaseOutcome = yield from play(phase, incumbent)
            assert found.finish is not None
            finish = found.finish
            if before - incumbent.fun <= least * incumbent.decrease:
                break
            yield from self._descend(incumbent.x)
            if np.array_equal(incumbent.x[discrete], integers):
                break
        incumbent.noise = finish.info.get("noise", incumbent.noise)
        return Finish(finish.status, f"{NEIGHBOURS}. {finish.message}")

    def _end(self, finish: Finish) -> Finish:
        info = {**finish.info, **self._incumbent.info()}
        return Finish(finish.status, finish.message, **info)

    def _descend(self, x: Array, watch: Watch | None = None) -> Any:
        """To where no neighbour is lower; its last word is that of the run if it is the lowest."""
        before = self._incumbent.fun
        method = LatticeDescent(self._scale)
        outcome: PhaseOutcome = yield from play(
            Phase("descent", method, x, watch=watch), self._incumbent
        )
        lower = self._incumbent.fun < before or self._finish is None
        if outcome.finish is not None and outcome.fun <= self._incumbent.fun and lower:
            self._finish = outcome.finish
        return outcome

    def _search(self, x: Array, population: int) -> Any:
        """A Gaussian search, and a descent from where it ends unless that is known."""
        incumbent, options = self._incumbent, self._options
        known = incumbent.x
        search = GaussianSearch(
            self._scale,
            population,
            xtol=LOOSE,  # a descent follows, from which more digits cost less
            ftol=GaussianSearch.ftol if options.ftol is None else options.ftol,
            decrease=max(0.0, min(1.0, incumbent.decrease)),
            survey=False,
        )
        watch = _settled(10 + math.ceil(30 * x.size / population))
        found = yield from play(Phase("search", search, x, watch=watch), incumbent)
        if found.lowest is not None and not np.array_equal(found.lowest, known):
            yield from self._descend(incumbent.x if incumbent.fun < found.fun else found.lowest)

    def _sample(self) -> Any:
        """The box, where the start has no value, and a descent from the lowest point."""
        if self._problem.box is None or not np.isfinite(self._problem.box).all():
            return
        count = self._problem.x0.size + 1
        for k in range(int(self._options.settings.descent_limit).bit_length() - 1):
            points = np.array([self._random() for _ in range(count * 2**k)])
            yield from self._incumbent.ask("sample", points)
            if self._incumbent.finite:
                yield from self._descend(self._incumbent.x)
                return

    def _everything(self) -> Any:
        """Whether all points of the box were evaluated, if these are few."""
        problem, lattice = self._problem, self._problem.lattice
        assert lattice is not None
        if problem.box is None or not lattice.discrete.all():
            return False
        low, high = problem.box
        count = float(np.prod((high - low) / lattice.step + 1))
        n, size = problem.x0.size, self._population
        if not count <= size * (10 + math.ceil(30 * n / size)):
            return False
        axes = [
            np.arange(a, b + 0.5 * s, s) for a, b, s in zip(low, high, lattice.step, strict=True)
        ]
        yield from self._incumbent.ask("sample", np.array(list(itertools.product(*axes))))
        return True

    def _random(self) -> Array:
        """A point uniform in the box, or around the start."""
        low, high = search_range(self._problem, self._problem.x0, self._scale)
        return self._problem.clip(self._rng.uniform(low, high))


def _settled(generations: int) -> Watch:
    """Ends a search that found nothing lower for so long."""
    best, since = math.inf, 0

    def watch(now: Progress) -> str | None:
        nonlocal best, since
        since = 0 if now.fun < best else since + 1
        best = min(best, now.fun)
        return (
            "No lower value for as long as the distribution takes to learn."
            if (since >= generations)
            else None
        )

    return watch
