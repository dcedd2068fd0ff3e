"""A lock that the system holds on a file for this process, and takes back if it dies.

Locks of POSIX belong to a process: children that were forked do not keep them. They do not
hold between two runs of one process, and closing any other descriptor of the file gives
them up, so the files that this process has locked are noted as well.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import warnings
from typing import Any

FAR = 2**62  # the byte that is locked on Windows, where nobody can read what is locked
_held: set[tuple[int, int]] = set()
guard = threading.RLock()  # of what was noted; held from looking at a file to having locked it


class Lock:
    """Exclusive hold on an open file until it is released.

    Parameters
    ----------
    path : str
        Named by errors.

    Raises
    ------
    RuntimeError
        If another run, of this process or another, has it.

    Warns
    -----
    RuntimeWarning
        If the system cannot lock such a file.
    """

    def __init__(self, path: Any) -> None:
        self._path = path
        self._key: tuple[int, int] | None = None

    def hold(self, status: os.stat_result) -> None:
        """Note the file of this ``status``; before it is opened, if it is there."""
        key = (status.st_dev, status.st_ino)
        with guard:
            if key == self._key:
                return
            if key in _held:
                raise self._refusal()
            _held.add(key)
            self._key = key

    def lock(self, descriptor: int) -> None:
        """Lock an open file for this process."""
        self.hold(os.fstat(descriptor))
        try:
            _lock(descriptor)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                raise self._refusal() from error
            # some network drives know no locks: that is no reason to lose a run
            text = f"journal {self._path!r} cannot be locked ({error}): let one run write it"
            warnings.warn(text, RuntimeWarning, stacklevel=2)

    def release(self) -> None:
        """Let others have it; the system's lock ends as the file is closed."""
        with guard:
            if self._key is not None:
                _held.discard(self._key)
            self._key = None

    def _refusal(self) -> RuntimeError:
        return RuntimeError(f"journal {self._path!r} is being written by another run")


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
