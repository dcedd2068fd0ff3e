"""What a line search that found nothing lower tells of the line: the decrease left, and noise."""

from __future__ import annotations

import math

import numpy as np

from smoothmin.descent.gradient_check import ALIKE
from smoothmin.linesearch.weak_wolfe import LineResult

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
    """What the values of a failed search miss of the trapezoid rule, where slopes are alike.

    On a smooth piece that rule is right to third order; on both sides of a kink slopes differ.
    """
    misses = [
        abs(trial.fun - fun - 0.5 * trial.t * (slope + trial.slope))
        for trial in found.trials
        if math.isfinite(trial.fun) and abs(trial.slope - slope) <= ALIKE * abs(slope)
    ]
    return float(np.median(misses)) if len(misses) > 2 else 0.0
