"""What an `Optimizer` was told, kept where it needs little memory."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from typing import IO

import numpy as np

from smoothmin._machine import LARGE
from smoothmin._protocol import Array
from smoothmin.journal.records import FRAME, Record, content_of, decoded, encoded, framed

DIGEST_BYTES = 8


class Told:
    """Answers in the order they came, each with a digest of the points that they are of.

    Parameters
    ----------
    content : bytes
        What `content` of another returned.
    """

    def __init__(self, content: bytes = b"") -> None:
        self._file: IO[bytes] = io.BytesIO()
        self._on_disk = False
        self._write(content)

    def add(self, points: Array, values: Array, gradients: Array | None) -> None:
        """Keep an answer."""
        self._write(framed(encoded(Record(digest(points), values, gradients))))

    @property
    def size(self) -> int:
        """Bytes of it."""
        return self._file.seek(0, os.SEEK_END)

    def content(self) -> bytes:
        """All of it."""
        self._file.seek(0)
        return self._file.read()

    def _write(self, data: bytes) -> None:
        end = self._file.seek(0, os.SEEK_END)
        if not self._on_disk and end + len(data) > 8 * LARGE:
            before = self._file
            before.seek(0)
            self._file, self._on_disk = tempfile.TemporaryFile(), True  # noqa: SIM115
            weakref.finalize(self, self._file.close)
            shutil.copyfileobj(before, self._file)
        self._file.write(data)

    def __iter__(self) -> Iterator[Record]:
        """The answers, read from the beginning; none may be added meanwhile."""
        self._file.seek(0)
        while frame := self._file.read(FRAME.size):
            length = FRAME.unpack(frame)[0] if len(frame) == FRAME.size else 0
            content = content_of(frame + self._file.read(length)) if length else None
            if content is None:
                raise ValueError("the pickle of an Optimizer is damaged")
            found = decoded(content)
            gradients = None if found.gradients is None else found.gradients.copy()
            yield Record(found.points, found.values.copy(), gradients)


def digest(points: Array) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Of points (m, n), shape (DIGEST_BYTES,)."""
    found = hashlib.blake2b(np.ascontiguousarray(points).tobytes(), digest_size=DIGEST_BYTES)
    return np.frombuffer(found.digest(), np.uint8)
