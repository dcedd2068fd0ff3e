"""(c) Where the points of a retina went between two photographs.

Elastic registration finds displacements u, two numbers for each pixel, for which the moving
picture M, read at x + u(x), is the fixed picture F:

    1/2 mean (M(x + u) - F)^2 + alpha/2 mean |grad u|^2

(J. Modersitzki, *Numerical Methods for Image Registration*, 2004, chapter 9). The finer the
pixels, the steeper the second term is for rough displacements, and the worse the problem is
scaled. The fixed picture is the photograph bent by known displacements, so that errors are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.interpolate import RectBivariateSpline
from scipy.ndimage import gaussian_filter

from smoothmin._protocol import Array
from smoothmin.demo.race import Racer, race

SIDE = 1280  # pixels of the part of the photograph that is used
NOISE = 0.02  # standard deviation, of grey values in [0, 1], in each picture
BLUR = 0.006  # of both pictures before they are compared, in widths of a picture
ALPHA = 1e-3
THEIRS = ["L-BFGS-B", "CG"]


def bending(y: Array, x: Array) -> Array:
    """The true displacements (2, ...), down and to the right, in widths of a picture."""
    down = -0.015 * np.sin(np.pi * x) * np.cos(2 * np.pi * y)
    right = 0.018 * np.sin(2 * np.pi * y) * np.sin(np.pi * x)
    return np.stack([down, right + 0.006 * np.cos(3 * np.pi * x) * np.sin(np.pi * y)])


def centres(n: int) -> Array:
    """Where the pixels of a row are, from 0 to 1."""
    return (np.arange(n) + 0.5) / n


class Registration:
    """The functional on displacements (2, n, n), in widths of a picture: value and gradient."""

    def __init__(self, moving: Array, fixed: Array) -> None:
        n = len(moving)
        self.n, self.moving, self.fixed = n, moving, fixed
        self._grid = np.stack(np.meshgrid(centres(n), centres(n), indexing="ij"))
        self._fixed = gaussian_filter(fixed, BLUR * n)
        pad = n // 8  # mirrored beyond its edges: displacements may lead out of the picture
        wide = np.pad(gaussian_filter(moving, BLUR * n), pad, mode="reflect")
        knots = (np.arange(-pad, n + pad) + 0.5) / n
        self._moving = RectBivariateSpline(knots, knots, wide)

    def __call__(self, displacements: Array) -> tuple[float, Array]:
        """Value and gradient."""
        n = self.n
        at = self._grid + displacements
        misfit = self._moving.ev(*at) - self._fixed
        slopes = [self._moving.ev(*at, dx=1), self._moving.ev(*at, dy=1)]
        gradient = np.stack([misfit * slope for slope in slopes]) / n**2
        value = 0.5 * float(np.mean(misfit**2))
        for axis in (1, 2):
            # forward differences, of size 1/n; none across the edges
            change = np.diff(displacements, axis=axis)
            value += 0.5 * ALPHA * float(np.sum(change**2))
            edges = [(1, 1) if k == axis else (0, 0) for k in range(3)]
            gradient -= ALPHA * np.diff(np.pad(change, edges), axis=axis)
        return value, gradient

    def error(self, displacements: Array) -> float:
        """Root mean square distance from the true displacements, in pixels."""
        away = displacements - bending(*self._grid)
        return float(np.sqrt(np.mean(np.sum(away**2, axis=0)))) * self.n


def pictures(n: int) -> Registration:
    """The retina with n by n pixels, and the same bent; each with noise of its own."""
    from skimage.data import retina

    photograph: Array = retina() / 255.0  # type: ignore[no-untyped-call]
    green = photograph[100 : 100 + SIDE, 60 : 60 + SIDE, 1]
    fine, coarse = centres(SIDE), centres(n)
    exact = RectBivariateSpline(fine, fine, gaussian_filter(green, 0.5 * SIDE / n))
    y, x = np.meshgrid(coarse, coarse, indexing="ij")
    down, right = bending(y, x)
    rng = np.random.default_rng(0)
    moving = exact(coarse, coarse) + NOISE * rng.standard_normal((n, n))
    fixed = exact.ev(y + down, x + right) + NOISE * rng.standard_normal((n, n))
    return Registration(moving, fixed)


@dataclass
class Grid:
    """The race on one grid."""

    problem: Registration
    racers: list[Racer]

    def needed(self, racer: Racer, share: float = 0.01) -> int | None:
        """Evaluations until all but a share of the fall to the lowest value was made."""
        lowest, start = min(r.fun for r in self.racers), racer.trace[0]
        reached = np.asarray(racer.trace) <= lowest + share * (start - lowest)
        return int(reached.argmax()) + 1 if reached.any() else None


def run(budget: int = 60, grids: tuple[int, ...] = (128, 256)) -> list[Grid]:
    """Race on each grid, from no displacements at all."""
    out = []
    for n in grids:
        problem = pictures(n)
        ours: dict[str, Any] = {"method": "laplacian", "options": {"axes": (1, 2)}}
        start = np.zeros((2, n, n))
        racers = race(
            problem, start, jac=True, budget=budget, ours=ours, theirs=THEIRS, name="laplacian"
        )
        for racer in racers:
            assert racer.x is not None
            racer.x = racer.x.reshape(start.shape)
        out.append(Grid(problem, racers))
    return out
