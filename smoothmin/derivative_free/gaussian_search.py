"""`GaussianSearch`: a normal distribution that learns where low values are.

References: N. Hansen, "The CMA evolution strategy: a tutorial" (2016) (see
`distribution`); N. Hansen, "A global surrogate assisted CMA-ES", GECCO (2019),
Algorithm 1 (evaluation in the order of a model, until that order is right); N. Hansen,
"Injecting external solutions into CMA-ES", arXiv:1110.4181 (2011).

Deviations: the model's minimizer is sought in a trust region and in the box, and takes
the place of the last sampled point; it is trusted from a lower rank correlation on.
Points beyond a bound are moved onto it, and the distribution learns from the moved
ones.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from smoothmin import _status
from smoothmin._check import (
    require_bool,
    require_integer,
    require_real,
    require_scale,
    require_tolerance,
    tolerances,
)
from smoothmin._factors import ROUNDS
from smoothmin._machine import EPS
from smoothmin._method import Method
from smoothmin._noise import REPEATS, measure_noise
from smoothmin._protocol import Answers, Array, Ask, Finish, Iterate, Problem, Steps
from smoothmin._scale import WIDE, typical_scale
from smoothmin._status import Status
from smoothmin._verdict import NEGLIGIBLE, Knowledge, judge
from smoothmin.derivative_free.cma import DiagonalDistribution, Distribution
from smoothmin.derivative_free.generations import foresight, jumps
from smoothmin.derivative_free.quadratic_regression import (
    CHEAP_COEFFICIENTS,
    Archive,
    Quadratic,
    Regression,
    kendall,
)
from smoothmin.derivative_free.survey import SIGNAL, WIDENING, Surveyed, survey

AGREEMENT = 0.65  # Kendall's tau from which the model's order is believed
FORESIGHT = 0.15  # the same of values predicted before they were known
LOOK_BACK = 15  # evaluations over which tau is taken, at least
STAGNATION = 4  # spans of generations without a lower value that end the search
FULL = 200  # up to so many variables C is a full matrix, and there is a model
LOST = "The distribution is lost to rounding."


@dataclass(frozen=True)
class GaussianSearch(Method):
    """Minimize from values alone with a normal distribution that learns, and a model.

    Parameters
    ----------
    sigma : float or array_like of shape (d,), optional
        First standard deviation. By default a fifth of the box's width, and without a
        box a tenth of the larger of 1 and ``|x0|``.
    population : int, optional
        Points per generation, by default ``4 + 3 log(d)``, at least 5.
    model : bool, default True
        Evaluate in the order of a quadratic fitted to earlier points, and only as many
        as it takes to trust that order.
    xtol : float or array_like of shape (d,), default 1e-11
        Converged when no standard deviation is larger, in units of the first; one for each
        variable if it is an array.
    ftol : float, default 1e-12
        Converged when the values of the last generations differ by no more, in units of
        ``decrease``, or by no more than rounding.
    decrease : float, optional
        How much lower than the start values are expected. By default the decrease so far, or 1
        if that is less.
    noise : float, default 0
        Standard deviation of the noise of the values, as far as it is known. It is measured
        where there is no progress. Where the values show nothing else from the start, the
        distribution is widened.
    survey : bool, default True
        Where noise ends the search, fit a quadratic to values that rise above it, and go on
        if that falls farther.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value.

    Notes
    -----
    Invariant to increasing transformations of the values without the model, to affine
    ones of the variables but for the first distribution.

    References
    ----------
    .. [1] N. Hansen, "The CMA evolution strategy: a tutorial" (2016),
       :doi:`10.48550/arXiv.1604.00772`.
    .. [2] N. Hansen, "A global surrogate assisted CMA-ES", GECCO (2019),
       :doi:`10.1145/3321707.3321842`.

    Examples
    --------
    >>> from scipy.optimize import rosen
    >>> from smoothmin import GaussianSearch, minimize
    >>> res = minimize(rosen, [-1.2, 1.0, 0.5], method=GaussianSearch(), rng=0)
    >>> res.success, bool(res.fun < 1e-10)
    (True, True)
    """

    name: ClassVar[str] = "gaussian-search"
    summary: ClassVar[str] = "values alone: a normal distribution that learns, and a fitted model"
    reference: ClassVar[str] = "Hansen (2016, 2019)"
    handles_bounds: ClassVar[bool] = True
    scale_option: ClassVar[str | None] = "sigma"
    handles_integers: ClassVar[bool] = True
    synonyms: ClassVar[dict[str, str]] = {"popsize": "population"}
    stochastic: ClassVar[bool] = True
    streams: ClassVar[bool] = True

    sigma: ArrayLike | None = None
    population: int | None = None
    model: bool = True
    xtol: ArrayLike = 1e-11
    ftol: float = 1e-12
    decrease: float | None = None
    noise: float = 0.0
    survey: bool = True

    def __post_init__(self) -> None:
        require_scale("sigma", self.sigma, optional=True)
        if self.population is not None:
            require_integer("population", self.population, 5)
        require_bool("model", self.model)
        require_tolerance("xtol", self.xtol)
        require_real("ftol", self.ftol, minimum=0)
        if self.decrease is not None:
            require_real("decrease", self.decrease, minimum=0)
        require_bool("survey", self.survey)
        require_real("noise", self.noise, minimum=0, below=np.inf)

    @property
    def needs_gradient(self) -> bool:
        """Never."""
        return False

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        return self._search(problem, rng).run()

    def run_from(
        self, problem: Problem, rng: np.random.Generator, points: Array, values: Array
    ) -> Steps:
        """Minimize, with ``values`` (m,) at ``points`` (m, d) known already."""
        search = self._search(problem, rng)
        search.learn(points, values)
        return search.run()

    def _search(self, problem: Problem, rng: np.random.Generator) -> GaussianRun:
        scale = typical_scale(problem, "sigma", self.sigma)
        if problem.ahead:
            from smoothmin.derivative_free.asynchronous_search import AsynchronousSearch

            return AsynchronousSearch(self, problem, rng, scale)
        return GaussianRun(self, problem, rng, scale)


def default_population(n: int) -> int:
    """``4 + 3 log(n)`` (48), at least 5."""
    return max(5, 4 + int(3 * math.log(max(1, n))))


class GaussianRun:
    """One run, in coordinates divided by the first standard deviation."""

    def __init__(
        self, options: GaussianSearch, problem: Problem, rng: np.random.Generator, scale: Array
    ) -> None:
        self._options, self._problem, self._rng, self._scale = options, problem, rng, scale
        n = problem.x0.size
        self._xtol = tolerances("xtol", options.xtol, n, problem)
        population = options.population or default_population(n)
        kind = Distribution if n <= FULL else DiagonalDistribution
        self._distribution = kind(problem.x0 / scale, 1.0, population)
        self._modelled = options.model and n <= FULL
        self._archive = Archive(n if self._modelled else 0)
        self._regression = Regression(n if self._modelled else 0)
        self._model: Quadratic | None = None
        self._fitted = 0  # how many points had been added to the archive when it was fitted
        self._radius = math.sqrt(n)  # how far most samples are
        self._box = None
        if problem.box is not None:
            self._box = (problem.box[0] / scale, problem.box[1] / scale)
            self._width = self._box[1] - self._box[0]
        self._lowest: list[float] = []  # of the last generations
        self._predicted: list[tuple[float, float]] = []  # by the model, and as they came out
        self._best = self._first = np.inf  # the lowest value, and the median of the first
        self._found = self._distribution.mean  # where the lowest value is
        self._distrusted = 0  # generations with jumps since the model was trusted
        self._quiet = 0  # generations without a new lowest value
        self._noise = options.noise
        self._surveys = 0  # that sent the search on
        self._idle = 0  # of these in a row, that came no lower
        self._promised = math.inf  # by the last of them
        self._widest = 0.0  # largest standard deviation of a generation's values

    def learn(self, points: Array, values: Array) -> None:
        """Fit the first model to what is known already."""
        if self._modelled:
            self._archive.add(points / self._scale, values)
            self._fit()

    def run(self) -> Steps:
        """Generations until nothing changes any more."""
        start = self._problem.clip(self._problem.x0)
        yield Ask(start[None], 0)  # so that no result is above it; it is no sample
        while True:
            if self._distrusted >= self._span:
                self._give_up_model()
            distribution = self._distribution
            points, values = yield from self._generation()
            if not np.isfinite(values).any():
                # nothing to learn from: look closer around what has a value, if that is known
                distribution.sigma *= 0.5
                distribution.mean = self._found
                if (distribution.deviations <= self._xtol).all():
                    return Finish(Status.NONFINITE, _status.NO_FINITE_SAMPLE)
                continue
            values = np.where(np.isnan(values), np.inf, values)
            if self._first == np.inf:
                self._first = float(np.median(values[np.isfinite(values)]))
            spread = float(np.std(values[np.isfinite(values)]))
            self._widest = max(self._widest, spread)
            if self._drowned():
                self._widen()
                continue
            order = np.argsort(values, kind="stable")
            if values[order[0]] <= self._best:
                self._found = points[order[0]].copy()
            self._learn_from(points[order])
            if not 0 < float(distribution.deviations.max()) < np.inf:
                return Finish(Status.PRECISION, LOST)
            self._keep_within_box()
            self._keep_reaching()
            x = self._outward(points[order[:1]])[0]
            widest = float((distribution.deviations * self._scale).max())
            yield Iterate(x, float(values[order[0]]), sigma=widest, noise=self._noise)
            met = self._converged(values)
            message = met or (yield from self._stagnated(values, spread))
            if message and self._drowned():
                self._widen()
            elif message:
                finish = yield from self._judged(message, met is not None)
                if finish is not None:
                    return finish

    def _learn_from(self, points: Array) -> None:
        """Update the distribution by a generation in the order of its values."""
        self._distribution.update(points)

    def _judged(self, message: str, met: bool) -> Generator[Any, Any, Finish | None]:
        """The end; None where the search goes on, since the function may well fall farther."""
        fell = max(self._options.decrease or 0.0, self._first - self._best)
        if met or not self._options.survey or self._noise <= NEGLIGIBLE * fell:
            told = {} if met else {"stagnated": True}
            return judge(Knowledge(message, tolerance_met=True), noise=self._noise, **told)
        d, x = self._distribution, self._outward(self._distribution.mean[None])[0]
        axes = d.sigma * d.shaped(np.eye(d.n)).T
        found = yield from survey(self._problem, self._scale, x, axes, self._noise, self._rng)
        ends = np.repeat(np.stack([x, found.x]), REPEATS, axis=0)
        values = (yield Ask(ends, 0, anew=True)).values
        before, after = np.mean(values.reshape(2, -1), axis=1)
        lower = before - after > self._noise
        self._idle = 0 if lower else self._idle + 1
        self._promised = found.promised if self._idle < 2 else min(self._promised, found.promised)
        if self._surveys < ROUNDS and self._idle < 2:
            self._surveys += 1
            self._start_again(found)
            return None
        yield Iterate(found.x, float(after), noise=self._noise)  # what is left of luck
        knows = Knowledge(message, promised=self._promised, noise=self._noise)
        return judge(knows, noise=self._noise)

    def _wider(self) -> bool:
        """Widen the distribution; false where it is as wide as it may be."""
        d, before = self._distribution, self._distribution.sigma
        if d.deviations.max() < WIDE:
            d.sigma *= WIDENING
            self._keep_within_box()
        return d.sigma > before

    def _start_again(self, found: Surveyed) -> None:
        """From where a survey came to, as wide as values rise above the noise there."""
        d = self._distribution
        d.mean = self._inside(found.x / self._scale)
        if isinstance(d, Distribution) and not isinstance(d, DiagonalDistribution):
            d.sigma = 1.0
            d.set_axes(found.axes)
            self._keep_within_box()
        d.p_sigma, d.p_c = np.zeros(d.n), np.zeros(d.n)
        self._lowest.clear()
        self._best, self._quiet = np.inf, 0

    def _generation(self) -> Generator[Ask, Answers, tuple[Array, Array]]:
        """Sample, and evaluate in the model's order as many as it takes to trust it."""
        points = self._inside(self._distribution.sample(self._rng))
        model = self._model
        if model is None:
            values = yield from self._evaluate(points)
            self._fit()
            return points, values
        self._inject(points, model)
        size = len(points)
        values = np.full(size, np.nan)
        guessed = model(points)
        todo = np.argsort(guessed, kind="stable")
        done, count = 0, 1
        while True:
            now = todo[done : done + count]
            values[now] = yield from self._evaluate(points[now])
            self._predicted.extend(zip(guessed[now].tolist(), values[now].tolist(), strict=True))
            done += len(now)
            model = self._fit()
            if done >= size or model is None:
                self._distrusted += jumps(values)
                return points, values
            guessed = model(points)
            if self._trusted(model, done):
                self._distrusted = 0
                break
            todo[done:] = todo[done:][np.argsort(guessed[todo[done:]], kind="stable")]
            count = math.ceil(0.5 * done)
        # what was not evaluated keeps the model's order, and never beats what was
        known, rest = todo[:done], todo[done:]
        lowest = np.nanmin(values[known]) if np.isfinite(values[known]).any() else np.inf
        values[rest] = guessed[rest] + max(0.0, float(lowest - guessed[rest].min()))
        return points, values

    def _give_up_model(self) -> None:
        """Go on without one, and without the points that it was to choose from."""
        d, fewer = self._distribution, default_population(self._distribution.n)
        self._modelled, self._model, self._distrusted = False, None, 0
        if d.population > fewer:
            self._distribution = d.resized(fewer)

    def _inject(self, points: Array, model: Quadratic) -> None:
        """The model's minimizer in place of the last point, unless it is known already."""
        x = model.minimizer(self._radius, self._box)
        known, _ = self._archive.last(min(self._archive.size, 4 * len(points)))
        if not (known == x).all(axis=1).any():
            points[-1] = x

    def _trusted(self, model: Quadratic, done: int) -> bool:
        """Whether the model orders the last evaluated points as they are."""
        count = min(self._archive.size, max(LOOK_BACK, math.ceil(1.2 * done)))
        points, values = self._archive.last(count)
        if kendall(model(points), values) < AGREEMENT:
            return False
        del self._predicted[: -2 * LOOK_BACK]
        return len(self._predicted) < LOOK_BACK or foresight(self._predicted) >= FORESIGHT

    def _fit(self) -> Quadratic | None:
        """The model, fitted anew if there are enough new points to be worth it."""
        if not self._modelled:
            return None
        archive, d = self._archive, self._distribution
        patience = 0
        if self._model is not None:
            patience = self._model.size // CHEAP_COEFFICIENTS
        if archive.added - self._fitted <= patience:
            return self._model
        points, values, kind = archive.training()
        if kind >= 0:
            frame = (d.mean, d.inverse_root / d.sigma, d.root * d.sigma)
            self._model = self._regression.fit(points, values, kind, *frame)
            self._fitted = archive.added
        return self._model

    def _evaluate(self, points: Array) -> Generator[Ask, Answers, Array]:
        outward = self._outward(points)
        answers = yield Ask(outward, 0)
        if self._modelled:
            placed = points if self._problem.lattice is None else outward / self._scale
            self._archive.add(placed, answers.values)
        return answers.values

    def _outward(self, points: Array) -> Array:
        """In the user's units; clipped again, against rounding."""
        return self._problem.clip(points * self._scale)

    def _inside(self, points: Array) -> Array:
        return points if self._box is None else np.clip(points, *self._box)

    def _keep_within_box(self) -> None:
        """The mean inside, the deviations no larger than half the box."""
        if self._box is not None:
            d = self._distribution
            d.mean = self._inside(d.mean)
            d.sigma *= min(1.0, float((0.5 * self._width / d.deviations).min()))

    def _keep_reaching(self) -> None:
        """Deviations with which the next integer is met once in so many points and variables."""
        lattice, d = self._problem.lattice, self._distribution
        if lattice is None:
            return
        # of the margin of Hamano et al., "CMA-ES with margin", GECCO (2022), Section 4
        away = NormalDist().inv_cdf(1 - 0.5 / (d.n * d.population))
        least = 0.5 * lattice.step / self._scale / away
        if (d.deviations < least).any():
            d.widen(np.maximum(1.0, least / d.deviations))

    def _converged(self, values: Array) -> str | None:
        """A sentence when the distribution or its values have shrunk to nothing."""
        d, options, lattice = self._distribution, self._options, self._problem.lattice
        shrinking = np.arange(d.n) if lattice is None else np.flatnonzero(~lattice.discrete)
        sizes, xtol = d.deviations[shrinking], self._xtol[shrinking]
        if len(shrinking) and (sizes <= xtol).all():
            k = int((sizes / np.maximum(xtol, 1e-300)).argmax())
            return f"The search is {sizes[k]:.3g} of its first width <= xtol={xtol[k]:g}"
        lowest, new = self._lowest, float(values.min())
        self._quiet = self._quiet + 1 if new >= self._best else 0
        self._best = min(self._best, new)
        lowest.append(new)
        if len(lowest) < self._span:
            return None
        del lowest[: -self._span]
        spread = max(max(lowest), float(values.max())) - min(lowest)
        decrease = options.decrease
        if decrease is None:
            decrease = min(1.0, self._first - self._best)
        level = max(options.ftol * decrease, 4 * EPS * abs(lowest[-1]))
        if spread <= level:
            return f"Values of {self._span} generations differ by {spread:.3g} <= {level:.3g}"
        return None

    def _drowned(self) -> bool:
        """Whether noise is all there was to be seen so far, and a wider look may show more."""
        d = self._distribution
        if self._noise == 0 or self._widest > SIGNAL * self._noise:
            return False
        sizes = d.deviations
        return bool(sizes.max() < WIDE if self._box is None else (sizes < 0.5 * self._width).any())

    def _widen(self) -> None:
        """Begin anew with a wider distribution."""
        self._wider()
        self._lowest.clear()
        self._best, self._quiet = np.inf, 0

    def _stagnated(self, values: Array, spread: float) -> Generator[Ask, Answers, str | None]:
        """A sentence when there is no progress, by noise or for very long."""
        if self._quiet == 0 or self._quiet % self._span:
            return None
        if self._quiet >= STAGNATION * self._span:
            return f"No lower value in {self._quiet} generations"
        d = self._distribution
        x, scale = self._outward(d.mean[None])[0], d.deviations * self._scale
        self._noise = yield from measure_noise(self._problem, x, scale, self._rng)
        if spread <= SIGNAL * self._noise:
            return f"Values around differ by {spread:.3g}, no more than noise, {self._noise:.3g}"
        return None

    @property
    def _span(self) -> int:
        """Generations over which progress is judged."""
        return 10 + math.ceil(30 * self._distribution.n / self._distribution.population)
