"""`Homotopy` with gradients: passes of shrinking smoothing, hops, random starts.

References: H. Mobahi, J. W. Fisher III, "On the link between Gaussian homotopy
continuation and convex envelopes", EMMCVPR (2015); D. J. Wales, J. P. K. Doye,
"Global optimization by basin-hopping", J. Phys. Chem. A 101 (1997).

Deviations: the smoothed function is a mean over few points, drawn anew at every
stage, and is minimized only roughly, since its minimum is not wanted but its
basin; the point where a pass ends and the lowest point it sampled are both
polished on the true function. Later passes start from the best point known with
more samples, and a share of their cost goes to hops, just long enough that few lead
back, to steps of a model of the minima they find (see `minima`), and to random starts.
A polish that will not reach the best value known is given up, and one that creeps along
a kink, too. Where the best of a pass lies on a kink, a descent made for kinks goes on from
there. Once the samples show a trend that is steeper in some directions (see `trend`),
smoothing and hops are shorter in these.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from smoothmin import _status
from smoothmin._protocol import (
    Array,
    Ask,
    Finish,
    Iterate,
    Problem,
    Samples,
    Steps,
    resume,
)
from smoothmin._scale import search_range
from smoothmin._status import Status
from smoothmin._stopping import AfterSteps, Progress, UpdateNorm
from smoothmin.descent.gradient_sampling.method import GradientSamplingDescent
from smoothmin.descent.lbfgs import LBFGS
from smoothmin.descent.quasi_newton import RESOLVED
from smoothmin.homotopy.landscape_metric import MOST_VARIABLES, Metric, Trend, in_metric
from smoothmin.homotopy.minima import Minima
from smoothmin.portfolio.phases import Arm, Ledger, Watch, Witness, choose
from smoothmin.smoothing.gradient_sampling import GradientSampling

FIRST_SAMPLES = 4
STAGE_STEPS = 8  # steps of the inner method at one sigma
FIRST_STEP = 0.5  # first trial of a stage, in units of sigma * sqrt(d)
STAGE_STEP_SIZE = 0.1  # a stage ends at shorter steps, in the same units
STAGE_LIMIT = 16  # evaluations of the smoothed function that end a stage in any case
HOP_SHARE = 1.0  # of the cost of the passes that may go to hops and the model of minima
RANDOM_SHARE = 0.1  # and to random starts
KINK_SHARE = 1.0  # and to descents along kinks, except for the last
HOP_PARTS = (1.0, 0.1)  # share of the variables that a hop moves
FIRST_HOP = 0.3  # in units of sigma
LONGEST_HOP = 3.0
RETURNS = 0.25  # share of the hops that are to lead back to where they began
HOP_RATE = 0.2  # of the logarithm of the length, from hop to hop
NEWS = 0.1  # new minima for a new model, as a share of those it needs
SAME_MINIMUM = 0.1  # share of the step; a polish that ends as near has gone back
EXTENSIONS = 3  # of a model's step, twice as long each, while polishes go back
MULTIPLES = (1.0, 2.0, 8.0)  # of sigma tried in turn where it is a guess


@dataclass(frozen=True)
class Schedule:
    """How a pass smooths: the options of `Homotopy` that matter here.

    ``sigma`` is NaN where it is to be guessed.
    """

    sigma: Array
    n: int | None
    decay: float
    stages: int
    aggregate: str
    design: str
    growth: float
    gtol: float | None
    restarts: float


class Passes:
    """One run of `Homotopy` with gradients."""

    def __init__(self, schedule: Schedule, problem: Problem, rng: np.random.Generator) -> None:
        self._schedule, self._problem, self._rng = schedule, problem, rng
        self._sigma = schedule.sigma
        self._guessed = not np.isfinite(schedule.sigma).all()
        self._d = problem.x0.size
        self._best_x, self._best = problem.x0, np.inf
        self._pass_x, self._pass_best = problem.x0, np.inf  # lowest point of this pass
        self._ledger = Ledger()
        self._first: float | None = None  # largest element of the gradient at the start
        self._passes = self._steps = 0
        self._finish = Finish(Status.PRECISION, "No polish was made.")
        self._kinked = False  # whether the best point is where a polish met a kink
        self._along: Steps | None = None  # descent along the kink
        self._settled = math.inf  # the best value when that was interrupted
        self._metric = Metric(self._sigma)
        self._trend: Trend | None = None  # where there are not too many variables
        self._minima = Minima(self._d)
        self._modelled = 0  # how many minima there were when the model was last tried
        self._scale: float | None = None  # inverse curvature that the last polish met first
        self._hops = [Arm(_Hop(part)) for part in HOP_PARTS]
        self._scales = [Arm(multiple) for multiple in MULTIPLES]

    def run(self) -> Steps:
        """Passes, one or as many as asked for."""
        yield from self._polish(self._problem.x0)
        if self._finish.status == Status.NONFINITE and not np.isfinite(self._best):
            return self._finish
        if self._guessed:
            self._sigma = self._completed(self._sigma)
        self._metric = Metric(self._sigma)
        if self._d <= MOST_VARIABLES:
            self._trend = Trend(self._sigma)
        steps = -1
        while True:
            arm = self._next_scale()
            before = self._best
            yield from self._pass(self._best_x, self._metric.times(arm.value))
            if self._kinked:
                last = self._passes == self._schedule.restarts
                yield from self._settle_on_kink(math.inf if last else KINK_SHARE)
            arm.note(self._best < before)
            self._passes += 1
            if self._passes > self._schedule.restarts:
                break
            if self._steps == steps and np.isfinite(self._best):  # so that limits are looked at
                yield Iterate(self._best_x, self._best, None, **self._info())
            steps = self._steps
            if self._trend is not None:
                self._metric = self._trend.metric()
            yield from self._hop(self._metric.times(arm.value))
            yield from self._start_anew()
        if not np.isfinite(self._best):
            return Finish(Status.NONFINITE, _status.NO_FINITE_SAMPLE)
        finish = self._finish
        return Finish(finish.status, finish.message, **{**finish.info, **self._info()})

    def _next_scale(self) -> Arm:
        """The multiple of sigma for the next pass: each in turn, then by credit."""
        if not self._guessed:
            return self._scales[0]
        if self._passes < len(self._scales):
            return self._scales[self._passes]
        return choose(self._scales, self._rng)

    def _completed(self, sigma: Array) -> Array:
        """Where nothing tells the size: what the first polish moved a coordinate."""
        moved = float(np.linalg.norm(self._best_x - self._problem.x0)) / math.sqrt(self._d)
        guess = moved if moved > 0 else np.maximum(1.0, 0.1 * np.abs(self._problem.x0))
        return np.where(np.isfinite(sigma), sigma, guess)

    def _pass(self, x: Array, metric: Metric) -> Generator[Any, Any, None]:
        """Shrink the smoothing from a size of one in ``metric`` on, then polish."""
        schedule = self._schedule
        self._pass_best = np.inf
        samples = math.ceil((schedule.n or FIRST_SAMPLES) * schedule.growth**self._passes)
        for stage in range(schedule.stages):
            size = metric.times(schedule.decay**stage)
            reach = float(np.linalg.norm(size.scale))  # sigma * sqrt(d)
            watch = (AfterSteps(STAGE_STEPS) | UpdateNorm(STAGE_STEP_SIZE * reach)).start()
            steps = self._smoothed(size, samples, x)
            x, _ = yield from self._phase("smoothed", steps, x, watch, STAGE_LIMIT * samples)
        lowest = self._pass_x
        yield from self._polish(x)
        if not np.array_equal(lowest, x):
            yield from self._polish(lowest)

    def _smoothed(self, size: Metric, samples: int, x: Array) -> Steps:
        """Minimize the function smoothed by ``samples`` points, from ``x``."""
        schedule, problem = self._schedule, self._problem.at(x)
        sigma = size.scale if size.root is None else np.ones(self._d)
        first_step = FIRST_STEP * float(np.linalg.norm(sigma))
        method = GradientSampling(
            LBFGS(gtol=0.0, first_step=first_step),
            sigma=sigma,
            n=samples,
            aggregate=schedule.aggregate,
            design=schedule.design,
            include_x0=False,
            beyond="shorten",
        )
        if size.root is None:
            return method.run(problem, self._rng)
        return in_metric(method, size, problem, self._rng)

    def _hop(self, metric: Metric) -> Generator[Any, Any, None]:
        """Polish near the best point, until the hops' share of the cost is used."""
        ledger, minima = self._ledger, self._minima
        while ledger.cost("hop", "model") < HOP_SHARE * ledger.cost("smoothed", "polish"):
            before = self._best
            news = minima.added - self._modelled
            if news > 0 and news >= NEWS * min(len(minima), self._d):
                yield from self._step_of_model()
                # once it fails it needs news, and not its own
                self._modelled = 0 if self._improved(before) else minima.added
                continue
            arm = choose(self._hops, self._rng)
            hop: _Hop = arm.value
            start = self._best_x
            to = self._problem.clip(start + metric.outward(hop.draw(self._d, self._rng)))
            end = yield from self._polish(to, "hop")
            hop.adapt(self._went_back(start, to, end))
            arm.note(self._improved(before))

    def _step_of_model(self) -> Generator[Any, Any, None]:
        """Polish where the model of the minima is lowest, or beyond if that leads back."""
        start, before = self._best_x, self._best
        x = self._minima.propose(start, before, self._metric)
        if x is None:
            return
        for doubling in range(EXTENSIONS + 1):
            to = self._problem.clip(start + 2.0**doubling * (x - start))
            end = yield from self._polish(to, "model")
            if self._improved(before) or not self._went_back(start, to, end):
                return

    def _went_back(self, start: Array, to: Array, end: Array) -> bool:
        """Whether a polish from ``to`` ended where the step there began."""
        gone, aimed = (float(np.linalg.norm(self._metric.inward(x - start))) for x in (end, to))
        return gone <= SAME_MINIMUM * aimed

    def _improved(self, before: float) -> bool:
        """Whether the best value is lower than ``before``, by more than rounding."""
        return self._best < before - 1e-9 * abs(before)

    def _start_anew(self) -> Generator[Any, Any, None]:
        """Polish random points, until their share of the cost is used."""
        around = search_range(self._problem, self._problem.x0, self._sigma)
        while self._ledger.cost("random") < RANDOM_SHARE * self._ledger.cost("smoothed", "polish"):
            yield from self._polish(self._rng.uniform(*around), "random")

    def _polish(self, x: Array, phase: str = "polish") -> Generator[Any, Any, Array]:
        """Minimize the true function from ``x``, unless it is hopeless; where it ends."""
        before = self._best
        witness = Witness(before)
        method = LBFGS(gtol=self._schedule.gtol, scale=self._scale)
        steps = method.run(self._problem.at(x), self._rng)
        x, finish = yield from self._phase(phase, steps, x, witness)
        if witness.kinked:
            finish = Finish(Status.PRECISION, "Steps creep along a kink.")
        if finish is not None and finish.status == Status.PRECISION:
            finish = self._resolved(x, witness.grad) or finish
        if finish is not None and (self._best < before or not np.isfinite(before)):
            self._finish, self._kinked = finish, finish.status == Status.PRECISION
        self._scale = witness.scale or self._scale
        # a minimum at a bound, or far away, says little of the trend
        if phase != "random" and self._is_interior(x):
            self._minima.add(x, witness.value)
        return x

    def _resolved(self, x: Array, grad: Array | None) -> Finish | None:
        """Convergence, where nothing is lower and the gradient, to the first, as rounding is."""
        if grad is None or self._first is None:
            return None
        size, tolerance = self._size(x, grad), RESOLVED * self._first
        said = f"Gradient's largest element {size:.3g} <= {tolerance:.3g}."
        return Finish(Status.CONVERGED, said) if size <= tolerance else None

    def _size(self, x: Array, grad: Array) -> float:
        return float(np.abs(self._problem.projected_gradient(x, grad)).max())

    def _settle_on_kink(self, share: float) -> Generator[Any, Any, None]:
        """Descend along a kink from the best point, at a share of the passes' cost.

        What the share interrupted goes on with the next pass that finds nothing lower.
        """
        ledger = self._ledger
        if self._along is None or self._best < self._settled:
            method = GradientSamplingDescent()
            self._along = method.run(self._problem.at(self._best_x), self._rng)

        def spent(now: Progress) -> str | None:
            over = ledger.cost("kink") >= share * ledger.cost("smoothed", "polish")
            return "Spent." if over else None

        _, finish = yield from self._phase("kink", self._along, self._best_x, spent)
        self._settled = self._best
        if finish is not None:
            self._finish, self._kinked, self._along = finish, False, None

    def _phase(
        self, phase: str, steps: Steps, x: Array, watch: Watch, limit: float = math.inf
    ) -> Generator[Any, Any, tuple[Array, Finish | None]]:
        """Go on with a method at ``x`` until it is done or told to; where it stands then."""
        learning = phase == "smoothed" and self._trend is not None
        nit, cost, reply = 0, 0, None
        while cost < limit:
            message: Any = resume(steps, reply)
            reply = None
            if isinstance(message, Ask):
                if learning and isinstance(message, Samples):
                    message = Ask(message.points)  # so that gradients are seen here
                reply = yield message
                cost += len(reply.values)
                if learning and self._trend is not None and reply.gradients is not None:
                    self._trend.add(message.points, reply.gradients)
                if self._first is None and reply.gradients is not None:
                    self._first = self._size(message.points[0], reply.gradients[0])
                before = self._best
                self._note(message, reply.values)
                self._ledger.add(phase, len(reply.values), before - self._best)
            elif isinstance(message, Iterate):
                x, nit = message.x, nit + 1
                self._steps += 1
                info = {**message.info, **self._info(), "phase": phase}
                yield Iterate(x, message.fun, message.grad, **info)
                now = Progress(nit, 0, 0.0, x, message.fun, message.grad)
                if watch(now):
                    return x, None
            else:
                return x, message
        return x, None

    def _is_interior(self, x: Array) -> bool:
        """Whether no variable is at a bound."""
        box = self._problem.box
        return box is None or bool(((x > box[0]) & (x < box[1])).all())

    def _note(self, ask: Ask, values: Array) -> None:
        """Remember the lowest point of the run and of the pass."""
        k = int(np.where(np.isnan(values), np.inf, values).argmin())
        if values[k] < self._pass_best:
            self._pass_best, self._pass_x = float(values[k]), ask.points[k].copy()
        if values[k] < self._best:
            self._best, self._best_x = float(values[k]), ask.points[k].copy()

    def _info(self) -> dict[str, Any]:
        ledger = self._ledger
        return {
            "passes": self._passes,
            "phase_nfev": dict(ledger.nfev),
            "phase_gain": dict(ledger.gain),
        }


@dataclass
class _Hop:
    """A kind of hop: which share of the variables it moves, and how far."""

    part: float
    size: float = FIRST_HOP

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """A hop (n,): normal in some neighbouring variables, zero in the others."""
        hop = np.zeros(n)
        count = max(1, round(self.part * n))
        moved = (rng.integers(n) + np.arange(count)) % n
        hop[moved] = self.size * rng.standard_normal(count)
        return hop

    def adapt(self, went_back: bool) -> None:
        """Go farther after a return, and otherwise less far."""
        self.size *= math.exp(HOP_RATE * (went_back - RETURNS))
        self.size = min(self.size, LONGEST_HOP)
