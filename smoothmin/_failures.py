"""What the user's code raises where values were wanted, if that is to count as no value.

A point without a value for this reason has a NaN of its own, so that whoever evaluates it,
and a journal, passes on which points failed; the first traceback is passed on beside it.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin._returned import as_pair, unmasked

# a quiet NaN whose payload, "fail" in letters, no arithmetic makes
_BITS = np.uint64(0x7FF8_0000_0000_0000 | int.from_bytes(b"fail", "big"))
FAILED: float = _BITS.view(np.float64).item()


def count_failed(values: NDArray[Any], gradients: Any) -> int:
    """How many of some points failed: of values (m,) or rows of them, and gradients or None."""
    if len(values) == 0:
        return 0
    failed = _is_failed(values)
    if isinstance(gradients, np.ndarray) and gradients.size:
        failed |= _is_failed(gradients)
    return int(np.count_nonzero(failed))


def _is_failed(found: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether the first number of each row is the NaN of a failure."""
    first = found.real.reshape(len(found), -1)[:, 0]
    failed: NDArray[np.bool_] = np.ascontiguousarray(first).view(np.uint64) == _BITS
    return failed


class Failures:
    """The first of them, as a traceback. In another process it begins anew."""

    def __init__(self) -> None:
        self._first: str | None = None
        self._lock = threading.Lock()

    def note(self, error: BaseException) -> None:
        """One happened."""
        if self._first is None:
            self.give("".join(traceback.format_exception(error)))

    def give(self, text: str | None) -> None:
        """One happened elsewhere."""
        with self._lock:
            self._first = text if self._first is None else self._first

    def take(self) -> str | None:
        """The first, given away."""
        with self._lock:
            text, self._first = self._first, None
        return text

    @property
    def first(self) -> str | None:
        """The first traceback."""
        return self._first

    def __reduce__(self) -> tuple[Any, ...]:
        return Failures, ()


class Guarded:
    """A user's callable whose exceptions are no value.

    Parameters
    ----------
    fun : callable
    failures : Failures
    returns : {"value", "gradient", "both"}
    columns : bool
        Whether it is called with many points at once, ``(*shape, S)``: then it is called again
        with halves of them, to find those that it raises at.
    """

    def __init__(
        self, fun: Callable[..., Any], failures: Failures, returns: str, *, columns: bool = False
    ) -> None:
        self.fun, self._failures = fun, failures
        self._returns, self._columns = returns, columns

    def __repr__(self) -> str:  # in messages it is the user's that is named
        return repr(self.fun)

    def __call__(self, x: NDArray[Any], *args: Any) -> Any:
        """What ``fun`` returns, or NaN."""
        kept = x.copy() if self._columns else x  # it may change its argument before it raises
        try:
            return self.fun(x, *args)
        except StopIteration:
            raise
        except Exception as error:
            if self._columns and kept.shape[-1] > 1:
                return self._by_halves(kept, args)
            self._failures.note(error)
        value: Any = np.array([FAILED]) if self._columns else FAILED
        if self._returns == "value":
            return value
        gradient = np.full(kept.shape, FAILED)
        return gradient if self._returns == "gradient" else (value, gradient)

    def _by_halves(self, x: NDArray[Any], args: tuple[Any, ...]) -> Any:
        """What is found at the points of each half, together."""
        middle = x.shape[-1] // 2
        halves = [self(part.copy(order="F"), *args) for part in (x[..., :middle], x[..., middle:])]
        if self._returns == "both":
            values, gradients = zip(*map(as_pair, halves), strict=True)
            return _joined(values), np.concatenate(gradients, axis=-1)
        return _joined(halves) if self._returns == "value" else np.concatenate(halves, axis=-1)


def _joined(values: Any) -> NDArray[Any]:
    return np.concatenate([np.ravel(unmasked(part)) for part in values])


def unguarded(fun: Any) -> Any:
    """The callable inside, if there is one."""
    return fun.fun if isinstance(fun, Guarded) else fun
