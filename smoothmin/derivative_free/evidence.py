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

INNER = 0.5  # share of a ray at which it is looked at before its end
SPREAD = 3.0  # lengths of rays without a box are up to so many times the scale, or a share of it
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


def rays(problem: Problem, scale: Array, count: int, rng: np.random.Generator) -> Array:
    """Ends of ``count`` rays from the start of the problem, shape (count, n)."""
    x, n = problem.x0, problem.x0.size
    if problem.box is not None and not np.isnan(box_scale(problem)).any():
        return rng.uniform(*problem.box, (count, n))
    directions = rng.standard_normal((count, n))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = np.sqrt(n) * SPREAD ** np.linspace(-1, 1, count)[:, None]
    return problem.clip(x + lengths * directions * scale)


def look_around(
    problem: Problem, fun: float, scale: Array, noise: float, rng: np.random.Generator
) -> Generator[Ask, Answers, Evidence]:
    """Look along as many rays from a minimum, the start of the problem, as there are variables.

    Parameters
    ----------
    problem : Problem
    fun : float
        The value there.
    scale : ndarray, shape (n,)
    noise : float
        Of the values; what lies below another by less than ten times that is no evidence.
    rng : Generator
    """
    x, count = problem.x0, 2 + problem.x0.size // 2
    ends = rays(problem, scale, count, rng)
    points = np.concatenate([x + INNER * (ends - x), ends])
    answers = yield Ask(problem.clip(points), 0)
    values = np.where(np.isfinite(answers.values), answers.values, np.inf)
    inner, outer = values.reshape(2, count)
    clear = 10 * noise
    with np.errstate(invalid="ignore"):
        rise = np.where(np.isfinite(inner), inner - fun, 0.0)
        falls = (outer < inner - clear - VISIBLE * rise) | (outer < fun - clear)
    lower = inner < fun - clear
    starts = np.concatenate([ends[falls], points[:count][lower]])
    order = np.argsort(np.concatenate([outer[falls], inner[lower]]), kind="stable")
    return Evidence(points, values, starts[order])
