"""A metric with coefficients that follow the field: lagged diffusivity.

Reference: C. R. Vogel, M. E. Oman, "Iterative methods for total variation denoising",
SIAM J. Sci. Comput. 17 (1996), section 3.

Deviations, and why: the fixed point's operator is not the step itself but the metric of
L-BFGS, which makes up for what it leaves out; and its coefficients are halfway to those
of the Hessian, which are right near the minimum but too small far from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from smoothmin._machine import HALF_OF_DIGITS
from smoothmin._protocol import Array, Mask

Diffusivity = Callable[[Array], Any]


class Diffusion:
    """``A = I + sigma * sum_k D_k' c_k D_k`` on a grid, with differences D_k along its axes.

    The coefficients follow from what ``diffusivity`` makes of the squared slopes of the
    field last given to `update`, on each face between two elements; they are in shares
    of their mean at the first. ``free`` is False where an element is fixed: A is then
    that of the others alone, which takes the fixed ones into account.
    """

    def __init__(
        self,
        grid: tuple[int, ...],
        sigma: float,
        boundary: str,
        spacing: tuple[float, ...],
        diffusivity: Diffusivity,
        free: Mask | None = None,
    ) -> None:
        self._grid, self._sigma, self._boundary = grid, sigma, boundary
        self._spacing, self._diffusivity = spacing, diffusivity
        self._free = None if free is None or free.all() else free
        self._mean: float | None = None
        self.shape = (math.prod(grid),) * 2

    def update(self, field: Array) -> None:
        """Take the coefficients from a field, flat or of the grid's shape."""
        coefficients = [self._coefficient(*pair) for pair in self.squares(field)]
        if self._mean is None:
            faces = np.concatenate([c.ravel() for c in coefficients])
            self._mean = float(faces.mean()) if faces.size else 1.0
        scales = [self._sigma / (self._mean * h**2) for h in self._spacing]
        scaled = [c * scale for c, scale in zip(coefficients, scales, strict=True)]
        if self._free is not None and not self._free.any():
            self._solve: Callable[[Array], Array] = np.zeros_like
            return
        line = len(self._grid) == 1 and self.shape[0] > 1 and self._free is None
        if line and self._boundary != "periodic":
            self._solve = self._tridiagonal(scaled[0])
        else:
            self._solve = self._sparse(scaled)

    def solve(self, g: Array) -> Array:
        """``A^-1 g`` for a vector (n,); zero where an element is fixed."""
        if self._free is None or not self._free.any():
            return self._solve(g)
        result = np.zeros_like(g)
        result[self._free] = self._solve(g[self._free])
        return result

    def squares(self, field: Array) -> list[tuple[Array, Array]]:
        """On the faces across each axis: squared slope, and the part of it along that axis.

        Ends count where there are faces.
        """
        field = field.reshape(self._grid)
        axes = range(field.ndim)
        slopes = [self._padded(field, k) for k in axes]
        slopes = [np.diff(v, axis=k) / self._spacing[k] for k, v in enumerate(slopes)]
        result = []
        for k in axes:
            along = slopes[k] ** 2
            square = along.copy()
            for j in axes:
                if j != k:
                    # from faces across j to elements, and on to faces across k
                    nodes = self._between(slopes[j] ** 2, j)
                    square += _means(self._padded(nodes, k), k)
            result.append((square, along))
        return result

    def _coefficient(self, square: Array, along: Array) -> Array:
        """Between the diffusivity c and the curvature along an axis, ``c + 2 c' along``."""
        c = self._checked(square)
        further = self._checked((1 + HALF_OF_DIGITS) * square)
        # of c by its argument, both in logarithms
        rate = np.log(further / c) / math.log1p(HALF_OF_DIGITS)
        share = np.divide(along, square, out=np.zeros_like(square), where=square > 0)
        # the latter is negative where c falls steeply
        curved = np.maximum(1 + 2 * rate * share, HALF_OF_DIGITS)
        result: Array = c * np.sqrt(curved)  # half way in logarithms
        return result

    def _between(self, faces: Array, axis: int) -> Array:
        """At each element the mean of its two faces across an axis."""
        if self._boundary == "neumann":
            # no slope across an outer face
            widths = [(1, 1) if k == axis else (0, 0) for k in range(faces.ndim)]
            faces = np.pad(faces, widths)
        elif self._boundary == "periodic":
            faces = np.concatenate([faces, faces.take([0], axis)], axis)
        return _means(faces, axis)

    def _padded(self, v: Array, axis: int) -> Array:
        """``v`` with the elements beyond its ends between which there are faces."""
        if self._boundary == "neumann":
            return v
        if self._boundary == "periodic":
            return np.concatenate([v.take([-1], axis), v], axis)
        return np.pad(v, [(1, 1) if k == axis else (0, 0) for k in range(v.ndim)])

    def _checked(self, square: Array) -> Array:
        """The diffusivity of squared slopes."""
        c = np.asarray(self._diffusivity(square), dtype=float)
        if c.shape != square.shape or not (np.isfinite(c) & (c > 0)).all():
            raise ValueError(
                "diffusivity must return a positive number for each squared slope, "
                f"got {c!r:.80} for shape {square.shape}"
            )
        return c

    def _tridiagonal(self, c: Array) -> Callable[[Array], Array]:
        """The solve on a line with ends."""
        if self._boundary == "neumann":
            c = np.pad(c, 1)
        diagonal, beside, _ = scipy.linalg.lapack.dpttrf(1 + c[:-1] + c[1:], -c[1:-1])

        def solve(g: Array) -> Array:
            result: Array = scipy.linalg.lapack.dpttrs(diagonal, beside, g)[0]
            return result

        return solve

    def _sparse(self, coefficients: list[Array]) -> Callable[[Array], Array]:
        """The solve on any grid."""
        numbers = np.arange(self.shape[0]).reshape(self._grid)
        diagonal = np.ones(self._grid)
        rows, columns, values = [], [], []
        for axis, c in enumerate(coefficients):
            faces = np.moveaxis(c, axis, 0)
            ends = np.moveaxis(numbers, axis, 0)
            total = np.moveaxis(diagonal, axis, 0)
            if self._boundary == "periodic":
                # face i is before element i
                lower, upper, inner = np.roll(ends, 1, axis=0), ends, faces
                total += faces + np.roll(faces, -1, axis=0)
            else:
                inner = faces[1:-1] if self._boundary == "dirichlet" else faces
                lower, upper = ends[:-1], ends[1:]
                around = faces if self._boundary == "dirichlet" else _with_zeros(faces)
                total += around[:-1] + around[1:]
            rows += [lower.ravel(), upper.ravel()]
            columns += [upper.ravel(), lower.ravel()]
            values += [-inner.ravel()] * 2
        rows, columns = [*rows, numbers.ravel()], [*columns, numbers.ravel()]
        entries = np.concatenate([*values, diagonal.ravel()])
        where = (np.concatenate(rows), np.concatenate(columns))
        matrix = scipy.sparse.csc_matrix((entries, where), self.shape)
        if self._free is not None:
            kept = np.flatnonzero(self._free)
            matrix = matrix[kept][:, kept]
        # positive definite: any order of pivots will do, so one that leaves most zeros
        factors = splu(
            matrix,
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
        return lambda g: np.asarray(factors.solve(g))


class Diffusions:
    """The operators of several fields side by side, the identity elsewhere."""

    changes = True

    def __init__(
        self,
        parts: list[tuple[Any, Diffusion]],
        free: NDArray[np.intp] | None = None,
        held: Array | None = None,
    ) -> None:
        self._parts, self._free, self._held = parts, free, held

    def update(self, x: Array) -> None:
        """Take the coefficients of all fields from ``x``."""
        whole = self._spread(x, self._held)
        for part, diffusion in self._parts:
            diffusion.update(whole[part])

    def solve(self, g: Array) -> Array:
        """``A^-1 g``."""
        whole = self._spread(g, None)
        result = whole.copy()
        for part, diffusion in self._parts:
            result[part] = diffusion.solve(whole[part])
        return result if self._free is None else result[self._free]

    def _spread(self, v: Array, fixed: Array | None) -> Array:
        """``v`` of the free variables among the ``fixed``, or zeros."""
        if self._free is None:
            return v
        assert self._held is not None
        whole = np.zeros(self._held.size) if fixed is None else fixed.copy()
        whole[self._free] = v
        return whole


def _means(v: Array, axis: int) -> Array:
    """Of neighbours along an axis."""
    v = np.moveaxis(v, axis, 0)
    return np.moveaxis((v[:-1] + v[1:]) / 2, 0, axis)


def _with_zeros(faces: Array) -> Array:
    """Faces along the first axis, and none beyond."""
    return np.pad(faces, [(1, 1)] + [(0, 0)] * (faces.ndim - 1))
