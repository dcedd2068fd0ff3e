"""`DifferenceDescent`: BFGS from values alone, each difference as long as it should be.

References: A. S. Berahas, R. H. Byrd, J. Nocedal, "Derivative-free optimization of noisy
functions via quasi-Newton methods", SIAM J. Optim. 29 (2019); J. J. Moré, S. M. Wild,
"Estimating derivatives of noisy simulations", ACM Trans. Math. Softw. 38 (2012).

Deviations: the differences are taken along the columns of J, H = J J' being the inverse
Hessian, instead of the coordinates. There the curvature is one as far as it is known,
so one step length, ``2 sqrt(noise)``, is right for all of them, however badly scaled or
correlated the variables are, and forward differences reach the noise level. Where
nothing is known, the inverse Hessian is some more than along the flattest step so far,
since BFGS corrects one too large sooner than one too small. The line search uses values
only, since a gradient costs as much as ``n`` of them, and it extends steps as well.
Between bounds the step is to the model's minimizer there: one clipped afterwards climbs
where variables interact. Where the values on a line are straight up to a kink, the step
leads just beyond it (A. S. Lewis, M. L. Overton, "Nonsmooth optimization via
quasi-Newton methods", Math. Program. 141 (2013), on why BFGS needs that), and steps are
taken on which the last tangents agree, as in bundle methods (`IterateTangents`). Of many
variables those alone move that promise a decrease, if they are few, and the slopes that these
change are looked for (`GroupTests`).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from smoothmin import _status
from smoothmin._check import require_bool, require_real, require_scale, require_square
from smoothmin._estimate import ESTIMATE, CurvatureEstimate
from smoothmin._factors import MINOR, OTHER_ORDER, WITNESSES
from smoothmin._machine import EPS, SUMMED
from smoothmin._method import Method
from smoothmin._noise import measure_noise
from smoothmin._precision import SINGLE
from smoothmin._protocol import Answers, Array, Ask, Finish, Iterate, Problem, Steps, ask_value
from smoothmin._recent import Recent
from smoothmin._scale import FIRST_STEP, START_SHARE, typical_scale
from smoothmin._status import Status
from smoothmin._verdict import KINK, SHORT, Knowledge, judge
from smoothmin.derivative_free.difference_metric import (
    FIRST_DIFFERENCE,
    LargeMetric,
    displaced,
    gradient_along,
    metric_for,
)
from smoothmin.derivative_free.first_curvature import first_curvature
from smoothmin.derivative_free.group_testing import GroupTests, few_parts, pays
from smoothmin.derivative_free.survey import SIGNAL, quantum, survey
from smoothmin.derivative_free.tangents import IterateTangents
from smoothmin.descent.quasi_newton import PATIENCE, search_direction
from smoothmin.linesearch.backtracking import Backtracking

HIDDEN = "Predicted decreases are lost in the noise"


@dataclass(frozen=True)
class DifferenceDescent(Method):
    """Minimize a function from values alone by BFGS with differences.

    Parameters
    ----------
    scale : float or array_like of shape (d,), optional
        How far variables typically move. By default a fifth of the box's width, and
        without a box a tenth of the larger of 1 and ``|x0|``.
    noise : float, default 0
        Standard deviation of the noise of the values. Rounding is always allowed for.
    curvature : bool, default False
        Begin with second differences along every coordinate, ``2 d`` values, for a first
        diagonal Hessian: worth it for many variables of different curvature.
    ftol : float, optional
        Converged when neither the decrease that the gradient promises nor that of the last step
        is larger, in units of the decrease so far if that is less than 1 or the value, or below
        the noise. By default when it is negligible beside what values fell by lately.
    hess_inv0 : array_like of shape (d, d), optional
        The inverse Hessian to begin with, for up to a hundred variables.
    xtol : float, optional
        Converged when the step ahead is no longer, in units of the scale, or below the noise.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value.

    Notes
    -----
    A gradient is ``d`` values asked as one batch. Kinks are allowed for: steps lead beyond
    them, in directions on which the last 30 tangents agree [2]_. The run ends when the
    decrease that the gradient predicts is below the noise. Where differences lead nowhere,
    or three values close together are on no line, the noise is measured; ``res.noise`` is
    what was found.

    References
    ----------
    .. [1] A. S. Berahas, R. H. Byrd, J. Nocedal, "Derivative-free optimization of
       noisy functions via quasi-Newton methods", SIAM J. Optim. 29 (2019),
       :doi:`10.1137/18M1177718`.
    .. [2] L. Lukšan, J. Vlček, "A bundle-Newton method for nonsmooth unconstrained
       minimization", Math. Program. 83 (1998).

    Examples
    --------
    >>> from scipy.optimize import rosen
    >>> from smoothmin import DifferenceDescent, minimize
    >>> res = minimize(rosen, [-1.2, 1.0], method=DifferenceDescent())
    >>> res.success, bool(res.fun < 1e-12), res.nfev < 200
    (True, True, True)
    """

    name: ClassVar[str] = "difference-descent"
    summary: ClassVar[str] = (
        "values alone: BFGS with differences as long as they should be; noise, kinks"
    )
    reference: ClassVar[str] = "Berahas, Byrd, Nocedal (2019)"
    handles_bounds: ClassVar[bool] = True
    scale_option: ClassVar[str | None] = "scale"
    hess_inv: ClassVar[Literal["array", "operator", "learnt"] | None] = "learnt"

    scale: ArrayLike | None = None
    noise: float = 0.0
    curvature: bool = False
    ftol: float | None = None
    hess_inv0: ArrayLike | None = None
    xtol: float | None = None
    # the steps of a descent that led to the start
    recent: Recent | None = field(default=None, repr=False, metadata={"option": False})

    def __post_init__(self) -> None:
        require_scale("scale", self.scale, optional=True)
        require_real("noise", self.noise, minimum=0, below=np.inf)
        require_bool("curvature", self.curvature)
        if self.ftol is not None:
            require_real("ftol", self.ftol, minimum=0)
        if self.hess_inv0 is not None:
            require_square("hess_inv0", self.hess_inv0)
        if self.xtol is not None:
            require_real("xtol", self.xtol, minimum=0)

    @property
    def needs_gradient(self) -> bool:
        """Never."""
        return False

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize; once more from where a metric has ended that was taught elsewhere."""
        options, before = self, math.inf
        while True:
            scale = typical_scale(problem, "scale", self.scale)
            descent = _DifferenceRun(options, problem, scale, rng)
            finish = yield from descent.run()
            if not (finish.status.success and descent.strayed and descent.fun < before):
                return finish
            before = descent.fun
            options, problem = replace(self, hess_inv0=None, recent=None), problem.at(descent.x)


class _DifferenceRun:
    """One run."""

    def __init__(
        self, options: DifferenceDescent, problem: Problem, scale: Array, rng: np.random.Generator
    ) -> None:
        self._problem, self._scale, self._rng = problem, scale, rng
        self._options, self._noise = options, options.noise
        self._recent = Recent() if options.recent is None else deepcopy(options.recent)
        self._first = math.inf  # the first value
        self._vanishing = False  # whether what is left may be all of the value
        self._fell = 0.0  # decrease so far
        self._steep = 0.0  # the last slope, times the scale
        self._changed = 0.0  # the value, by all of the last differences
        self._unit = problem.unit  # as it is known yet
        self._anew = False  # whether all is to be learnt anew from x and f
        self._sparse = False  # whether the last step changed few slopes
        self._in_part = False  # whether slopes that changed little are as they were
        self._x, self._f = problem.x0, math.inf
        # what the last searches met: 2 is a jump or no value, 1 a rise that may be one
        self._jumps: deque[int] = deque(maxlen=2 * WITNESSES)
        self._metric = metric_for(problem.x0.size, scale)
        if options.hess_inv0 is not None and not isinstance(self._metric, LargeMetric):
            self._metric.begin_with(np.asarray(options.hess_inv0, dtype=float))

    @property
    def strayed(self) -> bool:
        """Whether curvature lately is next to nothing beside what the metric was taught.

        Down a fourth power it falls with the square of the distance. Or whether slopes, as they
        are, take off much of the value within the scale.
        """
        if self._vanishing or self._options.ftol is not None:
            return False
        recent, slopes = self._recent, self._steep > SHORT * abs(self._recent.value)
        return slopes or recent.curvature() < SHORT**2 * recent.curvature(0)

    def run(self) -> Steps:
        """Minimize."""
        x = self._problem.clip(self._problem.x0)
        f = yield from ask_value(x)
        if not np.isfinite(f):
            return Finish(Status.NONFINITE, _status.nonfinite_start(f))
        self._x, self._f, self._first = x, f, f
        finish = None
        while finish is None:
            yield from self._begun()
            finish = yield from self._descend(self._x, self._f)
        return finish

    def _begun(self) -> Generator[Any, Any, None]:
        """What has to be known before the first gradient."""
        x, f = self._x, self._f
        if not self._noisy(f) and (yield from self._bent(x, f)):
            seen = yield from measure_noise(self._problem, x, self._scale, self._rng)
            if seen > FIRST_DIFFERENCE * abs(f):
                self._noise = seen
                yield Iterate(x, f, **self._seen)
        if self._options.curvature or (self._noisy(f) and self._metric.fresh):
            seen = SIGNAL * self._noise if self._noisy(f) else 0.0
            start = first_curvature(self._problem, self._scale, x, f, seen)
            curvature, self._x, self._f = yield from start
            if curvature is not None:
                self._metric.begin(curvature)
        self._anew, self._unit = False, self._problem.unit

    def _descend(self, x: Array, f: float) -> Generator[Any, Any, Finish | None]:
        """To an end; or to where noise has turned out, from which all is to be learnt anew."""
        g = yield from self._gradient(x, f)
        tangents, curvature = IterateTangents(x, f, g), 0.0
        while True:
            pg = self._problem.projected_gradient(x, g)
            self.x, self.fun = x, f
            self._steep = float(np.linalg.norm(pg * self._scale))
            self._recent.add(x / self._scale, f, self._steep, curvature)
            direction = self._direction(x, g, pg)
            knows = self._knowledge(x, f, g, direction)
            if self._in_part and self._may_end(knows):
                g = yield from self._gradient(x, f)
                continue
            finish = yield from self._converged(x, f, g, direction, knows)
            if finish is not None or self._anew:
                return finish
            if self._metric.along_coordinates:
                direction = few_parts(g, direction)
            slope, agreed = float(g @ direction), self._agreed(tangents, x, g, pg)
            found = yield from self._search(x, f, *(agreed or (direction, slope)))
            if sum(self._jumps) > 2 * WITNESSES:
                return judge(Knowledge("Values jump, or end, along the steps"), jumps=True)
            if found is None and agreed is not None:
                tangents.clear()
            elif found is None and self._in_part:
                g = yield from self._gradient(x, f)
            elif found is None:
                finish = yield from self._led_nowhere(x, f, g, -0.5 * slope)
                if finish is not None or self._anew:
                    return finish
            else:
                x_new, f_new = found
                self._fell = max(self._fell, self._first - f_new)
                g_new = yield from self._next_gradient(x_new, f_new, x_new - x, g)
                # the step is along -H pg unless it was projected, or others had a say
                along = self._problem.box is None and agreed is None
                self._metric.learn(x_new - x, g_new - g, pg if along else None)
                moved = (x_new - x) / self._scale
                curvature = float((g_new - g) @ (x_new - x)) / max(float(moved @ moved), 1e-300)
                x, f, g = x_new, f_new, g_new
                tangents.move(x, f, g)
                yield Iterate(x, f, g, **self._seen)

    def _may_end(self, knows: Knowledge) -> bool:
        """Whether the step ahead promises next to nothing, by what is known of the slopes."""
        return knows.promised <= knows.noise or self._negligible(knows)

    def _converged(
        self, x: Array, f: float, g: Array, direction: Array, knows: Knowledge
    ) -> Generator[Any, Any, Finish | None]:
        """The end where the step ahead promises nothing, or nothing that is seen."""
        if knows.promised <= knows.noise and (self._metric.fresh or self._noisy(f)):
            return (yield from self._end(x, f, g))
        self._vanishing = knows.vanishing
        if self._metric.fresh or not self._may_end(knows):
            return None
        x_new = self._problem.clip(x + direction)
        f_new = yield from ask_value(x_new)  # what is promised, where it costs one value
        if f_new < f:
            yield Iterate(x_new, f_new, g, **self._seen)
        return judge(knows, radius=float(np.linalg.norm(direction / self._scale)))

    def _led_nowhere(
        self, x: Array, f: float, g: Array, promised: float
    ) -> Generator[Any, Any, Finish | None]:
        """The end where no step along the slope is lower, unless all is to be learnt anew."""
        # what rounding of x, in differences, or of sums hides
        vanishing = abs(f) <= self._changed
        hidden = max(SUMMED * abs(f), self._changed if vanishing else 0.0)
        if not self._noisy(f) and promised <= hidden:
            self._vanishing, message = vanishing, "The decrease ahead is lost to rounding"
            return judge(Knowledge(message, promised=promised, noise=hidden))
        if self._metric.fresh or self._noisy(f):
            return (yield from self._end(x, f, g))
        self._metric.reset()
        return None

    def _knowledge(self, x: Array, f: float, g: Array, direction: Array) -> Knowledge:
        recent, level, promised = self._recent, self._level(f), -0.5 * float(g @ direction)
        step = float(np.linalg.norm(direction / self._scale))
        short = self._options.xtol is not None and step <= self._options.xtol
        return Knowledge(
            "The step ahead is short" if short else "The step ahead gains next to nothing",
            tolerance_met=short or self._options.ftol is not None,
            promised=promised,
            # what differences resolved before and resolve no more has converged
            extrapolated=recent.extrapolated(level) if promised > level else 0.0,
            lately=recent.changes,
            size=abs(f),
            noise=level,
            far=recent.far(x / self._scale, step),
            steep=recent.steepness,
        )

    def _negligible(self, knows: Knowledge) -> bool:
        """Whether what is promised is: by the tolerance, or beside what happened lately."""
        if (ftol := self._options.ftol) is not None:
            ahead = max(knows.promised, self._recent.last_fall)  # a poor metric promises little
            return ahead <= ftol * min(self._first - self.fun, max(1.0, knows.size))
        if self._options.xtol is not None:
            return knows.tolerance_met
        return knows.negligible and knows.steep <= KINK

    def _end(self, x: Array, f: float, g: Array) -> Generator[Any, Any, Finish | None]:
        """Where differences lead nowhere: a minimum if they are rounding, and values rise around.

        On a plateau values rise nowhere; on a kink differences are more than rounding.
        """
        if self._noisy(f):
            return (yield from self._surveyed(x, f))
        rounding = 4 * self._level(f)
        if (np.abs(self._difference_steps(f) @ g) <= rounding).all():
            steps = START_SHARE * np.diag(self._scale)
            points = self._problem.clip(x + np.concatenate([steps, -steps]))
            moved = (points != x).any(axis=1)
            if not moved.any():
                return Finish(Status.PRECISION, _status.PLATEAU)
            answers = yield Ask(points[moved], 0)
            if (answers.values == f).all():
                return Finish(Status.PRECISION, _status.PLATEAU)
            if (answers.values > f + rounding).all():
                return (yield from self._hidden(x, f))
        noise = yield from measure_noise(self._problem, x, self._scale, self._rng)
        # noise leaves no plateau, but for that of rounding; a kink shows in spite of noise
        changes = np.abs(self._difference_steps(f) @ g)
        hides = noise <= SINGLE * abs(f) if not g.any() else noise >= MINOR**2 * changes.max()
        met = noise > SUMMED * abs(f) and hides
        if met or self._problem.unit > self._unit:
            self._x, self._f, self._noise, self._anew = x, f, noise, True
            self._metric.reset()
            yield Iterate(x, f, **self._seen)
            return None
        message = f"No lower point along the differences; the noise is {noise:.3g}."
        return Finish(Status.PRECISION, message, noise=noise)

    def _surveyed(self, x: Array, f: float) -> Generator[Any, Any, Finish | None]:
        """The end in noise, unless there is much less than before, or a lower place."""
        noise = yield from measure_noise(self._problem, x, self._scale, self._rng)
        if 0 < OTHER_ORDER * noise < self._noise:
            self._x, self._f, self._noise, self._anew = x, f, noise, True
            return None
        axes = (self._difference_steps(f) / self._scale).T
        where = self._problem, self._scale, x
        found = yield from survey(*where, axes, self._noise, self._rng)
        x, here, left = yield from found.end()
        level = here.level(self._noise)
        if level < left <= self._noise:  # what noise hid farther off it does not hide here
            self._x, self._f, self._noise, self._anew = x, here.mean, level, True
            return None
        yield Iterate(x, here.mean, **self._seen)
        lately, size = self._recent.changes, abs(here.mean)
        knows = Knowledge(HIDDEN, promised=left, lately=lately, size=size, noise=level)
        return judge(knows, noise=self._noise, surveyed=True)

    def _hidden(self, x: Array, f: float) -> Generator[Ask, Answers, Finish]:
        """The end where differences are no more than rounding, and values rise farther out.

        Where values come in quanta a floor between them may slope all the same.
        """
        message = "Differences are at the noise level, and values rise in all directions"
        where = self._problem, self._scale, x
        level = self._level(f)
        noise = yield from quantum(*where, f, FIRST_DIFFERENCE, self._rng)
        if noise <= 4 * level:
            return judge(Knowledge(message, promised=0.0, noise=level))
        found = yield from survey(*where, FIRST_DIFFERENCE, noise, self._rng)
        return judge(Knowledge(message, promised=found.promised, noise=noise), noise=noise)

    def _bent(self, x: Array, f: float) -> Generator[Ask, Answers, bool]:
        """Whether three values as near as differences are do not look like a line."""
        step = self._first_difference / math.sqrt(x.size) * self._scale
        if self._problem.box is not None:
            step = np.where(x + 2 * step > self._problem.box[1], -step, step)
        answers = yield Ask(self._problem.clip(x + np.array([[1.0], [2.0]]) * step), 0)
        first, second = answers.values[0] - f, answers.values[1] - answers.values[0]
        bend = abs(second - first)
        return bool(bend > MINOR * (abs(first) + abs(second)) and bend > 100 * EPS * abs(f))

    @property
    def _seen(self) -> dict[str, Any]:
        """What the result says of curvature, and of noise that was met or told."""
        told = {ESTIMATE: CurvatureEstimate(self._metric)} if self._metric.learnt else {}
        return told | ({"noise": self._noise} if self._noise > 0 else {})

    @property
    def _first_difference(self) -> float:
        """In units of the scale; longer where values have been rounded to single precision."""
        return FIRST_DIFFERENCE * math.sqrt(self._problem.unit / EPS)

    def _difference_steps(self, f: float) -> Array:
        """Rows to take differences along, none too long where little is known."""
        longest = 1.0 if self._noisy(f) else self._first_difference
        return self._metric.difference_steps(self._level(f), longest)

    def _noisy(self, f: float) -> bool:
        """Whether values have more noise than rounding brings."""
        return self._noise > max(SUMMED, 2 * self._problem.unit) * abs(f)

    def _level(self, f: float) -> float:
        """What a difference of two values cannot resolve."""
        return max(self._noise, 2 * self._problem.unit * abs(f), 1e-300)

    def _direction(self, x: Array, g: Array, pg: Array) -> Array:
        """Along ``-H g``, within the bounds; along the scaled gradient before H is known."""
        if not self._metric.fresh:
            return search_direction(self._problem, self._metric, x, g)[0]
        direction = -pg * self._scale**2
        length = float(np.linalg.norm(direction / self._scale))
        return direction * (FIRST_STEP / length) if 0 < length < np.inf else direction

    def _agreed(
        self, tangents: IterateTangents, x: Array, g: Array, pg: Array
    ) -> tuple[Array, float] | None:
        """The step on which tangents agree and how much they fall, if no bound is in its way."""
        if self._metric.fresh or not np.array_equal(pg, g):
            return None
        agreed = tangents.step(self._metric)
        if agreed is None or self._problem.box is None:
            return agreed
        end = x + agreed[0]
        return agreed if np.array_equal(self._problem.clip(end), end) else None

    def _next_gradient(
        self, x: Array, f: float, step: Array, g: Array
    ) -> Generator[Ask, Answers, Array]:
        """The gradient after a step; in part where the last one changed few slopes."""
        found, along = None, self._metric.along_coordinates and self._noise == 0
        sizes = np.diagonal(self._difference_steps(f)) if along else self._scale
        if along and self._sparse:
            tests = GroupTests(x, f, g, sizes, self._rng, self._problem.box)
            found = yield from tests.run(step)
        self._in_part = found is not None
        if found is None:
            found = yield from self._gradient(x, f)
        self._sparse = along and pays((found - g) * sizes)
        return found

    def _gradient(self, x: Array, f: float) -> Generator[Ask, Answers, Array]:
        """By forward differences along the columns of J, or along coordinates near a bound."""
        steps, self._in_part = self._difference_steps(f), False
        size = np.abs(steps).max(axis=1)
        longer = np.maximum(1.0, SUMMED * np.abs(x).max() / np.maximum(size, 1e-300))
        points = displaced(x, steps * longer[:, None], self._problem.box)
        steps = points - x
        answers = yield Ask(points, 0)
        change = answers.values - f
        usual = np.isfinite(change)
        if self._noise == 0 and self._fell > 0:  # no slope changes as much in so short a step
            usual &= np.abs(change) <= self._fell
        if not usual.all():
            self._jumps.append(2)
        change = np.where(usual, change, 0.0)
        # by slopes, and by curvature, which changes it by twice the level where none is longer
        bent = 2 * self._level(f) * float(longer @ longer)
        self._changed = max(float(np.abs(change).sum()), bent)
        return gradient_along(steps, change)

    def _search(
        self, x: Array, f: float, direction: Array, slope: float
    ) -> Generator[Any, Any, tuple[Array, float] | None]:
        """A lower point by values alone."""
        clip, level = self._problem.clip, self._level(f)
        search = Backtracking(lambda t: clip(x + t * direction), f, slope, level)
        found = yield from search.run(PATIENCE)
        if not self._metric.fresh:
            self._jumps.append(search.met(self._fell))
        return found
