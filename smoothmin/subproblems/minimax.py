"""The point of a ball where the largest of a few quadratics is least.

Reference: J. Nocedal, S. J. Wright, *Numerical Optimization* (2006), chapter 18, for
sequential quadratic programming; for minimax problems, S.-P. Han, "Variable metric
methods for minimizing a class of nondifferentiable functions", Math. Program. 20 (1981).

Deviations: steps are taken in full, higher or not, and the lowest point is kept. What
follows a step that went up is the second-order correction that a curved kink asks for
(Nocedal and Wright, section 18.11), and evaluating quadratics costs nothing. Only after
a few steps without improvement is the next one from the lowest point damped. The ball enters as in
the Levenberg-Marquardt method.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dsyevd

from smoothmin._factors import ROUNDS, WITNESSES
from smoothmin._machine import HALF_OF_DIGITS, PRODUCTS, QUARTER_OF_DIGITS
from smoothmin._protocol import Array
from smoothmin.subproblems.min_norm import euclidean_norm
from smoothmin.subproblems.simplex_qp import simplex_weights
from smoothmin.subproblems.trust_region import ACCURACY, FAST_GROWTH

DAMPING_GROWTH, DAMPING_FALL = 8.0, 4.0


@dataclass(frozen=True)
class Minimax:
    """Where the largest quadratic is least, by how much, and what holds it up.

    Attributes
    ----------
    step : ndarray (n,)
    decrease : float
        Of the largest quadratic, from the centre to ``step``; positive.
    limited : bool
        Whether the ball is what ended the step.
    weights : ndarray (k,)
        Multipliers of the quadratics, with sum 1.
    """

    step: Array
    decrease: float
    limited: bool
    weights: Array


def least_maximum(
    values: Array, gradients: Array, hessians: Array, radius: float
) -> Minimax | None:
    """Minimize the largest of ``values + gradients @ d + d @ hessians @ d / 2`` in a ball.

    Parameters
    ----------
    values : ndarray (k,)
        Of the quadratics at the centre.
    gradients : ndarray (k, n)
    hessians : ndarray (k, n, n)
        Symmetric; not necessarily positive.
    radius : float
        Longest step.

    Returns
    -------
    Minimax or None
        A local minimum, to about `ACCURACY` of the decrease; None if nothing was
        found below the centre.

    Examples
    --------
    >>> import numpy as np
    >>> from smoothmin.subproblems.minimax import least_maximum
    >>> slopes, flat = np.array([[1.0, 0.0], [-1.0, 0.5]]), np.zeros((2, 2, 2))
    >>> found = least_maximum(np.array([1.0, 0.0]), slopes, flat, radius=10.0)
    >>> bool(np.linalg.norm(found.step) <= 10), found.limited
    (True, True)
    """
    k, n = gradients.shape
    rows = hessians.reshape(k, n * n)
    start = float(values.max())
    weights = np.zeros(k)
    weights[values.argmax()] = 1.0
    at = _Point(np.zeros(n), values, gradients, weights)
    lowest, found = at, None
    shift = damping = 0.0
    idle = 0
    for _ in range(ROUNDS):
        curvature, axes, failed = dsyevd(at.weights.dot(rows).reshape(n, n))
        if failed:
            break
        scale = max(abs(curvature.item(0)), abs(curvature.item(-1)))
        if not scale > 0:
            scale = HALF_OF_DIGITS * float(np.abs(at.slopes).max()) / radius
        least = max(0.0, HALF_OF_DIGITS * scale - curvature.item(0))
        shift = max(least, shift / FAST_GROWTH if shift > PRODUCTS * scale else 0.0)
        system = _System(curvature, axes, scale, damping)
        ended = system.step(at, shift, radius)
        if ended is None:
            break
        step, weights, shift = ended
        bent = hessians @ step
        heights = values + gradients @ step + 0.5 * (bent @ step)
        at_new = _Point(step, heights, gradients + bent, weights)
        decrease = start - float(heights.max())
        before = 0.0 if found is None else found.decrease
        still = euclidean_norm(step - at.step) <= PRODUCTS * euclidean_norm(step)
        if decrease > before:
            found = Minimax(step, decrease, bool(shift > least), weights)
            lowest, idle = at_new, 0
            damping = damping / DAMPING_FALL if damping > HALF_OF_DIGITS * scale else 0.0
            if before > 0 and decrease - before <= ACCURACY * decrease:
                break
        else:
            idle += 1
        if still:
            break
        if idle <= WITNESSES:
            at = at_new
        else:
            # from the lowest point again, and more carefully
            at, idle = lowest, WITNESSES - 1
            damping = max(DAMPING_GROWTH * damping, QUARTER_OF_DIGITS * scale)
    return found


@dataclass(frozen=True)
class _Point:
    """A step with the quadratics' values and slopes there, and the multipliers that led to it."""

    step: Array
    heights: Array
    slopes: Array
    weights: Array


@dataclass(frozen=True)
class _System:
    """The Lagrangian's Hessian, ``axes @ diag(curvature) @ axes.T``, to be shifted and damped."""

    curvature: Array
    axes: Array
    scale: float
    damping: float

    def step(self, at: _Point, shift: float, radius: float) -> tuple[Array, Array, float] | None:
        """The least point, its multipliers, and the shift that keeps it in the ball."""
        turned, along = at.slopes @ self.axes, at.step @ self.axes
        gaps, weights = at.heights.max() - at.heights, at.weights
        while shift < math.inf:
            # what is added is shift |step|^2 / 2 and damping |step - at.step|^2 / 2
            root = np.sqrt(self.curvature + (shift + self.damping))
            rows = (turned + shift * along) / root
            weights = simplex_weights(rows @ rows.T, gaps, weights)
            step = at.step - self.axes @ ((weights @ rows) / root)
            if euclidean_norm(step) <= radius:
                return step, weights, shift
            shift = max(FAST_GROWTH * shift, 1e-6 * self.scale)
        return None
