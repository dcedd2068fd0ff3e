"""A journal on disk of all evaluations, from which a run that was killed goes on.

The same call makes the same points, so what was found at them need not be found again:
the first values come from the journal, as long as there are any, and those after them are
added to it. A record is one evaluation: a digest of the point, the value, the gradient.
Before the first come a mark, so that no other file is taken for a journal, how many
numbers a gradient has, and a seed, so that a run without one can be the same again.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from smoothmin._limits import Halt, Limits
from smoothmin._protocol import Array
from smoothmin._source import Block, Serial, Source

DIGEST_BYTES = 8
MARK = b"smoothmin journal 1\n"
HEADER = np.dtype([("mark", f"V{len(MARK)}"), ("width", "<u8"), ("seed", "V16")])
# values, gradients (m, n) or of no columns, and what ends the run
Kept: TypeAlias = tuple[NDArray[Any], Array, BaseException | None]


class Journal(Source):
    """Another source's answers, remembered.

    Parameters
    ----------
    source : Source
    path : str or path-like
        Made if there is none.

    Attributes
    ----------
    seed : int
        For a run that has none of its own: the same for as long as the file is there.

    Raises
    ------
    TypeError, ValueError, OSError
        If ``path`` is no path, or not the journal of such a problem, or cannot be written.
        What is in the file is left as it was.
    """

    def __init__(self, source: Source, path: Any) -> None:
        super().__init__(source.objective, source.domain)
        self._source = source
        try:
            self._path = os.fspath(path)
        except TypeError:
            raise TypeError(f"journal must be a path, got {path!r}") from None
        width = source.domain.size if source.objective.has_gradient else 0
        self._row = np.dtype([("point", f"V{DIGEST_BYTES}"), ("value", "c16"), ("g", "f8", width)])
        self._file = open(self._path, "ab+", buffering=0)  # noqa: SIM115 (closed with the source)
        try:
            self._rows = self._read(width)
        except BaseException:
            self._file.close()
            raise
        self._next = 0
        # what is lost if the process dies: what was asked of the source in one call
        self._one_by_one = isinstance(source, Serial)

    def _read(self, width: int) -> NDArray[Any]:
        """The records in the file, which gets a header if it is new."""
        self._file.seek(0)
        held = self._file.read()
        if not (held.startswith(MARK) or MARK.startswith(held)):
            raise ValueError(f"journal {self._path!r} is a file of something else")
        if len(held) < HEADER.itemsize:
            self._file.truncate(0)
            held = MARK + width.to_bytes(8, "little") + secrets.token_bytes(16)
            self._file.write(held)
        header = np.frombuffer(held, HEADER, 1)[0]
        if header["width"] != width:
            raise ValueError(
                f"journal {self._path!r} is of another run: its gradients have "
                f"{header['width']} elements, those of this run {width}"
            )
        self.seed = int.from_bytes(header["seed"].tobytes(), "little")
        # a killed process may leave half a record behind
        records = held[HEADER.itemsize :]
        whole = len(records) - len(records) % self._row.itemsize
        self._file.truncate(HEADER.itemsize + whole)
        return np.frombuffer(records[:whole], dtype=self._row)

    def batches(self, blocks: Iterator[Array]) -> Iterator[list[Array]]:
        """As the source likes them."""
        return self._source.batches(blocks)

    def close(self) -> None:
        """Close the file, and the source."""
        self._file.close()
        self._source.close()

    def __call__(
        self, points: NDArray[Any], order: int, limits: Limits, center: Array | None = None
    ) -> Block:
        """See `Source`."""
        points = points if center is None else center + points
        parts = [self._remembered(points, limits)]
        done, ended = len(parts[0][0]), parts[0][2]
        step = 1 if self._one_by_one else len(points)
        while done < len(points) and ended is None:
            asked = points[done : done + step]
            values, gradients, ended = self._source(asked, order, limits)
            parts.append((values, self._write(asked, values, gradients), ended))
            done += len(values)
        values = np.concatenate([part[0] for part in parts])
        if not order or not self.objective.has_gradient:
            return values, None, ended
        return values, np.concatenate([part[1] for part in parts]), ended

    def _remembered(self, points: NDArray[Any], limits: Limits) -> Kept:
        """What the journal has of these points, as far as a run would have gone."""
        rows = self._rows[self._next : self._next + len(points)]
        ended = None
        for k, (point, row) in enumerate(zip(points, rows, strict=False)):
            if self._digest(point) != row["point"].tobytes():
                raise ValueError(
                    f"journal {self._path!r} is of another run: its evaluation "
                    f"{self._next + k + 1} was at another point; is rng the same?"
                )
            try:
                limits.look_at_value(float(row["value"].real))
            except Halt as halt:
                rows, ended = rows[: k + 1], halt
                break
        self._next += len(rows)
        values = rows["value"] if np.iscomplexobj(points) else rows["value"].real
        return values.copy(), rows["g"].copy(), ended

    def _write(self, points: NDArray[Any], values: NDArray[Any], gradients: Array | None) -> Array:
        """Add what was found at the first of ``points``; its gradients, NaN for none."""
        rows = np.empty(len(values), dtype=self._row)
        for row, point in zip(rows, points, strict=False):
            row["point"] = np.void(self._digest(point))
        rows["value"] = values
        rows["g"] = np.nan if gradients is None else gradients
        self._file.write(rows.tobytes())
        found: Array = rows["g"]
        return found

    def _digest(self, point: NDArray[Any]) -> bytes:
        """Of the user's whole array."""
        whole = self.domain.spread(point[None])[0]
        return hashlib.blake2b(whole.tobytes(), digest_size=DIGEST_BYTES).digest()
