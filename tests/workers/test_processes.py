"""Processes of our own: the serial run, clear words for what goes wrong, and none left behind."""

import os
import signal
import sys
import threading
import time
import types

import numpy as np
import pytest
import worker_cases as cases
from scipy.optimize import rosen
from worker_cases import X0, Cloud, Grid, assert_same, pair, session, start, wait_until

from smoothmin import minimize
from smoothmin._method import Method
from smoothmin._protocol import Ask, Finish
from smoothmin._status import Status

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")


def test_a_number_of_processes_gives_the_serial_run():
    kw = {"method": Cloud(), "rng": 1, "jac": True}
    serial = minimize(pair, X0, **kw)
    assert_same(serial, minimize(pair, X0, workers=3, **kw))
    assert_same(serial, minimize(pair, X0, options={"workers": np.int64(1)}, **kw))


def test_the_function_is_never_called_here():
    seen = set()

    class Look(Method):
        def run(self, problem, rng):
            for m in (1, 6):
                answers = yield Ask(np.repeat(problem.x0[None, :], m, axis=0), 0)
                seen.update(answers.values)
            return Finish(Status.CONVERGED, "seen")

    minimize(cases.process_id, X0, method=Look(), options={"workers": 2})
    assert os.getpid() not in seen


def test_stops_are_those_of_one_process():
    kw = {"method": Cloud(), "jac": "2-point", "rng": 1}
    serial = minimize(cases.stopping, X0, **kw)
    assert_same(serial, minimize(cases.stopping, X0, workers=2, **kw))


def test_the_functions_own_exception_comes_back_with_the_other_answers(tmp_path):
    path = str(tmp_path / "nine")
    with pytest.raises(cases.TwoParts, match="bad cell of mesh") as caught:
        minimize(cases.raising, [-1.0, 0.0], (path,), method=Grid(), workers=2)
    assert "in raising" in str(caught.value.__cause__)
    # one process has the start and three points; answers after the fourth count as well
    assert caught.value.partial_result.nfev > 4


@pytest.mark.parametrize(
    ("fun", "words"),
    [
        (cases.exiting, r"ended itself with exit code 3.* x = array\(\[0., 0.\]\)"),
        pytest.param(cases.killed, r"killed by signal 9 \(SIGKILL\).*memory", marks=linux),
    ],
)
def test_how_a_process_died_is_told(fun, words):
    with pytest.raises(RuntimeError, match=words) as caught:
        minimize(fun, [-1.0, 0.0], method=Grid(), workers=2)
    assert caught.value.partial_result.fun == 1.0


def test_what_cannot_be_pickled_is_refused_at_once_with_advice():
    calls = []

    def local(x):
        calls.append(x)
        return rosen(x)

    with pytest.raises(ValueError, match=r"picklable.*local.*ThreadPoolExecutor"):
        minimize(local, X0, workers=2)
    assert not calls


def test_what_a_process_cannot_load_is_explained(monkeypatch):
    module = types.ModuleType("not_on_disk")
    exec("def fun(x):\n    return float(x @ x)", module.__dict__)
    monkeypatch.setitem(sys.modules, "not_on_disk", module)
    with pytest.raises(RuntimeError, match=r"cannot load fun.*not_on_disk"):
        minimize(module.fun, X0, method=Cloud(), rng=1, workers=2)


def test_a_missing_main_guard_is_told(tmp_path):
    text = "import smoothmin, worker_cases\nsmoothmin.minimize(abs, 1.0, method='bfgs', workers=2)"
    out = start(tmp_path, text).communicate(timeout=60)[0]
    assert out.count("Traceback") == 1  # that of the script, none of a worker
    assert "does so when it is imported" in out.splitlines()[-1]
    assert "__main__" in out.splitlines()[-1]


def test_a_script_that_cannot_be_imported_is_told(tmp_path):
    text = (
        "import smoothmin, worker_cases\n"
        "if __name__ != '__main__': raise OSError('no such mesh')\n"
        "smoothmin.minimize(abs, 1.0, method='bfgs', workers=2)"
    )
    out = start(tmp_path, text).communicate(timeout=60)[0]
    assert "no such mesh" in out
    assert "no worker process could start" in out.splitlines()[-1]


def test_a_script_that_is_no_file_is_refused(monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "<stdin>", raising=False)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    with pytest.raises(RuntimeError, match="'<stdin>' is no file"):
        minimize(pair, X0, method=Cloud(), jac=True, workers=2)


# what is left behind


def test_time_ends_evaluations():
    begun = time.monotonic()
    options = {"maxtime": 2.0}
    res = minimize(cases.slow_at_two, [-1.0, 0.0], method=Grid(), workers=2, options=options)
    assert time.monotonic() - begun < 30
    assert (res.status, res.success) == (5, False)
    assert 1 <= res.nfev < 11
    assert wait_until(lambda: not workers_here())


def workers_here():
    import multiprocessing

    return [p for p in multiprocessing.active_children() if p.name.startswith("smoothmin")]


RUN = """
import signal, subprocess, sys, time
import smoothmin
from worker_cases import Grid

signal.signal(signal.SIGINT, signal.default_int_handler)  # shells' background jobs ignore it

def fun(x):
    time.sleep(0.1)
    if x[0] >= 0.0:
        print("slow", flush=True)
        subprocess.run(["sleep", "100"]) if x[0] == 0.0 else time.sleep(100)
    return 1.0

if __name__ == "__main__":
    try:
        smoothmin.minimize(fun, [-1.0, 0.0], method=Grid(), workers=2)
    except KeyboardInterrupt as error:
        print(error.partial_result.nfev, flush=True)
"""


@linux
@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
def test_a_run_that_is_killed_or_interrupted_leaves_nothing_behind(tmp_path, how):
    run = start(tmp_path, RUN)
    assert [run.stdout.readline() for _ in range(2)] == ["slow\n", "slow\n"]
    assert len(session(run.pid)) >= 4  # with the program that an evaluation started
    if how == "SIGINT":  # as a terminal does it: to the whole group
        os.killpg(run.pid, signal.SIGINT)
        assert run.communicate(timeout=30)[0] == "1\n"  # the start; no tracebacks
        assert run.returncode == 0
    else:
        run.kill()
        run.wait()
    assert wait_until(lambda: not session(run.pid))
    run.stdout.close()


def test_threads_may_minimize_at_once_with_processes():
    found = {}

    def run(seed):
        found[seed] = minimize(pair, X0, method=Cloud(), jac=True, rng=seed, workers=2)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, res in found.items():
        assert_same(minimize(pair, X0, method=Cloud(), jac=True, rng=seed), res)
