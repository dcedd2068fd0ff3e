"""Compiled recursions of `smoothmin.laplacian._recursion`; imports numba."""

from __future__ import annotations

from typing import Any

from numba import njit

from smoothmin.laplacian._lanes import (
    element,
    load,
    single,
    splat,
    store,
    times,
    times_plus,
    window,
)

# a sum may be reordered into vector lanes
_SUM = {"reassoc", "contract", "nsz"}
# below this weight the rest of an end sum is rounding
_NEGLIGIBLE = 1e-18


@njit(cache=True, nogil=True, fastmath=_SUM)
def weighted_sum(values: Any, weights: Any) -> Any:
    """Inner product of two vectors of one length."""
    total = values[0] - values[0]
    for i in range(values.size):
        total += values[i] * weights[i]
    return total


@njit(cache=True, nogil=True)
def end_sums(g: Any, powers: Any, reverse: Any, fade: float) -> Any:
    """The sums of ``r^i g[i]`` and of ``r^i g[n-1-i]``.

    ``powers`` is r^0, r^1, ... for one block, ``reverse`` the same backwards, and
    ``fade`` is 1 - r^block.
    """
    block, n = powers.size, g.size
    head, tail, weight, start = 0.0, 0.0, 1.0, 0
    while start < n and weight > _NEGLIGIBLE:
        size = min(block, n - start)
        head += weight * weighted_sum(g[start : start + size], powers[:size])
        tail += weight * weighted_sum(g[n - start - size : n - start], reverse[block - size :])
        weight -= fade * weight
        start += size
    return head, tail


@njit(cache=True, nogil=True)
def forward(g: Any, out: Any, c: Any, before: Any) -> Any:
    """``out[i] = r out[i-1] + scale g[i]`` with ``out[-1] = before``; the last of them.

    ``c`` is scale, r, r^2, r^4, r^8, keep, fade and delta, where ``keep + fade`` is
    r^16. Sixteen steps at once: sums x1, x2, x4 of 2, 4, 8 terms are doubled up to
    16, and then ``out[i] = r^16 out[i-16] + (sum of 16)``.
    """
    stop = g.size - g.size % 16
    scale, r1, r2 = splat(c[0]), splat(c[1]), splat(c[2])
    r4, r8, keep, fade = splat(c[3]), splat(c[4]), splat(c[5]), splat(c[6])
    # what came before the first element acts like an impulse just there
    y = y1 = y2 = y4 = even = single(before, 7)
    odd = splat(before - before)
    for i in range(0, stop, 16):
        x = times(scale, load(g, i))
        x1 = times_plus(r1, window(y, x, 7), x)
        x2 = times_plus(r2, window(y1, x1, 6), x1)
        x4 = times_plus(r4, window(y2, x2, 4), x2)
        odd = times_plus(keep, odd, times_plus(fade, odd, times_plus(r8, y4, x4)))
        store(out, i, odd)
        y = times(scale, load(g, i + 8))
        y1 = times_plus(r1, window(x, y, 7), y)
        y2 = times_plus(r2, window(x1, y1, 6), y1)
        y4 = times_plus(r4, window(x2, y2, 4), y2)
        even = times_plus(keep, even, times_plus(fade, even, times_plus(r8, x4, y4)))
        store(out, i + 8, even)
    last = element(even, 7)
    for i in range(stop, g.size):
        last += c[0] * g[i] - c[7] * last
        out[i] = last
    return last


@njit(cache=True, nogil=True)
def backward(u: Any, c: Any, after: Any) -> None:
    """``u[i] = r u[i+1] + u[i]`` in place, from the end, with ``u[n] = after``.

    The mirror image of `forward`.
    """
    rest = u.size % 16
    r1, r2, r4, r8 = splat(c[1]), splat(c[2]), splat(c[3]), splat(c[4])
    keep, fade = splat(c[5]), splat(c[6])
    y = y1 = y2 = y4 = even = single(after, 0)
    odd = splat(after - after)
    for k in range(u.size // 16):
        i = u.size - 8 - 16 * k
        x = load(u, i)
        x1 = times_plus(r1, window(x, y, 1), x)
        x2 = times_plus(r2, window(x1, y1, 2), x1)
        x4 = times_plus(r4, window(x2, y2, 4), x2)
        odd = times_plus(keep, odd, times_plus(fade, odd, times_plus(r8, y4, x4)))
        store(u, i, odd)
        y = load(u, i - 8)
        y1 = times_plus(r1, window(y, x, 1), y)
        y2 = times_plus(r2, window(y1, x1, 2), y1)
        y4 = times_plus(r4, window(y2, x2, 4), y2)
        even = times_plus(keep, even, times_plus(fade, even, times_plus(r8, x4, y4)))
        store(u, i - 8, even)
    first = element(even, 0)
    for i in range(rest - 1, -1, -1):
        first += u[i] - c[7] * first
        u[i] = first


@njit(cache=True, nogil=True)
def solve_line(g: Any, out: Any, c: Any, powers: Any, reverse: Any, ends: Any) -> None:
    """``A^-1 g`` into ``out``, which may be ``g``: two passes, and where each starts."""
    head, tail = end_sums(g, powers, reverse, ends[0])
    last = forward(g, out, c, c.dtype.type(ends[1] * head + ends[2] * tail))
    backward(out, c, c.dtype.type(ends[3] * head + ends[4] * tail + ends[5] * last))


@njit(cache=True, nogil=True, fastmath={"contract"})
def add_ends(top: Any, bottom: Any, delta: Any, weight: Any, head: Any, tail: Any) -> None:
    """One row's share of the end sums, in every column."""
    for k in range(weight.size):
        head[k] += weight[k] * top[k]
        tail[k] += weight[k] * bottom[k]
        weight[k] -= delta[k] * weight[k]


@njit(cache=True, nogil=True, fastmath={"contract"})
def forward_row(row: Any, before: Any, scale: Any, keep: Any, fade: Any) -> None:
    """``row = r before + scale row``, where ``r = keep + fade``."""
    for k in range(row.size):
        row[k] = keep[k] * before[k] + (scale[k] * row[k] + fade[k] * before[k])


@njit(cache=True, nogil=True, fastmath={"contract"})
def backward_row(row: Any, after: Any, keep: Any, fade: Any) -> None:
    """``row = r after + row``."""
    for k in range(row.size):
        row[k] = keep[k] * after[k] + (row[k] + fade[k] * after[k])


@njit(cache=True, nogil=True, fastmath={"contract"})
def combine(a: Any, x: Any, b: Any, y: Any, c: Any, z: Any, out: Any) -> None:
    """``out = a x + b y + c z``, element by element."""
    for k in range(out.size):
        out[k] = a[k] * x[k] + b[k] * y[k] + c[k] * z[k]


@njit(cache=True, nogil=True)
def solve_columns(u: Any, c: Any, ends: Any, far: int, work: Any) -> None:
    """`solve_line` down every column of ``u`` (rows, columns), in place.

    ``c`` (4, columns) is scale, keep, fade and delta, ``ends`` (5, columns); end sums
    take ``far`` rows; ``work`` is (4, columns) to use.
    """
    rows = u.shape[0]
    weight, head, tail, edge = work[0], work[1], work[2], work[3]
    weight[:], head[:], tail[:] = 1.0, 0.0, 0.0
    for i in range(far):
        add_ends(u[i], u[rows - 1 - i], c[3], weight, head, tail)
    weight[:] = 0.0
    combine(ends[0], head, ends[1], tail, weight, tail, edge)
    forward_row(u[0], edge, c[0], c[1], c[2])
    for i in range(1, rows):
        forward_row(u[i], u[i - 1], c[0], c[1], c[2])
    combine(ends[2], head, ends[3], tail, ends[4], u[rows - 1], edge)
    backward_row(u[rows - 1], edge, c[1], c[2])
    for i in range(rows - 2, -1, -1):
        backward_row(u[i], u[i + 1], c[1], c[2])
