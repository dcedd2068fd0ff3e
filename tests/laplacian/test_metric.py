"""The compact limited-memory matrix against the update it stands for."""

from dataclasses import dataclass

import numpy as np
import pytest

from smoothmin.laplacian._metric import SobolevMemory


@dataclass
class Here:
    """What `SobolevMemory.follow` is told of a point."""

    grad: np.ndarray
    smooth: np.ndarray
    norm: float

    @classmethod
    def of(cls, grad, inverse):
        return cls(grad, inverse @ grad, np.sqrt(grad @ inverse @ grad))


def updated(metric, pairs, inverse):
    """The update of BFGS, from gamma * A^-1 through all pairs kept."""
    h = metric.scale * inverse
    for s, y in pairs:
        left = np.eye(len(s)) - np.outer(s, y) / (s @ y)
        h = left @ h @ left.T + np.outer(s, s) / (s @ y)
    return h


# steps so short that nothing can be had of differences are taken as updates
@pytest.mark.parametrize("length", [1.0, 1e-4])
@pytest.mark.parametrize("following", [True, False])
@pytest.mark.parametrize("memory", [1, 3, 20])
def test_agrees_with_dense_updates(memory, following, length):
    rng = np.random.default_rng(0)
    n = 7
    hessian, a = (m @ m.T + np.eye(n) for m in rng.normal(size=(2, n, n)))
    inverse = np.linalg.inv(a)
    metric, pairs = SobolevMemory(n, memory, 0.5), []
    here = Here.of(rng.normal(size=n), inverse)
    for step in range(12):
        if step == 5:  # another gradient, as when a problem has changed
            here = Here.of(rng.normal(size=n), inverse)
        h = updated(metric, pairs, inverse)
        found = metric.apply(here.grad, here.smooth)
        np.testing.assert_allclose(found, h @ here.grad, rtol=1e-8, atol=1e-9)
        np.testing.assert_array_equal(metric.apply(here.grad, here.smooth, -1.0), -found)
        t, direction = rng.uniform(0.5, 2), length * rng.normal(size=n)
        s, y = t * direction, t * (hessian @ direction)
        new = Here.of(here.grad + y, inverse)
        if following:
            assert metric.follow(t, direction, s @ y, here, new)
        else:
            assert metric.update(s, y, inverse @ y)
        here = new
        pairs = [*pairs, (s, y)][-memory:]


def test_a_step_of_negative_curvature_is_not_followed():
    metric = SobolevMemory(3, 2)
    a, b = (Here.of(g, np.eye(3)) for g in np.eye(3)[:2])
    metric.apply(a.grad, a.smooth)
    assert not metric.follow(0.5, np.ones(3), -1.0, a, b)
    assert not metric.follow(0.5, np.ones(3), np.nan, a, b)
    assert metric.fresh
    assert metric.follow(0.5, np.ones(3), 1.0, a, b)
    assert not metric.fresh


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
