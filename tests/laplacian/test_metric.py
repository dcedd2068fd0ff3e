"""The compact limited-memory matrix against the update it stands for."""

import numpy as np
import pytest

from smoothmin.laplacian._metric import SobolevMemory


@pytest.mark.parametrize("differences", [True, False])
@pytest.mark.parametrize("memory", [1, 3, 20])
def test_agrees_with_dense_updates(memory, differences):
    rng = np.random.default_rng(0)
    n = 7
    hessian, a = (m @ m.T + np.eye(n) for m in rng.normal(size=(2, n, n)))
    inverse = np.linalg.inv(a)
    metric, pairs, new = SobolevMemory(n, memory, 0.5), [], None
    g = rng.normal(size=n)
    for step in range(12):
        # the next gradient, or now and then another, as when a problem has changed
        g = rng.normal(size=n) if new is None or step == 5 else new
        # the update of BFGS, from gamma * A^-1 through all pairs kept
        h = metric.scale * inverse
        for s, y in pairs:
            left = np.eye(n) - np.outer(s, y) / (s @ y)
            h = left @ h @ left.T + np.outer(s, s) / (s @ y)
        np.testing.assert_allclose(metric.apply(g, inverse @ g), h @ g, rtol=1e-9, atol=1e-11)
        s = rng.normal(size=n)
        y = hessian @ s
        new = g + y if differences else None
        assert metric.update(s, y, inverse @ y, new)
        pairs = [*pairs, (s, hessian @ s)][-memory:]


def test_negative_curvature_is_left_out():
    metric = SobolevMemory(3, 2)
    s = np.ones(3)
    assert not metric.update(s, -s, -s)
    assert not metric.update(s, np.full(3, np.nan), s)
    assert metric.fresh
    assert metric.update(s, s, s)
    assert not metric.fresh
    metric.reset()
    assert metric.fresh
