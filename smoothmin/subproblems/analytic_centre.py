"""The analytic centre of what tangents leave below a ceiling.

References: J.-L. Goffin, A. Haurie, J.-P. Vial, "Decomposition and nondifferentiable
optimization with the projective algorithm", Management Sci. 38 (1992); O. du Merle, J.-P. Vial,
"Proximal ACCPM, a cutting plane method for column generation and Lagrangian relaxation", Tech.
Rep. 2002.23, HEC Geneva (2002), for the quadratic term.

Deviation: below the ceiling a point is found on the central path of the largest tangent's
minimum, whose duality gap tells if there is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dposv, dpotrs

from smoothmin._factors import MINOR
from smoothmin._machine import SUMMED
from smoothmin._protocol import Array

TO_THE_WALL = 0.95  # share of the way to the nearest zero of a slack
FASTER = 0.2  # fall of the barrier's weight on the path down
NEWTONS = 100


@dataclass(frozen=True)
class Centre:
    """A point, and what the tangents there say of values everywhere.

    Attributes
    ----------
    step : ndarray (n,)
        Where the centre is.
    weights : ndarray (m,)
        Of the tangents, positive with sum 1: their mix is below the function, and nearly flat.
    """

    step: Array
    weights: Array


def analytic_centre(
    slopes: Array,
    heights: Array,
    ceiling: float,
    start: Array,
    slack: float,
    walls: tuple[Array, Array] | None = None,
) -> Centre | None:
    """Minimize ``|d|^2 / 2 - sum log(v - heights - slopes @ d) - n log(ceiling - v)``.

    With walls, less the sum of the logarithms of ``normals @ d + distances``.

    Parameters
    ----------
    slopes : ndarray (m, n)
        Of the tangents.
    heights : ndarray (m,)
        Of the tangents at 0.
    ceiling : float
        That the tangents are to stay below.
    start : ndarray (n,)
        A guess.
    slack : float
        Of tangents at the last centre: positive, as good as it is known.
    walls : tuple of ndarray (w, n) and (w,), optional
        Inward normals, and distances of 0 from the walls; the start lies between them.

    Returns
    -------
    Centre or None
        None if no point is below the ceiling, but for rounding.

    Examples
    --------
    >>> import numpy as np
    >>> from smoothmin.subproblems.analytic_centre import analytic_centre
    >>> slopes, heights = np.array([[1.0], [-1.0]]), np.array([0.0, 0.0])
    >>> found = analytic_centre(slopes, heights, 1.0, np.array([0.3]), 0.1)
    >>> bool(abs(found.step[0]) < 1e-2), np.round(found.weights, 2)
    (True, array([0.5, 0.5]))
    """
    m, n = slopes.shape
    at = np.append(start, float((slopes @ start + heights).max()) + slack)
    rows = np.column_stack([-slopes, np.ones(m)])  # slacks are rows @ (d, v) - heights
    if walls is not None:
        rows = np.concatenate([rows, np.column_stack([walls[0], np.zeros(len(walls[1]))])])
        heights = np.append(heights, -walls[1])
    slacks = rows @ at - heights
    weight = slack  # of the barrier, until a point is below the ceiling
    below = bool(at[n] < ceiling)
    for _ in range(NEWTONS):
        room = ceiling - at[n]
        reciprocal = 1 / slacks
        gradient = -(reciprocal @ rows)
        gradient[:n] += at[:n]
        gradient[n] += n / room if below else 1 / weight
        scaled = rows * reciprocal[:, None]
        # the copy lets NumPy call gemm; syrk wakes all threads, which takes longer than it does
        hessian = scaled.T @ scaled.copy()
        hessian.ravel()[: n * (n + 1) : n + 2] += 1.0
        hessian[n, n] += n / room**2 if below else 0.0
        _, newton, failed = dposv(hessian, gradient)
        if failed:
            newton = _solved(scaled, hessian, gradient)
        if not np.isfinite(newton).all():
            return None
        decrement = float(gradient @ newton)
        change = -(rows @ newton)
        if below and decrement < MINOR**2:
            # the multipliers one step ahead, which leave nothing of the gradient
            weights = (reciprocal * (1 - change / slacks))[:m]
            return Centre(at[:n] - newton[:n], weights / weights.sum())
        falling = change < 0
        share = float(np.append(slacks[falling] / -change[falling], np.inf).min())
        if below and newton[n] < 0:
            share = min(share, room / -newton.item(n))
        share = min(1.0, TO_THE_WALL * share)
        at -= share * newton
        slacks += share * change
        if at[n] < ceiling:
            below = True
        elif decrement < MINOR**2:
            lowest = at[n] - len(rows) * weight
            if not (lowest < ceiling and weight > SUMMED * abs(ceiling)):
                return None
            weight *= FASTER
    return None


def _solved(scaled: Array, hessian: Array, gradient: Array) -> Array:
    """The Newton step where half the digits of the Hessian ``scaled'scaled + ...`` are too few."""
    n = len(gradient) - 1
    own = np.eye(n + 1)
    own[n, n] = np.sqrt(max(hessian[n, n] - float(scaled[:, n] @ scaled[:, n]), 0.0))
    factor = np.linalg.qr(np.concatenate([scaled, own]), mode="r")
    newton: Array = dpotrs(factor, gradient)[0]
    return newton
