"""Threads that minimize at once do so as each would alone."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.optimize import rosen, rosen_der

from smoothmin import minimize
from smoothmin._registry import METHODS

X0 = np.array([-1.2, 1.0, 0.8, -0.3])
THREADS = 8


def uneven(x):
    return float(rosen(x) + np.abs(x).sum()), rosen_der(x) + np.sign(x)


def run(method, seed):
    options = {"maxfev": 150, "history": True}
    return minimize(uneven, X0 + seed, method=method, jac=True, rng=seed, options=options)


def together(jobs):
    """Results of runs that begin at the same moment."""
    ready = Barrier(len(jobs))

    def begin(job):
        ready.wait()
        return run(*job)

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(begin, jobs))


@pytest.mark.parametrize("method", METHODS)
def test_eight_threads_give_what_each_gives_alone(method):
    jobs = [(method, seed) for seed in range(THREADS)]
    # first together, so that what is loaded when first used is loaded by several at once
    for found, job in zip(together(jobs), jobs, strict=True):
        alone = run(*job)
        assert found.keys() == alone.keys()
        for key in found.keys() - {"hess_inv"}:
            assert_array_equal(found[key], alone[key], err_msg=key)


def test_different_methods_do_not_disturb_each_other():
    jobs = [(method, 1) for method in list(METHODS)[:THREADS]]
    for found, job in zip(together(jobs), jobs, strict=True):
        assert_array_equal(found.x, run(*job).x, err_msg=job[0])
        assert found.nfev == run(*job).nfev
