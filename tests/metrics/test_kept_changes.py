"""A limited memory for long runs keeps changes of the gradient for whoever asks for them."""

import numpy as np
import pytest

import smoothmin
from smoothmin.descent.unexplored import changes_of
from smoothmin.metrics.lbfgs import LimitedMemory
from smoothmin.metrics.metric import Ends


@pytest.mark.parametrize("scaled", [False, True])
def test_changes_are_those_of_the_gradients(scaled):
    rng = np.random.default_rng(1)
    curvature = 10.0 ** rng.uniform(-1, 1, 30)
    points = rng.standard_normal((9, 30))
    gradients = list(points * curvature)
    memory = LimitedMemory(30, 6, scaled=scaled, lasting=True)
    for k in range(8):
        memory.apply(gradients[k])
        step, change = points[k + 1] - points[k], gradients[k + 1] - gradients[k]
        memory.update(step, change, None, Ends.of(step, change, gradients[k], gradients[k + 1]))
    part = slice(3, 20)
    kept, plain = memory.changes(4), changes_of(gradients[-5:])
    assert kept.number == plain.number == 4
    np.testing.assert_allclose(kept.of(part), plain.of(part), rtol=1e-12)
    assert memory.changes(20).number == 6


def test_a_run_of_many_variables_keeps_few_vectors():
    import tracemalloc

    n = 30_000
    curvature = np.geomspace(1, 1e3, n)

    def fun(x):
        gradient = curvature * x
        return 0.5 * float(gradient @ x), gradient

    start = np.ones(n)
    smoothmin.minimize(fun, start, jac=True, options={"maxfev": 2})  # imports
    tracemalloc.start()
    try:
        result = smoothmin.minimize(fun, start, jac=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.success
    assert peak < 62 * 8 * n
