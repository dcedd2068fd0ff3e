import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoothmin import minimize
from smoothmin.derivative_free.resolution import Resolution


@given(st.floats(0.1, 1e6), st.floats(1e-3, 1e3), st.floats(0.0, 2.0))
def test_curvature_that_grows_like_a_kinks_is_one(change, first, power):
    resolution = Resolution()
    for k in range(3):
        resolution.note(first * 0.1**k, change * 0.1 ** (-power * k))
    kinked = resolution.kinked(first * 1e-3, change * 0.1 ** (-power * 3))
    if abs(power - 0.5) > 0.01:
        assert kinked == (power > 0.5)


def test_nothing_is_hidden_beside_a_kink_nor_more_than_a_share_of_what_was_seen():
    smooth, kink = Resolution(), Resolution()
    smooth.note(1e-7, 1.0)
    kink.note(1e-7, 1e7)
    assert smooth.hidden(1e-8, 0.0, 1.0, 1.0, 0.0, 1e-8) == pytest.approx(5e-17)
    assert smooth.hidden(1e-8, 1e3, 1.0, 1.0, 0.0, 1e-8) == pytest.approx(1e-8)
    assert kink.hidden(1e-8, 0.0, 1e8, 1.0, 0.0, 1e-8) == 0.0


@pytest.mark.parametrize("method", ["model-descent", "Nelder-Mead"])
@pytest.mark.parametrize("seed", range(4))
def test_an_edge_is_no_minimum(method, seed):
    rng = np.random.default_rng(seed)
    n = 4
    a = rng.standard_normal((3 * n, n))
    a, b = a - a.mean(axis=0), rng.standard_normal(3 * n)

    def fun(x):
        return float((a @ x + b).max())

    res = minimize(fun, 10 * rng.standard_normal(n), method=method, rng=0)
    lower = minimize(fun, res.x, jac=lambda x: a[(a @ x + b).argmax()], rng=0)
    assert not res.success or res.fun - lower.fun <= 1e-6 * abs(lower.fun)


@pytest.mark.parametrize("power", [2, 4])
@pytest.mark.parametrize("far", [1.0, 1e3])
def test_flat_minima_are_successes(power, far):
    c = np.array([0.3, -1.0, 2.0])
    res = minimize(
        lambda x: float(np.sum(np.abs(x - c) ** power)), far * np.ones(3), method="model-descent"
    )
    assert res.success
    assert res.fun < 1e-10
