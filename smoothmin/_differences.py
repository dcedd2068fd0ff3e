"""Finite differences inside the bounds, asked for as batches.

Steps are those of Press et al. and of SciPy: the square root of the rounding
unit for one-sided differences, its cube root for central ones, relative to
max(1, |x|), and turned or shortened where a bound is in the way.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin._check import per_coordinate, require_scale
from smoothmin._domain import Domain
from smoothmin._machine import EPS, LARGE
from smoothmin._protocol import Array, Done, advance

SCHEMES = ("2-point", "3-point", "cs")
VISIBLE = 30.0  # difference of values, in units of rounding or noise, that is none of these
SHORTER = 2.0**-5  # of a step, where there is no value at either of its ends
OTHER_ENDS = -1.0, SHORTER, -SHORTER  # in units of a step, where there is none at its own


class Stencil:
    """Which points a finite-difference gradient needs, and what it makes of their values.

    Parameters
    ----------
    scheme : {"2-point", "3-point", "cs"}
    box : (lower, upper), ndarrays of shape (n,), or None
    relative_step : float, optional
        Step relative to max(1, |x|), instead of the scheme's own.

    Attributes
    ----------
    noise : float
        Standard deviation of the values' noise, as far as known; zero for rounding alone.
    plateau : bool
        Whether gradients of zero say nothing, as far as known.
    at_bottom : bool
        Whether the first point seems to be a minimum, as far as known.
    resolves : bool
        Whether any difference could be told from rounding and noise.
    beside : ndarray (p, k), or None
        What else was found at the points of the last batch: values of constraints.
    rows, jacobians : ndarrays (m, k) and (m, k, n), or None
        Of what was found beside, where the last gradients are.
    """

    def __init__(
        self,
        scheme: str,
        box: tuple[Array, Array] | None,
        relative_step: float | None = None,
    ) -> None:
        self.scheme = scheme
        self._box = box
        own = {"2-point": EPS**0.5, "3-point": EPS ** (1 / 3), "cs": EPS}[scheme]
        self._relative: float | Array = own if relative_step is None else relative_step
        self._least: float | Array = 1.0  # what steps are relative to where |x| is less
        self._curvatures: Array | None = None  # curvatures (n,) that slopes are corrected by
        # a point that has just been evaluated, its value and what was found beside
        self._base: tuple[Array, NDArray[Any]] | None = None
        self._side = 1.0  # of a point, away from zero, to which one-sided steps lead
        self.noise = 0.0
        self.plateau = self.at_bottom = False
        self.resolves = False
        self.beside: NDArray[Any] | None = None
        self.rows: Array | None = None
        self.jacobians: Array | None = None

    @property
    def resolution(self) -> float:
        """Relative distance below which differences see no kink; "cs" takes none."""
        return 0.0 if self.scheme == "cs" else float(np.max(self._relative * self._least))

    def displaced(self, x: Array) -> Array:
        """See `smoothmin._protocol.Differences`: exact for parabolas but for one-sided steps."""
        if self.scheme == "cs":
            return np.zeros_like(x)
        steps: Array = self.ends(x[None])[0, 0] - x
        return 0.5 * steps if self.scheme == "2-point" else steps**2 / np.maximum(1.0, np.abs(x))

    def rounded(self, x: Array) -> Array:
        """See `smoothmin._protocol.Differences`: that of both values, none of which "cs" takes."""
        if self.scheme == "cs":
            return np.zeros_like(x)
        steps = np.abs(self.ends(x[None]) - x).sum(axis=0)[0]
        return 2 / nonzero(steps)

    def toward(self, side: float) -> bool:
        """Not where the scheme was asked for."""
        return False

    def correct(self, x: Array, error: Array) -> None:
        """Of one-sided steps: half a step times the curvature is their error."""
        displaced = self.displaced(x)
        bend = np.where(displaced == 0, 0.0, error / nonzero(displaced))
        self._curvatures = bend if self._curvatures is None else self._curvatures + bend

    def corrected(self, x: Array) -> Array:
        """See `smoothmin._protocol.Differences`."""
        bend = self._curvatures
        return np.zeros_like(x) if bend is None else bend * self.displaced(x)

    def know(self, x: Array, row: NDArray[Any]) -> None:
        """Take a value, and what was found beside, as those at ``x``: no need to ask for them."""
        self._base = x.copy(), row.real.copy()

    def _known(self, points: Array) -> Array | None:
        """What is known at the points, value and what was found beside; once."""
        base, self._base = self._base, None
        if base is None or len(points) > 1 or not np.array_equal(points[0], base[0]):
            return None
        return base[1]

    def gradients(
        self, points: Array
    ) -> Generator[NDArray[Any], NDArray[Any], tuple[Array, Array]]:
        """Yield batches of points, be sent their values; return values and gradients.

        One batch for all ``points`` (m, n) and their steps, two for "cs", unless that is
        more than `LARGE`.
        """
        m, n = points.shape
        values, gradients = np.empty(m), np.empty((m, n))
        rows = max(1, LARGE // ((2 * n + 1) * n))
        self.rows = self.jacobians = None
        for first in range(0, m, rows):
            part = slice(first, first + rows)
            yield from self._fill(points[part], values[part], gradients[part], (m, part))
        return values, gradients

    def with_rows(
        self, points: Array
    ) -> Generator[NDArray[Any], NDArray[Any], tuple[Array, Array]]:
        """As `gradients`, be sent values with what is found beside them, rows (p, 1 + k)."""
        steps = self.gradients(points)
        batch = advance(steps)
        while not isinstance(batch, Done):
            rows = yield batch
            self.beside = rows[:, 1:]
            batch = advance(steps, rows[:, 0].copy())
        return batch.value

    def _fill(
        self, points: Array, values: Array, gradients: Array, which: tuple[int, slice]
    ) -> Generator[NDArray[Any], NDArray[Any], None]:
        """The gradients at some of the points, as many coordinates at a time as fit."""
        m, n = points.shape
        ends = self.ends(points)  # (s, m, n): where a step along each coordinate leads
        width = max(1, LARGE // (len(ends) * m * n))
        base = self._known(points)
        for first in range(0, n, width):
            columns = np.arange(first, min(first + width, n))
            batch = moved(points, ends, columns)
            if first > 0:
                found = yield batch
            elif base is not None:
                values[0] = base[0]
                found = yield batch
                self._note_rows(which, n, base[None, 1:])
            elif self.scheme == "cs":
                values[:] = yield points
                self._note_rows(which, n)
                found = yield batch
            else:
                found = yield np.concatenate([points, batch])
                values[:], found = found[:m], found[m:]
                self._note_rows(which, n)
            found = found.reshape(len(ends), m, len(columns))
            steps = (ends - points)[:, :, columns]
            if self.scheme != "cs" and not np.isfinite(found).all():
                yield from self._elsewhere(points, values, columns, found, steps)
            with np.errstate(all="ignore"):  # values may not be finite, or huge
                gradients[:, columns] = slopes(found, values[:, None], steps)
                if self._curvatures is not None:
                    gradients[:, columns] -= 0.5 * steps[0] * self._curvatures[columns]
                rises = np.abs(found - values[:, None])
                self._note_jacobians(which[1], steps, columns)
            least = VISIBLE * max(self.noise, EPS * float(np.abs(values).max()))
            self.resolves = self.resolves or bool((rises > least).any())

    def _elsewhere(
        self,
        points: Array,
        values: Array,
        columns: NDArray[np.intp],
        found: NDArray[Any],
        steps: NDArray[Any],
    ) -> Generator[NDArray[Any], NDArray[Any], None]:
        """Replace, in place, values that are not finite by those of other ends of a step.

        Central differences become those of the side that has a value. Where there is none, the
        other side is tried, then shorter steps: a step that is as long as noise demands leads
        easily to where there are no values.
        """
        beside, usual = self.beside, steps[0].copy()
        table = None if beside is None else beside.reshape(*found.shape, -1)
        seen = np.isfinite(values)[:, None] & np.ones(len(columns), dtype=bool)
        for share in OTHER_ENDS[len(found) - 1 :]:
            row, at = np.nonzero(seen & ~np.isfinite(found).any(axis=0))
            start = points[row, columns[at]]
            end = start + share * usual[row, at]
            if self._box is not None:
                lower, upper = (bound[columns[at]] for bound in self._box)
                kept = (lower <= end) & (end <= upper)
                row, at, start, end = row[kept], at[kept], start[kept], end[kept]
            if not row.size:
                continue
            other = points[row]
            other[np.arange(row.size), columns[at]] = end
            found[0, row, at] = yield other
            steps[0, row, at] = end - start
            if table is not None:
                assert self.beside is not None
                table[0, row, at] = self.beside
        for k in range(len(found)):
            only = seen & ~np.isfinite(found[k]) & np.isfinite(found[-1 - k])
            for pair in (found, steps) if table is None else (found, steps, table):
                pair[k][only] = pair[-1 - k][only]
        self.beside = beside

    def _note_rows(self, which: tuple[int, slice], n: int, known: Array | None = None) -> None:
        """What was found beside at some of the points themselves, unless it was known."""
        if self.beside is None:
            return
        total, part = which
        k = self.beside.shape[1]
        if self.rows is None or self.jacobians is None:
            self.rows, self.jacobians = np.empty((total, k)), np.empty((total, k, n))
        if known is None:
            m = len(self.rows[part])
            known, self.beside = self.beside[:m].real, self.beside[m:]
        self.rows[part] = known

    def _note_jacobians(self, part: slice, steps: NDArray[Any], columns: NDArray[np.intp]) -> None:
        """Differences of what was found beside, along some of the coordinates."""
        if self.beside is None or self.rows is None or self.jacobians is None:
            return
        s, m, c = steps.shape
        found = self.beside.reshape(s, m, c, -1).swapaxes(2, 3)
        base = self.rows[part][:, :, None]
        self.jacobians[part][:, :, columns] = slopes(found, base, steps[:, :, None])

    def _steps(self, points: Array) -> Array:
        """Their lengths (m, n), where no bound is in the way."""
        steps: Array = self._relative * np.maximum(self._least, np.abs(points))
        return steps

    def ends(self, points: Array) -> NDArray[Any]:
        """Each coordinate moved: (1, m, n) for one-sided schemes, (2, m, n) for "3-point"."""
        h = self._steps(points)
        if self.scheme == "cs":
            return np.stack([points + 1j * h])
        away = np.where(points < 0, -self._side, self._side)
        if self._box is None:
            ends = [points + away * h] if self.scheme == "2-point" else [points + h, points - h]
            return np.stack(ends)
        lower, upper = self._box
        above, below = upper - points, points - lower
        if self.scheme == "2-point":
            ahead, behind = np.where(away > 0, above, below), np.where(away > 0, below, above)
            turn = (ahead < h) & (behind > ahead)
            step = np.where(turn, -away, away) * np.minimum(h, np.where(turn, behind, ahead))
            ends = [points + step]
        else:
            # two steps to the roomier side where there is none on the other
            central = np.minimum(above, below) >= h
            side = np.where(above >= below, 1.0, -1.0)
            reach = side * np.minimum(h, np.maximum(above, below) / 2)
            ends = [
                points + np.where(central, h, reach),
                points + np.where(central, -h, 2 * reach),
            ]
        inside: Array = np.clip(np.stack(ends), lower, upper)  # sums may round outward
        return inside


class GivenSteps(Stencil):
    """Differences whose steps the user gives, as SciPy's ``eps`` and ``finite_diff_rel_step``.

    Parameters
    ----------
    scheme : {"2-point", "3-point", "cs"}
    box : (lower, upper), ndarrays of shape (n,), or None
    steps : ndarray (n,)
        Positive lengths.
    absolute : bool
        Whether steps are these, or these times ``|x|``, the usual ones where that is nothing.
    """

    def __init__(
        self, scheme: str, box: tuple[Array, Array] | None, steps: Array, absolute: bool
    ) -> None:
        super().__init__(scheme, box)
        self._usual, self._relative, self._absolute = self._relative, steps, absolute

    @classmethod
    def of(cls, options: dict[str, Any], jac: Any, domain: Domain) -> GivenSteps | None:
        """What the options, which are taken out, ask for; ``eps`` where there is no scheme."""
        given = {name: options.pop(name, None) for name in ("eps", "finite_diff_rel_step")}
        name = "eps" if jac is None and given["eps"] is not None else "finite_diff_rel_step"
        checked = {}
        for key, value in given.items():
            if value is not None:
                size = np.asarray(value)
                # signs are SciPy's
                require_scale(key, np.abs(size) if size.dtype.kind in "if" else value)
                checked[key] = per_coordinate(key, np.abs(size), domain.size, domain.free)
        if name not in checked or not (jac is None or isinstance(jac, str)):
            return None
        scheme = "2-point" if jac is None else jac
        return cls(scheme, domain.box, checked[name].copy(), name == "eps")

    def _steps(self, points: Array) -> Array:
        """As given, where they change a point at all."""
        size = np.abs(points)
        given = np.broadcast_to(self._relative, points.shape)
        given = given if self._absolute else given * size
        least = EPS * size if self.scheme != "cs" else np.zeros_like(size)
        return np.where(given > least, given, self._usual * np.maximum(1.0, size))


def moved(points: Array, ends: NDArray[Any], columns: NDArray[np.intp]) -> NDArray[Any]:
    """Every point with one of ``columns`` moved to its end; shape (s * m * c, n)."""
    s, m, n = ends.shape
    at = np.arange(len(columns))
    moved = np.empty((s, m, len(columns), n), dtype=ends.dtype)
    moved[...] = points[:, None, :]
    moved[:, :, at, columns] = ends[:, :, columns]
    return moved.reshape(-1, n)


def slopes(found: NDArray[Any], values: Array, steps: NDArray[Any]) -> Array:
    """Derivatives (m, c) from values (s, m, c) found a step (s, m, c) away from ``values``."""
    if np.iscomplexobj(found):
        slopes: Array = found[0].imag / steps[0].imag
        return slopes
    first: Array = (found[0] - values) / nonzero(steps[0])
    if len(found) == 1:
        return first
    second: Array = (found[1] - values) / nonzero(steps[1])
    # of the parabola through the three points, whichever sides they lie on
    a, b = steps
    return np.where(a == b, first, (first * b - second * a) / nonzero(b - a))


def nonzero(step: Array) -> Array:
    """Steps to divide by; one of zero, in a box as narrow as rounding, changes no value."""
    return np.where(step == 0, 1.0, step)
