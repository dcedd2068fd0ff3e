"""Workers of every kind give the run that one process gives."""

import os
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.optimize import rosen, rosen_der

from smoothmin import minimize
from smoothmin._method import Method
from smoothmin._protocol import Ask, Finish, Iterate
from smoothmin._status import Status

X0 = np.array([-1.2, 1.0, 0.8])


class Cloud(Method):
    """Five batches of 23 random points around the last best one."""

    def run(self, problem, rng):
        x = np.array(problem.x0)
        points = x[None, :]
        for _ in range(5):
            answers = yield Ask(points, int(problem.has_gradient))
            k = int(np.nanargmin(answers.values))
            x = points[k].copy()
            gradient = None if answers.gradients is None else answers.gradients.sum(axis=0)
            yield Iterate(x, answers.values[k], gradient, total=answers.values.sum())
            points = problem.clip(x + 0.3 * rng.standard_normal((23, x.size)))
        return Finish(Status.CONVERGED, "Five batches made.")


# functions that worker processes can import


def pair(x):
    return rosen(x), rosen_der(x)


def scaled(x, scale):
    return scale * rosen(x)


def scaled_der(x, scale):
    return scale * rosen_der(x)


def analytic(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def selfish(x):
    value = rosen(x)
    x[:] = np.nan
    return value


def failing(x):
    if x[0] > 0:
        raise KeyError("mine")
    return rosen(x)


def stopping(x):
    if x[0] > 0:
        raise StopIteration
    return rosen(x)


def process_id(x):
    return float(os.getpid())


def dying(x):
    if x[0] != X0[0]:
        os._exit(3)
    return 1.0


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


class Client(Inline):
    """A Dask client, in so far as it is none: its own ``submit`` takes equal points for one."""

    def __init__(self):
        super().__init__()
        self.executors = []

    def submit(self, function, /, *args, **kw):
        raise AssertionError("its executor is to be used")

    def get_executor(self, *, pure):
        assert not pure
        self.executors.append(Inline())
        return self.executors[-1]


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


def assert_same(one, other):
    assert one.keys() == other.keys()
    for key in one:
        assert_array_equal(plain(one[key]), plain(other[key]), err_msg=key)


def plain(value):
    """An operator as an array, what else as it is."""
    return value.todense() if hasattr(value, "todense") else value


CASES = {
    "values": {"fun": rosen},
    "paired": {"fun": pair, "jac": True},
    "callable": {"fun": scaled, "jac": scaled_der, "args": (2.0,)},
    "2-point": {"fun": rosen, "jac": "2-point"},
    "3-point": {"fun": rosen, "jac": "3-point", "bounds": [(-2, 2), (-2, 1), (0, 0.9)]},
    "cs": {"fun": analytic, "jac": "cs"},
    "fixed": {"fun": pair, "jac": True, "bounds": [(-2, 2), (1.0, 1.0), (None, None)]},
    "selfish": {"fun": selfish},
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
    serial = minimize(stopping, X0, **kw)
    assert (serial.status, serial.success) == (99, False)
    assert_same(serial, minimize(stopping, X0, workers=workers, **kw))


def test_exceptions_pass_through_workers(workers):
    with pytest.raises(KeyError, match="mine") as caught:
        minimize(failing, X0, jac="2-point", method=Cloud(), rng=1, workers=workers)
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


def test_methods_of_ours_do_not_depend_on_workers(threads):
    for method in ("lbfgs", "bfgs"):
        kw = {"method": method, "jac": "3-point", "options": {"maxiter": 20}}
        assert_same(minimize(rosen, X0, **kw), minimize(rosen, X0, workers=threads, **kw))


def test_a_dask_client_is_used_by_its_executor():
    client = Client()
    kw = {"jac": True, "method": Cloud(), "rng": 1}
    assert_same(minimize(pair, X0, **kw), minimize(pair, X0, workers=client, **kw))
    assert client.executors[0].submitted > 0


# processes of our own


def test_a_number_of_processes_gives_the_serial_run():
    kw = {"method": Cloud(), "rng": 1, "jac": True}
    serial = minimize(pair, X0, **kw)
    assert_same(serial, minimize(pair, X0, workers=2, **kw))
    assert_same(serial, minimize(pair, X0, options={"workers": np.int64(1)}, **kw))


def test_batches_are_evaluated_in_other_processes_and_lone_points_here():
    seen = []

    class Look(Method):
        def run(self, problem, rng):
            for m in (1, 6):
                answers = yield Ask(np.repeat(problem.x0[None, :], m, axis=0), 0)
                seen.append(set(answers.values))
            return Finish(Status.CONVERGED, "seen")

    minimize(process_id, X0, method=Look(), options={"workers": 2})
    assert seen[0] == {os.getpid()}
    assert os.getpid() not in seen[1]


@pytest.mark.parametrize("fun", [stopping, failing])
def test_what_processes_of_our_own_raise(fun):
    kw = {"method": Cloud(), "jac": "2-point", "rng": 1}
    if fun is stopping:
        assert_same(minimize(fun, X0, **kw), minimize(fun, X0, workers=2, **kw))
    else:
        with pytest.raises(KeyError, match="mine"):
            minimize(fun, X0, workers=2, **kw)


def test_a_process_that_dies_is_explained():
    with pytest.raises(RuntimeError, match="a worker process died"):
        minimize(dying, X0, method=Cloud(), rng=1, workers=2)


def test_what_cannot_be_pickled_is_refused_at_once_with_advice():
    calls = []

    def local(x):
        calls.append(x)
        return rosen(x)

    with pytest.raises(ValueError, match=r"picklable.*local.*ThreadPoolExecutor"):
        minimize(local, X0, workers=2)
    assert not calls


def test_what_cannot_be_pickled_is_explained_for_a_pool(processes):
    with pytest.raises(ValueError, match=r"pickle.*ThreadPoolExecutor"):
        minimize(lambda x: rosen(x), X0, method=Cloud(), workers=processes)


def test_what_a_process_cannot_load_is_explained(monkeypatch):
    import sys
    import types

    module = types.ModuleType("not_on_disk")
    exec("def fun(x):\n    return float(x @ x)", module.__dict__)
    monkeypatch.setitem(sys.modules, "not_on_disk", module)
    with pytest.raises(RuntimeError, match=r"cannot load fun.*not_on_disk"):
        minimize(module.fun, X0, method=Cloud(), rng=1, workers=2)


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
