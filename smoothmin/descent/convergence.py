"""What a descent along gradients knows of where it stands, for the judge.

How the quantities of the rules in `smoothmin._verdict` are found: the promise of a gradient by
the metric or, where that knows nothing, by slopes on the line that was searched last; the noise
from the rounding unit of values and from values that do not follow slopes along short steps.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from smoothmin import _status
from smoothmin._factors import MINOR, OTHER_ORDER
from smoothmin._machine import EPS
from smoothmin._precision import ROUNDINGS
from smoothmin._protocol import Array, Ask, Finish, Problem, ask_one
from smoothmin._recent import SPAN, Recent
from smoothmin._status import Status
from smoothmin._verdict import BLURRED, NEGLIGIBLE, SHORT, SURE, VANISHING, Knowledge, beside, judge
from smoothmin.descent.both_sides import BothSides
from smoothmin.descent.failed_search import displacing, level, noise_on_line, promised_on_line
from smoothmin.descent.first_point import Found, unusable
from smoothmin.descent.goldstein import NearbyGradients
from smoothmin.descent.one_sided import OneSided
from smoothmin.descent.tolerances import Tolerances, largest
from smoothmin.descent.under_noise import UnderNoise
from smoothmin.descent.unexplored import (
    changes_of,
    farthest,
    lower_along_coordinates,
    promised_along,
    unexplored,
)
from smoothmin.linesearch.line_result import LineResult
from smoothmin.metrics.metric import Metric
from smoothmin.subproblems.min_norm import KnownLength, euclidean_norm

FINISHING = 2, 0.03  # a promise that falls to this share within so many steps is worth going on


class Convergence:
    """Collects what is known step by step, and asks the judge.

    Parameters
    ----------
    problem : Problem
    tolerances : Tolerances, float or None
        The user's; a number is ``gtol``.
    """

    def __init__(self, problem: Problem, tolerances: Tolerances | float | None) -> None:
        given = tolerances if isinstance(tolerances, Tolerances) else Tolerances(tolerances)
        self._problem, self._given = problem, given
        # what the user asks of each step, if anything: most are to cost little
        self._for_steps, self._asked = given.for_steps, given.gtol is not None
        self._short = ""  # why the last step was the last one, if a tolerance says so
        self.recent = Recent()
        self._one_sided = OneSided(problem, self.recent)  # of differences, if there are any
        self._promises = deque([math.inf], maxlen=FINISHING[0])  # the last
        self._standing = 0.0  # what a metric promised whose search found nothing lower, ...
        self._promised_at = math.inf  # ... and the value then
        self._length = 0.0  # of the last step
        self.walled = False  # whether searches have met points without a value
        self.curvatures: Array | None = None  # along coordinates, where the metric was misled
        self._rescues = 0  # how often it was
        self.metric: Metric | None = None  # what a descent has learnt of curvature
        self.nearby = NearbyGradients(problem, self.recent)
        self._idle = max(SPAN, problem.x0.size)
        self._renewed = 0  # the step since which memory has been kept
        self._since = 0
        self._polls = 0  # that found something lower
        self._gradients: deque[Array]  # the last
        self._under_noise = UnderNoise(problem)
        self._summed_at: Array | None = None  # the gradient at which `summed` is known
        self.size = KnownLength()  # of a gradient

    def begin(self, x: Array, f: float, pg: Array) -> None:
        """Take note of the start, or of a problem that has changed."""
        self.recent.clear()
        metric = self.metric if self._problem.box is None else None  # it may keep changes
        self._kept = metric if metric is not None and metric.keeps_changes else None
        self._gradients = deque([pg], maxlen=min(SPAN if self._kept is None else 2, pg.size))
        self.recent.add(x, f, self.size(pg))
        self._promises.append(math.inf)
        self._renewed = self._since = 0
        self._short = ""

    def stepped(
        self,
        x: Array,
        f: float,
        pg: Array,
        *,
        length: float,
        curvature: float = 0.0,
        whole: bool = True,
    ) -> None:
        """Take note of a step to ``x``, its value and projected gradient.

        ``length`` and ``curvature`` are those of the step. One that is not ``whole``, a
        search's that failed, is short without being the last.
        """
        self._short = ""
        if self._for_steps and whole and self.recent.steps >= 0:
            size = float(np.linalg.norm(x))
            self._short = self._given.short(self.recent.value, f, length, size)
        self._length = length
        self.recent.add(x, f, self.size(pg), curvature)
        if length > 0:  # only a step tells of curvature
            self._gradients.append(pg)
        self._under_noise.stepped(x, pg)
        self._since += 1
        # of a value that vanishes no more than itself could be had
        standing = self._standing
        if standing and self._promised_at - f >= MINOR * min(standing, abs(self._promised_at)):
            self._standing = 0.0

    @property
    def renewed(self) -> bool:
        """Whether memory has just been forgotten since it was taught elsewhere."""
        return 0 < self._renewed == self.recent.steps

    def met(self, pg: Array) -> Finish | None:
        """The end, if the user's tolerance is met, or nothing of the gradient is left."""
        some = self.size(pg) > 0
        if some and not (self._asked or self._short):
            return None
        if not some and largest(pg) == 0:
            differences = self._problem.differences
            resolved = differences is None or differences.resolves
            message = "The gradient is zero" if resolved else "On a plateau"
            return judge(Knowledge(message, promised=0.0, resolved=resolved))
        message = self._given.flat(pg) or self._short
        return judge(Knowledge(message, tolerance_met=True)) if message else None

    def rounding(self, x: Array, f: float, g: Array) -> float:
        """What rounding, or the noise that was found, hides of values at ``x``."""
        rounding = self._problem.unit * self.summed(x, f, g)
        return max(self._problem.noise, ROUNDINGS * rounding if math.isfinite(rounding) else 0.0)

    def summed(self, x: Array, f: float, g: Array) -> float:
        """The sizes of what is summed up to a value: its own, and those of the slopes to x = 0."""
        if self._summed_at is not g:  # asked for often
            self._summed_at, self._sum = g, abs(f) + float(np.abs(g).dot(np.abs(x)))
        return self._sum

    def noise(self, x: Array, f: float, g: Array) -> float:
        """The same, or what differences hide, whose gradient vanishes beside a minimum.

        There the value is off by what it rises over the displacement.
        """
        hidden, differences = self.rounding(x, f, g), self._problem.differences
        if differences is None or differences.noise > 0 or self._one_sided.leads_down:
            return hidden
        # where it is much of a value, unless that may vanish, it is no more than a guess
        blurred = self._one_sided.hides(x, f, self.metric)
        vanishing = beside(BLURRED, self.recent.changes) if 0.5 * abs(f) <= blurred else 0.0
        return max(hidden, min(blurred, max(BLURRED * abs(f), vanishing)))

    def suspects(self, promised: float, step: Array, x: Array, f: float, g: Array) -> bool:
        """Whether a gradient by differences may be no more than their error, or all but zero."""
        differences, metric = self._problem.differences, self.metric
        assert differences is not None
        if differences.noise > 0 or not promised < math.inf:
            return False
        if metric is None or metric.fresh or self._settling(x.size):
            return False
        if promised < self._one_sided.hides(x, f, self.metric):
            return True
        return self._given.gtol is None and self._left("", promised, step, x, f, g).negligible

    def closer(
        self, message: str, model: Callable[[Array], Array], step: Array, at: Found
    ) -> Generator[Ask, Any, Finish | Found | Array | None]:
        """What differences to the other side say: the end, a lower point, a better gradient.

        ``model(g)`` is the step that the metric's model has for a gradient, ``step`` that for g.
        Differences g to one side are good enough (None) for as long as they promise more than
        their error does. By the curvatures that both sides show a gradient promises something
        where the metric does not know: there the metric is of no more use.
        """
        x, f, g = at
        if self._problem.differences is None or self._one_sided.looked == self.recent.steps:
            return None
        expected = self._one_sided.hides(x, f, self.metric)
        sides = yield from self._one_sided.from_both(x, f, g)
        if not isinstance(sides, BothSides):
            return sides
        central = sides.central
        hidden = SURE * _promised(model, sides.error_of_free)
        promised = _promised(model, central)
        alone = sides.promised_alone
        knows = self._left(message, max(promised, alone), step, x, f, central)
        if not knows.negligible:
            if alone > max(hidden, OTHER_ORDER * promised) and self._rescues < SPAN:
                self._rescues += 1
                self.curvatures = sides.curvatures
                return central
            if promised > hidden:
                self._one_sided.seen_to_lead_down(hidden, expected)
                return None
        # what both sides tell is exact but for rounding, and promises are kept as earlier ones were
        rounding = self.rounding(x, f, central)
        left = min(promised * self.recent.exceeded(rounding), knows.size)
        knows = knows._replace(promised=max(knows.promised, left), noise=rounding)
        knows = self._reaching(knows, step, x, central)
        # a value that vanishes may be all that errors hide
        little = hidden <= (1.0 if knows.vanishing else BLURRED) * knows.size
        short = knows.large <= SHORT or not knows.vanishing
        if little and short and hidden <= beside(BLURRED, self.recent.changes):
            # no gains are to be extrapolated where none is sure
            knows = knows._replace(noise=max(rounding, hidden), extrapolated=0.0)
        finish = judge(knows)
        if finish.status.success and self._taught_elsewhere(knows):
            self._renewed, self.curvatures = self.recent.steps, sides.curvatures
            return central
        if finish.status.success:
            lower = yield from self.denied(at, model(central), knows)
            if lower is not None:
                return lower
            return (yield from self.polled(x, f, sides.bent_down, knows.noise)) or finish
        return self._one_sided.corrected(x, sides)

    def _left(
        self, message: str, promised: float, step: Array, x: Array, f: float, g: Array
    ) -> Knowledge:
        """What is known where a metric promises so much for a step."""
        far = self.recent.far(x, euclidean_norm(step)) if promised < math.inf else 0.0
        knows = self._knows(message, promised, x, f, g, far)
        fast = promised < FINISHING[1] * self._promises[0]
        if fast and (self._problem.differences is not None or promised <= knows.noise):
            # faster than gains tell
            knows = knows._replace(extrapolated=min(knows.extrapolated, promised))
        if knows.negligible and promised < math.inf:
            return self._reaching(knows, step, x, g)
        return knows

    def _reaching(self, knows: Knowledge, step: Array, x: Array, g: Array) -> Knowledge:
        """With how far the step or the slopes have to lead for what is left; far is much."""
        pg, size = self._problem.projected_gradient(x, g), np.maximum(1.0, np.abs(x))
        along = knows.left / (euclidean_norm(pg * size) or 1.0)
        exact = self._problem.differences is None
        return knows._replace(large=max(along, euclidean_norm(step)), exact=exact)

    def enough(
        self, promised: float, step: Array, x: Array, f: float, g: Array
    ) -> Generator[Ask, Any, Finish | Found | bool]:
        """The end before a search, if the metric promises next to nothing; or whether it lies.

        ``step`` is what it promises that for. A metric knows only directions it has met: what
        the gradient promises by itself, which the gradient a step along it tells, may not be
        much more. Where it is the answer is true: the metric is to be forgotten.
        """
        earlier = self._promises[0]
        if self._settling(x.size):
            return False
        if self.promises_much(promised, x, f, g):
            return False
        noise = self.noise(x, f, g)
        lost = promised <= NEGLIGIBLE * abs(f) and self._one_sided.is_rounding(x, f, g)
        fast = promised < FINISHING[1] * earlier
        more = promised > noise and self._finishing(promised, fast)
        if not more and self._problem.differences is None and not (fast and promised <= noise):
            # gains that go on, as the judge will find
            more = self.recent.extrapolated(noise) > max(noise, NEGLIGIBLE * self.recent.fall)
        if more and not lost:
            self._take_promise(promised)
            return False
        knows = self._left("", min(promised, noise) if lost else promised, step, x, f, g)
        self._take_promise(promised)
        going_on = self._finishing(knows.promised, fast)
        if not (knows.invisible or (knows.negligible and not going_on)):
            return False
        finish = judge(knows)
        if not finish.status.success or (self._under_noise.matters and promised > noise):
            return False  # a search tells more
        if self._taught_elsewhere(knows):
            self._renewed = self.recent.steps
            return True
        if lost:  # nor is there anything else along it to be told
            return finish
        lower = yield from self.overlooked(x, f, g, promised)
        if isinstance(lower, tuple):
            return lower
        if not knows.vanishing and self._steep(x, f, g):
            polled = yield from self.polled(x, f, g, noise)
            if polled is not None:
                return polled
        if not lower:
            pg = self._problem.projected_gradient(x, g)
            lengths = euclidean_norm(step), self._length
            alone = yield from promised_along(self._problem, x, g, pg, lengths)
            knows = knows._replace(promised=max(promised, alone))
            if alone > OTHER_ORDER * promised and not (knows.invisible or knows.negligible):
                return True
        denied = yield from self.denied((x, f, g), step, knows)
        if denied is not None:
            return denied
        return (yield from self.nearby.explored(finish, (x, f, g), noise))

    def _settling(self, n: int) -> bool:
        """Whether memory was forgotten only a few steps ago."""
        return 0 < self._renewed >= self.recent.steps - min(SPAN, n)

    def _taught_elsewhere(self, knows: Knowledge) -> bool:
        """Whether what memory has been kept of is far away, where a function is much steeper."""
        recent = self.recent
        return not knows.vanishing and recent.curvature() < SHORT * recent.curvature(self._renewed)

    def promises_much(self, promised: float, x: Array, f: float, g: Array) -> bool:
        """Whether bounds that cost little show that a promise is neither invisible nor negligible.

        By Cauchy and Schwarz rounding hides no more than with the lengths of g and x.
        """
        problem, recent, size = self._problem, self.recent, abs(f)
        if problem.differences is not None:
            return False
        fall = recent.fall
        bar = VANISHING * fall
        if promised < 0.5 * size:  # what is left need not be all of the value
            bar = max(bar, NEGLIGIBLE * (fall if fall < size else size))
        if not promised > bar:
            return False
        if not promised > ROUNDINGS * problem.unit * (size + self.size(g) * euclidean_norm(x)):
            return False
        self._take_promise(promised)
        return True

    def _take_promise(self, promised: float) -> None:
        """Take note of what a metric promises here."""
        self._promises.append(promised)
        self.recent.promise(promised)

    def _finishing(self, promised: float, fast: bool) -> bool:
        """Whether more digits are cheap: the promise falls fast, and is not at rounding yet.

        By differences each step costs as many values as there are variables.
        """
        fast = fast and self._problem.differences is None
        return self._given.gtol is not None or (fast and promised > EPS * self.recent.fall)

    def overlooked(
        self, x: Array, f: float, g: Array, left: float
    ) -> Generator[Ask, Any, Found | bool]:
        """A lower point where no curvature was observed lately, or whether values deny one."""
        problem = self._problem
        fall = OTHER_ORDER * max(left, self.rounding(x, f, g))
        kept = None if self._kept is None or self._kept.fresh else self._kept
        changes = changes_of(self._gradients) if kept is None else kept.changes(SPAN - 1)
        step = unexplored(changes, problem.projected_gradient(x, g), fall)
        if step is None or euclidean_norm(step) > self.recent.moved(x):
            return False
        found = yield from farthest(problem, (x, f, g), step)
        if found is None or unusable(*found[1:]) is not None:
            return True
        gain = f - found[1]
        knows = self._knows("", gain, x, f, g)
        # a gain far beyond what was promised shows that the metric is wrong
        small = gain <= OTHER_ORDER * fall and (knows.invisible or knows.negligible)
        return True if small else found

    def denied(self, at: Found, step: Array, knows: Knowledge) -> Generator[Ask, Any, Found | None]:
        """A lower point that a metric denies, by a gradient from both sides, if there is any.

        By its model a function is as high as before where its ``step`` is made twice, and higher
        beyond: that is looked at where it shows. Then where no curvature was observed lately.
        """
        sides = yield from self._one_sided.from_both(*at)
        if not isinstance(sides, BothSides):
            return None
        x, f, g = start = at[0], at[1], sides.central
        promised, noise = max(-0.5 * float(g @ step), 0.0), self.rounding(x, f, g)
        if 0 < promised < math.inf:
            times = OTHER_ORDER * max(1.0, noise / promised)
            found = yield from farthest(self._problem, start, times * step)
            if found is not None and f - found[1] > noise and self._rescues < SPAN:
                self._rescues += 1
                return found
        lower = yield from self.overlooked(x, f, g, max(knows.promised, noise))
        return lower if isinstance(lower, tuple) else None

    def idle(self, x: Array, f: float, g: Array) -> bool:
        """Whether the last steps together gained no more than rounding."""
        if self._since < self._idle:
            return False
        self._since = 0
        return self.recent.gained(self._idle) <= self.rounding(x, f, g)

    def searched(self, promised: float, f: float) -> None:
        """Take note of a search from a value of ``f`` that did not keep a metric's promise."""
        if self._standing < promised < math.inf:
            self._standing, self._promised_at = promised, f

    def nothing_lower(
        self, message: str, found: LineResult | None, promised: float, x: Array, f: float, g: Array
    ) -> Generator[Ask, Any, Finish | Found]:
        """The end where no lower value is to be found, or one that is lower after all.

        A search sees the direction in which the function is steepest only; values along the
        coordinates have to agree before that is a success.
        """
        if found is not None and found.endless:
            return Finish(Status.NONFINITE, _status.UNBOUNDED)
        sides = yield from self._one_sided.from_both(x, f, g)
        if isinstance(sides, BothSides):
            if sides.misleading and not self._one_sided.right_at(x):
                return x, f, self._one_sided.corrected(x, sides)
            alone = sides.promised_alone
            denies = alone > max(self.rounding(x, f, g), OTHER_ORDER * promised)
            if denies and self._rescues < SPAN:
                self._rescues += 1
                self.curvatures = sides.curvatures
                return x, f, sides.central
        noise = max(self.noise(x, f, g), displacing(x, self._gradients, self.recent.curvature()))
        if found is not None:
            if self._problem.differences is None:
                noise = max(noise, noise_on_line(found, f, found.slope))
            if not promised < math.inf:
                promised = max(self._standing, promised_on_line(found, found.slope))
            hidden = level(found, f) if self._problem.differences is None else 0.0
            if hidden > 0:
                promised, noise = min(promised, hidden), max(noise, hidden)
        if not self._under_noise.matters and self._one_sided.is_error(x, f, g):
            promised = noise
        # no gains are to be extrapolated where there are none
        knows = self._knows(message, promised, x, f, g)
        knows = knows._replace(promised=promised, extrapolated=0.0, noise=noise)
        pg = self._problem.projected_gradient(x, g)
        knows = self._under_noise.told(knows, x, pg, alone=True)
        finish = judge(knows)
        doubted = not finish.status.success or knows.promised > knows.noise
        if self._under_noise.matters and doubted:
            beside = yield from self._under_noise.modelled(knows, x, f, pg)
            if isinstance(beside, tuple):
                return beside
            finish = beside or judge(knows._replace(hidden=0.0))  # what errors promise is no excuse
        ended = yield from self.nearby.explored(finish, (x, f, g), noise)
        if isinstance(ended, tuple) or not ended.status.success:
            return ended
        lower = yield from self.overlooked(x, f, g, max(promised, noise))
        if isinstance(lower, tuple):
            return lower
        return (yield from self.polled(x, f, g, noise)) or ended

    def _steep(self, x: Array, f: float, g: Array) -> bool:
        """Whether a slope comes to more over a variable's size than a minimum leaves of it."""
        pg = self._problem.projected_gradient(x, g)
        most = largest(pg * np.maximum(1.0, np.abs(x)))
        return self._problem.differences is None and most > math.sqrt(NEGLIGIBLE) * abs(f)

    def polled(
        self, x: Array, f: float, g: Array, noise: float, known: float = 0.0
    ) -> Generator[Ask, Any, Found | Finish | None]:
        """A lower point on one of the coordinates that promise most, if there is any."""
        pg = self._problem.projected_gradient(x, g)
        there = yield from lower_along_coordinates(self._problem, x, f, pg, noise, known)
        if there is None:
            return None
        self._polls += 1
        if self._polls > SPAN:
            given = self._problem.differences is None
            text = _status.POLLED_LOWER if given else _status.DIFFERENCES_TOO_COARSE
            return Finish(Status.PRECISION, text)
        found = yield from ask_one(there)
        return (there, *found) if unusable(*found) is None else None

    def _knows(
        self, message: str, promised: float, x: Array, f: float, g: Array, far: float = 0.0
    ) -> Knowledge:
        recent, differences = self.recent, self._problem.differences
        rounding, steep = self.rounding(x, f, g), recent.steepness
        if self.walled and recent.left > math.sqrt(NEGLIGIBLE):
            steep = 1.0  # short steps tell nothing where it is a wall that makes them short
        knows = Knowledge(
            message,
            promised=promised,
            extrapolated=recent.extrapolated(rounding),
            lately=recent.changes,
            size=abs(recent.value),
            noise=rounding if differences is None else self.noise(x, f, g),
            far=far,
            steep=steep,
            resolved=differences is None or differences.resolves,
        )
        pg = self._problem.projected_gradient(x, g)
        knows = self._under_noise.told(knows, x, pg, alone=False)
        if differences is None and (knows.invisible or knows.negligible):
            kept = min(knows.size, promised * recent.exceeded(rounding))
            return knows._replace(promised=max(promised, kept))
        return knows


def _promised(model: Callable[[Array], Array], g: Array) -> float:
    """What a model's step promises for a gradient."""
    return -0.5 * float(g.dot(model(g)))
