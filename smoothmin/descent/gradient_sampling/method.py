"""Gradient sampling with quasi-Newton steps: minimization across kinks, with a certificate.

References: J. V. Burke, A. S. Lewis, M. L. Overton, "A robust gradient sampling
algorithm for nonsmooth, nonconvex optimization", SIAM J. Optim. 15 (2005), the GS
algorithm of section 2; F. E. Curtis, X. Que, "An adaptive gradient sampling algorithm
for nonsmooth optimization", Optim. Methods Softw. 28 (2013), Algorithm 3.1; A. S.
Lewis, M. L. Overton, Math. Program. 141 (2013), for the quasi-Newton steps.

Deviations, and why:

* Until steps show a kink, there is nothing but a limited-memory quasi-Newton descent
  (`smooth_descent.py`): most functions are smooth.
* Steps along ``-H g`` are taken for as long as their line search succeeds: they cost two
  or three evaluations, a sampling step some n of them.
* The hull is that of every known gradient within the radius, line searches' rejected
  points included, and is enlarged along the direction it gives, as a bundle method does.
  Points are drawn at random only when that brings no news.
* The bundle serves the quasi-Newton steps too. Their first trial lies just beyond the
  nearest kink that the bundle's tangents predict, as in the limited-memory bundle method
  (Haarala, Miettinen, Makela, Optim. Methods Softw. 19, 2004). Where that kink is very
  near and few cuts are in reach, the step is that of a variable-metric bundle method.
* The direction of a hull step is minus the least element of the hull in the metric H
  (Curtis and Que, (3.3)), while the certificate is its Euclidean norm.
* The first metric is diagonal where the start and its gradient, or the gradients of the
  first search, show that the variables have different scales.
* Where the metric is far too long in all directions, self-scaling updates are tried
  (`self_scaling.py`).
* Where a function looks convex and steps in the metric are slow, they go to centres of
  what all tangents leave, for as long as the gap to their lower bound closes
  (`central_bundle.py`).
* Where the function shows few smooth pieces, steps go to the minimum of their models
  for as long as these predict its values (`bundle_newton.py`).
* Bounds within the radius add their normals to the hull; samples are clipped into the box.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from smoothmin._check import require_integer, require_real, require_settings
from smoothmin._estimate import ESTIMATE
from smoothmin._machine import FEW
from smoothmin._method import Method
from smoothmin._protocol import Changed, Finish, Problem, Steps
from smoothmin._scale import START_SHARE
from smoothmin.descent.gradient_sampling.settings import GradientSamplingSettings
from smoothmin.descent.gradient_sampling.state import (
    NO_ESTIMATE,
    State,
    StepOutcome,
    StepSource,
)
from smoothmin.descent.gradient_sampling.stationarity import end_of_run
from smoothmin.descent.rescaling import in_range
from smoothmin.linesearch.line_result import LinePoint

if TYPE_CHECKING:
    from smoothmin.descent.gradient_sampling.bundle_newton import Predictor
    from smoothmin.descent.gradient_sampling.hull import HullStep


@dataclass(frozen=True)
class GradientSamplingDescent(Method):
    """Gradient sampling of Burke, Lewis and Overton, with quasi-Newton steps.

    For functions that are differentiable almost everywhere, with kinks, convex or
    not. Not to be confused with `GradientSampling`, which averages over perturbations
    and wraps other methods.

    Parameters
    ----------
    stationarity_tol : float, optional
        Largest norm, for success, of the least element of the hull of nearby gradients, in their
        units; SciPy's ``gtol`` is another name for it.
    radius_tol : float, optional
        Largest distance of these gradients' points, for success; never more than a
        hundred-thousandth of the largest element of ``x``. By default the norm is a millionth of
        the mean length of the gradients in the mix, and the distance a hundred-millionth of the
        largest element that ``x`` has had; where the function is smooth the run ends as `BFGS`
        does.
    radius : float, optional
        First sampling radius. A tenth of the largest element of ``x0``, or of 1, if None.
    samples : int, optional
        Points drawn at a time where the search finds no new gradients. ``n + 1``, but at
        most 100, if None.
    memory : int, optional
        Gradients kept. ``2 n + 10``, but at most 250, or 20 with limited memory, if None.
    restarts : int, default 0
        Further runs, each from a random point around the lowest one found, farther each
        time. They may leave a stationary point that is no minimum.
    dense_up_to : int, default 2000
        Most variables for which a dense metric is kept; limited memory beyond.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value.

    Notes
    -----
    The result carries ``stationarity`` and ``radius``: zero lies within ``stationarity``
    of the convex hull of gradients (plus normals of bounds) at points no farther
    than ``radius`` from the solution. Success is reported only if both meet their
    tolerances; a short gradient at the solution itself is a certificate of radius zero.
    Where nothing lower is to be found, a stationarity that is no more than rounding leaves of
    it is a success as well; the message has the tolerance that was met.
    If searches show that values change at another rate than gradients say, at three points of
    a line on which these are alike, the status is 8: the gradient is wrong.
    With at most 50 variables and exact gradients functions that show few smooth pieces are
    minimized by models of these, in the manner of [4]_, for as long as the models predict the
    values. With at most 100, functions that look convex, such as tail risks, least absolute
    deviations, minimax fits and duals, are minimized by analytic centres of cuts [5]_ where
    other steps are slow. No tangent of a convex function lies above it: a mix of them that is
    flat is a lower bound, and one that is next to nothing lower than the value is a success,
    with the mix's length as ``stationarity``.

    Gradients by finite differences see no kink nearer than their step, so the radius
    stays at ten steps or more; "2-point" has the shortest.

    References
    ----------
    .. [1] J. V. Burke, A. S. Lewis, M. L. Overton, "A robust gradient sampling algorithm
       for nonsmooth, nonconvex optimization", SIAM J. Optim. 15 (2005),
       :doi:`10.1137/030601296`.
    .. [2] A. S. Lewis, M. L. Overton, "Nonsmooth optimization via quasi-Newton
       methods", Math. Program. 141 (2013), :doi:`10.1007/s10107-012-0514-2`.
    .. [3] F. E. Curtis, X. Que, "An adaptive gradient sampling algorithm for nonsmooth
       optimization", Optim. Methods Softw. 28 (2013), :doi:`10.1080/10556788.2012.714781`.
    .. [4] A. S. Lewis, C. Wylie, "A simple Newton method for local nonsmooth
       optimization" (2019), arXiv:1907.11742.

    .. [5] J.-L. Goffin, A. Haurie, J.-P. Vial, "Decomposition and nondifferentiable
       optimization with the projective algorithm", Management Sci. 38 (1992),
       :doi:`10.1287/mnsc.38.2.284`.

    Examples
    --------
    >>> import numpy as np
    >>> import smoothmin
    >>> fun = lambda x: (abs(x[0]) + 3 * abs(x[1] - 1),
    ...                  np.array([np.sign(x[0]), 3 * np.sign(x[1] - 1)]))
    >>> res = smoothmin.minimize(fun, [2.0, -1.0], jac=True, method="gradient-sampling", rng=0)
    >>> res.success, res.stationarity <= 1e-6, res.radius <= 1e-7
    (True, True, True)
    """

    name: ClassVar[str] = "gradient-sampling"
    summary: ClassVar[str] = "quasi-Newton gradient sampling: kinks, with a certificate"
    reference: ClassVar[str] = "Burke, Lewis, Overton (2005)"
    handles_bounds: ClassVar[bool] = True
    hess_inv: ClassVar[Literal["array", "operator", "learnt"] | None] = "learnt"
    stochastic: ClassVar[bool] = True
    tolerances: ClassVar[tuple[str, ...]] = ("stationarity_tol", "radius_tol")
    synonyms: ClassVar[dict[str, str]] = {"gtol": "stationarity_tol"}

    stationarity_tol: float | None = None
    radius_tol: float | None = None
    radius: float | None = None
    samples: int | None = None
    memory: int | None = None
    restarts: int = 0
    dense_up_to: int = 2000
    # no option: for benchmarks of its numbers and mechanisms
    settings: GradientSamplingSettings = field(
        default=GradientSamplingSettings(), repr=False, kw_only=True, metadata={"option": False}
    )

    def __post_init__(self) -> None:
        for name in ("stationarity_tol", "radius_tol"):
            if getattr(self, name) is not None:
                require_real(name, getattr(self, name), minimum=0)
        if self.radius is not None:
            require_real("radius", self.radius, above=0, below=np.inf)
        if self.samples is not None:
            require_integer("samples", self.samples, 1)
        if self.memory is not None:
            require_integer("memory", self.memory, 2)
        require_integer("restarts", self.restarts, 0)
        require_integer("dense_up_to", self.dense_up_to, 0)
        require_settings(self.settings, GradientSamplingSettings)

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        return in_range(problem, lambda inner: self._restarting(inner, rng))

    def _restarting(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """All runs; the end of the lowest."""
        best, finish = yield from self._descend(problem, rng)
        for k in range(self.restarts):
            size = max(1.0, float(np.abs(best.x).max()))
            offset = START_SHARE * 2.0**k * size * rng.standard_normal(best.x.size)
            again = problem.at(problem.clip(best.x + offset / np.sqrt(best.x.size)))
            state, ended = yield from self._descend(again, rng)
            if state.f < best.f:
                best, finish = state, ended
        return finish

    def _descend(
        self, problem: Problem, rng: np.random.Generator
    ) -> Generator[Any, Any, tuple[State, Finish]]:
        """One run, begun again whenever the problem changes."""
        state = State(self, problem, rng)
        finish = yield from state.smooth_start()
        while finish is None:
            sources, hull = self._sources(state)
            finish = yield from _iterate(state, sources, hull)
            if finish is None:
                finish = yield from state.start()
            else:
                finish.info.setdefault(ESTIMATE, NO_ESTIMATE)
        return state, finish

    def _sources(self, state: State) -> tuple[list[StepSource], HullStep]:
        """Ways to a lower point, in the order of their speed, and the last one, which proves."""
        # most functions are smooth, and never need these
        from smoothmin.descent.gradient_sampling.bundle_newton import BundleNewton, Predictor
        from smoothmin.descent.gradient_sampling.central_bundle import CentralBundle
        from smoothmin.descent.gradient_sampling.hull import HullStep
        from smoothmin.descent.gradient_sampling.search import QuasiNewtonSearch

        settings, n = self.settings, state.x.size
        state.watchers.clear()
        sources: list[StepSource] = []
        # steps to where pieces meet end on kinks, where finite differences are no gradients
        exact = state.problem.resolution == 0
        predictor: Predictor | None = None
        if exact and n <= settings.most_variables and settings.piece_models:
            predictor = Predictor(state, settings.pieces)
            state.watchers.append(predictor.watch)
            sources.append(BundleNewton(state, predictor))
        if exact and n <= FEW and settings.central_cuts:
            sources.append(CentralBundle(state, predictor))
        sources.append(QuasiNewtonSearch(state))
        return sources, HullStep(state, self.samples)


def _iterate(
    state: State, sources: list[StepSource], hull: HullStep
) -> Generator[Any, Any, Finish | None]:
    """The algorithm proper; None when the problem has changed."""
    while True:
        # 1. the first of the cheap steps that is lower, unless the hull is due
        outcome = StepOutcome.STATIONARY if hull.due() else StepOutcome.NOTHING
        for source in sources:
            if outcome is StepOutcome.NOTHING:
                outcome = yield from source.step()
        # 2. sample gradients nearby, and step along the least element of their hull
        if outcome is not StepOutcome.LOWER:
            outcome = yield from hull.step()
        # 3. terminate where there is no such step
        if outcome is StepOutcome.STATIONARY:
            ended = yield from end_of_run(state)
            if isinstance(ended, Finish):
                return ended
            x, f, g = ended
            state.settle(LinePoint(0.0, x, f, g, 0.0))
        # 4. update
        state.proof = None
        if isinstance((yield state.iterate()), Changed):
            return None
        # 5. go back to where kinks cost nothing, if none are met any more
        if state.calm and (finish := (yield from state.smooth_again())) is not None:
            return finish
