"""Gradient descent: a fixed rate with momentum, or a line search.

References: B. T. Polyak, "Some methods of speeding up the convergence of
iteration methods", USSR Comput. Math. Math. Phys. 4 (1964); Y. Nesterov, Sov.
Math. Dokl. 27 (1983), in the form of I. Sutskever et al., ICML (2013), (3)-(4);
J. Barzilai, J. M. Borwein, IMA J. Numer. Anal. 8 (1988), (5).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from smoothmin._check import require_bool, require_one_of, require_real
from smoothmin._method import Method
from smoothmin._per_block import as_blocks, per_block, require_per_block
from smoothmin._protocol import (
    Array,
    Ask,
    Changed,
    Finish,
    Iterate,
    Mask,
    Problem,
    Steps,
    ask_one,
)
from smoothmin._resumable import Beginning, Begun
from smoothmin._status import Status
from smoothmin._types import Shapes
from smoothmin.descent.convergence import Convergence
from smoothmin.descent.first_point import first_point
from smoothmin.descent.fixed_rate import Constant, Geometry, Momentum, RatePoint, fixed_rate
from smoothmin.descent.quasi_newton import descend, failed_search, first_step
from smoothmin.descent.rescaling import in_range
from smoothmin.linesearch.weak_wolfe import armijo
from smoothmin.metrics.metric import Ends, Metric

SEARCHES = ("weak-wolfe", "armijo", "barzilai-borwein")


class Identity(Metric):
    """Steepest descent."""

    fresh = True

    def apply(self, g: Array) -> Array:
        """The gradient itself."""
        return g.copy()

    def root(self, gradients: Array) -> Array:
        """The gradients themselves."""
        return gradients

    def model(self) -> Identity:
        """Itself."""
        return self

    def curve(self, s: Array) -> Array:
        """A copy."""
        return s.copy()

    def newton(self, r: Array, free: Mask) -> Array:
        """Down the gradient."""
        return np.where(free, -r, 0.0)

    def update(
        self, s: Array, y: Array, cause: Array | None = None, ends: Ends | None = None
    ) -> None:
        """Learn nothing."""

    def reset(self) -> None:
        """There is nothing to forget."""


@dataclass(frozen=True)
class GradientDescent(Method):
    """Gradient descent.

    Parameters
    ----------
    lr : float or sequence of float, optional
        Fixed rate: ``x <- x - lr * gradient``; one for all variables, or one per block of
        `shapes`. None: a line search finds the step.
    momentum : float, default 0
        Share of the last step added to this one, in [0, 1); with ``lr`` only.
    nesterov : bool, default False
        Nesterov's momentum instead of Polyak's.
    line_search : {"weak-wolfe", "armijo", "barzilai-borwein"}, optional
        With ``lr=None``; "weak-wolfe" by default. "barzilai-borwein" takes the step
        from the last change of the gradient and searches only where that goes up.
    gtol : float, optional
        Converged as soon as no element of the (projected) gradient is larger, in its units.
        By default where the decrease that is left is negligible beside the last ones, or
        below what rounding and noise let values show.
    shapes : sequence of int or tuple, optional
        How the flat vector splits into blocks, in order, where no method around this one
        says so.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value.

    Notes
    -----
    At a fixed rate one step is one evaluation, after one at the start, and nothing
    keeps the value from rising; the result is still the best point evaluated. Bounds are
    handled by projection.

    References
    ----------
    .. [1] J. Barzilai, J. M. Borwein, "Two-point step size gradient methods", IMA J.
       Numer. Anal. 8 (1988), :doi:`10.1093/imanum/8.1.141`.

    Examples
    --------
    >>> import smoothmin
    >>> res = smoothmin.minimize(lambda x: (x @ x, 2 * x), [3.0, 4.0], jac=True,
    ...                          method=smoothmin.GradientDescent(lr=0.5))
    >>> res.x
    array([0., 0.])
    """

    name: ClassVar[str] = "gradient-descent"
    summary: ClassVar[str] = "fixed rate, momentum, or a line search"
    reference: ClassVar[str] = "Polyak (1964); Barzilai, Borwein (1988)"
    handles_bounds: ClassVar[bool] = True
    tolerances: ClassVar[tuple[str, ...]] = ("gtol",)

    lr: ArrayLike | None = None
    momentum: float = 0.0
    nesterov: bool = False
    line_search: str | None = None
    gtol: float | None = None
    shapes: Shapes | None = None

    def __post_init__(self) -> None:
        if self.gtol is not None:
            require_real("gtol", self.gtol, minimum=0)
        require_real("momentum", self.momentum, minimum=0, below=1)
        require_bool("nesterov", self.nesterov)
        if self.line_search is not None:
            require_one_of("line_search", self.line_search, SEARCHES)
        if self.lr is not None:
            require_per_block("lr", self.lr, above=0, below=np.inf)
            if self.line_search is not None:
                raise ValueError(f"line_search must be None with lr={self.lr!r}: the rate is fixed")
        elif self.momentum or self.nesterov:
            raise ValueError(f"lr must be given with momentum={self.momentum!r} or nesterov")
        if self.shapes is not None:
            as_blocks(self.shapes)

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        if self.lr is not None:
            return self.at_fixed_rate(problem, _Plain(problem, Convergence(problem, self.gtol)))
        if self.line_search == "barzilai-borwein":
            return in_range(problem, self._barzilai_borwein)
        curvature = self.line_search != "armijo"
        return in_range(
            problem, lambda inner: descend(inner, Identity(), self.gtol, curvature=curvature)
        )

    def at_fixed_rate(self, problem: Problem, geometry: Geometry) -> Steps:
        """Descend at the rate `lr` in a geometry that may not be the plain one."""
        momentum = Momentum(self.momentum, self.nesterov)

        def begin() -> Generator[Ask, Any, Beginning | Finish]:
            rate = per_block("lr", self.lr, problem, self.shapes)
            here = yield from _start(problem, geometry)
            if isinstance(here, Finish):
                return here
            return fixed_rate(problem, geometry, here, Constant(rate), momentum), None

        return Begun(begin)

    def _barzilai_borwein(self, problem: Problem) -> Steps:
        """Steps of length s's / s'y, backtracked only if they go up."""
        start = yield from first_point(problem, self.gtol)
        if isinstance(start, Finish):
            return start
        x, f, g = start
        t = 0.0
        highest = [f]  # of the last ten: Raydan's nonmonotone reference value
        known = Convergence(problem, self.gtol)
        known.begin(x, f, problem.projected_gradient(x, g))
        while True:
            pg = problem.projected_gradient(x, g)
            promised = 0.5 * t * float(pg @ pg) if t > 0 else np.inf
            ended = known.met(pg) or (yield from known.enough(promised, t * pg, x, f, g))
            if isinstance(ended, Finish):
                return ended
            t = t if t > 0 else first_step(x, -pg, 0.0, f, -float(pg @ pg))
            found = yield from armijo(problem, x, max(highest), g, -pg, t)
            known.walled |= found.walled
            if not found.lower:
                message = failed_search(found)
                lower = yield from known.nothing_lower(message, found, promised, x, f, g)
                if isinstance(lower, Finish):
                    return lower
                (x, f, g), t, highest = lower, 0.0, [lower[1]]
                continue
            new = found.point
            s, y = new.x - x, new.grad - g
            sy = float(s @ y)
            t = float(s @ s) / sy if sy > 0 else 0.0
            x, f, g = new.x, new.fun, new.grad
            highest = [*highest[-9:], f]
            length = float(np.linalg.norm(s))
            known.stepped(x, f, problem.projected_gradient(x, g), length=length)
            reply = yield Iterate(x, f, g)
            if isinstance(reply, Changed):
                f, g = yield from ask_one(x)
                highest = [f]
                known.begin(x, f, problem.projected_gradient(x, g))


class _Plain(Geometry):
    """Steps along the gradient itself."""

    def at(self, x: Array, fun: float, grad: Array) -> RatePoint:
        """The gradient is the direction."""
        return RatePoint(x, fun, grad, self.problem.projected_gradient(x, grad), grad)

    def towards(self, here: RatePoint) -> Array:
        """The part of the gradient that does not push against a bound."""
        return here.free


def _start(problem: Problem, geometry: Geometry) -> Generator[Ask, Any, RatePoint | Finish]:
    """Where a descent begins, or the end if the gradient there is of no use."""
    x = problem.clip(problem.x0)
    f, g = yield from ask_one(x)
    if not np.isfinite(g).all():
        return Finish(Status.NONFINITE, f"The gradient is not finite at a value of {f}.")
    here: RatePoint = geometry.at(x, f, g)
    geometry.begin(here)
    return here
