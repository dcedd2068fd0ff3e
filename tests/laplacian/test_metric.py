"""The compact limited-memory matrix against the update it stands for."""

import numpy as np
import pytest

from smoothmin.laplacian._metric import SobolevMemory


@pytest.mark.parametrize("memory", [1, 3, 20])
def test_agrees_with_dense_updates(memory):
    rng = np.random.default_rng(0)
    n = 7
    hessian, a = (m @ m.T + np.eye(n) for m in rng.normal(size=(2, n, n)))
    inverse = np.linalg.inv(a)
    metric, pairs = SobolevMemory(n, memory, 0.5), []
    for _ in range(12):
        g = rng.normal(size=n)
        # the update of BFGS, from gamma * A^-1 through all pairs kept
        h = metric.scale * inverse
        for s, y in pairs:
            left = np.eye(n) - np.outer(s, y) / (s @ y)
            h = left @ h @ left.T + np.outer(s, s) / (s @ y)
        np.testing.assert_allclose(metric.apply(g, inverse @ g), h @ g, rtol=1e-9, atol=1e-11)
        s = rng.normal(size=n)
        assert metric.update(s, hessian @ s, inverse @ hessian @ s)
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
