"""Values next to a point that may be a minimum, in directions that no model has chosen.

A start around which values rise may be one, as where another run has ended. It is where slopes
promise no more than rounding hides, and where curvatures are about what they are farther away:
their sum does not depend on the directions where a function is smooth, and grows with the
inverse of the distance across a kink. One direction more denies a model of few points that is
blind along a valley.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import NamedTuple

import numpy as np

from smoothmin._factors import OTHER_ORDER
from smoothmin._machine import EPS
from smoothmin._precision import ROUNDINGS
from smoothmin._protocol import Answers, Array, Ask, Finish, Problem
from smoothmin._scale import unstructured
from smoothmin._verdict import SHORT, VANISHING, Knowledge, judge

# in units of the scale: of central differences, whose errors promise no more than rounding hides
# from EPS**(1/2) to EPS**(1/4)
NEXT_TO = EPS**0.25


class Beside(NamedTuple):
    """Slopes and curvatures (m,) along directions, in units of the scale."""

    slopes: Array
    curvatures: Array

    @property
    def promised(self) -> float:
        """By how much values fall along these."""
        if not (self.curvatures > 0).all():
            return math.inf
        return float(0.5 * (self.slopes**2 / self.curvatures).sum())


class Around(NamedTuple):
    """What values around a start tell, none of which is lower.

    Parameters
    ----------
    bend : float
        The sum of the curvatures along the coordinates, in units of the scale.
    rise : float
        By how much the lowest of the values is higher.
    """

    bend: float
    rise: float


def beside(
    problem: Problem, scale: Array, x: Array, f: float, directions: Array
) -> Generator[Ask, Answers, Beside | None]:
    """Values ``NEXT_TO`` to both sides of ``x`` along rows (m, n); None where a bound is nearer."""
    if not len(directions):
        return Beside(np.empty(0), np.empty(0))
    steps = NEXT_TO * scale * directions
    points = x + np.concatenate([steps, -steps])
    if not np.array_equal(problem.clip(points), points):
        return None
    up, down = ((yield Ask(points, 0)).values - f).reshape(2, -1)
    return Beside((up - down) / (2 * NEXT_TO), (up + down) / NEXT_TO**2)


def start_at_minimum(
    problem: Problem, scale: Array, x: Array, f: float, around: Around
) -> Generator[Ask, Answers, Finish | Array | None]:
    """The end, if ``x`` is a minimum as far as values show; at a saddle, along what they fall.

    Parameters
    ----------
    problem : Problem
    scale : ndarray, shape (n,)
        How far variables typically move.
    x : ndarray, shape (n,)
    f : float
        The value there.
    around : Around
        What values farther away tell.
    """
    directions = cosines(x.size)
    first = yield from beside(problem, scale, x, f, directions[:1])
    if first is None:
        return None
    knows = _knowledge(problem, x / scale, f, first)
    kinked = first.curvatures.sum() > OTHER_ORDER * around.bend
    if kinked or knows.promised > max(knows.noise, VANISHING * around.rise):  # as a rule
        return None
    others = yield from beside(problem, scale, x, f, directions[1:])
    if others is None:
        return None
    found = Beside(*(np.concatenate(pair) for pair in zip(first, others, strict=True)))
    k = int(found.curvatures.argmin())
    if found.curvatures[k] < -SHORT * around.bend:  # by more than rounding makes of none
        direction: Array = directions[k]
        return direction
    if found.curvatures.sum() > OTHER_ORDER * around.bend:
        return None
    knows = _knowledge(problem, x / scale, f, found)
    if knows.vanishing and knows.promised < math.inf:
        # what is all of a value cannot be more, however narrow a valley is
        step = float(np.linalg.norm(found.slopes / found.curvatures))
        large = step * float((scale / np.maximum(1.0, np.abs(x))).max())
        knows = knows._replace(lately=((1.0, around.rise),), far=step, large=large)
    finish = judge(knows)
    return finish if finish.status.success else None


def cosines(n: int) -> Array:
    """Orthonormal rows (n, n), none along a coordinate but for ``n = 1``."""
    k = np.arange(n)
    rows = np.cos(math.pi / n * np.outer(k, k + 0.5))
    unit: Array = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def unchosen(problem: Problem, scale: Array, x: Array) -> Array:
    """Rows (m, n) of length one, without structure, along variables that no bound is next to.

    None where a bound is next to all.
    """
    row = unstructured(x.size)
    if problem.box is not None:
        low, high = problem.box
        row[(x - low < NEXT_TO * scale) | (high - x < NEXT_TO * scale)] = 0.0
    length = float(np.linalg.norm(row))
    return row[None] / length if length > 0 else np.empty((0, x.size))


def _knowledge(problem: Problem, z: Array, f: float, found: Beside) -> Knowledge:
    """What slopes next to ``z``, in units of the scale, promise."""
    moved = EPS * np.abs(z).max()  # rounding of z, which bends values, too
    bent = 0.5 * max(float(found.curvatures.max()), 0.0) * moved**2
    rounded = ROUNDINGS * (problem.unit * abs(f) + bent)
    least = max(float(found.curvatures.min()), 1e-300)
    return Knowledge(
        "The start is a minimum",
        promised=found.promised,
        size=abs(f),
        noise=rounded,
        unsure=0.5 * (rounded / NEXT_TO) ** 2 / least,
    )
