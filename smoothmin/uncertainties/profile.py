"""Least values with one or two parameters held: asymmetric intervals and contours."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import fdtri, gammaincinv

from smoothmin._protocol import Array

FARTHEST = 64.0  # standard errors beyond which an interval is open
ACCURATE = 1e-3  # of an interval's end, in standard errors: the last digit anybody reads


@dataclass(frozen=True)
class Profile:
    """The function at its minimum over all parameters but those held.

    ``place`` is where the user's parameters sit among the free ones; ``freedom`` are the degrees
    of freedom that ``errordef`` was estimated with, infinite if it is known.
    """

    fun: Callable[[Array], float]
    slope: Callable[[Array], Array] | None
    x: Array
    value: float
    errordef: float
    noise: float
    box: tuple[Array, Array]
    covariance: Array
    place: dict[int, int]
    freedom: float

    def rise(self, index: int, at: float) -> float:
        """The least value with one parameter held, less the minimum."""
        return self._rise([self.place[index]], np.array([at]))

    def interval(self, index: int, level: float) -> tuple[float, float]:
        """Where it rises by the quantile, on both sides."""
        k = self.place[index]
        target = self.errordef * _quantile(level, 1, self.freedom)
        error = math.sqrt(self.covariance[k, k] * target / self.errordef)
        lower, upper = (self._end(np.array([k]), sign * error, target) for sign in (-1.0, 1.0))
        return float(self.x[k] + lower), float(self.x[k] + upper)

    def contour(self, first: int, second: int, level: float, points: int) -> Array:
        """Ends in ``points`` directions, evenly around the ellipse of the covariance."""
        pair = np.array([self.place[first], self.place[second]])
        target = self.errordef * _quantile(level, 2, self.freedom)
        factor = np.linalg.cholesky(self.covariance[np.ix_(pair, pair)])
        angles = 2 * np.pi * np.arange(points) / points
        ends: Array = np.empty((points, 2))
        for row, angle in zip(ends, angles, strict=True):
            ray = factor @ [math.cos(angle), math.sin(angle)]
            ray *= math.sqrt(target / self.errordef)
            row[:] = self.x[pair] + ray * self._along(pair, ray, target)
        return ends

    def _end(self, held: Array, error: float, target: float) -> float:
        """How far one parameter goes; infinite, or to its bound, where it never rises so far."""
        if not math.isfinite(error):
            return math.copysign(math.inf, error)
        return error * self._along(held, np.array([error]), target)

    def _along(self, held: Array, ray: Array, target: float) -> float:
        """Where along a ray, in units of it, the profile has risen by ``target``."""
        with np.errstate(all="ignore"):
            room = np.where(
                ray > 0, self.box[1][held] - self.x[held], self.x[held] - self.box[0][held]
            )
            most = float(np.min(np.where(ray == 0, np.inf, room / np.abs(ray))))

        @cache  # noise gives other values to who asks again
        def excess(t: float) -> float:
            return self._rise(held, self.x[held] + t * ray) / target - 1

        low, high = 0.0, min(1.0, most)
        while excess(high) < 0:
            if high >= most:
                return most
            if high > FARTHEST:
                return math.inf
            low, high = high, min(2 * high, most)
        end: float = brentq(excess, low, high, xtol=ACCURATE, rtol=ACCURATE)
        return end

    def _rise(self, held: Any, at: Array) -> float:
        """Minimize over the others, from where the parabola has its minimum."""
        held = np.asarray(held)
        others = np.setdiff1d(np.arange(self.x.size), held)
        x = self.x.copy()
        x[held] = at
        if others.size == 0:
            return self.fun(x) - self.value
        block = self.covariance[np.ix_(held, held)]
        if np.isfinite(block).all() and np.isfinite(self.covariance[np.ix_(others, held)]).all():
            move = (
                self.covariance[np.ix_(others, held)] @ np.linalg.pinv(block) @ (at - self.x[held])
            )
            x[others] = np.clip(x[others] + move, *(side[others] for side in self.box))
        return self._least(x, others) - self.value

    def _least(self, x: Array, others: Array) -> float:
        """The minimum over ``others`` from ``x``; a descent in standard errors."""
        from smoothmin._minimize import minimize

        unit = np.sqrt(np.diag(self.covariance)[others])
        unit = np.where(np.isfinite(unit) & (unit > 0), unit, 1.0)
        lower, upper = (side[others] for side in self.box)
        start = x[others]

        def whole(z: Array) -> Array:
            point: Array = x.copy()
            point[others] = np.clip(start + z * unit, lower, upper)
            return point

        def fun(z: Array) -> float:
            return (self.fun(whole(z)) - self.value) / self.errordef

        def jac(z: Array) -> Array:
            assert self.slope is not None
            slope: Array = self.slope(whole(z))[others] * unit / self.errordef
            return slope

        # in units of errordef the function rises by the square of a distance in errors
        blur = self.noise / self.errordef
        options = {"fatol": max(ACCURATE**2, blur)}
        bounds = list(zip((lower - start) / unit, (upper - start) / unit, strict=True))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            res = minimize(
                fun,
                0 * start,
                jac=jac if self.slope else None,
                method="bfgs",
                bounds=bounds,
                options=options,
                rng=0,
            )
        # the luckiest of many noisy values is too low
        least = fun(res.x) if blur > ACCURATE**2 else float(res.fun)
        return self.value + least * self.errordef


def _quantile(level: float, count: int, freedom: float) -> float:
    """Of chi-square for so many parameters; by F's distribution if its unit was estimated."""
    if math.isfinite(freedom):
        return count * float(fdtri(count, freedom, level))
    return 2 * float(gammaincinv(count / 2, level))
