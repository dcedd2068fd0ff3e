"""The iteration of "sqp", and how it ends."""

from __future__ import annotations

import math
from collections.abc import Generator
from itertools import chain

import numpy as np

from smoothmin import _status
from smoothmin._factors import MINOR, OTHER_ORDER
from smoothmin._machine import EPS
from smoothmin._protocol import Ask, Changed, Finish, Iterate, Problem, Steps
from smoothmin._recent import SIDES, SPAN, Recent
from smoothmin._status import Status
from smoothmin._verdict import BLURRED, NEGLIGIBLE, SHORT, Knowledge, judge
from smoothmin.descent.failed_search import level, noise_on_line, promised_on_line
from smoothmin.descent.first_point import unusable
from smoothmin.descent.gradient_check import VISIBLE
from smoothmin.descent.quasi_newton import first_step
from smoothmin.descent.unexplored import POLL
from smoothmin.sqp.certificate import KKTCertificate, KKTCertifier
from smoothmin.sqp.contradiction import contradicted
from smoothmin.sqp.curvature import LagrangianMetric, down_coordinates
from smoothmin.sqp.functions import Point, PointEvaluator, Sides
from smoothmin.sqp.infeasibility import Infeasibility
from smoothmin.sqp.judgement import Judgement
from smoothmin.sqp.lowest_feasible import LowestFeasible
from smoothmin.sqp.program import Direction, Programs, Region
from smoothmin.sqp.search import TRIALS, Outcome, Search
from smoothmin.sqp.settings import SQPSettings
from smoothmin.sqp.surroundings import Surroundings
from smoothmin.sqp.tangent_space import apart, normal_basis, tangential
from smoothmin.sqp.tangents import Gathered
from smoothmin.sqp.tolerances import Tolerances
from smoothmin.sqp.unmixed import Unmixed
from smoothmin.sqp.visibility import Visibility
from smoothmin.subproblems.min_norm import euclidean_norm


class SQPRun:
    """A run on a problem that starts within its bounds and linear rows."""

    def __init__(
        self,
        problem: Problem,
        region: Region,
        stationarity_tol: float | None,
        radius_tol: float | None,
        tolerances: Tolerances,
        settings: SQPSettings,
    ) -> None:
        n = problem.x0.size
        self._problem, self._settings, self._tolerances = problem, settings, tolerances
        self._sides, self._region = Sides(problem.nonlinear), region
        self._evaluator = PointEvaluator(problem, self._sides)
        self._programs = Programs(self._region, self._sides)
        self._gathered = Gathered(n, 1 + len(self._sides))
        growing = region.ends_steps and not self._sides.any_equality
        self._curvature = LagrangianMetric(n, settings, growing=growing)
        self._search = Search(self._evaluator, self._region, self._programs, self._gathered)
        self._recent = Recent()
        self._certifier = KKTCertifier(
            problem, region, self._sides, self._recent, stationarity_tol, radius_tol
        )
        known = self._evaluator, region, self._programs, self._gathered, self._certifier
        self._infeasibility = Infeasibility(*known)
        parts = self._evaluator, region, self._programs, self._search, self._gathered
        self._surroundings = Surroundings(*parts, self._certifier)
        self._visibility = Visibility(
            problem, region, self._sides, self._programs, self._curvature, self._recent
        )
        shown = self._evaluator, region, self._gathered, self._certifier
        self._unmixed = Unmixed(problem, self._sides, *shown)
        learnt = self._curvature, self._recent, self._gathered, self._visibility
        self._judgement = Judgement(problem, region, self._sides, *learnt)
        # evaluations that together may gain nothing but noise: two searches, and one a variable
        self._patience = 2 * TRIALS + n
        self._mark, self._gained = 0, math.inf  # evaluations by then, and the gain since
        # the merit function, less what changes of its weights have added
        self._level = self._first_level = 0.0
        self._reset_at: Point | None = None
        self._lowest_feasible = LowestFeasible(self._programs)
        self._returned_to: Point | None = None
        self._misled_at: Point | None = None
        self._dear_at: Point | None = None
        self._level_at_reset = math.inf
        self._polls = 0  # that found something lower where nothing was known to be left
        self._taught_since = 0  # the step
        self._looked_closer = -2  # steps when differences were last taken to both sides
        self._kept = True  # whether the last step has kept what was promised

    def steps(self) -> Steps:
        """Minimize."""
        point = yield from self._begin()
        if isinstance(point, Finish):
            return point
        steer, boxed = True, self._region.lower is not None
        while True:
            # 1. the program, the prices of violation steered at every new point
            quadratic = self._curvature.quadratic(boxed=boxed)
            direction = self._programs.direction(point, self._gathered, quadratic, steer=steer)
            noise = self._visibility.noise(point, direction)
            if point.feasible and self._visibility.outweighed(point, direction, noise):
                self._first_level = self._level
                continue
            if not steer and -direction.slope <= noise and not point.feasible:
                steer = True
                continue
            # 2. terminate where it promises nothing, and the gradients around agree
            sunk = self._infeasibility.sunk(point) if steer else None
            steer, ended = False, sunk or (yield from self._end(point, direction, noise))
            if isinstance(ended, Finish):
                ended = yield from self._concluded(ended, point, direction, noise)
            if isinstance(ended, Finish):
                return ended
            if isinstance(ended, Point):
                point, steer = ended, True
            if ended:
                continue
            # 3. a step, or a gradient gathered
            outcome = yield from self._search.along(point, direction, quadratic, noise)
            if outcome.point is None:
                closer = yield from self._closer(point, direction, noise)
                if closer is not None:
                    point, steer = closer, True
                elif not (self._shortened(point, outcome) or self._dearer(point, noise)):
                    ended = yield from self._nothing_lower(point, direction, noise)
                    ended = yield from self._concluded(ended, point, direction, noise)
                    if isinstance(ended, Finish):
                        return ended
                    point, steer = ended, True
                continue
            # 4. update
            before = point
            point, steer = self._moved(point, outcome, direction.steepness), True
            reply = yield Iterate(point.x, point.fun, point.grad)
            if isinstance(reply, Changed):
                point = yield from self._evaluator.at(point.x)
                continue
            said = self._tolerances.of_step(point.fun - before.fun, point.x - before.x)
            if (done := self._asked_for(said, direction, before, point)) is not None:
                return done
            if point.fun < self._lowest and point.feasible:
                return Finish(Status.NONFINITE, _status.UNBOUNDED)

    def _concluded(
        self, ended: Finish, point: Point, direction: Direction, noise: float
    ) -> Generator[Ask, object, Finish | Point]:
        """The end, or a lower point to go on from."""
        if self._unproven:
            return Finish(Status.PRECISION, _status.KINK)
        success = ended.status.success
        if success and self._renewed(direction):
            self._visibility.here = noise
            return point
        if (closer := (yield from self._closer(point, direction, noise))) is not None:
            return closer
        unsure = ended.status is Status.PRECISION and self._polls < SPAN
        if unsure and self._gathered.kinked and self._misled_at is not point:
            # curvature may have been taken for kinks
            self._misled_at = point
            self._polls += 1
            self._gathered.clear()
            return point
        if success or unsure:
            lower = yield from self._overlooked(point, direction, noise, success=success)
            if lower is not None:
                self._polls += not success
                outcome = Outcome(lower, direction, 0.0)
                return self._moved(point, outcome, direction.steepness)
        left = self._lowest_feasible
        lower = left.left_behind(point, noise) if success else left.instead(point)
        gave = self._problem, self._sides, self._search, self._gathered
        seen = contradicted(*gave, ended, point, max(self._problem.noise, self._visibility.here))
        if lower is None or seen is not ended:
            return (yield from self._unmixed.confirmed(seen, point))
        if lower is self._returned_to:
            return Finish(Status.PRECISION, _status.LEFT_BEHIND, **ended.info)
        self._returned_to = lower
        self._curvature.reset()
        return lower

    @property
    def _unproven(self) -> bool:
        """Whether pieces meet here, of which nothing is to be proven."""
        return self._gathered.met and not self._settings.certifies_kinks

    def _renewed(self, direction: Direction) -> bool:
        """Whether the matrix, taught where curvature is far larger, is to be learnt anew."""
        recent, reach, size = self._recent, self._programs.reach, direction.steepness
        if self._gathered.kinked or self._curvature.fresh or not 0 < reach < math.inf:
            return False
        far = recent.curvature() < SHORT * recent.curvature(self._taught_since)
        if far and size > 0:
            self._taught_since = recent.steps
            self._curvature.reset(reach / size)
        return far and size > 0

    def _closer(
        self, point: Point, direction: Direction, noise: float
    ) -> Generator[Ask, object, Point | None]:
        """The point with slopes that hide less, once a step, where differences hide much."""
        looked = self._looked_closer == self._recent.steps
        if looked or self._gathered.kinked or self._satisfied(direction):
            return None
        if not self._visibility.doubtful(point, direction, noise, self._fall):
            return None
        self._looked_closer = self._recent.steps
        return (yield from self._visibility.closer(point, self._evaluator))

    def _overlooked(
        self, point: Point, direction: Direction, noise: float, *, success: bool
    ) -> Generator[Ask, object, Point | None]:
        """A point that values show to be lower, along steps where the matrix may be wrong."""
        if self._satisfied(direction):
            return None
        certificate = self._certifier.certify(point, self._gathered)
        promised = self._judgement.promised(point, direction) if success else 0.0
        fall = OTHER_ORDER * max(promised if promised < math.inf else 0.0, noise)
        errors = self._visibility.slope_errors(point, direction)
        longest = POLL * np.maximum(1.0, np.abs(point.x))
        steps = self._curvature.doubtful(certificate.least, errors, fall, longest)
        if self._gathered.met:
            # pieces that are mixed may be one that bends
            slope = np.append(1.0, direction.multipliers) @ point.slopes
            steps = chain(steps, down_coordinates(slope, longest))
        free = direction.solution.bounds == 0
        normals = normal_basis(self._visibility.held(point, direction) * free)
        for step in apart(tangential(step * free, normals) for step in steps):
            there = yield from self._search.farthest(point, step, 0.5 * fall, direction.multipliers)
            if there is not None:
                if point.feasible and not there.feasible:
                    return None
                gain = self._programs.merit(point) - self._programs.merit(there)
                judged = self._judgement.judged(point, direction, noise, certificate, gain)
                # a gain far beyond what was promised shows that the matrix is wrong
                return None if judged.status.success and gain <= OTHER_ORDER * fall else there
        return None

    def _satisfied(self, direction: Direction) -> bool:
        """Whether a program promises no more than the user asks for."""
        return bool(self._tolerances.of_program(-direction.slope, direction.solution.lagrangian))

    def _asked_for(self, said: str, direction: Direction, *points: Point) -> Finish | None:
        """The end by a tolerance of the user's that is met, at feasible points away from kinks."""
        if not said or self._gathered.met or not all(point.feasible for point in points):
            return None
        return judge(Knowledge(said, tolerance_met=True), **self._judgement.told(direction))

    def _shortened(self, point: Point, outcome: Outcome) -> bool:
        """Whether there is another program to try after a search that found no lower point."""
        curvature = self._curvature
        if outcome.shorten > 0:
            curvature.trust *= outcome.shorten
            return True
        if curvature.fresh or self._reset_at is point or self._search.hidden(point) > 0:
            return False
        curvature.reset()
        self._reset_at = point
        return True

    def _moved(self, point: Point, outcome: Outcome, size: float) -> Point:
        """The next point, from which the curvature is learnt."""
        new = outcome.point
        assert new is not None
        merit, direction = self._programs.merit, outcome.direction
        before, after = merit(point), merit(new)
        self._kept = before - after >= -MINOR * direction.slope
        self._level -= before - after
        self._gained += before - after
        self._judgement.moved(point, new, before - after)
        self._visibility.here = 0.0
        curvature = self._curvature.learn(point, new, direction, outcome.share, self._gathered)
        self._curvature.trust = 1.0
        self._programs.reach = euclidean_norm(new.x - point.x)
        self._recent.add(new.x, self._level, size, curvature)
        self._lowest_feasible.note(new)
        return new

    def _begin(self) -> Generator[Ask, object, Finish | Point]:
        """The start, and the scale of the first step."""
        point = yield from self._evaluator.at(self._problem.x0)
        finish = unusable(point.fun, point.grad)
        if finish is not None or not point.finite:
            return finish or Finish(Status.NONFINITE, "A constraint is not finite at the start.")
        self._gathered.add(point, None)
        if point.feasible and self._certifier.certify(point, self._gathered).met:
            point = yield from self._search.beside(point)
            self._gathered.add(point, None)
        self._lowest_feasible.note(point)
        self._level = self._first_level = point.fun
        self._lowest = -max(1.0, abs(point.fun)) / EPS**2
        self._curvature.first = first_step(point.x, -point.grad, 0.0)
        return point

    def _idle(self, noise: float) -> bool:
        """Whether many evaluations have gained no more than noise."""
        if self._evaluator.asked - self._mark < self._patience:
            return False
        gained, self._gained = self._gained, 0.0  # a difference of levels may be lost to rounding
        self._mark = self._evaluator.asked
        return gained <= noise

    def _end(
        self, point: Point, direction: Direction, noise: float
    ) -> Generator[Ask, object, Finish | Point | bool]:
        """The end, a lower point, or whether gathered gradients have changed for the program."""
        if not math.isfinite(euclidean_norm(direction.step)):
            return self._lost(point)
        if self._idle(noise):
            return (yield from self._nothing_lower(point, direction, noise))
        fall = math.inf if self._curvature.fresh else -direction.slope
        said = self._tolerances.of_program(fall, direction.solution.lagrangian)
        if (done := self._asked_for(said, direction, point)) is not None:
            return done
        feasible = point.feasible
        self._judgement.promised(point, direction)  # is remembered
        hidden = self._visibility.hidden(point, direction, noise) if feasible else noise
        unseen = max(noise, min(hidden, BLURRED * self._fall))
        # beyond that differences are believed as long as steps keep what they promise
        invisible = -direction.slope <= (unseen if self._kept else hidden)
        if invisible and self._misled(point, direction):
            return True
        if not (invisible or self._small(point, direction, unseen)):
            return False
        radius = self._certifier.radius(point.x)
        if not feasible:
            if invisible and self._dearer(point, noise):
                return True
            return (yield from self._infeasibility.judged(point)) if invisible else False
        if (yield from self._surroundings.prove(point)):
            return True
        certificate = yield from self._surroundings.certificate(point, noise)
        if isinstance(certificate, Point):
            return self._moved(point, Outcome(certificate, direction, 0.0), direction.steepness)
        if self._proves(certificate, point, direction, unseen):
            return judge(certificate.knowledge, **self._judgement.facts(certificate, direction))
        gained = self._level_at_reset - self._level
        # whatever differences hide, which is no kink's doing
        nothing = -direction.slope <= noise and certificate.stationarity > 0
        if nothing and self._gathered.kinked and gained > VISIBLE * noise:
            # the matrix, or short steps, may hide what there is
            self._reset_at, self._level_at_reset = point, self._level
            reach = self._programs.reach
            length = max(radius, reach) if reach < math.inf else radius
            self._curvature.reset(length / certificate.stationarity)
            return True
        standing = self._judgement.promised(point, direction)
        judged = self._judgement.judged(point, direction, unseen, certificate, standing)
        return judged if invisible or judged.status.success else False

    def _dearer(self, point: Point, noise: float) -> bool:
        """Whether violation weighs more now, once a point.

        The way to the bounds may cost the objective all that it gains, or gain less than rounding.
        """
        if self._dear_at is point or point.feasible:
            return False
        self._dear_at = point
        self._programs.raise_weights(point, VISIBLE * noise)
        return True

    @property
    def _fall(self) -> float:
        """By how much the merit function fell lately, or in all before there is a history."""
        recent = self._recent
        return recent.fall if recent.steps >= 2 * SIDES else self._first_level - self._level

    def _small(self, point: Point, direction: Direction, noise: float) -> bool:
        """Whether a step is short, or promises next to nothing."""
        # a value that may vanish beside what is promised is far from known
        little = min(NEGLIGIBLE * self._recent.fall, abs(point.fun))
        if direction.decrease <= max(noise, little):
            return True
        return self._certifier.is_short(point, direction.step)

    def _misled(self, point: Point, direction: Direction) -> bool:
        """Whether tangents were forgotten: those of a program that was not solved, once a point.

        Also where they leave no way to the bounds, as far ones of a curved function may.
        """
        doubtful = not direction.solution.solved or not point.feasible
        if not doubtful or not self._gathered.kinked or self._misled_at is point:
            return False
        self._misled_at = point
        self._gathered.clear()
        self._curvature.reset()
        return True

    def _lost(self, point: Point) -> Finish | bool:
        """The end where a step is not finite, unless it is the matrix that is not."""
        if self._reset_at is point or self._curvature.fresh:
            return Finish(Status.NONFINITE, _status.LEFT_NUMBERS)
        self._curvature.reset()
        self._reset_at = point
        return True

    def _proves(
        self, certificate: KKTCertificate, point: Point, direction: Direction, noise: float
    ) -> bool:
        """Whether a certificate is met, and if by differences means something, too."""
        if not certificate.met or self._problem.differences is None:
            return certificate.met
        lost = self._visibility.lost(point, direction, certificate.stationarity, noise)
        return (point.grad.any() or not lost) and self._small(point, direction, noise)

    def _nothing_lower(
        self, point: Point, direction: Direction, noise: float
    ) -> Generator[Ask, object, Finish]:
        """The end where no step is lower."""
        if self._unproven:
            return Finish(Status.PRECISION, _status.KINK)
        if not point.feasible:
            return (yield from self._infeasibility.judged(point))
        certificate = self._certifier.certify(point, self._gathered)
        if self._proves(certificate, point, direction, noise):
            return judge(certificate.knowledge, **self._judgement.facts(certificate, direction))
        promised = self._judgement.promised(point, direction)
        line, hidden = self._search.line(point), 0.0
        if line is not None:
            merit = self._programs.merit(point)
            noise, hidden = max(noise, noise_on_line(line, merit, line.slope)), level(line, merit)
            if not promised < math.inf:
                promised = promised_on_line(line, line.slope)
        if hidden > 0:
            promised = min(promised, hidden)
            self._visibility.here = noise = max(noise, hidden)
        return self._judgement.judged(
            point, direction, noise, certificate, promised, flat=hidden > 0
        )
