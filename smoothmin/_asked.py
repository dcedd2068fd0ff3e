"""A batch that was asked for, and what has come of it: in any order, in any parts."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smoothmin._protocol import Array, Mask
from smoothmin.journal.told import digest

FOREIGN, REPEATED = -1, -2  # instead of a place among the points that were asked for


class OtherPoints(ValueError):
    """What was kept of a batch is of another one."""

    def __init__(self) -> None:
        super().__init__(
            "an Optimizer told again what it was told asks for other points: another processor or "
            "another version of NumPy may round differently"
        )


class Part(NamedTuple):
    """What has come of a batch of these points: where, and what."""

    points: NDArray[np.uint8]  # a digest
    answered: Mask
    values: Array
    gradients: Array | None


class Foreign(NamedTuple):
    """Points that were told though nobody had asked for them.

    After how many answers, and after what part of the next.
    """

    answers: int
    points: Array
    values: Array
    part: Part | None


class Batch:
    """Points that were asked for, and their answers as they come.

    Parameters
    ----------
    points : ndarray, shape (m, n)
        In the free variables.
    whole : ndarray, shape (m, N)
        The user's, flat.
    earlier : collection of bytes
        `keys` of the batch before, whose answers may come twice.
    """

    def __init__(self, points: Array, whole: Array, earlier: Collection[bytes] = ()) -> None:
        self.points, self.answered = points, np.zeros(len(points), dtype=bool)
        self._earlier = earlier
        self._places: dict[bytes, list[int]] = {}
        for k, key in enumerate(_keys(whole)):
            self._places.setdefault(key, []).append(k)
        self._values: Array | None = None
        self._gradients: Array | None = None

    @property
    def keys(self) -> Collection[bytes]:
        """What tells its points from others."""
        return self._places.keys()

    @property
    def left(self) -> Array:
        """The points that have no answer yet."""
        return self.points[~self.answered]

    def places(self, told: Array) -> NDArray[np.intp]:
        """Where points (k, N) are among those asked for, or `FOREIGN`, or `REPEATED`.

        A point that was asked for several times is answered as often.
        """
        taken: dict[bytes, int] = {}
        found = []
        for key in _keys(told):
            places = [k for k in self._places.get(key, ()) if not self.answered[k]]
            count = taken.get(key, 0)
            if count < len(places):
                found.append(places[count])
                taken[key] = count + 1
            else:
                again = key in self._places or key in self._earlier
                found.append(REPEATED if again else FOREIGN)
        return np.array(found, dtype=np.intp)

    def take(self, places: NDArray[np.intp], values: Array, gradients: Array | None) -> None:
        """Keep what was found at some of the points."""
        if self._values is None:
            self._values = np.empty((len(self.points), *values.shape[1:]))
            if gradients is not None:
                self._gradients = np.empty((len(self.points), *gradients.shape[1:]))
        self._values[places] = values
        if self._gradients is not None:
            self._gradients[places] = gradients
        self.answered[places] = True

    @property
    def found(self) -> tuple[Array, Array, Array | None]:
        """The points that have an answer, their values and gradients."""
        here = self.answered
        if self._values is None:
            return self.points[here], np.empty(0), None
        gradients = None if self._gradients is None else self._gradients[here]
        return self.points[here], self._values[here], gradients

    def part(self) -> Part | None:
        """All that has to be kept for `restore`; None before any answer."""
        if self._values is None:
            return None
        _, values, gradients = self.found
        return Part(digest(self.points), self.answered.copy(), values, gradients)

    def restore(self, part: Part | None) -> None:
        """Take what another batch of the same points had."""
        if part is None:
            return
        if not np.array_equal(part.points, digest(self.points)):
            raise OtherPoints
        self.take(np.flatnonzero(part.answered), part.values, part.gradients)


def _keys(whole: Array) -> list[bytes]:
    """Of points (m, N), by their bits, but for the sign of zero."""
    return [row.tobytes() for row in whole + 0.0]
