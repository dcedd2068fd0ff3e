"""One run at a time writes a journal; those that died leave it to others."""

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

from smoothmin import minimize


def run(path, fun=lambda x: x @ x):
    options = {"maxfev": 30, "journal": path}
    return minimize(fun, [1.0, 2.0], method="bfgs", options=options, rng=0)


@pytest.mark.parametrize("link", [False, True])
def test_a_second_run_of_this_process_is_refused(tmp_path, link):
    path = other = tmp_path / "journal"
    if link:
        other = tmp_path / "link"
        os.symlink(path, other)
    refused = []

    def fun(x):
        if not refused:
            with pytest.raises(RuntimeError, match=str(other)) as caught:
                run(other)
            refused.append(caught.value)
        return x @ x

    whole = run(path, fun)
    with pytest.warns(RuntimeWarning, match="another `fun`"):
        again = run(other)
    assert again.fun == whole.fun


def test_threads_do_not_mix_one_journal(tmp_path):
    whole, ended = run(tmp_path / "whole"), []

    def go():
        try:
            ended.append(run(tmp_path / "journal").fun)
        except RuntimeError:
            ended.append(None)

    threads = [threading.Thread(target=go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ended) == 8
    assert set(ended) - {None} == {whole.fun}
    assert run(tmp_path / "journal").fun == whole.fun


CODE = """
    import os, sys, smoothmin as sm
    def fun(x):
        if len(sys.argv) > 2:
            print("up", flush=True)
            sys.stdin.read()
        return float(x @ x)
    try:
        res = sm.minimize(fun, [1.0, 2.0], method="bfgs", rng=0,
                          options={"maxfev": 30, "journal": sys.argv[1]})
        print(res.nfev)
    except RuntimeError as error:
        print(error)
"""


def test_another_process_is_refused_until_the_first_is_killed(tmp_path):
    script, path = tmp_path / "script.py", tmp_path / "journal"
    script.write_text(textwrap.dedent(CODE))
    command = [sys.executable, str(script), str(path)]
    first = subprocess.Popen(
        [*command, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert first.stdout.readline() == "up\n"
    with pytest.raises(RuntimeError, match=str(path)):
        run(path)
    first.kill()
    first.communicate()
    assert run(path).nfev == run(tmp_path / "other").nfev


@pytest.mark.skipif(sys.platform == "win32", reason="forks and kills as POSIX does")
def test_killed_runs_are_the_runs_that_would_have_been():
    script = Path(__file__).parents[1] / "benchmarks" / "bench_kills.py"
    command = [sys.executable, str(script), "--kills", "3", "--ways", "serial", "vectorized"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    lost = [int(line.split(",")[-1]) for line in done.stdout.splitlines()[1:]]
    assert len(lost) == 2
    assert 0 <= lost[0] <= 3


def test_special_files_are_refused():
    calls = []
    for path in (os.devnull, os.curdir):
        with pytest.raises(ValueError, match="journal must be a file"):
            run(path, calls.append)
    assert not calls


def test_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    run("~/journal")
    assert (tmp_path / "journal").stat().st_size > 0
    assert np.isfinite(run("~/journal").fun)
