"""Descents on the true function: polishes, and what goes on along a kink."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np

from smoothmin._machine import HALF_OF_DIGITS
from smoothmin._method import Method
from smoothmin._protocol import Array, Finish
from smoothmin._status import Status
from smoothmin._stopping import Progress
from smoothmin._verdict import Knowledge, judge
from smoothmin.descent.gradient_sampling.method import GradientSamplingDescent
from smoothmin.descent.lbfgs import LBFGS
from smoothmin.homotopy.minima import Minima
from smoothmin.portfolio.accounts import Share
from smoothmin.portfolio.incumbent import Incumbent
from smoothmin.portfolio.phase import Phase, PhaseOutcome, play
from smoothmin.portfolio.watches import Witness


class Polisher:
    """Polishes, the minima they find, and the last word of the best one.

    Parameters
    ----------
    incumbent : Incumbent
    gtol : float or None
    """

    def __init__(self, incumbent: Incumbent, gtol: float | None) -> None:
        self._incumbent, self._gtol = incumbent, gtol
        # the last word on the best point; None where nobody has asked for it
        self.finish: Finish | None = Finish(Status.PRECISION, "No polish was made.")
        self._settled = Knowledge("No polish settled")
        self.kinked = False  # whether the best point is where a polish met a kink
        self.minima = Minima(incumbent.problem.x0.size)
        self._scale: float | None = None  # inverse curvature that the last polish met first
        self._success_at: Array | None = None  # where the last word was a success

    def first(self, x: Array, *, whole: bool) -> Generator[Any, Any, Array]:
        """Polish the start, across kinks as well: where there is one minimum that is all.

        The ``whole`` way to its own end, or until nearly nothing of the gradient is left.
        """
        method = GradientSamplingDescent(stationarity_tol=self._gtol)
        return (yield from self.polish(x, "polish", method, whole=whole))

    def polish(
        self,
        x: Array,
        name: str = "polish",
        method: Method | None = None,
        *,
        whole: bool = False,
    ) -> Generator[Any, Any, Array]:
        """Minimize the true function from ``x``, unless it is hopeless; where it ends."""
        incumbent, before = self._incumbent, self._incumbent.fun
        witness = Witness(before, across=method is not None, whole=whole)
        method = method or LBFGS(gtol=self._gtol, scale=self._scale)
        outcome = yield from play(Phase(name, method, x, watch=witness), incumbent)
        finish = outcome.finish
        if witness.kinked:
            finish = Finish(Status.PRECISION, "Steps creep along a kink.")
        if (incumbent.fun < before and not self._said(outcome.x)) or not np.isfinite(before):
            if finish is not None:
                self.finish, kinked = finish, finish.status == Status.PRECISION
                self.kinked = kinked and not isinstance(method, GradientSamplingDescent)
                self._success_at = outcome.x if finish.status.success else None
            elif witness.settled:
                self.finish, self.kinked, self._settled = None, False, witness.knowledge
        self._scale = witness.scale or self._scale
        # a minimum at a bound, or far away, says little of the trend
        if name != "random" and self._is_interior(outcome.x):
            self.minima.add(outcome.x, witness.value)
        return outcome.x

    def last_word(self) -> Generator[Any, Any, Finish]:
        """What a descent from the best point that is not given up says at its end."""
        if self.finish is None:
            method = LBFGS(gtol=self._gtol, scale=self._scale)
            outcome = yield from play(Phase("polish", method, self._incumbent.x), self._incumbent)
            assert outcome.finish is not None
            # from the minimum itself nothing can be told where values are rounding
            settled = judge(self._settled)
            better = outcome.finish.status.success or not settled.status.success
            self.finish = outcome.finish if better else settled
        return self.finish

    def _said(self, x: Array) -> bool:
        """Whether a point is no other than that of a success, to half of the digits."""
        known = self._success_at
        if known is None or self.finish is None:
            return False
        size = np.maximum(1.0, np.abs(known))
        return bool((np.abs(x - known) <= HALF_OF_DIGITS * size).all())

    def _is_interior(self, x: Array) -> bool:
        """Whether no variable is at a bound."""
        box = self._incumbent.problem.box
        return box is None or bool(((x > box[0]) & (x < box[1])).all())


class KinkDescent:
    """A descent along a kink that goes on from pass to pass while nothing lower is found."""

    def __init__(self, gtol: float | None, incumbent: Incumbent, polisher: Polisher) -> None:
        self._method = GradientSamplingDescent(stationarity_tol=gtol)
        self._incumbent, self._polisher = incumbent, polisher
        self._suspended: PhaseOutcome | None = None
        self._settled = math.inf  # the best value when that was suspended

    def go_on(self, last: bool) -> Generator[Any, Any, None]:
        """From the best point, at no more than the passes' cost but for the last."""
        incumbent, share = self._incumbent, Share(("kink",), ("smoothed", "polish"))

        def spent(now: Progress) -> str | None:
            return None if last or share.left(incumbent.accounts) else "Spent."

        phase = Phase("kink", self._method, incumbent.x, watch=spent)
        if self._suspended is not None and incumbent.fun >= self._settled:
            phase = self._suspended.resumed(phase)
        outcome = yield from play(phase, incumbent, keep=True)
        outcome.asked.clear()
        self._settled = incumbent.fun
        self._suspended = outcome if outcome.finish is None else None
        if outcome.finish is not None:
            self._polisher.finish, self._polisher.kinked = outcome.finish, False
