"""A descent on a surface that noise hides from near, by quadratics fitted well above the noise.

Reference: G. E. P. Box, K. B. Wilson, "On the experimental attainment of optimum conditions",
J. R. Stat. Soc. B 13 (1951): fit, go to where the fit is least, fit again.

Deviations: points are drawn from a normal distribution instead of a design; its axes become
those of the fitted quadratic, as long as it takes values to rise above the noise, so that a
valley is followed along its floor, but shorter while values are no quadratic's; a decrease is
believed by its standard error.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from smoothmin._factors import ROUNDS
from smoothmin._machine import HALF_OF_DIGITS
from smoothmin._noise import Repeated, repeated
from smoothmin._protocol import Answers, Array, Ask, Problem
from smoothmin._scale import WIDE
from smoothmin.derivative_free.surface import Decrease, decrease_left, points_needed
from smoothmin.subproblems.linear_system import inverted

SIGNAL = 3.0  # least spread of values, in units of the noise, that shows more than noise
WIDENING = 3.0  # of the distribution at once
BATCHES = 4  # of points around a centre, while a fit to them decides nothing


@dataclass(frozen=True)
class Surveyed:
    """Where a survey ended.

    Parameters
    ----------
    x : ndarray, shape (n,)
    promised : float
        Decrease that is left there at most, with a confidence of 90 %; infinite if the values
        do not tell.
    axes : ndarray, shape (n, n)
        Of the last distribution, as columns, in units of the scale.
    lowest : ndarray, shape (n,)
        The point of the lowest value.
    """

    x: Array
    promised: float
    axes: Array
    lowest: Array

    def end(self) -> Generator[Ask, Answers, tuple[Array, Repeated, float]]:
        """Where to end, the mean value there, and what is promised.

        At the lowest point, where that is surely lower: fits have missed as much at least.
        """
        here, other = (yield from repeated(self.x)), (yield from repeated(self.lowest))
        missed = here.mean - other.mean
        if missed > math.hypot(here.half_width, other.half_width):
            return self.lowest, other, max(self.promised, missed)
        return self.x, here, self.promised


class _Lowest:
    """The lowest value so far, and where."""

    def __init__(self, x: Array) -> None:
        self.x, self._value = x, math.inf

    def note(self, points: Array, values: Array) -> None:
        """Take these points (m, n) and values (m,)."""
        k = int(np.argmin(np.where(np.isfinite(values), values, np.inf)))
        if values[k] < self._value:
            self.x, self._value = points[k].copy(), float(values[k])


def survey(
    problem: Problem,
    scale: Array,
    x: Array,
    width: float | Array,
    noise: float,
    rng: np.random.Generator,
) -> Generator[Ask, Answers, Surveyed]:
    """Go down from ``x`` for as long as fitted quadratics surely fall.

    Parameters
    ----------
    problem : Problem
    scale : ndarray, shape (n,)
        How far variables typically move.
    x : ndarray, shape (n,)
    width : float or ndarray, shape (n, n)
        First standard deviation, in units of the scale, or axes of that length as columns; they
        grow until values rise above noise.
    noise : float
        Standard deviation of the values' noise.
    rng : Generator
    """
    axes = np.eye(x.size) * width if np.ndim(width) == 0 else np.asarray(width)
    left, quiet, most, spread, lowest = None, 0, math.inf, SIGNAL * noise, _Lowest(x)
    for _ in range(ROUNDS):
        left, axes = yield from _fitted(problem, scale, x, axes, noise, spread, rng, lowest)
        spread = 0.0  # curvatures tell from now on
        if left is None:
            break
        curvatures, vectors = np.linalg.eigh(left.hessian)
        lengths = np.sqrt(2 * SIGNAL * noise / np.maximum(curvatures, 1e-300))
        lengths = np.clip(lengths, 1 / WIDENING, WIDENING)
        if left.goes_on(noise):
            x, quiet = problem.clip(x + scale * (axes @ left.minimizer)), 0
        elif left.fits(noise):
            most = max(left.most, most if quiet else 0.0)
            quiet += 1
        else:
            quiet = 0
        if not left.fits(noise):  # what is not quadratic is of third order
            lengths = np.minimum(lengths, (noise / left.misfit) ** (1 / 3))
        longest = lengths.max() < WIDENING or _widest(problem, scale, axes)
        axes = _within(problem, scale, axes @ vectors * lengths)
        # a floor may slope by more than shows until the axis along it is long enough
        if quiet > 1 and longest:
            break
    return Surveyed(x, math.inf if left is None or quiet < 2 else most, axes, lowest.x)


def _limits(problem: Problem, scale: Array) -> Array:
    """Deviations that are wide enough: half the box, or so far that nothing is known of it."""
    if problem.box is None:
        return np.full(scale.size, WIDE)
    return np.minimum(0.5 * (problem.box[1] - problem.box[0]) / scale, WIDE)


def _widest(problem: Problem, scale: Array, axes: Array) -> bool:
    """Whether a distribution is as wide as it may be."""
    deviations, limits = np.linalg.norm(axes, axis=1), _limits(problem, scale)
    return bool((deviations >= (1 - HALF_OF_DIGITS) * limits).any())


def _within(problem: Problem, scale: Array, axes: Array) -> Array:
    """The axes, none of their deviations wider than it may be."""
    deviations = np.linalg.norm(axes, axis=1)
    return axes * min(1.0, float((_limits(problem, scale) / deviations).min()))


def quantum(
    problem: Problem, scale: Array, x: Array, f: float, width: float, rng: np.random.Generator
) -> Generator[Ask, Answers, float]:
    """Standard deviation of the rounding of values that are all the same near ``x``.

    From where values begin to differ; zero if they do not within the scale. Parameters as in
    `survey`, and the value at ``x``.
    """
    same, smallest = 0.0, math.inf  # widths at which values agree and differ
    for _ in range(2 * ROUNDS):
        points = problem.clip(x + scale * width * rng.standard_normal((2 * x.size, x.size)))
        values = np.append((yield Ask(points, 0)).values, f)
        steps = np.diff(np.unique(values[np.isfinite(values)]))
        if len(steps) == 0:
            same = width
            if width >= 1:
                break
            width *= WIDENING
            continue
        smallest = min(smallest, float(steps.min()))
        if len(steps) == 1 or not same > 0:  # the next value, most likely
            break
        width = math.sqrt(same * width)
    return smallest / math.sqrt(12) if smallest < math.inf else 0.0


def _fitted(
    problem: Problem,
    scale: Array,
    x: Array,
    axes: Array,
    noise: float,
    spread: float,
    rng: np.random.Generator,
    lowest: _Lowest,
) -> Generator[Ask, Answers, tuple[Decrease | None, Array]]:
    """What a quadratic promises around ``x``, and axes along which values spread by so much."""
    count, left = points_needed(x.size), None
    points, values = np.empty((0, x.size)), np.empty(0)
    for _ in range(BATCHES):
        while True:
            deviates = rng.standard_normal((count, x.size)) @ axes.T
            new = problem.clip(x + scale * deviates)
            answers = (yield Ask(new, 0)).values
            lowest.note(new, answers)
            seen = np.concatenate([values, answers])
            finite = seen[np.isfinite(seen)]
            if len(finite) and float(np.std(finite)) > spread:
                break
            if len(values) or _widest(problem, scale, axes):
                return left, axes
            axes = _within(problem, scale, WIDENING * axes)
        points, values = np.concatenate([points, new]), seen
        z = ((points - x) / scale) @ inverted(axes).T  # jumps may have made axes parallel
        left = decrease_left(z, values, math.sqrt(x.size), noise)
        if left is None or left.most <= noise or left.goes_on(noise):
            break
    return left, axes
