"""`AsynchronousSearch`: a Gaussian search that does not wait for the last of a generation.

References: N. Hansen, "Injecting external solutions into CMA-ES", arXiv:1110.4181 (2011), for
what a distribution may learn from points that were not drawn from it; N. Hansen, "A global
surrogate assisted CMA-ES", GECCO (2019), for values that a model predicts.

A number of points is kept under way. A generation is the first points that come back, whichever
distribution they were drawn from; those of an earlier one are external solutions to the present.
Where the model is trusted, points of which nothing has come count with the values that it
predicts.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np

from smoothmin._protocol import Answers, Array, Arrived, Ask, Problem, Stream
from smoothmin.derivative_free.gaussian_search import (
    GaussianRun,
    GaussianSearch,
    default_population,
)
from smoothmin.derivative_free.generations import jumps

Draw = tuple[int, Array, float]  # of a generation, and what the model predicted then, or NaN


class AsynchronousSearch(GaussianRun):
    """One run, with up to ``problem.ahead`` points under way."""

    def __init__(
        self, options: GaussianSearch, problem: Problem, rng: np.random.Generator, scale: Array
    ) -> None:
        if options.population is None:
            most = max(problem.ahead, default_population(problem.x0.size))
            options = replace(options, population=most)
        super().__init__(options, problem, rng, scale)
        self._sent: dict[bytes, list[Draw]] = defaultdict(list)  # by the points as asked for
        self._under_way = 0
        self._came: list[tuple[int, Array, float]] = []  # draws and values of no generation yet
        self._arrived = 0  # in the last answer
        self._number = 0  # of the generation

    @property
    def _ahead(self) -> int:
        """Points under way: a generation of them, lest all come of distributions long gone."""
        return min(self._problem.ahead, self._distribution.population)

    def _generation(self) -> Generator[Ask, Answers, tuple[Array, Array]]:
        """Sample, and take what comes back until it makes a generation."""
        self._number += 1
        size = self._distribution.population
        drawn = self._inside(self._distribution.sample(self._rng))
        if self._model is not None:
            self._inject(drawn, self._model)
        asked, fresh = np.zeros(size, dtype=bool), 0
        while True:
            if len(self._came) >= size:
                came, self._came = self._came[:size], self._came[size:]
                values = np.array([value for _, _, value in came])
                self._distrusted += jumps(values)
                return np.array([z for _, z, _ in came]), values
            drawn, asked = yield from self._exchange(drawn, asked)
            fresh += self._arrived
            model = self._fit()
            enough = self._came and fresh > 0 and self._predicted
            if (
                len(self._came) < size
                and model is not None
                and enough
                and self._trusted(model, fresh)
            ):
                self._distrusted = 0
                return self._filled_up(drawn, model, size)

    def _exchange(self, drawn: Array, asked: Any) -> Generator[Ask, Answers, tuple[Array, Any]]:
        """Ask for as many points as there is room for, and take what has come."""
        room = max(self._ahead - self._under_way, 0)
        while np.count_nonzero(~asked) < room:  # what was drawn is under way, which takes long
            more = self._inside(self._distribution.sample(self._rng))
            drawn = np.concatenate([drawn, more])
            asked = np.concatenate([asked, np.zeros(len(more), dtype=bool)])
        predicted = np.full(len(drawn), np.nan) if self._model is None else self._model(drawn)
        todo = np.flatnonzero(~asked)
        now = todo[np.argsort(predicted[todo], kind="stable")][:room]
        asked[now] = True
        points = self._outward(drawn[now])
        for k, point in zip(now, points, strict=True):
            self._sent[point.tobytes()].append((self._number, drawn[k], float(predicted[k])))
        reply = yield Stream(points, self._ahead - 1)
        found, self._under_way = points, 0
        if isinstance(reply, Arrived):
            found, self._under_way = reply.points, reply.under_way
        self._arrived = 0
        for point, value in zip(found, reply.values.tolist(), strict=True):
            self._take(point, value)
        return drawn, asked

    def _take(self, point: Array, value: float) -> None:
        """Learn of a value; that of a search before this one is of no use."""
        sent = self._sent.get(point.tobytes())
        if not sent:
            return
        number, z, predicted = sent.pop()
        if not sent:
            del self._sent[point.tobytes()]
        self._arrived += 1
        if self._modelled:
            self._archive.add(z[None], np.array([value]))
            if not math.isnan(predicted):
                self._predicted.append((predicted, value))
        self._came.append((number, z, value))

    def _filled_up(self, drawn: Array, model: Any, size: int) -> tuple[Array, Array]:
        """What has come, and of this generation's points enough others, as predicted."""
        came, self._came = self._came, []
        known = np.array([z for _, z, _ in came])
        values = np.array([value for _, _, value in came])
        new = ~(drawn[:, None] == known).all(axis=2).any(axis=1)
        rest = drawn[new][: size - len(came)]  # as they were drawn, not as the model likes them
        guessed = model(rest)
        lowest = np.nanmin(values) if np.isfinite(values).any() else np.inf
        guessed = guessed + max(0.0, float(lowest - guessed.min()))  # never beats what is known
        return np.concatenate([known, rest]), np.concatenate([values, guessed])

    def _learn_from(self, points: Array) -> None:
        """Update by points no farther away than such of the distribution as a rule are.

        That is ``sqrt(n) + 2 n / (n + 2)`` standard deviations, Section 2 of Hansen (2011).
        """
        d = self._distribution
        steps = points - d.mean
        lengths = np.linalg.norm(d.whitened(steps), axis=1) / d.sigma
        most = math.sqrt(d.n) + 2 * d.n / (d.n + 2)
        shorter = np.minimum(1.0, most / np.maximum(lengths, most))
        super()._learn_from(d.mean + shorter[:, None] * steps)
