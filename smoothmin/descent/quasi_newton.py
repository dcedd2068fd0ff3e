"""The loop that line-search descents share: direction, search, update.

What differs between them is the `Metric`: how a gradient becomes a direction,
and what a step teaches about curvature.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from smoothmin import _status
from smoothmin._protocol import Array, Changed, Finish, Iterate, Problem, Steps, ask_one
from smoothmin._status import Status
from smoothmin.descent.line_search import LineResult, weak_wolfe

EPS = float(np.finfo(float).eps)


class Metric(ABC):
    """An estimate H of the inverse Hessian, positive definite."""

    @abstractmethod
    def apply(self, g: Array) -> Array:
        """``H g``, a new array."""

    rowwise: ClassVar[bool] = True  # whether rows of `root` depend on their gradient alone

    @abstractmethod
    def root(self, gradients: Array) -> Array:
        """Rows with the inner products in H of the rows of ``gradients``."""

    def apply_to_mix(self, mix: Array, image: Array) -> Array:
        """``H mix`` of gradients mixed, their rows of `root` mixed likewise in ``image``."""
        return self.apply(mix)

    @abstractmethod
    def update(
        self, s: Array, y: Array, cause: Array | None = None, gradient: Array | None = None
    ) -> None:
        """Learn from a step ``s`` and the change ``y`` of the gradient.

        ``cause`` is the vector along whose ``-H cause`` the step was, where it was one;
        ``gradient`` that at the step's end, which may be of use.
        """

    def start(self, scales: Array) -> None:  # noqa: B027  (not all metrics can use it)
        """Take the lengths of coordinates (n,) for the first update to begin with."""

    @abstractmethod
    def reset(self) -> None:
        """Forget everything."""

    @property
    @abstractmethod
    def fresh(self) -> bool:
        """Whether nothing has been learnt since the last reset."""


def descend(
    problem: Problem, metric: Metric, gtol: float, *, curvature: bool = True, length: float = 0.0
) -> Steps:
    """Minimize by steps along ``-H g``, each found by a weak Wolfe search.

    ``length`` is that of the first trial step, 0 for a guess. With bounds, ``H`` is
    restricted to the variables that are free to move (Bertsekas, "Projected Newton
    methods", SIAM J. Control Optim. 20, 1982), and the search follows the projected path.
    """
    x = problem.clip(problem.x0)
    f, g = yield from ask_one(x)
    if not np.isfinite(f):
        return Finish(Status.NONFINITE, _status.nonfinite_start(f))
    if not np.isfinite(g).all():
        return Finish(Status.NONFINITE, _status.NONFINITE_GRADIENT)
    step, f_at_reset = length, np.inf
    while True:
        pg = problem.projected_gradient(x, g)
        size = float(np.abs(pg).max())
        if size <= gtol:
            return Finish(Status.CONVERGED, f"Gradient's largest element {size:.3g} <= {gtol:g}.")
        direction = search_direction(problem, metric, x, pg)
        decrease = -float(pg @ direction)
        # below rounding of f no search can see a decrease: as good as it gets
        if not metric.fresh and decrease < 2 * EPS * abs(f):
            return Finish(
                Status.CONVERGED, f"Predicted decrease {decrease:.3g} is at rounding level."
            )
        t = first_step(x, direction, step) if metric.fresh else 1.0
        found = yield from weak_wolfe(problem, x, f, g, direction, t, curvature=curvature)
        # two failures with no decrease between them but rounding's are the end as well
        last_chance = metric.fresh or not f_at_reset - found.point.fun > 10 * EPS * abs(f)
        if found.wolfe:
            new = found.point
            cause = pg if problem.box is None else None
            metric.update(new.x - x, new.grad - g, cause, new.grad)
            step = float(np.linalg.norm(new.x - x))
        else:
            # what the metric was taught by noise or a kink misleads: once more without
            metric.reset()
            step, f_at_reset = 0.0, found.point.fun
        x, f, g = found.point.x, found.point.fun, found.point.grad
        reply = yield Iterate(x, f, g)
        if last_chance and not found.wolfe:
            return Finish(Status.PRECISION, failed_search(found))
        if isinstance(reply, Changed):
            f, g = yield from ask_one(x)
            f_at_reset = np.inf


def search_direction(problem: Problem, metric: Metric, x: Array, pg: Array) -> Array:
    """``-H pg`` on the free variables; steepest descent if that is no descent."""
    direction = -metric.apply(pg)
    if problem.box is not None:
        lower, upper = problem.box
        # a variable at a bound may leave it, not push against it
        stuck = (pg == 0) | ((x <= lower) & (direction < 0))
        stuck |= (x >= upper) & (direction > 0)
        direction[stuck] = 0.0
    if not pg @ direction < 0:
        metric.reset()
        direction = -pg
    return direction


def first_step(x: Array, direction: Array, previous: float) -> float:
    """First trial of a search without curvature: as long as the last step, or a guess."""
    length = float(np.linalg.norm(direction))
    if length == 0:  # or lost to underflow
        return 1.0
    if previous > 0:
        return previous / length
    return min(1.0, max(1.0, float(np.linalg.norm(x))) / length)


def failed_search(found: LineResult) -> str:
    """Sentence for a search that found no lower point."""
    return (
        f"The line search found no step that suffices in {found.nfev} trials: "
        "a kink, noise, or the limit of precision."
    )
