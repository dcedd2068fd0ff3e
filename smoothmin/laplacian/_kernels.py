"""Compiled recursions of `smoothmin.laplacian._recursion`; imports numba."""

from __future__ import annotations

from typing import Any

from numba import njit

from smoothmin._machine import EPS
from smoothmin.laplacian._lanes import (
    element,
    lanes_of,
    load,
    moved_down,
    moved_up,
    single,
    splat,
    store,
    times,
    times_plus,
)

# a sum may be reordered into vector lanes
_SUM = {"reassoc", "contract", "nsz"}


@njit(cache=True, nogil=True, fastmath=_SUM)
def weighted_sum(values: Any, weights: Any) -> Any:
    """Inner product of two vectors of one length."""
    total = values[0] - values[0]
    for i in range(values.size):
        total += values[i] * weights[i]
    return total


@njit(cache=True, nogil=True)
def head_sum(g: Any, powers: Any, fade: float) -> float:
    """The sum of ``r^i g[i]``; ``powers`` is r^0, r^1, ... of a block, fade 1 - r^block."""
    total, weight, start = 0.0, 1.0, 0
    while start < g.size and weight > EPS:
        size = min(powers.size, g.size - start)
        total += weight * weighted_sum(g[start : start + size], powers[:size])
        weight -= fade * weight
        start += size
    return total


@njit(cache=True, nogil=True)
def tail_sum(g: Any, reverse: Any, fade: float) -> float:
    """The sum of ``r^i g[n-1-i]``; ``reverse`` is the powers of a block backwards."""
    total, weight, stop = 0.0, 1.0, g.size
    while stop > 0 and weight > EPS:
        size = min(reverse.size, stop)
        total += weight * weighted_sum(g[stop - size : stop], reverse[reverse.size - size :])
        weight -= fade * weight
        stop -= size
    return total


@njit(cache=True, nogil=True)
def forward(g: Any, out: Any, c: Any, before: Any) -> Any:
    """``out[i] = r out[i-1] + scale g[i]`` with ``out[-1] = before``; the last of them.

    ``c`` is scale, r, r^2, r^4, r^8, r^L, keep, fade and delta, where L is the number
    of lanes and ``keep + fade`` is r^2L. Two vectors at once: sums x1, x2, x4 of 2, 4,
    8 terms are doubled up to 2L, and then ``out[i] = r^2L out[i-2L] + (sum of 2L)``.
    """
    lanes = lanes_of(g)
    stop = g.size - g.size % (2 * lanes)
    scale, r1, r2, r4, r8 = splat(c[0]), splat(c[1]), splat(c[2]), splat(c[3]), splat(c[4])
    across, keep, fade = splat(c[5]), splat(c[6]), splat(c[7])
    # what came before the first element acts like an impulse just there
    y = y1 = y2 = y4 = y8 = even = single(before, -1)
    odd = splat(before - before)
    for i in range(0, stop, 2 * lanes):
        x = times(scale, load(g, i))
        x1 = times_plus(r1, moved_up(y, x, 1), x)
        x2 = times_plus(r2, moved_up(y1, x1, 2), x1)
        x8 = x4 = times_plus(r4, moved_up(y2, x2, 4), x2)
        if lanes == 16:
            x8 = times_plus(r8, moved_up(y4, x4, 8), x4)
        odd = times_plus(keep, odd, times_plus(fade, odd, times_plus(across, y8, x8)))
        store(out, i, odd)
        y = times(scale, load(g, i + lanes))
        y1 = times_plus(r1, moved_up(x, y, 1), y)
        y2 = times_plus(r2, moved_up(x1, y1, 2), y1)
        y8 = y4 = times_plus(r4, moved_up(x2, y2, 4), y2)
        if lanes == 16:
            y8 = times_plus(r8, moved_up(x4, y4, 8), y4)
        even = times_plus(keep, even, times_plus(fade, even, times_plus(across, x8, y8)))
        store(out, i + lanes, even)
    last = element(even, -1)
    for i in range(stop, g.size):
        last += c[0] * g[i] - c[8] * last
        out[i] = last
    return last


@njit(cache=True, nogil=True)
def backward(u: Any, c: Any, after: Any) -> Any:
    """``u[i] = r u[i+1] + u[i]`` in place, from the end, with ``u[n] = after``; the first.

    The mirror image of `forward`.
    """
    lanes = lanes_of(u)
    rest = u.size % (2 * lanes)
    r1, r2, r4, r8 = splat(c[1]), splat(c[2]), splat(c[3]), splat(c[4])
    across, keep, fade = splat(c[5]), splat(c[6]), splat(c[7])
    y = y1 = y2 = y4 = y8 = even = single(after, 0)
    odd = splat(after - after)
    for k in range(u.size // (2 * lanes)):
        i = u.size - lanes - 2 * lanes * k
        x = load(u, i)
        x1 = times_plus(r1, moved_down(x, y, 1), x)
        x2 = times_plus(r2, moved_down(x1, y1, 2), x1)
        x8 = x4 = times_plus(r4, moved_down(x2, y2, 4), x2)
        if lanes == 16:
            x8 = times_plus(r8, moved_down(x4, y4, 8), x4)
        odd = times_plus(keep, odd, times_plus(fade, odd, times_plus(across, y8, x8)))
        store(u, i, odd)
        y = load(u, i - lanes)
        y1 = times_plus(r1, moved_down(y, x, 1), y)
        y2 = times_plus(r2, moved_down(y1, x1, 2), y1)
        y8 = y4 = times_plus(r4, moved_down(y2, x2, 4), y2)
        if lanes == 16:
            y8 = times_plus(r8, moved_down(y4, x4, 8), y4)
        even = times_plus(keep, even, times_plus(fade, even, times_plus(across, x8, y8)))
        store(u, i - lanes, even)
    first = element(even, 0)
    for i in range(rest - 1, -1, -1):
        first += u[i] - c[8] * first
        u[i] = first
    return first


@njit(cache=True, nogil=True)
def solve_line(g: Any, out: Any, table: Any, block: int, tile: int) -> None:
    """``A^-1 g`` into ``out``, which may be ``g``: both passes, tile by tile from the end.

    ``table`` is the constants of `forward`; where the passes start, as of `Factors`;
    1 - r^block; and the powers of r of a block, forwards and backwards. What comes
    before a tile is summed anew for its start, so tiles are for where that is little.
    """
    c, ends, fade = table[:9], table[9:14], table[14]
    powers, reverse = table[15 : 15 + block], table[15 + block :]
    kind = table.dtype.type
    head, tail = head_sum(g, powers, fade), tail_sum(g, reverse, fade)
    start = kind(ends[0] * head + ends[1] * tail)
    rest = (g.size - 1) // tile * tile
    before = start if rest == 0 else kind(c[0] * tail_sum(g[:rest], reverse, fade))
    last = forward(g[rest:], out[rest:], c, before)
    after = backward(out[rest:], c, kind(ends[2] * head + ends[3] * tail + ends[4] * last))
    for left in range(rest - tile, -1, -tile):
        before = start if left == 0 else kind(c[0] * tail_sum(g[:left], reverse, fade))
        forward(g[left : left + tile], out[left : left + tile], c, before)
        after = backward(out[left : left + tile], c, after)


@njit(cache=True, nogil=True, fastmath={"contract"})
def solve_from_ends(g: Any, out: Any, p: Any, inverse: float, middle: float) -> None:
    """Elimination from both ends of a line at once, and substitution from its middle.

    ``p`` is 0 and the inverse pivots of half the line, ``inverse`` is 1 / sigma, and
    ``middle`` the share of what arrives in the middle that its one or two elements keep.
    """
    n, half = g.size, g.size // 2
    left = right = 0.0
    for i in range(half):
        left = p[i] * left + g[i]
        right = p[i] * right + g[n - 1 - i]
        out[i], out[n - 1 - i] = left, right
    last = p[half]
    if n % 2:
        left = right = middle * (g[half] + last * (left + right))
        out[half] = left
        rest = half
    else:
        left, right = middle * (left + last * right), middle * (right + last * left)
        out[half - 1], out[half] = left, right
        rest = half - 1
    for i in range(rest - 1, -1, -1):
        share = p[i + 1] * inverse
        left = p[i + 1] * left + share * out[i]
        right = p[i + 1] * right + share * out[n - 1 - i]
        out[i], out[n - 1 - i] = left, right


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
