"""The least point of a quasi-Newton model between bounds.

References: D. P. Bertsekas, "Projected Newton methods for optimization problems with simple
constraints", SIAM J. Control Optim. 20 (1982); J. J. More, G. Toraldo, "On the solution of
large quadratic programming problems with bound constraints", SIAM J. Optim. 1 (1991).

Deviations, and why: a round searches along the chord to the clipped Newton point, where the
model's minimum is known, instead of the bent path. Where the chord goes up, variables that
push against their bounds are held, or the step goes to the first bound only.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from smoothmin._factors import ROUNDS
from smoothmin._protocol import Array, Mask
from smoothmin.subproblems.trust_region import ACCURACY

SOLVED = 1e-10  # of the largest decrease a round hoped for: to hope for less ends


class Model(Protocol):
    """A positive definite matrix B."""

    def curve(self, s: Array) -> Array:
        """``B s``."""
        ...

    def newton(self, r: Array, free: Mask) -> Array:
        """``-B^-1 r`` for the rows and columns ``free`` alone; 0 elsewhere."""
        ...


class _Chord(NamedTuple):
    """A way down in the box, its end, whether that is Newton's, and the decrease hoped for."""

    chord: Array
    end: Array
    whole: bool
    hope: float


def box_step(model: Model, g: Array, low: Array, high: Array) -> Array:
    """Minimize ``g's + s'B s / 2`` over the box ``low <= s <= high`` around 0.

    Every round lowers the model, so that the end of any is a direction of descent.
    """
    s, r = np.zeros_like(g), g  # r = g + B s
    largest = 0.0
    for _ in range(ROUNDS):
        fixed = pushed(s, -r, low, high)
        way = _chord(model, s, r, ~fixed, low, high)
        slope = float(r @ way.chord)
        if not slope < 0 or way.hope <= SOLVED * largest:
            break
        largest = max(largest, way.hope)
        bend = model.curve(way.chord)
        square = float(way.chord @ bend)
        t = -slope / square if square > 0 else 1.0
        if t < 1 and not way.whole:
            s, r = s + t * way.chord, r + t * bend
            continue
        s, r = way.end, r + bend
        if way.whole and not (fixed & ~pushed(s, -r, low, high)).any():
            break
    return s


def pushed(s: Array, force: Array, low: Array, high: Array) -> Mask:
    """Which variables are at a bound, and forced against it."""
    blocked: Mask = ((s <= low) & (force < 0)) | ((s >= high) & (force > 0))
    return blocked


def _chord(model: Model, s: Array, r: Array, free: Mask, low: Array, high: Array) -> _Chord:
    while True:
        newton = model.newton(r, free)
        hope = -float(r @ newton)
        aim = s + newton
        end = np.minimum(np.maximum(aim, low), high)
        if (end == aim).all():
            return _Chord(newton, end, True, hope)
        chord = end - s
        if -float(r @ chord) > ACCURACY * hope:
            return _Chord(chord, end, False, hope)
        held = free & pushed(s, newton, low, high)
        if not held.any():
            break
        free = free & ~held
    bound = np.where(newton < 0, low, high)
    share = np.full(len(s), np.inf)
    np.divide(bound - s, newton, out=share, where=newton != 0)
    first = share.min()
    end = np.where(share == first, bound, s + first * newton)
    return _Chord(end - s, end, False, hope)
