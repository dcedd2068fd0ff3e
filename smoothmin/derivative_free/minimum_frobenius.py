"""The quadratic through few points that changes least: underdetermined interpolation.

References: M. J. D. Powell, "Least Frobenius norm updating of quadratic models that
satisfy interpolation conditions", Math. Program. 100 (2004), the equation numbers are
its; M. J. D. Powell, "The NEWUOA software for unconstrained optimization without
derivatives" (2006), Section 4 (the update of the inverse).

Deviations: the Hessian is kept as a matrix, and the inverse of the KKT matrix as one,
computed anew when the base moves or as many points are new as there are; coordinates
are in units of the trust region, so that both are well scaled.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np

from smoothmin._protocol import Answers, Array, Ask
from smoothmin.derivative_free.quadratic_regression import full_size
from smoothmin.subproblems.linear_system import inverted

# of the largest change of a Lagrange function that a new point must bring
INDEPENDENT = 1e-4
MOST_POINTS = 120  # of a model that is not given more than 2 n + 1 to begin with
REACH = 5.0  # of the points, in radii, with which the model may gain another


class Interpolation:
    """``m`` points, their values and the quadratic through them.

    Parameters
    ----------
    points : ndarray, shape (m, n)
        ``n + 2 <= m``, not all on a quadric that the model could not tell apart.
    values : ndarray, shape (m,)
    unit : float
        Length in which coordinates are measured.
    """

    def __init__(self, points: Array, values: Array, unit: float) -> None:
        self.points, self.values = points.copy(), values.copy()
        self.best = int(values.argmin())
        n = points.shape[1]
        self.gradient, self.hessian = np.zeros(n), np.zeros((n, n))
        self.base, self.unit = points[self.best].copy(), unit
        self.rebuild(unit)
        self._fit(self.values - self.values[self.best])

    @property
    def x(self) -> Array:
        """The best point."""
        best: Array = self.points[self.best]
        return best

    @property
    def fun(self) -> float:
        """Its value."""
        return float(self.values[self.best])

    def rebuild(self, unit: float) -> None:
        """Coordinates ``z = (x - base) / unit`` around the best point, and the inverse for them."""
        old, x = self.unit, self.x
        # the model's derivatives at the new base, in the new unit
        self.gradient = (self.gradient + self.hessian @ ((x - self.base) / old)) * (unit / old)
        self.hessian *= (unit / old) ** 2
        self.base, self.unit = x.copy(), unit
        self._z = (self.points - self.base) / unit
        self._replaced = 0
        m, n = self._z.shape
        matrix = np.zeros((m + n + 1, m + n + 1))  # (3.10)
        matrix[:m, :m] = 0.5 * (self._z @ self._z.T) ** 2
        matrix[:m, m] = matrix[m, :m] = 1.0
        matrix[:m, m + 1 :] = self._z
        matrix[m + 1 :, :m] = self._z.T
        self._inverse = inverted(matrix)

    def _fit(self, residuals: Array) -> None:
        """Add the quadratic with the least Hessian that has these values at the points."""
        m = len(self.values)
        solution = self._inverse[:, :m] @ residuals
        self._add(solution[:m], solution[m + 1 :])

    def _add(self, weights: Array, slope: Array) -> None:
        self.hessian += (self._z * weights[:, None]).T @ self._z
        self.gradient += slope

    def change(self, x: Array) -> float:
        """Model at ``x`` less model at the best point."""
        z, z_best = (x - self.base) / self.unit, self._z[self.best]
        step = z - z_best
        return float(self.gradient @ step + 0.5 * step @ self.hessian @ (z + z_best))

    def slope(self) -> Array:
        """Gradient of the model at the best point, in units."""
        slope: Array = self.gradient + self.hessian @ self._z[self.best]
        return slope

    def inverse_hessian(self, radius: float, scale: Array) -> Array | None:
        """In the user's units, where a unit is so long.

        Along an eigenvector of the Hessian no step is longer than the radius: there the model
        knows less.
        """
        curvatures, vectors = np.linalg.eigh(self.hessian)
        slopes = np.abs(vectors.T @ self.slope())
        curvatures = np.maximum(np.abs(curvatures), slopes * self.unit / radius)
        if not 0 < curvatures.min() <= curvatures.max() < np.inf:
            return None
        root = (vectors / np.sqrt(curvatures)) * (self.unit * scale[:, None])
        inverse: Array = root @ root.T
        return inverse

    def lagrange(self, k: int) -> tuple[Array, Array]:
        """Gradient at the best point, in units, and Hessian of the ``k``-th Lagrange function."""
        m = len(self.values)
        column = self._inverse[:, k]
        hessian = (self._z * column[:m, None]).T @ self._z
        return column[m + 1 :] + hessian @ self._z[self.best], hessian

    def distance(self, k: int) -> float:
        """From the best point to the ``k``-th."""
        return float(np.linalg.norm(self.points[k] - self.x))

    def farthest(self) -> int:
        """The point farthest from the best."""
        return int(np.square(self.points - self.x).sum(axis=1).argmax())

    def has_room(self, size: float) -> bool:
        """Whether it may gain a point: not yet determined, and all points are near."""
        m, n = self.points.shape
        determined = (n + 1) * (n + 2) // 2
        if m >= min(determined, max(2 * n + 1, MOST_POINTS)):
            return False
        return self.distance(self.farthest()) <= REACH * size

    def far(self, radius: float) -> int | None:
        """A point too far away; points that the model gained are given up instead."""
        few = 2 * self.points.shape[1] + 1
        while len(self.values) > few and self.distance(self.farthest()) > REACH * radius:
            self.drop()
        far = self.farthest()
        return far if len(self.values) == few and self.distance(far) > 2 * radius else None

    def outgoing(self, x: Array, better: bool, reach: float) -> int | None:
        """Which point to give up for ``x``: far away, and the rest well placed without it."""
        distance = np.linalg.norm(self.points - (x if better else self.x), axis=1)
        score = np.abs(self.denominators(x)) * np.maximum(1.0, distance / reach) ** 6
        if not better:
            score[self.best] = 0.0
        k = int(score.argmax())
        return k if score[k] > (0.0 if better else 1.0) else None

    @property
    def stale(self) -> bool:
        """Whether the inverse was updated as often as there are points."""
        return self._replaced >= len(self.values)

    def _update_terms(self, x: Array) -> tuple[Array, float]:
        """``H w`` and ``beta`` of (4.12) for a new point."""
        z = (x - self.base) / self.unit
        w = np.concatenate([0.5 * (self._z @ z) ** 2, [1.0], z])
        h_w: Array = self._inverse @ w
        return h_w, 0.5 * float(z @ z) ** 2 - float(w @ h_w)

    def denominators(self, x: Array) -> Array:
        """Those of the update, shape (m,), for every point that ``x`` might replace."""
        m = len(self.values)
        h_w, beta = self._update_terms(x)
        found: Array = np.diagonal(self._inverse)[:m] * beta + h_w[:m] ** 2
        return found

    def replace(self, k: int, x: Array, value: float) -> None:
        """Put ``x`` in the place of the ``k``-th point, (4.11), and let the model meet it."""
        error = value - self.fun - self.change(x)
        h_w, beta = self._update_terms(x)
        inverse = self._inverse
        alpha, tau = float(inverse[k, k]), float(h_w[k])
        rest = -h_w  # e_k - H w
        rest[k] += 1.0
        column = inverse[:, k].copy()
        cross = np.outer(column, rest)
        inverse += (
            alpha * np.outer(rest, rest) - beta * np.outer(column, column) + tau * (cross + cross.T)
        ) / (alpha * beta + tau**2)
        self.points[k], self.values[k] = x, value
        self._z[k] = (x - self.base) / self.unit
        self._replaced += 1
        m = len(self.values)
        self._add(error * inverse[:m, k], error * inverse[m + 1 :, k])
        if value < self.values[self.best]:
            self.best = k

    def add(self, x: Array, value: float) -> bool:
        """One point more, unless the others leave the quadratic no freedom there."""
        error = value - self.fun - self.change(x)
        h_w, beta = self._update_terms(x)
        z = (x - self.base) / self.unit
        if not beta > INDEPENDENT * max(1.0, 0.5 * float(z @ z) ** 2):
            return False
        m = len(self.values)
        border = np.insert(-h_w, m, 1.0)  # the bordered matrix has the Schur complement beta
        inverse = np.insert(np.insert(self._inverse, m, 0.0, axis=0), m, 0.0, axis=1)
        self._inverse = inverse + np.outer(border, border) / beta
        self.points = np.concatenate([self.points, x[None]])
        self.values = np.append(self.values, value)
        self._z = np.concatenate([self._z, z[None]])
        self._replaced += 1
        self._add(error * self._inverse[: m + 1, m], error * self._inverse[m + 2 :, m])
        if value < self.values[self.best]:
            self.best = m
        return True

    def drop(self) -> None:
        """One point less: far away, and not needed to tell quadratics apart."""
        distance = np.square(self.points - self.x).sum(axis=1) / self.unit**2
        score = np.diagonal(self._inverse)[: len(self.values)] * distance**2
        score[self.best] = -np.inf
        k = int(score.argmax())
        self.points = np.delete(self.points, k, axis=0)
        self.values = np.delete(self.values, k)
        self.best -= self.best > k
        self.rebuild(self.unit)


def determined_star(
    star: Array, outward: Callable[[Array], Array]
) -> Generator[Ask, Answers, Interpolation | None]:
    """The quadratic through a star of points and those between its arms, which determine it.

    None where there are too many of them, or where a value is missing.

    Parameters
    ----------
    star : ndarray, shape (2 n + 1, n)
        A point, one along every axis, and another.
    outward : callable
        Maps points to those to evaluate.
    """
    n = star.shape[1]
    if full_size(n) > MOST_POINTS:
        return None
    arms = star[1 : n + 1] - star[0]
    one, other = np.triu_indices(n, 1)
    points = np.concatenate([star, star[0] + arms[one] + arms[other]])
    values = (yield Ask(outward(points), 0)).values
    if not np.isfinite(values).all():
        return None
    return Interpolation(points, values, float(np.linalg.norm(arms, axis=1).max()))
