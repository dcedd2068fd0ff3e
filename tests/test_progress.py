"""What is told while a run goes on."""

import io
import logging
import sys
import time

import numpy as np
import pytest

from smoothmin import Optimizer, _progress, minimize
from smoothmin._limits import Limits


class Terminal(io.StringIO):
    """A stream that somebody reads along."""

    def isatty(self):
        return True


def slow(x):
    time.sleep(0.002)
    return float(x @ x)


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(_progress, "INTERVAL", 0.0)
    monkeypatch.setattr(_progress, "PROMPT", 0.0)


def run(**options):
    return minimize(slow, [1.0, 2.0], method="lbfgs", options={"maxfev": 40} | options)


def test_lines_for_a_terminal(often, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    res = run(disp=True)
    lines = sys.stdout.getvalue().splitlines()
    told = [line for line in lines if line.startswith("iteration ")]
    assert len(told) >= res.nit
    assert "evaluations" in told[0]
    assert "best" in told[0]
    assert "s left" in told[0]
    assert res.message in lines


def test_lines_before_the_first_iterate(often, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    res = minimize(slow, np.ones(30), method="lbfgs", options={"maxfev": 45, "disp": True})
    assert res.nit == 0
    assert "iteration 0, evaluations " in sys.stdout.getvalue()


def test_quiet_in_pipes_and_by_default(often, monkeypatch, capsys):
    res = run(disp=True)
    assert capsys.readouterr().out.splitlines()[0] == res.message
    monkeypatch.setattr(sys, "stdout", Terminal())
    run()
    assert sys.stdout.getvalue() == ""


def test_records_of_logging(often, caplog):
    with caplog.at_level(logging.INFO, logger="smoothmin"):
        res = run()
    assert len(caplog.records) > res.nit
    assert caplog.records[-1].message == res.message


def test_a_bar_against_evaluations(often, monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    res = run(progress=True)
    shown = sys.stderr.getvalue()
    assert "/40" in shown
    assert f"{res.nfev}/40" in shown
    assert "best" in shown


def test_records_beside_a_bar(often, monkeypatch, caplog):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with caplog.at_level(logging.INFO, logger="smoothmin"):
        run(progress=True)
    assert len(caplog.records) > 1


def test_lines_instead_of_a_bar_without_tqdm(often, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    monkeypatch.setattr(sys, "stdout", Terminal())
    res = run(progress=True)
    assert sys.stdout.getvalue().count("iteration ") >= res.nit
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    run(progress=True)
    assert sys.stdout.getvalue() == ""


def test_seconds_left_are_those_to_the_first_limit():
    started = time.perf_counter() - 10
    monitor = _progress.Monitor(Limits(100, 60.0, -np.inf, started), False, False)
    assert monitor._seconds_left(50, started + 10) == pytest.approx(10)
    assert monitor._seconds_left(2, started + 10) == pytest.approx(50)


def test_whoever_asks_and_tells_sees_it_anyway(often, capsys):
    with pytest.warns(RuntimeWarning, match="no effect on an Optimizer: disp, progress"):
        optimizer = Optimizer([1.0, 2.0], "model-descent", options={"disp": True, "progress": True})
    while not optimizer.stop():
        points = optimizer.ask()
        optimizer.tell(points, (points**2).sum(axis=1))
    assert capsys.readouterr().out == ""


def test_flags_are_checked():
    with pytest.raises(TypeError, match="progress must be True or False"):
        run(progress="yes")
