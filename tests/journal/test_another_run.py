"""A journal serves the run that it is of, and says what is different in another."""

import functools
import re
import warnings

import numpy as np
import pytest

from smoothmin import BFGS, Journal, minimize
from smoothmin.journal.words import words_for

# every method is tried with the same arguments
pytestmark = pytest.mark.filterwarnings("ignore:.*takes values alone. the gradient:RuntimeWarning")

X0 = np.array([2.0, -1.5, 0.7])


def value(x):
    return float(np.sum(np.cos(3 * x) + (x - 0.3) ** 2))


def gradient(x):
    return -3 * np.sin(3 * x) + 2 * (x - 0.3)


def run(journal, fun=value, x0=X0, **kw):
    options = {"maxfev": 60, "journal": journal} | kw.pop("options", {})
    kw = {"method": "bfgs", "jac": gradient, "rng": 4} | kw
    return minimize(fun, x0, options=options, **kw)


def refusal(journal, **kw):
    held = journal.read_bytes()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "journal .* differ by rounding")
        with pytest.raises(ValueError, match="is of another run") as caught:
            run(journal, **kw)
    assert journal.read_bytes() == held
    return str(caught.value)


@pytest.fixture
def journal(tmp_path):
    run(tmp_path / "journal")
    return tmp_path / "journal"


def test_limits_workers_callback_and_display_may_differ(journal, capsys):
    whole = run(journal)
    for kw in (
        {"options": {"maxfev": 5}},
        {"options": {"maxiter": 2}},
        {"options": {"maxtime": 1e-9}},
        {"options": {"f_target": 1e9}},
        {"workers": map},
        {"callback": lambda x: None},
        {"options": {"disp": True}},
    ):
        run(journal, **kw)
    again = run(journal)
    assert (again.fun, again.nfev) == (whole.fun, whole.nfev)


@pytest.mark.parametrize(
    ("kw", "what"),
    [
        ({"x0": X0 + 0.1}, r"problem \(x0\)"),
        ({"bounds": [(1.8, 2.5), (-2, -1), (0, 1)]}, r"problem \(bounds\)"),
        ({"jac": "2-point"}, r"problem \(jac\)"),
        ({"method": "lbfgs"}, "method: BFGS there, LBFGS here"),
        ({"method": BFGS(first_step=0.3)}, r"options \(first_step\): None there, 0.3 here"),
        ({"method": "gaussian-search", "rng": 5}, "seed: 4 there, 5 here"),
    ],
)
def test_what_differs_is_said(journal, kw, what):
    assert re.search(what, refusal(journal, **kw))


def test_seeds_and_versions_are_said(tmp_path, monkeypatch):
    path = tmp_path / "journal"
    kw = {"method": "gaussian-search", "jac": None}
    run(path, **kw)
    assert "What differs: seed: 4 there, 5 here." in refusal(path, **kw, rng=5)
    monkeypatch.setattr("smoothmin.__version__", "9.9")
    assert "version (smoothmin)" in refusal(path, **kw, rng=5)


def test_a_function_that_returns_something_else(journal):
    scale = [1.0]

    def fun(x):
        return scale[0] * value(x)

    journal.unlink()
    run(journal, fun, method="derivative-free", jac=None)
    whole = run(journal, fun, method="derivative-free", jac=None)
    scale[0] = 1.001  # nothing that could be seen from outside
    again = run(journal, fun, method="derivative-free", jac=None)
    assert again.fun == whole.fun
    checked = Journal(journal, check=3)
    with pytest.raises(ValueError, match="`fun` has changed"):
        run(checked, fun, method="derivative-free", jac=None)


def test_another_function_is_warned_of(journal):
    with pytest.warns(RuntimeWarning, match="another `fun`"):
        run(journal, lambda x: value(x) + 1)


SHIFT, TABLE = 1.0, np.arange(3.0)


class Model:
    """A function with data, and a count of its calls."""

    def __init__(self, data):
        self.data, self.calls = data, 0

    def __call__(self, x):
        self.calls += 1
        return value(x - self.data)


def closed_over(constant):
    calls, count = [], 0

    def fun(x):
        nonlocal count
        count += 1
        calls.append(x)
        return value(x) + constant

    return fun


def by_module(x):
    return helper(x) + TABLE @ TABLE


def helper(x):
    return SHIFT * value(x)


def test_what_a_function_reads_elsewhere_is_part_of_it(tmp_path, monkeypatch):
    path = tmp_path / "journal"
    kw = {"method": "gaussian-search", "jac": None}
    for one, other in (
        (closed_over(1.0), closed_over(2.0)),
        (Model(np.zeros(3)), Model(np.full(3, 0.1))),
        (functools.partial(scaled, by=1), functools.partial(scaled, by=2)),
    ):
        assert words_for(one) != words_for(other)
        path.unlink(missing_ok=True)
        run(path, one, **kw)
        run(path, one, **kw)  # what it has noted meanwhile does not matter
        with pytest.warns(RuntimeWarning, match="another `fun`"):
            run(path, other, **kw)
    before = words_for(by_module)
    monkeypatch.setitem(globals(), "TABLE", TABLE + 1)
    table = words_for(by_module)
    monkeypatch.setitem(globals(), "SHIFT", 2.0)
    assert len({before, table, words_for(by_module)}) == 3


def scaled(x, by):
    return by * value(x)


def test_further_arguments_and_gradients_are_looked_at(tmp_path):
    path = tmp_path / "journal"
    minimize(scaled, X0, (1.0,), "gaussian-search", rng=0, options={"maxfev": 9, "journal": path})
    with pytest.warns(RuntimeWarning, match="another `args`"):
        minimize(
            scaled, X0, (2.0,), "gaussian-search", rng=0, options={"maxfev": 9, "journal": path}
        )
    path.unlink()
    run(path)
    with pytest.warns(RuntimeWarning, match="another `jac`"):
        run(path, jac=lambda x: gradient(x) + 0)


def test_spot_checks_are_not_counted(journal):
    calls = []

    def fun(x):
        calls.append(x)
        return value(x)

    whole = run(journal)
    with pytest.warns(RuntimeWarning, match="another `fun`"):
        ours = run(Journal(journal, check=3), fun)
    assert (ours.nfev, ours.fun, len(calls)) == (whole.nfev, whole.fun, 3)


def test_variables_that_are_fixed_are_another_problem(journal):
    text = refusal(journal, bounds=[(None, None), (-1.5, -1.5), (None, None)])
    assert "3 of 3 variables" in text


def test_a_gradient_that_was_not_kept(journal, tmp_path):
    path = tmp_path / "values"
    run(path, jac=None)
    assert "has no gradient" in refusal(path)


# points that differ by rounding


def drifting(monkeypatch, size):
    """As if all that follows were computed by a processor that rounds differently."""
    from smoothmin.journal.source import Journaled

    serve = Journaled.__call__
    rng = np.random.default_rng(0)

    def wrapped(self, points, *rest, **kw):
        noise = rng.uniform(-size, size, points.shape)
        return serve(self, points * (1 + noise), *rest, **kw)

    monkeypatch.setattr(Journaled, "__call__", wrapped)


@pytest.mark.parametrize("size", [2e-16, 1e-13])
def test_rounding_is_served_with_a_warning(journal, monkeypatch, size):
    whole = run(journal)
    drifting(monkeypatch, size)
    with pytest.warns(RuntimeWarning, match="differ by rounding") as caught:
        ours = run(journal)
    assert len(caught) == 1
    assert (ours.nfev, ours.fun) == (whole.nfev, whole.fun)


def test_more_than_rounding_is_not_served(journal, monkeypatch):
    drifting(monkeypatch, 1e-7)
    refusal(journal)


def test_differences_of_another_step_are_another_run(tmp_path):
    path = tmp_path / "journal"
    run(path, jac=None, options={"eps": 1e-8})
    text = refusal(path, jac=None, options={"eps": 1.2e-8})
    assert "options (differences)" in text
