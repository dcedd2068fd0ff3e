"""Objectives in C: SciPy's `LowLevelCallable`, functions of ctypes or cffi, numba's ``cfunc``.

Nothing here imports numba; what there is to compile, `smoothmin.compiled.native` does.
"""

from __future__ import annotations

import re
import sys
from typing import Any

SIGNATURE = re.compile(r"double \((int|long|npy_intp|intptr_t|ssize_t), double \*(, void \*)?\)")


def as_python(fun: Any) -> Any:
    """``fun`` itself, or what calls it with an array if it is a function in C.

    Raises
    ------
    ValueError
        For a `LowLevelCallable`, or a ``cfunc`` that takes pointers, that is not
        ``double f(int n, double *x[, void *data])``.
    """
    given, compiled = _is_low_level(fun), _is_cfunc(fun)
    if not given and not compiled and not _is_foreign(fun):
        return fun
    from scipy import LowLevelCallable

    try:
        low = fun if given else LowLevelCallable(fun.ctypes if compiled else fun)
        found = SIGNATURE.fullmatch(low.signature)
    except (TypeError, ValueError):  # a function of ctypes whose types were not declared, say
        return fun
    if found is None:
        if not given and not (compiled and "*" in low.signature):
            return fun
        raise ValueError(
            "fun must be double f(int n, double *x) or double f(int n, double *x, void *data), "
            f"got {low.signature!r}"
        )
    from smoothmin.compiled.native import called

    return called(low, found[1], bool(found[2]))


def _is_low_level(fun: Any) -> bool:
    return type(fun).__name__ == "LowLevelCallable" and isinstance(fun, tuple)


def _is_cfunc(fun: Any) -> bool:
    """Whether numba has made a C function of it, which Python calls as if it had not."""
    return type(fun).__name__ == "CFunc" and type(fun).__module__.startswith("numba.")


def _is_foreign(fun: Any) -> bool:
    """Whether it is a function of ctypes or cffi."""
    ctypes = sys.modules.get("_ctypes")
    if ctypes is not None and isinstance(fun, ctypes.CFuncPtr):
        return True
    return type(fun).__module__ == "_cffi_backend" and callable(fun)
