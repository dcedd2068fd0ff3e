"""Runs with a journal, killed at random moments until they end: each is the run uninterrupted.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_kills.py --kills 50

Prints how many kills there were, how many runs they were spread over, and how many evaluations
were lost by them, which are at most one each for serial runs and one batch each for others.
Exits with an error if a run differs from the uninterrupted one.
"""

import argparse
import contextlib
import os
import signal
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from smoothmin import minimize

X0 = [2.0, -1.5, 0.7]
WAYS = {"serial": {}, "workers": {"workers": 2}, "vectorized": {"vectorized": True}}
# a byte for each evaluation that began; workers inherit the name
COUNTED = Path(os.environ.setdefault("SMOOTHMIN_KILLS", tempfile.mkdtemp())) / "calls"


def value(x):
    return np.sum(np.cos(3 * x) + np.abs(x - 0.3) ** 1.5, axis=0)


def slow(x):
    """The value, or values of columns, and a note that it was asked for."""
    with open(COUNTED, "ab", buffering=0) as file:
        file.write(b"." * (1 if np.ndim(x) == 1 else np.shape(x)[1]))
    time.sleep(0.002)
    return value(x) if np.ndim(x) == 2 else float(value(x))


def run(fun, way, journal=None):
    options = {"maxfev": 150, "journal": journal}
    kw = WAYS[way] if fun is slow else {key: v for key, v in WAYS[way].items() if key != "workers"}
    return minimize(fun, X0, method="homotopy", rng=4, options=options, **kw)


def killed(way, journal, seconds):
    """Run in a process of its own that is killed, with its workers, after so long if need be."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        run(slow, way, journal)
        os._exit(0)
    end = time.perf_counter() + seconds
    ended, status = 0, 0
    while not ended and time.perf_counter() < end:
        ended, status = os.waitpid(pid, os.WNOHANG)
        time.sleep(0.002)
    if ended:
        with contextlib.suppress(ProcessLookupError):  # workers that `_exit` has not ended
            os.killpg(pid, signal.SIGKILL)
        assert status == 0
        return False
    kill = os.killpg if os.getpgid(pid) == pid else os.kill  # the latter before `setsid`
    kill(pid, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def refuse(x):
    raise AssertionError("everything should come from the journal")


def measure(way, kills, rng):
    """Numbers of kills, of runs, and of evaluations lost."""
    whole = run(value, way)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        killed(way, os.path.join(folder, "journal"), 60.0)
        seconds = time.perf_counter() - begin
    done = runs = lost = 0
    while done < kills:
        COUNTED.write_bytes(b"")
        with tempfile.TemporaryDirectory() as folder:
            journal = os.path.join(folder, "journal")
            while killed(way, journal, rng.uniform(0, seconds) if done < kills else 60.0):
                done += 1
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that `fun` is another
                ours = run(refuse, way, journal)
        assert (ours.fun, ours.nfev, ours.nit) == (whole.fun, whole.nfev, whole.nit)
        assert np.array_equal(ours.x, whole.x)
        runs, lost = runs + 1, lost + COUNTED.stat().st_size - whole.nfev
    return done, runs, lost


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="for each way of evaluation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    given = parser.parse_args()
    print("way        | kills, runs, evaluations lost", flush=True)
    for way in given.ways:
        numbers = measure(way, given.kills, np.random.default_rng(given.seed))
        print(f"{way:10s} | {numbers[0]:5d}, {numbers[1]:4d}, {numbers[2]:5d}", flush=True)


if __name__ == "__main__":
    main()
