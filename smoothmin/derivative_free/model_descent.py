"""`ModelDescent`: one value a step, and differences where that is not enough.

References: M. J. D. Powell, "The NEWUOA software for unconstrained optimization without
derivatives" (2006); see `interpolating_descent`.

Deviations: few points tell little of narrow valleys, along which the radius stays small for
long. After as many values as twenty gradients by differences take, a quasi-Newton descent goes on
from the lowest point. Where that ends at no minimum, as under noise and on kinks, the model
goes on to the end: where it was, or anew where differences have come lower.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from smoothmin._check import require_real, require_scale
from smoothmin._method import Method
from smoothmin._protocol import Array, Ask, Finish, Iterate, Problem, Steps, resume
from smoothmin._scale import typical_scale
from smoothmin._status import Status
from smoothmin._verdict import NEGLIGIBLE
from smoothmin.derivative_free.difference_descent import DifferenceDescent
from smoothmin.derivative_free.gaussian_search import GaussianSearch
from smoothmin.derivative_free.interpolating_descent import InterpolatingDescent
from smoothmin.derivative_free.survey import WIDENING

LONG = 20  # simplex gradients after which differences are tried


@dataclass(frozen=True)
class ModelDescent(Method):
    """Minimize from values alone with a quadratic through ``2 d + 1`` points or more.

    Parameters
    ----------
    scale : float or array_like of shape (d,), optional
        How far variables typically move, the first radius. By default a fifth of the
        box's width, and without a box a tenth of the larger of 1 and ``|x0|``.
    xtol : float, optional
        Converged when the radius is no larger, in units of the scale. By default when the
        decrease that the model promises is negligible, or below what values show.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value.

    Notes
    -----
    One evaluation a step, where a gradient by differences costs ``d`` of them: the
    fastest while far from the minimum, and where noise or kinks make differences useless.
    Where predictions keep failing, the noise is measured, and the run ends at its level.
    After ``20 (d + 1)`` values, as in narrow valleys, a descent by differences goes on; where
    that ends at no minimum, the model does. Where values jump or are missing, and no model holds, a
    `GaussianSearch` from the lowest point has the last word.
    A step costs O(d^3) operations; up to about fifty variables that is little.

    References
    ----------
    .. [1] M. J. D. Powell, "The NEWUOA software for unconstrained optimization without
       derivatives", in: Large-Scale Nonlinear Optimization (2006),
       :doi:`10.1007/0-387-30065-1_16`.

    Examples
    --------
    >>> from scipy.optimize import rosen
    >>> from smoothmin import ModelDescent, minimize
    >>> res = minimize(rosen, [-1.2, 1.0], method=ModelDescent())
    >>> res.success, bool(res.fun < 1e-10), res.nfev < 300
    (True, True, True)
    """

    name: ClassVar[str] = "model-descent"
    summary: ClassVar[str] = "values alone: a trust region and a quadratic of few points"
    reference: ClassVar[str] = "Powell (2006, 2009)"
    handles_bounds: ClassVar[bool] = True
    scale_option: ClassVar[str | None] = "scale"
    tolerances: ClassVar[tuple[str, ...]] = ("xtol",)
    hess_inv: ClassVar[Literal["array", "operator", "learnt"] | None] = "learnt"

    scale: ArrayLike | None = None
    xtol: float | None = None

    def __post_init__(self) -> None:
        require_scale("scale", self.scale, optional=True)
        if self.xtol is not None:
            require_real("xtol", self.xtol, minimum=0, below=1)

    @property
    def needs_gradient(self) -> bool:
        """Never."""
        return False

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        limit = LONG * (problem.x0.size + 1)
        descent = self.begin(problem, rng)
        steps, modelled, others = descent.run(), _Course(), _Course()
        finish = yield from modelled.follow(steps, limit)
        if finish is not None and not self._is_doubtful(finish, modelled):
            return (yield from self._searched(finish, modelled, descent.jumped, problem, rng))
        inverse = descent.inverse_hessian()
        differences = DifferenceDescent(scale=self.scale, hess_inv0=inverse, xtol=self.xtol)
        other = yield from others.follow(differences.run(problem.at(modelled.x), rng))
        assert other is not None
        if other.status.success:
            return other
        if finish is None:
            if modelled.behind(others):
                descent = self.begin(problem.at(others.x), rng)
                steps = descent.run()
            finish = yield from modelled.follow(steps)
        assert finish is not None
        jumped = descent.jumped or bool(other.info.get("jumps"))
        course = modelled
        if modelled.behind(others):
            finish, course = other, others
            if others.last is not None:
                yield others.last
        return (yield from self._searched(finish, course, jumped, problem, rng))

    def _is_doubtful(self, finish: Finish, course: _Course) -> bool:
        """Whether differences may know better whether a point is the end."""
        unsaid = finish.status is Status.PRECISION and self.xtol is None
        return unsaid and course.fun < math.inf

    def _searched(
        self,
        finish: Finish,
        course: _Course,
        jumped: bool,
        problem: Problem,
        rng: np.random.Generator,
    ) -> Generator[Any, Any, Finish]:
        """That end; where values had jumped or were missing, and no model holds, a search's."""
        if finish.status.success or not jumped or course.fun == math.inf:
            return finish
        sigma = typical_scale(problem, "scale", self.scale) / WIDENING
        search = GaussianSearch(sigma, model=False, xtol=NEGLIGIBLE, ftol=NEGLIGIBLE)
        return (yield from search.run(problem.at(course.x), rng))

    def begin(self, problem: Problem, rng: np.random.Generator) -> InterpolatingDescent:
        """A run that can be asked what it has learnt."""
        scale = typical_scale(problem, "scale", self.scale)
        return InterpolatingDescent(problem, scale, self.xtol, rng)


class _Course:
    """A descent's first and lowest value, where that is, and its last step."""

    def __init__(self) -> None:
        self.x: Array = np.empty(0)
        self.first = self.fun = math.inf
        self.last: Iterate | None = None

    def behind(self, other: _Course) -> bool:
        """Whether the other one is lower, by more than is negligible."""
        return self.fun - other.fun > NEGLIGIBLE * (self.first - other.fun)

    def follow(self, steps: Steps, limit: float = math.inf) -> Generator[Any, Any, Finish | None]:
        """The descent's last word; None, at a step, where it has taken more values than that."""
        cost, reply = 0, None
        while True:
            message: Any = resume(steps, reply)
            if isinstance(message, Finish):
                return message
            if isinstance(message, Ask):
                cost += len(message.points)
            else:
                self.last = message
                if message.fun < self.fun:
                    self.first = message.fun if self.first == math.inf else self.first
                    self.x, self.fun = message.x, message.fun
            reply = yield message
            if cost >= limit and isinstance(message, Iterate):
                return None
