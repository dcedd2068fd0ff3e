"""Before a run: do linear rows contradict each other, and where does it start.

Equalities hold from the start on, and so does what no evaluation may leave. Where ``x0``
does not meet them the run starts at the nearest point that does.
"""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np
from scipy.optimize import OptimizeWarning

from smoothmin._domain import Domain
from smoothmin._machine import EPS, LARGE, PRODUCTS
from smoothmin._protocol import Array, Rows
from smoothmin.constraints.region import FeasibleRegion, dense, excess, part_of, scaled_excess
from smoothmin.subproblems.boxed_qp import projection

CONTRADICTION = "No point meets the bounds and the linear constraints"


def start_within(region: FeasibleRegion, domain: Domain) -> tuple[Domain, str]:
    """The domain, started where the rows hold that have to, and what is contradictory.

    Called by front ends only, three frames below the user's.
    """
    linear = region.linear
    if linear is None:
        return domain, ""
    x0 = domain.start if domain.free is None else domain.start[domain.free]
    values = linear.matrix @ x0
    if (scaled_excess(linear, values) <= linear.tolerance).all() and _kept(linear, x0):
        return _moved(domain, _on_equalities(linear, x0, domain.box)), ""
    # what is nearest on the equalities is nearest of all, where the rest holds there
    found = _on_equalities(linear, x0, domain.box)
    met = (scaled_excess(linear, linear.matrix @ found) <= linear.tolerance).all()
    if met and linear.hard is None and _is_inside(x0, domain.box):
        return _moved(domain, found), ""
    if not _met_nearby(linear, domain.box, x0) and not _possible(linear, domain):
        return domain, CONTRADICTION
    held = linear.lower == linear.upper
    hard = np.zeros_like(held) if linear.hard is None else linear.hard
    must = held | hard
    if not must.any():
        return domain, ""
    rows = part_of(linear, must)
    if not _kept(linear, x0):
        warnings.warn(
            "x0 violates constraints marked keep_feasible and was moved to the nearest point "
            "that does not",
            OptimizeWarning,
            stacklevel=4,
        )
    found = nearest(rows, domain.box, x0)
    return _moved(domain, _on_equalities(linear, found, domain.box)), ""


def _is_inside(x: Array, box: tuple[Array, Array] | None) -> bool:
    """Whether no bound holds any variable."""
    return box is None or bool((x > box[0]).all() and (x < box[1]).all())


def _kept(linear: Rows, x: Array) -> bool:
    """Whether the rows hold that no evaluation may violate, but for rounding."""
    if linear.hard is None:
        return True
    rows = part_of(linear, linear.hard)
    slack = PRODUCTS * (abs(rows.matrix) @ np.abs(x))
    return bool((excess(rows, rows.matrix @ x) <= slack).all())


def _moved(domain: Domain, x: Array) -> Domain:
    start = x
    if domain.free is not None:
        start = domain.start.copy()
        start[domain.free] = x
    return dataclasses.replace(domain, start=start)


def _on_equalities(linear: Rows, x: Array, box: tuple[Array, Array] | None) -> Array:
    """The same point, with equalities met to rounding."""
    equal = linear.lower == linear.upper
    if not equal.any():
        return x
    rows = part_of(linear, equal)
    matrix = dense(rows.matrix)
    for _ in range(2):  # of which the second takes out what the first left by rounding
        rest = rows.lower - matrix @ x
        if not rest.any():
            break
        free = np.ones(x.size, dtype=bool)
        if box is not None:
            free = (x > box[0]) & (x < box[1])
        step = np.zeros_like(x)
        if free.any():
            step[free] = np.linalg.lstsq(matrix[:, free], rest, rcond=None)[0]
        moved = x + step if box is None else np.clip(x + step, *box)
        if np.abs(rows.lower - matrix @ moved).max() >= np.abs(rest).max():
            break
        x = moved
    return x


def _sides(rows: Rows) -> tuple[Any, Array]:
    """The inequalities as ``G x <= h``, both sides of each row where finite."""
    above, below = np.isfinite(rows.upper), np.isfinite(rows.lower)
    matrices = [rows.matrix[above], -rows.matrix[below]]
    if hasattr(rows.matrix, "toarray"):
        from scipy.sparse import vstack

        matrix: Any = vstack(matrices, format="csr")
    else:
        matrix = np.vstack(matrices)
    return matrix, np.concatenate([rows.upper[above], -rows.lower[below]])


def _limits(domain_box: tuple[Array, Array] | None, n: int) -> Array:
    if domain_box is None:
        return np.column_stack([np.full(n, -np.inf), np.full(n, np.inf)])
    return np.column_stack(domain_box)


def _programme(rows: Rows, box: tuple[Array, Array] | None, cost: Array | None) -> Any:
    """A linear programme over the rows and the box, by HiGHS."""
    from scipy.optimize import linprog

    equal = rows.lower == rows.upper
    n = rows.matrix.shape[1]
    options: dict[str, Any] = {}
    if equal.any():
        options |= {"A_eq": rows.matrix[equal], "b_eq": rows.lower[equal]}
    if not equal.all():
        matrix, bound = _sides(part_of(rows, ~equal))
        if len(bound):
            options |= {"A_ub": matrix, "b_ub": bound}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return linprog(
            np.zeros(n) if cost is None else cost, bounds=_limits(box, n), method="highs", **options
        )


def _met_nearby(linear: Rows, box: tuple[Array, Array] | None, x: Array) -> bool:
    """Whether the projection of a point meets the rows: sooner known than by a programme."""
    if not 0 < linear.matrix.shape[0] * x.size <= LARGE:
        return False
    matrix, bound = _sides(dataclasses.replace(linear, matrix=dense(linear.matrix)))
    found, _ = projection(x, matrix, bound, box)
    met = scaled_excess(linear, linear.matrix @ found) <= linear.tolerance
    return bool(met.all())


def _possible(linear: Rows, domain: Domain) -> bool:
    """Whether any point meets the rows, but for what counts as no violation.

    A programme that is not solved proves nothing.
    """
    slack = linear.tolerance * np.maximum(
        1.0, np.where(np.isfinite(linear.lower), np.abs(linear.lower), 1.0)
    )
    slack = np.where(linear.lower == linear.upper, 0.0, slack)
    loose = dataclasses.replace(linear, lower=linear.lower - slack, upper=linear.upper + slack)
    if linear.matrix.shape[1] == 0:  # all variables are fixed
        return bool((loose.lower <= 0).all() and (loose.upper >= 0).all())
    return int(_programme(loose, domain.box, None).status) != 2


def nearest(rows: Rows, box: tuple[Array, Array] | None, x0: Array) -> Array:
    """The nearest point that meets the rows, which some does, and the box."""
    n = x0.size
    if (len(rows.lower) * 2 + 2 * n) * n <= LARGE:
        return _least_distance(rows, box, x0)
    return _nearest_along_coordinates(rows, box, x0)


def _least_distance(rows: Rows, box: tuple[Array, Array] | None, x0: Array) -> Array:
    """In the Euclidean norm: Lawson, Hanson, Solving Least Squares Problems, chapter 23."""
    from scipy.optimize import nnls

    equal = rows.lower == rows.upper
    matrix, offset = dense(rows.matrix), x0
    basis = np.eye(x0.size)
    if equal.any():
        held = matrix[equal]
        offset = x0 + np.linalg.lstsq(held, rows.lower[equal] - held @ x0, rcond=None)[0]
        _, s, vt = np.linalg.svd(held)
        rank = int((s > max(held.shape) * EPS * s.max(initial=0.0)).sum())
        basis = vt[rank:].T
    others = part_of(rows, ~equal)
    g, h = _sides(dataclasses.replace(others, matrix=dense(others.matrix)))
    if box is not None:
        unit = np.eye(x0.size)
        for side, sign in zip(box, (-1.0, 1.0), strict=True):
            finite = np.isfinite(side)
            g, h = np.vstack([g, sign * unit[finite]]), np.concatenate([h, sign * side[finite]])
    # -G basis y >= G offset - h, of the least norm of y
    left, right = -(g @ basis), g @ offset - h
    if not len(right) or (right <= 0).all() or not basis.shape[1]:
        found = offset
    else:
        aim = np.zeros(basis.shape[1] + 1)
        aim[-1] = 1.0
        dual, _ = nnls(np.vstack([left.T, right]), aim)
        residual = np.vstack([left.T, right]) @ dual - aim
        with np.errstate(divide="ignore", invalid="ignore"):  # where no point meets the rows
            found = offset - basis @ (residual[:-1] / residual[-1])
    return found if box is None else np.clip(found, *box)


def _nearest_along_coordinates(rows: Rows, box: tuple[Array, Array] | None, x0: Array) -> Array:
    """In the sum of distances along the coordinates, by a sparse linear programme."""
    from scipy.sparse import csr_array, eye_array, hstack, vstack

    n = x0.size
    matrix = csr_array(rows.matrix)
    unit = eye_array(n, format="csr")
    # x = x0 + ahead - back
    wide = hstack([matrix, csr_array((matrix.shape[0], 2 * n))])
    split = hstack([unit, -unit, unit])
    whole = Rows(
        np.concatenate([rows.lower, x0]),
        np.concatenate([rows.upper, x0]),
        np.zeros(len(rows.lower) + n),
        csr_array(vstack([wide, split])),
    )
    lower, upper = _limits(box, n).T
    sides = (
        np.concatenate([lower, np.zeros(2 * n)]),
        np.concatenate([upper, np.full(2 * n, np.inf)]),
    )
    cost = np.concatenate([np.zeros(n), np.ones(2 * n)])
    found: Array = _programme(whole, sides, cost).x
    return found[:n] if box is None else np.clip(found[:n], *box)
