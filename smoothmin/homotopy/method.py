"""`Homotopy`: minimize a smoothed function, shrink the smoothing, polish, hop.

References: H. Mobahi, J. W. Fisher III, "On the link between Gaussian homotopy
continuation and convex envelopes", EMMCVPR (2015); D. J. Wales, J. P. K. Doye,
"Global optimization by basin-hopping", J. Phys. Chem. A 101 (1997).

Deviations: the smoothed function is a mean over few points, drawn anew at every
stage, and is minimized only roughly, since its minimum is not wanted but its
basin; the start is polished across kinks, so that where there is one minimum it is met as
soon as without smoothing, and the pass is left out if it is the only one and a few points around
show no other minimum; the point where a pass ends and the lowest point it sampled are both
polished on the true function. Later passes start from the best point known with
more samples, and a share of their cost goes to hops, just long enough that few lead
back, to steps of a model of the minima they find (see `minima`), and to random starts.
A polish that will not reach the best value known is given up, and one that creeps along
a kink, too. Where the best of a pass lies on a kink, a descent made for kinks goes on from
there. Once the samples show a trend that is steeper in some directions (see
`landscape_metric`), smoothing and hops are shorter in these.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Generator
from dataclasses import dataclass, field, fields
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from smoothmin import _status
from smoothmin._check import (
    per_coordinate,
    require_integer,
    require_one_of,
    require_real,
    require_scale,
    require_settings,
)
from smoothmin._machine import DENSE_UP_TO
from smoothmin._method import Method
from smoothmin._protocol import Answers, Array, Ask, Finish, Iterate, Problem, Steps
from smoothmin._scale import START_SHARE, box_scale, search_range
from smoothmin._status import Status
from smoothmin.homotopy.hops import Hops
from smoothmin.homotopy.landscape_metric import LandscapeMetric, Trend
from smoothmin.homotopy.polishes import KinkDescent, Polisher
from smoothmin.homotopy.settings import HomotopySettings
from smoothmin.homotopy.stages import Stages
from smoothmin.portfolio.bandit import Arm, Bandit
from smoothmin.portfolio.incumbent import Incumbent
from smoothmin.smoothing.aggregate import AGGREGATES
from smoothmin.smoothing.perturbations import check_design


@dataclass(frozen=True)
class Homotopy(Method):
    """Minimize a smoothed function, shrink the smoothing, polish the true function.

    Polish the start by `GradientSamplingDescent`, minimize the smoothed function roughly at
    ``stages`` shrinking sizes of the smoothing, polish where that ends and the lowest point it
    sampled, go on by `GradientSamplingDescent` if that ends on a kink; with ``restarts``,
    again from the best point with more samples, and in between hops from the best point, steps
    to where a model of the minima found is lowest, and random starts, in a metric learned from
    all samples where these show one. From values alone see `DerivativeFree`, which takes over
    there.

    Parameters
    ----------
    sigma : float or array_like of shape (d,), optional
        First size of the smoothing. By default a fifth of the box's width. Without a box, or
        in one that is 1e4 times wider than the larger of 1 and ``|x0|``, what the first polish
        moved each coordinate on the average.
    n : int, optional
        Points per evaluation of the smoothed function, by default 4.
    decay : float, default 0.4
        Factor from one size to the next.
    stages : int, default 3
        Number of sizes in a pass.
    aggregate : str, default "mean"
        See `GradientSampling`.
    design : str, default "antithetic-latin-hypercube"
        See `GradientSampling`.
    restarts : int or "budget", default 0
        Further rounds after the first; "budget": until a limit ends the run.
    growth : float, default 1.1
        Factor of ``n`` from pass to pass.
    gtol : float, optional
        A polish has converged when no element of the gradient is larger, as
        in `LBFGS`.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value.

    Notes
    -----
    ``maxfev`` alone does not make it go on after the first round; ``restarts`` does.

    ``res.phase_nfev`` says what each kind of phase cost and ``res.phase_gain`` by how much
    it lowered the best value. ``res.passes`` counts the passes, and a run that ends on a kink
    has the ``stationarity`` and ``radius`` of `GradientSamplingDescent`.

    References
    ----------
    .. [1] H. Mobahi, J. W. Fisher III, "On the link between Gaussian homotopy
       continuation and convex envelopes", EMMCVPR (2015),
       :doi:`10.1007/978-3-319-14612-6_4`.
    .. [2] D. J. Wales, J. P. K. Doye, "Global optimization by basin-hopping", J. Phys. Chem.
       A 101 (1997), :doi:`10.1021/jp970984n`.

    Examples
    --------
    >>> import numpy as np
    >>> import smoothmin
    >>> def rastrigin(x):
    ...     value = 10 * x.size + np.sum(x**2 - 10 * np.cos(2 * np.pi * x))
    ...     return value, 2 * x + 20 * np.pi * np.sin(2 * np.pi * x)
    >>> res = smoothmin.minimize(rastrigin, [2.2, -1.7], jac=True, method="homotopy", rng=0,
    ...                          options={"maxfev": 2000, "restarts": "budget"})
    >>> res.method, bool(res.fun < 1e-8)
    ('homotopy', True)
    """

    name: ClassVar[str] = "homotopy"
    summary: ClassVar[str] = "smoothing that shrinks; many minima, with gradients"
    reference: ClassVar[str] = "Mobahi, Fisher (2015); Wales, Doye (1997)"
    handles_bounds: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True
    tolerances: ClassVar[tuple[str, ...]] = ("gtol",)

    sigma: ArrayLike | None = None
    n: int | None = None
    decay: float = 0.4
    stages: int = 3
    aggregate: str = "mean"
    design: str = "antithetic-latin-hypercube"
    restarts: int | str = 0
    growth: float = 1.1
    gtol: float | None = None
    settings: HomotopySettings = field(
        default=HomotopySettings(), repr=False, kw_only=True, metadata={"option": False}
    )

    def __post_init__(self) -> None:
        require_settings(self.settings, HomotopySettings)
        require_scale("sigma", self.sigma, optional=True)
        if self.n is not None:
            require_integer("n", self.n, 3)
        require_real("decay", self.decay, above=0, below=1)
        require_integer("stages", self.stages, 1)
        require_one_of("aggregate", self.aggregate, AGGREGATES)
        check_design("gaussian", self.design)
        if not (isinstance(self.restarts, str) and self.restarts == "budget"):
            require_integer("restarts", self.restarts, 0)
        require_real("growth", self.growth, minimum=1, below=np.inf)
        if self.gtol is not None:
            require_real("gtol", self.gtol, minimum=0)

    @property
    def needs_gradient(self) -> bool:
        """Never."""
        return False

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        if not problem.has_gradient:  # as inside a reformulation
            return self.for_problem(False).run(problem, rng)
        return _Run(self, problem, rng).run()

    @classmethod
    def class_for(cls, has_gradient: bool) -> type[Method]:
        """Itself, or `DerivativeFree`."""
        if has_gradient:
            return cls
        from smoothmin.derivative_free.method import DerivativeFree

        return DerivativeFree

    def for_problem(self, has_gradient: bool) -> Method:
        """Itself; from values alone `DerivativeFree`, with the options that both have."""
        if has_gradient:
            return self
        from smoothmin.derivative_free.method import DerivativeFree

        changed = [
            item.name
            for item in fields(self)
            if item.name not in ("sigma", "n", "restarts", "settings")
            and getattr(self, item.name) != item.default
        ]
        if changed:
            message = f"options of no effect without a gradient: {', '.join(changed)}"
            warnings.warn(message, RuntimeWarning, stacklevel=4)
        return DerivativeFree(sigma=self.sigma, n=self.n, restarts=self.restarts)


class _Run:
    """Passes of shrinking smoothing, and what comes between them."""

    def __init__(self, options: Homotopy, problem: Problem, rng: np.random.Generator) -> None:
        self._options, self._settings = options, options.settings
        self._problem, self._rng, self._d = problem, rng, problem.x0.size
        self._incumbent = Incumbent(problem, rng)
        self._incumbent.notes["passes"] = 0
        self._restarts = math.inf if options.restarts == "budget" else float(options.restarts)
        if options.sigma is None:
            self._sigma = box_scale(problem)
        else:
            self._sigma = per_coordinate("sigma", options.sigma, self._d, problem.free)
        self._guessed = not np.isfinite(self._sigma).all()
        multiples = self._settings.multiples if self._guessed else self._settings.multiples[:1]
        self._scales = Bandit(multiples)
        self._polisher = Polisher(self._incumbent, options.gtol)
        self._passes = 0

    def run(self) -> Steps:
        """Passes, one or as many as asked for."""
        incumbent, polisher = self._incumbent, self._polisher
        once = self._restarts == 0
        yield from polisher.first(self._problem.x0, whole=once)
        finish = polisher.finish
        if finish is not None and finish.status == Status.NONFINITE and not incumbent.finite:
            return finish
        self._sigma = self._completed(self._sigma)
        if once and finish is not None and finish.status.success and (yield from self._alone()):
            return Finish(finish.status, finish.message, **{**finish.info, **incumbent.info()})
        trend = Trend(self._sigma) if self._d <= DENSE_UP_TO else None
        stages = Stages(self._options, incumbent, polisher, trend)
        hops = Hops(
            self._settings,
            incumbent,
            polisher,
            search_range(self._problem, self._problem.x0, self._sigma),
        )
        metric = LandscapeMetric(self._sigma)
        kink = KinkDescent(self._options.gtol, incumbent, polisher)
        while True:
            before, steps = incumbent.fun, incumbent.steps
            arm = self._next_scale()
            yield from stages.one_pass(self._passes, metric.times(arm.value))
            last = self._passes == self._restarts
            if polisher.kinked:
                yield from kink.go_on(last)
            arm.note(incumbent.fun < before)
            self._passes += 1
            incumbent.notes["passes"] = self._passes
            if last:
                break
            if trend is not None:
                metric = trend.metric()
            yield from hops.hop(metric, arm.value)
            yield from hops.start_anew()
            if incumbent.steps == steps and incumbent.finite:  # so that limits are looked at
                yield Iterate(incumbent.x, incumbent.fun, None, **incumbent.info())
        if not incumbent.finite:
            return Finish(Status.NONFINITE, _status.NO_FINITE_SAMPLE)
        finish = yield from polisher.last_word()
        return Finish(finish.status, finish.message, **{**finish.info, **incumbent.info()})

    def _alone(self) -> Generator[Ask, Answers, bool]:
        """Whether the first minimum seems to be the only one.

        A few points as far away as the smoothing reaches are all higher, and by no more than their
        slopes along the way say: the function is star-convex as far as is seen. Or slopes say less
        of all of these, as of logarithms and roots, and of as many points as a stage takes, as far
        away as any stage: waves make slopes larger here and smaller there.
        """
        samples = self._options.n or self._settings.samples
        # as many where the reach is a guess, and twice as many where it is known
        convex, concave = yield from self._around(1.0, samples / 2 if self._guessed else samples)
        if convex or not concave:
            return convex
        farthest = max(arm.value for arm in self._scales.arms)
        _, concave = yield from self._around(farthest, self._settings.stage_limit * samples / 2)
        return concave

    def _around(self, multiple: float, count: float) -> Generator[Ask, Answers, tuple[bool, bool]]:
        """Whether the function rises convexly, or concavely, to so many points and opposite."""
        x, fun = self._incumbent.x, self._incumbent.fun
        steps = multiple * self._sigma * self._rng.standard_normal((math.ceil(count), self._d))
        points = self._problem.clip(x + np.concatenate([steps, -steps]))
        found = yield (ask := Ask(points, 1, phase="smoothed"))
        self._incumbent.book("smoothed", ask, found.values, found.recalled)
        assert found.gradients is not None
        slopes, rises = np.vecdot(found.gradients, points - x), found.values - fun
        convex = (rises >= 0) & (slopes >= rises)
        concave = (slopes > 0) & (slopes <= rises)
        return bool(convex.all()), bool(concave.all())

    def _next_scale(self) -> Arm[float]:
        """The multiple of sigma for the next pass: each in turn, then by credit."""
        arms = self._scales.arms
        if len(arms) == 1:
            return arms[0]
        return arms[self._passes] if self._passes < len(arms) else self._scales.choose(self._rng)

    def _completed(self, sigma: Array) -> Array:
        """Where nothing tells the size: what the first polish moved a coordinate."""
        x0 = self._problem.x0
        moved = float(np.linalg.norm(self._incumbent.x - x0)) / math.sqrt(self._d)
        guess = moved if moved > 0 else np.maximum(1.0, START_SHARE * np.abs(x0))
        return np.where(np.isfinite(sigma), sigma, guess)
