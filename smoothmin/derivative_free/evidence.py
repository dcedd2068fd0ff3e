"""Whether anything suggests that there are lower minima than one just found.

Reference: A. H. G. Rinnooy Kan, G. T. Timmer, "Stochastic global optimization methods part I:
clustering methods", Math. Program. 39 (1987), :doi:`10.1007/BF02592070`: points belong to one
region of attraction where values rise along the way from its minimum to them.

A function is quasiconvex as seen from its minimum if it rises along every ray from there. Rays of
several lengths in random directions, with two values each, either agree with that, or end in
a point from which a descent may lead elsewhere.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from smoothmin._protocol import Answers, Array, Ask, Problem
from smoothmin._scale import box_scale
from smoothmin.derivative_free.settings import DerivativeFreeSettings

SPREAD = 10.0  # lengths of rays without a box: from a tenth of the scale to ten times
INSIDE, OUTSIDE = 4, 2  # points on a ray to a box's other parts, and to nowhere in particular
VISIBLE = 1e-6  # share of the rise along a ray that is a fall


@dataclass(frozen=True)
class Evidence:
    """Points asked, their values, and which of them lie beyond a rise."""

    points: Array  # (m, n)
    values: Array  # (m,)
    beyond: Array  # (k, n), the lowest first

    @property
    def found(self) -> bool:
        """Whether there is any."""
        return len(self.beyond) > 0


def rays(problem: Problem, scale: Array, rng: np.random.Generator) -> tuple[Array, int]:
    """Ends of rays (m, n) from the start of the problem, and how many points each is to have."""
    x, n = problem.x0, problem.x0.size
    if problem.box is not None and not np.isnan(box_scale(problem)).any():
        return rng.uniform(*problem.box, (n + 1, n)), INSIDE
    count = 2 + n // 2
    directions = rng.standard_normal((count, n))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = np.sqrt(n) * SPREAD ** np.linspace(-1, 1, count)[:, None]
    return problem.clip(x + lengths * directions * scale), OUTSIDE


def look_around(
    problem: Problem,
    fun: float,
    scale: Array,
    noise: float,
    rng: np.random.Generator,
    origin: Array | None = None,
) -> Generator[Ask, Answers, Evidence]:
    """Look along rays from a minimum, the start of the problem.

    Parameters
    ----------
    problem : Problem
    fun : float
        The value there.
    scale : ndarray, shape (n,)
    noise : float
        Of the values; what lies below another by less than ten times that is no evidence.
    rng : Generator
    origin : ndarray, shape (n,), optional
        Where the minimum was reached from; one of the rays goes through there, and beyond.
    """
    x = problem.x0
    ends, count = rays(problem, scale, rng)
    if origin is not None and not np.array_equal(origin, x):
        ends[0] = problem.clip(2 * origin - x)
    shares = np.linspace(0, 1, count + 1)[1:, None, None]
    points = problem.clip(x + shares * (ends - x))  # (count, m, n)
    answers = yield Ask(points.reshape(-1, x.size), 0)
    values = np.where(np.isfinite(answers.values), answers.values, np.inf).reshape(count, -1)
    before = np.maximum.accumulate(np.vstack([np.full(len(ends), fun), values[:-1]]))
    rise = np.where(np.isfinite(before), before - fun, 0.0)
    falls = values < before - VISIBLE * rise - DerivativeFreeSettings.signal * noise
    order = np.argsort(values[falls], kind="stable")
    return Evidence(points.reshape(-1, x.size), values.ravel(), points[falls][order])
