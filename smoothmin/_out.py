"""Gradients written into an argument ``out``, instead of being returned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


class IntoOut:
    """``fun(x, *args, out)`` as a function that returns the gradient.

    With ``paired`` it returns a value as well. Where it does not write, ``out`` is zero.
    """

    def __init__(self, fun: Callable[..., Any], paired: bool) -> None:
        self.fun, self.paired = fun, paired

    def __call__(self, x: NDArray[Any], *args: Any) -> Any:
        """The gradient, or value and gradient."""
        out = np.zeros(x.shape, x.dtype)
        value = self.fun(x, *args, out)
        return (value, out) if self.paired else out


def returning(fun: Any, args: tuple[Any, ...], *, paired: bool) -> Callable[..., Any]:
    """``fun`` itself, unless its last argument is one more, without a default, named ``out``."""
    plain = getattr(fun, "py_func", fun)  # of what numba compiles
    code = getattr(plain, "__code__", None)
    if code is None or hasattr(plain, "__self__") or getattr(plain, "__defaults__", None):
        found: Callable[..., Any] = fun
        return found
    named = code.co_varnames[: code.co_argcount]
    wants = len(named) == len(args) + 2 and named[-1] == "out"
    return IntoOut(fun, paired) if wants else fun
