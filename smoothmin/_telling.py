"""What users give an `Optimizer`: its arguments, which they may change, and what they tell it.

That is points, values, gradients and constraints, as arrays.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin._domain import Domain
from smoothmin._protocol import Array
from smoothmin._returned import as_real_array, unmasked
from smoothmin.constraints.evaluation import Sizes
from smoothmin.constraints.forms import Item
from smoothmin.constraints.told import as_told

# where users evaluate
OF_NO_EFFECT = (
    "asynchronous",
    "disp",
    "journal",
    "on_error",
    "progress",
    "return_on_interrupt",
    "workers",
)


def told_points(points: Any, domain: Domain) -> Array:
    """Points as the user has them, flat: (S, N)."""
    size, shape = domain.start.size, domain.shape
    told = as_real_array(_stacked("points", points, domain), "points")
    if told.shape in (shape, (size,)):  # one
        told = told[None]
    if told.shape[1:] not in (shape, (size,)) and told.size:
        raise ValueError(
            f"points must have shape (S, {', '.join(map(str, shape))}), got {told.shape}"
        )
    return told.reshape(-1, size)


def told_gradients(gradients: Any, count: int, domain: Domain) -> Array:
    """Gradients at so many points, in the free variables: (S, n)."""
    expected = (count, *domain.shape)
    found = as_real_array(_stacked("gradients", gradients, domain), "gradients")
    if found.shape != expected:
        raise ValueError(f"gradients must have shape {expected}, got {found.shape}")
    return domain.gather(found.reshape(count, domain.start.size).copy())


def told_rows(
    values: Array,
    gradients: Array | None,
    constraints: Any,
    jacobians: Any,
    items: list[Item],
    sizes: Sizes,
    domain: Domain,
) -> tuple[Array, Array | None]:
    """Rows (S, w) and slopes (S, w, n): values and gradients, and those of the constraints."""
    count, size = len(values), domain.start.size
    parts = as_told("constraints", constraints, items, (count, -1))
    lengths = [part.shape[1] for part in parts]
    for item, m in zip(items, lengths, strict=True):
        item.spread(m)
    told = []
    if gradients is not None:
        told = as_told("jacobians", jacobians, items, (count, -1, size), lengths)
    sizes.see(lengths)
    rows = np.concatenate([values[:, None], *parts], axis=1)
    if gradients is None:
        return rows, None
    wide = np.concatenate(told, axis=1)
    slim = domain.gather(wide.reshape(-1, size)).reshape(*wide.shape[:2], -1)
    return rows, np.concatenate([gradients[:, None], slim], axis=1)


def _stacked(name: str, found: Any, domain: Domain) -> NDArray[Any]:
    """Points or gradients as one array, (S, N) where they come in blocks."""
    structure = domain.structure
    if structure is None:
        return np.asarray(unmasked(found))
    return np.array([structure.flat(blocks, f"{name}[{k}]") for k, blocks in enumerate(found)])


def owned(x0: Any, method: Any, bounds: Any, options: Any) -> tuple[Any, ...]:
    """Copies of what the caller may change, as deep as they can be made."""
    if isinstance(bounds, Iterator):
        bounds = list(bounds)
    if isinstance(options, Mapping):
        options = {key: copied(value) for key, value in options.items() if key not in OF_NO_EFFECT}
    return copied(x0), copied(method), copied(bounds), options


def copied(value: Any) -> Any:
    """A deep copy, if there can be one."""
    try:
        return copy.deepcopy(value)
    except Exception:  # an object that cannot be copied, whatever it raises, is shared
        return value


def warn_of_unused(options: Any) -> None:
    """Say which options are of no use to users who evaluate by themselves."""
    given = options if isinstance(options, Mapping) else {}
    unused = [name for name in OF_NO_EFFECT if given.get(name)]
    if unused:
        text = f"options of no effect on an Optimizer: {', '.join(unused)}"
        warnings.warn(text, RuntimeWarning, stacklevel=3)
