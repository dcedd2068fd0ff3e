"""Options of one value per block: which blocks there are, and what each variable gets."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from smoothmin._check import require_integer, require_real
from smoothmin._protocol import Array, Problem


def block_sizes(shapes: Any) -> tuple[int, ...]:
    """How many elements blocks of ``shapes``, integers or tuples, have."""
    if not isinstance(shapes, (tuple, list)) or not shapes:
        raise TypeError(f"shapes must be a sequence of shapes, got {shapes!r}")
    sizes = []
    for shape in shapes:
        lengths = shape if isinstance(shape, (tuple, list)) else (shape,)
        for length in lengths:
            require_integer("shapes", length, 1)
        sizes.append(math.prod(int(length) for length in lengths))
    return tuple(sizes)


def is_single(value: Any) -> bool:
    """Whether an option is one number, not one per block."""
    return isinstance(value, numbers.Real) or np.ndim(value) == 0


def require_per_block(name: str, value: Any, **limits: float) -> None:
    """Raise unless ``value`` is a number within the limits of `require_real`, or several."""
    if is_single(value):
        require_real(name, value, **limits)
        return
    if np.ndim(value) != 1 or not len(value):
        raise ValueError(f"{name} must be one number or one per block, got {value!r}")
    for element in value:
        require_real(name, element, **limits)


def with_blocks(problem: Problem, shapes: Any) -> tuple[int, ...] | None:
    """The sizes of a problem's blocks: its own, or those of ``shapes``."""
    if shapes is None or problem.blocks is not None:
        return problem.blocks
    sizes, total = block_sizes(shapes), math.prod(problem.whole or problem.shape)
    if sum(sizes) != total:
        raise ValueError(f"shapes must have {total} elements in total, got {sum(sizes)}")
    return sizes


def per_block(name: str, value: Any, problem: Problem, shapes: Any = None) -> Any:
    """One number as it is; several as one per variable, that of the block it is in."""
    if is_single(value):
        return float(value)
    sizes = with_blocks(problem, shapes)
    if sizes is None:
        raise ValueError(
            f"{name} must be one number where no shapes tell blocks apart, got {value!r}"
        )
    if len(value) != len(sizes):
        raise ValueError(f"{name} must be one number or {len(sizes)} of them, got {len(value)}")
    whole: Array = np.repeat(np.asarray(value, dtype=float), sizes)
    return whole if problem.free is None else whole[problem.free]
