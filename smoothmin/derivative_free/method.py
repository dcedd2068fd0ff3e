"""`DerivativeFree`: the portfolio of searches from values alone.

References: N. Hansen, "Benchmarking a BI-population CMA-ES on the BBOB-2009 function
testbed" (2009) (restarts with doubled populations against as much effort for small
runs); I. Loshchilov, M. Schoenauer, M. Sebag, "Bi-population CMA-ES algorithms with
surrogate models and line searches", GECCO (2013) (model first, line searches).

The phases are methods of their own: `ModelDescent`, `DifferenceDescent`,
`GaussianSearch`, `CoordinateSearch`. The model comes down fastest at first, noise or not;
where there is none, differences get to the minimum sooner. In a box the model's first points
and one more tell whether the function is a sum over the variables: every variable is
searched by itself, which neither other minima nor different curvatures make any harder. Where
a descent creeps, a search near by goes on. The first search trusts a model and starts with
what the model descent saw; the later ones, with larger populations, do not: a function that is
still unsolved then is not nearly quadratic. Descents to further minima begin at the lowest
points of a sample, as in multi level single linkage (`Starts`).

Without a box the scale is a guess, and the minimum next to the start may have been passed
by, or be the wrong one. Hence the scouts: searches that begin at the start as well, with three
times the scale and with a third of it, while the first search goes on from the best
point; they are given up unless they soon come lower.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from smoothmin._check import (
    require_integer,
    require_real,
    require_scale,
    require_settings,
    require_tolerance,
    tolerances,
)
from smoothmin._machine import EPS
from smoothmin._method import Method
from smoothmin._protocol import Array, Problem, Steps
from smoothmin._scale import FIRST_STEP
from smoothmin.derivative_free.actions import Actions
from smoothmin.derivative_free.mixed.search import MixedSearch
from smoothmin.derivative_free.settings import DerivativeFreeSettings


def as_local(local: Any) -> Method:
    """The method that descends, one from values alone."""
    if isinstance(local, str):
        from smoothmin._registry import method_class

        local = method_class(local)
    if isinstance(local, type) and issubclass(local, Method):
        local = local()
    if not isinstance(local, Method):
        raise TypeError(f"local must be a method or its name, got {local!r}")
    if local.needs_gradient or isinstance(local, DerivativeFree):
        raise ValueError(
            'local must be a method from values alone other than "derivative-free", got '
            f"{local.name or local!r}"
        )
    return local


@dataclass(frozen=True)
class DerivativeFree(Method):
    """Minimize from values alone: models, differences, Gaussian search, coordinates.

    A descent with a quadratic through few points, a quasi-Newton descent with differences,
    and a Gaussian search with a fitted quadratic, whose normal distribution is a smoothing
    and shrinks as it learns; with ``restarts``, larger searches, searches along the
    coordinates and descents from new points in equal shares. In a box, a function that is a
    sum over the variables is searched along these first. Where there is no box, scouts,
    short searches from the start at two scales, share the effort of the first search.
    More than a hundred variables are first smoothed along each coordinate.

    Parameters
    ----------
    sigma : float or array_like of shape (d,), optional
        First size of the searches. By default a fifth of the box's width. Without a box, or
        in one that is 1e4 times wider than the larger of 1 and ``|x0|``, a tenth of the larger
        of 1 and ``|x0|``, or of ``|x0|`` where it is small and such steps lead lower.
    n : int, optional
        Points per generation of the first search, at least 5. By default ``4 + 3 log(d)``,
        and in a box, for ``d`` up to 200, four times as many, of which a model chooses the
        few that are evaluated.
    restarts : int or "budget", default 0
        Further rounds after the first; "budget": until a limit ends the run.
    xtol : float or array_like of shape (d,), optional
        A search has converged when no standard deviation of its distribution is larger, in
        units of the first, by default 1e-8, and 1e-12 with ``restarts``; a model descent has
        when its radius is no larger. One for each variable if it is an array.
    ftol : float, optional
        A search has converged when the values of its last generations differ by no more, in
        units of the decrease so far if that is less than 1 or the value, or by no more than
        rounding; by default 1e-8, and 1e-12 with ``restarts``. A descent has when neither the
        decrease that is promised nor that of the last step is larger.
    xatol : float or array_like of shape (d,), optional
        As ``xtol`` in the variables' own units; of both the larger counts.
    local : str or Method, optional
        What descends to a minimum, from the best point and from where ``restarts`` begin: a
        method from values alone, such as "model-descent" or "coordinate-search". By default
        `DifferenceDescent`.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value.

    Notes
    -----
    Gradients are not asked for, even where there are some. ``maxfev`` alone does not make it
    go on after the first round; ``restarts`` does.

    With constraints "constrained-model" runs, with ``sigma`` as its ``scale``; with ``restarts``
    `ExactPenalty` around the searches.

    ``res.phase_nfev`` says what each kind of phase cost and ``res.phase_gain`` by how much
    it lowered the best value. ``res.noise`` is the standard deviation of the noise as last
    measured (0 if none was observed), and ``res.error`` the half-width of a 95 %
    interval around ``res.fun`` for the noise-free value there. A run that ends by itself evaluates
    where it ends anew, a ninth as often as it has evaluated so far or as ``maxfev`` leaves to it,
    but no more often than so far, and 20 times at least; ``res.fun`` is the mean, since the lowest
    of many values would be low by luck. Of a run that a limit ends ``res.fun`` is that one, and
    ``res.error`` allows for the luck.
    The samples of a generation, the differences of a gradient and the points of a line's range
    are asked as one batch.

    References
    ----------
    .. [1] N. Hansen, "The CMA evolution strategy: a tutorial" (2016),
       :doi:`10.48550/arXiv.1604.00772`.
    .. [2] N. Hansen, "A global surrogate assisted CMA-ES", GECCO (2019),
       :doi:`10.1145/3321707.3321842`.
    .. [3] J. J. Moré, S. M. Wild, "Estimating computational noise", SIAM J. Sci. Comput. 33
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
    ('derivative-free', True)
    """

    name: ClassVar[str] = "derivative-free"
    summary: ClassVar[str] = "values alone: many minima, noise, kinks; the default without gradient"
    reference: ClassVar[str] = "Hansen (2009); Loshchilov, Schoenauer, Sebag (2013)"
    handles_bounds: ClassVar[bool] = True
    scale_option: ClassVar[str | None] = "sigma"
    handles_integers: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True
    streams: ClassVar[bool] = True
    tolerances: ClassVar[tuple[str, ...]] = ("xtol", "ftol")
    synonyms: ClassVar[dict[str, str]] = {"popsize": "n"}
    hess_inv: ClassVar[Literal["array", "operator", "learnt"] | None] = "learnt"

    sigma: ArrayLike | None = None
    n: int | None = None
    restarts: int | str = 0
    xtol: ArrayLike | None = None
    ftol: float | None = None
    xatol: ArrayLike | None = None
    local: str | Method | None = None
    settings: DerivativeFreeSettings = field(
        default=DerivativeFreeSettings(), repr=False, kw_only=True, metadata={"option": False}
    )

    def __post_init__(self) -> None:
        require_settings(self.settings, DerivativeFreeSettings)
        require_scale("sigma", self.sigma, optional=True)
        if self.n is not None:
            require_integer("n", self.n, 5)
        if not (isinstance(self.restarts, str) and self.restarts == "budget"):
            require_integer("restarts", self.restarts, 0)
        if self.ftol is not None:
            require_real("ftol", self.ftol, minimum=0)
        for name in ("xtol", "xatol"):
            if getattr(self, name) is not None:
                require_tolerance(name, getattr(self, name))
        if self.local is not None:
            object.__setattr__(self, "local", as_local(self.local))

    def tolerance(self, scale: Array, problem: Problem) -> Array | None:
        """The tolerance of each variable in units of the scale, None where none is given."""
        found = None
        if self.xtol is not None:
            found = tolerances("xtol", self.xtol, scale.size, problem)
        if self.xatol is not None:
            absolute = tolerances("xatol", self.xatol, scale.size, problem) / scale
            found = absolute if found is None else np.maximum(found, absolute)
        return found

    @property
    def needs_gradient(self) -> bool:
        """Never."""
        return False

    def for_constraints(self) -> Method | None:
        """`ConstrainedModel`, which makes one round."""
        if self.restarts:
            return None
        from smoothmin.derivative_free.constrained.method import ConstrainedModel

        model = ConstrainedModel(scale=self.sigma)
        if self.xtol is None:
            return model
        return model.with_options(xtol=float(np.clip(self.xtol, EPS, FIRST_STEP)))

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        problem = replace(problem, has_gradient=False)
        if problem.lattice is not None:
            return MixedSearch(self, problem, rng).run()
        return Actions(self, problem, rng).run()
