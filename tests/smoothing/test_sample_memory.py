"""Samples made and evaluated a block at a time: whose memory they are in, and how much of it."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from smoothmin import AfterSteps, GradientDescent, GradientSampling, minimize


@pytest.mark.parametrize("size", [3, 40_000])
def test_arrays_the_user_keeps_are_not_written_to_again(size):
    """Points are made in memory that is used again, unless somebody holds on to it."""
    kept, copies = [], []

    def fun(x):
        kept.append(x[1:])
        copies.append(x[1:].copy())
        return float(x @ x), 2 * x

    method = GradientSampling(n=6, sigma=0.1)
    options = {"maxfev": 30}
    minimize(fun, np.ones(size), jac=True, method=method, rng=0, options=options)
    assert len(kept) >= 18
    assert all(np.array_equal(a, b) for a, b in zip(kept, copies, strict=True))


@pytest.mark.parametrize("size", [3, 40_000])
def test_a_gradient_buffer_used_again_and_a_changed_argument_do_no_harm(size):
    buffer = np.empty(size)

    def tidy(x):
        return float(x @ x), 2 * x

    def untidy(x):
        buffer[:] = 2 * x
        value = float(x @ x)
        x[:] = np.nan
        return value, buffer

    method = GradientSampling(n=6, sigma=0.1)
    runs = [
        minimize(fun, np.ones(size), jac=True, method=method, rng=0, options={"maxfev": 60})
        for fun in (tidy, untidy)
    ]
    assert np.array_equal(runs[0].x, runs[1].x)
    assert np.array_equal(runs[0].jac, runs[1].jac)
    assert runs[0].fun == runs[1].fun == tidy(runs[1].x)[0]


@pytest.mark.parametrize("size", [4, 20_000])
def test_workers_and_vectorized_see_the_same_samples(size):
    def fun(x):
        return (x * x).sum(axis=0), 2 * x

    method = GradientSampling(n=9, sigma=0.1, termination=AfterSteps(2))
    arguments = {"jac": True, "method": method, "rng": 0, "options": {"maxfev": 70}}
    serial = minimize(fun, np.ones(size), **arguments)
    with ThreadPoolExecutor(2) as pool:
        threads = minimize(fun, np.ones(size), workers=pool, **arguments)
    mapped = minimize(fun, np.ones(size), workers=map, **arguments)
    together = minimize(fun, np.ones(size), vectorized=True, **arguments)
    for other in (threads, mapped):
        assert np.array_equal(serial.x, other.x)
        assert (serial.fun, serial.nfev) == (other.fun, other.nfev)
    np.testing.assert_allclose(together.x, serial.x, rtol=1e-9)


def test_without_pre_generation_memory_stays_at_a_chunk():
    """Two hundred samples of 100,000 variables are 160 MB; one is 0.8 MB."""
    size = 100_000
    method = GradientSampling(GradientDescent(lr=0.1), n=200, pre_generate=False)
    tracemalloc.start()
    try:
        res = minimize(
            lambda x: (float(x @ x), 2 * x), np.ones(size), jac=True, method=method, rng=0,
            options={"maxiter": 1},
        )  # fmt: skip
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert res.nfev == 400  # the start, and where the step leads
    assert peak < 20e6
