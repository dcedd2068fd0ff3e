"""Options of one value per block: which blocks there are, and what each variable gets."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from smoothmin._check import require_integer, require_real
from smoothmin._protocol import Array, Problem


def as_blocks(shapes: Any) -> tuple[tuple[int, ...], ...]:
    """The shapes of blocks, given as integers or tuples."""
    if not isinstance(shapes, (tuple, list)) or not shapes:
        raise TypeError(f"shapes must be a sequence of shapes, got {shapes!r:.80}")
    blocks = []
    for shape in shapes:
        lengths = shape if isinstance(shape, (tuple, list)) else (shape,)
        for length in lengths:
            require_integer("shapes", length, 1)
        blocks.append(tuple(int(length) for length in lengths))
    return tuple(blocks)


def is_single(value: Any) -> bool:
    """Whether an option is one number, not one per block."""
    return isinstance(value, numbers.Real) or np.ndim(value) == 0


def require_per_block(name: str, value: Any, **limits: float) -> None:
    """Raise unless ``value`` is a number within the limits of `require_real`, or several."""
    if is_single(value):
        require_real(name, value, **limits)
        return
    if np.ndim(value) != 1 or not len(value):
        raise ValueError(f"{name} must be one number or one per block, got {value!r:.80}")
    for element in value:
        require_real(name, element, **limits)


def with_blocks(problem: Problem, shapes: Any) -> tuple[tuple[int, ...], ...] | None:
    """The shapes of a problem's blocks: its own, or ``shapes``."""
    if shapes is None or problem.blocks is not None:
        return problem.blocks
    blocks, total = as_blocks(shapes), math.prod(problem.whole or problem.shape)
    given = sum(math.prod(block) for block in blocks)
    if given != total:
        raise ValueError(f"shapes must have {total} elements in total, got {given}")
    return blocks


def per_block(name: str, value: Any, problem: Problem, shapes: Any = None) -> Any:
    """One number as it is; several as one per variable, that of the block it is in."""
    if is_single(value):
        return float(value)
    blocks = with_blocks(problem, shapes)
    if blocks is None:
        raise ValueError(
            f"{name} must be one number where no shapes tell blocks apart, got {value!r:.80}"
        )
    if len(value) != len(blocks):
        raise ValueError(f"{name} must be one number or {len(blocks)} of them, got {len(value)}")
    sizes = [math.prod(block) for block in blocks]
    whole: Array = np.repeat(np.asarray(value, dtype=float), sizes)
    return whole if problem.free is None else whole[problem.free]
