"""How a flat vector splits into fields, each with an operator of its own."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin._check import require_bool, require_integer, require_one_of, require_real
from smoothmin._protocol import Array, Problem
from smoothmin.laplacian._diffusion import Diffusion, Diffusions, Diffusivity
from smoothmin.laplacian._transforms import BOUNDARIES, as_grid, as_spacing
from smoothmin.laplacian.operator import LaplacianOperator


@dataclass(frozen=True)
class Layout:
    """Which elements are smoothed together, and by what operator.

    ``shapes`` is None for one field of the problem's own shape. With
    ``layerwise=False`` the fields are joined into one line.
    """

    shapes: tuple[tuple[int, ...], ...] | None
    layerwise: bool
    min_numel: int
    boundary: str
    spacing: Any
    order: int

    @classmethod
    def of(cls, options: Any, boundaries: tuple[str, ...] = BOUNDARIES) -> Layout:
        """Check the fields of a method that describe a layout, and take them."""
        shapes, layerwise, min_numel = options.shapes, options.layerwise, options.min_numel
        boundary, spacing, order = options.boundary, options.spacing, options.order
        require_bool("layerwise", layerwise)
        require_integer("min_numel", min_numel, 1)
        require_one_of("boundary", boundary, boundaries)
        require_integer("order", order, 1)
        grids = None if shapes is None else as_shapes(shapes)
        as_spacing(spacing)
        for grid in grids or ():
            as_spacing(spacing, len(grid) if layerwise else 1)
        return cls(grids, layerwise, min_numel, boundary, spacing, order)

    def with_boundary(self, boundary: str) -> Layout:
        """The same layout with another boundary."""
        return dataclasses.replace(self, boundary=boundary)

    def spacings(self, grid: tuple[int, ...]) -> tuple[float, ...]:
        """The spacing of each axis of one field."""
        return as_spacing(self.spacing, len(grid))

    def grids(self, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        """The fields of a problem whose variables have ``shape``."""
        n = math.prod(shape)
        fields = [shape] if self.shapes is None else list(self.shapes)
        total = sum(math.prod(field) for field in fields)
        if total != n:
            raise ValueError(f"shapes must have {n} elements in total, got {total}")
        return fields if self.layerwise else [(n,)]

    def is_empty(self, shape: tuple[int, ...]) -> bool:
        """Whether all fields are left alone."""
        return all(math.prod(grid) < self.min_numel for grid in self.grids(shape))

    def parts(self, problem: Problem) -> list[tuple[slice, tuple[int, ...]]]:
        """Where the fields that are smoothed lie, and their grids."""
        found: list[tuple[slice, tuple[int, ...]]] = []
        start = 0
        for grid in self.grids(whole_shape(problem)):
            stop = start + math.prod(grid)
            if stop - start >= self.min_numel:
                found.append((slice(start, stop), grid))
            start = stop
        return found

    def smoother(self, problem: Problem, sigma: float) -> Blocks:
        """The operator of all fields together."""
        parts = [
            (part, LaplacianOperator(grid, sigma, self.boundary, self.spacing, self.order))
            for part, grid in self.parts(problem)
        ]
        return Blocks(parts, math.prod(whole_shape(problem)), problem.free)

    def diffusions(self, problem: Problem, sigma: float, diffusivity: Diffusivity) -> Diffusions:
        """The operators of all fields, with coefficients that follow them."""
        if problem.free is not None:
            raise ValueError("diffusivity needs all variables free, got bounds that fix some")
        return Diffusions(
            [
                (part, Diffusion(grid, sigma, self.boundary, self.spacings(grid), diffusivity))
                for part, grid in self.parts(problem)
            ]
        )


class Blocks:
    """The block diagonal of several operators, the identity elsewhere.

    Vectors (n,), or stacks of them (m, n), are of a problem's variables. Where some
    are fixed the fields are larger; ``P`` picks the free ones, and ``P A^-1 P^T`` takes
    the place of ``A^-1``, ``P B^-1`` that of ``B^-1``: the fixed ones simply do not move.
    """

    changes = False

    def __init__(
        self,
        parts: list[tuple[slice, LaplacianOperator]],
        size: int,
        free: NDArray[np.intp] | None = None,
    ) -> None:
        self.parts, self.size, self._free = parts, size, free
        # the operator, where it is that of a single field that is free to move
        single = free is None and len(parts) == 1 and parts[0][1].shape[0] == size
        self._whole: Any = parts[0][1] if single else None

    def update(self, x: Array) -> None:
        """Do nothing: A is the same everywhere."""

    def solve(self, g: Array) -> Array:
        """``A^-1 g``."""
        if self._whole is not None:
            whole: Array = self._whole.solve(g)
            return whole
        return self._picked(self._map(self._spread(g), LaplacianOperator.solve))

    def half_solve(self, z: Array) -> Array:
        """``B^-1 z``, where ``B^T B = A``; ``z`` is of the whole fields."""
        return self._picked(self._map(z, LaplacianOperator.half_solve))

    def half_solve_adjoint(self, g: Array) -> Array:
        """``B^-T g``, of the whole fields."""
        return self._map(self._spread(g), LaplacianOperator.half_solve_adjoint)

    def half_apply_adjoint(self, z: Array) -> Array:
        """``B^T z``, the inverse of `half_solve_adjoint`."""
        return self._picked(self._map(z, LaplacianOperator.half_apply_adjoint))

    def apply(self, v: Array) -> Array:
        """``A v``."""
        return self._picked(self._map(self._spread(v), LaplacianOperator.apply))

    def energy(self, v: Array) -> float:
        """``v'A v``."""
        v = self._spread(v)
        total = float(v @ v)
        for part, operator in self.parts:
            total += operator.energy(v[part]) - float(v[part] @ v[part])
        return total

    def _spread(self, v: Array) -> Array:
        """``P^T v``: zero where a variable is fixed."""
        if self._free is None:
            return v
        whole = np.zeros((*v.shape[:-1], self.size))
        whole[..., self._free] = v
        return whole

    def _picked(self, v: Array) -> Array:
        """``P v``."""
        return v if self._free is None else v[..., self._free]

    def _map(self, v: Array, act: Callable[..., Any]) -> Array:
        """Each part of a copy of ``v`` replaced by its image."""
        if len(self.parts) == 1 and self.parts[0][1].shape[0] == self.size:
            whole: Array = act(self.parts[0][1], v)
            return whole
        result = np.array(v, dtype=float)
        for part, operator in self.parts:
            result[..., part] = act(operator, v[..., part])
        return result


def whole_shape(problem: Problem) -> tuple[int, ...]:
    """The shape of the user's ``x``, fixed variables included."""
    return problem.whole or problem.shape


def as_shapes(shapes: Any) -> tuple[tuple[int, ...], ...]:
    """The shapes of several fields, each an integer or a tuple."""
    if not isinstance(shapes, (tuple, list)) or not shapes:
        raise TypeError(f"shapes must be a sequence of shapes, got {shapes!r}")
    return tuple(as_grid("shapes", shape) for shape in shapes)


def require_sigma(sigma: Any) -> None:
    """Raise unless ``sigma`` is a strength of smoothing."""
    require_real("sigma", sigma, minimum=0, maximum=sys.float_info.max)
