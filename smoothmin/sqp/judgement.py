"""What is known of a point at which "sqp" may end, for the judge."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from smoothmin._factors import MINOR
from smoothmin._protocol import Finish, Multipliers, Problem
from smoothmin._recent import Recent
from smoothmin._verdict import SURE, Knowledge, judge
from smoothmin.sqp.certificate import KKTCertificate
from smoothmin.sqp.curvature import LagrangianMetric
from smoothmin.sqp.functions import Point, Sides
from smoothmin.sqp.program import Direction, Region
from smoothmin.sqp.tangents import Gathered
from smoothmin.sqp.visibility import Visibility
from smoothmin.subproblems.min_norm import euclidean_norm


class Judgement:
    """Gathers it."""

    def __init__(
        self,
        problem: Problem,
        region: Region,
        sides: Sides,
        curvature: LagrangianMetric,
        recent: Recent,
        gathered: Gathered,
        visibility: Visibility,
    ) -> None:
        self._problem, self._region, self._sides = problem, region, sides
        self._curvature, self._recent, self._gathered = curvature, recent, gathered
        self._visibility = visibility
        self._standing: tuple[Point | None, float] = None, math.inf  # the last promise

    def moved(self, before: Point, after: Point, gain: float) -> None:
        """Let a promise stand after a step that gained next to nothing of it."""
        where, promised = self._standing
        if where is before and gain < MINOR * promised < math.inf:
            self._standing = after, promised

    def judged(
        self,
        point: Point,
        direction: Direction,
        noise: float,
        certificate: KKTCertificate,
        promised: float,
        *,
        flat: bool = False,
    ) -> Finish:
        """What is known where no more is promised, and there is no certificate.

        A kink is none where values around it are all the same: ``flat``.
        """
        visibility = self._visibility
        if visibility.lost(point, direction, certificate.stationarity):
            promised = visibility.believed(point, direction, promised, noise)
        if visibility.cancelled(point, direction):
            promised = math.inf
        if noise < promised < math.inf:  # as earlier promises were kept
            kept = promised * self._recent.exceeded(noise)
            promised = max(promised, min(kept, abs(point.fun)))
        steep = self._recent.steepness
        if self._gathered.met:  # across kinks programs promise little, unless all is from nearby
            near = self._gathered.is_near(point, certificate.radius)
            steep = certificate.steepness if near else 1.0
            promised = max(promised, self._curvature.promised_along(certificate.least) / SURE)
        elif self._gathered.kinked and self._curvature.fresh and not flat:
            promised = max(promised, -direction.slope)  # what a matrix has learnt is of elsewhere
        if flat or not self._gathered.kinked:
            steep = self._recent.steepness_with(direction.steepness)
        guessed = self._curvature.fresh and promised <= noise  # the step is, at a point like this
        visible = -direction.slope > noise and not (flat or guessed)
        step = direction.step / self._curvature.trust
        size = np.maximum(1.0, np.abs(point.x))
        knows = Knowledge(
            f"Stationarity {certificate.stationarity:.3g} within radius {certificate.radius:.3g}",
            promised=promised,
            lately=self._recent.changes if self._recent.steps > 0 else (),
            size=abs(point.fun),
            noise=noise,
            extrapolated=self._recent.extrapolated(noise) if visible else 0.0,
            far=self._recent.far(point.x, euclidean_norm(direction.step)) if visible else 0.0,
            large=float(np.max(np.abs(step) / size)),
            steep=steep,
            resolved=self._problem.differences is None or self._problem.differences.resolves,
        )
        if knows.negligible:  # which is not what slopes take a long step for
            knows = knows._replace(large=max(knows.large, certificate.along(knows.left, size)))
        return judge(knows, **self.facts(certificate, direction))

    def promised(self, point: Point, direction: Direction) -> float:
        """The decrease that is promised by curvature, not for want of any or of trust.

        Where that was forgotten, what it last promised at this point; a guess at the start.
        """
        curvature = self._curvature
        if not curvature.fresh or self._recent.steps < 0:
            # below zero it is what the program is wrong by
            self._standing = point, abs(direction.decrease) / curvature.trust
            if self._recent.steps >= 0:
                self._recent.promise(self._standing[1])
        where, promised = self._standing
        return promised if where is point else math.inf

    def facts(self, certificate: KKTCertificate, direction: Direction) -> dict[str, Any]:
        """What the result is told of a certificate, and the multipliers."""
        facts = {"stationarity": certificate.stationarity, "radius": certificate.radius}
        return facts | self.told(direction)

    def told(self, direction: Direction) -> dict[str, Any]:
        """The multipliers, where there are constraints."""
        if self._problem.linear is None and self._problem.nonlinear is None:
            return {}
        linear = self._region.sides.of_rows(direction.linear)
        nonlinear = self._sides.of_rows(direction.multipliers)
        return {"multipliers": Multipliers(linear, nonlinear, -direction.solution.bounds)}
