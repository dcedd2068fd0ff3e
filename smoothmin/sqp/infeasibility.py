"""How "sqp" ends where constraints are violated."""

from __future__ import annotations

from collections.abc import Generator

from smoothmin import _status
from smoothmin._protocol import Array, Ask, Finish
from smoothmin._status import Status
from smoothmin._verdict import STATIONARY, Knowledge, judge
from smoothmin.sqp.certificate import KKTCertifier
from smoothmin.sqp.functions import Point, PointEvaluator
from smoothmin.sqp.program import Programs, Region
from smoothmin.sqp.tangents import Gathered

CONTRADICTORY = 1e-4  # slope of the violation that is none


class Infeasibility:
    """Tells whether a point's violation is stationary."""

    def __init__(
        self,
        evaluator: PointEvaluator,
        region: Region,
        programs: Programs,
        gathered: Gathered,
        certifier: KKTCertifier,
    ) -> None:
        self._evaluator, self._region, self._programs = evaluator, region, programs
        self._gathered, self._certifier = gathered, certifier

    def judged(self, point: Point) -> Generator[Ask, object, Finish]:
        """The end at a point whose violation no step lowers."""
        pull, down = self._pull(point)
        for _ in range(self._gathered.capacity):
            if pull <= CONTRADICTORY:
                break
            # gradients from where the way down leads, as long as they bar it
            x, _ = self._region.nearest(point.x + down)
            there = yield from self._evaluator.at(x)
            if not there.finite:
                break
            self._gathered.add(there, point)
            before = pull
            pull, down = self._pull(point)
            if not pull < before:
                break
        if pull <= CONTRADICTORY:
            return self._stationary(pull)
        worst = float(point.violation.max())
        return judge(Knowledge(f"No step lowers the violation, {worst:.3g}"))

    def sunk(self, point: Point) -> Finish | None:
        """The end where prices rise for a violation that is stationary to all digits that count."""
        if not self._programs.raised or point.feasible:
            return None
        pull, _ = self._pull(point)
        return self._stationary(pull) if pull <= STATIONARY else None

    def _pull(self, point: Point) -> tuple[float, Array]:
        """How steeply the violation can be lowered, and the way down."""
        assert self._programs.caps is not None
        return self._certifier.pull(point, self._gathered, self._programs.caps)

    def _stationary(self, pull: float) -> Finish:
        """The end at a stationary point of the violation."""
        where = f"The violation of the constraints is stationary (its slope is {pull:.3g})"
        return Finish(Status.INFEASIBLE, _status.contradictory(where))
