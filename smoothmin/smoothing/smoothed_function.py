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

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import numpy as np

from smoothmin._check import per_coordinate
from smoothmin._protocol import Answers, Array, Ask, Problem, Samples
from smoothmin._reflection import fold
from smoothmin.smoothing.aggregate import AGGREGATES, Aggregate
from smoothmin.smoothing.perturbations import Perturbations, base_design

if TYPE_CHECKING:
    from smoothmin.smoothing.gradient_sampling import GradientSampling

MIN_EIGENVALUE = 1e-3  # of the second moments, below which their inverse is no correction
MAX_CORRECTED = 500  # variables up to which their factorization is worth its time


class Sampler:
    """The aggregated objective: perturbations, their size, and how samples are joined."""

    def __init__(self, options: GradientSampling, problem: Problem, rng: np.random.Generator):
        self._options = options
        self._box = problem.box
        self._rng = rng
        self._dimension = problem.x0.size
        self._by_pairs = not problem.has_gradient
        self.sigma = per_coordinate("sigma", options.sigma, self._dimension, problem.free).copy()
        self._temperature = options.temperature
        self.left_out = 0
        self.share_better: float | None = None  # of the last evaluation, for the strategies
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
        self._kept = list(self._perturbations.chunks()) if options.pre_generate else None
        self._steps = None if self._kept is None else [u * self.sigma for u in self._kept]
        self._correct()
        self._temperature = options.temperature

    def scale(self, factor: float) -> None:
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
        return bool(np.all(self.sigma <= 4 * np.finfo(float).eps * np.maximum(np.abs(x), 1e-290)))

    def evaluate(self, x: Array, order: int) -> Generator[Ask, Answers, tuple[float, Array]]:
        """The aggregated value and, for ``order`` 1, gradient at ``x``."""
        total = AGGREGATES[self._options.aggregate](self._dimension, self._temperature)
        counter = _Better(self._options) if self._options.sigma_strategy else None
        by_pairs = self._by_pairs and order == 1
        begun = not self._options.include_x0

        def take(steps: Array, values: Array, gradients: Array | None) -> None:
            nonlocal begun
            if counter is not None:
                counter.count(values, gradients)
            if by_pairs:
                _add_by_pairs(total, values, steps, not begun)
            else:
                total.add(values, gradients)
            begun = True

        order = 0 if self._by_pairs else order
        if self._box is None:
            samples = Samples(x, self.chunks, order, take)
            answers = yield samples
            if not answers.taken:
                samples.take_all(answers)
        else:
            for steps in self.chunks():
                points, slope = self._within(x, steps)
                answers = yield Ask(points, order)
                gradients = answers.gradients
                take(steps, answers.values, None if gradients is None else gradients * slope)
        self.left_out += total.left_out
        if counter is not None:
            self.share_better = counter.decide()
        if isinstance(total.temperature, float):
            self._temperature = total.temperature  # kept until the samples change
        value, gradient = total.result()
        if by_pairs:
            gradient = self._normalized(gradient, total.left_out == 0)
        return value, gradient

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
        whiten = self._options.aggregate == "mean" and pairs >= d and d <= MAX_CORRECTED
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


def _add_by_pairs(total: Aggregate, values: Array, step: Array, first: bool) -> None:
    """Samples without gradients: the unperturbed one by its value, the others in pairs."""
    if first:
        total.add(values[:1], None)
        values, step = values[1:], step[1:]
    if len(values):
        total.add_pairs(values[0::2], values[1::2], step[0::2])


class _Better:
    """Counts the samples that are better than the unperturbed one, which comes first."""

    def __init__(self, options: GradientSampling) -> None:
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
