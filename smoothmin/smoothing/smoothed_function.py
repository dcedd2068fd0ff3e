"""The aggregated objective: sample around a point, join the samples.

Reference: Yu. Nesterov, V. Spokoiny, "Random gradient-free minimization of convex
functions", Found. Comput. Math. 17 (2017) (from values alone).

Deviations: the perturbations are common to all points until they are drawn anew
(common random numbers), so that the aggregate is one function with one gradient.
From values alone, the mean over at least as many pairs as variables is corrected by
the sample's second moments, which makes it the least-squares fit of the slopes and
exact for quadratics.
"""

from __future__ import annotations

import contextvars
import math
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from smoothmin._check import (
    per_coordinate,
    require_bool,
    require_integer,
    require_memory,
    require_one_of,
    require_real,
    require_scale,
)
from smoothmin._machine import CACHED, DENSE_UP_TO, EPS
from smoothmin._per_block import as_blocks, is_single, per_block, with_blocks
from smoothmin._protocol import Answers, Array, Ask, Mask, Problem, Samples
from smoothmin._reflection import fold
from smoothmin._types import Shapes
from smoothmin.smoothing.aggregate import AGGREGATES, Aggregate
from smoothmin.smoothing.perturbations import (
    Distribution,
    Perturbations,
    base_design,
    check_design,
)

STRATEGIES = ("grad-norm", "value")
NOWHERE: Array = np.empty(0)
MIN_EIGENVALUE = 1e-3  # of the second moments, below which their inverse is no correction


@dataclass(frozen=True)
class SmoothedFunction:
    """How a function is smoothed; the parameters are those of `GradientSampling`.

    It becomes a function to evaluate as the `sampler` of a problem.
    """

    sigma: ArrayLike = 1.0
    n: int = 100
    aggregate: str = "mean"
    temperature: float | None = None
    distribution: Distribution = "gaussian"
    design: str = "iid"
    include_x0: bool = True
    pre_generate: bool = True
    sigma_strategy: str | None = None
    sigma_target: float = 0.2
    beyond: str = "mirror"
    shapes: Shapes | None = None

    def __post_init__(self) -> None:
        require_scale("sigma", self.sigma)
        require_integer("n", self.n, 1)
        require_one_of("aggregate", self.aggregate, AGGREGATES)
        require_one_of("beyond", self.beyond, ("mirror", "shorten"))
        if self.temperature is not None:
            require_real("temperature", self.temperature, above=0, below=np.inf)
        check_design(self.distribution, self.design)
        for name in ("include_x0", "pre_generate"):
            require_bool(name, getattr(self, name))
        if self.sigma_strategy is not None:
            require_one_of("sigma_strategy", self.sigma_strategy, STRATEGIES)
        if isinstance(self.sigma_target, (int, np.integer)):
            require_integer("sigma_target", self.sigma_target, 0)
        else:
            require_real("sigma_target", self.sigma_target, minimum=0, maximum=1)
        if self.shapes is not None:
            as_blocks(self.shapes)

    @classmethod
    def of(cls, options: Any) -> Self:
        """That of a method with options of the same names."""
        return cls(**{field.name: getattr(options, field.name) for field in fields(cls)})

    def sizes(self, problem: Problem) -> Array:
        """Sigma of every variable, from one number, one per variable or one per block."""
        blocks = None if is_single(self.sigma) else with_blocks(problem, self.shapes)
        given, total = np.size(self.sigma), math.prod(problem.whole or problem.shape)
        if blocks is not None and given in (1, len(blocks)) and given < total:
            sigma: Array = per_block("sigma", np.ravel(self.sigma), problem, self.shapes)
            return sigma
        return per_coordinate("sigma", self.sigma, problem.x0.size, problem.free).copy()

    def sampler(self, problem: Problem, rng: np.random.Generator) -> Sampler:
        """The smoothed function of a problem, with perturbations drawn."""
        if self.sigma_strategy == "grad-norm" and not problem.has_gradient:
            raise ValueError("sigma_strategy='grad-norm' needs gradients; use 'value'")
        return Sampler(self, problem, rng)


class Sampler:
    """A smoothed function: perturbations, their size, and how samples are joined."""

    def __init__(self, options: SmoothedFunction, problem: Problem, rng: np.random.Generator):
        self._options = options
        self._box = problem.box
        self._rng = rng
        self._dimension = problem.x0.size
        self._by_pairs = not problem.has_gradient
        self.sigma = options.sizes(problem)
        self._temperature = options.temperature
        self.left_out = 0
        self.asked = 0  # points so far
        self.share_better: float | None = None  # of the last evaluation, for the strategies
        self._context = contextvars.copy_context()
        self.draw()

    def draw(self) -> None:
        """New perturbations."""
        options = self._options
        _, paired = base_design(options.design)
        self._perturbations = Perturbations(
            self._rng,
            options.n,
            self._dimension,
            options.distribution,
            options.design,
            zero=options.include_x0,
            paired=paired or self._by_pairs,
        )
        if self._by_pairs and not self._perturbations.pairs:
            raise ValueError(f"n must leave room for a pair without gradients, got {options.n}")
        if options.pre_generate:  # as they are, and in their size
            size = 2.0 * 8 * options.n * self._dimension
            require_memory(f"n={options.n}", size, ": pre_generate=False keeps none")
        self._kept = list(self._perturbations.chunks()) if options.pre_generate else None
        self._steps = None if self._kept is None else [u * self.sigma for u in self._kept]
        self._asks: list[Samples] | None = None  # about kept steps, the same every time
        if self._steps is not None and self._box is None:
            self._asks = [self._samples(blocks) for blocks in _gathered(self._steps)]
        self._correct()
        self._temperature = options.temperature

    def scale(self, factor: float | Array) -> None:
        """Change the size of the perturbations, not their directions."""
        self.sigma *= factor
        if self._steps is not None and self._kept is not None:
            for step, u in zip(self._steps, self._kept, strict=True):
                np.multiply(u, self.sigma, out=step)
        self._temperature = self._options.temperature

    def chunks(self) -> Iterator[Array]:
        """The steps sigma * u, the zero step first if there is one."""
        if self._steps is not None:
            return iter(self._steps)
        return (u * self.sigma for u in self._perturbations.chunks())

    def negligible(self, x: Array) -> bool:
        """Whether the steps are lost to rounding when added to ``x``."""
        return bool(np.all(self.sigma <= 4 * EPS * np.maximum(np.abs(x), 1e-290)))

    def evaluate(self, x: Array, order: int) -> Generator[Ask, Answers, tuple[float, Array]]:
        """The aggregated value and, for ``order`` 1, gradient at ``x``."""
        order = self.begin(order)
        if self._counter is not None and not self._options.include_x0:
            answers = yield Ask(x[None], order)
            self._counter.count(answers.values, answers.gradients)
            self.asked += 1
        if self._box is None:
            for samples in self.questions(x, order):
                answers = yield samples
                if not answers.taken:
                    samples.take_all(answers)
                del samples  # before the next ones are made
        else:
            yield from self._within_box(x, order)
        return self.joined()

    def questions(self, x: Array, order: int) -> Iterator[Samples]:
        """What to ask for a point where there is no box."""
        for samples in self._asks or map(self._samples, _gathered(self.chunks())):
            samples.center, samples.order = x, order
            yield samples
            del samples  # before the next ones are made

    def joined(self) -> tuple[float, Array]:
        """The value, and gradient if it was asked for, that samples make together."""
        total = self._total
        self.left_out += total.left_out
        if isinstance(total.temperature, float):
            self._temperature = total.temperature  # kept until the samples change
        if self._counter is not None:
            self.share_better = self._counter.decide()
        value, gradient = total.result()
        if self._slopes:
            gradient = self._normalized(gradient, total.left_out == 0)
        return value, gradient

    def begin(self, order: int) -> int:
        """Begin with another point, whose samples will be `joined`; of which order to ask."""
        options = self._options
        self._total = AGGREGATES[options.aggregate](self._dimension, self._temperature)
        self._counter = _Better(options) if options.sigma_strategy else None
        self._slopes = self._by_pairs and order == 1
        self._zero_first = options.include_x0
        self.asked += self._perturbations.count
        return 0 if self._by_pairs else order

    def _samples(self, blocks: list[Array]) -> Samples:
        """A question about steps, and what takes the answers."""
        options = self._options
        in_sum = options.aggregate == "mean" and not options.sigma_strategy
        take_sum = self._take_sum if in_sum else None
        return Samples(NOWHERE, blocks.__iter__, 1, self._take, take_sum, self._context)

    def _take(self, steps: Array, values: Array, gradients: Array | None) -> None:
        """Take samples, in order."""
        if self._counter is not None:
            self._counter.count(values, gradients)
        if self._slopes:
            _add_by_pairs(self._total, values, steps, self._zero_first)
        else:
            self._total.add(values, gradients)
        self._zero_first = False

    def _take_sum(self, values: Array, kept: Mask | None, gradient: Array) -> None:
        """Take samples whose gradients are summed."""
        total: Any = self._total
        total.add_sum(values, kept, gradient)

    def _within_box(self, x: Array, order: int) -> Generator[Ask, Answers, None]:
        """Have all samples evaluated, inside the box."""
        for steps in self.chunks():
            points, slope = self._within(x, steps)
            answers = yield Ask(points, order)
            gradients = answers.gradients
            self._take(steps, answers.values, None if gradients is None else gradients * slope)

    def _within(self, x: Array, steps: Array) -> tuple[Array, Array | float]:
        """Sample points in the box, and what their gradients are multiplied by."""
        assert self._box is not None
        lower, upper = self._box
        if self._options.beyond == "mirror":
            return fold(x + steps, lower, upper)
        room = np.maximum(np.minimum(x - lower, upper - x), 0.0)
        return np.clip(x + np.clip(steps, -room, room), lower, upper), 1.0

    def _normalized(self, gradient: Array, complete: bool) -> Array:
        """Divide by sigma^2 E[u_j^2], or by all second moments where they are known."""
        if self._factor is not None and complete:
            whitened: Array = self._factor @ (gradient / self.sigma)
            return whitened / self.sigma
        return gradient / (self.sigma**2 * self._variance)

    def _correct(self) -> None:
        """Second moments of the perturbations, for gradients from values alone."""
        self._factor: Array | None = None
        self._variance = self._perturbations.variance or 0.0
        if not self._by_pairs:
            return
        d, pairs = self._dimension, self._perturbations.pairs
        whiten = self._options.aggregate == "mean" and pairs >= d and d <= DENSE_UP_TO
        if self._variance and not whiten:
            return
        chunks = self._perturbations.chunks() if self._kept is None else self._kept
        moments, square = np.zeros((d, d)) if whiten else None, 0.0
        for u in chunks:
            square += float(np.square(u).sum())
            if moments is not None:
                moments += u.T @ u
        self._variance = self._variance or square / (2 * pairs * d)
        if not self._variance > 0:
            raise ValueError("distribution must return perturbations that are not all zero")
        if moments is not None:
            values, vectors = np.linalg.eigh(moments / (2 * pairs))
            if values[0] > MIN_EIGENVALUE * self._variance:
                self._factor = (vectors / values) @ vectors.T


def _gathered(chunks: Iterable[Array]) -> Iterator[list[Array]]:
    """Chunks in lists of at most so many elements, or of one chunk."""
    held: list[Array] = []
    size = 0
    for steps in chunks:
        if held and size + steps.size > CACHED:
            yield held
            held, size = [], 0
        held.append(steps)
        size += steps.size
    yield held


def _add_by_pairs(total: Aggregate, values: Array, step: Array, first: bool) -> None:
    """Samples without gradients: the unperturbed one by its value, the others in pairs."""
    if first:
        total.add(values[:1], None)
        values, step = values[1:], step[1:]
    if len(values):
        total.add_pairs(values[0::2], values[1::2], step[0::2])


class _Better:
    """Counts the samples that are better than the unperturbed one, which is counted first."""

    def __init__(self, options: SmoothedFunction) -> None:
        self._by_norm = options.sigma_strategy == "grad-norm"
        self._target = options.sigma_target
        self._reference = np.nan
        self._better = self._finite = 0
        self._first = True

    def count(self, values: Array, gradients: Array | None) -> None:
        """Take a chunk."""
        measure = values
        if self._by_norm and gradients is not None:
            measure = np.where(np.isfinite(values), np.linalg.norm(gradients, axis=1), np.nan)
        if self._first:
            self._reference = float(measure[0])
            measure = measure[1:]
            self._first = False
        measure = measure[np.isfinite(measure)]
        self._finite += len(measure)
        self._better += int((measure < self._reference).sum())

    def decide(self) -> float:
        """How the count compares to the target: at least 1 means reached."""
        target = self._target
        needed = target if isinstance(target, (int, np.integer)) else target * self._finite
        return self._better / needed if needed > 0 else np.inf
