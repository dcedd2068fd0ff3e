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

from smoothmin._protocol import Array

LONGEST = 0.5  # step in standard errors: beyond, profiles are what tells
KINK = 1.5  # a kink's second differences double where the step is halved, a parabola's stay
TRIES = 60  # factors of two, four at a time, to find a natural length: all of double range


@dataclass(frozen=True)
class Curvature:
    """Second derivatives and what was met on the way.

    Parameters
    ----------
    hessian : ndarray, shape (n, n)
    lengths : ndarray, shape (n,)
        Steps that raise the function by ``errordef``, one variable at a time; infinite along
        variables that change nothing.
    kinked, lower : ndarrays of bool, shape (n,)
        Whether differences grow as steps shrink; whether a lower value was met.
    nfev : int
    """

    hessian: Array
    lengths: Array
    kinked: Array
    lower: Array
    nfev: int


class _Function:
    """The function of displacements, counted."""

    def __init__(self, fun: Callable[[Array], float], x: Array, box: tuple[Array, Array]) -> None:
        self._fun, self._x, self._box, self.nfev = fun, x, box, 0

    def __call__(self, step: Array) -> float:
        self.nfev += 1
        return self._fun(np.clip(self._x + step, *self._box))


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
    """Curvature at ``x``, whose ``value`` is known, strictly inside ``box``.

    ``scale`` is where the search for natural lengths begins.
    """
    n, counted = x.size, _Function(fun, x, box)
    room = np.minimum(x - box[0], box[1] - x)
    depth = min((24 * noise / errordef) ** 0.25, LONGEST)
    lengths, steps = np.empty(n), np.empty(n)
    second, kinked, lower = np.zeros(n), np.zeros(n, bool), np.zeros(n, bool)
    for k in range(n):
        axis = np.zeros(n)
        axis[k] = 1.0
        line = _Line(counted, axis, value, noise)
        lengths[k] = line.natural_length(scale[k], errordef, room[k])
        if not math.isfinite(lengths[k]):
            steps[k] = 0.0
            continue
        steps[k] = min(depth * lengths[k], room[k])
        second[k], kinked[k], lower[k] = line.second(steps[k])
    if gradient is None:
        hessian = _by_values(counted, value, steps, second)
    else:
        hessian = _by_gradients(gradient, x, steps)
        counted.nfev += 2 * int((steps > 0).sum())
    return Curvature(hessian, lengths, kinked, lower, counted.nfev)


class _Line:
    """The function along one axis."""

    def __init__(self, fun: _Function, axis: Array, value: float, noise: float) -> None:
        self._fun, self._axis, self._value, self._noise = fun, axis, value, noise

    def rise(self, step: float) -> float:
        """The mean rise on both sides."""
        both = self._fun(step * self._axis) + self._fun(-step * self._axis)
        return both / 2 - self._value

    def natural_length(self, start: float, errordef: float, room: float) -> float:
        """The step that raises the function by ``errordef``; infinite if none does.

        Steps go by what a parabola would, at most four times as far each, and not beyond
        ``room``: where that is short, a parabola is continued.
        """
        step = min(start, room)
        for _ in range(TRIES):
            rise = self.rise(step)
            visible = rise > 10 * self._noise
            if visible and 0.01 <= rise / errordef <= 10:
                return step * math.sqrt(errordef / rise)
            if visible and rise < errordef and step >= room:
                return step * math.sqrt(errordef / rise)
            if not visible and step >= room:
                return math.inf
            factor = math.sqrt(errordef / rise) if visible and math.isfinite(rise) else None
            if factor is None:
                factor = 4.0 if not rise > 0 or math.isfinite(rise) else 0.25
            step = min(step * min(max(factor, 0.25), 4.0), room)
            if not 0 < step < math.inf:
                break
        return math.inf

    def second(self, step: float) -> tuple[float, bool, bool]:
        """The second derivative; whether it is a kink's, and whether a value was lower."""
        near, far = self.rise(step / 2), self.rise(step)
        curvature, closer = 2 * far / step**2, 8 * near / step**2
        kinked = closer > KINK * curvature + 32 * self._noise / step**2
        return curvature, kinked, min(near, far) < -4 * self._noise


def _by_values(fun: _Function, value: float, steps: Array, second: Array) -> Array:
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
