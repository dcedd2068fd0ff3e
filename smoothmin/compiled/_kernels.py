"""Compiled loops over the points of a batch; imports numba.

A loop calls the user's function through the address of a `trampoline`, so that it is
compiled once for all functions and its compilation can be kept on disk. The kernels
evaluate points ``begin`` to ``end`` of a batch and return how far they came: short of
``end`` at a point that the trampoline had no answer for, and behind a value that reaches
``target``. A point is ``center`` plus a row of ``steps``, or the row alone if ``center`` is
empty; where ``free`` is not empty it says which of the variables, of ``start`` otherwise,
they are.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

# sums may be reordered into vector lanes; NaN and infinity keep their meaning
_SUM = {"reassoc"}


@intrinsic
def _call(typingctx, address, x, again, value, gradient, row, data):
    """Call the function at ``address`` with pointers to the arrays, and to a row of one."""

    def codegen(context, builder, signature, arguments):
        byte, pointer = ir.IntType(8), ir.DoubleType().as_pointer()
        arrays = [
            context.make_array(kind)(context, builder, value=array).data
            for kind, array in zip(signature.args[1:5], arguments[1:5], strict=True)
        ]
        width = context.make_array(signature.args[1])(context, builder, value=arguments[1]).nitems
        arrays[3] = builder.gep(arrays[3], [builder.mul(arguments[5], width)])
        data = builder.inttoptr(arguments[6], byte.as_pointer())
        kind = ir.FunctionType(byte, [pointer] * 4 + [data.type])
        good = builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), [*arrays, data])
        return builder.trunc(good, ir.IntType(1))

    return types.boolean(address, x, again, value, gradient, row, data), codegen


@njit(cache=True)
def put_number(value, to):
    """Write a number."""
    to[0] = value
    return True


@njit(cache=True)
def put_only_element(value, to):
    """Write the only element of an array, if it is one."""
    if value.size != 1:
        return False
    to[0] = value.flat[0]
    return True


@njit(cache=True)
def put_only_slope(gradient, out):
    """Write a gradient that is a number, if there is one variable."""
    if out.size != 1:
        return False
    out.flat[0] = gradient
    return True


@njit(cache=True)
def put_row(gradient, out):
    """Write a gradient of one dimension to one, if it has the right size."""
    if gradient.size != out.size:
        return False
    for i in range(gradient.size):
        out[i] = gradient[i]
    return True


@njit(cache=True)
def put_array(gradient, out):
    """Write a gradient of any dimensions, if it has the right size."""
    if gradient.size != out.size:
        return False
    flat = out.reshape(out.size)
    for i, slope in enumerate(gradient.flat):
        flat[i] = slope
    return True


@njit(cache=True, nogil=True, inline="always")
def _place(x, start, free, center, steps, i):
    """Put point ``i`` into ``x``."""
    if free.size:
        for j in range(x.size):
            x[j] = start[j]
        for j in range(free.size):
            x[free[j]] = center[j] + steps[i, j] if center.size else steps[i, j]
    elif center.size:
        for j in range(x.size):
            x[j] = center[j] + steps[i, j]
    else:
        for j in range(x.size):
            x[j] = steps[i, j]


@njit(cache=True, nogil=True)
def values_alone(address, data, start, free, center, steps, begin, end, target, values):
    """Values."""
    x, found, none = np.empty(start.size), np.empty(1), np.empty(start.size)
    for i in range(begin, end):
        _place(x, start, free, center, steps, i)
        if not _call(address, x, x, found, none, 0, data):
            return i
        values[i] = found[0]
        if found[0] <= target:
            return i + 1
    return end


@njit(cache=True, nogil=True)
def with_gradients(
    address, data, twice, start, free, center, steps, begin, end, target, values, gradients
):
    """Values and gradients."""
    x, again, found = np.empty(start.size), np.empty(start.size), np.empty(1)
    whole = np.empty((1, start.size)) if free.size else gradients
    for i in range(begin, end):
        _place(x, start, free, center, steps, i)
        if twice:
            for j in range(x.size):
                again[j] = x[j]
        if not _call(address, x, again, found, whole, 0 if free.size else i, data):
            return i
        for j in range(free.size):
            gradients[i, j] = whole[0, free[j]]
        values[i] = found[0]
        if found[0] <= target:
            return i + 1
    return end


@njit(cache=True, nogil=True, fastmath=_SUM)
def gradients_in_sum(
    address, data, twice, start, free, center, steps, begin, end, target,
    values, kept, sums, lowest, state,
):  # fmt: skip
    """Values, and the sum of the gradients of samples that are finite: those ``kept``.

    ``state`` is how many they are, ``k`` say, the sum being ``sums[k % 2]``, and the index of
    the first value that is lower than all others, whose gradient is ``lowest``.
    """
    x, again, found = np.empty(start.size), np.empty(start.size), np.empty(1)
    whole = np.empty((1, start.size))
    row = np.empty(free.size) if free.size else whole[0]
    count, best = state[0], state[1]
    least = values[best] if begin and values[best] == values[best] else np.inf
    done = end
    for i in range(begin, end):
        _place(x, start, free, center, steps, i)
        if twice:
            for j in range(x.size):
                again[j] = x[j]
        if not _call(address, x, again, found, whole, 0, data):
            done = i
            break
        for j in range(free.size):
            row[j] = whole[0, free[j]]
        value = found[0]
        values[i] = value
        last = count % 2  # the next sum is made beside it, which stays if the sample is not finite
        zero = 0.0 * value
        for j in range(row.size):
            zero += 0.0 * row[j]
            sums[1 - last, j] = sums[last, j] + row[j]
        kept[i] = zero == 0.0
        count += kept[i]
        if i == 0 or value < least:
            best = i
            least = value if value == value else np.inf
            for j in range(row.size):
                lowest[j] = row[j]
        if value <= target:
            done = i + 1
            break
    state[0], state[1] = count, best
    return done
