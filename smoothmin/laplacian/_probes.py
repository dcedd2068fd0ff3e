"""How much smoothing a function asks for: a fit of its Hessian by two probes.

Near x0 the Hessian is taken for ``a*I + b*K``, where ``-L = K``. Differences of the
gradient along a rough and a smooth vector give two quadratic forms, and so a and b;
``sigma = b/a`` makes ``A = I + sigma*K`` proportional to the Hessian. The rough
probe also shows, at the edge of each field, which boundary it has.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin._factors import MINOR
from smoothmin._machine import HALF_OF_DIGITS, PRODUCTS, TINY
from smoothmin._protocol import Array, Ask, Problem, ask_one
from smoothmin._scale import PROBE
from smoothmin.laplacian._blocks import Blocks, Layout, whole_shape
from smoothmin.laplacian._transforms import BOUNDARIES, axis_eigenvalues


@dataclass(frozen=True)
class Fit:
    """The Hessian as ``a*I + b*K**order`` with a boundary; None where it is unknown."""

    a: float
    b: float
    boundary: str

    def sigma(self, strongest: float) -> float:
        """``b/|a|``, at most ``strongest``; 0 where smoothing would not help.

        The size of a negative a stands for how far its Hessian is from definite.
        """
        if not self.b > 0:
            return 0.0
        return strongest if abs(self.a) * strongest <= self.b else self.b / abs(self.a)

    def scale(self, sigma: float) -> float:
        """Gamma for which ``gamma * A^-1`` is the inverse of the fitted Hessian, or 0."""
        if sigma > 0:
            return sigma / self.b
        return 1.0 / self.a if self.a > 0 else 0.0


def probe(
    problem: Problem, layout: Layout, x: Array, g: Array, rng: np.random.Generator
) -> Generator[Ask, Any, Fit]:
    """Fit a, b, and the boundary if that is "auto", at ``x`` with gradient ``g``."""
    x, g = yield from _inside(problem, x, g)
    # random sizes as well as signs, so that no two ends of a line look alike
    noise = (0.5 + rng.random(x.size)) * (rng.integers(0, 2, x.size) * 2.0 - 1.0)
    # a rough vector is steep, and must not leave the linear range on fine grids
    rough, change = yield from _difference(problem, x, g, noise, HALF_OF_DIGITS)
    boundary = layout.boundary
    if boundary == "auto":
        boundary = _boundary_of(layout, problem, rough, change)
    layout = layout.with_boundary(boundary)
    waves = _free(problem, _smoothest(layout, whole_shape(problem)))
    # a smooth one is flat, and must stand out from the rounding of its gradient
    smooth, answer = yield from _difference(problem, x, g, waves, PROBE)
    unit = layout.smoother(problem, 1.0)
    forms = np.array([_forms(unit, v) for v in (rough, smooth)])
    curvatures = np.array([float(rough @ change), float(smooth @ answer)])
    # rows scaled alike: a quadratic form per unit length
    lengths = np.maximum(forms[:, 0], TINY)
    forms, curvatures = forms / lengths[:, None], curvatures / lengths
    determinant = forms[0, 0] * forms[1, 1] - forms[0, 1] * forms[1, 0]
    if not (np.isfinite(curvatures).all() and abs(determinant) > 0):
        return Fit(0.0, 0.0, boundary)
    a, b = np.linalg.solve(forms, curvatures)
    return Fit(float(a), float(b), boundary)


def strongest(layout: Layout, shape: tuple[int, ...]) -> float:
    """The sigma beyond which the smoothing of the largest field no longer changes."""
    grids = {field.grid for field in layout.fields(shape) if layout.smooths(field.grid)}
    smallest = math.inf
    for grid in grids:
        for length, spacing in zip(grid, layout.spacings(grid), strict=True):
            values = axis_eigenvalues(length, layout.boundary, spacing)
            positive = values[values > 0]
            smallest = min(smallest, positive.min() if positive.size else math.inf)
    # beyond this A is next to K, and recursions lose digits
    return float(1 / (MINOR**2 * smallest**layout.order)) if smallest < math.inf else 0.0


def _inside(problem: Problem, x: Array, g: Array) -> Generator[Ask, Any, tuple[Array, Array]]:
    """The point and its gradient, moved off bounds that would cut a probe short."""
    if problem.box is None:
        return x, g
    lower, upper = problem.box
    margin = np.minimum(PROBE * _size(x), (upper - lower) / 2)
    inside = np.clip(x, lower + margin, upper - margin)
    if np.array_equal(inside, x):
        return x, g
    inside = problem.clip(inside)
    _, g = yield from ask_one(inside)
    return inside, g


def _difference(
    problem: Problem, x: Array, g: Array, v: Array, step: float
) -> Generator[Ask, Any, tuple[Array, Array]]:
    """The direction really gone, inside the box, and the Hessian's product with it."""
    step *= _size(x)
    moved = problem.clip(x + step * v)
    _, there = yield from ask_one(moved)
    with np.errstate(invalid="ignore"):
        return (moved - x) / step, (there - g) / step


def _size(x: Array) -> float:
    """What steps are measured by: the largest element, at least 1."""
    return max(1.0, float(np.abs(x).max()))


def _forms(unit: Blocks, v: Array) -> tuple[float, float]:
    """``v'v`` and ``v'Kv``."""
    length = float(v @ v)
    return length, max(unit.energy(v) - length, 0.0)


def _smoothest(layout: Layout, shape: tuple[int, ...]) -> Array:
    """The eigenvector of each field's smallest eigenvalue, of size one."""
    whole: Array = np.empty(math.prod(shape))
    for where, grid, _ in layout.fields(shape):
        v: Array = np.ones(grid)
        if layout.boundary == "dirichlet":
            for axis, length in enumerate(grid):
                wave = np.sin(np.pi * np.arange(1, length + 1) / (length + 1))
                v *= wave.reshape([-1 if k == axis else 1 for k in range(len(grid))])
        whole[where] = v.ravel()
    return whole


def _boundary_of(layout: Layout, problem: Problem, v: Array, change: Array) -> str:
    """The boundary whose ``K v`` comes nearest to the Hessian's product at the edges."""
    shape = whole_shape(problem)
    outer = np.empty(math.prod(shape), dtype=bool)
    for where, grid, _ in layout.fields(shape):
        outer[where] = _edge(grid).ravel()
    edges = _free(problem, outer)
    wrong = {}
    for boundary in BOUNDARIES:
        applied = layout.with_boundary(boundary).smoother(problem, 1.0).apply(v)
        k_v = applied - v
        # sizes alike whatever the spacing
        columns = np.stack([w / max(TINY, float(np.linalg.norm(w))) for w in (v, k_v)])
        # a and b from the interior, where all boundaries agree
        inner = columns[:, ~edges]
        gram = inner @ inner.T
        if abs(np.linalg.det(gram)) <= PRODUCTS * np.trace(gram) ** 2:
            return BOUNDARIES[0]
        fitted = np.linalg.solve(gram, inner @ change[~edges])
        residual = change[edges] - fitted @ columns[:, edges]
        wrong[boundary] = float(residual @ residual)
    return min(wrong, key=lambda boundary: wrong[boundary])


def _free(problem: Problem, whole: NDArray[Any]) -> NDArray[Any]:
    """The elements whose variables are not fixed."""
    return whole if problem.free is None else whole[problem.free]


def _edge(grid: tuple[int, ...]) -> NDArray[np.bool_]:
    """True on the outermost elements of a grid."""
    edge = np.ones(grid, dtype=bool)
    edge[tuple(slice(1, -1) for _ in grid)] = False
    return edge
