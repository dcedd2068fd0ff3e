"""What a result says of constraints: violations, multipliers, counts.

Multipliers are such that at a minimum the gradient of the function is the sum of each times
the gradient of its row, ``grad f = sum multiplier * grad c``: not negative where a lower
bound is active, not positive at an upper bound. A method that has them tells them
(`Multipliers`); else they are those of the shortest combination of the gradients at the best
point, or at points so near that with theirs it vanishes, as at a kink.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from smoothmin._domain import Domain
from smoothmin._machine import HALF_OF_DIGITS, QUARTER_OF_DIGITS
from smoothmin._protocol import Array, Mask, Multipliers, Rows
from smoothmin._verdict import CTOL_FROM_VALUES, STATIONARY
from smoothmin.constraints.ledger import ConstrainedLedger
from smoothmin.constraints.region import FeasibleRegion, dense, excess
from smoothmin.subproblems.min_norm import min_norm_point

NO_ROWS = Rows(np.empty(0), np.empty(0), np.empty(0))


def describe(
    ledger: ConstrainedLedger, domain: Domain, x: Array, told: Multipliers | None
) -> dict[str, Any]:
    """The fields of the result at the best point, or at ``x`` before there is one."""
    best, region = ledger.best, ledger.region
    rows = region.rows or NO_ROWS
    point = x if best.x is None else best.x
    known = best.rows if best.rows is not None else _unknown(region)
    values = region.values(point[None], known[None])[0]
    beyond = np.zeros(0) if len(values) != len(rows.lower) else excess(rows, values)
    worst = float(beyond.max(initial=0.0)) if best.x is not None or not len(known) else np.nan
    out: dict[str, Any] = {
        "constr_violation": worst,
        "maxcv": worst,
        "feasible": bool(best.feasible),
        "constr": region.scattered(values),
        "constr_residuals": region.scattered(beyond) if len(beyond) == len(rows.lower) else [],
        "constr_nfev": ledger.constraint_counts(),
        "constr_njev": ledger.jacobian_counts(),
    }
    found = multipliers(ledger, domain, point, told)
    unknown = np.full(len(rows.lower), np.nan), np.full(point.size, np.nan)
    out["multipliers"] = region.scattered((found or unknown)[0])
    out["bound_multipliers"] = domain.restore_gradient((found or unknown)[1])
    return out


def _unknown(region: FeasibleRegion) -> Array:
    nonlinear = region.nonlinear
    return np.full(0 if nonlinear is None else len(nonlinear.lower), np.nan)


def multipliers(
    ledger: ConstrainedLedger, domain: Domain, x: Array, told: Multipliers | None
) -> tuple[Array, Array] | None:
    """Of all rows (K,) and of the bounds (n,); None where gradients are not known."""
    best, region = ledger.best, ledger.region
    rows = region.rows or NO_ROWS
    if best.x is None or best.rows is None:
        return None
    given = None if told is None else (told.all_rows(), told.box)
    if given is not None and np.isfinite(given[0]).all():
        return given
    around = ledger.slopes_around(x, QUARTER_OF_DIGITS)
    whole = region.nonlinear is None or best.jacobian is not None
    if whole and best.grad is not None and np.isfinite(best.grad).all():
        own = best.grad if best.jacobian is None else np.vstack([best.grad, best.jacobian])
    elif around:  # only its value is known, but slopes next to it
        own = min(around, key=itemgetter(0))[1]
    else:
        return given
    values = region.values(x[None], best.rows[None])[0]
    near = CTOL_FROM_VALUES * np.maximum(1.0, np.abs(values)) + rows.tolerance
    active = _Active(values <= rows.lower + near, values >= rows.upper - near, _inside(domain, x))
    linear = np.empty((0, x.size)) if region.linear is None else dense(region.linear.matrix)
    points = [(0.0, np.atleast_2d(own)), *around]
    alone, near = active.cone(linear, points[:1]), points[:1]
    found = alone
    for radius in (HALF_OF_DIGITS, QUARTER_OF_DIGITS):
        within = [point for point in points if point[0] <= radius]
        if not found.small and len(within) > len(near):
            near, found = within, active.cone(linear, within)
    return (found if found.small else alone)[:2]


def _inside(domain: Domain, x: Array) -> Mask:
    """Which variables are between their bounds."""
    if domain.box is None:
        return np.ones(x.size, dtype=bool)
    lower, upper = domain.box
    near = CTOL_FROM_VALUES * np.maximum(1.0, np.abs(x))
    inside: Mask = (x > lower + near) & (x < upper - near)
    return inside


class _Combined(NamedTuple):
    """Multipliers of all rows and of the bounds, and whether next to nothing is left."""

    rows: Array
    bounds: Array
    small: bool


class _Active(NamedTuple):
    """What holds a point: rows at their bounds, and which variables are at none."""

    at_lower: Mask
    at_upper: Mask
    free: Mask

    def cone(self, linear: Array, points: list[tuple[float, Array]]) -> _Combined:
        """The least combination of gradients, and normals of what is active, at these points.

        ``points`` has slopes (1 + k, n) of the function and the nonlinear rows.
        """
        count = len(linear)
        gradients = np.array([slopes[0] for _, slopes in points])
        kinked = np.concatenate([slopes[1:] for _, slopes in points])
        rows = np.concatenate([linear, kinked])
        of = np.concatenate(
            [np.arange(count), count + np.tile(np.arange(len(kinked) // len(points)), len(points))]
        )
        sizes = np.linalg.norm(rows, axis=1)
        usable = np.isfinite(sizes) & (sizes > 0)
        low = np.flatnonzero(self.at_lower[of] & usable)
        high = np.flatnonzero(self.at_upper[of] & usable)
        which = np.concatenate([low, high])
        sign = np.concatenate([-np.ones(len(low)), np.ones(len(high))])
        normals = (sign / sizes[which])[:, None] * rows[which]
        least = min_norm_point(gradients[:, self.free], normals[:, self.free])
        weights = -sign / sizes[which] * least.multipliers
        out = np.bincount(of[which], weights, len(self.at_lower)).astype(float, copy=False)
        left = least.weights @ gradients - weights @ rows[which]
        steep = float(np.linalg.norm(gradients, axis=1).max())
        small = float(np.linalg.norm(left[self.free])) <= STATIONARY * steep
        return _Combined(out, np.where(self.free, 0.0, left), small)


def signed_least_squares(matrix: Array, aim: Array, at_lower: Mask, at_upper: Mask) -> Array:
    """Least squares ``matrix @ y = aim`` with y >= 0 where at a lower, y <= 0 at an upper bound.

    Of any sign where both are active.
    """
    if not matrix.size:
        return np.zeros(matrix.shape[1])
    from scipy.optimize import lsq_linear

    low = np.where(at_upper, -np.inf, 0.0)
    high = np.where(at_lower, np.inf, 0.0)
    size = np.linalg.norm(matrix, axis=0)
    size = np.where(size > 0, size, 1.0)
    found: Array = lsq_linear(matrix / size, aim, bounds=(low, high), method="bvls").x
    return found / size
