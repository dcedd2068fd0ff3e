"""Checks of options at the door: each names the argument and its value."""

from __future__ import annotations

import inspect
import math
import numbers
import os
from collections.abc import Callable, Collection
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin._protocol import Array, Problem


def require_takes(name: str, function: Any, count: int) -> None:
    """Raise unless a function can be called with so many arguments, as far as it tells."""
    if not callable(function):
        raise TypeError(f"{name} must be callable, got {function!r:.80}")
    if _has_parameters(function, count):
        return
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # functions of other languages have none
        return
    more = list(signature.parameters)[-1:] == ["out"]  # which a gradient may be written into
    try:
        signature.bind(*range(count + more))
    except TypeError as error:
        many = f"{count} argument{'s'[: count - 1]}"
        raise TypeError(f"{name} must take {many}, got {function!r:.80}: {error}") from None


def _has_parameters(function: Any, count: int) -> bool:
    """Whether it is a plain function with as many parameters; to find its signature takes long."""
    if type(function) is not FunctionType or function.__dict__:
        return False
    code = function.__code__
    last = code.co_varnames[max(0, code.co_argcount - 1) : code.co_argcount]
    return code.co_argcount == count and code.co_kwonlyargcount == 0 and last != ("out",)


def plain(value: Any) -> Any:
    """The number in an array without dimensions, of NumPy or others; all else as it is."""
    bare = getattr(value, "ndim", None) == 0 and not isinstance(value, np.generic)
    return value.item() if bare and hasattr(value, "item") else value


def require_integer(name: str, value: Any, minimum: int) -> None:
    """Raise unless ``value`` is an integer of at least ``minimum``."""
    if type(value) is not int and not _is_a(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, got {value!r:.80}")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value!r:.80}")


def require_real(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    minimum: float = -np.inf,
    below: float | None = None,
    maximum: float = np.inf,
) -> None:
    """Raise unless ``value`` is a number, not NaN, within the given limits.

    ``above`` and ``below`` exclude the limit itself: ``below=np.inf`` asks for a finite one.
    """
    if type(value) is not float and not _is_a(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {value!r:.80}")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"{name} must not exceed the largest float, got {value!r:.80}") from None
    allowed = minimum <= number <= maximum
    allowed = allowed and (above is None or number > above)
    allowed = allowed and (below is None or number < below)
    if not allowed:
        low = f"[{minimum:g}" if above is None else f"({above:g}"
        high = f"{maximum:g}]" if below is None else f"{below:g})"
        raise ValueError(f"{name} must lie in {low}, {high}, got {value!r:.80}")


def as_numbers(name: str, value: Any) -> Array:
    """An array of floats; a `TypeError` that names it if it is none."""
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be numbers, got {value!r:.80}") from None


def require_square(name: str, value: Any) -> Array:
    """A square matrix of floats, or an error that names it."""
    given = as_numbers(name, value)
    if given.ndim != 2 or given.shape[0] != given.shape[1]:
        raise ValueError(f"{name} must be a square matrix, got shape {given.shape}")
    return given


def _is_a(value: Any, kind: type) -> bool:
    """Whether it is such a number, and no truth value."""
    return not isinstance(value, (bool, np.bool_)) and isinstance(value, kind)


def require_bool(name: str, value: Any) -> None:
    """Raise unless ``value`` is a truth value."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r:.80}")


def require_limit(
    name: str, value: Any, minimum: int, whole: Callable[[float], int] = math.floor
) -> float:
    """A count, which may be written as a float such as 1e4 or 100.1; infinity for None."""
    if type(value) is int and value >= minimum:
        return value
    if value is None or (isinstance(value, numbers.Real) and value == math.inf):
        return math.inf
    if isinstance(value, (float, np.floating)):
        require_real(name, value, minimum=minimum)
        value = whole(float(value))
    require_integer(name, value, minimum)
    return int(value)


def require_one_of(name: str, value: Any, allowed: Collection[str]) -> None:
    """Raise unless ``value`` is one of the ``allowed`` strings."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {sorted(allowed)}, got {value!r:.80}")


def require_settings(value: Any, kind: type) -> None:
    """Raise unless a method's constants are of its own kind."""
    if not isinstance(value, kind):
        raise TypeError(f"settings must be {kind.__name__}, got {value!r:.80}")


def require_scale(name: str, value: Any, *, optional: bool = False) -> None:
    """Raise unless ``value`` is a positive number, an array of such, or None if ``optional``."""
    if optional and value is None:
        return
    scale = np.asarray(value)
    if scale.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be a number or an array of numbers, got {value!r:.80}")
    if scale.size == 0 or not np.all((scale > 0) & np.isfinite(scale)):
        raise ValueError(f"{name} must be positive and finite, got {value!r:.80}")


def per_coordinate(name: str, value: Any, n: int, free: NDArray[np.intp] | None = None) -> Array:
    """A positive scale for each of ``n`` coordinates, from one number or one for each.

    ``free`` holds the indices of the ``n`` variables among the user's, of which there
    are more when some are fixed: `Problem.free`.
    """
    scale = np.asarray(value, dtype=float).ravel()
    if free is not None and scale.size > max(n, free[-1]):
        scale = scale[free]
    if scale.size not in (1, n):
        raise ValueError(f"{name} must be one number or {n} of them, got {scale.size}")
    return np.broadcast_to(scale, (n,))


def require_tolerance(name: str, value: Any) -> None:
    """Raise unless ``value`` is a number or an array of such, none negative."""
    given = np.asarray(value)
    if given.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be a number or an array of numbers, got {value!r:.80}")
    if given.size == 0 or not np.all(given >= 0):
        raise ValueError(f"{name} must not be negative, got {value!r:.80}")


def tolerances(name: str, value: Any, n: int, problem: Problem) -> Array:
    """A tolerance for each of ``n`` free variables, from one number or one for each."""
    return per_coordinate(name, value, n, problem.free)


def require_memory(what: str, size: float, advice: str = "") -> None:
    """Raise if ``size`` bytes are more than this machine has.

    It may promise more, and end the process when they are used.
    """
    try:
        there = float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not every system tells
        return
    if size > there:
        raise MemoryError(f"{what} takes {size / 2**30:.3g} GiB, more than there are{advice}")


def as_generator(rng: Any) -> np.random.Generator:
    """A Generator from any seed `numpy.random.default_rng` takes (SPEC 7)."""
    if rng is np.random or isinstance(rng, np.random.RandomState):
        raise TypeError(f"rng must be a Generator or a seed for one, got {rng!r}")
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise type(error)(f"rng must be a Generator or a seed for one, got {rng!r}") from error
