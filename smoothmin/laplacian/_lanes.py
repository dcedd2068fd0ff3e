"""Vectors of numbers for numba kernels; imports numba.

A recursion is a chain that no compiler will spread over the lanes of a vector
register. With these few operations a kernel does it by itself, and still reads as a
loop. They exist inside compiled functions only. Numba's cache
does not see changes of this file: after one, save `_kernels` too.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from smoothmin.laplacian._recursion import VECTOR


class Lanes(types.Type):
    """Numba's name for a vector of numbers: 8 of double precision, 16 of single."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.count = VECTOR // (dtype.bitwidth // 8)
        super().__init__(name=f"Lanes({dtype})")


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):
    """A vector is held as LLVM's vector type."""

    def __init__(self, manager: Any, lanes: Lanes) -> None:
        element = manager.lookup(lanes.dtype).get_value_type()
        super().__init__(manager, lanes, ir.VectorType(element, lanes.count))


def _indices(lanes: Lanes, first: int, step: int = 1) -> Any:
    """A constant of lane numbers, as LLVM's shuffles want it."""
    vector = ir.VectorType(ir.IntType(32), lanes.count)
    return ir.Constant(vector, [first + step * k for k in range(lanes.count)])


def _at(context: Any, builder: Any, array: Any, pointer_to: Any, start: Any) -> Any:
    """The address of ``array[start]``, as one of a vector."""
    address = builder.gep(context.make_array(array[0])(context, builder, array[1]).data, [start])
    return builder.bitcast(address, pointer_to.as_pointer())


@intrinsic
def load(typing: Any, array: Any, start: Any) -> Any:
    """``array[start : start + count]``; nothing checks that it is inside."""
    lanes = Lanes(array.dtype)

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        vector = context.get_value_type(lanes)
        address = _at(context, builder, (signature.args[0], given[0]), vector, given[1])
        value = builder.load(address)
        value.align = array.dtype.bitwidth // 8
        return value

    return lanes(array, types.intp), generate


@intrinsic
def store(typing: Any, array: Any, start: Any, value: Any) -> Any:
    """``array[start : start + count] = value``; nothing checks that it is inside."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        vector = context.get_value_type(signature.args[2])
        address = _at(context, builder, (signature.args[0], given[0]), vector, given[1])
        builder.store(given[2], address).align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


@intrinsic
def lanes_of(typing: Any, array: Any) -> Any:
    """How many numbers of the array's type a vector holds."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return context.get_constant(types.intp, Lanes(array.dtype).count)

    return types.intp(array), generate


@intrinsic(prefer_literal=True)
def moved_up(typing: Any, before: Any, value: Any, lanes: Any) -> Any:
    """``value`` moved up by some ``lanes``, those of ``before`` following in."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        picked = _indices(value, value.count - lanes.literal_value)
        return builder.shuffle_vector(given[0], given[1], picked)

    return value(before, value, lanes), generate


@intrinsic(prefer_literal=True)
def moved_down(typing: Any, value: Any, after: Any, lanes: Any) -> Any:
    """``value`` moved down by some ``lanes``, those of ``after`` following in."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        picked = _indices(value, lanes.literal_value)
        return builder.shuffle_vector(given[0], given[1], picked)

    return value(value, after, lanes), generate


@intrinsic
def splat(typing: Any, number: Any) -> Any:
    """``number`` in every lane."""
    lanes = Lanes(number)

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        nothing = ir.Constant(context.get_value_type(lanes), ir.Undefined)
        one = builder.insert_element(nothing, given[0], ir.IntType(32)(0))
        return builder.shuffle_vector(one, nothing, _indices(lanes, 0, step=0))

    return lanes(number), generate


@intrinsic(prefer_literal=True)
def single(typing: Any, number: Any, end: Any) -> Any:
    """``number`` in the first lane (0) or the last (-1), zero in the others."""
    lanes = Lanes(number)

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        zero = ir.Constant(context.get_value_type(lanes), None)
        place = ir.IntType(32)(end.literal_value % lanes.count)
        return builder.insert_element(zero, given[0], place)

    return lanes(number, end), generate


@intrinsic(prefer_literal=True)
def element(typing: Any, value: Any, end: Any) -> Any:
    """The number in the first lane (0) or the last (-1)."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        place = ir.IntType(32)(end.literal_value % value.count)
        return builder.extract_element(given[0], place)

    return value.dtype(value, end), generate


@intrinsic
def times(typing: Any, a: Any, b: Any) -> Any:
    """``a * b``."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.fmul(*given)

    return a(a, b), generate


@intrinsic
def times_plus(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """``a * b + c``, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        vector = context.get_value_type(c)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(vector, [vector] * 3),
            f"llvm.fma.v{c.count}f{c.dtype.bitwidth}",
        )
        return builder.call(function, given)

    return c(a, b, c), generate
