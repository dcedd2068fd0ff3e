"""The loop that line-search descents share: direction, search, update.

What differs between them is the `Metric`: how a gradient becomes a direction,
and what a step teaches about curvature.
"""

from __future__ import annotations

import numpy as np

from smoothmin import _status
from smoothmin._protocol import Array, Changed, Finish, Iterate, Problem, Steps, ask_one
from smoothmin._status import Status
from smoothmin.descent.gradient_check import Doubt
from smoothmin.descent.hidden_constraints import Wall
from smoothmin.linesearch.weak_wolfe import LineResult, weak_wolfe
from smoothmin.metrics.metric import Metric
from smoothmin.subproblems.box_qp import box_step

EPS = float(np.finfo(float).eps)
CREEP_STEPS = 10  # steps, or as many as variables, that have to lower the value by more than ...
CREEP = 1e-12  # ... a share of what was gained so far
KINKED = 1e-3  # size of a gradient, in units of the first, that is not small at rounding level
RESOLVED = 1e-7  # of the first gradient, that differences cannot be trusted to tell from zero
STEEPEST = 1e3  # decrease that a first step without curvature may predict, in units of |f|
SHORTEST_GUESS = 1e-8  # of a first step without curvature, in units of max(1, |x|)


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
    step, guess, f_at_reset = length, True, np.inf
    small, doubt, wall = SmallGradient(problem, gtol), Doubt(problem, enough=1), Wall()
    creep = Creep(x.size, f)
    while True:
        pg = problem.projected_gradient(x, g)
        if (finish := small.found(pg)) is not None:
            return finish
        direction = search_direction(problem, metric, x, g)
        t = first_step(x, direction, step, f, float(g @ direction)) if metric.fresh else 1.0
        decrease = -float(g @ direction) * t
        # below rounding of f no search can see a decrease: as good as it gets
        if not guess and decrease < 2 * EPS * abs(f):
            said = f"Predicted decrease {decrease:.3g} is at rounding level"
            return small.nothing_lower(x, g, said)
        found = yield from weak_wolfe(problem, x, f, g, direction, t, curvature=curvature)
        noise = max(problem.noise, EPS * (abs(f) + float(np.abs(g) @ np.abs(x))))
        doubt.hear(found, direction, f, float(g @ direction), noise)
        # two failures with no decrease between them but rounding's are the end as well
        last_chance = metric.fresh or not f_at_reset - found.point.fun > 10 * EPS * abs(f)
        if found.wolfe:
            new = found.point
            cause = pg if problem.box is None else None
            metric.update(new.x - x, new.grad - g, cause, new.grad)
            learn_wall(metric, wall, found, x, g)
            step, guess = float(np.linalg.norm(new.x - x)), False
        else:
            # what the metric was taught by noise or a kink misleads: once more without
            metric.reset()
            step, guess, f_at_reset = 0.0, True, found.point.fun
        x, f, g = found.point.x, found.point.fun, found.point.grad
        reply = yield Iterate(x, f, g)
        if last_chance and not found.wolfe:
            failed = doubt.finish or Finish(Status.PRECISION, failed_search(found))
            return (None if found.endless else small.at_last(x, g)) or failed
        if (crept := creep.step(f)) is not None:
            return small.nothing_lower(x, g, crept)
        if isinstance(reply, Changed):
            f, g = yield from ask_one(x)
            f_at_reset = np.inf
            creep.begin(f)


class Creep:
    """Sees where many steps together lower the value by next to nothing."""

    def __init__(self, n: int, f: float) -> None:
        self._every, self._steps = max(CREEP_STEPS, n), 0
        self.begin(f)

    def begin(self, f: float) -> None:
        """Compare with this value from now on."""
        self._first = self._checked = f

    def step(self, f: float) -> str | None:
        """A sentence, if the last steps were in vain, at a step that leads to ``f``."""
        self._steps += 1
        if self._steps % self._every:
            return None
        decrease, self._checked = self._checked - f, f
        idle = decrease <= CREEP * (self._first - f)
        return f"Steps lower the value by {decrease:.3g} only" if idle else None


class SmallGradient:
    """The test of convergence: the largest element of the gradient is small.

    Small is the tolerance, in units of the first gradient where that is below 1: how a
    function is scaled does not make its start a minimum. Where nothing lower can be found
    the tolerance as it is will do, and a gradient ten million times smaller than the first.
    """

    def __init__(self, problem: Problem, gtol: float) -> None:
        self._problem, self._gtol = problem, gtol
        self._first: float | None = None

    def found(self, pg: Array) -> Finish | None:
        """The end, if a projected gradient is small enough."""
        size = float(np.abs(pg).max())
        if self._first is None:
            self._first = size
        return self._finish(size, self._gtol * min(1.0, self._first))

    def at_last(self, x: Array, g: Array) -> Finish | None:
        """The same at ``x``, where nothing lower was found."""
        return self._finish(self._size(x, g), max(self._gtol, RESOLVED * (self._first or 0.0)))

    def nothing_lower(self, x: Array, g: Array, said: str) -> Finish:
        """The end where steps do next to nothing, or are predicted to.

        A metric that has met a kink predicts little far from any minimum, and creeps there.
        """
        size = self._size(x, g)
        assert self._first is not None
        if size <= KINKED * self._first:
            return Finish(Status.CONVERGED, f"{said}.")
        steep = f"{said}, the gradient's largest element is {size:.3g}: a kink."
        return self.at_last(x, g) or Finish(Status.PRECISION, steep)

    def _size(self, x: Array, g: Array) -> float:
        return float(np.abs(self._problem.projected_gradient(x, g)).max())

    @staticmethod
    def _finish(size: float, tolerance: float) -> Finish | None:
        if not size <= tolerance:
            return None
        said = f"Gradient's largest element {size:.3g} <= {tolerance:.3g}."
        return Finish(Status.CONVERGED, said)


def search_direction(problem: Problem, metric: Metric, x: Array, g: Array) -> Array:
    """To the least point of the metric's model in the box; steepest descent if it is not down."""
    pg = problem.projected_gradient(x, g)
    if problem.box is None or metric.fresh:
        direction = -metric.apply(pg)
    else:
        lower, upper = problem.box
        try:
            direction = box_step(metric.model(), g, lower - x, upper - x)
        except np.linalg.LinAlgError:  # the metric is lost to rounding
            direction = np.zeros_like(g)
    if not g @ direction < 0:
        metric.reset()
        direction = -pg
    return direction


def learn_wall(metric: Metric, wall: Wall, found: LineResult, x: Array, g: Array) -> None:
    """Teach the metric what a search from ``x`` has met where there are no values."""
    pair = wall.pair(found, x, g)
    if pair is None:
        return
    if metric.fresh:  # its scale is that of the step, not of the wall
        metric.update(found.point.x - x, -g)
    metric.update(*pair)


def first_step(
    x: Array, direction: Array, previous: float, fun: float = 0.0, slope: float = 0.0
) -> float:
    """First trial of a search without curvature: as long as the last step, or a guess.

    A guess that predicts a decrease of a thousand times the value is too long.
    """
    length = float(np.linalg.norm(direction))
    if length == 0:  # or lost to underflow
        return 1.0
    if previous > 0:
        return previous / length
    reach = max(1.0, float(np.linalg.norm(x))) / length
    if fun != 0 and slope != 0:
        reach = min(reach, STEEPEST * abs(fun / slope))
    return min(max(1.0, SHORTEST_GUESS * reach), reach)


def failed_search(found: LineResult) -> str:
    """Sentence for a search that found no point that suffices."""
    if found.endless:
        return f"Values fall for as far as a line search goes, to {found.point.fun:.3g}."
    return (
        f"The line search found no step that suffices in {found.nfev} trials: "
        "a kink, noise, a wrong gradient, or the limit of precision."
    )
