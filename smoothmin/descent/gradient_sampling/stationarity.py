"""How nearly a point is stationary, how near the proof has to be, and how a run may end.

References: J. V. Burke, A. S. Lewis, M. L. Overton, SIAM J. Optim. 15 (2005), section 2, for
the two tolerances; A. A. Goldstein, "Optimization of Lipschitz continuous functions", Math.
Program. 13 (1977), for the hull of gradients within a radius.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from smoothmin._factors import OTHER_ORDER
from smoothmin._machine import EPS, HALF_OF_DIGITS, PRODUCTS
from smoothmin._protocol import Array, Ask, Finish, Problem, ask_one
from smoothmin._verdict import NEGLIGIBLE, STATIONARY, Knowledge, blurred, judge
from smoothmin.descent.first_point import Found
from smoothmin.subproblems.min_norm import euclidean_norm

if TYPE_CHECKING:
    from smoothmin.descent.gradient_sampling.state import State

NEARBY = 1e-5  # largest radius of success, in units of the largest element of x


@dataclass(frozen=True)
class Certificate:
    """Zero lies within ``stationarity`` of the hull of gradients within ``radius``.

    ``error`` is what the mix of their tangents leaves of the value, ``mean`` that of their points.
    """

    stationarity: float
    radius: float
    error: float = 0.0
    mean: Array | None = None

    def meets(self, stationarity: float, radius: float) -> bool:
        """Whether both tolerances are met."""
        return self.stationarity <= stationarity and self.radius <= radius


@dataclass(frozen=True)
class Proof:
    """An end that holds if the function is convex, as far as values nearby do not deny it.

    ``left`` is what it leaves to be gained, ``certificate`` that of the mix it is by.
    """

    finish: Finish
    left: float
    certificate: Certificate


class Certifier:
    """The certificates of the current point, and the tolerances they have to meet.

    Parameters
    ----------
    problem : Problem
    stationarity_tol, radius_tol : float or None
        As the user gave them, if so.

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
        stationarity_tol: float | None,
        radius_tol: float | None,
    ) -> None:
        self._problem = problem
        self.tolerance, self._radius_tol = stationarity_tol, radius_tol
        self._moved = 0.0  # how far steps have led lately, ...
        self._fall = 0.0  # ... by how much the value fell on the way
        self._largest = 0.0  # element of x so far
        self._slope = math.inf  # mean slope on the way there
        self._steepest = 0.0  # mean length of gradients in a mix, or longer that of the point's

    def start(self, x: Array, fun: float, grad: Array) -> None:
        """Begin with a point of which nothing but its gradient is known."""
        self._moved, self._fall, self._slope = 0.0, 0.0, math.inf
        self.latest = self.closest = self._at(x, fun, grad)

    def move(
        self, x: Array, fun: float, grad: Array, length: float, lately: tuple[float, float]
    ) -> None:
        """Take the next point, ``length`` from the last.

        ``lately`` is how far steps have led and by how much the value fell on the way.
        """
        self._moved, self._fall = lately
        fell = self._moved > 0 and self._fall > 0
        self._slope = self._fall / self._moved if fell else math.inf
        self.latest = self._at(x, fun, grad)
        seen_from_here = replace(self.closest, radius=self.closest.radius + length)
        self.closest = self._closer(self.latest, seen_from_here)

    def add(self, certificate: Certificate, cancelled: float) -> None:
        """Take a certificate of the same point, by gradients of this mean length in the mix."""
        self._steepest = max(self._steepest, cancelled)
        self.latest = certificate
        self.closest = self._closer(certificate, self.closest)

    def retract(self) -> None:
        """Know no more of the current point than that it has a gradient."""
        self.latest = self.closest = Certificate(self._steepest, 0.0)

    @property
    def slope_lately(self) -> float:
        """The mean slope on the way to the point, if that is less than that of its gradient."""
        return min(self._steepest, self._slope)

    @property
    def least_radius(self) -> float:
        """The least radius that gradients can tell anything of."""
        blur = OTHER_ORDER * self._problem.resolution * self._size
        return max(self.radius_needed, blur)

    @property
    def _blur(self) -> float:
        """The radius within which kinks are not seen: by differences, or in single precision.

        Where noise makes differences long this is no success. In single precision it is where
        x differs, and values, by more than their rounding.
        """
        problem = self._problem
        usual = min(problem.resolution, EPS**0.5) if problem.noise else problem.resolution
        blur = usual * self._size
        if problem.unit > EPS and self._steepest > 0:
            blur = max(blur, problem.unit * (self._size + abs(self._fun) / self._steepest))
        return OTHER_ORDER * blur

    @property
    def small(self) -> float:
        """The user's tolerance, or what is next to nothing beside the gradients mixed."""
        if self.tolerance is None:
            # what cancels may be a penalty's, and much steeper than the function along it
            slope = min(self._steepest, max(self._slope, self._to_zero))
            return max(STATIONARY * slope, PRODUCTS * self._steepest)
        return max(self.tolerance, PRODUCTS * self._steepest)

    @property
    def certified(self) -> bool:
        """Whether both tolerances are met."""
        return self.proves(self.latest, self.small)

    def proves(self, known: Certificate, tolerance: float) -> bool:
        """Whether a certificate meets this tolerance and that of the radius.

        Gradients of a steep valley cancel as those of a kink do: by default what tangents leave
        of the value has to be negligible, too.
        """
        if not known.meets(tolerance, self.radius_needed):
            return False
        if self.tolerance is not None:
            return True
        rounding = self._problem.unit * float(np.abs(self._grad) @ np.abs(self._x))
        if self._problem.differences is not None:  # slopes are those of points as far apart
            hidden = blurred(known.error, abs(self._fun), self._fall)
            return known.error <= max(self._problem.noise, rounding, hidden)
        left = Knowledge(
            "",
            promised=known.error,
            lately=((1.0, math.inf),),
            size=abs(self._fun),
            noise=max(self._problem.noise, rounding),
        )
        return left.invisible or left.negligible

    def _at(self, x: Array, fun: float, grad: Array) -> Certificate:
        """A point, the radius it needs, and the certificate of its gradient alone."""
        self._x, self._fun, self._grad = x, fun, grad
        self._size = max(1.0, float(np.abs(x).max()))
        slope = math.sqrt(grad @ grad)
        self._steepest = slope
        # where the minimum is at zero nothing else keeps its size
        self._largest = max(self._largest, float(np.abs(x).max()), self._moved)
        size = self._largest
        if size == 0 and slope > 0:
            size = abs(fun) / slope
        if self._radius_tol is None:
            needed = NEGLIGIBLE * (size if size > 0 else 1.0)  # at 0 nothing tells
            # nor does a start that was far away
            needed = min(needed, NEARBY * max(1.0, float(np.abs(x).max())))
        else:
            needed = min(self._radius_tol, NEARBY * size) if size > 0 else self._radius_tol
        self._reach = size
        self.radius_needed = max(needed, self._blur)
        pg = self._problem.projected_gradient(x, grad)
        return Certificate(math.sqrt(pg @ pg), 0.0)

    def _closer(self, one: Certificate, other: Certificate) -> Certificate:
        """The one of less stationarity, of those within the radius needed."""
        near = [known for known in (one, other) if known.radius <= self.radius_needed]
        return min(near or [one], key=lambda known: known.stationarity)

    @property
    def rounding(self) -> float:
        """What rounding leaves of the gradients mixed.

        Where values are rounded, f - f* is some EPS |f|, and the slope some root of EPS times
        the slope that brings f to zero.
        """
        return min(HALF_OF_DIGITS * self._steepest, STATIONARY * self._to_zero)

    @property
    def _to_zero(self) -> float:
        """The slope that brings the value to zero over the size of x."""
        return abs(self._fun) / self._reach if self._reach > 0 else 0.0


def end_of_run(state: State) -> Generator[Ask, Any, Finish | Found]:
    """What is known where no step is lower, for the judge; or a lower point after all."""
    certifier, known = state.certifier, state.certifier.latest
    tolerance, radius = certifier.small, certifier.radius_needed
    success = certifier.proves(known, tolerance)
    facts = {"stationarity": known.stationarity, "radius": known.radius}
    if state.ended is not None:
        state.ended.info.update(facts)
        return state.ended
    if not success and state.doubt.finish is not None:
        return state.doubt.finish
    if not success:
        # nothing lower is to be found: what rounding leaves will do
        known = certifier.closest
        tolerance = max(tolerance, certifier.rounding)
        success = certifier.proves(known, tolerance)
    facts = {"stationarity": known.stationarity, "radius": known.radius}
    if not success and state.proof is not None:
        known = state.proof.certificate
        state.proof.finish.info.update(stationarity=known.stationarity, radius=known.radius)
        return state.proof.finish
    if success:
        message = (
            f"Stationarity {known.stationarity:.3g} <= {tolerance:.3g} "
            f"within radius {known.radius:.3g} <= {radius:.3g}"
        )
        lower = (yield from _contradiction(state, known)) if certifier.tolerance is None else None
        return lower or judge(Knowledge(message, tolerance_met=True), **facts)
    message = (
        f"No descent within radius {known.radius:.3g}, but no certificate either: "
        f"stationarity {known.stationarity:.3g}"
    )
    ended = yield from state.known.nothing_lower(
        message, None, state.promised, state.x, state.f, state.g
    )
    if isinstance(ended, Finish):
        ended.info.update(facts)
    return ended


def _matters(state: State, fall: float) -> bool:
    """Whether a decrease of so much is neither rounding nor next to nothing beside the value."""
    return fall > max(state.noise(), NEGLIGIBLE * abs(state.f))


def _contradiction(state: State, known: Certificate) -> Generator[Ask, Any, Finish | Found | None]:
    """A lower point that a certificate denies, if there is any."""
    x, f, g, noise = state.x, state.f, state.g, state.noise()
    if known.mean is not None and _matters(state, known.error):
        # gradients of a smooth function cancel at the mean of their points
        fun, grad = yield from ask_one(known.mean)
        if _matters(state, f - fun) and np.isfinite(grad).all():
            return known.mean, fun, grad
    # what values differ by within the radius contradicts nothing
    left = max(noise, euclidean_norm(g) * known.radius)
    if state.problem.differences is None:
        lower = yield from state.known.overlooked(x, f, g, left)
        if not isinstance(lower, bool):
            return lower
    # many gradients whose tangents are all below the value deny what values might
    if len(state.bundle) > x.size and state.bundle.convex(noise):
        return None
    return (yield from state.known.polled(x, f, g, noise, left))
