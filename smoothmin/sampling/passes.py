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
A polish that will not reach the best value known is given up. Where the best of a pass
lies on a kink, which ends a polish early, a descent made for kinks goes on from there.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from smoothmin import _status
from smoothmin._protocol import Array, Ask, Finish, Iterate, Method, Problem, Steps, resume
from smoothmin._status import Status
from smoothmin._stopping import AfterSteps, Progress, UpdateNorm
from smoothmin.descent.gradient_sampling import GradientSamplingDescent
from smoothmin.descent.lbfgs import LBFGS
from smoothmin.descent.quasi_newton import RESOLVED
from smoothmin.sampling.gradient_sampling import GradientSampling
from smoothmin.sampling.minima import Minima
from smoothmin.sampling.phases import Arm, Ledger, Watch, choose, hopeless
from smoothmin.sampling.scale import search_range

FIRST_SAMPLES = 4
STAGE_STEPS = 8  # steps of the inner method at one sigma
FIRST_STEP = 0.5  # first trial of a stage, in units of sigma * sqrt(d)
STAGE_STEP_SIZE = 0.1  # a stage ends at shorter steps, in the same units
STAGE_LIMIT = 16  # evaluations of the smoothed function that end a stage in any case
HOP_SHARE = 1.0  # of the cost of the passes that may go to hops and the model of minima
RANDOM_SHARE = 0.1  # and to random starts
KINK_SHARE = 0.1  # and to descents along kinks, except for the last
HOP_PARTS = (1.0, 0.1)  # share of the variables that a hop moves
FIRST_HOP = 0.3  # in units of sigma
LONGEST_HOP = 3.0
RETURNS = 0.25  # share of the hops that are to lead back to where they began
HOP_RATE = 0.2  # of the logarithm of the length, from hop to hop
NEWS = 0.1  # new minima for a new model, as a share of those it needs
SAME_MINIMUM = 0.1  # share of the step; a polish that ends as near has gone back
STALLED = 10  # steps of a polish without a lower value: it goes back and forth over a kink
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
    gtol: float
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
        self._passes = 0
        self._finish = Finish(Status.PRECISION, "No polish was made.")
        self._kinked = False  # whether the best point is where a polish met a kink
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
        while True:
            arm = self._next_scale()
            before = self._best
            yield from self._pass(self._best_x, arm.value * self._sigma)
            if self._kinked:
                last = self._passes == self._schedule.restarts
                yield from self._settle_on_kink(math.inf if last else KINK_SHARE)
            arm.note(self._best < before)
            self._passes += 1
            if self._passes > self._schedule.restarts:
                break
            yield from self._hop(arm.value * self._sigma)
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

    def _pass(self, x: Array, sigma: Array) -> Generator[Any, Any, None]:
        """Shrink the smoothing from ``sigma`` on, then polish."""
        schedule = self._schedule
        self._pass_best = np.inf
        samples = math.ceil((schedule.n or FIRST_SAMPLES) * schedule.growth**self._passes)
        for stage in range(schedule.stages):
            size = sigma * schedule.decay**stage
            reach = float(np.linalg.norm(size))  # sigma * sqrt(d)
            smoothed = GradientSampling(
                LBFGS(gtol=0.0, first_step=FIRST_STEP * reach),
                sigma=size,
                n=samples,
                aggregate=schedule.aggregate,
                design=schedule.design,
                include_x0=False,
                beyond="shorten",
            )
            watch = (AfterSteps(STAGE_STEPS) | UpdateNorm(STAGE_STEP_SIZE * reach)).start()
            limit = STAGE_LIMIT * samples
            x, _ = yield from self._phase("smoothed", smoothed, x, watch, limit)
        lowest = self._pass_x
        yield from self._polish(x)
        if not np.array_equal(lowest, x):
            yield from self._polish(lowest)

    def _hop(self, sigma: Array) -> Generator[Any, Any, None]:
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
            to = self._problem.clip(start + sigma * hop.draw(self._d, self._rng))
            end = yield from self._polish(to, "hop")
            hop.adapt(self._went_back(start, to, end))
            arm.note(self._improved(before))

    def _step_of_model(self) -> Generator[Any, Any, None]:
        """Polish where the model of the minima is lowest, or beyond if that leads back."""
        start, before = self._best_x, self._best
        x = self._minima.propose(start, before, self._sigma)
        if x is None:
            return
        for doubling in range(EXTENSIONS + 1):
            to = self._problem.clip(start + 2.0**doubling * (x - start))
            end = yield from self._polish(to, "model")
            if self._improved(before) or not self._went_back(start, to, end):
                return

    def _went_back(self, start: Array, to: Array, end: Array) -> bool:
        """Whether a polish from ``to`` ended where the step there began."""
        gone, aimed = (float(np.linalg.norm((x - start) / self._sigma)) for x in (end, to))
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
        witness = _Witness(before)
        method = LBFGS(gtol=self._schedule.gtol, scale=self._scale)
        x, finish = yield from self._phase(phase, method, x, witness)
        if witness.stalled >= STALLED:
            finish = Finish(Status.PRECISION, f"No lower value in {STALLED} steps.")
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
        """Descend along a kink from the best point, at a share of the passes' cost."""
        limit = share * self._ledger.cost("smoothed", "polish") - self._ledger.cost("kink")
        if limit <= 0:
            return
        self._kinked = False
        method = GradientSamplingDescent(stationarity_tol=self._schedule.gtol)
        _, finish = yield from self._phase("kink", method, self._best_x, lambda now: None, limit)
        if finish is not None:
            self._finish = finish

    def _phase(
        self, phase: str, method: Method, x: Array, watch: Watch, limit: float = math.inf
    ) -> Generator[Any, Any, tuple[Array, Finish | None]]:
        """Run a method from ``x`` until it is done or told to; where it stands then."""
        steps = method.run(self._problem.at(x), self._rng)
        nit, cost, reply = 0, 0, None
        try:
            while cost < limit:
                message: Any = resume(steps, reply)
                reply = None
                if isinstance(message, Ask):
                    reply = yield message
                    cost += len(reply.values)
                    if self._first is None:
                        self._first = self._size(message.points[0], reply.gradients[0])
                    before = self._best
                    self._note(message, reply.values)
                    self._ledger.add(phase, len(reply.values), before - self._best)
                elif isinstance(message, Iterate):
                    x, nit = message.x, nit + 1
                    info = {**message.info, **self._info(), "phase": phase}
                    yield Iterate(x, message.fun, message.grad, **info)
                    now = Progress(nit, 0, 0.0, x, message.fun, message.grad)
                    if watch(now):
                        return x, None
                else:
                    return x, message
            return x, None
        finally:
            steps.close()

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


class _Witness:
    """Watches a polish: says when to give up, remembers what it saw.

    ``value`` and ``grad`` are the last, ``scale`` is the inverse curvature between the first
    two steps, ``stalled`` the number of steps since the lowest value.
    """

    def __init__(self, best: float) -> None:
        self._hopeless: Watch | None = hopeless(best) if np.isfinite(best) else None
        self._last: Progress | None = None
        self._lowest = math.inf
        self.value = math.nan
        self.grad: Array | None = None
        self.scale: float | None = None
        self.stalled = 0

    def __call__(self, now: Progress) -> str | None:
        last, self._last, self.value, self.grad = self._last, now, now.fun, now.grad
        if self.scale is None and last is not None:
            assert last.grad is not None
            assert now.grad is not None
            y = now.grad - last.grad
            curvature = float(y @ (now.x - last.x))
            if curvature > 0:
                self.scale = curvature / float(y @ y)
        self.stalled = 0 if now.fun < self._lowest else self.stalled + 1
        self._lowest = min(self._lowest, now.fun)
        if self.stalled >= STALLED:
            return "Stalled."
        return None if self._hopeless is None else self._hopeless(now)
