"""Searches that go on with what has come back: ``options={"asynchronous": ...}``."""

import random
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import numpy as np
import pytest
from scipy.optimize import rosen
from worker_cases import X0, assert_same

from smoothmin import Journal, minimize
from smoothmin._method import Method
from smoothmin._protocol import Arrived, Ask, Finish, Stream
from smoothmin._status import Status

SEARCH = {"method": "gaussian-search", "rng": 1}


class Straggling(Executor):
    """Evaluates at once, but for one point, whose answer comes after that of many others."""

    _max_workers = 3

    def __init__(self, late=5, until=60):
        self.late, self.until = late, until
        self.count, self.held = 0, None

    def submit(self, function, /, *args):
        self.count += len(args[-1])  # points
        future = Future()
        # a chunk of more than may be under way would be waited for
        if self.held is None and self.count >= self.late and len(args[-1]) == 1:
            self.held = future, function, args
            return future
        future.set_result(function(*args))
        if self.count >= self.until and self.held is not None:
            held, function, args = self.held
            if not held.done():
                held.set_result(function(*args))
        return future


class Jittery:
    """A function whose answers come in no order."""

    def __init__(self):
        self.calls = 0
        self._lock, self._draw = threading.Lock(), random.Random(0)

    def __call__(self, x):
        with self._lock:
            self.calls += 1
            seconds = self._draw.choice([0.0, 0.0, 0.0, 0.004])
        time.sleep(seconds)
        return rosen(x)


class Mixed(Method):
    """Two requests that are not waited for, and one between that is."""

    def run(self, problem, rng):
        points = rng.standard_normal((15, problem.x0.size))
        first = yield Stream(points[:10], 8)
        assert isinstance(first, Arrived)
        assert len(first.values) + first.under_way == 10
        middle = yield Ask(points[10:], 0)
        np.testing.assert_array_equal(middle.values, [rosen(x) for x in points[10:]])
        rest = yield Stream(points[:0], 0)
        assert rest.under_way == 0
        came = np.concatenate([first.points, rest.points])
        assert sorted(map(tuple, came)) == sorted(map(tuple, points[:10]))
        values = np.concatenate([first.values, rest.values])
        np.testing.assert_array_equal(values, [rosen(x) for x in came])
        return Finish(Status.CONVERGED, "All have come.")


@pytest.mark.parametrize("workers", [None, 3, "held"])
def test_all_points_come_once(workers):
    with ThreadPoolExecutor(3) as pool:
        given = {None: None, 3: pool, "held": Straggling(3, 14)}[workers]
        res = minimize(Jittery(), X0, method=Mixed(), rng=0, workers=given)
    assert (res.nfev, res.status) == (15, 0)


def test_one_slow_point_idles_nobody():
    pool = Straggling()
    res = minimize(rosen, X0, workers=pool, options={"maxfev": 90, "asynchronous": True}, **SEARCH)
    assert res.nfev == pool.count == 90  # a search that waits would still do so
    assert res.fun == rosen(res.x)


@pytest.mark.parametrize("method", ["gaussian-search", "derivative-free"])
def test_limits(method):
    def waves(x):
        value = fun(x)
        inside.append(bool((np.abs(x) <= 2).all()))
        return value + float(3 * np.cos(5 * x).sum())

    fun, inside = Jittery(), []
    with ThreadPoolExecutor(4) as pool:
        options = {"maxfev": 123, "asynchronous": 6}
        if method == "derivative-free":
            options["restarts"] = "budget"
        kw = {"method": method, "rng": 1, "bounds": [(-2, 2)] * 3, "workers": pool}
        res = minimize(waves, X0, options=options, **kw)
    assert res.nfev == fun.calls == 123
    assert res.status == 2
    assert all(inside)


def test_a_journal_keeps_the_order_in_which_answers_came(tmp_path):
    journal = tmp_path / "j"
    fun, options = Jittery(), {"maxfev": 70, "asynchronous": 6, "journal": journal}
    with ThreadPoolExecutor(3) as pool:
        first = minimize(fun, X0, workers=pool, options=options, **SEARCH)
        assert fun.calls == 70
        assert_same(first, minimize(fun, X0, options=options, **SEARCH))
        assert fun.calls == 70
        more = options | {"maxfev": 110, "journal": Journal(journal, check=4)}
        longer = minimize(fun, X0, workers=pool, options=more, **SEARCH)
    assert (longer.nfev, fun.calls) == (110, 114)
    assert longer.fun <= first.fun
    with pytest.raises(ValueError, match="asynchronous"):
        minimize(fun, X0, options=options | {"asynchronous": 5}, **SEARCH)


@pytest.mark.parametrize("ahead", [1, 4, 25])
def test_it_comes_to_the_minimum(ahead):
    options = {"maxfev": 3000, "f_target": 1e-8, "asynchronous": ahead}
    for seed in range(2):
        res = minimize(rosen, X0, method="gaussian-search", rng=seed, options=options)
        assert res.status == 6


def test_one_process_and_no_number_is_the_usual_run():
    plain = minimize(rosen, X0, options={"maxfev": 100}, **SEARCH)
    assert_same(plain, minimize(rosen, X0, options={"maxfev": 100, "asynchronous": True}, **SEARCH))


def test_what_is_raised_ends_the_run():
    def failing(x):
        if next(calls) == 30:
            raise error
        return rosen(x)

    options = {"maxfev": 200, "asynchronous": True}
    with ThreadPoolExecutor(3) as pool:
        calls, error = iter(range(1000)), KeyError("mine")
        with pytest.raises(KeyError, match="mine") as caught:
            minimize(failing, X0, workers=pool, options=options, **SEARCH)
        assert 20 <= caught.value.partial_result.nfev <= 40
        calls, error = iter(range(1000)), StopIteration
        assert minimize(failing, X0, workers=pool, options=options, **SEARCH).status == 99
        calls, error = iter(range(1000)), KeyError("mine")
        forgiving = options | {"on_error": "nan"}
        res = minimize(failing, X0, workers=pool, options=forgiving, **SEARCH)
    assert res.n_failed == 1
    assert "mine" in res.first_failure


def test_time_ends_it_while_a_point_is_under_way():
    class Never(Straggling):
        def submit(self, function, /, *args):
            if self.count > 20:
                return Future()
            return super().submit(function, *args)

    options = {"maxtime": 0.3, "asynchronous": True}
    res = minimize(rosen, X0, workers=Never(), options=options, **SEARCH)
    assert (res.status, res.success) == (5, False)
    assert 10 < res.nfev < 30


def test_what_it_is_of_no_use_to_is_told():
    with pytest.warns(RuntimeWarning, match="asynchronous is of no effect on BFGS"):
        minimize(rosen, X0, method="bfgs", options={"asynchronous": True, "maxfev": 5})

    class Unknown(Straggling):
        _max_workers = None

    with pytest.raises(ValueError, match="asynchronous must be a number"):
        minimize(rosen, X0, workers=Unknown(), options={"asynchronous": True}, **SEARCH)
    for wrong in (0, -1, "yes", 2.5):
        with pytest.raises((TypeError, ValueError), match="asynchronous"):
            minimize(rosen, X0, options={"asynchronous": wrong}, **SEARCH)
