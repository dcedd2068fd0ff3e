"""Constraints for any method: an exact l1 penalty whose weights are steered between its steps.

The inner method sees ``f(x) + sum mu_i * violation_i(x)``, whose minima are those of the
problem once each ``mu_i`` exceeds its row's multiplier.

References: R. H. Byrd, J. Nocedal, R. A. Waltz, "Steering exact penalty methods for nonlinear
programming", Optim. Methods Softw. 23 (2008).

Deviations, and why: what the inner method ends at is certified, and polished if need be, by
`SQPGradientSampling`, since next to kinks a line search finds nothing lower before the minimum
is there. Weights are one a row, so that units of rows do not matter. The best
decrease of the violation is that of its steepest descent, which needs no programme: weights
have to let the steepest descent of the penalized function keep a share of it. Rows that the
last step can have reached take a share more than their least-squares multiplier at once,
before the step that would show it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from smoothmin import _status
from smoothmin._check import require_real
from smoothmin._factors import FASTEST_GROWTH
from smoothmin._method import Method
from smoothmin._protocol import (
    CHANGED,
    Answers,
    Array,
    Ask,
    Finish,
    Iterate,
    Mask,
    Message,
    Problem,
    Reply,
    Rows,
    Steps,
    resume,
)
from smoothmin._reflection import within_bounds
from smoothmin._status import Status
from smoothmin._verdict import CTOL_FROM_VALUES
from smoothmin.constraints.radial import Radial
from smoothmin.constraints.region import (
    dense,
    excess,
    part_of,
    relative_excess,
    scaled_excess,
    stacked_rows,
)
from smoothmin.constraints.result import signed_least_squares
from smoothmin.descent.gradient_sampling.method import GradientSamplingDescent

KEPT = 0.5  # share of the violation's steepest descent that the penalty's has to keep
STUCK = 0.99  # share of a violation that larger weights do not lower: it is stationary
UNCERTAIN = (Status.CONVERGED, Status.PRECISION, Status.INFEASIBLE)
RESTORATIONS = 3  # steps to the rows at the end; each squares what is left


@dataclass
class _Seen:
    """What was found at the last points asked for: values, rows and derivatives."""

    points: Array
    values: Array
    gradients: Array | None
    rows: Array
    jacobians: Array | None

    def at(self, x: Array) -> int | None:
        """Which of the points ``x`` is."""
        same = np.flatnonzero((self.points == x).all(axis=1))
        return int(same[0]) if same.size else None


class _Penalized:
    """The penalized function: all soft rows, linear ones first, and their weights."""

    def __init__(self, problem: Problem, mu: float | None) -> None:
        self._steered = mu is None
        self._n = len(problem.x0)
        soft = problem.linear
        self.radial: Radial | None = None
        if soft is not None and soft.hard is not None:
            self.radial = Radial.of(part_of(soft, soft.hard), problem)
            soft = None if soft.hard.all() else part_of(soft, ~soft.hard)
        self._matrix = None if soft is None else dense(soft.matrix)
        parts = [
            dataclasses.replace(rows, matrix=None)
            for rows in (soft, problem.nonlinear)
            if rows is not None
        ]
        self.rows: Rows | None = stacked_rows(parts) if parts else None
        count = 0 if self.rows is None else len(self.rows.lower)
        self.mu = np.full(count, 0.0 if mu is None else mu)
        self.seen: _Seen | None = None
        self.last: _Seen | None = None  # the single point of the last step
        self._history: list[tuple[Array, float, Array]] = []
        self._reach = math.inf
        self._begun = mu is not None

    def note(self, z: Array, answers: Answers) -> None:
        """Remember what was found at the inner method's points ``z``."""
        parts = []
        jacobians = answers.jacobians
        x = z if self.radial is None else self.radial.points(z)
        if self._matrix is not None:
            parts.append(x @ self._matrix.T)
        if answers.rows is not None:
            parts.append(answers.rows)
        rows = np.concatenate(parts, axis=1) if parts else np.empty((len(z), 0))
        if answers.gradients is not None and self._matrix is not None:
            linear = np.broadcast_to(self._matrix, (len(z), *self._matrix.shape))
            jacobians = linear if jacobians is None else np.concatenate([linear, jacobians], axis=1)
        if answers.gradients is not None and jacobians is None:
            jacobians = np.empty((len(z), 0, z.shape[1]))
        self.seen = _Seen(z.copy(), answers.values, answers.gradients, rows, jacobians)
        if not self._begun:
            self._begin(self.seen)
        if answers.gradients is None:
            self._history += zip(z.copy(), answers.values.tolist(), rows, strict=True)
            del self._history[: -2 * (self._n + 1)]

    def _begin(self, seen: _Seen) -> None:
        """First weights: multipliers as large as they are where one row holds the function."""
        self._begun = True
        if seen.gradients is None or seen.jacobians is None:
            self.mu = np.full(len(self.mu), max(1.0, float(np.abs(seen.values[0]))))
            return
        size = np.linalg.norm(seen.jacobians[0], axis=1)
        steep = float(np.linalg.norm(seen.gradients[0])) or 1.0
        usable = np.isfinite(size) & (size > 0) & math.isfinite(steep)
        self.mu = np.where(usable, steep / np.where(usable, size, 1.0), 1.0)

    def answers(self, seen: _Seen) -> Answers:
        """What the inner method is told."""
        values, gradients = seen.values.copy(), seen.gradients
        if self.rows is not None:
            weighted = self.mu * excess(self.rows, seen.rows)
            values = values + np.where(self.mu > 0, weighted, 0.0).sum(axis=1)
        if gradients is not None:
            gradients = gradients.copy()
            if self.rows is not None and seen.jacobians is not None:
                signs = self.mu * _signs(self.rows, seen.rows)
                gradients += np.einsum("mk,mkn->mn", signs, seen.jacobians)
        if self.radial is not None:
            values, gradients = self.radial.inward(seen.points, values, gradients)
        return Answers(values, gradients)

    def steer(self, x: Array) -> bool:
        """Raise weights as the rows and slopes at a step's end demand; whether any was."""
        if not self._steered or self.rows is None:
            return False
        local = self._local(x)
        if local is None:
            return False
        gradient, row, jacobian = local
        beyond = excess(self.rows, row)
        signs = _signs(self.rows, row[None])[0]
        size = np.linalg.norm(jacobian, axis=1)
        usable = np.isfinite(size) & (size > 0) & np.isfinite(row)
        least = np.zeros_like(self.mu)
        upper = usable & (row + self._reach * size >= self.rows.upper)
        lower = usable & (row - self._reach * size <= self.rows.lower)
        near = np.flatnonzero(upper | lower)
        if near.size and np.isfinite(gradient).all():
            found = signed_least_squares(jacobian[near].T, gradient, lower[near], upper[near])
            least[near] = np.abs(found) / KEPT
        violated = usable & (beyond > self.rows.tolerance * np.maximum(1.0, np.abs(row)))
        if violated.any() and np.isfinite(gradient).all():
            # rows in units in which each has a slope of one
            way = (signs[violated] / size[violated]) @ jacobian[violated]
            square = float(way @ way)
            if square > 0:
                share = -float(way @ gradient) / ((1 - KEPT) * square)
                least[violated] = np.maximum(least[violated], share / size[violated])
        raised = least > self.mu
        # not by a little time and again, for every time the inner method begins anew
        self.mu = np.where(raised, np.maximum(least, self.mu / KEPT), self.mu)
        return bool(raised.any())

    def moved(self, length: float) -> None:
        """A step of this length was made: the next reaches about as far."""
        self._reach = length

    def _local(self, x: Array) -> tuple[Array, Array, Array] | None:
        """Gradient, rows and Jacobian at ``x``: as found, or of linear models."""
        seen = self.seen
        k = None if seen is None else seen.at(x)
        if seen is not None and k is not None and seen.gradients is not None:
            assert seen.jacobians is not None
            return seen.gradients[k], seen.rows[k], seen.jacobians[k]
        if len(self._history) < self._n + 1:
            return None
        points = np.array([point for point, _, _ in self._history])
        found = np.array([[value, *row] for _, value, row in self._history])
        good = np.isfinite(found).all(axis=1)
        if good.sum() < self._n + 1:
            return None
        design = np.hstack([np.ones((int(good.sum()), 1)), points[good] - x])
        fit = np.linalg.lstsq(design, found[good], rcond=None)[0]
        here = np.flatnonzero((points == x).all(axis=1))
        row = found[here[-1], 1:] if here.size else fit[0, 1:]
        return fit[1:, 0], row, fit[1:, 1:].T

    def violation(self, row: Array) -> float:
        """The largest violation of rows, in units of its limit, beyond what counts as none."""
        if self.rows is None:
            return 0.0
        seen = scaled_excess(self.rows, row) > self.rows.tolerance
        return float(relative_excess(self.rows, row).max(initial=0.0, where=seen))

    def doubted(self, ended: Finish, x: Array) -> Finish:
        """The end from values alone: where rows are active the penalty has kinks.

        Across these, values around a point do not show that it is a minimum.
        """
        seen = self.seen
        k = None if seen is None else seen.at(x)
        if ended.status is not Status.CONVERGED or self.rows is None or seen is None or k is None:
            return ended
        row = seen.rows[k]
        near = np.abs(row) * CTOL_FROM_VALUES + self._reach
        if not ((row >= self.rows.upper - near) | (row <= self.rows.lower + near)).any():
            return ended
        message = f"{ended.message} But constraints are active, across which values show little."
        return Finish(Status.PRECISION, message, **ended.info)

    def grow(self) -> None:
        """Raise all weights, where a method has ended beyond the rows."""
        least = max(1.0, float(self.mu.max(initial=0.0)) / FASTEST_GROWTH)
        self.mu = FASTEST_GROWTH * np.maximum(self.mu, least)


def _signs(rows: Rows, values: Array) -> Array:
    """The slope of each row's violation: 1 above, -1 below, 0 where there is none."""
    above: Array = (values > rows.upper).astype(float) - (values < rows.lower)
    return above


@dataclass(frozen=True)
class ExactPenalty(Method):
    """Constraints for a method that knows of none, by an exact penalty.

    The inner method minimizes ``f(x) + sum mu * violation``, a function with kinks where
    constraints are active: it should be one that can handle kinks. Bounds stay bounds.
    Linear rows that no evaluation may leave, as those marked ``keep_feasible``, are not
    penalized: beyond them the function is continued along the rays from a point inside, and
    evaluated where the ray leaves them. Nonlinear ones make it infinite. Where there are
    gradients and the inner method ends without a certificate, "sqp" goes on from its end.

    Parameters
    ----------
    inner : Method, optional
        The method that minimizes, `GradientSamplingDescent` by default.
    mu : float, optional
        The weight of all rows, positive; it has to be larger than every multiplier. By
        default each row has its own, which is steered: after each step of the inner method
        it is raised, if need be, until the step that the penalized function suggests lowers
        the violation by half of what the best step would.

    Raises
    ------
    TypeError, ValueError
        For arguments of a wrong kind or value.

    References
    ----------
    .. [1] R. H. Byrd, J. Nocedal, R. A. Waltz, "Steering exact penalty methods for nonlinear
       programming", Optim. Methods Softw. 23, 197-213, 2008. :doi:`10.1080/10556780701394169`

    Examples
    --------
    >>> import smoothmin
    >>> from smoothmin import BFGS, ExactPenalty
    >>> disc = smoothmin.NonlinearConstraint(lambda x: x @ x, 0, 1, jac=lambda x: 2 * x)
    >>> res = smoothmin.minimize(lambda x: (x[0] + x[1], [1.0, 1.0]), [0.5, 0.2], jac=True,
    ...                          method=ExactPenalty(BFGS()), constraints=disc)
    >>> bool(abs(res.fun + 2**0.5) < 1e-6)
    True
    """

    inner: Method = field(default_factory=GradientSamplingDescent)
    mu: float | None = None

    name = "exact-penalty"
    summary = "constraints for any method: an exact penalty, steered between its steps"
    reference = "Byrd, Nocedal, Waltz 2008"
    handles_bounds = True
    handles_constraints = True

    def __post_init__(self) -> None:
        if not isinstance(self.inner, Method):
            raise TypeError(f"inner must be a Method, got {self.inner!r}")
        if self.mu is not None:
            require_real("mu", self.mu, above=0)

    @property
    def needs_gradient(self) -> bool:
        """As the inner method."""
        return self.inner.needs_gradient

    def for_problem(self, has_gradient: bool) -> Method:
        """With the inner method for such a problem."""
        return dataclasses.replace(self, inner=self.inner.for_problem(has_gradient))

    def with_tolerance(self, tol: float) -> ExactPenalty:
        """With the inner method's main tolerances."""
        return dataclasses.replace(self, inner=self.inner.with_tolerance(tol))

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Run the inner method, again with larger weights where it ends beyond the rows."""
        inner = within_bounds(self.inner, problem.box)
        bare = dataclasses.replace(problem, linear=None, nonlinear=None)
        if problem.linear is None and problem.nonlinear is None:
            last: Finish = yield from inner.run(bare, rng)
            return last
        view = _Penalized(problem, self.mu)
        before = math.inf
        while True:
            ended: Finish
            ended, x = yield from self._stage(view, inner.run(bare, rng), problem)
            left, gap = yield from self._restored(view, x, problem)
            if left == 0 and gap <= 0:
                return (yield from self._concluded(view, ended, x, problem, rng))
            if self.mu is not None:
                return Finish(Status.PRECISION, f"{ended.message} But mu={self.mu:g} is too small.")
            if left > 0 and left >= STUCK * before:
                ended = _stationary(left)
                return (yield from self._concluded(view, ended, x, problem, rng))
            before = left or before
            view.grow()
            if ended.status is not Status.NONFINITE:  # else x is far away
                bare = bare.at(x)

    @staticmethod
    def _concluded(
        view: _Penalized, ended: Finish, x: Array, problem: Problem, rng: np.random.Generator
    ) -> Steps:
        """The last word: the method's own if it has a certificate, else that of SQP from its end.

        What a descent says of the penalized function, which has kinks, is none.
        """
        if not problem.has_gradient:
            return view.doubted(ended, x)
        exact = problem.differences is None and problem.noise == 0
        certified = ended.status is Status.CONVERGED and "stationarity" in ended.info
        if (certified and exact) or ended.status not in UNCERTAIN:
            return ended
        from smoothmin.sqp.method import SQPGradientSampling

        end = x if view.radial is None else view.radial.points(x[None])[0]
        return (yield from SQPGradientSampling().run(problem.at(end), rng))

    def _stage(
        self, view: _Penalized, steps: Steps, problem: Problem
    ) -> Generator[Message, Any, tuple[Finish, Array]]:
        """Relay one run of the inner method; its last word, and where it was."""
        reply: Reply = None
        x = np.asarray(problem.x0)
        while True:
            message = resume(steps, reply)
            if isinstance(message, Ask):
                reply = yield from _answered(view, message)
            elif isinstance(message, Iterate):
                yield self._outward(view, message)
                length = float(np.linalg.norm(message.x - x))
                if length > 0:
                    view.moved(length)
                x = message.x
                reply = CHANGED if view.steer(x) else None
            else:
                return message, x

    @staticmethod
    def _outward(view: _Penalized, message: Iterate) -> Iterate:
        if view.radial is None:
            return message
        x = view.radial.points(message.x[None])[0]
        return Iterate(x, message.fun, message.grad, **message.info)

    @staticmethod
    def _restored(
        view: _Penalized, x: Array, problem: Problem
    ) -> Generator[Ask, Answers, tuple[float, float]]:
        """Step to the rows where the end is a little beyond them.

        Returns what violation is left, and whether weights were too small: by how much more
        than a small share of it the value at the rows is above the penalized one at the end,
        which is a lower bound of it for weights that are large enough.
        """
        left, penalized = math.inf, math.nan
        for _ in range(RESTORATIONS + 1):
            answers = yield from _answered(view, Ask(x[None], int(problem.has_gradient)))
            seen = view.seen
            assert seen is not None
            if math.isnan(penalized):
                penalized = float(answers.values[0])
            row = seen.rows[0]
            now = view.violation(row)
            if now == 0 or not now < left or seen.jacobians is None or view.rows is None:
                gap = (
                    float(seen.values[0]) - penalized - CTOL_FROM_VALUES * max(1.0, abs(penalized))
                )
                return min(now, left), gap if now == 0 else 0.0
            left = now
            step = restoring_step(view.rows, row, seen.jacobians[0])
            x = problem.clip(x + step)
        return left, 0.0


def _answered(view: _Penalized, ask: Ask) -> Generator[Ask, Answers, Answers]:
    """The answer to a request of the inner method, from memory if only weights have changed."""
    points, seen = ask.points, view.seen
    known = seen is not None and (ask.order == 0 or seen.gradients is not None)
    if seen is None or not known or not np.array_equal(points, seen.points):
        outside = points if view.radial is None else view.radial.points(points)
        view.note(points, (yield Ask(outside, ask.order)))
        seen = view.seen
        assert seen is not None
    found = view.answers(seen)
    return found if ask.order else Answers(found.values)


def restoring_step(rows: Rows, row: Array, jacobian: Array) -> Array:
    """The shortest step to the violated rows, by their linear model."""
    violated: Mask = (row > rows.upper) | (row < rows.lower)
    aim = np.clip(row, rows.lower, rows.upper) - row
    found: Array = np.asarray(np.linalg.lstsq(jacobian[violated], aim[violated], rcond=None)[0])
    return found if np.isfinite(found).all() else np.zeros_like(found)


def _stationary(left: float) -> Finish:
    where = f"The violation is stationary at {left:.3g} in units of max(1, |limit|)"
    return Finish(Status.INFEASIBLE, _status.contradictory(where))
