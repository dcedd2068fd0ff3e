"""One step: along the program's solution, corrected, shortened, or none but for what it taught.

References: J. Nocedal, S. J. Wright, *Numerical Optimization*, 2nd ed. (2006), section 18.3,
for the second-order correction against the Maratos effect; K. C. Kiwiel, "Proximity control
in bundle methods for convex nondifferentiable minimization", Math. Program. 46 (1990), for
steps that only gather a gradient.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from smoothmin._factors import FASTEST_GROWTH, MINOR, SHORTEST, WITNESSES
from smoothmin._precision import ROUNDINGS
from smoothmin._protocol import Array, Ask
from smoothmin._scale import PROBE
from smoothmin.descent.failed_search import level
from smoothmin.descent.gradient_check import contradicting, telling
from smoothmin.descent.unexplored import is_falling
from smoothmin.linesearch.line_result import LinePoint, LineResult
from smoothmin.linesearch.weak_wolfe import ARMIJO
from smoothmin.sqp.functions import Point, PointEvaluator, Values
from smoothmin.sqp.program import Direction, Programs, Region
from smoothmin.sqp.tangents import Gathered
from smoothmin.subproblems.boxed_qp import RowModel

TRIALS = 25  # of a search along a line


@dataclass(frozen=True)
class Outcome:
    """What a search has come to.

    Attributes
    ----------
    point : Point or None
        The next one; None where there is none.
    direction : Direction
        It is ``share`` of.
    share : float
    shorten : float
        Where a tangent was gathered instead: factor of the next steps' lengths, else 0.
    """

    point: Point | None
    direction: Direction
    share: float
    shorten: float = 0.0


class Search:
    """Searches from points, with what they share."""

    def __init__(
        self,
        evaluator: PointEvaluator,
        region: Region,
        programs: Programs,
        gathered: Gathered,
    ) -> None:
        self._evaluator, self._region = evaluator, region
        self._programs, self._gathered = programs, gathered
        self._worst = np.zeros(len(programs.weights))  # violation of each side so far
        self._line: tuple[Point | None, Array] = None, np.empty(0)  # of the last search
        self._trials: list[tuple[float, Point]] = []  # shares and ends of it

    def along(
        self, point: Point, direction: Direction, quadratic: Array | RowModel, noise: float
    ) -> Generator[Ask, object, Outcome]:
        """From a point along a direction."""
        gathered, share = self._gathered, 1.0
        same = 0  # trials of the same value, which rounding makes
        self._trials.clear()
        self._line = point, direction.step
        for number in range(TRIALS):
            predicted = share * direction.slope
            least = MINOR if gathered.kinked else ARMIJO
            allowed = least * predicted + noise
            x = self._region.clip(point.x + share * direction.step)
            trial, rise = yield from self._trial(point, x, allowed, several=number > 1)
            if isinstance(trial, Point):
                if trial.finite:
                    gathered.add(trial, point)
                self._trials.append((share, trial))
                if rise <= allowed:
                    return Outcome(trial, direction, share)
            if not rise < np.inf:
                share *= SHORTEST
                continue
            same += rise == 0
            if same >= WITNESSES:
                break
            if number == 0:
                second = yield from self._second(point, trial, direction, quadratic, noise)
                if second is not None:
                    return second
            shorter = self._shorter(rise, predicted)
            if rise != 0 and isinstance(trial, Point) and self._is_news(point, trial, direction):
                too_long = rise > -predicted
                return Outcome(None, direction, share, shorter if too_long else 1.0)
            share *= shorter
        return Outcome(None, direction, share)

    def _second(
        self,
        point: Point,
        trial: Values,
        direction: Direction,
        quadratic: Array | RowModel,
        noise: float,
    ) -> Generator[Ask, object, Outcome | None]:
        """The step with a second-order correction, if there is one and it is lower."""
        gathered = self._gathered
        second = self._programs.corrected(point, trial, direction.step, gathered, quadratic)
        if second is None:
            return None
        least = MINOR if gathered.kinked else ARMIJO
        x = self._region.clip(point.x + second.step)
        allowed = least * direction.slope + noise
        there, rise = yield from self._trial(point, x, allowed)
        if rise <= allowed and isinstance(there, Point):
            gathered.add(there, point)
            return Outcome(there, second, 1.0)
        return None

    def _trial(
        self, point: Point, x: Array, allowed: float, *, several: bool = False
    ) -> Generator[Ask, object, tuple[Values, float]]:
        """A point, and the rise of the merit function there, as far as it is believed.

        By differences it has gradients only if the rise is no more than ``allowed``, unless
        there are kinks, which parabolas through ``several`` trials have not met, either.
        """
        evaluator = self._evaluator
        valued = evaluator.by_differences and not self._gathered.kinked and not several
        trial: Values
        if valued:
            trial = yield from evaluator.values_at(x)
            rise = self._rise(point, trial)
            if not rise <= allowed:
                return trial, rise
        trial = yield from evaluator.at(x, known=valued)
        return trial, self._rise(point, trial)

    def _rise(self, point: Point, trial: Values) -> float:
        """Of the merit function up to a trial, as far as it is believed.

        At a violation larger than at any point before a fall of the objective counts up to what
        was predicted: far from where the program holds, any price may be too low for it.
        """
        if not trial.finite:
            return np.inf
        weights = self._programs.weights
        if not len(weights):
            return trial.fun - point.fun
        merit = self._programs.merit
        rise = merit(trial) - merit(point)
        self._worst = np.maximum(self._worst, point.violation)
        if weights.dot(trial.violation) > weights.dot(self._worst):
            unpredicted = float(point.grad @ (trial.x - point.x)) - (trial.fun - point.fun)
            rise += max(unpredicted, 0.0)
        return rise

    def farthest(
        self, point: Point, step: Array, fall: float, multipliers: Array | None = None
    ) -> Generator[Ask, object, Point | None]:
        """The last point at which the merit function is lower by this, each fall below the last.

        Along a step that grows tenfold. By exact slopes of the Lagrangian, where multipliers are
        given, as in `unexplored.farthest`.
        """
        evaluator, merit = self._evaluator, self._programs.merit
        level, best = merit(point), None
        slopes = None
        if multipliers is not None and not evaluator.by_differences:
            slopes = np.concatenate([[1.0], multipliers])
        lowest = level - fall
        while True:
            x, _ = self._region.nearest(point.x + step)
            if (x == point.x).all():  # by rounding, or at bounds
                break
            ahead = yield from evaluator.at(x) if slopes is not None else evaluator.values_at(x)
            if not ahead.finite or (best is not None and best.feasible and not ahead.feasible):
                break
            if merit(ahead) < lowest:
                best, lowest = ahead, merit(ahead)
            elif best is not None or slopes is None or not isinstance(ahead, Point):
                break
            else:
                promised = float(slopes @ point.slopes @ step)
                then = float(slopes @ ahead.slopes @ step)
                # what is violated there may have no price
                broken = (ahead.violation > point.violation).any()
                if broken or not is_falling(point.x, step, promised, then, merit(ahead) - level):
                    break
                lowest = level + 0.5 * FASTEST_GROWTH * promised
            step = FASTEST_GROWTH * step
        if best is None or isinstance(best, Point):
            return best
        there = yield from evaluator.at(best.x)
        return there if there.finite else None

    def beside(self, point: Point) -> Generator[Ask, object, Point]:
        """A lower point near a start that is stationary, if there is one on either side."""
        x = point.x
        # of different lengths, so that what rises and what falls do not cancel
        lengths = PROBE * np.maximum(1.0, np.abs(x)) * np.linspace(1.0, 2.0, x.size)
        others = lengths[::-1].copy()
        others[::2] *= -1.0
        for step in (lengths, -lengths, others, -others):
            there, _ = self._region.nearest(x + step)
            other = yield from self._evaluator.at(there)
            rounding = ROUNDINGS * other.unit * (abs(point.fun) + abs(other.fun))
            if other.finite and other.fun < point.fun - rounding and other.feasible:
                point = other
        return point

    def line(self, point: Point) -> LineResult | None:
        """The merit function along the last search, if from this point and with gradients."""
        start, step = self._line
        if start is not point or not self._trials or self._evaluator.by_differences:
            return None
        programs = self._programs

        def slope(there: Point) -> float:
            violated = np.concatenate([[1.0], programs.weights * (there.excess > 0)])
            return float(violated @ (there.slopes @ step))

        trials = [
            LinePoint(share, there.x, programs.merit(there), there.grad, slope(there))
            for share, there in self._trials
        ]
        return LineResult(trials[0], False, False, trials, slope(point))

    def hidden(self, point: Point) -> float:
        """What slopes promise on that line, but values do not show; 0 if not so."""
        line = self.line(point)
        return 0.0 if line is None else level(line, self._programs.merit(point))

    def contradicted(self, point: Point, visible: Array) -> int | None:
        """A function whose values exclude its gradients, by the last search if from this point.

        ``visible`` are the least changes of each that count.
        """
        start, step = self._line
        if start is not point:
            return None
        for number, slope in enumerate((point.slopes @ step).tolist()):
            sign = -1.0 if slope > 0 else 1.0
            line = [
                LinePoint(
                    share,
                    there.x,
                    sign * there.values.item(number),
                    there.slopes[number],
                    sign * float(there.slopes[number] @ step),
                )
                for share, there in self._trials
            ]
            nearest = telling(line, sign * slope, visible.item(number))
            if nearest and contradicting(nearest, sign * point.values.item(number), sign * slope):
                return number
        return None

    def _shorter(self, rise: float, predicted: float) -> float:
        """To the least point of the parabola through slope and rise."""
        return max(-predicted / (2 * (rise - predicted)), SHORTEST)

    def _is_news(self, point: Point, trial: Point, direction: Direction) -> bool:
        """Whether the tangents at a trial raise the model at the step's end enough.

        Never where there are no kinks.
        """
        step, excess = direction.step, direction.solution.excess
        raised = 0.0
        for number, tangents in self._gathered.of.items():
            gap = float(tangents.gaps(point)[-1])
            if number == 0:
                at_end = float((trial.grad - point.grad) @ step) - gap
                raised += max(at_end - max(float(excess[-1]), 0.0), 0.0)
            else:
                at_end = point.values[number] + float(trial.slopes[number] @ step) - gap
                beyond = max(at_end - float(excess[number - 1]), 0.0)
                raised += float(self._programs.weights[number - 1]) * beyond
        return raised >= -MINOR * direction.slope
