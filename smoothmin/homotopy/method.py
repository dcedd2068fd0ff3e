"""`Homotopy`: minimize a smoothed function, shrink the smoothing, polish.

With gradients see `passes`, from values alone `black_box`: this file holds the options
and decides by what the problem offers.
"""

from __future__ import annotations

import math
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
from smoothmin._method import Method
from smoothmin._protocol import Array, Problem, Steps
from smoothmin._scale import box_scale, typical_scale
from smoothmin.derivative_free.black_box import BlackBox
from smoothmin.homotopy.passes import Passes, Schedule
from smoothmin.smoothing.aggregate import AGGREGATES
from smoothmin.smoothing.perturbations import check_design


@dataclass(frozen=True)
class Homotopy(Method):
    """Minimize a smoothed function, shrink the smoothing, polish the true function.

    From values alone: a descent with a quadratic through few points, a quasi-Newton descent
    with differences, and a Gaussian search with a fitted quadratic, whose normal distribution
    is the smoothing and shrinks as it learns; with ``restarts``, larger searches, searches
    along the coordinates and descents from new points in equal shares. In a box, a function
    that is a sum over the variables is searched along these first. Where there is no
    box, scouts, short searches from the start at several scales, share the effort of the
    first search. More than a hundred variables are first smoothed along each coordinate.

    With gradients: polish the start, minimize the smoothed function roughly at
    ``stages`` shrinking sizes of the smoothing, polish where that ends and the lowest
    point it sampled, go on by `GradientSamplingDescent` if that ends on a kink or creeps
    along one; with ``restarts``, again from the best point with more samples, and in between
    hops from the best point, steps to where a model of the minima found is lowest, and random
    starts, in a metric learned from all samples where these show one.

    Parameters
    ----------
    sigma : float or array_like of shape (d,), optional
        First size of the smoothing. By default a fifth of the box's width. Without a box, or
        in one that is 1e4 times wider than the larger of 1 and ``|x0|``: from values alone a
        tenth of the larger of 1 and ``|x0|``, or of ``|x0|`` where it is small and such steps
        lead lower; with gradients what the first polish moved each coordinate on the average.
    n : int, optional
        From values alone, points per generation of the first search, by default
        ``4 + 3 log(d)``, at least 5, and in a box, for ``d`` up to 200, four times as many,
        of which a model chooses the few that are evaluated. With gradients, points per
        evaluation of the smoothed function, by default 4.
    decay : float, default 0.4
        With gradients, factor from one size to the next.
    stages : int, default 3
        With gradients, number of sizes in a pass.
    aggregate : str, default "mean"
        With gradients; see `GradientSampling`.
    design : str, default "antithetic-latin-hypercube"
        With gradients; see `GradientSampling`.
    restarts : int or "budget", default 0
        Further rounds after the first; "budget": until a limit ends the run.
    growth : float, default 1.1
        With gradients, factor of ``n`` from pass to pass.
    gtol : float, optional
        With gradients, a polish has converged when no element of the gradient is larger, as
        in `LBFGS`.
    xtol : float, default 1e-11
        From values alone, a search has converged when no standard deviation of its
        distribution is larger, in units of the first.
    ftol : float, default 1e-12
        From values alone, a search has converged when the values of its last generations
        differ by no more, in units of the decrease so far if that is less than 1, or by no
        more than rounding.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value.

    Notes
    -----
    ``maxfev`` alone does not make it go on after the first round; ``restarts`` does.

    ``res.phase_nfev`` says what each kind of phase cost and ``res.phase_gain`` by how much
    it lowered the best value. With gradients ``res.passes`` counts the passes, and a run that
    ends on a kink has the ``stationarity`` and ``radius`` of `GradientSamplingDescent`. From values
    alone ``res.noise`` is the standard deviation of the noise as last measured (0 if
    none was seen), and ``res.error`` how far ``res.fun`` is expected to lie below the
    noise-free value, being the lowest of many. The samples of a generation, the
    differences of a gradient and the points of a line's range are asked as one batch.

    References
    ----------
    .. [1] H. Mobahi, J. W. Fisher III, "On the link between Gaussian homotopy
       continuation and convex envelopes", EMMCVPR (2015),
       :doi:`10.1007/978-3-319-14612-6_4`.
    .. [2] N. Hansen, "The CMA evolution strategy: a tutorial" (2016),
       :doi:`10.48550/arXiv.1604.00772`.
    .. [3] N. Hansen, "A global surrogate assisted CMA-ES", GECCO (2019),
       :doi:`10.1145/3321707.3321842`.
    .. [4] J. J. Moré, S. M. Wild, "Estimating computational noise", SIAM J. Sci. Comput. 33
       (2011), :doi:`10.1137/100786125`.

    Examples
    --------
    >>> import numpy as np
    >>> import smoothmin
    >>> def rastrigin(x):
    ...     return 10 * x.size + np.sum(x**2 - 10 * np.cos(2 * np.pi * x))
    >>> res = smoothmin.minimize(rastrigin, [2.2, -1.7], bounds=[(-5, 5)] * 2, rng=0,
    ...                          options={"maxfev": 1000, "restarts": "budget"})
    >>> res.method, bool(res.fun < 1e-8)
    ('homotopy', True)
    """

    name: ClassVar[str] = "homotopy"
    summary: ClassVar[str] = "smoothing that shrinks; many minima, noise; values alone suffice"
    reference: ClassVar[str] = "Mobahi, Fisher (2015); Hansen (2016)"
    handles_bounds: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True
    tolerances: ClassVar[tuple[str, ...]] = ("gtol", "xtol", "ftol")

    sigma: Any = None
    n: int | None = None
    decay: float = 0.4
    stages: int = 3
    aggregate: str = "mean"
    design: str = "antithetic-latin-hypercube"
    restarts: int | str = 0
    growth: float = 1.1
    gtol: float | None = None
    xtol: float = 1e-11
    ftol: float = 1e-12

    def __post_init__(self) -> None:
        if self.sigma is not None:
            require_scale("sigma", self.sigma)
        if self.n is not None:
            require_integer("n", self.n, 3)
        require_real("decay", self.decay, above=0, below=1)
        require_integer("stages", self.stages, 1)
        require_one_of("aggregate", self.aggregate, AGGREGATES)
        check_design("gaussian", self.design)
        if not (isinstance(self.restarts, str) and self.restarts == "budget"):
            require_integer("restarts", self.restarts, 0)
        require_real("growth", self.growth, minimum=1, below=np.inf)
        for name in ("gtol", "xtol", "ftol"):
            if getattr(self, name) is not None:
                require_real(name, getattr(self, name), minimum=0)

    @property
    def needs_gradient(self) -> bool:
        """Never."""
        return False

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        restarts = math.inf if self.restarts == "budget" else float(self.restarts)
        given: Array | None = None
        if self.sigma is not None:
            given = per_coordinate("sigma", self.sigma, problem.x0.size, problem.free)
        if not problem.has_gradient:
            scale = typical_scale(problem) if given is None else given
            ends = restarts, self.xtol, self.ftol
            return BlackBox(problem, rng, scale, given is None, self.n, *ends).run()
        if given is None:
            given = box_scale(problem)
        schedule = Schedule(
            given,
            self.n,
            self.decay,
            self.stages,
            self.aggregate,
            self.design,
            self.growth,
            self.gtol,
            restarts,
        )
        return Passes(schedule, problem, rng).run()
