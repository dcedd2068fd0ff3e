"""`Homotopy`: minimize a smoothed function, shrink the smoothing, polish.

References: H. Mobahi, J. W. Fisher III, "On the link between Gaussian homotopy
continuation and convex envelopes", EMMCVPR (2015); D. J. Wales, J. P. K. Doye, J.
Phys. Chem. A 101 (1997) (basin hopping, one of the moves between passes).

Deviations: the smoothed function is a mean over few points, drawn anew at every
stage, and is minimized only roughly, since its minimum is not wanted but its
basin; the point where a pass ends and the lowest point it sampled are both
polished on the true function.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from smoothmin._check import (
    per_coordinate,
    require_integer,
    require_one_of,
    require_real,
    require_scale,
)
from smoothmin._protocol import Array, Ask, Finish, Iterate, Method, Problem, Steps, resume
from smoothmin._status import Status
from smoothmin._stopping import AfterSteps, Progress, Termination, UpdateNorm
from smoothmin.descent.lbfgs import LBFGS
from smoothmin.sampling.aggregate import AGGREGATES
from smoothmin.sampling.gradient_sampling import GradientSampling
from smoothmin.sampling.perturbations import check_design

RANGE_SHARE = 0.2  # first sigma, in widths of the box
STAGE_STEPS = 8  # steps of the inner method at one sigma
STAGE_STEP_SIZE = 0.1  # a stage ends at steps shorter than this, in units of sigma * sqrt(d)
BLIND_DECAY_TO = 1e-5  # from values alone, last sigma relative to the first
BLIND_POLISH = 1e-6  # sigma of the last polish from values alone, relative to max(1, |x|)


@dataclass(frozen=True)
class Homotopy(Method):
    """Minimize a smoothed function, shrink the smoothing, polish the true function.

    With gradients: polish the start, minimize the smoothed function roughly at
    ``stages`` shrinking sizes of the smoothing, polish where that ends and the
    lowest point it sampled; with ``restarts``, again from the best point with more
    samples. From values alone, the smoothing shrinks until it is as good as none.

    Parameters
    ----------
    sigma : float or array_like of shape (d,), optional
        First size of the smoothing. By default a fifth of the box's width; without
        a box what the first polish moved each coordinate on the average, and from
        values alone the larger of 1 and a tenth of ``|x0|``.
    n : int, optional
        Points per evaluation of the smoothed function. By default 4 with gradients,
        growing with restarts, and min(3 d + 2, 200) from values alone.
    decay : float, default 0.4
        Factor from one size to the next.
    stages : int, default 3
        Number of sizes with gradients.
    aggregate : str, default "mean"
        See `GradientSampling`.
    design : str, default "antithetic-latin-hypercube"
        See `GradientSampling`.
    restarts : int or "budget", default 0
        Further passes from the best point; "budget": until a limit ends the run.
    growth : float, default 1.25
        Factor of ``n`` from pass to pass.
    gtol : float, default 1e-6
        The polish has converged when no element of the gradient is larger.

    Notes
    -----
    ``res.passes`` is the number of passes, ``res.sigma`` the last size of the
    smoothing.

    References
    ----------
    .. [1] H. Mobahi, J. W. Fisher III, "On the link between Gaussian homotopy
       continuation and convex envelopes", EMMCVPR (2015),
       :doi:`10.1007/978-3-319-14612-6_4`.

    Examples
    --------
    >>> import numpy as np
    >>> import smoothmin
    >>> def rastrigin(x):
    ...     return 10 * x.size + np.sum(x**2 - 10 * np.cos(2 * np.pi * x))
    >>> res = smoothmin.minimize(rastrigin, [2.2, -1.7], method="homotopy", rng=0)
    >>> bool(res.fun < 2.5)
    True
    """

    name: ClassVar[str] = "homotopy"
    summary: ClassVar[str] = "smoothing that shrinks; many minima, noise; values alone suffice"
    reference: ClassVar[str] = "Mobahi, Fisher (2015)"
    handles_bounds: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True
    tolerances: ClassVar[tuple[str, ...]] = ("gtol",)

    sigma: Any = None
    n: int | None = None
    decay: float = 0.4
    stages: int = 3
    aggregate: str = "mean"
    design: str = "antithetic-latin-hypercube"
    restarts: int | str = 0
    growth: float = 1.25
    gtol: float = 1e-6

    def __post_init__(self) -> None:
        if self.sigma is not None:
            require_scale("sigma", self.sigma)
        if self.n is not None:
            require_integer("n", self.n, 3)
        require_real("decay", self.decay, above=0, below=1)
        require_integer("stages", self.stages, 1)
        require_one_of("aggregate", self.aggregate, AGGREGATES)
        check_design("gaussian", self.design)
        if self.restarts != "budget":
            require_integer("restarts", self.restarts, 0)
        require_real("growth", self.growth, minimum=1, below=np.inf)
        require_real("gtol", self.gtol, minimum=0)

    @property
    def needs_gradient(self) -> bool:
        """Never."""
        return False

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        if self.sigma is not None:
            per_coordinate("sigma", self.sigma, problem.x0.size)
        return _Passes(self, problem, rng).run()


class _Passes:
    """One run of `Homotopy`."""

    def __init__(self, options: Homotopy, problem: Problem, rng: np.random.Generator) -> None:
        self._options, self._problem, self._rng = options, problem, rng
        self._d = problem.x0.size
        self._best_x, self._best = problem.x0, np.inf
        self._pass_x, self._pass_best = problem.x0, np.inf  # lowest point of this pass
        self._info: dict[str, Any] = {"passes": 0}
        self._status = Finish(Status.PRECISION, "No polish was made.")

    def run(self) -> Steps:
        """Passes, one or as many as asked for."""
        options = self._options
        sigma: Array | None = None
        count = math.inf if options.restarts == "budget" else int(options.restarts) + 1
        number = 0
        while number < count:
            if number == 0 and self._problem.has_gradient:
                yield from self._polish(self._problem.x0)
                if self._status.status == Status.NONFINITE and not np.isfinite(self._best):
                    return self._status
            if sigma is None:
                sigma = self._first_sigma()
            self._info["passes"] = number + 1
            start = self._problem.x0 if number == 0 and not self._problem.has_gradient else None
            yield from self._pass(self._best_x if start is None else start, sigma, number)
            if not np.isfinite(self._best):
                return Finish(Status.NONFINITE, "No sample has a finite value.", **self._info)
            number += 1
        return Finish(self._status.status, self._status.message, **self._info)

    def _pass(self, x: Array, sigma: Array, number: int) -> Generator[Any, Any, None]:
        """Shrink the smoothing from ``sigma`` on, then polish."""
        options, known = self._options, self._problem.has_gradient
        self._pass_best = np.inf
        stages = options.stages if known else self._blind_stages()
        samples = options.n or (4 if known else min(3 * self._d + 2, 200))
        samples = math.ceil(samples * options.growth**number) + 1
        for stage in range(stages):
            size = sigma * options.decay**stage
            length = STAGE_STEP_SIZE * float(np.sqrt((size**2).sum()))
            smoothed = GradientSampling(
                LBFGS(gtol=0.0),
                sigma=size,
                n=samples,
                aggregate=options.aggregate,
                design=options.design,
            )
            until = AfterSteps(STAGE_STEPS) | UpdateNorm(length)
            x, _ = yield from self._phase("smoothed", smoothed, x, until)
        lowest = self._pass_x
        yield from self._polish(x)
        if not np.array_equal(lowest, x):
            yield from self._polish(lowest)

    def _blind_stages(self) -> int:
        return math.ceil(math.log(BLIND_DECAY_TO) / math.log(self._options.decay))

    def _polish(self, x: Array) -> Generator[Any, Any, None]:
        """Minimize the true function, as well as it can be known, from ``x``."""
        gtol = self._options.gtol
        if self._problem.has_gradient:
            polish: Method = LBFGS(gtol=gtol)
        else:
            size = BLIND_POLISH * np.maximum(1.0, np.abs(x))
            polish = GradientSampling(
                LBFGS(gtol=gtol), sigma=size, n=2 * self._d + 1, design="antithetic-orthogonal"
            )
        before = self._best
        _, finish = yield from self._phase("polish", polish, x, None)
        if finish is not None and (self._best < before or not np.isfinite(before)):
            self._status = finish

    def _first_sigma(self) -> Array:
        """The size given, or one that fits the box, the first polish, or the start."""
        x0, box = self._problem.x0, self._problem.box
        if self._options.sigma is not None:
            return per_coordinate("sigma", self._options.sigma, self._d)
        scale = np.maximum(1.0, 0.1 * np.abs(x0))
        if self._problem.has_gradient:
            moved = float(np.linalg.norm(self._best_x - x0)) / math.sqrt(self._d)
            scale = np.full(self._d, moved) if moved > 0 else scale
        if box is not None:
            width = box[1] - box[0]
            scale = np.where(np.isfinite(width), RANGE_SHARE * width, scale)
        return scale

    def _phase(
        self, phase: str, method: Method, x: Array, until: Termination | None
    ) -> Generator[Any, Any, tuple[Array, Finish | None]]:
        """Run a method from ``x`` until it is done or told to; where it stands then."""
        steps = method.run(self._problem.at(x), self._rng)
        watch = None if until is None else until.start()
        nit, reply = 0, None
        while True:
            message: Any = resume(steps, reply)
            reply = None
            if isinstance(message, Ask):
                answers = yield message
                self._note(message, answers.values)
                reply = answers
            elif isinstance(message, Iterate):
                x, nit = message.x, nit + 1
                info = {**message.info, **self._info, "phase": phase}
                yield Iterate(x, message.fun, message.grad, **info)
                now = Progress(nit, 0, 0.0, x, message.fun, message.grad)
                if watch is not None and watch(now):
                    steps.close()
                    return x, None
            else:
                if "sigma" in message.info and phase == "smoothed":
                    self._info["sigma"] = message.info["sigma"]
                return x, message

    def _note(self, ask: Ask, values: Array) -> None:
        """Remember the lowest point of the run and of the pass."""
        k = int(np.where(np.isnan(values), np.inf, values).argmin())
        if values[k] < self._pass_best:
            self._pass_best, self._pass_x = float(values[k]), ask.points[k].copy()
        if values[k] < self._best:
            self._best, self._best_x = float(values[k]), ask.points[k].copy()
