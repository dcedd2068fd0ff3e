"""Where a descent along gradients begins, or cannot."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias

import numpy as np

from smoothmin import _status
from smoothmin._machine import EPS
from smoothmin._precision import ROUNDINGS
from smoothmin._protocol import Array, Ask, Finish, Problem, ask_one
from smoothmin._scale import PROBE, unstructured
from smoothmin._status import Status

Found: TypeAlias = tuple[Array, float, Array]  # a point, its value and gradient


def first_point(problem: Problem, gtol: float | None) -> Generator[Ask, Any, Found | Finish]:
    """The start with value and gradient, or the end where these cannot be used.

    A gradient of zero is believed only after values on both sides along two directions, and along
    a third where gradients beside show how values bend, unless the user's tolerance asks for no
    more. Where one is lower, that is the start.
    """
    x = problem.clip(problem.x0)
    f, g = yield from ask_one(x)
    if (finish := unusable(f, g)) is not None or gtol is not None or g.any():
        return finish or (x, f, g)
    there = yield from lower_beside(problem, x, f)
    if there is None and problem.differences is None and x.size > 3:  # of no more than 2n + 1
        there = yield from _lower_where_it_bends(problem, x, f)
    if there is None:
        return x, f, g
    f, g = yield from ask_one(there)
    return (there, f, g) if g.any() else Finish(Status.GRADIENT, _status.ZERO_GRADIENT)


def lower_beside(problem: Problem, x: Array, f: float) -> Generator[Ask, Any, Array | None]:
    """The lowest of points on both sides along two directions, if it is lower than ``x``.

    Steps differ in length: a descent from where variables are the same may keep them so.
    """
    size = PROBE * np.maximum(1.0, np.abs(x)) * (0.75 + 0.25 * unstructured(x.size))
    signs = np.ones((min(2, x.size), x.size))
    signs[1:, ::2] = -1.0
    return (yield from _lower(problem, x, f, np.concatenate([signs, -signs]) * size))


def _lower_where_it_bends(
    problem: Problem, x: Array, f: float
) -> Generator[Ask, Any, Array | None]:
    """A lower point than ``x``, of no gradient, where gradients beside it show that values bend.

    The least curvature by two steps of Lanczos's method: along a direction, and along the gradient
    there. Of a saddle that bends down about as much as up that is negative.
    """
    step = PROBE * np.maximum(1.0, np.abs(x)) * unstructured(x.size)
    steps, changes = np.stack([step, step]), np.empty((2, x.size))
    for k in range(2):
        if (problem.clip(x + steps[k]) != x + steps[k]).any():
            return None
        value, changes[k] = yield from ask_one(x + steps[k])
        if unusable(value, changes[k]) is not None:
            return None
        if k == 0:
            across = changes[0] - (changes[0] @ step) / (step @ step) * step
            size = float(np.linalg.norm(across))
            if not 0 < size < np.inf:
                return None
            steps[1] = float(np.linalg.norm(step)) / size * across
    bends = changes @ steps.T
    least, vectors = np.linalg.eigh(bends + bends.T)
    if not least[0] < 0:
        return None
    down = vectors[:, 0] @ steps
    return (yield from _lower(problem, x, f, np.stack([down, -down])))


def _lower(problem: Problem, x: Array, f: float, steps: Array) -> Generator[Ask, Any, Array | None]:
    """The lowest of the points that steps (k, n) lead to, if it is lower than ``x``."""
    points = problem.clip(x + steps)
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
