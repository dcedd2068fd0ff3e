"""`Plateaus`: descents from beyond the ends of plateaus.

Integers inside a function make values that are the same along some variables, whose differences
are zero; descents move the others alone. Farther out values differ, and lower ones may be there
once the others have followed.

Reference: R. Hooke, T. A. Jeeves, "'Direct search' solution of numerical and statistical problems",
J. ACM 8 (1961): exploratory moves, and pattern moves for as long as these come lower.

Deviations: a move is a descent in the other variables; an exploratory one is as long as the
plateau, and a pattern move is twice as long as the last.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeAlias

import numpy as np

from smoothmin._beyond import plateau_ends
from smoothmin._protocol import Array
from smoothmin._verdict import NEGLIGIBLE
from smoothmin.portfolio.incumbent import Incumbent
from smoothmin.portfolio.phase import PhaseOutcome, Watch
from smoothmin.portfolio.watches import hopeless

Descend: TypeAlias = Callable[[Array, Watch], Generator[Any, Any, PhaseOutcome | None]]


class Plateaus:
    """What is known of them at the best point, ``x0`` at first."""

    def __init__(self, x0: Array) -> None:
        self._flat = np.zeros(x0.size, dtype=bool)  # variables along which differences were zero
        self._explored = x0  # beyond whose plateaus nothing is lower
        self._stride: Array | None = None  # of the last move, if that came lower

    def learn(self, start: Array, descent: PhaseOutcome) -> None:
        """Take note of which variables a descent to the best point has not moved."""
        if descent.flat is not None and descent.gain > 0:
            self._flat[:] = False
            self._flat[descent.flat] = True
            self._flat &= descent.x == start

    def untried(self, x: Array) -> bool:
        """Whether there are any, which have not been left from the best point ``x``."""
        return bool(self._flat.any()) and not np.array_equal(x, self._explored)

    def leave(
        self, incumbent: Incumbent, descend: Descend
    ) -> Generator[Any, Any, PhaseOutcome | None]:
        """One move from the best point: a pattern move, or exploratory ones, the lowest first.

        The descent that came lower, if one did.
        """
        x, before, stride = incumbent.x, incumbent.fun, self._stride
        lower = before - NEGLIGIBLE * incumbent.decrease
        if stride is None:
            ends = plateau_ends(incumbent.problem, x, before, self._flat)
            points, values, _ = yield from incumbent.booked("check", ends)
            points = points[np.argsort(values, kind="stable")]
        else:
            points = incumbent.problem.clip(x + 2 * stride)[None]
        for point in points:
            outcome = yield from descend(point, hopeless(before))
            if incumbent.fun < lower:
                self._stride = incumbent.x - x
                return outcome
        self._stride = None
        if stride is None:
            self._explored = incumbent.x
        return None
