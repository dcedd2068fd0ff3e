"""Whether what a search from values alone ended at may be called a minimum."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from smoothmin import _status
from smoothmin._machine import SUMMED
from smoothmin._noise import NOISE_FLOOR
from smoothmin._noisy_end import drowned
from smoothmin._protocol import Array, Finish, Iterate
from smoothmin._recent import SPAN
from smoothmin._status import Status
from smoothmin._verdict import NEGLIGIBLE, SHORT
from smoothmin.derivative_free.kink_descent import descend_along_kink
from smoothmin.portfolio.incumbent import Incumbent
from smoothmin.portfolio.phase import PhaseOutcome

DESCENTS = 6  # along kinks, the last of which must gain nothing
STUCK = "Values fall along a kink."


def last_word(
    incumbent: Incumbent, finish: Finish, scale: Array, searched: PhaseOutcome | None
) -> Generator[Any, Any, Finish]:
    """The end that a phase came to, unless something speaks against its success.

    In noise the last step is to where the search came: the lowest value is one by luck.
    """
    status, message = finish.status, finish.message
    if status is Status.NONFINITE:  # what is known is from before the search
        status, message = Status.PRECISION, _status.NO_VALUE_FOUND
    if status.success:
        stagnated = finish.info.get("stagnated", False)
        doubt = yield from verified(incumbent, scale, stagnated=stagnated)
        if doubt is not None:
            status, message = Status.PRECISION, doubt
    if searched is not None and drowned(incumbent.noise or 0.0, incumbent.fun):
        yield Iterate(searched.x, searched.last)
    return Finish(status, message, **incumbent.info())


def verified(
    incumbent: Incumbent, scale: Array, *, stagnated: bool = False
) -> Generator[Any, Any, str | None]:
    """What speaks against success, None if nothing does.

    Values that ended, that differ by rounding only, that still fall beyond the best point as
    seen from the start, or along a kink that the run never left and that is no kink of a
    linear function; where a search has ``stagnated``, it may lie on a kink that it met.
    """
    x, fun, x0 = incumbent.x, incumbent.fun, incumbent.problem.x0
    if incumbent.silent > max(SPAN, x.size):
        return "Values stopped being finite."
    if not incumbent.differs:
        return _status.PLATEAU
    clear = NOISE_FLOOR * (incumbent.noise or 0.0) + SUMMED * abs(fun)
    beyond = incumbent.problem.clip(2 * x - x0)
    if not (np.array_equal(beyond, x) or np.array_equal(beyond, x0)):
        values = yield from incumbent.ask("check", beyond[None])
        if values[0] < fun - clear:
            return "Values still fall beyond the best point: `fun` may be unbounded below."
    if x.size > 1 and (stagnated or (np.abs(x - x0) <= SHORT * scale).all()):
        return (yield from _leave_kink(incumbent, scale, clear, stagnated))
    return None


def _leave_kink(
    incumbent: Incumbent, scale: Array, clear: float, stagnated: bool
) -> Generator[Any, Any, str | None]:
    """Descend along a kink until that gains next to nothing beside the first time.

    A search that left a decrease for others to find has not seen a minimum: a descent that
    gains nothing has to confirm theirs.
    """
    first = incumbent.fun
    for _ in range(DESCENTS):
        before = incumbent.fun
        converged = yield from descend_along_kink(incumbent, scale)
        gain = before - incumbent.fun
        if converged is None and gain <= clear:
            return STUCK if stagnated and first - incumbent.fun > clear else None
        little = gain <= max(clear, NEGLIGIBLE * (first - incumbent.fun))
        if little or (converged and not stagnated):
            return None
    return STUCK
