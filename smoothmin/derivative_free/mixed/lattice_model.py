"""A quadratic through points of a lattice, and its lowest point there.

Reference: M. J. D. Powell, "Least Frobenius norm updating of quadratic models that satisfy
interpolation conditions", Math. Program. 100 (2004), :doi:`10.1007/s10107-003-0490-7`: of all
quadratics through the points the one whose Hessian has the least Frobenius norm.

Deviations: it is solved from scratch, in the least-squares sense, since points of a lattice may
lie in any position; the nearest points are taken, as many as a full quadratic has coefficients.
"""

from __future__ import annotations

import numpy as np

from smoothmin._factors import ROUNDS
from smoothmin._protocol import Array, Mask
from smoothmin.derivative_free.minimum_frobenius import MOST_POINTS
from smoothmin.derivative_free.quadratic_regression import full_size
from smoothmin.subproblems.trust_region import boxed_step

LONGEST, VALLEYS = 6, 3  # steps to either side of the minimizer, and directions, of valleys


class LatticeModel:
    """``g's + s'Hs/2`` around a point, ``s`` in units of ``size``."""

    def __init__(self, centre: Array, size: Array, gradient: Array, hessian: Array) -> None:
        self.centre, self.size, self.gradient, self.hessian = centre, size, gradient, hessian

    @classmethod
    def through(cls, points: Array, values: Array, best: int, size: Array) -> LatticeModel:
        """Through the points (m, n) that are nearest to the best."""
        n = size.size
        steps = (points - points[best]) / size
        near = np.argsort(np.square(steps).sum(axis=1), kind="stable")
        near = near[: min(MOST_POINTS, full_size(n) + n)]
        z, rise = steps[near], values[near] - values[best]
        reach = max(1e-300, float(np.abs(z).max()))
        z = z / reach  # so that the system is of order one
        m = len(z)
        system = np.zeros((m + n + 1, m + n + 1))
        system[:m, :m] = 0.5 * np.square(z @ z.T)
        system[:m, m] = system[m, :m] = 1.0
        system[:m, m + 1 :] = z
        system[m + 1 :, :m] = z.T
        right = np.concatenate([rise, np.zeros(n + 1)])
        solution = np.linalg.lstsq(system, right, rcond=None)[0]
        gradient, weights = solution[m + 1 :], solution[:m]
        hessian = (z.T * weights) @ z
        return cls(points[best], size, gradient / reach, hessian / reach**2)

    def rises(self, points: Array) -> Array:
        """By how much points (m, n) lie above the centre, as far as the model knows."""
        s = (points - self.centre) / self.size
        rise: Array = s @ self.gradient + 0.5 * np.einsum("ij,ij->i", s @ self.hessian, s)
        return rise

    def lowest(self, low: Array, high: Array, step: Array, x: Array | None = None) -> Array:
        """A low point between ``low`` and ``high``, with whole steps where ``step`` is not zero.

        The real minimizer first, unless ``x`` is to begin with, its steps rounded; then each
        variable in turn.
        """
        if x is None:
            bounds = (low - self.centre) / self.size, (high - self.centre) / self.size
            radius = float(np.linalg.norm(np.maximum(-bounds[0], bounds[1])))
            s = boxed_step(self.gradient, self.hessian, max(radius, 1e-300), *bounds)
            x = np.clip(self.centre + s * self.size, low, high)
        discrete = step > 0
        whole = np.where(discrete, step, 1.0)
        x = np.where(discrete, self.centre + whole * np.rint((x - self.centre) / whole), x)
        x = _within(x, low, high, discrete, whole)
        return self._swept(x, low, high, discrete, whole)

    def valley(self, step: Array) -> Array:
        """Points of the lattice (m, n) along the directions of least curvature.

        From the real minimizer of the model, where that has one: rounding one variable at a time
        does not lead along a valley that is turned.
        """
        curvatures, vectors = np.linalg.eigh(self.hessian)
        if not curvatures[0] > 0:
            return np.empty((0, self.size.size))
        least = -vectors @ ((vectors.T @ self.gradient) / curvatures)
        discrete = step > 0
        whole = np.where(discrete, step, 1.0)
        finest = float((whole / self.size)[discrete].min())
        t = finest * LONGEST * np.linspace(-1.0, 1.0, 8 * LONGEST + 1)
        along = least + np.concatenate([t[:, None] * v for v in vectors.T[:VALLEYS]])
        points = self.centre + along * self.size
        rounded = self.centre + whole * np.rint((points - self.centre) / whole)
        found: Array = np.where(discrete, rounded, points)
        return found

    def _swept(self, x: Array, low: Array, high: Array, discrete: Mask, whole: Array) -> Array:
        """One variable after the other to where the model is lowest along it."""
        s = (x - self.centre) / self.size
        curvature = np.diagonal(self.hessian)
        for _ in range(ROUNDS):
            before = s.copy()
            for i in range(s.size):
                at = self.centre[i] + s[i] * self.size[i]
                slope = float(self.gradient[i] + self.hessian[i] @ s)
                move = -slope / curvature[i] if curvature[i] > 0 else -np.sign(slope) * np.inf
                t = min(max(at + move * self.size[i], low[i]), high[i])
                if discrete[i]:
                    t = at + whole[i] * np.rint((t - at) / whole[i])
                    if not low[i] <= t <= high[i]:
                        continue
                d = (t - at) / self.size[i]
                if slope * d + 0.5 * curvature[i] * d * d < 0:
                    s[i] += d
            if np.array_equal(s, before):
                break
        return np.where(discrete, self._whole(s, whole), self.centre + s * self.size)

    def _whole(self, s: Array, whole: Array) -> Array:
        found: Array = self.centre + whole * np.rint(s * self.size / whole)
        return found


def _within(x: Array, low: Array, high: Array, discrete: Mask, whole: Array) -> Array:
    """Whole steps back from bounds that rounding has passed."""
    x = np.where(discrete & (x > high), x - whole, x)
    return np.where(discrete & (x < low), x + whole, x)
