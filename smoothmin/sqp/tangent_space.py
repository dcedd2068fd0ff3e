"""The space in which steps leave linearized rows as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from smoothmin._machine import HALF_OF_DIGITS, PRODUCTS
from smoothmin._protocol import Array


def normal_basis(rows: Array) -> Array:
    """Orthonormal rows (r, n) with the span of these (k, n), whatever their lengths."""
    lengths = np.linalg.norm(rows, axis=1)
    rows = rows[lengths > 0] / lengths[lengths > 0, None]
    if not len(rows):
        return rows
    _, sizes, basis = np.linalg.svd(rows, full_matrices=False)
    found: Array = basis[sizes > PRODUCTS * sizes[0]]
    return found


def tangential(steps: Array, basis: Array) -> Array:
    """What steps (n,) or (m, n) have beside the normals of an orthonormal basis (r, n)."""
    if not len(basis):
        return steps
    for _ in range(2):  # once more, for rounding
        steps = steps - steps.dot(basis.T).dot(basis)
    return steps


def apart(steps: Iterable[Array]) -> Iterator[Array]:
    """Those of the steps that none before is as good as the same as."""
    before: list[Array] = []
    for step in steps:
        least = HALF_OF_DIGITS * np.linalg.norm(step)
        if all(np.linalg.norm(step - other) > least for other in before):
            before.append(step)
            yield step
