"""Whether what a search from values alone ended at may be called a minimum."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from smoothmin import _status
from smoothmin._machine import SUMMED
from smoothmin._noise import NOISE_FLOOR, REPEATS, Repeated
from smoothmin._protocol import Array, Finish, Iterate
from smoothmin._recent import SPAN
from smoothmin._status import Status
from smoothmin._verdict import NEGLIGIBLE, SHORT
from smoothmin.derivative_free.kink_descent import descend_along_kink
from smoothmin.portfolio.incumbent import Incumbent
from smoothmin.portfolio.phase import PhaseOutcome

DESCENTS = 6  # along kinks, the last of which must gain nothing
EFFORT = 8  # values of a run for each that measures its end
STUCK = "Values fall along a kink."


def last_word(
    incumbent: Incumbent, finish: Finish, scale: Array, searched: PhaseOutcome | None
) -> Generator[Any, Any, Finish]:
    """The end that a phase came to, unless something speaks against its success."""
    status, message = finish.status, finish.message
    if status is Status.NONFINITE:  # what is known is from before the search
        status, message = Status.PRECISION, _status.NO_VALUE_FOUND
    if status.success:
        stagnated = finish.info.get("stagnated", False)
        doubt = yield from verified(incumbent, scale, stagnated=stagnated)
        if doubt is not None:
            status, message = Status.PRECISION, doubt
    end = yield from measured(incumbent, searched)
    return Finish(status, message, **end, **incumbent.info())


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
    if incumbent.highest - fun <= SUMMED * abs(fun):
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


def measured(
    incumbent: Incumbent, searched: PhaseOutcome | None
) -> Generator[Any, Any, dict[str, bool]]:
    """The value where the run ends, where there is noise, as a mean; what the end says of it.

    The lowest value was drawn among many. Values that are drawn anew at its point, and where the
    search ended, tell which of them is the lower one.
    """
    if not incumbent.noise or incumbent.noise <= SUMMED * abs(incumbent.fun):
        return {}
    count = max(REPEATS, sum(incumbent.accounts.nfev.values()) // EFFORT)
    ends = [incumbent.x]
    if searched is not None and not np.array_equal(searched.x, incumbent.x):
        ends.append(searched.x)
    means = []
    for x in ends:
        again = np.repeat(x[None], count // len(ends), axis=0)
        means.append(Repeated.of((yield from incumbent.ask("check", again))))
    k = int(np.argmin([here.mean for here in means]))
    incumbent.noise, incumbent.error = means[k].spread, means[k].half_width
    yield Iterate(ends[k], means[k].mean)
    return {"measured": True}
