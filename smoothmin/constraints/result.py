"""What a result says of constraints: violations, multipliers, counts.

Multipliers are such that at a minimum the gradient of the function is the sum of each times
the gradient of its row, ``grad f = sum multiplier * grad c``: not negative where a lower
bound is active, not positive at an upper bound. A method that has them tells them
(`Multipliers`); else they are those of the least squares over the active rows, with these signs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from smoothmin._domain import Domain
from smoothmin._protocol import Array, Mask, Multipliers
from smoothmin.constraints.ledger import BestFeasible, ConstrainedLedger
from smoothmin.constraints.region import Region, dense, excess

ACTIVE = 1e-6  # share of max(1, |c|) within which a row is at its bound


def describe(
    ledger: ConstrainedLedger, domain: Domain, x: Array, told: Multipliers | None
) -> dict[str, Any]:
    """The fields of the result at the best point, or at ``x`` before there is one."""
    best, region = ledger.best, ledger.region
    rows = region.rows
    point = x if best.x is None else best.x
    known = best.rows if best.rows is not None else _unknown(region)
    values = region.values(point[None], known[None])[0]
    beyond = np.zeros(0) if rows is None or len(values) != len(rows.lower) else excess(rows, values)
    worst = float(beyond.max(initial=0.0)) if best.x is not None or not len(known) else np.nan
    out: dict[str, Any] = {
        "constr_violation": worst,
        "maxcv": worst,
        "constr": region.scattered(values),
        "constr_residuals": region.scattered(beyond) if len(beyond) else [],
        "constr_nfev": ledger.constraint_counts(),
        "constr_njev": ledger.jacobian_counts(),
    }
    found = multipliers(best, region, domain, point, told)
    if found is not None:
        out["multipliers"] = region.scattered(found[0])
        out["bound_multipliers"] = domain.restore_gradient(found[1])
    return out


def _unknown(region: Region) -> Array:
    nonlinear = region.nonlinear
    return np.full(0 if nonlinear is None else len(nonlinear.lower), np.nan)


def multipliers(
    best: BestFeasible, region: Region, domain: Domain, x: Array, told: Multipliers | None
) -> tuple[Array, Array] | None:
    """Of all rows (K,) and of the bounds (n,); None where gradients are not known."""
    rows = region.rows
    if rows is None or best.x is None or best.rows is None:
        return None
    if told is not None:
        return told.all_rows(), told.box
    gradient = best.grad
    slopes = _jacobian(region, best)
    if gradient is None or slopes is None or not np.isfinite(gradient).all():
        return None
    values = region.values(x[None], best.rows[None])[0]
    near = ACTIVE * np.maximum(1.0, np.abs(values)) + rows.tolerance
    at_lower, at_upper = values <= rows.lower + near, values >= rows.upper - near
    out, pushed = np.zeros(len(values)), np.zeros_like(x)
    free = np.ones(x.size, dtype=bool)
    if domain.box is not None:
        lower, upper = domain.box
        free = (x > lower + ACTIVE * np.maximum(1, np.abs(x))) & (
            x < upper - ACTIVE * np.maximum(1, np.abs(x))
        )
    active = np.flatnonzero((at_lower | at_upper) & np.isfinite(slopes).all(axis=1))
    if active.size:
        out[active] = signed_least_squares(
            slopes[active][:, free].T, gradient[free], at_lower[active], at_upper[active]
        )
    pushed[~free] = (gradient - out @ slopes)[~free]
    return out, pushed


def _jacobian(region: Region, best: BestFeasible) -> Array | None:
    """Of all rows (K, n) at the best point."""
    parts = []
    if region.linear is not None:
        parts.append(dense(region.linear.matrix))
    if region.nonlinear is not None:
        if best.jacobian is None:
            return None
        parts.append(best.jacobian)
    return np.concatenate(parts) if parts else None


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
