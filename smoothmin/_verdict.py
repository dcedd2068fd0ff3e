"""The one judge: what a method knows at its end becomes status, success and a sentence.

A method does not say whether it has converged. It says what it knows (`Knowledge`), and
`judge` decides for all methods alike; `final` then looks at the run as a whole.

The rules, and where they come from:

1. A tolerance that the user gave is absolute, as SciPy's, and the user's own judgement.
2. Else a run has converged when the decrease that is still promised is negligible. By
   Taylor's theorem a gradient g promises ``g'Hg / 2``, H being the inverse curvature; a
   model its predicted decrease; gains that shrink geometrically their sum (Aitken). Each
   is in the units of the values and does not change with those of the variables.
3. Negligible is a promise below what rounding or noise lets values show at this point, or
   below `NEGLIGIBLE` of what values have fallen by lately: in the last half of the steps, h.
   A share of a fall is the same in all units of the values, and a half of the steps
   forgets how the run began. Values that fall by the same factor in each step come to that
   share of the whole way in h steps, and are told to have converged after 2 h. For such
   values the share for the last ``w`` steps is the power ``w / h``: it is asked of shorter
   windows, too, so that convergence must have gone on to the end.
   A value that is still small beside its falls may go on falling for long: the promise has
   to be negligible beside the value, too. Where it may be all of the value, which then vanishes
   at the minimum, it has to be `VANISHING` beside the falls, also in shorter windows: the
   variables are known to `NEGLIGIBLE` then, where the function is a parabola. Far away a
   polynomial looks as if it vanished: the step has to be short by itself, too, since variables
   that are turned are large for the sake of others, and no more may be promised than there is:
   an order more where gradients are exact, three where errors of values may be as large.
   At a minimum where the function is flatter than a parabola values fall by that share while
   variables have hardly moved: a step that is promised must be short (`SHORT`) as well.
   A promise counts as large as earlier ones have proved too small: what values fell by since
   they were made shows.
4. A metric that has met a kink promises little anywhere on it. Where a function is smooth
   gradients shrink with the root of what is left; where they have not (`KINK`), the promise
   is not believed. Across kinks only a certificate counts.
5. Under noise slopes by differences have errors e, which promise ``e'He / 2`` themselves. A
   promise is below what noise hides where it is no more than ``SURE`` times that, beyond which a
   slope is sure to lead down, if errors along no direction promise more than noise hides of two
   values (`NOISE_FLOOR`). H is what steps have shown in spite of noise; see
   `smoothmin.descent.under_noise`.
6. Differences that never showed a descent show no minimum either, and neither do values
   that do not differ, that were not finite, or that fall without end.
7. Nor is there success where the best point violates constraints by more than ``ctol``.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol

from smoothmin import _status
from smoothmin._factors import MINOR
from smoothmin._noise import NOISE_FLOOR
from smoothmin._protocol import Finish
from smoothmin._status import Status

NEGLIGIBLE = 1e-8  # share of what values changed by lately: a digit more than single precision's
VANISHING = NEGLIGIBLE**2  # the same for values that vanish: of a parabola, NEGLIGIBLE of the way
SHORT = 1e-3  # in units of how far steps led lately; of a parabola it is the root of NEGLIGIBLE
CTOL_FROM_VALUES = 1e-6  # violation that counts as none without gradients, by max(1, |c|)
STATIONARY = 1e-6  # length of a mix of gradients, in units of theirs, that is as good as none
BLURRED = 1e-5  # share of the last fall that one-sided differences may hide
SURE = 4.0  # times the promise of its error that a gradient has to promise
CONVERGED = "Converged: "  # with what a success begins
KINK = 0.3  # size of a gradient, in units of the largest lately, that has not shrunk


class Knowledge(NamedTuple):
    """What a method knows when it ends; all in the user's units.

    Parameters
    ----------
    message : str
        What it ended on, without a full stop; empty if on the decrease left alone.
    tolerance_met : bool
        Whether a tolerance of the user's is met.
    promised : float
        Decrease that gradient and metric, certificate or model still promise; infinite if
        nothing is known.
    extrapolated : float
        Decrease that the last gains promise if they go on shrinking as they did.
    lately : tuple of (float, float)
        By how much the value fell in the last half of the steps, and in shares of that:
        pairs of share and fall.
    size : float
        Of the value, without a sign.
    noise : float
        What rounding and noise hide of values at this point.
    hidden, unsure : float
        Decrease that errors of slopes under noise promise: all, and along any one direction.
    far : float
        Length of the step that is promised, in units of how far steps led lately.
    large : float
        Its length by itself, of "sqp" and models in units of max(1, abs(x)), or that of the step
        along which slopes promise what is left.
    steep : float
        The gradient's size in units of the largest lately.
    exact : bool
        Whether gradients have no error that a promise near rounding could be mistaken by.
    resolved : bool
        Whether differences of values could ever be told from rounding and noise; true for exact
        gradients.
    """

    message: str
    tolerance_met: bool = False
    promised: float = math.inf
    extrapolated: float = 0.0
    lately: tuple[tuple[float, float], ...] = ()
    size: float = math.inf
    noise: float = 0.0
    hidden: float = 0.0
    unsure: float = 0.0
    far: float = 0.0
    large: float = 0.0
    steep: float = 0.0
    exact: bool = False
    resolved: bool = True

    @property
    def left(self) -> float:
        """The decrease that is still to come, as far as it is known."""
        return max(self.promised, self.extrapolated)

    @property
    def vanishing(self) -> bool:
        """Whether what is left may be all of the value: half of it, of any power."""
        return 0.5 * self.size <= self.left

    @property
    def invisible(self) -> bool:
        """Whether what is promised is below what values can show."""
        if self.noise == math.inf:  # beyond the largest number
            return False
        noise = max(self.noise, SURE * self.hidden)
        return self.promised <= noise and self.extrapolated <= max(noise, self._bar)

    @property
    def negligible(self) -> bool:
        """Whether what is promised is next to nothing beside what values did lately."""
        far = max(self.far, self.large) if self.vanishing else self.far
        return far <= SHORT and self.left <= self._bar

    @property
    def _bar(self) -> float:
        """What counts as negligible."""
        if not self.lately:
            return 0.0
        if not self.vanishing:
            return min(beside(NEGLIGIBLE, self.lately), NEGLIGIBLE * self.size)
        if SHORT * self.promised > self.size > 0:
            return 0.0
        if self.exact and MINOR * self.left > self.size > 0:
            return 0.0
        return beside(VANISHING, self.lately)


def beside(part: float, lately: tuple[tuple[float, float], ...]) -> float:
    """What is this part of the falls lately, in all shares of the steps."""
    return min((math.pow(part, share) * fall for share, fall in lately), default=0.0)


def blurred(left: float, size: float, fall: float) -> float:
    """How much of what is left near a kink, by slopes that are differences, counts as none.

    Where it may be all of a value of this size, which then vanishes, beside the last fall alone.
    """
    return BLURRED * (fall if 0.5 * size <= left else min(size, fall))


class RunRecord(Protocol):
    """What the engine has observed of a run as a whole."""

    @property
    def on_plateau(self) -> bool:
        """Whether values never differed, or the last differences were zero for want of any."""
        ...

    @property
    def level(self) -> bool:
        """Whether several values never differed."""
        ...

    @property
    def died(self) -> bool:
        """Whether the last values were not finite, though others had been."""
        ...

    @property
    def failed(self) -> str:
        """A sentence if there was no value at all, since exceptions count as none."""
        ...

    @property
    def violated(self) -> str:
        """By how much the best point violates constraints, if by too much."""
        ...


def judge(knows: Knowledge, **info: Any) -> Finish:
    """The end of a method that knows this; ``info`` is for the result."""
    status, why = _decide(knows)
    text = "; ".join(part for part in (knows.message, why) if part)
    text = f"{text[:1].upper()}{text[1:]}."
    return Finish(status, _converged(text) if status is Status.CONVERGED else text, **info)


def _converged(sentence: str) -> str:
    """A sentence that says first that the run has converged, then by what."""
    return f"{CONVERGED}{sentence[0].lower()}{sentence[1:]}"


def _decide(knows: Knowledge) -> tuple[Status, str]:
    if knows.tolerance_met:
        return Status.CONVERGED, ""
    if not knows.resolved:
        return Status.PRECISION, "differences of values are no more than rounding or noise"
    if knows.unsure > NOISE_FLOOR * knows.noise:
        size = f"{knows.unsure:.3g}" if knows.unsure < math.inf else "any size"
        return Status.PRECISION, f"noise may hide a decrease of {size}"
    smooth = knows.steep <= KINK
    if knows.invisible and smooth:
        if knows.promised == 0 and knows.message:
            return Status.CONVERGED, ""
        return Status.CONVERGED, (
            f"the decrease left, {knows.promised:.3g}, is below what rounding and noise hide, "
            f"{max(knows.noise, SURE * knows.hidden):.3g}"
        )
    if knows.negligible and smooth:
        return Status.CONVERGED, (
            f"the decrease left, {knows.left:.3g}, is negligible beside the last ones, "
            f"{knows.lately[0][1]:.3g}"
        )
    if knows.invisible or knows.negligible:
        return Status.PRECISION, "the gradient has not shrunk, as at a kink or in noise"
    if knows.promised < math.inf:
        return Status.PRECISION, f"a decrease of {knows.promised:.3g} may be left"
    return Status.PRECISION, ""


def final(finish: Finish, value: float, run: RunRecord) -> tuple[Status, str]:
    """Status and sentence of a run that ended so, with this lowest value."""
    status = Status(finish.status)
    if run.failed:
        return Status.NONFINITE, run.failed
    if run.on_plateau and status in (Status.CONVERGED, Status.PRECISION):
        return Status.PRECISION, _status.PLATEAU
    if status is Status.INFEASIBLE and math.isfinite(value) and not run.violated:
        return Status.PRECISION, _status.MET_BEFORE
    if not status.success:
        return status, finish.message
    if not math.isfinite(value):
        return Status.NONFINITE, _status.NOTHING_FINITE
    if status is Status.CONVERGED and run.died:
        return Status.NONFINITE, _status.DIED
    if run.violated:
        if finish.message in (_status.ALL_FIXED, _status.NOTHING_FREE):  # the only point there is
            return Status.INFEASIBLE, _status.contradictory(
                f"{finish.message[:-1]}, and {run.violated}"
            )
        return Status.PRECISION, f"{finish.message.removeprefix(CONVERGED)} But {run.violated}."
    if status is Status.CONVERGED and run.level:
        # nothing near is lower than a gradient of zero tells
        return status, f"{finish.message.removesuffix('.')}; {_status.LEVEL}."
    return status, finish.message
