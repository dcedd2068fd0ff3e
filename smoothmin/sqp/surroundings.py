"""Gradients from around a point at which a run may end, that a certificate needs.

References: A. A. Goldstein, Math. Program. 13 (1977), for a gradient from where the least
element of the hull of those known leads, which lies beyond it unless values fall; F. E. Curtis,
M. L. Overton, SIAM J. Optim. 22 (2012), for constraints.

Deviation: they are gathered for the program, too, which takes the step down if there is one.
"""

from __future__ import annotations

from collections.abc import Generator

from smoothmin._factors import FASTEST_GROWTH, MINOR
from smoothmin._protocol import Ask
from smoothmin.sqp.certificate import KKTCertificate, KKTCertifier
from smoothmin.sqp.functions import Point, PointEvaluator
from smoothmin.sqp.program import Programs, Region
from smoothmin.sqp.search import Search
from smoothmin.sqp.tangents import Gathered
from smoothmin.subproblems.min_norm import euclidean_norm


class Surroundings:
    """Looks around points, and keeps accounts of what that costs."""

    def __init__(
        self,
        evaluator: PointEvaluator,
        region: Region,
        programs: Programs,
        search: Search,
        gathered: Gathered,
        certifier: KKTCertifier,
    ) -> None:
        self._evaluator, self._region, self._search = evaluator, region, search
        self._programs, self._gathered, self._certifier = programs, gathered, certifier
        self._proven_at: Point | None = None
        self._looks = 0  # at gradients near that point
        self._searched_at: Point | None = None
        self._spent = 0  # evaluations of searches

    def prove(self, point: Point) -> Generator[Ask, object, bool]:
        """Whether far tangents that hold a step up were proven or forgotten."""
        if self._proven_at is not point:
            self._proven_at, self._looks = point, 0
        if self._looks > point.x.size:
            return False
        found = yield from self._far(point)
        self._looks += found
        return found

    def _far(self, point: Point) -> Generator[Ask, object, bool]:
        """Prove far tangents that hold a step up by values within the radius, or forget them.

        Whether there were any.
        """
        gathered, radius = self._gathered, self._certifier.radius(point.x)
        if not gathered.kinked:
            return False
        far = gathered.far(point, radius, self._certifier.region_normals(point, radius))
        for number, serial, direction in far:
            x, _ = self._region.nearest(point.x + self._certifier.halfway(point, direction))
            there = yield from self._evaluator.at(x)
            if there.finite and number in gathered.of:
                gathered.of[number].prove(serial, point, there)
                gathered.add(there, None)
        return bool(far)

    def certificate(
        self, point: Point, noise: float
    ) -> Generator[Ask, object, KKTCertificate | Point]:
        """The certificate, with gradients from around as long as they shorten its least element.

        Or a lower point where that leads, if it leads down. Once a point, and for no more
        evaluations than all the rest has taken.
        """
        certificate = self._certifier.certify(point, self._gathered)
        evaluator = self._evaluator
        searched = evaluator.by_differences or self._searched_at is point
        if searched or not self._gathered.met:
            return certificate
        self._searched_at = point
        for _ in range(self._gathered.capacity):
            if certificate.met or 2 * self._spent > evaluator.asked:
                break
            step = self._certifier.halfway(point, -certificate.least)
            x, _ = self._region.nearest(point.x + step)
            if any((x == known.x).all() for known in (point, *self._gathered.recent)):
                break
            before = evaluator.asked
            there = yield from evaluator.at(x)
            self._spent += 1
            if not there.finite:
                break
            self._gathered.add(there, point)
            gain = self._programs.merit(point) - self._programs.merit(there)
            promised = certificate.stationarity * euclidean_norm(step)
            if gain > max(noise, MINOR * promised):
                farther = yield from self._search.farthest(point, FASTEST_GROWTH * step, gain)
                self._spent += evaluator.asked - before - 1
                return farther or there
            longer, certificate = certificate, self._certifier.certify(point, self._gathered)
            if not certificate.stationarity < longer.stationarity:
                break
        return certificate
