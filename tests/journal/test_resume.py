"""A journal: the run that was killed is the run that would have been."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from smoothmin import minimize
from smoothmin._registry import METHODS
from smoothmin.journal.records import MARK

# every method is tried with the same arguments
pytestmark = pytest.mark.filterwarnings("ignore:.*takes values alone. the gradient:RuntimeWarning")

X0 = np.array([2.0, -1.5, 0.7])
FORMS = [None, True, "callable", "2-point", "cs"]


def value(x):
    return np.sum(np.cos(3 * x) + (x - 0.3) ** 2)


def gradient(x):
    return -3 * np.sin(3 * x) + 2 * (x - 0.3)


class Killed(Exception):
    """What ends a run before its time."""


class Fragile:
    """A function, in one of the forms of ``jac``, that fails at its ``last`` call."""

    def __init__(self, form, last=np.inf):
        self.form, self.last, self.calls = form, [last], 0

    def __call__(self, x):
        self.calls += 1
        if self.calls == self.last[0]:
            raise Killed
        return (value(x), gradient(x)) if self.form is True else value(x)

    def minimize(self, method, journal=None, x0=X0, **kw):
        options = {"maxfev": 150, "journal": journal} | kw.pop("options", {})
        jac = gradient if self.form == "callable" else self.form
        kw = {"rng": 4} | kw
        return minimize(self, x0, method=method, jac=jac, options=options, **kw)


def assert_same(a, b):
    for key in ("nit", "nfev", "njev", "status", "message", "fun"):
        assert a[key] == b[key], key
    assert_array_equal(a.x, b.x)
    assert_array_equal(a.jac, b.jac)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("form", FORMS)
def test_goes_on_where_it_was_killed(method, form, tmp_path):
    whole = Fragile(form).minimize(method)
    calls = 0
    for last in (1, 3, 20):
        fragile = Fragile(form, last)
        if whole.nfev - calls < last:
            break
        with pytest.raises(Killed):
            fragile.minimize(method, tmp_path / "journal")
        calls += last - 1
    fragile = Fragile(form)
    assert_same(fragile.minimize(method, tmp_path / "journal"), whole)
    assert fragile.calls == whole.nfev - calls
    again = Fragile(form)
    assert_same(again.minimize(method, tmp_path / "journal"), whole)
    assert again.calls == 0


@pytest.mark.parametrize("how", ["workers", "vectorized"])
def test_batches_are_kept_too(how, tmp_path):
    whole = Fragile(None).minimize("homotopy")
    path = tmp_path / "journal"
    Fragile(None).minimize("homotopy", path, options={"maxfev": 70})
    if how == "vectorized":
        fun, kw = lambda x: np.array([value(column) for column in x.T]), {"vectorized": True}
        with pytest.warns(RuntimeWarning, match="another `fun`"):
            ours = minimize(fun, X0, rng=4, options={"maxfev": 150, "journal": path}, **kw)
    else:
        with ThreadPoolExecutor(2) as pool:
            ours = Fragile(None).minimize("homotopy", path, workers=pool)
    assert_same(ours, whole)


def test_half_a_record_is_dropped(tmp_path):
    path = tmp_path / "journal"
    whole = Fragile(True).minimize("lbfgs", path)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-5])
    last = Fragile(True)
    with pytest.warns(RuntimeWarning, match="damaged"):
        assert_same(last.minimize("lbfgs", path), whole)
    assert last.calls == 1
    assert path.stat().st_size == size


def test_a_target_within_what_is_remembered(tmp_path):
    path = tmp_path / "journal"
    whole = Fragile(None).minimize("homotopy", path)
    options = {"f_target": whole.fun + 1e-3}
    ours = Fragile(None).minimize("homotopy", path, options=options)
    assert_same(ours, Fragile(None).minimize("homotopy", options=options))
    assert ours.status == 6


def test_fixed_variables_and_fields(tmp_path):
    bounds = [(-3, 3), (0.5, 0.5), (-1, 1)]
    kw = {"x0": np.clip(X0, -1, 0.5), "bounds": bounds}
    kw["x0"][1] = 0.5
    whole = Fragile(True).minimize("laplacian", **kw)
    with pytest.raises(Killed):
        Fragile(True, 4).minimize("laplacian", tmp_path / "a", **kw)
    assert_same(Fragile(True).minimize("laplacian", tmp_path / "a", **kw), whole)
    kw = {"x0": X0[:, None] * np.ones((3, 2))}
    whole = Fragile(True).minimize("lbfgs", **kw)
    with pytest.raises(Killed):
        Fragile(True, 4).minimize("lbfgs", tmp_path / "b", **kw)
    assert_same(Fragile(True).minimize("lbfgs", tmp_path / "b", **kw), whole)


def test_a_run_without_a_seed_goes_on_as_well(tmp_path):
    def ask(last, path):
        points, ends = [], [last]

        def fun(x):
            points.append(x)
            if len(points) in ends:
                raise Killed
            return value(x)

        options = {"journal": path, "maxfev": 200, "sigma": 0.5, "restarts": 1}
        minimize(fun, X0, options=options)
        return np.array(points)

    with pytest.raises(Killed):
        ask(100, tmp_path / "a")
    assert len(ask(np.inf, tmp_path / "a")) == 101
    # another file is another run
    first = [ask(np.inf, tmp_path / name)[:99] for name in "bc"]
    assert not np.array_equal(*first)


@pytest.mark.parametrize("held", [b"x", b"a,b\n1,2\n", b"data" * 50, MARK[:5] + b"x"])
def test_other_files_are_left_alone(held, tmp_path):
    path = tmp_path / "data"
    path.write_bytes(held)
    with pytest.raises(ValueError, match="something else"):
        Fragile(None).minimize("homotopy", path)
    assert path.read_bytes() == held


def test_an_empty_file_is_a_journal(tmp_path):
    path = tmp_path / "journal"
    path.write_bytes(b"")
    whole = Fragile(True).minimize("lbfgs", path)
    assert_same(Fragile(True, 1).minimize("lbfgs", path), whole)


@pytest.mark.parametrize("kept", [3, 22, 40, 500])
@pytest.mark.parametrize("zeros", [False, True])
def test_half_a_header_is_written_anew(kept, zeros, tmp_path):
    path = tmp_path / "journal"
    whole = Fragile(True).minimize("lbfgs", path)
    held = path.read_bytes()
    path.write_bytes(bytes(kept) if zeros else held[:kept])
    with pytest.warns(RuntimeWarning, match="0 evaluations before"):
        assert_same(Fragile(True).minimize("lbfgs", path), whole)
    assert len(path.read_bytes()) == len(held)
    assert_same(Fragile(True, 1).minimize("lbfgs", path), whole)


def test_bad_paths(tmp_path):
    fragile = Fragile(None)
    with pytest.raises(TypeError, match="journal"):
        fragile.minimize("homotopy", 3.5)
    with pytest.raises(OSError, match="nowhere"):
        fragile.minimize("homotopy", tmp_path / "nowhere" / "journal")
    assert fragile.calls == 0
