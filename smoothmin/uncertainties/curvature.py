"""The Hessian at a minimum, by differences as long as noise and statistics ask for.

A parameter's natural length is the step that raises the function by ``errordef``: one
standard error. Second differences of a step ``d`` of these err by ``2 noise / (errordef
d^2)`` for noise, relatively, and by about ``d^2 / 12`` for the fourth derivative where it is
of the size of the second in natural lengths, which is what a badly determined fit has. The sum
is least at ``d = (24 noise / errordef)^(1/4)``, cf. Gill, Murray, Saunders and Wright, SIAM
J. Sci. Stat. Comput. 4 (1983), and MINUIT's (James, Roos, Comput. Phys. Commun. 10, 1975).

Correlated parameters have combinations along which the function rises far less than along any
of them. Where such a rise drowns in the error of the differences, these are taken again along
the principal axes of what is known of the Hessian, each by its own natural length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smoothmin._factors import MINOR
from smoothmin._machine import HALF_OF_DIGITS
from smoothmin._noise import NOISE_FLOOR
from smoothmin._protocol import Array
from smoothmin.linesearch.line_result import MAX_TRIALS
from smoothmin.subproblems.trust_region import FAST_GROWTH, GROWTH

AGREE = 1.5  # factor within which two curvatures are one: a kink's doubles where a step is halved

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Curvature:
    """Second derivatives and what was met on the way.

    Parameters
    ----------
    hessian : ndarray, shape (n, n)
    gradient : ndarray, shape (n,)
    lengths : ndarray, shape (n,)
        Steps that raise the function by ``errordef``, one variable at a time; infinite along
        variables that change nothing.
    basis : ndarray, shape (n, n)
        Columns are steps that raise the function by ``errordef``, if need be of several
        variables at once; zero for variables that change nothing.
    error : float
        Standard error of the Hessian's elements in this basis, by its diagonal.
    slope_error : float
        Of the gradient's, by ``2 errordef``: in errors, how far off the minimum seems to be.
    kinked, bent, lower : ndarrays of bool, shape (n,)
        Whether differences grow as steps shrink; whether the rise at one error is not that of
        the parabola; whether the function falls to both sides.
    walled, pressed : ndarrays of bool, shape (n,)
        Whether a bound, or where values end, is nearer than one error; or so near that no rise
        can be seen on the way.
    blurred : bool
        Whether noise leaves less than the first digit of second derivatives.
    jac_differs : bool
        Whether gradients contradict the values, which are used instead.
    nfev : int
    """

    hessian: Array
    gradient: Array
    lengths: Array
    basis: Array
    error: float
    slope_error: float
    kinked: Mask
    bent: Mask
    lower: Mask
    walled: Mask
    pressed: Mask
    blurred: bool
    jac_differs: bool
    nfev: int

    @property
    def odd(self) -> bool:
        """Whether anything is not as of a parabola."""
        return bool((self.kinked | self.bent | ~np.isfinite(self.lengths)).any())


class _Displaced:
    """The function of displacements, less its value at none; counted."""

    def __init__(
        self, fun: Callable[[Array], float], x: Array, value: float, box: tuple[Array, Array]
    ) -> None:
        self._fun, self._x, self._value, self._box, self.nfev = fun, x, value, box, 0

    def __call__(self, step: Array) -> float:
        self.nfev += 1
        return self._fun(np.clip(self._x + step, *self._box)) - self._value


def at_minimum(
    fun: Callable[[Array], float],
    gradient: Callable[[Array], Array] | None,
    x: Array,
    value: float,
    errordef: float,
    noise: float,
    box: tuple[Array, Array],
    scale: Array,
) -> Curvature:
    """Curvature at ``x``, whose ``value`` is known, inside ``box``.

    ``scale`` is where the search for natural lengths begins.
    """
    counted = _Displaced(fun, x, value, box)
    lines = _Lines(counted, gradient, x, box, errordef, noise)
    axes = lines.explored(np.eye(x.size), scale)
    hessian, differs = lines.second(axes)
    flags = {
        name: np.array([getattr(axis, name) for axis in axes], dtype=bool)
        for name in ("kinked", "bent", "lower", "walled", "pressed")
    }
    slopes, lengths = (np.array([getattr(a, name) for a in axes]) for name in ("slope", "length"))
    basis = np.diag(np.where(np.isfinite(lengths), lengths, 0.0))
    lines.gradient = None if differs else gradient
    plain = np.flatnonzero(np.isfinite(lengths) & ~flags["kinked"])
    for turned, inner, slope in lines.turned(hessian, basis[:, plain]):
        back = np.linalg.pinv(turned[plain])
        hessian[np.ix_(plain, plain)] = back.T @ inner @ back
        slopes[plain], basis[:, plain] = back.T @ slope, turned
    return Curvature(
        hessian, slopes, lengths, basis, lines.error, lines.slope_error, **flags,
        blurred=lines.depth > 1, jac_differs=differs, nfev=counted.nfev,
    )  # fmt: skip


class _Lines:
    """The function along straight lines through the minimum, and its Hessian by them."""

    def __init__(
        self,
        fun: _Displaced,
        gradient: Callable[[Array], Array] | None,
        x: Array,
        box: tuple[Array, Array],
        errordef: float,
        noise: float,
    ) -> None:
        self._fun, self.gradient, self._x, self._box = fun, gradient, x, box
        self._errordef, self._noise = errordef, noise
        self.depth = (24 * noise / errordef) ** (1 / 4)
        # three values in a second difference, each of 1 / depth^2 = 1 / sqrt(24 noise / errordef)
        self.error = math.sqrt(noise / errordef) / 4
        self.slope_error = noise / (errordef * math.sqrt(8) * self.depth) if noise else 0.0

    def explored(self, directions: Array, scale: Array, most: float = math.inf) -> list[_Axis]:
        """Lines along columns, each from a step of its own, and at ``most`` so many of it."""
        axes = []
        for unit, start in zip(directions.T, scale, strict=True):
            axis = _Axis(self._fun, unit, self._noise, self._errordef, self._room(unit, most))
            axis.explore(start, self.depth)
            axes.append(axis)
        return axes

    def second(self, axes: list[_Axis]) -> tuple[Array, bool]:
        """Second derivatives along pairs of lines, and whether gradients contradict values."""
        if self.gradient is None:
            return _by_values(self._fun, axes), False
        hessian = _by_gradients(self.gradient, self._x, axes)
        self._fun.nfev += 2 * sum(axis.step > 0 for axis in axes)
        if np.isfinite(hessian).all() and not any(
            abs(hessian[k, k] - axis.second)
            > (AGREE - 1) * max(axis.second, 2 * self._errordef / axis.length**2)
            for k, axis in enumerate(axes)
            if axis.step > 0 and not axis.kinked
        ):
            return hessian, False
        return _by_values(self._fun, axes), True

    def turned(self, hessian: Array, basis: Array) -> Iterator[tuple[Array, Array, Array]]:
        """New bases, second derivatives and slopes in them, while errors hide some combination.

        It ends where steps do not become longer, and along what changes nothing.
        """
        inner = basis.T @ hessian @ basis
        while inner.size:
            values, vectors = np.linalg.eigh(inner / (2 * self._errordef))
            if not np.isfinite(values).all() or values.min() > self.error / MINOR:
                return
            longer = vectors / np.sqrt(np.maximum(values, max(self.error, HALF_OF_DIGITS)))
            axes = self.explored(basis @ longer, np.ones(values.size), HALF_OF_DIGITS**-0.5)
            lengths = np.array([axis.length for axis in axes])
            if not np.isfinite(lengths).all() or any(axis.kinked for axis in axes):
                return
            longer *= lengths
            inner = self.second(axes)[0] * np.outer(lengths, lengths)
            basis = basis @ longer
            yield basis, inner, lengths * [axis.slope for axis in axes]
            if abs(np.linalg.det(longer)) < GROWTH:
                return

    def _room(self, unit: Array, most: float) -> float:
        """How many ``unit`` there are in the box to both sides."""
        used = unit != 0
        sides = np.minimum(self._x - self._box[0], self._box[1] - self._x)[used]
        return float(np.min(sides / np.abs(unit[used]), initial=most))


class _Axis:
    """The function along one axis: its natural length, and derivatives by a step of its own."""

    def __init__(
        self, fun: _Displaced, unit: Array, noise: float, errordef: float, room: float
    ) -> None:
        self._fun, self.unit, self._noise, self._errordef = fun, unit, noise, errordef
        self._room, self._lowest = room, 0.0
        self.length, self.step, self.second, self.slope = math.inf, 0.0, 0.0, 0.0
        self.kinked = self.bent = self.lower = self.walled = self.pressed = False

    def explore(self, start: float, depth: float) -> None:
        """Find all that `Curvature` tells of an axis."""
        self.length = self._natural_length(start)
        if not math.isfinite(self.length):
            return
        self.walled = self._room < self.length
        self.step = step = min(depth * self.length, self._room)
        near = self._rise(step / 2)
        ahead, behind = (self._fun(sign * step * self.unit) for sign in (1, -1))
        far = (ahead + behind) / 2
        self.slope = (ahead - behind) / (2 * step)
        self.second, closer = 2 * far / step**2, 8 * near / step**2
        self.kinked = closer > AGREE * self.second + 32 * self._noise / step**2
        self.lower |= min(near, far) < -4 * self._noise
        whole = min(self.length, self._room)
        at_error = 2 * self._rise(whole) / whole**2
        blur = 4 * self._noise * (1 / whole**2 + 1 / step**2)
        if not math.isfinite(at_error):
            self.walled = True
            return
        self.bent = not self.kinked and not (
            self.second - blur < AGREE * at_error and at_error < AGREE * self.second + blur
        )

    def _rise(self, step: float) -> float:
        """The mean rise on both sides."""
        both = self._fun(step * self.unit), self._fun(-step * self.unit)
        self._lowest = min(both)
        return sum(both) / 2

    def _natural_length(self, start: float) -> float:
        """The step that raises the function by ``errordef``; infinite if none does.

        Steps go by what a parabola would, at most `FAST_GROWTH` times as far each, and neither
        into bounds nor to where values end: if the way is short, a parabola is continued.
        """
        target = max(self._errordef, 2 * NOISE_FLOOR * self._noise)
        step = min(start, self._room)
        for _ in range(MAX_TRIALS):
            if not 0 < step < math.inf:
                break
            rise = self._rise(step)
            visible = rise > NOISE_FLOOR * self._noise
            self.lower |= rise < -NOISE_FLOOR * self._noise
            if visible and math.isfinite(rise):
                length = step * math.sqrt(self._errordef / rise)
                if 1 / FAST_GROWTH**2 <= rise / target <= FAST_GROWTH**2 or (
                    rise < target and step >= self._room
                ):
                    return length
                step *= min(max(math.sqrt(target / rise), 1 / FAST_GROWTH), FAST_GROWTH)
            elif visible:  # values end here
                self._room = step = step / FAST_GROWTH
            elif step >= self._room:
                self.pressed = not self.lower
                return math.inf
            else:
                step *= FAST_GROWTH
            step = min(step, self._room)
        self.lower |= self._lowest < -NOISE_FLOOR * self._noise
        return math.inf


def _by_values(fun: _Displaced, axes: list[_Axis]) -> Array:
    """Second derivatives from second differences, mixed ones by four corners."""
    hessian = np.diag([axis.second for axis in axes])
    for i, one in enumerate(axes):
        for j, two in enumerate(axes[:i]):
            if one.step == 0 or two.step == 0:
                continue
            corner = one.step * one.unit + two.step * two.unit
            other = one.step * one.unit - two.step * two.unit
            mixed = fun(corner) + fun(-corner) - fun(other) - fun(-other)
            hessian[i, j] = hessian[j, i] = mixed / (4 * one.step * two.step)
    return hessian


def _by_gradients(gradient: Callable[[Array], Array], x: Array, axes: list[_Axis]) -> Array:
    """Second derivatives from central differences of gradients."""
    units = np.array([axis.unit for axis in axes])
    rows = np.zeros(units.shape)
    for row, axis in zip(rows, axes, strict=True):
        if axis.step > 0:
            step = axis.step * axis.unit
            row[:] = (gradient(x + step) - gradient(x - step)) / (2 * axis.step)
    inner = rows @ units.T
    symmetric: Array = (inner + inner.T) / 2
    return symmetric
