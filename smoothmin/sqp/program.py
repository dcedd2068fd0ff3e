"""The quadratic program of an iteration: objective, constraints and their tangents at a point.

References: R. H. Byrd, J. Nocedal, R. A. Waltz, "Steering exact penalty methods for nonlinear
programming", Optim. Methods Softw. 23 (2008), for the prices of violation; M. J. D. Powell, "A
fast algorithm for nonlinearly constrained optimization calculations" (1978), for the weights
of the merit function; F. E. Curtis, M. L. Overton, SIAM J. Optim. 22 (2012), for the tangents.

The linearized excesses may be positive at a price, a cap on the program's multipliers; bounds
and linear rows are met. The merit function's weights follow the multipliers and stay below the
caps, each row with its own, so that they do not depend on the units of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from smoothmin._factors import FASTEST_GROWTH, MINOR
from smoothmin._machine import EPS
from smoothmin._protocol import Array, Problem
from smoothmin.sqp.functions import Point, Sides, Values
from smoothmin.sqp.tangents import Gathered, Tangents
from smoothmin.subproblems.boxed_qp import BoxedQP, RowModel, projection
from smoothmin.subproblems.elastic_qp import ElasticQP, Solution
from smoothmin.subproblems.min_norm import euclidean_norm

# what a program pays at most for a unit of a side's excess at first, in units of the objective's
# slope by the side's; and the price, in units of the last, that is as good as none
FIRST, UNLIMITED = 100.0, 1e6


class Region:
    """Bounds and linear rows, which no step leaves.

    Attributes
    ----------
    matrix : ndarray (l, n)
        Of the sides of the linear rows: ``matrix @ x <= sides.bound``.
    lower, upper : ndarrays (n,), or None
    lengths : ndarray (l,)
        Of the rows of the matrix.
    ends_steps : bool
        Whether there are any.
    """

    lower: Array | None
    upper: Array | None

    def __init__(self, problem: Problem) -> None:
        n = problem.x0.size
        self.sides = Sides(problem.linear)
        self.matrix = np.empty((0, n))
        if problem.linear is not None:
            matrix = problem.linear.matrix
            matrix = matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix)
            self.matrix = self.sides.slopes(matrix)
        self.lower, self.upper = (None, None) if problem.box is None else problem.box
        self.ends_steps = self.lower is not None or len(self.matrix) > 0
        self._size = np.abs(self.matrix)
        self.lengths: Array = np.sqrt(np.vecdot(self.matrix, self.matrix))
        self._any_hard = bool(self.sides.hard.any())

    def clip(self, x: Array) -> Array:
        """The nearest point between the bounds."""
        if self.lower is None or self.upper is None:
            return x
        return np.minimum(np.maximum(x, self.lower), self.upper)

    def rounding(self, x: Array) -> Array:
        """What rounding makes of the rows at a point (l,)."""
        found: Array = 4 * EPS * (self._size @ np.abs(x) + np.abs(self.sides.bound))
        return found

    def noise(self, x: Array, multipliers: Array) -> float:
        """The same in units of the objective, for multipliers (l,) of the rows."""
        if not np.count_nonzero(multipliers):
            return 0.0
        held = multipliers.nonzero()[0]
        size = self._size[held] @ np.abs(x) + np.abs(self.sides.bound[held])
        return 4 * EPS * float(multipliers[held] @ size)

    def room(self, x: Array) -> Array:
        """Of the rows at a point (l,): how far each may grow, less rounding where none may."""
        room = self.sides.bound - self.matrix @ x
        if self._any_hard:
            room -= np.where(self.sides.hard, self.rounding(x), 0.0)
        return np.maximum(room, 0.0)

    def nearest(self, x: Array) -> tuple[Array, bool]:
        """The nearest point inside, and whether there is one."""
        x = self.clip(x)
        beyond = self.matrix @ x - self.sides.bound
        if not (beyond > self.rounding(x)).any():
            return x, True
        found, excess = projection(x, self.matrix, self.sides.bound, self.bounds)
        size = np.maximum(1.0, np.abs(self.sides.bound))
        return found, not (excess > self.sides.tolerance * size).any()

    @property
    def bounds(self) -> tuple[Array, Array] | None:
        """The bounds."""
        if self.lower is None or self.upper is None:
            return None
        return self.lower, self.upper

    def box(self, x: Array) -> tuple[Array, Array] | None:
        """The bounds of a step from a point."""
        if self.lower is None or self.upper is None:
            return None
        return self.lower - x, self.upper - x


_UNGROUPED = np.array([np.inf, 1.0])  # caps of linear rows, and of the objective's tangents


@dataclass(frozen=True)
class Direction:
    """What the program says.

    Attributes
    ----------
    solution : Solution
    multipliers : ndarray (s,)
        Of the sides, tangents included.
    slope : float
        Predicted change of the merit function by its first-order model; negative.
    linear : ndarray (l,)
        Multipliers of the linear rows' sides.
    """

    solution: Solution
    multipliers: Array
    slope: float
    linear: Array

    @property
    def step(self) -> Array:
        """D."""
        return self.solution.step

    @property
    def steepness(self) -> float:
        """Length of the Lagrangian's gradient."""
        return euclidean_norm(self.solution.lagrangian)

    @property
    def decrease(self) -> float:
        """Predicted decrease of the merit function by the quadratic model."""
        return -self.slope - 0.5 * self.solution.curvature


class Programs:
    """Builds and solves them, each from the last one's multipliers, and steers the prices.

    Attributes
    ----------
    weights : ndarray (s,)
        Of the sides in the merit function.
    caps : ndarray (s,)
        What programs pay at most.
    reach : float
        Length of the last step.
    raised : bool
        Whether the last program was solved at higher prices than the one before.
    """

    def __init__(self, region: Region, sides: Sides) -> None:
        self._region, self._sides = region, sides
        self.weights = np.zeros(len(sides))
        self.caps: Array | None = None
        self.reach, self.raised = np.inf, False
        self._base: tuple[Array, Array] | None = None  # multipliers of rows and bounds
        self._count, self._linear = len(sides), len(region.matrix)
        self._groups = np.concatenate([np.arange(self._count), np.full(self._linear, self._count)])
        self._hard = np.zeros(0), np.zeros(0)  # caps, and the same with those of hard rows

    def merit(self, point: Values) -> float:
        """The objective and the weighted violation."""
        return point.fun + float(self.weights.dot(point.violation)) if self._count else point.fun

    def direction(
        self, point: Point, gathered: Gathered, quadratic: Array | RowModel, *, steer: bool
    ) -> Direction:
        """The step from a point; ``quadratic`` as by `Curvature`."""
        if self.caps is None:
            self.caps = self._first_caps(point)
        caps = self.caps
        solution = self._solve(point, gathered, quadratic, caps)
        if steer and self._breaks(point, solution):
            self.caps, solution = self._steered(point, gathered, quadratic, solution)
        self.raised = self.caps is not caps
        multipliers = self._weigh(gathered, solution)
        if self._count:
            enough = self._enough(multipliers)
            self.weights = np.maximum(enough, 0.5 * (self.weights + enough))
        return self._direction(point, solution, multipliers)

    def _enough(self, multipliers: Array) -> Array:
        """Weights with which the merit function falls along all steps that lower the violation."""
        return self._sides.shared((1.0 + MINOR) * np.maximum(multipliers, 0.0))

    def lower_weights(self, direction: Direction) -> bool:
        """Forget weights far beyond what is enough, whose rounding hides the objective."""
        enough = self._enough(direction.multipliers)
        far = bool((self.weights > FASTEST_GROWTH * enough).any())
        if far:
            self.weights = enough
        return far

    def raise_weights(self, point: Point, visible: float) -> None:
        """Let violation weigh more than the multipliers say, and as much as can be seen."""
        assert self.caps is not None
        broken = point.violation > 0
        seen = np.divide(visible, point.violation, where=broken, out=np.zeros(len(broken)))
        self.weights = np.minimum(np.maximum(FASTEST_GROWTH * self.weights, seen), self.caps)

    def corrected(
        self,
        point: Point,
        trial: Values,
        step: Array,
        gathered: Gathered,
        quadratic: Array | RowModel,
    ) -> Direction | None:
        """The step with the excesses that a trial has found at its end (second order).

        None where functions without kinks are met there, or what is found is another step.
        """
        assert self.caps is not None
        smooth = np.ones(len(self.weights), dtype=bool)
        smooth[[number - 1 for number in gathered.of if number > 0]] = False
        if not trial.violation[smooth].any():
            return None
        excess = np.where(smooth, trial.excess - point.slopes[1:] @ step, point.excess)
        solution = self._solve(point, gathered, quadratic, self.caps, excess)
        change = solution.step - step
        if not change @ change < step @ step:
            return None
        return self._direction(point, solution, self._sums(gathered, solution))

    def _breaks(self, point: Point, solution: Solution) -> bool:
        """Whether sides stay violated by as much as matters, and is known, at the end of a step."""
        sides, excess = self._sides, solution.excess[: self._count]
        if not np.count_nonzero(excess):
            return False
        least = MINOR * point.allowed
        if sides.any_differences:  # rows that depend on one another but for it are no others
            least += sides.resolution * point.steep[1:] * np.linalg.norm(solution.step)
        return bool((excess > least).any())

    def _first_caps(self, point: Point) -> Array:
        """A multiple of the objective's slope by each side's.

        That is no less than what would end the side's excess within the size of x: a side may be
        flat at the start alone.
        """
        lengths = point.steep
        steep = np.maximum(lengths[1:], np.abs(point.excess) / max(euclidean_norm(point.x), 1.0))
        steep[steep == 0] = 1.0
        caps: Array = np.maximum(FIRST * lengths[0] / steep, 1.0)
        return caps

    def _steered(
        self, point: Point, gathered: Gathered, quadratic: Array | RowModel, solution: Solution
    ) -> tuple[Array, Solution]:
        """Raise the prices until the step lowers the violation as it can."""
        assert self.caps is not None
        caps, violation = self.caps, point.violation
        free = self._solve(point, gathered, quadratic, caps * UNLIMITED)
        best = free.excess[: len(caps)]
        # of the best reduction as far as steps reach lately (convexity); 0.5 is their epsilon_1
        far = float(np.linalg.norm(free.step))
        share = min(1.0, FASTEST_GROWTH * self.reach / far) if far > 0 else 1.0
        wanted = 0.5 * share * float(caps @ (violation - best))
        short = share < 1 or self._breaks(point, free)
        dearest = caps * UNLIMITED
        while (caps < dearest).all():
            broken = solution.excess[: len(caps)]
            if not self._breaks(point, solution):
                break
            if short and self.caps @ (violation - broken) >= wanted:
                break
            caps = caps * FASTEST_GROWTH
            solution = self._solve(point, gathered, quadratic, caps)
        return caps, solution

    def _solve(
        self,
        point: Point,
        gathered: Gathered,
        quadratic: Array | RowModel,
        caps: Array,
        excess: Array | None = None,
    ) -> Solution:
        """The program; tangents of the objective are one more group, linear rows another."""
        region, groups = self._region, self._groups
        rows, offsets = point.slopes[1:], -(point.excess if excess is None else excess)
        if self._linear:
            rows = np.concatenate([rows, region.matrix]) if self._count else region.matrix
            offsets = np.concatenate([offsets, region.room(point.x)])
        weights, bounds = self._base or (None, None)
        if gathered.of:
            more = [self._tangents(point, *each) for each in gathered.of.items()]
            rows, offsets, groups = (
                np.concatenate([first, *(each[k] for each in more)])
                for k, first in enumerate((rows, offsets, groups))
            )
            if weights is not None:
                weights = np.concatenate([weights, *(t.weights for t in gathered.of.values())])
        if self._hard[0] is not caps:
            self._hard = caps, np.concatenate([caps, _UNGROUPED])
        given = point.grad, rows, offsets, groups, self._hard[1]
        box = region.box(point.x)
        program: ElasticQP | BoxedQP
        if isinstance(quadratic, np.ndarray):
            program = ElasticQP(quadratic, *given, *(box or (None, None)))
        else:
            none = np.full(point.x.size, np.inf)
            program = BoxedQP(quadratic, *given, *(box or (-none, none)))
        return program.solve(weights, bounds)

    def _tangents(self, point: Point, number: int, tangents: Tangents) -> tuple[Array, ...]:
        """Rows, offsets and groups of a function's tangents."""
        gaps = tangents.gaps(point)
        if number == 0:
            return tangents.slopes - point.grad, gaps, np.full(len(gaps), self._count + 1)
        return tangents.slopes, gaps - point.values[number], np.full(len(gaps), number - 1)

    def _sums(self, gathered: Gathered, solution: Solution) -> Array:
        """Multipliers of the sides, tangents included."""
        first = self._count + self._linear
        sums = solution.multipliers[: self._count].copy()
        for number, tangents in gathered.of.items():
            last = first + len(tangents)
            if number > 0:
                sums[number - 1] += solution.multipliers[first:last].sum()
            first = last
        return sums

    def _weigh(self, gathered: Gathered, solution: Solution) -> Array:
        """The same, remembered for the next program."""
        first = self._count + self._linear
        self._base = solution.multipliers[:first], solution.bounds
        for tangents in gathered.of.values():
            last = first + len(tangents)
            tangents.weights = solution.multipliers[first:last]
            first = last
        return self._sums(gathered, solution)

    def _direction(self, point: Point, solution: Solution, multipliers: Array) -> Direction:
        s = self._count
        rise = solution.excess.item(s + 1)
        if s:
            rise += float(self.weights.dot(solution.excess[:s] - point.violation))
        linear = solution.multipliers[s : s + self._linear]
        slope = solution.slope
        if not solution.solved:  # what follows from optimality need not be true
            slope = max(slope, float(point.grad @ solution.step))
        return Direction(solution, multipliers, slope + rise, linear)
