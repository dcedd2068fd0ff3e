"""Values of constraints, and their Jacobians, that users tell: checked."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from smoothmin._protocol import Array
from smoothmin.constraints.forms import Item


def uncalled(constraints: Any) -> Any:
    """The same constraints, with functions that can be pickled: none is called."""
    if isinstance(constraints, (list, tuple)):
        return [uncalled(each) for each in constraints]
    if isinstance(constraints, Mapping):
        given = {key: value for key, value in constraints.items() if key != "args"}
        return {key: never if callable(value) else value for key, value in given.items()}
    if not hasattr(constraints, "fun"):
        return constraints
    other = copy.copy(constraints)
    for name in ("fun", "jac", "hess"):
        if callable(getattr(other, name, None)):
            setattr(other, name, never)
    return other


def never(x: Array) -> Array:
    """Stand for a function whose values users tell."""
    raise AssertionError("the user's function is not called")


def as_told(
    name: str,
    given: Any,
    items: Sequence[Item],
    shape: tuple[int, ...],
    sizes: Sequence[int] | None = None,
) -> list[Array]:
    """One array (S, m_i, ...) an item, where -1 in ``shape`` stands for ``m_i``."""
    if given is None:
        raise ValueError(f"{name} must be told: one array for each of {len(items)}, got None")
    parts = list(given) if isinstance(given, (list, tuple)) else [given]
    if len(parts) != len(items):
        raise ValueError(f"{name} must be {len(items)} arrays, got {len(parts)}")
    out = []
    for k, (part, item) in enumerate(zip(parts, items, strict=True)):
        found = np.asarray(part)
        if found.dtype.kind not in "biufO":
            raise TypeError(f"{name} of {item.label} must be real numbers, got {part!r:.80}")
        expected = shape if sizes is None else (shape[0], sizes[k], *shape[2:])
        fixed = int(np.prod([size for size in expected if size >= 0]))
        if len(np.atleast_1d(found)) != shape[0] or (fixed and found.size % fixed):
            raise ValueError(
                f"{name} of {item.label} must have one row for each of {shape[0]} points, got "
                f"shape {found.shape}"
            )
        if sizes is not None and found.size != fixed:
            raise ValueError(
                f"{name} of {item.label} must have shape {expected}, got {found.shape}"
            )
        out.append(np.array(found, dtype=float).reshape(expected))
    return out
