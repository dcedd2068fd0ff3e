"""Whether anything suggests that there are lower minima than one just found.

Reference: A. H. G. Rinnooy Kan, G. T. Timmer, "Stochastic global optimization methods part I:
clustering methods", Math. Program. 39 (1987), :doi:`10.1007/BF02592070`: points belong to one
region of attraction where values rise along the way from its minimum to them.

A function is quasiconvex as seen from its minimum if it rises along every ray from there. Rays of
several lengths in random directions, with a few values each, either agree with that, or end in
a point from which a descent may lead elsewhere.

A function that rises less than its curvature at the minimum says is another one farther out: the
minimum may be one of many in a wider bowl, whose rise hides them. Along such a ray values are
taken at half the length, and so on, until the minimum's parabola explains them.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from smoothmin._factors import OTHER_ORDER
from smoothmin._machine import SUMMED
from smoothmin._noise import NOISE_FLOOR
from smoothmin._protocol import Answers, Array, Ask, Problem
from smoothmin._scale import box_scale
from smoothmin._verdict import SHORT

INSIDE, OUTSIDE = 4, 2  # points on a ray to a box's other parts, and to nowhere in particular


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


def rays(problem: Problem, scale: Array, rng: np.random.Generator, boxed: bool) -> Array:
    """Ends of rays (m, n) from the start of the problem."""
    x, n = problem.x0, problem.x0.size
    if boxed:
        assert problem.box is not None
        return rng.uniform(*problem.box, (n + 1, n))
    count = 2 + n // 2
    directions = rng.standard_normal((count, n))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = np.sqrt(n) * OTHER_ORDER ** np.linspace(-1, 1, count)[:, None]
    return problem.clip(x + lengths * directions * scale)


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
        Of the values; what lies below another by less than five times that is no evidence.
    rng : Generator
    origin : ndarray, shape (n,), optional
        Where the minimum was reached from; one of the rays goes through there, and beyond.
    """
    x = problem.x0
    boxed = problem.box is not None and not bool(np.isnan(box_scale(problem)).any())
    ends = rays(problem, scale, rng, boxed)
    if origin is not None and not np.array_equal(origin, x):
        ends[0] = problem.clip(2 * origin - x)
    along, count = _Rays(problem, ends), INSIDE if boxed else OUTSIDE
    yield from along.ask(np.repeat(np.linspace(0, 1, count + 1)[1:, None], len(ends), axis=1))
    clear = NOISE_FLOOR * noise + SUMMED * abs(fun)
    if boxed:
        lengths = np.linalg.norm((ends - x) / scale, axis=1)
        near = np.minimum(SHORT / np.maximum(lengths, SHORT), 1 / (2 * count))
        yield from _nearer(along, near, fun, clear)
    return along.evidence(fun, clear)


def _nearer(along: _Rays, near: Array, fun: float, clear: float) -> Generator[Ask, Answers, None]:
    """Half-way points of rays, until the parabola through values at ``near`` explains them."""
    shares, inmost = along.shares[0], along.values[0] - fun
    yield from along.ask(np.outer([1.0, 2.0], near))
    first, second = along.values[-2:] - fun
    bend, slope = second - 2 * first, 0.5 * (4 * first - second)
    telling = bend > clear
    while True:
        steps = shares / near
        telling = telling & (inmost < 0.5 * (slope * steps + 0.5 * bend * steps**2))
        shares = np.where(telling & (shares > 4 * near), 0.5 * shares, np.nan)
        if not np.isfinite(shares).any():
            return
        yield from along.ask(shares[None])
        inmost = along.values[-1] - fun


class _Rays:
    """Points asked along rays, and their values."""

    def __init__(self, problem: Problem, ends: Array) -> None:
        self._problem, self._ends = problem, ends
        self.shares = self.values = np.empty((0, len(ends)))  # NaN where none was asked

    def ask(self, shares: Array) -> Generator[Ask, Answers, None]:
        """Values at these shares (k, m) of the rays."""
        asked = np.isfinite(shares)
        values = np.full(shares.shape, np.nan)
        found = (yield Ask(self._points(shares)[asked], 0)).values
        values[asked] = np.where(np.isfinite(found), found, np.inf)
        self.shares = np.concatenate([self.shares, shares])
        self.values = np.concatenate([self.values, values])

    def _points(self, shares: Array) -> Array:
        x = self._problem.x0
        return self._problem.clip(x + shares[..., None] * (self._ends - x))

    def evidence(self, fun: float, clear: float) -> Evidence:
        """What lies below a value nearer to the minimum, by more than ``clear``."""
        order = np.argsort(self.shares, axis=0, kind="stable")  # none asked, none to sort: last
        shares = np.take_along_axis(self.shares, order, axis=0)
        values = np.take_along_axis(self.values, order, axis=0)
        before = np.fmax.accumulate(np.vstack([np.full(values.shape[1], fun), values[:-1]]))
        rise = np.where(np.isfinite(before), before - fun, 0.0)
        # of the rise a parabola falls by that over `SHORT` of its way
        falls = values < before - SHORT**2 * rise - clear
        points, asked = self._points(shares), np.isfinite(shares)
        ranked = np.argsort(values[falls], kind="stable")
        return Evidence(points[asked], values[asked], points[falls][ranked])
