"""Values of constraints, and their Jacobians, that users tell: checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from smoothmin._protocol import Array
from smoothmin.constraints.forms import Item


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
