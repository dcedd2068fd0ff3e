"""Finite differences with steps as long as the noise of the values demands.

References: J. J. Moré, S. M. Wild, "Estimating computational noise", SIAM J. Sci.
Comput. 33 (2011), for the noise; "Estimating derivatives of noisy simulations", ACM
Trans. Math. Softw. 38 (2012), for the steps, (3.4) and section 5.

Deviations: the curvatures along all coordinates are asked for at once, at one distance,
since that is one batch. Where there is little curvature the change of the value over
that distance bounds the step instead: kinks show no curvature until a step crosses them.
Without noise the usual steps are taken, shorter ones for variables that start small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin._differences import VISIBLE, Stencil, moved, nonzero, slopes
from smoothmin._factors import MINOR, OTHER_ORDER, SMALL
from smoothmin._machine import EPS, LARGE, SUMMED
from smoothmin._noise import POINTS, noise_along, rounded
from smoothmin._precision import ROUNDINGS
from smoothmin._protocol import Array, Done, advance
from smoothmin._scale import START_SHARE

BEST = 8**0.25  # step in units of sqrt(noise / curvature), Moré and Wild (2012), (3.4)


class NoiseAwareStencil(Stencil):
    """One-sided differences whose steps the noise decides, if there is any.

    Parameters
    ----------
    box : (lower, upper), ndarrays of shape (n,), or None
    rng : numpy.random.Generator
        For the direction in which noise is looked for.

    Attributes
    ----------
    plateau : bool
        Whether the last gradients are zero because values come in steps, or are all one.
    at_bottom : bool
        Whether values along the line on which noise was looked for first have their least there.
    """

    def __init__(self, box: tuple[Array, Array] | None, rng: np.random.Generator) -> None:
        super().__init__("2-point", box)
        self._usual = self._relative
        self._rng = rng
        self._measured_at: float | None = None
        self._latest: tuple[Array, Array] | None = None  # the last point, value, and beside
        self._last, self._lowest = 0.0, math.inf
        self._flat = self.at_bottom = False

    def gradients(
        self, points: Array
    ) -> Generator[NDArray[Any], NDArray[Any], tuple[Array, Array]]:
        """As `Stencil`, after batches that look for noise, at first and now and then."""
        first, measured = self._measured_at is None, self._outdated()
        if measured:
            yield from self._measure(points[0])
        values, gradients = yield from super().gradients(points)
        if not measured and not gradients.any() and not values[0] > self._lowest:
            # steps too short for the values to change at all, or nothing to be seen anyway;
            # beside large values at a point that is not gone to nothing else is seen
            yield from self._measure(points[0])
            values, gradients = yield from super().gradients(points)
        elif (
            first
            and not self.at_bottom
            and self._unresolved(points[0], float(values[0]), gradients[0])
        ):
            yield from self._lengthen(points[0], float(values[0]), EPS * abs(float(values[0])))
            values, gradients = yield from super().gradients(points)
        elif first and self.noise == 0 and self._shorten(points[0], float(values[0]), gradients[0]):
            self.at_bottom = False  # of a scale that is not the variables'
            values, gradients = yield from super().gradients(points)
        self._last, self._lowest = abs(float(values[0])), min(self._lowest, float(values[0]))
        if not measured and self.noise > self._last and self._outdated():
            # noise of far larger values, of which steps are far too long here
            yield from self._measure(points[0])
            values, gradients = yield from super().gradients(points)
        unseen = self._flat or (self.noise > 0 and not self.resolves)
        self.plateau = unseen and not gradients.any()
        beside = np.empty(0) if self.rows is None else self.rows[0]
        self._latest = points[0].copy(), np.append(values[0], beside)
        return values, gradients

    def toward(self, side: float) -> bool:
        """Ahead always; back unless noise has made steps longer."""
        if side < 0 and self.noise > 0 and np.any(self._relative > self._usual):
            return False
        self._side, self._base = side, self._latest if side < 0 else None
        return True

    def _unresolved(self, x: Array, f: float, g: Array) -> bool:
        """Whether rounding of a large value is most of what the usual steps change it by."""
        steps = self._usual * np.maximum(1.0, np.abs(x))
        return self.noise == 0 and bool(np.abs(g * steps).max() < SUMMED * abs(f))

    def _shorten(self, x: Array, f: float, g: Array) -> bool:
        """Whether variables are so small that steps are to be shorter than the usual.

        A step relative to 1 is too long for a variable that starts at 1e-6 and within that
        changes the value by its own size; at zero, the largest of the others tells.
        """
        size = np.abs(x)
        size = np.minimum(np.where(size > 0, size, size.max()), 1.0)
        with np.errstate(all="ignore"):
            reach = np.abs(f / g)
        if not ((reach < SMALL) & (size > 0) & (size < SMALL)).any():
            return False
        self._least = np.where((size > 0) & (size < SMALL), size, 1.0)
        return True

    def _outdated(self) -> bool:
        """Whether noise was never looked for, or may have changed since, as the value has."""
        if self._measured_at is None:
            return True
        # values that are no more than noise are all alike
        then, last = max(self._measured_at, self.noise), max(self._last, self.noise)
        return self.noise > 0 and not then / OTHER_ORDER <= last <= then * OTHER_ORDER

    def _measure(self, x: Array) -> Generator[NDArray[Any], NDArray[Any], None]:
        """Find the noise at ``x`` and the steps for it."""
        line = noise_along(self._line(x))
        found, row = advance(line), self._known(x[None])
        first, anew = True, self._measured_at is None
        while not isinstance(found, Done):
            spacing = found[1] - found[0]
            if first and row is not None:  # begins at x
                values = np.append(row[0], (yield found[1:]))
            else:
                values = yield found
            if first:
                f, first = float(values[0]), False
                self._measured_at = self._last = abs(f)
                self._flat = True
                if row is None:
                    row = np.append(f, np.empty(0) if self.beside is None else self.beside[0])
                self.know(x, row)
            self._flat = self._flat and bool((values == f).all())
            length = float(np.linalg.norm(spacing / np.maximum(1.0, np.abs(x))))
            if anew and self._is_bottom(values, length, 0.0):  # up to rounding: no noise
                self.at_bottom = True
                return
            found = advance(line, values)
        level: float = found.value
        rounding, bottom = SUMMED * float(np.abs(values).max()), False
        if (
            anew
            and np.isfinite(values).all()
            and not level > max(rounding, rounded(values, length))
        ):
            bottom = self.at_bottom = self._is_bottom(values, length, MINOR**2)
        if bottom or not level > rounding:
            if not self._flat and float(np.ptp(values)) < 0.5 * self.noise:
                self.noise, self._relative = 0.0, self._usual  # values that close have none of it
            return  # else what was found before, if anything, is the better guess
        self.noise, self._curvatures = level, None
        yield from self._lengthen(x, f, level)

    def _is_bottom(self, values: Array, spacing: float, within: float) -> bool:
        """Whether these, each so far from the one before, have their least near the first.

        That is where they are a parabola's, but for rounding or a share of the rise ``within``
        which they are. How they bend tells how long steps are to be for rounding not to hide
        differences.
        """
        if not np.isfinite(values).all():
            return False
        at, rounding = np.arange(len(values)), EPS * float(np.abs(values).max())
        rises, last = values - values[0], len(values) - 1
        parabola = np.polynomial.Polynomial(np.polynomial.polynomial.polyfit(at, rises, 2))
        slope, bend = parabola.coef[1:]
        rise, misses = bend * last**2, np.abs(rises - parabola(at))
        if misses.max() > max(within * rise, ROUNDINGS * rounding):
            return False
        if not rise > VISIBLE * rounding or abs(slope) > bend * last:
            return False
        # long enough for a coordinate along which there is less curvature
        step = OTHER_ORDER * np.sqrt(VISIBLE * rounding / bend) * spacing
        self._relative = float(np.clip(step, self._usual, START_SHARE))
        return True

    def _lengthen(
        self, x: Array, f: float, level: float
    ) -> Generator[NDArray[Any], NDArray[Any], None]:
        """Choose steps for a noise of this level."""
        distance = min(START_SHARE, (level / max(abs(f), level)) ** (1 / 4))
        bend = yield from self._bend(x, f, distance)
        steps = BEST * np.sqrt(level / np.maximum(bend, level / distance**2))
        self._relative = np.clip(steps, self._usual, START_SHARE)

    def _line(self, x: Array) -> Callable[[float], Array]:
        """Points from ``x`` on, in a random direction that leads into the box."""
        # of incommensurable lengths, for steps of rounded values not to fall into step
        direction = self._rng.choice([-1.0, 1.0], x.size) * (0.5 + self._rng.random(x.size))
        direction *= np.maximum(1.0, np.abs(x)) / np.sqrt(x.size)
        offsets = np.arange(POINTS)[:, None]

        def line(spacing: float) -> Array:
            step = spacing * direction
            if self._box is None:
                points: Array = x + offsets * step
                return points
            lower, upper = self._box
            ahead = np.where(step > 0, upper - x, x - lower)
            behind = np.where(step > 0, x - lower, upper - x)
            reach = offsets[-1] * np.abs(step)
            turned = (ahead < reach) & (behind > ahead)
            room = np.minimum(reach, np.where(turned, behind, ahead)) / offsets[-1]
            inside: Array = np.clip(
                x + offsets * np.where(turned, -np.sign(step), np.sign(step)) * room, lower, upper
            )
            return inside

        return line

    def _bend(
        self, x: Array, f: float, distance: float
    ) -> Generator[NDArray[Any], NDArray[Any], Array]:
        """Second derivatives (n,), or first ones if larger, per squared relative step."""
        n = x.size
        ends = Stencil("3-point", self._box, distance).ends(x[None])
        bend = np.empty(n)
        width = max(1, LARGE // (2 * n))
        for first in range(0, n, width):
            columns = np.arange(first, min(first + width, n))
            found = yield moved(x[None], ends, columns)
            rises = found.reshape(2, 1, -1) - f
            least = VISIBLE * max(self.noise, EPS * abs(f))
            self.resolves = self.resolves or bool((np.abs(rises) > least).any())
            a, b = (ends - x)[:, :, columns]
            with np.errstate(all="ignore"):  # values may not be finite
                second = 2 * (rises[0] / nonzero(a) - rises[1] / nonzero(b)) / nonzero(a - b)
                slope = slopes(rises, np.zeros((1, 1)), np.stack([a, b]))
            unit = np.maximum(1.0, np.abs(x[columns]))
            bend[columns] = np.maximum(np.abs(second) * unit**2, np.abs(slope) * unit)[0]
        return np.where(np.isfinite(bend), bend, 0.0)
