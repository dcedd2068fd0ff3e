"""A method that asks for batches, functions that worker processes can import, and scripts."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
from numpy.testing import assert_array_equal
from scipy.optimize import rosen, rosen_der

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


class Grid(Method):
    """The start, and then ten points in one batch: x[0] is 0 to 9."""

    def run(self, problem, rng):
        yield Ask(problem.x0[None, :], 0)
        points = np.tile(problem.x0, (10, 1))
        points[:, 0] = np.arange(10)
        yield Ask(points, 0)
        return Finish(Status.CONVERGED, "Ten points looked at.")


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


class TwoParts(Exception):
    """Cannot be unpickled: its constructor wants other arguments than it has."""

    def __init__(self, part, whole):
        super().__init__(f"bad {part} of {whole}")
        self.lock = open(os.devnull)  # noqa: SIM115 (cannot be pickled either)


def raising(x, path):
    """Raise at the point 3 of a `Grid`, once its last has been evaluated by somebody else."""
    if x[0] == 9.0:
        open(path, "w").close()
    if x[0] == 3.0:
        assert wait_until(lambda: os.path.exists(path))
        raise TwoParts("cell", "mesh")
    time.sleep(0.1)  # not so short that one worker is given all of them
    return float(x[0])


def exiting(x):
    if x[0] >= 0.0:
        os._exit(3)
    return 1.0


def killed(x):
    if x[0] >= 0.0:
        os.kill(os.getpid(), signal.SIGKILL)
    return 1.0


def slow_at_two(x):
    time.sleep(60.0 if x[0] == 2.0 else 0.03)
    return float(x[0])


def assert_same(one, other):
    assert one.keys() == other.keys()
    for key in one:
        assert_array_equal(plain(one[key]), plain(other[key]), err_msg=key)


def plain(value):
    """An operator as an array, what else as it is."""
    return value.todense() if hasattr(value, "todense") else value


def start(tmp_path, text):
    """A script in a session of its own."""
    path = tmp_path / "script.py"
    path.write_text(text)
    here = str(pathlib.Path(__file__).parent)
    paths = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": paths},
    )


def session(sid):
    """The processes of a session that are still there."""
    alive = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == sid and fields[0] != "Z":
            alive.append(int(stat.parent.name))
    return alive


def wait_until(condition, seconds=20.0):
    """Whether it holds in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False
