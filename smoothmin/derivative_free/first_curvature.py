"""Curvature along every coordinate, before anything else is known, and Newton's step by it."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from smoothmin._protocol import Answers, Array, Ask, Problem, ask_value
from smoothmin._scale import START_SHARE
from smoothmin.derivative_free.survey import WIDENING


def first_curvature(
    problem: Problem, scale: Array, x: Array, f: float, seen: float
) -> Generator[Ask, Answers, tuple[Array | None, Array, float]]:
    """A diagonal Hessian (n,), None where there is none, and the lower point and its value.

    Steps are longer where values change by no more than ``seen``, as noise may.
    """
    size = START_SHARE * scale
    while True:
        first, second = _either_side(problem, x, size)
        points = x + np.concatenate([np.diag(first), np.diag(second)])
        answers = yield Ask(problem.clip(points), 0)
        rise = np.where(np.isfinite(answers.values), answers.values - f, 0.0)
        hidden = np.abs(rise.reshape(2, -1)).max(axis=0) <= seen
        if not (seen > 0 and hidden.any() and (size < scale)[hidden].any()):
            break
        size = np.where(hidden, WIDENING * size, size)
    one, two = rise[: x.size] / first, rise[x.size :] / second
    curvature = 2 * (one - two) / (first - second)
    slope = one - 0.5 * curvature * first
    # a step no longer than the scale, and what noise may hide
    curvature = np.maximum(np.abs(curvature), np.abs(slope) / scale)
    curvature = np.maximum(curvature, seen / size**2)
    if not (curvature > 0).all():
        return None, x, f
    x_new = problem.clip(x - slope / curvature)
    f_new = yield from ask_value(x_new)
    return (curvature, x_new, f_new) if f_new < f else (curvature, x, f)


def _either_side(problem: Problem, x: Array, size: Array) -> tuple[Array, Array]:
    """Changes of each variable: forward and back, or twice to one side at a bound."""
    if problem.box is None:
        return size, -size
    low, high = problem.box
    size = np.minimum(size, (high - low) / 4)
    first = np.where(x + size > high, -size, size)
    second = np.where(x + size > high, -2 * size, np.where(x - size < low, 2 * size, -size))
    return first, second
