"""Where a descent along gradients begins, or cannot."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias

import numpy as np

from smoothmin import _status
from smoothmin._machine import EPS
from smoothmin._precision import ROUNDINGS
from smoothmin._protocol import Array, Ask, Finish, Problem, ask_one
from smoothmin._scale import PROBE
from smoothmin._status import Status

Found: TypeAlias = tuple[Array, float, Array]  # a point, its value and gradient


def first_point(problem: Problem, gtol: float | None) -> Generator[Ask, Any, Found | Finish]:
    """The start with value and gradient, or the end where these cannot be used.

    A gradient of zero is believed only after values on both sides along two directions,
    unless the user's tolerance asks for no more. Where one is lower, that is the start.
    """
    x = problem.clip(problem.x0)
    f, g = yield from ask_one(x)
    if (finish := unusable(f, g)) is not None or gtol is not None or g.any():
        return finish or (x, f, g)
    there = yield from lower_beside(problem, x, f)
    if there is None:
        return x, f, g
    f, g = yield from ask_one(there)
    return (there, f, g) if g.any() else Finish(Status.GRADIENT, _status.ZERO_GRADIENT)


def lower_beside(problem: Problem, x: Array, f: float) -> Generator[Ask, Any, Array | None]:
    """The lowest of points on both sides along two directions, if it is lower than ``x``."""
    size = PROBE * np.maximum(1.0, np.abs(x))
    signs = np.ones((min(2, x.size), x.size))
    signs[1:, ::2] = -1.0
    points = problem.clip(x + np.concatenate([signs, -signs]) * size)
    answers = yield Ask(points, 0)
    values = np.where(np.isfinite(answers.values), answers.values, np.inf)
    k = int(values.argmin())
    there: Array = points[k].copy()
    return there if values[k] < f - ROUNDINGS * EPS * abs(f) else None


def unusable(f: float, g: Array) -> Finish | None:
    """The end of a run whose first value or gradient is not finite."""
    if not np.isfinite(f):
        return Finish(Status.NONFINITE, _status.nonfinite_start(f))
    if not np.isfinite(g).all():
        return Finish(Status.NONFINITE, _status.NONFINITE_GRADIENT)
    return None
