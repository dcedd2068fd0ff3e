"""Whether a noisy function still falls around a point: a quadratic fitted well above the noise.

A search that noise has ended has lost the slope where it is; farther out the same slope rises
above the noise. Least squares over points whose values spread by several times the noise
give a quadratic, its decrease, and the standard error of that.

Reference: G. E. P. Box, K. B. Wilson, "On the experimental attainment of optimum conditions",
J. R. Stat. Soc. B 13 (1951).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import norm
from scipy.special import chdtri, ndtri

from smoothmin._noise import POINTS
from smoothmin._protocol import Array
from smoothmin.derivative_free.quadratic_regression import WINDOW, full_size
from smoothmin.subproblems.trust_region import ACCURACY, trust_region_step

LEVEL = 0.9  # of confidence, one-sided
CONFIDENCE = float(ndtri(LEVEL))  # standard errors
# of the noise, by which that of few values may be too small
UNCERTAIN = math.sqrt((POINTS - 1) / float(chdtri(POINTS - 1, LEVEL)))
MOST_CROSS_TERMS = 10  # variables up to which products of two variables are fitted


@dataclass(frozen=True)
class Decrease:
    """What a fitted quadratic promises in a ball, with its standard error, and where.

    Parameters
    ----------
    size : float
        Decrease from the middle to the minimizer.
    error : float
        Its standard error, lack of fit included.
    minimizer : ndarray, shape (n,)
    at_edge : bool
        Whether the minimizer is at the ball's surface, so that more is to be expected beyond.
    hessian : ndarray, shape (n, n)
        The quadratic's.
    misfit : float
        Standard deviation of what the quadratic leaves of the values.
    most : float
        What is left at most, anywhere in the ball, with a confidence of 90 %: a minimizer near by
        may be one of noise, and what is farther away is known less.
    """

    size: float
    error: float
    minimizer: Array
    at_edge: bool
    hessian: Array
    misfit: float
    most: float

    @property
    def least(self) -> float:
        """What is left at least, with a confidence of 90 %."""
        return self.size - CONFIDENCE * self.error

    def fits(self, noise: float) -> bool:
        """Whether the quadratic leaves no more than such noise, as measured, may be."""
        return self.misfit <= UNCERTAIN * noise

    def goes_on(self, level: float) -> bool:
        """Whether there surely is a decrease of more than ``level``, or one that leads outward."""
        return self.least > (0.0 if self.at_edge else level)


def points_needed(n: int) -> int:
    """How many values a fit wants."""
    return math.ceil(WINDOW * (full_size(n) if n <= MOST_CROSS_TERMS else 1 + 2 * n))


def decrease_left(z: Array, values: Array, radius: float, noise: float) -> Decrease | None:
    """The decrease within ``radius`` of the origin, None if the points do not tell.

    Parameters
    ----------
    z : ndarray, shape (m, n)
        Points in coordinates of about unit size.
    values : ndarray, shape (m,)
    radius : float
    noise : float
        Standard deviation of the values' noise; a fit to few points may look better than that.
    """
    finite = np.isfinite(values)
    z, values = z[finite], values[finite]
    m, n = z.shape
    design = _design(z)
    if m <= design.shape[1]:
        return None
    inverse = np.linalg.pinv(design)
    coefficients = inverse @ (values - values.mean())
    residual = values - values.mean() - design @ coefficients
    misfit = float(norm(residual)) / math.sqrt(m - design.shape[1])
    slope, hessian = coefficients[1 : n + 1], _hessian(coefficients, n)
    if not (np.isfinite(slope).all() and np.isfinite(hessian).all()):
        return None
    step = trust_region_step(slope, hessian, radius)
    within = z * radius / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), radius)
    rows = _design(np.concatenate([step[None], within])) - _design(np.zeros((1, n)))
    sizes = -(rows @ coefficients)
    errors = max(misfit, noise) * np.linalg.norm(rows @ inverse, axis=1)
    at_edge = float(np.linalg.norm(step)) > (1 - ACCURACY) * radius
    most = float((sizes + CONFIDENCE * errors).max())
    return Decrease(float(sizes[0]), float(errors[0]), step, at_edge, hessian, misfit, most)


def _design(z: Array) -> Array:
    """Columns of one, the variables, their squares and, for few of them, their products."""
    n = z.shape[1]
    columns = [np.ones((len(z), 1)), z, z**2]
    if n <= MOST_CROSS_TERMS:
        i, j = np.triu_indices(n, 1)
        columns.append(z[:, i] * z[:, j])
    return np.concatenate(columns, axis=1)


def _hessian(coefficients: Array, n: int) -> Array:
    hessian: Array = np.diag(2 * coefficients[n + 1 : 2 * n + 1])
    if n <= MOST_CROSS_TERMS:
        i, j = np.triu_indices(n, 1)
        hessian[i, j] = hessian[j, i] = coefficients[2 * n + 1 :]
    return hessian
