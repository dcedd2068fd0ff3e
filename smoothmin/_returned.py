"""What the user's code returned, as numbers; or an error that says what is wrong with it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin._protocol import Array

# types that need no look at the single values of a batch
PLAIN = frozenset((float, np.float64))
PLAIN_COMPLEX = PLAIN | {complex, np.complex128}


def as_pair(out: Any) -> tuple[Any, Any]:
    """Value and gradient of a function that returns both."""
    try:
        value, gradient = out
    except (TypeError, ValueError):
        raise ValueError(
            f"with jac=True, fun must return (value, gradient), got {out!r:.80}"
        ) from None
    return value, gradient


def as_value(value: Any) -> float:
    """A float from what ``fun`` returned: a real number or an array of one."""
    if isinstance(value, (float, int)):
        return _as_float(value)
    return _as_float(_only_element(unmasked(value), "biufO"))


def _as_float(number: Any) -> float:
    """The nearest float: infinity for integers beyond the largest."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
    except (TypeError, ValueError):
        raise TypeError(f"fun must return a real number, got {number!r:.80}") from None


def unmasked(value: Any) -> Any:
    """What is masked is no number, instead of whatever lies below the mask."""
    if not isinstance(value, np.ma.MaskedArray):
        return value
    if value.dtype.kind in "biu":
        value = value.astype(float)
    return value.filled(np.nan) if value.dtype.kind in "fcO" else value.data


def as_values(values: list[Any], dtype: Any) -> NDArray[Any]:
    """One array from what ``fun`` returned, call by call."""
    found, error = leading_values(values, dtype)
    if error is not None:
        raise error
    return found


def leading_values(values: list[Any], dtype: Any) -> tuple[NDArray[Any], Exception | None]:
    """As many of the first values as are numbers, and what is wrong with the next one."""
    real = dtype == np.float64
    if PLAIN.issuperset(map(type, values)):
        return np.array(values, dtype=dtype), None
    if not real and PLAIN_COMPLEX.issuperset(map(type, values)):
        return np.array(values, dtype=dtype), None
    convert = as_value if real else as_complex
    found: list[Any] = []
    error = None
    try:
        found.extend(map(convert, values))
    except Exception as wrong:
        error = wrong
    return np.array(found, dtype=dtype), error


def as_complex(value: Any) -> complex:
    """A complex number from what ``fun`` returned, for complex-step derivatives."""
    number = _only_element(unmasked(value), "biufcO")
    try:
        return complex(number)
    except OverflowError:
        return complex(_as_float(number))
    except (TypeError, ValueError):
        raise TypeError(f"fun must return a number, got {number!r:.80}") from None


def _only_element(value: Any, kinds: str) -> Any:
    """The one number in ``value``, if that is what it is and of one of the dtype ``kinds``."""
    try:
        found = np.asarray(value)
    except ValueError:  # of parts of different shapes
        found = np.empty(0)
    if found.size != 1:
        pair = isinstance(value, (tuple, list)) and len(value) == 2
        hint = "; if that is (value, gradient), jac must be True" if pair else ""
        raise ValueError(f"fun must return one number, got {value!r:.80}{hint}")
    number = found.reshape(-1)[0]
    if found.dtype.kind not in kinds or number is None:
        raise TypeError(f"fun must return a real number, got {value!r:.80}")
    return number


def as_gradient(gradient: Any, shape: tuple[int, ...]) -> Array:
    """A gradient of the user's shape, from an array of as many real numbers; maybe a view."""
    found = as_real_array(gradient, "the gradient")
    if not is_of(found.shape, shape):
        raise ValueError(f"the gradient must have shape {shape}, got {found.shape}")
    return found.reshape(shape)


def is_of(given: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether an array so shaped is one of ``shape``, maybe flat or with axes of length 1.

    One turned, of shape (3, 2) where that is (2, 3), is not, though it has as many elements.
    """
    if given == shape:
        return True
    one, other = ([k for k in axes if k != 1] for axes in (given, shape))
    flat = min(len(one), len(other)) < 2
    return math.prod(given) == math.prod(shape) if flat else one == other


def as_real_array(given: Any, name: str) -> Array:
    """Float64 from what may hold numbers of other kinds; masked ones are NaN."""
    try:
        found = np.asarray(unmasked(given))
    except ValueError:  # of parts of different shapes
        found = np.empty(0, dtype=str)
    if found.dtype.kind == "O":
        try:
            return np.array([_as_float(number) for number in found.flat]).reshape(found.shape)
        except TypeError:
            pass
    if found.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of real numbers, got {given!r:.80}")
    return np.asarray(found, dtype=float)


def as_row(values: Any, label: str, *, complex_step: bool = False) -> NDArray[Any]:
    """The values of one constraint at one point: a flat array of real numbers."""
    if type(values) is np.ndarray and values.dtype == np.float64 and not complex_step:
        return values.flatten()
    found = np.asarray(values)
    kinds = "biufcO" if complex_step else "biufO"
    if isinstance(values, np.ma.MaskedArray):
        found = np.ma.filled(values.astype(float), np.nan)
    missing = found.dtype.kind == "O" and any(v is None for v in found.ravel())
    if found.dtype.kind not in kinds or missing:
        raise TypeError(f"{label} must return real numbers, got {values!r:.80}")
    dtype = complex if complex_step else float
    return np.array(found.ravel(), dtype=dtype)


def as_jacobian(given: Any, label: str, m: int, size: int) -> Array:
    """The Jacobian of ``m`` rows: dense, of a column for each element of ``x``."""
    found = np.asarray(given.toarray() if hasattr(given, "toarray") else given)
    if found.dtype.kind not in "biufO":
        raise TypeError(f"the Jacobian of {label} must be real numbers, got {given!r:.80}")
    if found.size != m * size or (m > 1 and found.ndim > 1 and found.shape[0] != m):
        raise ValueError(f"the Jacobian of {label} must have shape {(m, size)}, got {found.shape}")
    return np.array(found, dtype=float).reshape(m, size)
