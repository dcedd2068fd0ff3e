"""C functions around an objective that numba has compiled; imports numba.

Reference: S. K. Lam, A. Pitrou, S. Seibert, "Numba: a LLVM-based Python JIT compiler",
LLVM-HPC (2015).

A trampoline has one signature whatever the objective: pointers to the point, a copy of
it, the value, the gradient, and to what else the objective needs, the shape of the point
and ``args``, laid out as numba has them. It returns 0, or 1 where the objective raised or
returned what is no answer.
"""

from __future__ import annotations

import ctypes
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numba import carray, cfunc, njit, typeof, types
from numba.core.datamodel import default_manager
from numba.core.registry import CPUDispatcher
from numba.extending import intrinsic, overload

_POINTER = types.CPointer(types.float64)
_SIGNATURE = types.int64(_POINTER, _POINTER, _POINTER, _POINTER, types.voidptr)
# marks in compiled code: a return to the interpreter, which needs its lock; threads of its own
_INTERPRETED, _PARALLEL = "numba_unpickle", "do_scheduling"
HELD = 64  # objectives whose compilation is remembered


class NotCompiled(Exception):
    """The objective has to be called from Python; never reaches the user."""


@dataclass(frozen=True)
class Form:
    """Which functions are called, and how: what a trampoline is compiled for.

    ``jac`` is None for values alone, or if ``fun`` returns the gradient, too, as `paired`
    says; ``into_out`` if the gradient is written to a last argument. ``data`` is numba's
    type of shape and ``args``.
    """

    fun: Any
    jac: Any
    paired: bool
    into_out: bool
    data: Any


class Trampoline:
    """A compiled objective, at an ``address``; ``parallel`` if it has threads of its own."""

    def __init__(self, form: Form) -> None:
        for dispatcher in (form.fun, form.jac):
            if any(found.objectmode for found in getattr(dispatcher, "overloads", {}).values()):
                raise NotCompiled
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._function = cfunc(_SIGNATURE)(_body(form))
        except Exception as error:  # not only numba's own
            raise NotCompiled from error
        code = self._function.inspect_llvm()
        if _INTERPRETED in code:
            raise NotCompiled
        self.address: Any = self._function.address
        self.parallel = _PARALLEL in code


class Compilation:
    """What is known of compiling a form, in all runs of the process.

    ``spent`` is how many seconds have gone by in batches that were called from Python.
    """

    def __init__(self, form: Form) -> None:
        self._form = form
        self._found: Trampoline | None = None
        self.spent = 0.0
        self.failed = False

    def trampoline(self, price: float) -> Trampoline | None:
        """The trampoline, if it can be had and ``price`` has been spent without."""
        if self._found is None and not self.failed and self.spent >= price:
            try:
                self._found = Trampoline(self._form)
            except NotCompiled:
                self.failed = True
        return self._found


@lru_cache(HELD)
def compilation(form: Form) -> Compilation:
    """The one of the form."""
    return Compilation(form)


def is_compiled(function: Any) -> bool:
    """Whether numba compiles it."""
    return isinstance(function, CPUDispatcher)


def _body(form: Form) -> Callable[..., Any]:
    """What is compiled: the objective at a point, its answers written where they belong."""
    load, evaluate = _loader(form.data), _evaluation(form)

    def body(x, again, value, gradient, data):
        try:
            shape, args = load(data)
            found = evaluate(carray(x, shape), carray(again, shape), carray(gradient, shape), args)
            value[0] = found
        except Exception:  # whatever it was, the point is evaluated again in Python
            return 1
        return 0

    return body


def _evaluation(form: Form) -> Any:
    """``(x, again, out, args)`` to the value; the gradient goes into ``out``."""
    fun, jac = form.fun, form.jac

    def value_alone(x, again, out, args):
        return _number(fun(x, *args))

    def pair(x, again, out, args):
        value, gradient = fun(x, *args)
        _put(gradient, out)
        return _number(value)

    def value_and_out(x, again, out, args):
        out[...] = 0.0
        return _number(fun(x, *args, out))

    def apart(x, again, out, args):
        value = _number(fun(x, *args))
        _put(jac(again, *args), out)
        return value

    def apart_and_out(x, again, out, args):
        value = _number(fun(x, *args))
        out[...] = 0.0
        jac(again, *args, out)
        return value

    if form.paired:
        return njit(value_and_out if form.into_out else pair)
    if jac is None:
        return njit(value_alone)
    return njit(apart_and_out if form.into_out else apart)


def _number(value: Any) -> Any:
    """The float that a value is; compiled by `overload`."""
    raise NotImplementedError


def _put(gradient: Any, out: Any) -> None:
    """Write a gradient into ``out``; compiled by `overload`."""
    raise NotImplementedError


def _is_real(kind: Any) -> bool:
    return isinstance(kind, (types.Integer, types.Float, types.Boolean))


@overload(_number)
def _number_of(value):
    if _is_real(value):
        return lambda value: value * 1.0
    if isinstance(value, types.Array) and _is_real(value.dtype):

        def only_element(value):
            if value.size != 1:
                raise ValueError
            return value.flat[0] * 1.0

        return only_element
    return None


@overload(_put)
def _put_of(gradient, out):
    if _is_real(gradient):

        def one(gradient, out):
            if out.size != 1:
                raise ValueError
            out.flat[0] = gradient

        return one
    if not isinstance(gradient, types.Array) or not _is_real(gradient.dtype):
        return None
    if gradient.ndim == out.ndim == 1:

        def row(gradient, out):
            if gradient.size != out.size:
                raise ValueError
            for i in range(out.size):
                out[i] = gradient[i]

        return row

    def array(gradient, out):
        if gradient.size != out.size:
            raise ValueError
        flat = out.reshape(out.size)
        for i, element in enumerate(gradient.flat):
            flat[i] = element

    return array


def _loader(kind: Any) -> Any:
    """What reads a value of numba's type ``kind`` from an address."""

    @intrinsic
    def load(typingctx, data):
        def codegen(context, builder, signature, arguments):
            model = default_manager[kind]
            place = builder.bitcast(arguments[0], model.get_data_type().as_pointer())
            return model.load_from_data_pointer(builder, place)

        return kind(types.voidptr), codegen

    return load


def layout(shape: tuple[int, ...], args: tuple[Any, ...]) -> tuple[Any, Any]:
    """Numba's type of ``(shape, args)``, and them as compiled code has them in memory.

    Whoever holds it must hold ``args``, too, whose arrays it points to.
    """
    held = (shape, args)
    try:
        kind = typeof(held)
        return kind, _laid_out(kind, held)
    except (ValueError, TypeError, NotImplementedError) as error:  # of a type without a layout
        raise NotCompiled from error


def _laid_out(kind: Any, value: Any) -> Any:
    """One value in numba's layout: no reference is counted, NULL stands for whose it is."""
    if isinstance(kind, types.BaseTuple):
        parts = [_laid_out(part, v) for part, v in zip(kind.types, value, strict=True)]
        return _structure(parts)
    if isinstance(kind, types.Array) and value.dtype.kind in "biufc":
        words = [0, 0, value.size, value.itemsize, value.ctypes.data, *value.shape, *value.strides]
        return _structure([ctypes.c_int64(word) for word in words])
    if isinstance(kind, (types.Dispatcher, types.NoneType)):
        return ctypes.c_int64(0)
    if _is_real(kind):
        return np.ctypeslib.as_ctypes_type(_dtype(kind))(value)
    if isinstance(kind, types.Complex):
        part = np.ctypeslib.as_ctypes_type(np.dtype(f"f{kind.bitwidth // 16}"))
        return _structure([part(value.real), part(value.imag)])
    raise NotCompiled


def _dtype(kind: Any) -> np.dtype[Any]:
    """NumPy's type of a real number; numba keeps truth values in bytes."""
    return np.dtype(np.uint8 if isinstance(kind, types.Boolean) else str(kind))


def _structure(parts: list[Any]) -> Any:
    """The parts one behind the other, aligned as in C."""
    fields = [(f"part{k}", type(part)) for k, part in enumerate(parts)]
    whole: Any = type("Parts", (ctypes.Structure,), {"_fields_": fields})
    return whole(*parts)
