"""Workers of every kind give the run that one process gives."""

from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import worker_cases as cases
from scipy.optimize import rosen, rosen_der
from worker_cases import X0, Cloud, assert_same, pair

from smoothmin import minimize


class Inline(Executor):
    """The Executor protocol without a pool."""

    def __init__(self):
        self.submitted = 0

    def submit(self, function, /, *args, **kw):
        self.submitted += 1
        future = Future()
        try:
            future.set_result(function(*args, **kw))
        except BaseException as error:
            future.set_exception(error)
        return future


def strict_map(function, points):
    assert type(points) is list
    return [function(x) for x in points]


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="module")
def threads():
    with ThreadPoolExecutor(3) as pool:
        yield pool


@pytest.fixture(params=["threads", "processes", "thread map", "map", "strict map", "inline"])
def workers(request, threads, processes):
    kinds = {
        "threads": threads,
        "processes": processes,
        "thread map": threads.map,
        "map": map,
        "strict map": strict_map,
        "inline": Inline(),
    }
    return kinds[request.param]


CASES = {
    "values": {"fun": rosen},
    "paired": {"fun": pair, "jac": True},
    "callable": {"fun": cases.scaled, "jac": cases.scaled_der, "args": (2.0,)},
    "2-point": {"fun": rosen, "jac": "2-point"},
    "3-point": {"fun": rosen, "jac": "3-point", "bounds": [(-2, 2), (-2, 1), (0, 0.9)]},
    "cs": {"fun": cases.analytic, "jac": "cs"},
    "fixed": {"fun": pair, "jac": True, "bounds": [(-2, 2), (1.0, 1.0), (None, None)]},
    "selfish": {"fun": cases.selfish},
    "field": {"fun": lambda x: float((x**2).sum()), "x0": np.ones((2, 3))},
}


@pytest.mark.parametrize("case", CASES)
def test_a_run_does_not_depend_on_workers(case, workers):
    if case == "field" and isinstance(workers, ProcessPoolExecutor):
        pytest.skip("a lambda cannot be sent to a process")
    kw = {"x0": X0, "method": Cloud(), "rng": 1} | CASES[case]
    assert_same(minimize(**kw), minimize(**kw, workers=workers))


@pytest.mark.parametrize("options", [{"maxfev": 37}, {"maxfev": 1}, {"f_target": 0.9}])
def test_limits_do_not_depend_on_workers(options, workers):
    kw = {"method": Cloud(), "rng": 1, "jac": True, "options": options}
    assert_same(minimize(pair, X0, **kw), minimize(pair, X0, workers=workers, **kw))


def test_stops_do_not_depend_on_workers(workers):
    kw = {"method": Cloud(), "jac": "2-point", "rng": 1}
    serial = minimize(cases.stopping, X0, **kw)
    assert (serial.status, serial.success) == (99, False)
    assert_same(serial, minimize(cases.stopping, X0, workers=workers, **kw))


def test_exceptions_pass_through_workers(workers):
    with pytest.raises(KeyError, match="mine") as caught:
        minimize(cases.failing, X0, jac="2-point", method=Cloud(), rng=1, workers=workers)
    assert caught.value.partial_result.nfev >= 1


def test_a_gradient_buffer_used_again_is_read_at_once(workers):
    if isinstance(workers, (ThreadPoolExecutor, ProcessPoolExecutor)) or workers not in (
        map,
        strict_map,
    ):
        pytest.skip("only safe where calls follow each other")
    buffer = np.empty(3)

    def fun(x):
        buffer[:] = rosen_der(x)
        return rosen(x), buffer

    kw = {"jac": True, "method": Cloud(), "rng": 1}
    assert_same(minimize(pair, X0, **kw), minimize(fun, X0, workers=workers, **kw))


@pytest.mark.parametrize("target", [-np.inf, 0.2, 3.0])
@pytest.mark.parametrize("jac", ["2-point", rosen_der])
def test_constraints_do_not_depend_on_workers(target, jac, threads):
    def backwards(function, points):
        return [function(x) for x in points][::-1]

    disc = {"type": "ineq", "fun": lambda x: 2.0 - x @ x}
    kw = {"jac": jac, "constraints": [disc], "rng": 1}
    kw["options"] = {"maxfev": 120, "f_target": target}
    serial = minimize(rosen, X0 / 2, **kw)
    for workers in (threads, backwards):
        assert_same(serial, minimize(rosen, X0 / 2, workers=workers, **kw))


def test_methods_of_ours_do_not_depend_on_workers(threads):
    for method in ("lbfgs", "bfgs"):
        kw = {"method": method, "jac": "3-point", "options": {"maxiter": 20}}
        assert_same(minimize(rosen, X0, **kw), minimize(rosen, X0, workers=threads, **kw))


def test_what_cannot_be_pickled_is_explained_for_a_pool(processes):
    with pytest.raises(ValueError, match=r"pickle.*ThreadPoolExecutor"):
        minimize(lambda x: rosen(x), X0, method=Cloud(), workers=processes)


# time


def test_time_ends_a_batch_in_workers(threads):
    import time

    def slow(x):
        time.sleep(0.02)
        return rosen(x)

    kw = {"method": Cloud(), "rng": 1, "options": {"maxtime": 0.1}}
    for workers in (threads, map):
        res = minimize(slow, X0, workers=workers, **kw)
        assert (res.status, res.success) == (5, False)
        assert 1 <= res.nfev < 93
        assert res.fun == rosen(res.x)


def test_a_users_own_timeout_error_passes(threads):
    def fun(x):
        if x[0] != X0[0]:
            raise TimeoutError("mine")
        return 1.0

    for options in ({}, {"maxtime": 1e3}):
        with pytest.raises(TimeoutError, match="mine"):
            minimize(fun, X0, method=Cloud(), workers=threads, options=options)


# misuse


@pytest.mark.parametrize(
    ("workers", "error"),
    [(0, ValueError), (-2, ValueError), (1.5, TypeError), (True, TypeError), ("2", TypeError)],
)
def test_bad_workers_are_refused(workers, error):
    with pytest.raises(error, match="workers must be"):
        minimize(rosen, X0, workers=workers)
    with pytest.raises(error, match="workers must be"):
        minimize(rosen, X0, options={"workers": workers})


@pytest.mark.parametrize("change", [lambda r: r[:-1], lambda r: [*r, r[0]]])
def test_a_map_with_the_wrong_number_of_results_is_refused(change):
    with pytest.raises(ValueError, match="8 points were given and not as many"):
        minimize(rosen, X0, method=Cloud(), workers=lambda f, xs: change([f(x) for x in xs]))


def test_futures_not_begun_are_dropped_on_a_stop():
    with ThreadPoolExecutor(1) as pool:
        calls = []

        def fun(x):
            calls.append(x)
            if len(calls) == 3:
                raise StopIteration
            return rosen(x)

        res = minimize(fun, X0, method=Cloud(), rng=1, workers=pool)
        assert res.status == 99
    assert len(calls) < 20
