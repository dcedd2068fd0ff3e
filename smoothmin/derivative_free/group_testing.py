"""Which slopes a step has changed, found by testing groups of coordinates.

References: R. Dorfman, "The detection of defective members of large populations", Ann. Math.
Statist. 14 (1943) (a group is tested at once); F. K. Hwang, "A method for detecting all
defective members in a population by group testing", J. Amer. Statist. Assoc. 67 (1972)
(binary splitting).

Deviations: a test is a difference along random multiples of the group's coordinates. Slopes add
up along it, so what one half of a group has changed by is known once the other half was
tested, and the whole tree takes no more values than all coordinates do. What is left
untested is minor beside all changes.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from smoothmin._factors import MINOR
from smoothmin._protocol import Answers, Array, Ask

Indices: TypeAlias = NDArray[np.intp]

LEFT = MINOR**2  # of a sum of parts, and of the length of a vector, that is next to nothing


def few_parts(gradient: Array, direction: Array) -> Array:
    """The direction along those variables alone that promise nearly all, if they are few."""
    parts = np.abs(gradient * direction)
    kept = _largest(parts, LEFT)
    if not _few(kept.size, parts.size):
        return direction
    some = np.zeros_like(direction)
    some[kept] = direction[kept]
    return some if gradient @ some < 0.5 * (gradient @ direction) else direction


def pays(change: Array) -> bool:
    """Whether tests would have found such a change of the gradient in fewer values."""
    return _few(_largest(change * change, LEFT**2).size, change.size)


def _few(k: int, n: int) -> bool:
    """Whether finding ``k`` of ``n``, in about ``log2(n / k)`` tests each, is less than n."""
    return k > 0 and k * (1 + math.log2(n / k)) < n


def _largest(parts: Array, left: float) -> Indices:
    """Indices of the largest, which leave no more than a share of the sum."""
    order = np.argsort(parts)[::-1]
    total = np.cumsum(parts[order])
    if not 0 < total[-1] < np.inf:
        return order
    return order[: 1 + int(np.searchsorted(total, (1 - left) * total[-1]))]


class GroupTests:
    """Tests at a point, where the gradient at another is known.

    Parameters
    ----------
    x : array of shape (n,)
    f : float
        The value there.
    gradient : array of shape (n,)
        At the other point.
    sizes : array of shape (n,)
        Of differences along the coordinates, positive.
    rng : Generator
    box : pair of arrays of shape (n,), optional
    """

    def __init__(
        self,
        x: Array,
        f: float,
        gradient: Array,
        sizes: Array,
        rng: np.random.Generator,
        box: tuple[Array, Array] | None = None,
    ) -> None:
        # none like another, so that changes cancel by chance only
        moves = sizes * rng.uniform(0.5, 1.0, x.size) * rng.choice([-1.0, 1.0], x.size)
        self._room = True
        if box is not None:
            moves = np.where((x + moves < box[0]) | (x + moves > box[1]), -moves, moves)
            self._room = bool(((x + moves >= box[0]) & (x + moves <= box[1])).all())
        self._x, self._f, self._gradient, self._moves = x, f, gradient, moves

    def run(self, step: Array) -> Generator[Ask, Answers, Array | None]:
        """The gradient at the point, to which ``step`` led; None where values do not tell.

        Variables that went far share groups with others that did.
        """
        if not self._room:
            return None
        found, measured = np.zeros(self._x.size), 0.0  # changes of slopes, and their squares
        open_groups = [np.argsort(-np.abs(step / self._moves), kind="stable")]
        changes = yield from self._changes(open_groups)
        while changes is not None:
            squares = changes * changes
            order = np.argsort(squares)
            left = np.cumsum(squares[order]) <= LEFT**2 * (measured + float(squares.sum()))
            if left.all():
                return self._gradient + found
            split = order[~left]
            halves = [np.array_split(open_groups[k], 2) for k in split]
            one = yield from self._changes([half for half, _ in halves])
            if one is None:
                return None
            other = changes[split] - one  # slopes add up
            groups = [open_groups[k] for k in order[left]]
            groups += [half for pair in halves for half in pair]
            changes = np.concatenate([changes[order[left]], np.stack([one, other], 1).ravel()])
            open_groups, kept = [], np.ones(changes.size, bool)
            for k, group in enumerate(groups):
                if group.size > 1:
                    open_groups.append(group)
                    continue
                kept[k], measured = False, measured + float(changes[k] ** 2)
                found[group] = changes[k] / self._moves[group]
            changes = changes[kept]
        return None

    def _changes(self, groups: list[Indices]) -> Generator[Ask, Answers, Array | None]:
        """By how much slopes have changed along each group's moves, (m,)."""
        points = np.repeat(self._x[None], len(groups), axis=0)
        shares = np.array([1 / math.sqrt(group.size) for group in groups])  # no move is longer
        for point, group, share in zip(points, groups, shares, strict=True):
            point[group] += share * self._moves[group]
        answers = yield Ask(points, 0)
        if not np.isfinite(answers.values).all():
            return None
        slopes = [float(self._moves[group] @ self._gradient[group]) for group in groups]
        changes: Array = (answers.values - self._f) / shares - np.array(slopes)
        return changes
