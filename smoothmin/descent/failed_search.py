"""What a line search that found nothing lower tells of the line: the decrease left, and noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from smoothmin._factors import WITNESSES
from smoothmin._machine import EPS
from smoothmin._precision import ROUNDINGS
from smoothmin._protocol import Array
from smoothmin.linesearch.line_result import LineResult
from smoothmin.subproblems.min_norm import euclidean_norm

IDLE = "Steps gain no more than rounding"
RELIABLE = 1e-3  # share of a slope by which it has to change for that to be curvature


def promised_on_line(found: LineResult, slope: float) -> float:
    """Decrease that the slopes of a failed search promise, by the least curvature observed.

    Short steps on which slopes change by no more than gradients are rounded tell nothing.
    """
    promised = 0.0
    for trial in sorted(found.trials, key=lambda trial: -trial.t):
        change = trial.slope - slope
        if not math.isfinite(change):
            continue
        if promised > 0 and change < RELIABLE * abs(slope):
            break
        if not change > 0:
            return math.inf
        promised = max(promised, 0.5 * slope * slope * trial.t / change)
    return promised if promised > 0 else math.inf


def noise_on_line(found: LineResult, fun: float, slope: float) -> float:
    """How far values of a failed search are from what slopes at both ends of a step allow.

    Where slopes change steadily, or at one kink, values change by no more than the larger of
    the two slopes tells, and no less than the smaller. Rounding is as large at the nearest
    points, of which it may spare some; where it spares many, values are multiples of something,
    and where it spares all of more than any slope tells.
    """
    misses, jumps, spared = [], [], 0
    for trial in sorted(found.trials, key=lambda trial: trial.t):
        if math.isfinite(trial.fun) and math.isfinite(trial.slope):
            change, ends = trial.fun - fun, (trial.t * slope, trial.t * trial.slope)
            misses.append(max(min(ends) - change, change - max(ends), 0.0))
            spared += change == 0
            jumps += [misses[-1]] if change != 0 and misses[-1] > 0 else []
    if len(misses) < WITNESSES:
        return 0.0
    quantum = min(jumps, default=0.0) if spared >= WITNESSES else 0.0
    if spared == len(misses) > WITNESSES:
        quantum = max(misses)
    return max(*misses[:WITNESSES], float(np.median(misses)), quantum)


def level(found: LineResult, fun: float) -> float:
    """What slopes promise on a line on which values are all the same as far as its minimum.

    Where slopes lead to, or near, one: more than values can show. Else 0.
    """
    nearest = sorted(found.trials, key=lambda trial: trial.t)
    near = 0.5 * found.slope
    beyond = next((k for k, trial in enumerate(nearest) if trial.slope > near), len(nearest))
    first = nearest[: max(beyond + 1, WITNESSES)]
    if beyond == len(nearest) or any(trial.fun != fun for trial in first):
        return 0.0
    promised = promised_on_line(found, found.slope)
    return promised if promised < math.inf else 0.0


def displacing(x: Array, gradients: Sequence[Array], curvature: float) -> float:
    """What values rise by, beside a minimum, where rounding displaces ``x``."""
    displaced = EPS * euclidean_norm(x)
    if len(gradients) > 1:  # along what has bent lately
        change = gradients[-1] - gradients[-2]
        length = euclidean_norm(change)
        displaced = EPS * euclidean_norm(change / length * x) if length > 0 else displaced
    rise = ROUNDINGS * curvature * displaced**2
    return rise if math.isfinite(rise) else 0.0
