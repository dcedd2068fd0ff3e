"""A Dask cluster of real processes: the serial run, also where a worker is killed meanwhile."""

import os
import signal
import time

import numpy as np
import pytest
import worker_cases as cases
from worker_cases import X0, Cloud, Grid, assert_same, pair

from smoothmin import minimize
from smoothmin._method import Method
from smoothmin._protocol import Ask, Finish
from smoothmin._status import Status

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore")  # other people's


@pytest.fixture(scope="module")
def cluster():
    kw = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**kw, processes=True) as made:
        yield made


@pytest.fixture(scope="module")
def client(cluster):
    with distributed.Client(cluster, set_as_default=False) as made:
        yield made


@pytest.mark.parametrize("how", ["client", "address", "cluster"])
def test_a_cluster_gives_the_serial_run(cluster, client, how):
    workers = {"client": client, "address": cluster.scheduler_address, "cluster": cluster}[how]
    kw = {"method": Cloud(), "rng": 1, "jac": True}
    assert_same(minimize(pair, X0, **kw), minimize(pair, X0, workers=workers, **kw))


def test_functions_that_cannot_be_imported_are_sent(client):
    scale = 3.0
    kw = {"method": Cloud(), "rng": 1}
    fun = lambda x: scale * float(abs(x).sum())  # noqa: E731
    assert_same(minimize(fun, X0, **kw), minimize(fun, X0, workers=client, **kw))


def test_exceptions_and_stops_are_those_of_one_process(client, tmp_path):
    path = str(tmp_path / "nine")
    with pytest.raises(cases.TwoParts, match="bad cell of mesh") as caught:
        minimize(cases.raising, [-1.0, 0.0], (path,), method=Grid(), workers=client)
    assert caught.value.partial_result.nfev > 4
    kw = {"method": Cloud(), "jac": "2-point", "rng": 1}
    serial = minimize(cases.stopping, X0, **kw)
    assert_same(serial, minimize(cases.stopping, X0, workers=client, **kw))


def test_time_ends_the_run(client):
    def slow(x):
        time.sleep(1.5 if x[0] == 2.0 else 0.03)
        return float(x[0])

    options = {"maxtime": 0.8}
    res = minimize(slow, [-1.0, 0.0], method=Grid(), workers=client, options=options)
    assert res.status == 5
    assert 1 <= res.nfev < 11


def dying_once(x, path):
    """Kill the process, the first time only."""
    if x[0] == 4.0 and not os.path.exists(path):
        open(path, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return float(x[0])


def test_a_worker_that_is_killed_changes_nothing(client, tmp_path):
    path = str(tmp_path / "killed")
    kw = {"args": (path,), "method": Grid()}
    other = minimize(dying_once, [-1.0, 0.0], workers=client, **kw)
    assert os.path.exists(path)
    assert_same(minimize(dying_once, [-1.0, 0.0], **kw), other)


def test_an_asynchronous_client_is_refused():
    class Asynchronous:
        asynchronous = True

        def get_executor(self):
            raise AssertionError

    with pytest.raises(TypeError, match="not asynchronous"):
        minimize(pair, X0, jac=True, workers=Asynchronous())


def test_the_first_batch_is_already_shared(client):
    """Where the objective was sent to first is not where all of it is done."""
    batches = []

    def process(x):
        time.sleep(0.06)  # long beside what a busy scheduler takes to share
        return float(os.getpid())

    class Told(Method):
        """One batch, of which the values are kept."""

        def run(self, problem, rng):
            batches.append((yield Ask(rng.standard_normal((40, 2)), 0)).values)
            return Finish(Status.CONVERGED, "Done.")

    minimize(process, X0[:2], method=Told(), workers=client, rng=0)
    _, counts = np.unique(batches[0], return_counts=True)
    assert len(counts) == 2
