"""Functions in C as objectives."""

import ctypes
import pickle

import numpy as np
import pytest
from numba import carray, cfunc, types
from numpy.testing import assert_array_equal
from scipy import LowLevelCallable

from smoothmin import GradientSampling, minimize, smooth
from smoothmin.compiled import source
from smoothmin.compiled.source import Compiled

POINTER = types.CPointer(types.float64)
X0 = np.array([2.0, -1.0, 0.5])
OPTIONS = {"maxfev": 400}


@cfunc(types.float64(types.intc, POINTER))
def sums(n, x):
    total = 0.0
    for i in range(n):
        total += (i + 1) * abs(x[i])
    return total


@cfunc(types.float64(types.intp, POINTER, types.voidptr))
def weighted(n, x, data):
    total, weights = 0.0, carray(data, (3,), types.float64)
    for i in range(n):
        total += weights[i] * abs(x[i])
    return total


def plain(x):
    return float(sum((i + 1) * abs(x[i]) for i in range(x.size)))


@pytest.fixture(autouse=True)
def loops(monkeypatch):
    """Compile at once, and count the points in compiled loops."""
    monkeypatch.setattr(source, "PRICE", 0.0)
    counted = []
    inner = Compiled._in_loops

    def counting(self, trampoline, points, *rest):
        counted.append(len(points))
        return inner(self, trampoline, points, *rest)

    monkeypatch.setattr(Compiled, "_in_loops", counting)
    return counted


def run(fun, **kw):
    method = GradientSampling(n=20, sigma=0.3)
    return minimize(fun, X0, method=method, rng=0, options=OPTIONS, **kw)


def forms():
    weights = np.arange(1.0, 4)
    data = ctypes.c_void_p(weights.ctypes.data)
    return weights, {
        "low level": LowLevelCallable(sums.ctypes),
        "ctypes": sums.ctypes,
        "with data": LowLevelCallable(weighted.ctypes, data, "double (npy_intp, double *, void *)"),
    }


@pytest.mark.parametrize("form", ["low level", "ctypes", "with data"])
def test_they_run_as_in_python(form, loops):
    weights, found = forms()
    one, other = run(found[form]), run(plain)
    assert_array_equal(one.x, other.x)
    assert (one.fun, one.nfev) == (other.fun, other.nfev)
    assert sum(loops) > 100
    assert smooth(found[form], n=10, rng=0)[0](X0) == smooth(plain, n=10, rng=0)[0](X0)
    assert weights.size == 3


def test_other_signatures_are_refused():
    @cfunc(types.float64(types.float64))
    def square(x):
        return x * x

    with pytest.raises(ValueError, match=r"fun must be double f\(int n, double \*x\)"):
        minimize(LowLevelCallable(square.ctypes), X0)


def test_an_address_is_not_for_other_processes():
    with pytest.raises(ValueError, match="pointers cannot be pickled"):
        pickle.dumps(smooth(sums.ctypes))


def test_what_cfunc_makes_is_called_in_c(loops):
    assert_array_equal(run(sums).x, run(sums.ctypes).x)
    assert loops

    @cfunc(types.float64(POINTER, types.intc))
    def reversed_arguments(x, n):
        return x[0]

    with pytest.raises(ValueError, match="fun must be double f"):
        minimize(reversed_arguments, X0)

    @cfunc(types.float64(types.float64))
    def square(x):
        return x * x

    assert minimize(square, [1.0], method="bfgs").success  # called as Python code
