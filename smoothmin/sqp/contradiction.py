"""Whether the gradients that a user gave are those of the values, where "sqp" ends."""

from __future__ import annotations

import numpy as np

from smoothmin import _status
from smoothmin._machine import PRODUCTS
from smoothmin._protocol import Finish, Problem
from smoothmin._status import Status
from smoothmin.descent.gradient_check import VISIBLE
from smoothmin.sqp.functions import Point, Sides
from smoothmin.sqp.search import Search
from smoothmin.sqp.tangents import Gathered


def contradicted(
    problem: Problem,
    sides: Sides,
    search: Search,
    gathered: Gathered,
    finish: Finish,
    point: Point,
    noise: float,
) -> Finish:
    """The end, another one where gradients that the user gave are not those of the values."""
    success = finish.status.success
    if success and gathered.slopeless:
        if problem.differences is not None:
            return Finish(Status.PRECISION, _status.STEPS, **finish.info)
        return Finish(Status.GRADIENT, _status.ZERO_GRADIENT, **finish.info)
    if (success and not gathered.kinked) or problem.differences is not None:
        return finish
    visible = np.maximum(VISIBLE * noise, PRODUCTS * point.size)
    visible[1:][sides.resolution > 0] = np.inf
    number = None if success else search.contradicted(point, visible)
    number = gathered.contradicted(point, visible) if number is None else number
    if number is None:
        return finish
    gradient, least = point.slopes[number], visible[number]
    others = gathered.nearest(point)
    there = next((o for o in others if abs(gradient @ (o.x - point.x)) > least), point)
    step = there.x - point.x
    predicted = float(gradient @ step)
    change = float(there.values[number] - point.values[number])
    row = "" if number == 0 else f" (row {int(sides.row[number - 1])})"
    whose = f" of a nonlinear constraint{row}" if row else ""
    said = _status.gradient_contradicted(float(np.linalg.norm(step)), predicted, change, whose)
    return Finish(Status.GRADIENT, said, **finish.info)
