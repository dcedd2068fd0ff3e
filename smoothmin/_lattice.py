"""Variables that are integers: which they are, and the nearest points that may be evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from smoothmin._structure import Structure

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Lattice:
    """Points whose coordinates are ``origin + k step`` with integers ``k``.

    Parameters
    ----------
    step : ndarray, shape (n,)
        Zero for variables that are real.
    origin : ndarray, shape (n,)
    """

    step: Array
    origin: Array

    @classmethod
    def of_integers(cls, integers: Mask) -> Lattice:
        """The integers themselves."""
        return cls(integers.astype(float), np.zeros(integers.size))

    @property
    def discrete(self) -> Mask:
        """Which variables have steps."""
        return self.step > 0

    def nearest(self, x: Array) -> Array:
        """The nearest points of the lattice, of points (..., n)."""
        step = np.where(self.discrete, self.step, 1.0)
        near = self.origin + step * np.rint((x - self.origin) / step)
        return np.where(self.discrete, near + 0.0, x)  # no negative zero

    def part(self, kept: NDArray[Any]) -> Lattice:
        """That of some of the variables."""
        return Lattice(self.step[kept], self.origin[kept])


def as_integrality(
    value: Any, shape: tuple[int, ...], structure: Structure | None = None
) -> Mask | None:
    """Which of the flat variables are integers; None if none is.

    Raises
    ------
    TypeError, ValueError
        For anything but truth values, one or as many as there are variables.
    """
    if value is None:
        return None
    if structure is not None and isinstance(value, Mapping):
        value = structure.spread_by_key(value, "integrality")
    given = np.asarray(value)
    if given.dtype.kind not in "biuf":
        raise TypeError(f"integrality must be True or False per variable, got {value!r:.80}")
    if not np.isin(given, (0, 1)).all():
        raise ValueError(f"integrality must be True or False per variable, got {value!r:.80}")
    size = int(np.prod(shape))
    if given.shape not in ((), (1,), (size,), shape):
        raise ValueError(
            f"integrality must be one truth value or {size} of them, got shape {given.shape}"
        )
    mask = np.broadcast_to(given.astype(bool).ravel(), (size,)).copy()
    return mask if mask.any() else None


def integer_box(box: tuple[Array, Array] | None, integers: Mask) -> tuple[Array, Array] | None:
    """Bounds that are integers where variables are, no wider than those given."""
    if box is None:
        return None
    lower = np.where(integers, np.ceil(box[0]), box[0])
    upper = np.where(integers, np.floor(box[1]), box[1])
    if (lower > upper).any():
        k = int(np.argmax(lower > upper))
        raise ValueError(
            f"bounds of variable {k}, an integer by integrality, must hold one, "
            f"got {box[0][k]:g} and {box[1][k]:g}"
        )
    return lower + 0.0, upper + 0.0
