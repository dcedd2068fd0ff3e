"""Whether what a search from values alone ended at may be called a minimum."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from smoothmin import _status
from smoothmin._protocol import Array, Ask
from smoothmin.portfolio.incumbent import Incumbent

ROUNDING = 64 * float(np.finfo(float).eps)  # share of the value, by which sums of many differ
SIGNAL = 10.0  # decrease, in units of the noise, that the noise alone does not bring
SHORT = 1e-3  # share of the scale, over which slopes at a kink are taken


def verified(incumbent: Incumbent, scale: Array) -> Generator[Any, Any, str | None]:
    """What speaks against success, None if nothing does.

    Values that ended, that differ by rounding only, that still fall beyond the best point as
    seen from the start, or along a kink that the run never left.
    """
    x, fun, x0 = incumbent.x, incumbent.fun, incumbent.problem.x0
    if incumbent.silent > x.size:
        return "Values stopped being finite."
    if incumbent.highest - fun <= ROUNDING * abs(fun):
        return _status.PLATEAU
    clear = SIGNAL * (incumbent.noise or 0.0) + ROUNDING * abs(fun)
    beyond = incumbent.problem.clip(2 * x - x0)
    if not (np.array_equal(beyond, x) or np.array_equal(beyond, x0)):
        values = yield from _ask(incumbent, beyond[None])
        if values[0] < fun - clear:
            return "Values still fall beyond the best point: `fun` may be unbounded below."
    if np.array_equal(x, x0) and x.size > 1:
        return (yield from _along_kink(incumbent, scale, clear))
    return None


def _along_kink(
    incumbent: Incumbent, scale: Array, clear: float
) -> Generator[Any, Any, str | None]:
    """Lower values where slopes along two coordinates cancel, as along a kink through ``x``.

    Of ``|a'd|`` the values along the coordinates give ``|a_i|``; along ``e_i / |a_i|`` plus or
    minus ``e_j / |a_j|`` it vanishes for one of the signs.
    """
    x, fun, problem = incumbent.x, incumbent.fun, incumbent.problem
    n = x.size
    steps = SHORT * scale
    values = yield from _ask(incumbent, problem.clip(x + np.diag(steps)))
    slopes = (values - fun) / steps
    if not (np.isfinite(slopes).all() and (slopes > 0).all()):
        return None
    lengths = SHORT * float((slopes * scale).min()) / slopes
    first = np.diag(lengths)
    second = np.roll(first, -1, axis=0)[: n - 1]
    pairs = np.concatenate([first[:-1] + second, first[:-1] - second])
    values = yield from _ask(incumbent, problem.clip(x + np.concatenate([pairs, -pairs])))
    return "Values fall along a kink." if values.min() < fun - clear else None


def _ask(incumbent: Incumbent, points: Array) -> Generator[Any, Any, Array]:
    """Values, booked; infinite where there is none."""
    ask = Ask(points, 0)
    answers = yield ask
    incumbent.book("check", ask, answers.values)
    values: Array = np.where(np.isfinite(answers.values), answers.values, np.inf)
    return values
