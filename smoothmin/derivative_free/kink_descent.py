"""A descent along a flat kink through a point, such as that of an exact penalty.

Where values rise on both sides of every coordinate, with slopes ``a`` and ``b``, they may be
those of a smooth function plus ``|v'(y - x)|``: then ``|v_i| = (a_i + b_i) / 2``, and
``(a_i - b_i) / 2`` is the smooth part's slope; at a bound there is one of them only. The point
is moved onto the kink along ``v``. Across ``v`` the kink does not show, and an ordinary descent
is made in the subspace. Slopes are those over `SHORT` of the scale.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.linalg import null_space

from smoothmin._protocol import Answers, Array, Iterate
from smoothmin._reformulate import Reformulation, relay
from smoothmin._verdict import SHORT
from smoothmin.derivative_free.difference_descent import DifferenceDescent
from smoothmin.derivative_free.settings import DerivativeFreeSettings
from smoothmin.portfolio.incumbent import Incumbent
from smoothmin.portfolio.phase import Phase, play


def descend_along_kink(incumbent: Incumbent, scale: Array) -> Generator[Any, Any, bool | None]:
    """Whether a descent from the best point has converged; None if no kink is seen there."""
    normal = yield from _normal(incumbent, scale)
    if normal is None:
        return None
    yield from _onto_kink(incumbent, scale, normal)
    view = _Subspace(incumbent, scale, null_space((normal * scale)[None]))
    n = incumbent.x.size - 1
    problem = replace(
        incumbent.problem, x0=np.zeros(n), box=None, shape=(n,), free=None, whole=None
    )
    steps = relay(view, DifferenceDescent(scale=1.0).run(problem, incumbent.rng))
    method, limit = DifferenceDescent(scale=scale), DerivativeFreeSettings.descent_limit * n
    phase = Phase("descent", method, incumbent.x, limit, rest=steps)
    return (yield from play(phase, incumbent)).success


class _Subspace(Reformulation):
    """The point plus a combination of directions; no values outside the box."""

    def __init__(self, incumbent: Incumbent, scale: Array, basis: Array) -> None:
        self._problem, self._x = incumbent.problem, incumbent.x
        self._basis = scale[:, None] * basis
        self._outside = np.zeros(0, dtype=bool)

    def outward(self, points: Array) -> Array:
        """Points of the subspace, those outside moved onto the bounds."""
        whole = self._x + points @ self._basis.T
        inside = self._problem.clip(whole)
        self._outside = (whole != inside).any(axis=1)
        return inside

    def inward(self, answers: Answers) -> Answers:
        """Their values, infinite outside."""
        return Answers(np.where(self._outside, np.inf, answers.values))

    def iterate(self, message: Iterate) -> Iterate:
        """The point in all variables, without a gradient across the kink."""
        return Iterate(self.outward(message.x[None])[0], message.fun, **message.info)


def _normal(incumbent: Incumbent, scale: Array) -> Generator[Any, Any, Array | None]:
    """The kink's normal with the length of its slope, None where there is no kink.

    Its signs are those that keep values low along ``e_i / v_i - e_k / v_k``, ``v_k`` the largest.
    """
    x, fun = incumbent.x, incumbent.fun
    n, steps = x.size, SHORT * scale
    values = yield from _values(incumbent, np.concatenate([np.diag(steps), -np.diag(steps)]))
    right, left = (values[:n] - fun) / steps, (values[n:] - fun) / steps
    room = np.isfinite(right) & np.isfinite(left)  # at a bound there is one side only
    size: Array = np.where(room, 0.5 * (right + left), np.minimum(right, left))
    if not (room.any() and np.isfinite(size).all() and (right > 0).all() and (left > 0).all()):
        return None
    k = int(np.where(room, size * scale, 0.0).argmax())
    lengths = SHORT * float((size * scale).min()) / size
    others = np.flatnonzero(np.arange(n) != k)
    inward = np.where(np.isfinite(right), 1.0, -1.0)
    along = np.diag(inward * lengths)[others]
    across = np.zeros(n)
    across[k] = lengths[k]
    values = yield from _values(incumbent, np.concatenate([along - across, along + across]))
    same, opposite = np.split(values, 2)
    signs = np.ones(n)
    signs[others] = inward[others] * np.where(same < opposite, 1.0, -1.0)
    return signs * size


def _onto_kink(incumbent: Incumbent, scale: Array, normal: Array) -> Generator[Any, Any, None]:
    """Evaluate where lines meet that values on both sides, along the normal, are on."""
    across = scale * normal
    step = SHORT * scale * across / np.linalg.norm(across)
    far, near, opposite, beyond = yield from _values(
        incumbent, np.outer([-2.0, -1.0, 1.0, 2.0], step)
    )
    bend = (beyond - opposite) - (near - far)
    if 0 < bend < np.inf:
        there = (2 * near - far - 2 * opposite + beyond) / bend
        if abs(there) < 1:
            yield from _values(incumbent, there * step[None])


def _values(incumbent: Incumbent, steps: Array) -> Generator[Any, Any, Array]:
    """Values at these steps from the best point, booked; infinite where there is none."""
    points = incumbent.x + steps
    inside = incumbent.problem.clip(points)
    values = yield from incumbent.ask("check", inside)
    return np.where((points == inside).all(axis=1), values, np.inf)
