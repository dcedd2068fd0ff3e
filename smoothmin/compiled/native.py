"""Functions in C as objectives that numba has compiled; imports numba."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

from numba import njit

_LENGTHS = {"int": ctypes.c_int, "long": ctypes.c_long}  # others are of a pointer's size


def called(low: Any, length: str, with_data: bool) -> Any:
    """A function of an array that calls a `LowLevelCallable` with ``length`` for C's type."""
    capsule = tuple.__getitem__(low, 0)
    name = _of_capsule("Name", ctypes.c_char_p)(capsule)
    address = _of_capsule("Pointer", ctypes.c_void_p, ctypes.c_char_p)(capsule, name)
    data = _of_capsule("Context", ctypes.c_void_p)(capsule) or 0
    found = _caller(address, data, length, with_data)
    found.held = low  # with what it points to, as long as it may be called
    return found


def _of_capsule(what: str, result: Any, *further: Any) -> Any:
    """What the interpreter tells of a capsule."""
    function = ctypes.PYFUNCTYPE(result, ctypes.py_object, *further)
    return function((f"PyCapsule_Get{what}", ctypes.pythonapi))


@lru_cache
def _caller(address: int, data: int, length: str, with_data: bool) -> Any:
    size = _LENGTHS.get(length, ctypes.c_ssize_t)
    arguments: list[Any] = [size, ctypes.POINTER(ctypes.c_double)] + [ctypes.c_void_p] * with_data
    # numba calls it directly, and nobody takes it for a function that another process has, too
    function = ctypes.CFUNCTYPE(ctypes.c_double, *arguments)(address)
    if with_data:
        return njit(lambda x: function(x.size, x.ctypes, data))
    return njit(lambda x: function(x.size, x.ctypes))
