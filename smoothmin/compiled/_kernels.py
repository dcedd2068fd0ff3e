"""Compiled loops over the points of a batch; imports numba.

A loop calls the user's function through the address of a `trampoline`, so that it is
compiled once for all functions and its compilation can be kept on disk. The kernels
evaluate points ``begin`` to ``end`` of a batch and return how far they came: short of
``end`` at a point that the trampoline had no answer for, and behind a value that reaches
``target``. A point is ``center`` plus a row of ``steps``; where ``free`` is not empty it says
which of the variables, of ``start`` otherwise, they are.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

# sums may be reordered into vector lanes; NaN and infinity keep their meaning
SUM_FLAGS = {"reassoc"}
GRADIENT, LOWEST, SUM = 2, 3, 4  # rows of `gradients_in_sum` behind a point and its copy
LEAST, IN_SUM, KEPT = 1, 2, 3  # where a trampoline is told, and tells, beside the value


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


@njit(cache=True, inline="always")
def put_number(value, to):
    """Write a number."""
    to[0] = value
    return True


@njit(cache=True, inline="always")
def put_only_element(value, to):
    """Write the only element of an array, if it is one."""
    if value.size != 1:
        return False
    to[0] = value.flat[0]
    return True


@njit(cache=True, inline="always")
def collect(gradient, size, rows, width, found):
    """Add a gradient to the sum if it and its value are finite; keep it if that is the lowest.

    ``rows`` begin with one for a gradient, then have that of the lowest value, and the sum. No
    value is lower than NaN but the first.
    """
    value, least = found[0], found[LEAST]
    zero = 0.0 * value
    for i in range(size):
        zero += 0.0 * gradient[i]
    found[KEPT] = 0.0
    if zero == 0.0:
        found[KEPT] = 1.0
        for i in range(size):
            rows[2 * width + i] += gradient[i]
    if value < least or least != least:
        for i in range(size):
            rows[width + i] = gradient[i]


@njit(cache=True, inline="always")
def collect_written(size, rows, found):
    """Collect a gradient that was written to the first row, if sums are wanted."""
    if found[IN_SUM] != 0.0:
        collect(rows, size, rows, size, found)


@njit(cache=True, inline="always")
def put_only_slope(gradient, out, rows, found):
    """Take a gradient that is a number, if there is one variable."""
    if out.size != 1:
        return False
    rows[0] = gradient
    collect_written(1, rows, found)
    return True


@njit(cache=True, inline="always")
def put_row(gradient, out, rows, found):
    """Take a gradient of one dimension to one, if it has the right size."""
    size = gradient.size
    if size != out.size:
        return False
    if found[IN_SUM] != 0.0:
        collect(gradient, size, rows, size, found)
    else:
        for i in range(size):
            rows[i] = gradient[i]
    return True


@njit(cache=True, inline="always")
def put_array(gradient, out, rows, found):
    """Take a gradient of any dimensions, if it has the right size."""
    if gradient.size != out.size:
        return False
    for i, slope in enumerate(gradient.flat):
        rows[i] = slope
    collect_written(out.size, rows, found)
    return True


@njit(cache=True, nogil=True)
def _spread(rows, start, free):
    """Put the free variables, with which the first row begins, among the others."""
    j = free.size - 1
    for k in range(start.size - 1, -1, -1):
        if j >= 0 and free[j] == k:
            rows[0, k] = rows[0, j]
            j -= 1
        else:
            rows[0, k] = start[k]


# a point is placed in each loop anew: called for every one, arrays would be counted, too


@njit(cache=True, nogil=True)
def values_alone(address, data, start, free, center, steps, target, values, begin, end):
    """Values."""
    rows, found = np.empty((2, start.size)), np.zeros(KEPT + 1)
    for i in range(begin, end):
        for j in range(steps.shape[1]):
            rows[0, j] = center[j] + steps[i, j]
        if free.size:
            _spread(rows, start, free)
        if not _call(address, rows[0], rows[0], found, rows, 1, data):
            return i
        values[i] = found[0]
        if found[0] <= target:
            return i + 1
    return end


@njit(cache=True, nogil=True)
def with_gradients(
    address, data, twice, start, free, center, steps, target, values, gradients, begin, end
):
    """Values and gradients."""
    rows, found = np.empty((3, start.size)), np.zeros(KEPT + 1)
    whole = rows if free.size else gradients
    for i in range(begin, end):
        for j in range(steps.shape[1]):
            rows[0, j] = center[j] + steps[i, j]
        if free.size:
            _spread(rows, start, free)
        if twice:
            for j in range(start.size):
                rows[1, j] = rows[0, j]
        if not _call(address, rows[0], rows[1], found, whole, 2 if free.size else i, data):
            return i
        for j in range(free.size):
            gradients[i, j] = rows[2, free[j]]
        values[i] = found[0]
        if found[0] <= target:
            return i + 1
    return end


@njit(cache=True, nogil=True, fastmath=SUM_FLAGS)
def gradients_in_sum(
    address, data, twice, start, free, kept, rows, state, center, steps, target, values, begin, end
):
    """Values, and the sum of the gradients of samples that are finite: those ``kept``.

    ``state`` is how many they are and the index of the first value that is lower than all
    others; ``rows`` are room for a point, its copy and its gradient, then the gradient of the
    lowest value, and the sum. Where all variables are free, the trampoline adds to it.
    """
    found = np.zeros(KEPT + 1)
    size, width = steps.shape[1], start.size
    summed = rows[GRADIENT:].reshape(3 * width)
    if begin == 0:
        state[0] = state[1] = 0
        for j in range(size):
            rows[SUM, j] = 0.0
    count, best = state[0], state[1]
    found[LEAST] = np.nan
    if begin:
        found[LEAST] = values[best] if values[best] == values[best] else np.inf
    found[IN_SUM] = 0.0 if free.size else 1.0
    done = end
    for i in range(begin, end):
        for j in range(size):
            rows[0, j] = center[j] + steps[i, j]
        if free.size:
            _spread(rows, start, free)
        if twice:
            rows[1] = rows[0]
        if not _call(address, rows[0], rows[1], found, rows, GRADIENT, data):
            done = i
            break
        if free.size:
            for j in range(size):
                rows[GRADIENT, j] = rows[GRADIENT, free[j]]
            collect(summed, size, summed, width, found)
        value = found[0]
        values[i] = value
        kept[i] = found[KEPT] != 0.0
        count += kept[i]
        if i == 0 or value < found[LEAST]:
            best = i
            found[LEAST] = value if value == value else np.inf
        if value <= target:
            done = i + 1
            break
    state[0], state[1] = count, best
    return done
