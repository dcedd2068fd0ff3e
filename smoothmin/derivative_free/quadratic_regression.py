"""A quadratic fitted to the last evaluated points, and its minimizer near by.

References: N. Hansen, "A global surrogate assisted CMA-ES", GECCO (2019) (classes by
data count, truncation and rank weights); A. R. Conn, N. I. M. Gould, Ph. L. Toint,
*Trust-Region Methods* (2000), Section 7.3 (the step).

Deviations: the fit is made in coordinates where the search distribution is standard
normal, so that it is well conditioned however badly scaled the variables are. A
least-squares fit over a Gaussian cloud estimates the gradient and Hessian of the
smoothed function. The step is kept in a trust region, and in the box.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dsyrk
from scipy.linalg.lapack import dgels, dposv

from smoothmin._machine import EPS
from smoothmin._protocol import Array
from smoothmin.subproblems.trust_region import boxed_step, trust_region_step

WINDOW = 2.0  # points per coefficient of the class that are looked at
KEPT = 0.75  # share of these, by value, that are used
WEIGHTS = (5.0, 1.0)  # of the best and of the worst row used, linear in the rank between
MAX_COEFFICIENTS = 900  # of a model: a fit costs their cube
CHEAP_COEFFICIENTS = 50  # a larger model is fitted to several new points at a time
# of the normal equations' Cholesky factor, below which their rounding, eps / pivot^2, is larger
WORST_PIVOT = math.cbrt(EPS)


class Archive:
    """The last points evaluated and their values, as many as the largest model looks at."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        sizes = (1 + dimension, 1 + 2 * dimension, full_size(dimension))
        self.sizes = [size for size in sizes if size <= MAX_COEFFICIENTS]
        largest = self.sizes[-1] if self.sizes else 0
        self._capacity = math.ceil(WINDOW * largest) + 4 * dimension + 40
        self._points = np.empty((self._capacity, dimension))
        self._values = np.empty(self._capacity)
        self.added = 0

    def add(self, points: Array, values: Array) -> None:
        """Keep what is finite, in place of the oldest."""
        good = np.isfinite(values)
        if not good.all():
            points, values = points[good], values[good]
        points, values = points[-self._capacity :], values[-self._capacity :]
        place = np.arange(self.added, self.added + len(values)) % self._capacity
        self._points[place], self._values[place] = points, values
        self.added += len(values)

    @property
    def size(self) -> int:
        """Number of points kept."""
        return min(self.added, self._capacity)

    def last(self, count: int) -> tuple[Array, Array]:
        """The ``count`` newest points and values."""
        newest = np.arange(self.added - count, self.added) % self._capacity
        return self._points[newest], self._values[newest]

    def training(self) -> tuple[Array, Array, int]:
        """The points to fit to, their values, and the class of the model, -1 for none.

        0 is linear, 1 has a diagonal Hessian, 2 a full one.
        """
        usable = KEPT * self.size
        kind = sum(usable >= size for size in self.sizes) - 1
        if kind < 0:
            return self._points[:0], self._values[:0], kind
        count = min(self.size, math.ceil(WINDOW * self.sizes[kind]))
        points, values = self.last(count)
        keep = max(self.sizes[kind] + 2, int(KEPT * count))
        best = np.argsort(values, kind="stable")[:keep]
        return points[best], values[best], kind


def full_size(n: int) -> int:
    """Number of coefficients of a quadratic in ``n`` variables."""
    return 1 + n + n * (n + 1) // 2


class Quadratic:
    """``c + g'z + z'Hz/2`` with ``z = inward (x - centre)``.

    ``hessian`` is H (n, n), its diagonal (n,) where it has no more, or None for 0.
    """

    def __init__(
        self,
        constant: float,
        gradient: Array,
        hessian: Array | None,
        centre: Array,
        inward: Array,
        outward: Array,
    ) -> None:
        self.constant, self.gradient, self.hessian = constant, gradient, hessian
        self.centre, self.inward, self.outward = centre, inward, outward

    @property
    def size(self) -> int:
        """Number of coefficients of its class, or of the next below a full one."""
        n = self.gradient.size
        if self.hessian is None:
            return 1 + n
        return 1 + 2 * n if np.count_nonzero(self.hessian) <= n else full_size(n)

    def __call__(self, points: Array) -> Array:
        """Values at the rows of ``points``."""
        z = (points - self.centre) @ self.inward.T
        values: Array = self.constant + z @ self.gradient
        if self.hessian is not None:
            image = z * self.hessian if self.hessian.ndim == 1 else z @ self.hessian
            values += 0.5 * np.einsum("ij,ij->i", image, z)
        return values

    def inverse_hessian(self, scale: Array) -> Array | None:
        """In the units of ``scale`` times the variables; None unless it is positive definite."""
        if self.hessian is None:
            return None
        hessian = np.diag(self.hessian) if self.hessian.ndim == 1 else self.hessian
        curvatures, vectors = np.linalg.eigh(hessian)
        if not 0 < curvatures[0] <= curvatures[-1] < np.inf:
            return None
        root = scale[:, None] * (self.outward @ (vectors / np.sqrt(curvatures)))
        inverse: Array = root @ root.T
        return inverse

    def minimizer(self, radius: float, box: tuple[Array, Array] | None) -> Array:
        """The lowest point with ``|z| <= radius``, in the box by an active-set heuristic."""
        n = self.gradient.size
        hessian = np.zeros(n) if self.hessian is None else self.hessian
        step = self.outward @ trust_region_step(self.gradient, hessian, radius)
        if box is None:
            return self.centre + step
        low, high = box[0] - self.centre, box[1] - self.centre
        if ((step < low) | (step > high)).any():
            g, left = self.inward.T @ self.gradient, self.inward.T
            h = (left * hessian if hessian.ndim == 1 else left @ hessian) @ self.inward
            step = boxed_step(g, h, radius, low, high, self.outward @ self.outward.T)
        return np.clip(self.centre + step, *box)


class Regression:
    """Fits a `Quadratic`; holds the index arrays of one dimension."""

    def __init__(self, dimension: int) -> None:
        self._n = dimension
        self._rows, self._columns = np.triu_indices(dimension, 1)

    def fit(
        self, x: Array, values: Array, kind: int, centre: Array, inward: Array, outward: Array
    ) -> Quadratic | None:
        """Weighted least squares; ``values`` ascend, and so the weights fall."""
        n, m = self._n, len(x)
        z = (x - centre) @ inward.T
        columns = (1 + n, 1 + 2 * n, 1 + 2 * n + len(self._rows))[kind]
        weights = np.linspace(WEIGHTS[0], WEIGHTS[1], m)
        design = np.empty((m, columns), order="F")
        weighted = z * weights[:, None]
        design[:, 0] = weights
        design[:, 1 : n + 1] = weighted
        if kind >= 1:
            np.multiply(weighted, z, out=design[:, n + 1 : 2 * n + 1])
        if kind == 2:
            first = np.take(weighted, self._rows, axis=1)
            np.multiply(first, np.take(z, self._columns, axis=1), out=design[:, 2 * n + 1 :])
        base = float(values[0])
        c = least_squares(design, (values - base) * weights)
        if c is None or not np.isfinite(c @ c):
            return None
        hessian: Array | None = None
        if kind >= 1:
            hessian = 2 * c[n + 1 : 2 * n + 1]
        if kind == 2:
            hessian = np.diag(2 * c[n + 1 : 2 * n + 1])
            hessian[self._rows, self._columns] = c[2 * n + 1 :]
            hessian[self._columns, self._rows] = c[2 * n + 1 :]
        return Quadratic(float(c[0]) + base, c[1 : n + 1].copy(), hessian, centre, inward, outward)


def least_squares(design: Array, target: Array) -> Array | None:
    """The solution by normal equations, a third of the time of QR; by QR where they are bad."""
    gram = dsyrk(1.0, design, trans=1)
    scale = 1.0 / np.sqrt(np.maximum(np.diagonal(gram), 1e-300))
    gram *= scale[:, None]
    gram *= scale
    factor, solution, info = dposv(gram, scale * (target @ design))
    if info == 0 and np.diagonal(factor).min() > WORST_PIVOT:
        found: Array = scale * solution
        return found
    _, solution, info = dgels(design, target, lwork=64 * (len(design) + 1))
    found = solution[: design.shape[1]]
    return found if info == 0 and np.isfinite(found.sum()) else None


def kendall(a: Array, b: Array) -> float:
    """Kendall's rank correlation: 1 for the same order, -1 for the reverse."""
    m = len(a)
    signs: NDArray[np.float64] = np.sign(a[:, None] - a) * np.sign(b[:, None] - b)
    return float(signs.sum()) / (m * (m - 1)) if m > 1 else 1.0
