"""A^-1 in O(n): along a line, A factors into a forward and a backward recursion.

Reference: M. Unser, A. Aldroubi, M. Eden, "B-spline signal processing: part II",
IEEE Trans. Signal Process. 41 (1993), section II, where such factors and their end
states are derived for mirrored signals.

With ``r + 1/r = 2 + 1/sigma`` and ``delta = 1 - r``, ``A^-1`` on the whole line is
``u_i = r u_{i-1} + delta^2 g_i``, then ``y_i = r y_{i+1} + u_i``. A boundary repeats
or mirrors g beyond its ends; all of that is in the two numbers the passes start from.

Deviations, and why: sums of 16 terms by doubling turn the chain into one of vectors;
and where r is near 1 it appears as 1 - delta only, since r itself would lose half
the digits of a large sigma.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from smoothmin._factors import OTHER_ORDER
from smoothmin._machine import CACHED, EPS
from smoothmin._protocol import Array
from smoothmin.laplacian._bases import Floats
from smoothmin.laplacian._transforms import Transform

BLOCKS = (64, 256)  # terms of an end sum whose weights are kept: all, or a part of many
VECTOR = 64  # bytes of a vector; narrower processors take two registers for it
TILE = 32_768  # bytes that stay in the fastest memory between the two passes


class Factors:
    """r, delta, and the ends of both passes, for one sigma or an array of them.

    The passes start from ``start_head * F + start_tail * B`` and from ``after_head * F
    + after_tail * B + after_last * u_{n-1}``, where ``F`` is the sum of ``r^i g_i`` and
    ``B`` that of ``r^i g_{n-1-i}``.
    """

    def __init__(self, sigma: Any, n: int, boundary: str) -> None:
        sigma = np.asarray(sigma, dtype=float)
        root = np.sqrt(1 + 4 * sigma)
        self.r = 2 * sigma / (1 + 2 * sigma + root)
        self.delta = (1 + root) / (1 + 2 * sigma + root)
        with np.errstate(divide="ignore"):
            self._log_r = np.where(self.delta < 0.5, np.log1p(-self.delta), np.log(self.r))
        self.scale = self.delta**2
        zero = np.zeros_like(sigma)
        self.start_head, self.start_tail = zero, zero
        self.after_head, self.after_tail, self.after_last = zero, zero, zero
        if boundary == "periodic":
            self.start_tail = self.scale / self.fade(n)
            self.after_head = self.delta / ((1 + self.r) * self.fade(n))
            self.after_tail = self.r * self.after_head
        elif boundary == "neumann":
            self.start_head = self.scale / self.fade(2 * n)
            self.start_tail = self.power(n) * self.start_head
            self.after_last = 1 / self.delta
        else:
            self.start_head = -self.r * self.scale / self.fade(2 * n + 2)
            self.start_tail = -self.power(n + 1) * self.start_head

    def power(self, k: Any) -> Array:
        """``r^k``."""
        with np.errstate(invalid="ignore"):
            result: Array = np.where(np.equal(k, 0), 1.0, np.exp(k * self._log_r))
        return result

    def fade(self, k: int) -> Array:
        """``1 - r^k``."""
        result: Array = -np.expm1(k * self._log_r)
        return result

    def split(self, k: int) -> tuple[Array, Array]:
        """``r^k`` as a sum of 1 or 0 and a rest, so that it is exact near 1."""
        power = self.power(k)
        keep: Array = np.where(power > 0.5, 1.0, 0.0)
        return keep, np.where(power > 0.5, -self.fade(k), power)

    def reach(self) -> float:
        """How many terms of an end sum count, at least one: the others' weights are rounding."""
        return max(1.0, math.log(EPS) / float(np.max(self._log_r)))


def is_accurate(sigma: Any, n: int, boundary: str, dtype: np.dtype[Any]) -> bool:
    """Whether the passes keep all digits on a line of n points."""
    reach = math.sqrt(float(np.max(sigma)))
    # a zero boundary makes the passes cancel once smoothing reaches so much farther than the line
    farther = OTHER_ORDER if dtype.itemsize == 8 else 1.0
    return boundary != "dirichlet" or reach <= farther * n


class Solver(Protocol):
    """What applies ``A^-1``."""

    def solve(self, g: Floats, out: Floats) -> None:
        """``A^-1 g`` into ``out``, which may be ``g``; contiguous, one field or several."""


class LineRecursion:
    """``A^-1`` on a line of n points."""

    def __init__(self, n: int, sigma: float, boundary: str, dtype: np.dtype[Any]) -> None:
        from smoothmin.laplacian._kernels import solve_line

        self._kernel, self.n = solve_line, n
        f = Factors(sigma, n, boundary)
        lanes = VECTOR // dtype.itemsize
        self._block = BLOCKS[f.reach() > BLOCKS[0]]
        powers = f.power(np.arange(self._block))
        constants = [f.scale, f.r, f.power(2), f.power(4), f.power(8), f.power(lanes)]
        constants += [*f.split(2 * lanes), f.delta]
        starts = [f.start_head, f.start_tail, f.after_head, f.after_tail, f.after_last]
        whole = [*constants, *starts, f.fade(self._block), *powers, *powers[::-1]]
        self._table = np.array(whole, dtype=dtype)
        tile = TILE // dtype.itemsize
        # a tile needs what came before it, which is cheap to sum again if it is little
        self._tile = tile if f.reach() <= tile // 2 else n

    def solve(self, g: Floats, out: Floats) -> None:
        """``A^-1 g`` into ``out``, which may be ``g``; contiguous, one line or several."""
        if g.ndim == 1:
            self._kernel(g, out, self._table, self._block, self._tile)
            return
        for line, result in zip(g.reshape(-1, self.n), out.reshape(-1, self.n), strict=True):
            self._kernel(line, result, self._table, self._block, self._tile)


class StiffLine:
    """``A^-1`` on a line that ends at zeros, where smoothing reaches much farther than it.

    Elimination with the pivots ``d = 2 + 1/sigma - 1/d`` of the last one, in the closed form
    ``1/d = sinh((i + 1) t) / sinh((i + 2) t)``, where ``2 sinh(t / 2) = 1 / sqrt(sigma)``;
    all that is added has one sign. From both ends at once, the two chains hide each other's
    latency.
    """

    def __init__(self, n: int, sigma: float) -> None:
        from smoothmin.laplacian._kernels import solve_from_ends

        self._kernel, self.n = solve_from_ends, n
        t = 2 * math.asinh(0.5 / math.sqrt(sigma))
        sines = np.sinh(t * np.arange(n // 2 + 2))
        self._inverse_pivots = sines[:-1] / sines[1:]
        last = float(self._inverse_pivots[-1])
        # 1 - 1/d, without cancellation
        k = n // 2
        rest = 2 * math.cosh((k + 0.5) * t) * math.sinh(t / 2) / float(sines[-1])
        self._middle = 1 / (1 + 2 * sigma * rest) if n % 2 else last / (sigma * rest * (1 + last))
        self._inverse = 1 / sigma

    def solve(self, g: Floats, out: Floats) -> None:
        """``A^-1 g`` into ``out``, which may be ``g``; contiguous, one line or several."""
        constants = self._inverse_pivots, self._inverse, self._middle
        for line, result in zip(g.reshape(-1, self.n), out.reshape(-1, self.n), strict=True):
            self._kernel(line, result, *constants)


class ColumnRecursions:
    """Recursions down the columns of arrays (rows, columns), one sigma for each column.

    What is solved is ``stiff * (I + sigma K)``.
    """

    def __init__(self, sigma: Array, stiff: Array, rows: int, boundary: str, dtype: Any) -> None:
        from smoothmin.laplacian._kernels import solve_columns

        self._kernel = solve_columns
        f = Factors(sigma, rows, boundary)
        constants = [f.scale / stiff, *f.split(1), f.delta]
        starts = [f.start_head, f.start_tail, f.after_head, f.after_tail]
        starts = [start / stiff for start in starts]
        needed = any(start.any() for start in starts)
        self._far = min(rows, math.ceil(f.reach())) if needed else 0
        self._constants = np.array(constants).astype(dtype)
        self._starts = np.array([*starts, f.after_last]).astype(dtype)

    def solve(self, columns: Floats) -> None:
        """Solve in place."""
        work = np.empty_like(self._constants)
        self._kernel(columns, self._constants, self._starts, self._far, work)


class Sheet:
    """``A^-1`` on a grid: transforms on all axes but the first, recursions along that.

    A column's operator is ``(1 + s) (I + first / (1 + s) K)``, where s is the sum over
    the other axes, one for each of their eigenvectors.
    """

    def __init__(
        self, transform: Transform, stiff: Array, first: float, rows: int, boundary: str, dtype: Any
    ) -> None:
        """Take ``stiff = 1 + s`` for every column, and ``first`` for the first axis."""
        self._transform, self._rows = transform, rows
        # the two halves of a complex number are columns of their own
        self._complex = transform.is_complex
        stiff = np.repeat(stiff.ravel(), 2 if self._complex else 1)
        self._columns = ColumnRecursions(first / stiff, stiff, rows, boundary, dtype)
        kind = np.result_type(dtype, np.complex64) if self._complex else dtype
        self._room = Room((rows, *transform.eigenvalues.shape), kind)
        # transforms of several axes are quicker on what stays in fast memory
        step = max(1, CACHED // math.prod(transform.grid))
        self._parts = [slice(k, k + step) for k in range(0, rows, step)]

    def solve(self, g: Floats, out: Floats) -> None:
        """``A^-1 g`` into ``out``, which may be ``g``; contiguous, one grid or several."""
        grid = (-1, self._rows, *self._transform.grid)
        spectrum = self._room.take()
        columns = spectrum.view(g.dtype).reshape(self._rows, -1)
        for field, result in zip(g.reshape(grid), out.reshape(grid), strict=True):
            for part in self._parts:
                spectrum[part] = self._transform.forward(field[part])
            self._columns.solve(columns)
            for part in self._parts:
                result[part] = self._transform.backward(spectrum[part])
        self._room.give_back(spectrum)


class Room:
    """Arrays to work in, as many as there are threads; fresh memory is dear."""

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self._shape, self._dtype = shape, dtype
        self._unused: list[NDArray[Any]] = []

    def take(self) -> NDArray[Any]:
        """An array that nobody else uses, of any content."""
        try:
            return self._unused.pop()
        except IndexError:
            return np.empty(self._shape, self._dtype)

    def give_back(self, array: NDArray[Any]) -> None:
        """Let it be taken again."""
        self._unused.append(array)
