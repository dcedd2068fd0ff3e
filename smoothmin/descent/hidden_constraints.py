"""Walls, beyond which a function has no values: a metric learns them as it learns kinks.

A quasi-Newton method crosses a kink because the jump of the gradient there becomes curvature,
after which its steps go along the kink. Beyond a wall there is no gradient, so a jump is made
up, along the wall's normal. That is estimated from which points had values: it is the
direction that separates them by the widest margin, the shortest vector in the hull of the
directions to points without values and from points with values.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from smoothmin._factors import OTHER_ORDER
from smoothmin._machine import HALF_OF_DIGITS
from smoothmin._protocol import Array
from smoothmin.linesearch.line_result import LineResult
from smoothmin.subproblems.min_norm import min_norm_point

NEAREST = 20  # points on either side that tell the normal, ...
REMEMBERED = 200  # ... of so many


class Wall:
    """The points on both sides of a wall that searches have met."""

    def __init__(self) -> None:
        self._without: deque[Array] = deque(maxlen=REMEMBERED)
        self._with: deque[Array] = deque(maxlen=REMEMBERED)

    def pair(self, found: LineResult, x: Array, g: Array) -> tuple[Array, Array] | None:
        """A step across the wall and the jump of the gradient, after a search that met one.

        ``x`` and ``g`` are where the search began. None if it met no wall, or no normal is
        to be found.
        """
        beyond = [trial.x for trial in found.known if not math.isfinite(trial.fun)]
        if not beyond:
            return None
        self._without.extend(beyond)
        self._with.append(x)
        self._with.extend(trial.x for trial in found.known if math.isfinite(trial.fun))
        here = found.point.x
        rows = [_directions(self._without, here), -_directions(self._with, here)]
        normal = min_norm_point(np.concatenate(rows)).point
        margin = float(np.linalg.norm(normal))
        if not margin > HALF_OF_DIGITS:  # no plane separates
            return None
        crossing = min((point - here for point in beyond), key=lambda step: float(step @ step))
        return crossing, (OTHER_ORDER * float(np.linalg.norm(g)) / margin) * normal


def _directions(points: deque[Array], here: Array) -> Array:
    """Unit vectors (m, n) to the nearest points."""
    steps = np.array(points) - here
    distances = np.linalg.norm(steps, axis=1)
    nearest = np.argsort(distances, kind="stable")[: NEAREST + 1]
    nearest = nearest[distances[nearest] > 0][:NEAREST]
    directions: Array = steps[nearest] / distances[nearest, None]
    return directions
