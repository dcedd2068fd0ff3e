"""The file of a journal: a header, then records with length and checksum.

A record is what was evaluated in one go: points, values and gradients, each an array with
its type and shape. Where a record does not check, the file ends: what a dying process, a
full disk or a failing one left there is cut off, and what is before serves.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Mapping, Sequence
from typing import IO, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from smoothmin.journal.lock import Lock, guard

MARK = b"smoothmin journal "
FORMAT = b"3\n"
LENGTH = struct.Struct("<II")  # of the header's record, and its complement
FRAME = struct.Struct("<II")  # length, checksum of length and content
KIND = struct.Struct("<cB")  # type of an array, number of dimensions

Header: TypeAlias = Mapping[str, Any]


class Record(NamedTuple):
    """Points (k, N), or what stands for them; values (k, ...); gradients (k, ...) or None."""

    points: NDArray[Any]
    values: NDArray[Any]
    gradients: NDArray[Any] | None

    def rows(self, part: slice) -> Record:
        """Some of the evaluations."""
        gradients = None if self.gradients is None else self.gradients[part]
        return Record(self.points[part], self.values[part], gradients)


class JournalFile:
    """A journal that is open and locked.

    Parameters
    ----------
    path : str or bytes
    header : dict
        Written with the first record if the file is new; what can be written in JSON.

    Attributes
    ----------
    header : dict
        What the file's says.
    count : int
        How many evaluations there were in it.

    Raises
    ------
    ValueError
        If it is no journal, which is left as it was.
    RuntimeError
        If another run writes it.
    OSError
        If it cannot be opened.

    Warns
    -----
    RuntimeWarning
        If its end is damaged, or it cannot be locked.
    """

    def __init__(self, path: str | bytes, header: Header) -> None:
        self.path = path
        self._lock = Lock(path)
        with guard:
            self._file = self._locked()
        try:
            self.header, self._unwritten = self._opened(header)
            first = self._end = self._file.tell()
            self.count = 0 if self._unwritten else self._checked()
        except BaseException:
            self.close()
            raise
        self._at = first

    def close(self) -> None:
        """Close it, and let others have it."""
        self._file.close()
        self._lock.release()

    def _locked(self) -> IO[bytes]:
        """The file, which nothing is opened of while another run of this process has it."""
        with contextlib.suppress(FileNotFoundError):
            status = os.stat(self.path)
            if not stat.S_ISREG(status.st_mode):
                raise ValueError(
                    f"journal must be a file, {self.path!r} is a device or a directory"
                )
            self._lock.hold(status)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        try:
            file = open(os.open(self.path, flags, 0o666), "r+b", buffering=0)  # noqa: SIM115
        except BaseException:
            self._lock.release()
            raise
        try:
            self._lock.lock(file.fileno())
        except BaseException:
            file.close()
            self._lock.release()
            raise
        return file

    def next(self) -> Record | None:
        """The next of the records that were there, or None after the last."""
        if self._at >= self._end:
            return None
        content = self._content(self._at)
        assert content is not None
        self._at += FRAME.size + len(content)
        return decoded(content)

    def add(self, record: Record) -> None:
        """Write a record at the end; the file is left as it was if that fails."""
        self._end = self._write(self._end, self._unwritten + framed(encoded(record)))
        self._at, self._unwritten = self._end, b""

    def _opened(self, header: Header) -> tuple[Header, bytes]:
        """The header, to whose end it goes.

        If the file is new, also how it will be written with the first record.
        """
        mark = MARK + FORMAT
        held = self._read(0, len(mark))
        if not (held.startswith(mark) or mark.startswith(held)) and not self._is_of_zeros():
            if held.startswith(MARK) and held[len(MARK) :].strip().isdigit():
                raise ValueError(f"journal {self.path!r} was written by another version")
            raise ValueError(f"journal {self.path!r} is a file of something else")
        lengths = self._file.read(LENGTH.size) if held == mark else b""
        if len(lengths) == LENGTH.size:
            length, complement = LENGTH.unpack(lengths)
            frame = self._read(self._file.tell(), length)
            kept = content_of(frame) if length == ~complement % 2**32 else None
            if kept is not None:
                found: dict[str, Any] = json.loads(kept)
                return found, b""
            if length != ~complement % 2**32 or len(frame) == length:
                raise ValueError(f"journal {self.path!r} is damaged at its beginning")
        # a process died over it before it evaluated anything, if there is anything at all
        self._cut_off(0, 0)
        frame = framed(json.dumps(header).encode())
        return header, mark + LENGTH.pack(len(frame), ~len(frame) % 2**32) + frame

    def _is_of_zeros(self) -> bool:
        """Whether nothing else is in it, as after a loss of power."""
        self._file.seek(0)
        while part := self._file.read(2**16):
            if any(part):
                return False
        return True

    def _checked(self) -> int:
        """How many evaluations there are; the last whole record ends where the file does."""
        count = 0
        while (content := self._content(self._end)) is not None:
            self._end += FRAME.size + len(content)
            count += len(decoded(content).points)
        self._cut_off(self._end, count)
        return count

    def _cut_off(self, at: int, count: int) -> None:
        """Drop what is behind this place, and go there."""
        self._file.seek(at)
        lost = os.fstat(self._file.fileno()).st_size - at
        if lost:
            self._file.truncate(at)
            warnings.warn(
                f"journal {self.path!r}: its last {lost} bytes are damaged and were cut off; "
                f"{count} evaluations before them serve",
                RuntimeWarning,
                stacklevel=2,
            )

    def _content(self, at: int) -> bytes | None:
        """The content of the record there, if it is whole."""
        frame = self._read(at, FRAME.size)
        if len(frame) < FRAME.size:
            return None
        length, _ = FRAME.unpack(frame)
        size = os.fstat(self._file.fileno()).st_size
        if not 0 < length <= size - at - FRAME.size:
            return None
        return content_of(frame + self._read(at + FRAME.size, length))

    def _read(self, at: int, length: int) -> bytes:
        """As much of the file as there is."""
        self._file.seek(at)
        parts = []
        while length > 0 and (part := self._file.read(length)):
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _write(self, at: int, data: bytes) -> int:
        """Write all of it or nothing; where it ends."""
        try:
            self._file.seek(at)
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        except BaseException:
            with contextlib.suppress(OSError):
                self._file.truncate(at)
            raise
        return at + len(data)


def framed(content: bytes) -> bytes:
    """With length and checksum."""
    return FRAME.pack(len(content), _checksum(content)) + content


def content_of(frame: bytes) -> bytes | None:
    """What was `framed`, if it is whole."""
    if len(frame) < FRAME.size:
        return None
    length, checksum = FRAME.unpack_from(frame)
    content = frame[FRAME.size :]
    return content if (length, checksum) == (len(content), _checksum(content)) else None


def _checksum(content: bytes) -> int:
    return zlib.crc32(content, zlib.crc32(len(content).to_bytes(4, "little")))


def encoded(record: Record) -> bytes:
    """A record in bytes."""
    parts: list[bytes] = []
    for array in record:
        if array is None:
            parts.append(KIND.pack(b"-", 0))
            continue
        kind = {"c": b"c", "u": b"u"}.get(array.dtype.kind, b"f")
        parts += [KIND.pack(kind, array.ndim), struct.pack(f"<{array.ndim}Q", *array.shape)]
        parts.append(np.ascontiguousarray(array, dtype=_TYPES[kind]).tobytes())
    return b"".join(parts)


_TYPES: dict[bytes, np.dtype[Any]] = {
    b"f": np.dtype("<f8"),
    b"c": np.dtype("<c16"),
    b"u": np.dtype("u1"),
}


def decoded(content: bytes) -> Record:
    """The record in what was `encoded`."""
    found: list[NDArray[Any] | None] = []
    at = 0
    for _ in range(3):
        kind, dimensions = KIND.unpack_from(content, at)
        at += KIND.size
        if kind == b"-":
            found.append(None)
            continue
        shape: Sequence[int] = struct.unpack_from(f"<{dimensions}Q", content, at)
        at += 8 * dimensions
        size = math.prod(shape)
        found.append(np.frombuffer(content, _TYPES[kind], size, at).reshape(shape))
        at += size * _TYPES[kind].itemsize
    points, values, gradients = found
    assert points is not None
    assert values is not None
    return Record(points, values, gradients)
