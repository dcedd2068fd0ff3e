"""Compiled objectives on threads: the same runs, in less time, and none that waits."""

import subprocess
import sys
import textwrap
import threading
import time

import numba
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from smoothmin import GradientSampling, minimize
from smoothmin._domain import Domain
from smoothmin._source import Objective, threads_of
from smoothmin.compiled import threads
from smoothmin.compiled.threads import Threaded

X0 = np.array([2.0, -1.0, 0.5, 1.5])


@pytest.fixture(autouse=True)
def divided(monkeypatch):
    """Batches are divided whatever they take; the result counts the points in parts."""
    monkeypatch.setattr(threads, "HANDOVER", 0.0)
    counted = []
    inner = Threaded._parts

    def counting(self, begin, end):
        counted.append(end - begin)
        return inner(self, begin, end)

    monkeypatch.setattr(Threaded, "_parts", counting)
    return counted


@numba.njit
def steep(x, k):
    total, g = 0.0, np.empty(x.size)
    for i in range(x.size):
        total += k[i] * abs(x[i])
        g[i] = k[i] * np.sign(x[i])
    return total, g


@numba.njit
def failing(x, k):
    if x[0] > 2.2:
        raise KeyError("mine")
    return steep(x, k)


@numba.njit
def slope(x, k):
    return steep(x, k)[1]


@numba.njit
def value(x, k):
    return steep(x, k)[0]


WEIGHTS = np.arange(1.0, 5)


class Wide(Objective):
    wide = True


def run(fun, **kw):
    method = GradientSampling(n=33, sigma=0.3, include_x0=False)
    defaults = {"x0": X0, "args": (WEIGHTS,), "jac": True, "method": method, "rng": 1}
    return minimize(fun, **(defaults | {"options": {"maxfev": 900}} | kw))


def assert_same(one, other):
    assert one.keys() == other.keys()
    for key in one:
        assert_array_equal(one[key], other[key], err_msg=key)


@pytest.mark.parametrize(
    "kw",
    [
        {},
        {"jac": None, "fun": value},
        {"jac": slope, "fun": value, "bounds": [(-3, 3), (-1, -1), (0.2, 3), (0, 3)]},
        {"options": {"f_target": 3.0}},
        {"options": {"maxfev": 77}},
        {"options": {"maxtime": 0}},
    ],
)
def test_threads_change_nothing(kw, divided):
    kw = {"fun": steep} | kw
    assert_same(run(**kw, workers=2), run(**kw))
    assert sum(divided) > 20


def test_exceptions_come_from_the_first_point_that_raises(divided):
    caught = []
    for workers in (None, 2):
        with pytest.raises(KeyError, match="mine") as raised:
            run(failing, workers=workers)
        caught.append(raised.value.partial_result)
    assert_same(*caught)
    assert divided


def test_no_thread_is_left_behind():
    run(steep, workers=3)
    end = time.perf_counter() + 5
    while threading.active_count() > 1 and time.perf_counter() < end:
        time.sleep(0.01)
    assert threading.active_count() == 1


@numba.njit
def scribbling(x, work):
    for i in range(x.size):
        work[i] = x[i] ** 2
    return work.sum(), 2 * x


def test_what_writes_to_its_arguments_gets_processes(divided, monkeypatch):
    made = []
    inner = threads.Threaded.__init__

    def noting(self, objective, domain, count, instead):
        def other():
            made.append(count)
            from smoothmin._source import Serial

            return Serial(objective, domain)

        inner(self, objective, domain, count, other)

    monkeypatch.setattr(threads.Threaded, "__init__", noting)
    args = (np.zeros(4),)
    assert_same(run(scribbling, args=args, workers=2), run(scribbling, args=args))
    assert made == [2]
    assert not divided


def test_constraints_are_not_forgotten():
    # in Python, since processes take a while to start
    found = threads_of(Wide(value, None, ()), Domain.build(X0, None), 2, lambda: "others")
    assert found == "others"
    kept = {"type": "ineq", "fun": lambda x: x[0] + x[1] - 1}
    res = minimize(value, X0, (WEIGHTS,), jac=slope, constraints=kept, rng=0)
    assert res.x[0] + res.x[1] > 1 - 1e-6


SLOW = """
import numba, numpy as np, smoothmin
@numba.njit(nogil=True)
def slow(x):
    k = 0.0
    for i in range(100_000_000_000 if x[0] > 2 else 1):
        k += np.sin(i)
    return np.abs(x).sum() + 0 * k
slow(np.zeros(2))
res = smoothmin.minimize(
    slow, [2.0, 1.0], method="gaussian-search", rng=0, workers=2, options={"maxtime": 0.3}
)
print(res.status, res.nfev > 0)
"""


def test_neither_maxtime_nor_the_interpreter_waits_for_an_evaluation():
    # the evaluation takes many minutes
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SLOW)],
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.stdout.split() == ["5", "True"], done.stderr
