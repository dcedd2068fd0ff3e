"""How large the noise of a function is, from a few values close together.

Reference: J. J. Moré, S. M. Wild, "Estimating computational noise", SIAM J. Sci.
Comput. 33 (2011), Algorithm ECnoise (Figure 5.1) and (2.3).

Deviations: values that differ much relative to their size are no reason to stop, since
noise may be all there is near a minimum of value zero; the table of differences tells.
When the points are too far apart the spacing is divided by 100 and the estimate
repeated, and when they are too close it is multiplied, or a spacing between is tried, a
few times at most.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy.special import stdtrit

from smoothmin._differences import VISIBLE
from smoothmin._factors import OTHER_ORDER
from smoothmin._machine import EPS, TINY
from smoothmin._precision import ROUNDINGS
from smoothmin._protocol import Answers, Array, Ask, Done, Problem, advance

POINTS = 8
DOUBTFUL = 0.5  # errors of predictions, by these, that noise may be behind at small radii
NOISE_FLOOR = 5.0  # standard deviations of noise in which a predicted decrease is lost
SPACING = 1e-7  # of the points, in units of the scale
ATTEMPTS = 4
REPEATS = 20  # values at one point at least, for their mean and its error


class Verdict(Enum):
    """What a table of differences says."""

    NOISE = "noise"
    TOO_CLOSE = "too close"
    TOO_FAR = "too far"


@dataclass(frozen=True)
class NoiseEstimate:
    """The noise level, a standard deviation, and how it came about."""

    level: float
    verdict: Verdict


@dataclass(frozen=True)
class Repeated:
    """Mean and standard deviation of values at one point; the mean's 95 % interval's half-width."""

    mean: float
    spread: float
    half_width: float

    @classmethod
    def of(cls, values: Array) -> Repeated:
        """Of these values, by Student's t."""
        spread, quantile = float(np.std(values, ddof=1)), float(stdtrit(len(values) - 1, 0.975))
        return cls(float(np.mean(values)), spread, quantile * spread / math.sqrt(len(values)))

    def level(self, elsewhere: float) -> float:
        """The noise here, no more than elsewhere; that where it is a part of the function."""
        return min(self.spread, elsewhere) if self.spread > 0 else elsewhere


def repeated(x: Array, count: int = REPEATS) -> Generator[Ask, Answers, Repeated]:
    """So many values at one point, whatever is known of it."""
    answers = yield Ask(np.repeat(x[None], count, axis=0), 0, phase="check", anew=True)
    return Repeated.of(np.where(np.isfinite(answers.values), answers.values, np.nan))


def estimate_noise(values: Array) -> NoiseEstimate:
    """ECnoise on values at equally spaced points of a line.

    Parameters
    ----------
    values : ndarray, shape (m,)
        At least 4 of them, finite.

    Returns
    -------
    Estimate
        ``level`` is zero unless the verdict is that there is noise.
    """
    m = len(values) - 1
    # squares of values in units of a power of two near them neither overflow nor vanish
    unit = math.ldexp(0.5, math.frexp(float(np.abs(values).max()))[1])
    table = values / unit
    changes_by, bends = np.abs(np.diff(table)), np.abs(np.diff(table, 2))
    if np.count_nonzero(changes_by == 0) >= m / 2:
        return NoiseEstimate(0.0, Verdict.TOO_CLOSE)
    # the differences of a jump or a kink at one point agree, as those of noise do
    if any(each.max() > VISIBLE * np.median(each) > 0 for each in (changes_by, bends)):
        return NoiseEstimate(0.0, Verdict.TOO_FAR)
    levels, changes = [], []
    gamma = 1.0
    for k in range(1, m + 1):
        table = np.diff(table)
        gamma *= 0.5 * k / (2 * k - 1)  # (k!)^2 / (2k)!, (2.3)
        levels.append(math.sqrt(gamma * float(np.mean(table**2))))
        changes.append(bool(table.min() * table.max() < 0))
    for k in range(m - 2):
        three = levels[k : k + 3]
        if max(three) <= 4 * min(three) and changes[k]:
            return NoiseEstimate(unit * levels[k], Verdict.NOISE)
    return NoiseEstimate(0.0, Verdict.TOO_FAR)


def noise_along(line: Callable[[float], Array]) -> Generator[Array, Array, float]:
    """The noise level on a line, zero if there is none to be seen.

    Yields ``line(spacing)``, the `POINTS` points of an attempt, and is sent their values.
    """
    spacing, quantum = SPACING, 0.0
    close, far = 0.0, np.inf
    for _ in range(ATTEMPTS):
        values = yield line(spacing)
        if not np.isfinite(values).all():
            return 0.0
        found = estimate_noise(values)
        if found.verdict is Verdict.NOISE:
            return found.level
        if found.verdict is Verdict.TOO_CLOSE:
            close = spacing
            changes = np.abs(np.diff(values))
            quantum = float(changes[changes > 0].min(initial=np.inf))
        else:
            far = spacing
        if far == np.inf:
            spacing *= OTHER_ORDER**2
        else:
            spacing = math.sqrt(close * far) if close > 0 else spacing / OTHER_ORDER**2
    # values that come in quanta are as if rounded
    return quantum / math.sqrt(12) if np.isfinite(quantum) else 0.0


def rounded(values: Array, spacing: float) -> float:
    """What rounding of points makes of values, which beside a value of zero may be all.

    ``spacing`` is that of the points, in units of their size.
    """
    return EPS * float(np.abs(np.diff(values)).max()) / spacing


def _noise_at(x: Array) -> Generator[Ask, Answers, float]:
    """The standard deviation of values at one point; two that are equal say that there is none."""
    values = (yield Ask(np.repeat(x[None], 2, axis=0), 0, anew=True)).values
    if values[0] == values[1] or not np.isfinite(values).all():
        return 0.0
    more = (yield Ask(np.repeat(x[None], POINTS - 2, axis=0), 0, anew=True)).values
    return float(np.std(np.concatenate([values, more]), ddof=1))


def measure_noise(
    problem: Problem, x: Array, scale: Array, rng: np.random.Generator
) -> Generator[Ask, Answers, float]:
    """The noise level around ``x``, zero if there is none to be seen.

    Each attempt asks for `POINTS` values as one batch. Among integers there are no near points,
    and the same one is evaluated again.
    """
    if problem.lattice is not None:
        return (yield from _noise_at(problem.clip(x)))
    direction = rng.standard_normal(x.size)
    direction *= scale / float(np.linalg.norm(direction))
    offsets = np.arange(POINTS) - (POINTS - 1) / 2

    def line(spacing: float) -> Array:
        points = x + spacing * offsets[:, None] * direction
        if problem.box is not None:
            # the whole line is moved into the box, not its points one by one
            shift = np.maximum(problem.box[0] - points.min(axis=0), 0.0)
            shift += np.minimum(problem.box[1] - points.max(axis=0), 0.0)
            points = problem.clip(points + shift)
        return points

    attempts = noise_along(line)
    points, hidden = advance(attempts), 0.0
    while not isinstance(points, Done):
        answers = yield Ask(points, 0)
        size = max(float(np.linalg.norm(points[0])), TINY)
        spacing = max(float(np.linalg.norm(points[1] - points[0])), TINY)
        hidden = ROUNDINGS * rounded(answers.values, spacing / size)
        points = advance(attempts, answers.values)
    return points.value if points.value > hidden else 0.0
