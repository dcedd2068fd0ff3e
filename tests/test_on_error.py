"""Exceptions of the user's function as no value: ``options={"on_error": "nan"}``."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.optimize import rosen, rosen_der

from smoothmin import Optimizer, minimize

START = [1.4, 1.0]
HALF = {"on_error": "nan", "maxfev": 150}


class MeshError(Exception):
    """Cannot be unpickled: its constructor wants other arguments than it has."""

    def __init__(self, part, whole):
        super().__init__(f"bad {part} of {whole}")


def beyond(x):
    return x[0] < 0.97 or x[1] > 1.3


def simulator(x):
    if beyond(x):
        raise MeshError("cell", "mesh")
    return rosen(x)


def columns(points):
    if beyond(points).any() if points.ndim == 1 else any(map(beyond, points.T)):
        points[:] = 0.0  # what a function does to its argument is nobody's loss
        raise MeshError("cell", "mesh")
    return rosen(points)


def pair(x):
    return simulator(x), rosen_der(x)


def as_nan(x):
    return np.nan if beyond(x) else rosen(x)


def summary(res):
    return res.fun, *res.x, res.nfev, res.n_nonfinite, res.status


@pytest.mark.parametrize("method", ["gaussian-search", "derivative-free", "directional-smoothing"])
def test_the_run_is_that_of_a_function_that_returns_nan(method):
    kw = {"method": method, "rng": 1, "bounds": [(-3, 3)] * 2}
    res = minimize(simulator, START, options=HALF, **kw)
    assert summary(res) == summary(minimize(as_nan, START, options={"maxfev": 150}, **kw))
    assert res.n_failed == res.n_nonfinite > 0
    assert "MeshError: bad cell of mesh" in res.first_failure
    assert "in simulator" in res.first_failure


@pytest.mark.parametrize("kind", ["executor", "map", "vectorized"])
def test_whoever_evaluates(kind):
    kw = {"method": "gaussian-search", "rng": 1, "options": HALF}
    serial = minimize(simulator, START, **kw)
    with ThreadPoolExecutor(2) as pool:
        how = {"executor": {"workers": pool}, "map": {"workers": map}}
        fun = columns if kind == "vectorized" else simulator
        res = minimize(fun, START, **kw, **how.get(kind, {"vectorized": True}))
    assert summary(res) == summary(serial)
    assert res.n_failed == serial.n_failed > 0
    assert "MeshError" in res.first_failure


@pytest.mark.parametrize("vectorized", [False, True])
def test_gradients(vectorized):
    def both(points):
        return columns(points), rosen_der(points)

    kw = {"jac": True, "method": "GradientSampling", "rng": 1, "vectorized": vectorized}
    res = minimize(both if vectorized else pair, START, options=HALF | {"sigma": 0.3, "n": 5}, **kw)
    assert res.n_failed == res.n_nonfinite > 0
    assert np.isfinite(res.fun)


def test_a_gradient_that_cannot_be_had_leaves_its_value():
    def jac(x):
        if x[0] < 1.2:
            raise ZeroDivisionError
        return rosen_der(x)

    res = minimize(rosen, START, jac=jac, method="lbfgs", options=HALF)
    assert res.n_failed > 0 == res.n_nonfinite
    assert res.fun < rosen(START)
    assert "ZeroDivisionError" in res.first_failure


def test_compiled(monkeypatch):
    numba = pytest.importorskip("numba")
    from smoothmin.compiled.source import Compiled

    @numba.njit
    def fun(x):
        if x[0] < 0.7:
            raise ValueError("no mesh")
        return (x[0] - 0.5) ** 2 + abs(x[1])

    kw = {"method": "gaussian-search", "rng": 1, "options": HALF}
    runs = []
    for price in (np.inf, 0.0):  # from Python, then in a loop
        monkeypatch.setattr(Compiled, "price", price)
        runs.append(minimize(fun, START, **kw))
    assert summary(runs[0]) == summary(runs[1])
    assert runs[0].n_failed == runs[1].n_failed > 0
    assert "no mesh" in runs[1].first_failure


def test_all_fail():
    def broken(x):
        raise MeshError("all", "all")

    for kw in ({}, {"bounds": [(-3, 3)] * 2}, {"bounds": [(-3, 3)] * 2, "options": {"maxfev": 9}}):
        options = {"on_error": "nan"} | kw.pop("options", {})
        res = minimize(broken, START, options=options, rng=0, **kw)
        assert (res.status, res.success) == (3, False)
        assert res.n_failed == res.nfev >= 1
        assert "all points" in res.message
        assert "MeshError" in res.first_failure


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, StopIteration])
def test_what_is_meant_to_end_a_run_ends_it(error):
    def fun(x):
        if beyond(x):
            raise error
        return rosen(x)

    for vectorized in (False, True):
        given = (lambda p: np.array([fun(x) for x in p.T])) if vectorized else fun
        kw = {"method": "gaussian-search", "rng": 1, "options": HALF, "vectorized": vectorized}
        if error is StopIteration:
            assert minimize(given, START, **kw).status == 99
        else:
            with pytest.raises(error):
                minimize(given, START, **kw)


def test_what_fun_must_not_return_is_still_refused():
    with pytest.raises(TypeError, match="real number"):
        minimize(lambda x: None, START, options=HALF)


def test_exceptions_are_raised_by_default():
    for options in ({}, {"on_error": "raise"}, {"on_error": None}):
        with pytest.raises(MeshError) as caught:
            minimize(simulator, START, method="gaussian-search", rng=1, options=options)
        assert caught.value.partial_result.n_failed == 0


@pytest.mark.parametrize("value", ["ignore", 0, True])
def test_other_values_are_refused(value):
    with pytest.raises((TypeError, ValueError), match="on_error"):
        minimize(rosen, START, options={"on_error": value})


def test_constraints():
    def disc(x):
        if x[0] < 0.5:
            raise MeshError("row", "disc")
        return [2.0 - x @ x, x[0]]

    kw = {"constraints": {"type": "ineq", "fun": disc}, "rng": 0, "options": HALF}
    res = minimize(lambda x: float((x[0] - 0.8) ** 2 + x[1] ** 2), [1.2, 0.4], **kw)
    assert res.n_failed > 0
    assert res.fun < 1e-4
    assert res.maxcv <= 1e-6


def test_a_journal_knows_what_failed(tmp_path):
    kw = {"method": "gaussian-search", "rng": 1}
    kept = HALF | {"journal": tmp_path / "j"}
    minimize(simulator, START, options=kept | {"maxfev": 80}, **kw)
    again, whole = (
        minimize(simulator, START, options=kept, **kw),
        minimize(simulator, START, options=HALF, **kw),
    )
    assert_array_equal(summary(again), summary(whole))
    assert again.n_failed == whole.n_failed


def test_an_optimizer_has_no_use_for_it():
    with pytest.warns(RuntimeWarning, match="on_error"):
        Optimizer(START, options={"on_error": "nan"})


def behind_a_wall(least):
    """A bowl, by values alone, that has none where the first variable is below 0.5."""

    def fun(x):
        if x[0] < 0.5:
            raise RuntimeError("no value here")
        return float(((x - least) ** 2).sum())

    return fun


@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "gradient-descent", "laplacian"])
def test_short_steps_before_a_wall_are_no_success(method):
    options = {"on_error": "nan", "maxfev": 2000}
    res = minimize(behind_a_wall(np.zeros(2)), [2.0, 1.0], method=method, options=options)
    assert not res.success or res.fun < 0.25 + 1e-6, res.message
    res = minimize(behind_a_wall(np.array([0.8, 0.0])), [2.0, 1.0], method=method, options=options)
    assert res.success, res.message


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "BFGS", "L-BFGS-B"])
def test_a_wall_met_on_the_way_does_not_keep_a_minimum_from_being_told(method, seed):
    rng, t = np.random.default_rng(seed), np.linspace(0, 1, 30)
    counts = rng.poisson(np.exp(1 + 2 * t))

    def likelihood(p):
        expected = p[0] + p[1] * t * np.exp(p[2] * t)
        if (expected <= 0).any():
            return np.nan
        return float((expected - counts * np.log(expected)).mean())

    res = minimize(likelihood, [20.0, 1.0, 0.0], method=method)
    assert res.success, res.message
    assert res.nfev < 250
