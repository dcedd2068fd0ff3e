"""C functions around an objective that numba has compiled; imports numba.

Reference: S. K. Lam, A. Pitrou, S. Seibert, "Numba: a LLVM-based Python JIT compiler",
LLVM-HPC (2015).

A trampoline has one signature whatever the objective: pointers to the point, a copy of
it, the value, the gradient, and to what else the objective needs, the shape of the point
and ``args``, laid out as numba has them. It returns whether there is an answer: there is
none where the objective raised something, or returned what has not the right size.
"""

from __future__ import annotations

import ctypes
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numba import cfunc, typeof, types
from numba.core import cgutils
from numba.core.datamodel import default_manager
from numba.core.registry import CPUDispatcher, cpu_target
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from smoothmin.compiled import _kernels

_POINTER = types.CPointer(types.float64)
_SIGNATURE = types.boolean(_POINTER, _POINTER, _POINTER, _POINTER, types.voidptr)
# marks in compiled code: a call of the interpreter, which needs its lock; threads of its own
_INTERPRETED, _PARALLEL = "PyObject_CallFunctionObjArgs", "do_scheduling"


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
                self._function = cfunc(_SIGNATURE, fastmath=_kernels.SUM_FLAGS)(_body(form))
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


@lru_cache
def compilation(form: Form) -> Compilation:
    """The one of the form."""
    return Compilation(form)


def is_compiled(function: Any) -> bool:
    """Whether numba compiles it."""
    return isinstance(function, CPUDispatcher)


def _is_real(kind: Any) -> bool:
    return isinstance(kind, (types.Integer, types.Float, types.Boolean))


def _body(form: Form) -> Callable[..., Any]:
    """What is compiled: the objective at a point, its answers written where they belong."""
    point = types.Array(types.float64, len(form.data.types[0].types), "C")
    load, args = _loader(form.data, point), form.data.types[1]
    into_fun, into_jac = form.into_out and form.paired, form.into_out and not form.paired
    call_fun, found = _attempt(form.fun, (point, args, point), into_fun)
    pair = form.paired and not into_fun
    if pair and not (isinstance(found, types.BaseTuple) and len(found.types) == 2):
        raise NotCompiled
    collect: Any = _kernels.collect_written
    number = _number_for(found.types[0] if pair else found)
    put: Any = _writer_for(found.types[1], point) if pair else None
    if form.jac is not None:
        call_jac, gradient_kind = _attempt(form.jac, (point, args, point), into_jac)
        put_jac: Any = None if into_jac else _writer_for(gradient_kind, point)

    def alone(x, again, value, gradient, data):
        point, _, out, args = load(x, again, gradient, data)
        if into_fun:
            out[...] = 0.0
        good, found = call_fun(point, args, out)
        if not good or not number(found, value):
            return False
        if into_fun:
            collect(out.size, gradient, value)
        return True

    def paired(x, again, value, gradient, data):
        point, _, out, args = load(x, again, gradient, data)
        good, (found, slopes) = call_fun(point, args, out)
        return good and number(found, value) and put(slopes, out, gradient, value)

    def apart(x, again, value, gradient, data):
        point, other, out, args = load(x, again, gradient, data)
        good, found = call_fun(point, args, out)
        if not good or not number(found, value):
            return False
        if into_jac:
            out[...] = 0.0
        good, slopes = call_jac(other, args, out)
        if into_jac:
            if good:
                collect(out.size, gradient, value)
            return good
        return good and put_jac(slopes, out, gradient, value)

    return apart if form.jac is not None else paired if pair else alone


def _number_for(kind: Any) -> Any:
    """What writes a value of a type to its place, and says whether it could."""
    if _is_real(kind):
        return _kernels.put_number
    if isinstance(kind, types.Array) and _is_real(kind.dtype):
        return _kernels.put_only_element
    raise NotCompiled


def _writer_for(kind: Any, point: Any) -> Any:
    """What writes a gradient of a type to its place, and says whether it could."""
    if _is_real(kind):
        return _kernels.put_only_slope
    if isinstance(kind, types.Array) and _is_real(kind.dtype):
        return _kernels.put_row if kind.ndim == point.ndim == 1 else _kernels.put_array
    raise NotCompiled


def _attempt(function: Any, given: tuple[Any, Any, Any], into_out: bool) -> tuple[Any, Any]:
    """``(point, args, out)`` to whether ``function`` raised nothing and what it returned.

    Also numba's type of that. The last argument is handed on if ``into_out``.
    """
    point, args, out = given
    taken = (point, *args.types, *([out] if into_out else []))
    signature = cpu_target.typing_context.resolve_function_type(typeof(function), taken, {})
    if signature is None:
        raise NotCompiled
    compiled = function.overloads[tuple(signature.args)]
    result = types.Tuple((types.boolean, compiled.signature.return_type))

    @intrinsic
    def attempt(typingctx, point, args, out):
        def codegen(context, builder, signature, arguments):
            parts = [arguments[0], *cgutils.unpack_tuple(builder, arguments[1])]
            parts += [arguments[2]] if into_out else []
            wanted = compiled.signature.args
            parts = [
                context.cast(builder, part, have, want)
                for part, have, want in zip(parts, taken, wanted, strict=False)
            ]
            # arguments with defaults, which are compiled in
            parts += [context.get_constant_undef(kind) for kind in wanted[len(parts) :]]
            context.add_linking_libs([compiled.library])
            status, found = context.call_internal_no_propagate(
                builder, compiled.fndesc, compiled.signature, parts
            )
            # what an exception leaves behind is no object to be given back
            found = builder.select(status.is_ok, found, found.type(None))
            return context.make_tuple(builder, result, [status.is_ok, found])

        return result(point, args, out), codegen

    return attempt, compiled.signature.return_type


def _loader(kind: Any, point: Any) -> Any:
    """Pointers to the user's arrays of type ``point``, and ``args`` of ``(shape, args)``."""
    arrays = types.Tuple((point, point, point, kind.types[1]))

    @intrinsic
    def load(typingctx, x, again, gradient, data):
        def codegen(context, builder, signature, arguments):
            model = default_manager[kind]
            place = builder.bitcast(arguments[3], model.get_data_type().as_pointer())
            shape, args = cgutils.unpack_tuple(
                builder, model.load_from_data_pointer(builder, place)
            )
            shape = cgutils.unpack_tuple(builder, shape)
            strides = [context.get_constant(types.intp, 8)]
            for length in reversed(shape[1:]):
                strides.insert(0, builder.mul(strides[0], length))
            made = []
            for pointer in arguments[:3]:
                array = context.make_array(point)(context, builder)
                whole = {"data": pointer, "shape": shape, "strides": strides}
                populate_array(array, **whole, itemsize=strides[-1], meminfo=None)
                made.append(array._getvalue())
            return context.make_tuple(builder, arrays, [*made, args])

        return arrays(x, again, gradient, data), codegen

    return load


def layout(shape: tuple[int, ...], args: tuple[Any, ...], shared: bool) -> tuple[Any, Any]:
    """Numba's type of ``(shape, args)``, and them as compiled code has them in memory.

    Whoever holds it must hold ``args``, too, whose arrays it points to. Where it is ``shared``
    compiled code cannot write to them.
    """
    held = (shape, args)
    try:
        kind = typeof(held)
        return _unwritten(kind) if shared else kind, _laid_out(kind, held)
    except (ValueError, TypeError, NotImplementedError) as error:  # of a type without a layout
        raise NotCompiled from error


def _unwritten(kind: Any) -> Any:
    """The type with arrays that are read only."""
    if isinstance(kind, types.BaseTuple):
        parts = [_unwritten(part) for part in kind.types]
        return types.BaseTuple.from_types(parts, getattr(kind, "instance_class", None))
    return kind.copy(readonly=True) if isinstance(kind, types.Array) else kind


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
