"""A quadratic model of noisy values, where slopes by differences tell too little of a minimum.

Second differences of values over steps as long as noise demands tell curvatures, also across
directions, better than differences of slopes that were taken over short steps, and central
differences over them tell slopes. The directions are conjugate as far as is known, so long that
values rise by ``VISIBLE`` times the noise along each; where that shows the curvature to be much
less along another direction, they are turned to those of the model, and made longer.

Errors: with noise of standard deviation e a second difference is off by ``sqrt(6) e``, one across
directions by ``2 e``, a slope by ``e / sqrt(2)``. A symmetric matrix of independent errors of size
``2 e`` has eigenvalues of up to ``4 e sqrt(n)`` (Wigner's semicircle).

Reference: H.-J. M. Shi, Y. Xie, R. Byrd, J. Nocedal, "A noise-tolerant quasi-Newton algorithm for
unconstrained optimization", SIAM J. Optim. 32 (2022), which lengthens steps until noise is small.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smoothmin._differences import VISIBLE
from smoothmin._noise import ATTEMPTS, NOISE_FLOOR
from smoothmin._protocol import Array, Ask, Problem, ask_one


class Model(NamedTuple):
    """The decrease that a model promises, what errors of its slopes may add, and its minimum."""

    promised: float
    hidden: float
    point: Array


def model_by_values(
    problem: Problem, x: Array, f: float, inverse: Array
) -> Generator[Ask, Any, tuple[Array, float, Array] | Model | None]:
    """The model around ``x``, or a lower point; None where values are not those of a bowl.

    ``inverse`` (n, n) is the inverse Hessian as far as known, zero along what bounds hold.
    """
    noise = problem.noise
    spread, along = np.linalg.eigh(inverse)
    some = spread > 0
    k = int(some.sum())
    # twice as much as errors may feign
    seen = max(VISIBLE, 8 * math.sqrt(k)) * noise
    directions = along[:, some] * np.sqrt(spread[some] * seen)
    for _ in range(ATTEMPTS):
        directions = within(problem, x, directions)
        points, pairs = _around(x, directions)
        points = problem.clip(points)  # sums may round outward
        values = (yield Ask(points, 0)).values
        if not np.isfinite(values).all():
            return None
        lowest = int(values.argmin())
        if values[lowest] < f - NOISE_FLOOR * noise:
            there: Array = points[lowest].copy()
            return there, *(yield from ask_one(there))
        ahead, back = values[:k], values[k : 2 * k]
        bend = np.diag(ahead + back - 2 * f)
        bend[pairs] = bend.T[pairs] = values[2 * k :] - ahead[pairs[0]] - ahead[pairs[1]] + f
        sizes, turn = np.linalg.eigh(bend)
        if sizes[0] > 0.5 * seen:
            slopes = 0.5 * (ahead - back) @ turn
            to = directions @ (turn @ (-slopes / sizes))
            promised = 0.5 * float(np.sum(slopes**2 / sizes))
            hidden = 0.5 * float(np.sum(0.5 * noise**2 / sizes))
            return Model(promised, hidden, problem.clip(x + to))
        directions = directions @ turn * np.sqrt(seen / np.maximum(sizes, noise))
    return None


def _around(x: Array, directions: Array) -> tuple[Array, tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """A step along each direction, back, and along each pair of them; which pairs."""
    pairs = np.triu_indices(directions.shape[1], 1)
    across = directions[:, pairs[0]] + directions[:, pairs[1]]
    return x + np.concatenate([directions, -directions, across], axis=1).T, pairs


def within(problem: Problem, x: Array, directions: Array) -> Array:
    """Directions shortened until two of them together stay in the box."""
    if problem.box is None:
        return directions
    lower, upper = problem.box
    room = np.minimum(x - lower, upper - x)[:, None]
    with np.errstate(all="ignore"):
        share = np.where(directions == 0, np.inf, room / np.abs(directions)).min(axis=0)
    shortened: Array = directions * np.minimum(1.0, 0.5 * share)
    return shortened
