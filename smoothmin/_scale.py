"""How far variables typically move, where nobody says, and the range that suggests."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from smoothmin._check import per_coordinate
from smoothmin._machine import TINY
from smoothmin._protocol import Array, Problem

BOX_SHARE = 0.2  # of a box's width that variables are taken to move
PROBE = 1e-3  # of max(1, |x|): where a variable that matters is taken to change values
FIRST_STEP = 0.5  # of a descent, in units of the scale
START_SHARE = 0.1  # of the larger of 1 and |x0|, where there is no box
WIDE = 1e4  # width, in units of the larger of 1 and |x0|, from which on a box says nothing


def typical_scale(problem: Problem, name: str = "scale", given: Any = None) -> Array:
    """A fifth of the box's width; without a box a tenth of the larger of 1 and ``|x0|``.

    The option ``name``, a number or one for each of the user's variables, replaces it if
    it is ``given``.
    """
    if given is not None:
        return per_coordinate(name, given, problem.x0.size, problem.free)
    scale = box_scale(problem)
    guess = START_SHARE * np.maximum(1.0, np.abs(problem.x0))
    return np.maximum(np.where(np.isnan(scale), guess, scale), TINY)


def box_scale(problem: Problem) -> Array:
    """A fifth of the box's width, NaN where bounds are missing, or so far that they say nothing."""
    if problem.box is None:
        return np.full(problem.x0.size, np.nan)
    width = problem.box[1] - problem.box[0]
    telling = width < WIDE * np.maximum(1.0, np.abs(problem.x0))
    return np.where(telling, BOX_SHARE * width, np.nan)


def search_range(problem: Problem, x: Array, scale: Array) -> tuple[Array, Array]:
    """The bounds, and where there is none so wide a one around ``x``.

    Where the box says nothing, what of that lies inside it.
    """
    half = 0.5 / BOX_SHARE * scale
    low, high = x - half, x + half
    if problem.box is None:
        return low, high
    lower, upper = problem.box
    wide = np.isfinite(lower) & np.isfinite(upper) & np.isnan(box_scale(problem))
    low = np.where(np.isfinite(lower), np.where(wide, np.maximum(lower, low), lower), low)
    high = np.where(np.isfinite(upper), np.where(wide, np.minimum(upper, high), upper), high)
    return low, high


def unstructured(n: int) -> Array:
    """``n`` numbers from -1 to 1 that follow no pattern, by multiples of the golden ratio."""
    numbers: Array = np.cos(math.pi * np.arange(1, n + 1) * (math.sqrt(5) - 1))
    return numbers
