"""Runs in several threads at once are the runs one after the other."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from smoothmin import minimize
from smoothmin._registry import METHODS

# every method is tried with the same arguments
pytestmark = pytest.mark.filterwarnings("ignore:.*takes values alone. the gradient:RuntimeWarning")

THREADS = 8


def value(x):
    return float(np.sum(np.cos(3 * x) + np.abs(x - 0.3)))


def gradient(x):
    return -3 * np.sin(3 * x) + np.sign(x - 0.3)


@pytest.mark.parametrize("method", METHODS)
def test_eight_threads_at_once(method):
    def run(seed):
        x0 = np.random.default_rng(seed).uniform(-2, 2, 4)
        options = {"maxfev": 120}
        return minimize(value, x0, jac=gradient, method=method, rng=seed, options=options)

    with ThreadPoolExecutor(THREADS) as pool:
        threaded = list(pool.map(run, range(THREADS)))
    for seed, ours in enumerate(threaded):
        theirs = run(seed)
        assert (ours.fun, ours.nfev, ours.nit) == (theirs.fun, theirs.nfev, theirs.nit)
        assert_array_equal(ours.x, theirs.x)
