"""How a flat vector splits into fields, each with an operator of its own."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from smoothmin._check import require_bool, require_integer, require_one_of, require_real
from smoothmin._per_block import is_single, require_per_block
from smoothmin._protocol import Array, Problem
from smoothmin.laplacian._diffusion import Diffusion, Diffusions, Diffusivity
from smoothmin.laplacian._transforms import BOUNDARIES, as_grid, as_spacing
from smoothmin.laplacian.operator import LaplacianOperator

# where the elements of a field lie in a flat vector
Where: TypeAlias = slice | NDArray[np.intp]


class Field(NamedTuple):
    """A field: where its elements lie, its grid, and the block of ``shapes`` it is of."""

    where: Where
    grid: tuple[int, ...]
    block: int


@dataclass(frozen=True)
class Layout:
    """Which elements are smoothed together, and by what operator.

    ``shapes`` is None for one field of the problem's own shape. With
    ``layerwise=False`` the fields are joined into one line. ``axes`` are those that are
    smoothed along, where others number components.
    """

    shapes: tuple[tuple[int, ...], ...] | None
    layerwise: bool
    min_numel: int
    boundary: str
    spacing: Any
    order: int
    axes: tuple[int, ...] | None = None

    @classmethod
    def of(
        cls,
        options: Any,
        boundaries: tuple[str, ...] = BOUNDARIES,
        problem: Problem | None = None,
    ) -> Layout:
        """Check the fields of a method that describe a layout, and take them.

        A problem in blocks has these for fields unless the method has ``shapes``.
        """
        shapes, layerwise, min_numel = options.shapes, options.layerwise, options.min_numel
        if shapes is None and problem is not None and problem.blocks is not None:
            shapes = tuple(block or (1,) for block in problem.blocks)
        boundary, spacing, order = options.boundary, options.spacing, options.order
        require_bool("layerwise", layerwise)
        require_integer("min_numel", min_numel, 1)
        require_one_of("boundary", boundary, boundaries)
        require_integer("order", order, 1)
        grids = None if shapes is None else as_shapes(shapes)
        as_spacing(spacing)
        axes = as_axes(options.axes)
        if axes is not None and not layerwise:
            raise ValueError(f"axes need layerwise=True, got axes={options.axes!r}")
        for grid in grids or ():
            as_spacing(spacing, len(axes or grid) if layerwise else 1)
            places_of(axes, grid)
        return cls(grids, layerwise, min_numel, boundary, spacing, order, axes)

    def with_boundary(self, boundary: str) -> Layout:
        """The same layout with another boundary."""
        return dataclasses.replace(self, boundary=boundary)

    def spacings(self, grid: tuple[int, ...]) -> tuple[float, ...]:
        """The spacing of each axis of one field."""
        return as_spacing(self.spacing, len(grid))

    def fields(self, shape: tuple[int, ...]) -> list[Field]:
        """The fields of a problem whose variables have ``shape``, small ones included."""
        n = math.prod(shape)
        blocks = [shape] if self.shapes is None else list(self.shapes)
        total = sum(math.prod(block) for block in blocks)
        if total != n:
            raise ValueError(f"shapes must have {n} elements in total, got {total}")
        if not self.layerwise:
            return [Field(slice(0, n), (n,), 0)]
        found: list[Field] = []
        start = 0
        for k, block in enumerate(blocks):
            places = places_of(self.axes, block)
            for where, grid in _components(block, places, start):
                found.append(Field(where, grid, k))
            start += math.prod(block)
        return found

    def smooths(self, grid: tuple[int, ...]) -> bool:
        """Whether a field of this shape is not left alone."""
        return not self.layerwise or math.prod(grid) >= self.min_numel

    def is_empty(self, shape: tuple[int, ...]) -> bool:
        """Whether all fields are left alone."""
        return not any(self.smooths(field.grid) for field in self.fields(shape))

    def parts(self, problem: Problem) -> list[Field]:
        """The fields that are smoothed."""
        return [field for field in self.fields(whole_shape(problem)) if self.smooths(field.grid)]

    def smoother(self, problem: Problem, sigma: Any) -> Blocks:
        """The operator of all fields together; ``sigma`` may be one per block."""
        fields = self.parts(problem)
        strengths = self._strengths(sigma)
        made: dict[tuple[tuple[int, ...], float], LaplacianOperator] = {}
        parts = []
        for where, grid, block in fields:
            strength = strengths[block] if len(strengths) > 1 else strengths[0]
            if (grid, strength) not in made:
                made[grid, strength] = LaplacianOperator(
                    grid, strength, self.boundary, self.spacing, self.order
                )
            parts.append((where, made[grid, strength]))
        return Blocks(parts, math.prod(whole_shape(problem)), problem.free)

    def _strengths(self, sigma: Any) -> list[float]:
        """One sigma for all blocks, or one for each."""
        if is_single(sigma):
            return [float(sigma)]
        blocks = len(self.shapes or ((),)) if self.layerwise else 1
        if len(sigma) != blocks:
            raise ValueError(
                f"sigma must be one number or one for each of {blocks} fields, got {len(sigma)}"
            )
        return [float(strength) for strength in sigma]

    def diffusions(self, problem: Problem, sigma: float, diffusivity: Diffusivity) -> Diffusions:
        """The operators of all fields, with coefficients that follow them."""
        free = np.ones(math.prod(whole_shape(problem)), dtype=bool)
        if problem.free is not None:
            free[:] = False
            free[problem.free] = True
        parts = []
        for where, grid, _ in self.parts(problem):
            spacings = self.spacings(grid)
            known = (grid, sigma, self.boundary, spacings, diffusivity)
            parts.append((where, Diffusion(*known, free[where])))
        return Diffusions(parts, problem.free, problem.held)


class Blocks:
    """The block diagonal of several operators, the identity elsewhere.

    Vectors (n,), or stacks of them (m, n), are of a problem's variables. Where some
    are fixed the fields are larger; ``P`` picks the free ones, and ``P A^-1 P^T`` takes
    the place of ``A^-1``, ``P B^-1`` that of ``B^-1``: the fixed ones simply do not move.
    """

    changes = False

    def __init__(
        self,
        parts: list[tuple[Where, LaplacianOperator]],
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


def as_axes(axes: Any) -> tuple[int, ...] | None:
    """The axes that fields extend along, an integer or several different ones."""
    if axes is None:
        return None
    several = tuple(axes) if isinstance(axes, (tuple, list)) else (axes,)
    for axis in several:
        require_integer("axes", axis, -sys.maxsize)
    if not several or len(set(several)) < len(several):
        raise ValueError(f"axes must be one or several different axes, got {axes!r}")
    return tuple(int(axis) for axis in several)


def places_of(axes: tuple[int, ...] | None, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Axes of an array of ``shape``, counted from the front; all of them for None."""
    if axes is None:
        return tuple(range(len(shape)))
    places = tuple(axis + len(shape) if axis < 0 else axis for axis in axes)
    if any(not 0 <= place < len(shape) for place in places) or len(set(places)) < len(places):
        raise ValueError(f"axes must be different axes of shape {shape}, got {axes}")
    return places


def _components(
    shape: tuple[int, ...], places: tuple[int, ...], start: int
) -> Iterator[tuple[Where, tuple[int, ...]]]:
    """The fields along some axes of an array that begins at ``start`` of a flat vector."""
    size = math.prod(shape)
    if places == tuple(range(len(shape))):
        yield slice(start, start + size), shape
        return
    numbers = np.arange(start, start + size).reshape(shape)
    last = range(len(shape) - len(places), len(shape))
    grid = tuple(shape[place] for place in places)
    for row in np.moveaxis(numbers, places, last).reshape(-1, math.prod(grid)):
        step = int(row[1] - row[0]) if row.size > 1 else 1
        even = step > 0 and bool((np.diff(row) == step).all())
        yield slice(int(row[0]), int(row[-1]) + 1, step) if even else row, grid


def require_sigma(sigma: Any) -> None:
    """Raise unless ``sigma`` is a strength of smoothing."""
    require_real("sigma", sigma, minimum=0, below=np.inf)


def require_sigmas(sigma: Any) -> None:
    """Raise unless ``sigma`` is a strength of smoothing, or one per block."""
    require_per_block("sigma", sigma, minimum=0, below=np.inf)
