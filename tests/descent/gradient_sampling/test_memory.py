"""Vectors that are kept where there are many variables."""

import tracemalloc

import numpy as np

from smoothmin import minimize

N = 300_000


def crescents(x):
    """Two sums, of which the larger counts: the run ends on the kink between them."""
    left, right = x[:-1], x[1:]
    bowls = left**2 + (right - 1) ** 2
    first, second = float((bowls + right - 1).sum()), float((-bowls + right + 1).sum())
    sign = 1.0 if first >= second else -1.0
    g = np.zeros(x.size)
    g[:-1] += 2 * sign * left
    g[1:] += 2 * sign * (right - 1) + 1
    return max(first, second), g


def test_on_kinks_a_run_holds_no_more_vectors_than_a_few_limited_memories():
    most = 0

    def watched(x):
        nonlocal most
        most = max(most, tracemalloc.get_traced_memory()[1])
        found = crescents(x)
        tracemalloc.reset_peak()
        return found

    start = np.where(np.arange(N) % 2, 2.0, -1.5)
    minimize(crescents, start[:3000], jac=True, options={"maxfev": 200})  # imports
    tracemalloc.start()
    try:
        minimize(watched, start, jac=True, rng=0, options={"maxfev": 200})
    finally:
        tracemalloc.stop()
    assert most <= 135 * 8 * N
