"""How nearly a point is stationary, how near the proof has to be, and how a run may end.

References: J. V. Burke, A. S. Lewis, M. L. Overton, SIAM J. Optim. 15 (2005), section 2, for
the two tolerances; A. A. Goldstein, "Optimization of Lipschitz continuous functions", Math.
Program. 13 (1977), for the hull of gradients within a radius.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from smoothmin._protocol import Array, Finish, Problem
from smoothmin._status import Status
from smoothmin.descent.gradient_sampling.settings import CertificateSettings
from smoothmin.descent.quasi_newton import EPS, RESOLVED

if TYPE_CHECKING:
    from smoothmin.descent.gradient_sampling.state import State


@dataclass(frozen=True)
class Certificate:
    """Zero lies within ``stationarity`` of the hull of gradients within ``radius``."""

    stationarity: float
    radius: float

    def meets(self, stationarity: float, radius: float) -> bool:
        """Whether both tolerances are met."""
        return self.stationarity <= stationarity and self.radius <= radius


class Certifier:
    """The certificates of the current point, and the tolerances they have to meet.

    Parameters
    ----------
    problem : Problem
    stationarity_tol, radius_tol : float
        As the user gave them.
    size : float
        Largest element of the start, or 1.

    Attributes
    ----------
    latest, closest : Certificate
        The last one; that of least stationarity within the radius needed.
    radius_needed : float
        The radius of success: small beside the variables too, or beside the way to f = 0.
    """

    def __init__(
        self,
        problem: Problem,
        stationarity_tol: float,
        radius_tol: float,
        size: float,
        settings: CertificateSettings,
    ) -> None:
        self._problem, self._settings, self._size = problem, settings, size
        self.tolerance, self._radius_tol = stationarity_tol, radius_tol
        # finite differences tell nothing of kinks nearer than their step; where noise makes
        # them long this is no success
        usual = min(problem.resolution, EPS**0.5) if problem.noise else problem.resolution
        self._blur = settings.blur * usual * size
        self.largest = 0.0  # element of x so far

    def start(self, x: Array, fun: float, grad: Array) -> None:
        """Begin with a point of which nothing but its gradient is known."""
        self.latest = self.closest = self._at(x, fun, grad)
        # how a function is scaled does not make its start a minimum
        first = self.latest.stationarity
        self.stationarity_tol = self.tolerance * min(1.0, first)
        self.resolved = RESOLVED * first

    def move(self, x: Array, fun: float, grad: Array, length: float) -> None:
        """Take the next point, ``length`` from the last."""
        self.latest = self._at(x, fun, grad)
        moved = replace(self.closest, radius=self.closest.radius + length)
        self.closest = self._closer(moved, self.latest)

    def add(self, certificate: Certificate) -> None:
        """Take a certificate of the same point."""
        self.latest = certificate
        self.closest = self._closer(self.closest, certificate)

    @property
    def least_radius(self) -> float:
        """The least radius that gradients can tell anything of."""
        blur = self._settings.blur * self._problem.resolution * self._size
        return max(self.radius_needed, blur)

    @property
    def small(self) -> float:
        """The tolerance, or what is next to nothing beside the gradients mixed."""
        size = math.sqrt(self._grad @ self._grad)
        return max(self.stationarity_tol, self._settings.cancelled * size)

    @property
    def certified(self) -> bool:
        """Whether both tolerances are met."""
        return self.latest.meets(self.small, self.radius_needed)

    def _at(self, x: Array, fun: float, grad: Array) -> Certificate:
        """A point, the radius it needs, and the certificate of its gradient alone."""
        self._x, self._fun, self._grad = x, fun, grad
        self.largest = max(self.largest, float(np.abs(x).max()))
        size, slope = self.largest, math.sqrt(grad @ grad)
        if size == 0 and slope > 0:
            size = abs(fun) / slope
        share = self._settings.nearby * size if size > 0 else np.inf
        self.radius_needed = max(min(self._radius_tol, share), self._blur)
        pg = self._problem.projected_gradient(x, grad)
        return Certificate(math.sqrt(pg @ pg), 0.0)

    def _closer(self, one: Certificate, other: Certificate) -> Certificate:
        """The one of less stationarity, of those within the radius needed."""
        near = [known for known in (one, other) if known.radius <= self.radius_needed]
        return min(near or [other], key=lambda known: known.stationarity)

    def rounding(self, gradients: Array) -> float:
        """What rounding leaves of these gradients (m, n), from nearby.

        Where values are rounded, f - f* is some EPS |f|, and the slope some root of EPS times
        the slope that brings f to zero. Smooth functions need no such proof.
        """
        gradients = self._problem.projected_gradient(self._x, gradients)
        if np.linalg.norm(gradients, axis=1).max() <= self.resolved:
            return self.resolved
        steep = abs(self._fun) / self.largest if self.largest > 0 else 0.0
        return min(self.resolved, self._settings.rounded * steep)


def end_of_run(state: State) -> Finish:
    """The end of a run in which no step is lower: success, contradiction, or precision."""
    certifier, known = state.certifier, state.certifier.latest
    tolerance, radius = certifier.small, certifier.radius_needed
    success = known.meets(tolerance, radius)
    if not success and state.doubt.finish is not None:
        return state.doubt.finish
    if not success:
        # nothing lower is to be found: the tolerance as it is will do
        known = certifier.closest
        gradients = state.bundle.near(state.radius)[0]
        tolerance = max(certifier.tolerance, certifier.rounding(gradients))
        success = known.meets(tolerance, radius)
    if success:
        status = Status.CONVERGED
        message = (
            f"Stationarity {known.stationarity:.3g} <= {tolerance:.3g} "
            f"within radius {known.radius:.3g} <= {radius:.3g}."
        )
    else:
        status = Status.PRECISION
        message = (
            f"No descent within radius {known.radius:.3g}, but no certificate either: "
            f"stationarity {known.stationarity:.3g}."
        )
    return Finish(status, message, stationarity=known.stationarity, radius=known.radius)
