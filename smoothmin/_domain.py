"""The user's variables: their shape, their box, and which of them are fixed.

Methods see the free variables as one flat vector; this is the only place that
knows how they sit in the user's array.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin._lattice import Lattice, as_integrality, integer_box
from smoothmin._precision import Precision
from smoothmin._protocol import Array, Differences, Mask, Problem
from smoothmin._returned import as_real_array, unmasked
from smoothmin._structure import Structure


def as_start(x0: Any) -> Array:
    """``x0`` as a float64 array of at least one dimension, never the caller's own."""
    try:
        given = np.atleast_1d(np.asarray(unmasked(x0)))
        kind = given.dtype.kind
        if kind not in "biufO" or (kind == "O" and any(number is None for number in given.flat)):
            raise TypeError
        start = np.array(given, dtype=np.float64, order="C")
    except (TypeError, ValueError):
        raise TypeError(f"x0 must be an array of real numbers, got {x0!r:.80}") from None
    except OverflowError:  # an integer beyond the largest float
        raise ValueError(f"x0 must be finite, got {x0!r:.80}") from None
    if start.size == 0:
        raise ValueError(f"x0 must have at least one element, got {x0!r:.80}")
    if not np.isfinite(start).all():
        raise ValueError(f"x0 must be finite, got {x0!r:.80}")
    return start


def as_bounds(bounds: Any, shape: tuple[int, ...]) -> tuple[Array, Array] | None:
    """Lower and upper bounds, flat, from SciPy's `Bounds` or a sequence of pairs."""
    if bounds is None:
        return None
    size = math.prod(shape)
    try:
        if hasattr(bounds, "A") or hasattr(bounds, "fun"):
            raise TypeError("this is a constraint")
        if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
            lower, upper = _spread_bound(bounds.lb, shape), _spread_bound(bounds.ub, shape)
        else:
            lower, upper = _from_pairs(bounds)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"bounds must be a Bounds of x0's shape or (min, max) pairs, got {bounds!r:.80}"
        ) from error
    if lower.size != size:
        raise ValueError(
            f"bounds must have one pair for each of {size} variables, got {bounds!r:.80}"
        )
    if np.isnan(lower).any() or np.isnan(upper).any():
        raise ValueError(f"bounds must not be NaN, got {bounds!r:.80}")
    if (lower > upper).any():
        k = int(np.argmax(lower > upper))
        raise ValueError(f"bounds: lower {lower[k]} > upper {upper[k]} for variable {k}")
    if (lower == np.inf).any() or (upper == -np.inf).any():
        raise ValueError(f"bounds must leave room for a finite point, got {bounds!r:.80}")
    return lower, upper


def _spread_bound(bound: Any, shape: tuple[int, ...]) -> Array:
    """One side of a `Bounds`, flat: broadcast to ``shape``, or already flat."""
    given = as_real_array(bound, "a bound")
    if given.shape == (math.prod(shape),):
        return given.copy()
    return np.broadcast_to(given, shape).flatten()


def _from_pairs(bounds: Iterable[Any]) -> tuple[Array, Array]:
    """Split pairs, None meaning no bound."""
    pairs = [(low, high) for low, high in bounds]
    lower = [-np.inf if low is None else _scalar(low) for low, _ in pairs]
    upper = [np.inf if high is None else _scalar(high) for _, high in pairs]
    return np.array(lower), np.array(upper)


def _rounded(flat: Array, box: Any, integers: Mask, warn: bool) -> Array:
    """The start with integers where they are asked for, with a warning if it had others."""
    inside = flat if box is None else np.clip(flat, *box)
    start = np.where(integers, np.rint(inside), flat) + 0.0
    if warn and (start != np.where(integers, inside, flat)).any():
        from scipy.optimize import OptimizeWarning

        warnings.warn(
            "x0 is no integer where integrality asks for one and was rounded",
            OptimizeWarning,
            stacklevel=6,
        )
    return start


def _scalar(value: Any) -> float:
    return value if type(value) is float else as_real_array(value, "a bound").reshape(()).item()


@dataclass(frozen=True)
class Domain:
    """Where the free variables sit in the user's array.

    ``start`` is the whole start, flat; ``free`` holds the indices of the free
    variables, or None when all are. ``structure`` is that of variables in blocks, whose
    ``shape`` is flat.
    """

    shape: tuple[int, ...]
    start: Array
    free: NDArray[np.intp] | None
    box: tuple[Array, Array] | None
    structure: Structure | None = None
    integers: Mask | None = None  # which of the free variables are

    @classmethod
    def build(cls, x0: Any, bounds: Any, *, warn: bool = True, integrality: Any = None) -> Domain:
        """Check start and bounds; clip the start into the box, with a warning or without."""
        structure = Structure.of(x0)
        if structure is not None:
            x0, bounds = structure.flat(x0, "x0"), structure.pairs(bounds)
        start = as_start(x0)
        integers = as_integrality(integrality, start.shape, structure)
        domain = cls._build(start, bounds, warn, integers)
        return domain if structure is None else dataclasses.replace(domain, structure=structure)

    @classmethod
    def _build(cls, start: Array, bounds: Any, warn: bool, integers: Mask | None) -> Domain:
        shape, flat = start.shape, start.ravel()
        box = as_bounds(bounds, shape)
        if integers is not None:
            box = integer_box(box, integers)
            flat = _rounded(flat, box, integers, warn)
        if box is None:
            return cls(shape, flat, None, None, integers=integers)
        lower, upper = box
        inside = np.clip(flat, lower, upper)
        if warn and (inside != flat).any():
            from scipy.optimize import OptimizeWarning

            warnings.warn(
                "x0 is outside the bounds and was clipped to them", OptimizeWarning, stacklevel=5
            )
        if np.isinf(lower).all() and np.isinf(upper).all():
            return cls(shape, flat, None, None, integers=integers)
        fixed = lower == upper
        if not fixed.any():
            return cls(shape, inside, None, (lower, upper), integers=integers)
        free = np.flatnonzero(~fixed)
        left = None if integers is None or not integers[free].any() else integers[free]
        return cls(shape, inside, free, (lower[free], upper[free]), integers=left)

    @property
    def size(self) -> int:
        """Number of free variables."""
        return self.start.size if self.free is None else self.free.size

    @property
    def x0(self) -> Array:
        """The start in the free variables."""
        return self.start if self.free is None else self.start[self.free]

    def problem(
        self,
        has_gradient: bool,
        differences: Differences | None = None,
        precision: Precision | None = None,
    ) -> Problem:
        """The problem in the free variables, as methods are told of it."""
        x0 = self.x0.view()
        shape = self.shape if self.free is None else (self.size,)
        x0.flags.writeable = False
        held = None if self.free is None else self.start
        known = (x0, self.box, has_gradient, shape, self.free, self.shape, differences, precision)
        blocks = None if self.structure is None else self.structure.shapes
        lattice = None if self.integers is None else Lattice.of_integers(self.integers)
        return Problem(*known, blocks=blocks, held=held, lattice=lattice)

    def spread(self, points: NDArray[Any]) -> NDArray[Any]:
        """Fresh user arrays (m, *shape) from points (m, n) of the free variables."""
        if self.free is None:
            return self.reshaped(points.copy())
        full = np.empty((len(points), self.start.size), dtype=points.dtype)
        full[:] = self.start
        full[:, self.free] = points
        return full.reshape(-1, *self.shape)

    def reshaped(self, points: NDArray[Any]) -> NDArray[Any]:
        """The same points (m, n) as user arrays (m, *shape), where no variable is fixed."""
        return points if len(self.shape) == 1 else points.reshape(-1, *self.shape)

    def columns(self, points: NDArray[Any]) -> NDArray[Any]:
        """Fresh user arrays side by side, (*shape, m), from points (m, n)."""
        return np.moveaxis(self.spread(points), 0, -1)

    def gather(self, gradients: Array) -> Array:
        """Gradients (m, n) in the free variables from the user's (m, size)."""
        return gradients if self.free is None else np.ascontiguousarray(gradients[:, self.free])

    def restore(self, x: Array) -> Any:
        """The user's array, or blocks, from a point of the free variables."""
        return self._built(self.spread(x.reshape(1, -1))[0])

    def restore_gradient(self, gradient: Array) -> Any:
        """A gradient as `restore`, a copy; NaN for fixed variables, as in SciPy."""
        if self.free is None:
            return self._built(gradient.reshape(self.shape).copy())
        full = np.full(self.start.size, np.nan)
        full[self.free] = gradient
        return self._built(full.reshape(self.shape))

    def _built(self, full: Array) -> Any:
        return full if self.structure is None else self.structure.build(full)
