"""The option ``journal``: where a journal is, and how it is treated."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal

from smoothmin._check import require_integer, require_one_of


@dataclass(frozen=True)
class Journal:
    """A file of all evaluations: the same call made again goes on after the last of them.

    ``options={"journal": "run.journal"}`` is short for
    ``options={"journal": Journal("run.journal")}``.

    Parameters
    ----------
    path : str or path-like
        Made if there is none; ``~`` is the home directory.
    on_failure : {"warn", "stop"}, default "warn"
        What happens when the file cannot be written any more, because a disk is full, say:
        the run goes on without it, with a `RuntimeWarning`; or it stops, with the best point
        so far and status 7. The file keeps what was written before.
    check : int, default 0
        How many of the evaluations in the file are made again, spread over it, to see whether
        ``fun`` still returns what it did. They are not counted in ``nfev``.

    Raises
    ------
    TypeError, ValueError
        For arguments of a wrong kind or value.

    Examples
    --------
    >>> import os, tempfile
    >>> import smoothmin
    >>> journal = smoothmin.Journal(os.path.join(tempfile.mkdtemp(), "run"), check=2)
    >>> calls = []
    >>> def fun(x):
    ...     calls.append(x)
    ...     return x @ x
    >>> for maxfev in (50, 80):
    ...     options = {"journal": journal, "maxfev": maxfev}
    ...     res = smoothmin.minimize(fun, [3.0, 4.0], rng=0, method="bfgs", options=options)
    >>> len(calls) == res.nfev + 2
    True
    """

    path: str | bytes | os.PathLike[str] | os.PathLike[bytes]
    on_failure: Literal["warn", "stop"] = "warn"
    check: int = 0

    def __post_init__(self) -> None:
        try:
            os.fspath(self.path)
        except TypeError:
            raise TypeError(f"journal must be a path, got {self.path!r}") from None
        require_one_of("on_failure", self.on_failure, ("warn", "stop"))
        require_integer("check", self.check, 0)

    @property
    def file(self) -> str | bytes:
        """The path as the system takes it."""
        return os.path.expanduser(os.fspath(self.path))


def as_journal(given: Any) -> Journal:
    """A `Journal` from one or a path."""
    return given if isinstance(given, Journal) else Journal(given)
