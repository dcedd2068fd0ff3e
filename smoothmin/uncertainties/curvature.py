"""The Hessian at a minimum, by differences as long as noise and statistics ask for.

A parameter's natural length is the step that raises the function by ``errordef``: one
standard error. Second differences of a step ``d`` of these err by ``2 noise / (errordef
d^2)`` for noise, relatively, and by about ``d^2 / 12`` for the fourth derivative where it is
of the size of the second in natural lengths, which is what a badly determined fit has. The sum
is least at ``d = (24 noise / errordef)^(1/4)``, cf. Gill, Murray, Saunders and Wright, SIAM
J. Sci. Stat. Comput. 4 (1983), and MINUIT's (James, Roos, Comput. Phys. Commun. 10, 1975).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smoothmin._noise import NOISE_FLOOR
from smoothmin._protocol import Array
from smoothmin.linesearch.weak_wolfe import MAX_TRIALS
from smoothmin.subproblems.trust_region import FAST_GROWTH

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
    n, counted = x.size, _Displaced(fun, x, value, box)
    room = np.minimum(x - box[0], box[1] - x)
    depth = (24 * noise / errordef) ** (1 / 4)
    axes = [_Axis(counted, unit, noise, errordef, room[k]) for k, unit in enumerate(np.eye(n))]
    for axis, start in zip(axes, scale, strict=True):
        axis.explore(start, depth)
    steps, second = (np.array([getattr(a, name) for a in axes]) for name in ("step", "second"))
    hessian, differs = None, False
    if gradient is not None:
        hessian = _by_gradients(gradient, x, steps)
        counted.nfev += 2 * int(np.count_nonzero(steps))
        known = np.flatnonzero([axis.step > 0 and not axis.kinked for axis in axes])
        apart = np.abs(np.diag(hessian) - second)
        natural = [2 * errordef / axis.length**2 for axis in axes]
        differs = not np.isfinite(hessian).all() or any(
            apart[k] > (AGREE - 1) * max(second[k], natural[k]) for k in known
        )
    if hessian is None or differs:
        hessian = _by_values(counted, steps, second)
    flags = {
        name: np.array([getattr(axis, name) for axis in axes], dtype=bool)
        for name in ("kinked", "bent", "lower", "walled", "pressed")
    }
    return Curvature(
        hessian,
        np.array([axis.slope for axis in axes]),
        np.array([axis.length for axis in axes]),
        **flags,
        blurred=depth > 1,
        jac_differs=differs,
        nfev=counted.nfev,
    )


class _Axis:
    """The function along one axis: its natural length, and derivatives by a step of its own."""

    def __init__(
        self, fun: _Displaced, unit: Array, noise: float, errordef: float, room: float
    ) -> None:
        self._fun, self._unit, self._noise, self._errordef = fun, unit, noise, errordef
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
        ahead, behind = (self._fun(sign * step * self._unit) for sign in (1, -1))
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
        both = self._fun(step * self._unit), self._fun(-step * self._unit)
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


def _by_values(fun: _Displaced, steps: Array, second: Array) -> Array:
    """The Hessian from second differences, mixed ones by four corners."""
    n = steps.size
    hessian = np.diag(second)
    for i in range(n):
        for j in range(i):
            if steps[i] == 0 or steps[j] == 0:
                continue
            corner, other = np.zeros(n), np.zeros(n)
            corner[i], corner[j] = steps[i], steps[j]
            other[i], other[j] = steps[i], -steps[j]
            mixed = fun(corner) + fun(-corner) - fun(other) - fun(-other)
            hessian[i, j] = hessian[j, i] = mixed / (4 * steps[i] * steps[j])
    return hessian


def _by_gradients(gradient: Callable[[Array], Array], x: Array, steps: Array) -> Array:
    """The Hessian from central differences of gradients."""
    rows = np.zeros((x.size, x.size))
    for k in np.flatnonzero(steps):
        step = np.zeros(x.size)
        step[k] = steps[k]
        rows[k] = (gradient(x + step) - gradient(x - step)) / (2 * steps[k])
    return (rows + rows.T) / 2
