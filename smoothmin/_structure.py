"""Variables in blocks: a dict, list or tuple of arrays as one flat vector, and back.

Only the user's own callables and what the user gets see the structure; the rest of the
library sees the flat vector, and the shapes of the blocks as `Problem.blocks`.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from smoothmin._returned import is_of, unmasked

Tree: TypeAlias = dict[Any, Any] | list[Any] | tuple[Any, ...]


@dataclass(frozen=True)
class Structure:
    """How blocks follow one another in a flat vector.

    Parameters
    ----------
    kind : {dict, list, tuple}
        What holds them.
    keys : tuple
        Their names, or their numbers in a list or tuple.
    shapes : tuple of tuple of int
        A number is a block of shape ().
    """

    kind: type
    keys: tuple[Any, ...]
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, x0: Any) -> Structure | None:
        """That of a start; None if it is one array, as nested sequences of numbers are.

        Raises
        ------
        TypeError, ValueError
            For blocks that are not arrays of real numbers, or empty.
        """
        if isinstance(x0, Mapping):
            kind: type = dict
            items: dict[Any, Any] = dict(x0)
        elif isinstance(x0, (list, tuple)) and any(_is_array(block) for block in x0):
            kind, items = type(x0), dict(enumerate(x0))
            if kind not in (list, tuple):
                raise TypeError(f"x0 must be a plain list or tuple of arrays, got {kind.__name__}")
        else:
            return None
        if not items:
            raise ValueError("x0 must have at least one block, got an empty dict")
        shapes = tuple(_shape_of(key, block, kind) for key, block in items.items())
        return cls(kind, tuple(items), shapes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many elements each block has."""
        return tuple(math.prod(shape) for shape in self.shapes)

    @property
    def labels(self) -> tuple[str, ...]:
        """What each element of the flat vector is called: ``rate``, ``weights[0, 2]``."""
        return tuple(
            f"{key}[{', '.join(map(str, index))}]" if index else str(key)
            for key, shape in zip(self.keys, self.shapes, strict=True)
            for index in np.ndindex(*shape)
        )

    def flat(self, tree: Any, name: str) -> NDArray[Any]:
        """The flat vector of blocks in this structure; ``name`` is theirs in errors."""
        blocks = self._blocks(tree, name)
        parts = []
        for key, shape, block in zip(self.keys, self.shapes, blocks, strict=True):
            array = np.asarray(unmasked(block))
            if not is_of(array.shape, shape):
                raise ValueError(f"{name}[{key!r}] must have shape {shape}, got {array.shape}")
            parts.append(array.reshape(-1))
        return np.concatenate(parts)

    def spread_by_key(self, tree: Mapping[Any, Any], name: str) -> NDArray[Any]:
        """A flat vector of what each block has, a number that is of all its elements, or zero."""
        if unknown := set(tree) - set(self.keys):
            raise ValueError(f"{name} must have keys of {list(self.keys)}, got {list(unknown)}")
        parts = []
        for key, shape in zip(self.keys, self.shapes, strict=True):
            given = np.asarray(tree.get(key, 0))
            if given.shape not in ((), (1,), shape, (math.prod(shape),)):
                raise ValueError(f"{name}[{key!r}] must have shape {shape}, got {given.shape}")
            parts.append(np.broadcast_to(given.ravel(), (math.prod(shape),)))
        return np.concatenate(parts)

    def build(self, flat: NDArray[Any]) -> Tree:
        """The blocks of a flat vector (n,), as views, or of columns (n, m)."""
        blocks, start = [], 0
        for shape, size in zip(self.shapes, self.sizes, strict=True):
            part = flat[start : start + size]
            blocks.append(
                part.reshape(*shape, *flat.shape[1:]) if shape or part.ndim > 1 else part[0]
            )
            start += size
        if self.kind is dict:
            return dict(zip(self.keys, blocks, strict=True))
        return blocks if self.kind is list else tuple(blocks)

    def matrix(self, jacobian: Any, columns: tuple[int, ...] = ()) -> NDArray[Any]:
        """The Jacobian (m, n, *columns) of blocks (m, *shape, *columns)."""
        parts: list[NDArray[Any]] = []
        blocks = self._blocks(jacobian, "the Jacobian")
        for key, shape, block in zip(self.keys, self.shapes, blocks, strict=True):
            array, size = np.asarray(unmasked(block)), math.prod(shape)
            m = array.size // math.prod((size, *columns))
            if not is_of(array.shape, (m, *shape, *columns)) or (parts and m != len(parts[0])):
                raise ValueError(
                    f"the Jacobian[{key!r}] must have shape {('m', *shape)} for m values of the "
                    f"constraint, got {array.shape}"
                )
            parts.append(array.reshape(m, size, *columns))
        return np.concatenate(parts, axis=1)

    def pairs(self, bounds: Any) -> Any:
        """Bounds in this structure as pairs for the flat vector; flat ones as they are.

        A block's are a `Bounds`, one pair of numbers or arrays that are broadcast to it, a
        list of one pair per element, or None.
        """
        in_blocks = isinstance(bounds, Mapping) or (
            self.kind is not dict
            and isinstance(bounds, (list, tuple))
            and len(bounds) == len(self.keys)
        )
        if not in_blocks:
            return bounds
        found: list[Any] = []
        blocks = self._blocks(bounds, "bounds")
        for key, shape, block in zip(self.keys, self.shapes, blocks, strict=True):
            found += _pairs_of(f"bounds[{key!r}]", block, shape)
        return found

    def _blocks(self, tree: Any, name: str) -> list[Any]:
        """The blocks in the order of this structure."""
        if self.kind is dict:
            if not isinstance(tree, Mapping):
                raise TypeError(f"{name} must be a dict as x0 is, got {type(tree).__name__}")
            if set(tree) != set(self.keys):
                raise ValueError(f"{name} must have the keys {list(self.keys)}, got {list(tree)}")
            return [tree[key] for key in self.keys]
        if not isinstance(tree, Sequence) or len(tree) != len(self.keys):
            raise ValueError(
                f"{name} must be a sequence of {len(self.keys)} blocks as x0 is, got {tree!r:.80}"
            )
        return list(tree)


class InBlocks:
    """A user's callable, given blocks where the library has a flat vector.

    Parameters
    ----------
    fun : callable
    structure : Structure
    returns : {"value", "gradient", "both", "jacobian"}
        Gradients are in the same structure, and made flat; Jacobians may be, if that is a dict.
    """

    def __init__(self, fun: Callable[..., Any], structure: Structure, returns: str) -> None:
        self.fun, self._structure, self._returns = fun, structure, returns

    def __call__(self, x: NDArray[Any], *args: Any) -> Any:
        """Call it at blocks of the flat ``x`` (n,), or of columns (n, m)."""
        found = self.fun(self._structure.build(x), *args)
        if self._returns == "value":
            return found
        if self._returns == "gradient":
            return self._flat(found, x)
        if self._returns == "jacobian":
            return (
                self._structure.matrix(found, x.shape[1:]) if isinstance(found, Mapping) else found
            )
        try:
            value, gradient = found
        except (TypeError, ValueError):
            return found  # for whoever takes pairs apart to refuse
        return value, self._flat(gradient, x)

    def _flat(self, gradient: Any, x: NDArray[Any]) -> NDArray[Any]:
        if x.ndim == 1:
            return self._structure.flat(gradient, "the gradient")
        blocks = self._structure._blocks(gradient, "the gradient")
        return np.concatenate([np.asarray(block).reshape(-1, x.shape[1]) for block in blocks])


def _is_array(block: Any) -> bool:
    return isinstance(block, np.ndarray) and block.ndim > 0


def _shape_of(key: Any, block: Any, kind: type) -> tuple[int, ...]:
    """The shape of a block, checked."""
    number = isinstance(block, numbers.Real) and not isinstance(block, bool)
    if not isinstance(block, np.ndarray) and not (kind is dict and _is_regular(block, number)):
        raise TypeError(
            f"x0[{key!r}] must be an array as other blocks are, got {type(block).__name__}"
        )
    array = np.asarray(block)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"x0[{key!r}] must be an array of real numbers, got dtype {array.dtype}")
    if array.size == 0:
        raise ValueError(f"x0[{key!r}] must not be empty, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"x0[{key!r}] must be finite, got {block!r:.80}")
    return array.shape


def _is_regular(block: Any, number: bool) -> bool:
    """Whether a dict's block is a number or nested sequences of numbers, not ragged."""
    if number:
        return True
    if not isinstance(block, (list, tuple)):
        return False
    try:
        return np.asarray(block).dtype != object
    except ValueError:
        return False


def _pairs_of(name: str, block: Any, shape: tuple[int, ...]) -> list[tuple[Any, Any]]:
    """A block's bounds, one pair per element."""
    size = math.prod(shape)
    if block is None:
        return [(None, None)] * size
    if hasattr(block, "lb") and hasattr(block, "ub"):
        block = (np.asarray(block.lb), np.asarray(block.ub))
    if not isinstance(block, (list, tuple)):
        raise ValueError(
            f"{name} must be a pair, a Bounds or one pair per element, got {block!r:.80}"
        )
    one_pair = len(block) == 2 and not any(isinstance(side, (list, tuple)) for side in block)
    if not one_pair:
        if len(block) != size:
            raise ValueError(f"{name} must have one pair for each of {size}, got {len(block)}")
        return list(block)
    try:
        sides = [
            _spread(far if side is None else side, shape)
            for side, far in zip(block, (-np.inf, np.inf), strict=True)
        ]
    except (TypeError, ValueError):
        raise ValueError(f"{name} must fit shape {shape}, got {block!r:.80}") from None
    return list(zip(*(side.tolist() for side in sides), strict=True))


def _spread(side: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """One side of a block's bounds, flat; `Bounds` makes an array of one of a number."""
    given = np.asarray(side, dtype=float)
    return np.broadcast_to(given.reshape(()) if given.size == 1 else given, shape).ravel()
