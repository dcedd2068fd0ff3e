"""Where the constraints hold: rows over the free variables, violations, what is best.

Of all rows the linear ones come first, then the nonlinear ones, each in the user's order.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin._domain import Domain
from smoothmin._machine import TINY
from smoothmin._protocol import Array, Mask, Rows
from smoothmin.constraints.forms import Forms


def excess(rows: Rows, values: Array) -> Array:
    """By how much ``values`` (..., k) violate each row; NaN is infinitely wrong."""
    with np.errstate(invalid="ignore"):
        beyond: Array = np.maximum(np.maximum(rows.lower - values, values - rows.upper), 0.0)
    beyond[beyond != beyond] = np.inf
    return beyond


def scaled_excess(rows: Rows, values: Array) -> Array:
    """The same in units of max(1, |c|)."""
    beyond = excess(rows, values)
    beyond /= np.fmin(np.fmax(np.abs(values), 1.0), 1 / TINY)
    return beyond


def relative_excess(rows: Rows, values: Array) -> Array:
    """The same in units of max(1, |limit|), so that of two points far outside one is nearer."""
    limits = np.where(values < rows.lower, rows.lower, rows.upper)
    return excess(rows, values) / np.fmin(np.fmax(np.abs(limits), 1.0), 1 / TINY)


def dense(matrix: Any) -> Array:
    """A matrix as an ordinary array."""
    found: Array = matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix)
    return found


def part_of(rows: Rows, which: Mask) -> Rows:
    """Some of the rows."""
    return Rows(
        rows.lower[which],
        rows.upper[which],
        rows.tolerance[which],
        None if rows.matrix is None else rows.matrix[which],
        None if rows.hard is None else _marked(rows.hard[which]),
        None if rows.resolution is None else _marked(rows.resolution[which]),
    )


def stacked_rows(parts: list[Rows]) -> Rows:
    """Several sets of rows as one."""
    if len(parts) == 1:
        return replace(
            parts[0], hard=_marked(parts[0].hard), resolution=_marked(parts[0].resolution)
        )
    matrices = [part.matrix for part in parts]
    matrix = None
    if matrices[0] is not None:
        if any(hasattr(each, "toarray") for each in matrices):
            from scipy.sparse import csr_array, vstack

            matrix = csr_array(vstack([csr_array(each) for each in matrices]))
        else:
            matrix = np.vstack(matrices)
    hard = [np.zeros(len(p.lower), dtype=bool) if p.hard is None else p.hard for p in parts]
    steps = [np.zeros(len(p.lower)) if p.resolution is None else p.resolution for p in parts]
    return Rows(
        np.concatenate([part.lower for part in parts]),
        np.concatenate([part.upper for part in parts]),
        np.concatenate([part.tolerance for part in parts]),
        matrix,
        _marked(np.concatenate(hard)),
        _marked(np.concatenate(steps)),
    )


def _marked(given: NDArray[Any] | None) -> Any:
    """The same, None where nothing is."""
    return given if given is not None and given.any() else None


@dataclass(frozen=True)
class FeasibleRegion:
    """The constraints of a run over its free variables.

    Parameters
    ----------
    forms : Forms
        As the user gave them.
    linear : Rows or None
        Equalities among them.
    sizes : dict
        Rows of each item, as far as known: of nonlinear ones after the first evaluation.
    nonlinear : Rows or None
        None before the first evaluation, and if there is no row.
    """

    forms: Forms
    linear: Rows | None
    sizes: dict[int, int] = field(default_factory=dict)
    nonlinear: Rows | None = None

    @classmethod
    def of(cls, forms: Forms, domain: Domain) -> FeasibleRegion:
        """The constraints in the free variables of this domain."""
        parts, sizes = [], {}
        for k in forms.linear:
            item = forms.items[k]
            m = sizes[k] = item.matrix.shape[0]
            lower, upper, matrix = item.lower, item.upper, item.matrix
            if domain.free is not None:
                held = domain.start.copy()
                held[domain.free] = 0.0
                constant = matrix @ held
                lower, upper = lower - constant, upper - constant
                matrix = matrix[:, domain.free]
            parts.append(Rows(lower, upper, forms.tolerance(k, m), matrix, item.hard))
        linear = stacked_rows(parts) if parts else None
        if linear is not None and not len(linear.lower):
            linear = None
        return cls(forms, linear, sizes)

    @property
    def has_nonlinear(self) -> bool:
        """Whether rows have to be evaluated."""
        return bool(self.forms.nonlinear)

    def learned(self, sizes: list[int]) -> FeasibleRegion:
        """With so many rows of each nonlinear item, as the first evaluation has shown."""
        parts, known = [], dict(self.sizes)
        for k, m in zip(self.forms.nonlinear, sizes, strict=True):
            item = self.forms.items[k]
            lower, upper, hard = item.spread(m)
            known[k] = m
            step = np.full(m, 0.0 if item.exact else item.stencil(None).resolution)
            parts.append(Rows(lower, upper, self.forms.tolerance(k, m), None, hard, step))
        rows = stacked_rows(parts)
        return replace(self, sizes=known, nonlinear=rows if len(rows.lower) else None)

    def values(self, points: Array, rows: Array | None) -> Array:
        """All rows' values (m, K) at ``points`` (m, n), where nonlinear ones are ``rows``."""
        parts = []
        if self.linear is not None:
            parts.append((self.linear.matrix @ points.T).T)
        if self.nonlinear is not None and rows is not None:
            parts.append(rows)
        if len(parts) == 1:
            only: Array = parts[0]
            return only
        return np.concatenate(parts, axis=1) if parts else np.empty((len(points), 0))

    @cached_property
    def rows(self) -> Rows | None:
        """All rows, without matrices."""
        parts = [replace(p, matrix=None) for p in (self.linear, self.nonlinear) if p is not None]
        return stacked_rows(parts) if parts else None

    def scattered(self, values: Array) -> list[Array]:
        """Numbers (K,) of all rows as one array an item, in the user's order."""
        out: list[Array] = [np.empty(0)] * len(self.forms.items)
        first = 0
        for k in [*self.forms.linear, *self.forms.nonlinear]:
            m = self.sizes.get(k, 0)
            out[k] = values[first : first + m].copy()
            first += m
        return out
