"""What ends a run: budgets, targets, the clock, StopIteration, values that are not finite."""

import math
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.optimize import rosen, rosen_der

from smoothmin import _status, minimize
from smoothmin._method import Method
from smoothmin._protocol import Ask, Finish, Iterate
from smoothmin._status import Status

X0 = np.array([-1.2, 1.0, 0.8])
JACS = ["callable", "paired", "2-point", "3-point", "cs", "values"]


class Cloud(Method):
    """Asks for batches of 20 random points, the start first, and never ends by itself."""

    def __init__(self, order=0):
        object.__setattr__(self, "order", order)

    def run(self, problem, rng):
        shift = np.zeros((20, problem.x0.size))
        while True:
            points = problem.clip(problem.x0 + shift)
            answers = yield Ask(points, self.order)
            yield Iterate(points[0], answers.values[0])
            shift = rng.standard_normal(shift.shape)


class Endless(Method):
    """One evaluation, one iterate."""

    def run(self, problem, rng):
        while True:
            answers = yield Ask(problem.x0[None, :], 0)
            yield Iterate(problem.x0, answers.values[0])


class Counted:
    """Rosenbrock's function, with every real call written down."""

    def __init__(self, paired=False):
        self.paired = paired
        self.values = []
        self.points = []

    def __call__(self, x):
        value = rosen(x) if np.isrealobj(x) else complex_rosen(x)
        self.values.append(value)
        self.points.append(x.copy())
        return (value, rosen_der(x)) if self.paired else value


def complex_rosen(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def run(jac, method, **kw):
    fun = Counted(jac == "paired")
    forms = {"callable": rosen_der, "paired": True, "values": None}
    return fun, minimize(fun, X0, jac=forms.get(jac, jac), method=method, rng=0, **kw)


# maxfev, maxiter


@pytest.mark.parametrize("jac", JACS)
@pytest.mark.parametrize("method", ["bfgs", "cloud"])
@pytest.mark.parametrize("maxfev", range(1, 51))
def test_maxfev_is_exact(jac, method, maxfev):
    chosen = Cloud(order=1) if method == "cloud" else method
    fun, res = run(jac, chosen, options={"maxfev": maxfev})
    assert res.nfev == len(fun.values) == maxfev
    assert (res.success, res.status) == (False, 2)
    assert res.message == f"Maximum number of function evaluations reached: maxfev={maxfev}."
    real = [k for k, x in enumerate(fun.points) if np.isrealobj(x)]
    best = min(real, key=lambda k: fun.values[k])
    assert res.fun == fun.values[best]
    assert_array_equal(res.x, fun.points[best])


def test_a_run_that_ends_with_its_last_evaluation_has_converged():
    free = minimize(rosen, X0, jac=rosen_der, method="bfgs")
    assert free.success
    kw = {"jac": rosen_der, "method": "bfgs"}
    exact = minimize(rosen, X0, options={"maxfev": free.nfev}, **kw)
    assert exact.success
    assert_array_equal(exact.x, free.x)
    short = minimize(rosen, X0, options={"maxfev": free.nfev - 1}, **kw)
    assert short.status == 2


@pytest.mark.parametrize("maxiter", range(4))
@pytest.mark.parametrize("jac", JACS)
def test_maxiter_is_exact(jac, maxiter):
    fun, res = run(jac, "bfgs", options={"maxiter": maxiter})
    assert (res.nit, res.success, res.status) == (maxiter, False, 1)
    assert res.message == f"Maximum number of iterations reached: maxiter={maxiter}."
    assert res.nfev == len(fun.values)
    assert_array_equal(fun.points[0], X0)


def test_there_is_a_limit_on_iterations_unless_another_is_given():
    def nit(n, **options):
        return minimize(abs, np.ones(n), method=Endless(), options=options).nit

    assert nit(1) == 1000
    assert nit(1, f_target=-1.0) == 1000
    assert nit(1, maxfev=1500) == 1500
    assert nit(1, maxiter=1500) == 1500
    assert minimize(np.max, np.ones(6), method=Endless()).nit == 1200


# f_target


@pytest.mark.parametrize("jac", JACS)
@pytest.mark.parametrize("order", [0, 1])
def test_the_target_ends_a_batch_at_the_value_that_reaches_it(jac, order):
    fun, res = run(jac, Cloud(order), options={"f_target": 3.0})
    assert (res.success, res.status) == (True, 6)
    assert res.message == _status.target_reached(res.fun, 3.0)
    assert res.fun == fun.values[-1] <= 3.0
    assert all(v > 3 for x, v in zip(fun.points[:-1], fun.values, strict=False) if x.dtype == float)
    assert res.nfev == len(fun.values)
    assert_array_equal(res.x, fun.points[-1])


def test_a_target_at_the_start_is_one_evaluation():
    for jac in ("callable", "paired", "values"):
        res = run(jac, "bfgs" if jac != "values" else Cloud(), options={"f_target": 1e9})[1]
        assert (res.nfev, res.status) == (1, 6)


def test_the_target_is_reached_by_equality_and_infinity_means_none():
    res = run("paired", "bfgs", options={"f_target": rosen(X0)})[1]
    assert (res.nfev, res.status) == (1, 6)
    assert run("paired", "bfgs", options={"f_target": -math.inf})[1].status == 0


# maxtime


@pytest.mark.parametrize("jac", JACS)
def test_time_is_looked_at_inside_a_batch(jac, monkeypatch):
    ticks = iter(range(10**6))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(ticks)))
    fun, res = run(jac, Cloud(order=1), options={"maxtime": 12.0})
    assert (res.success, res.status) == (False, 5)
    assert res.message == "Time limit reached: maxtime=12 s."
    assert 1 < res.nfev == len(fun.values) < 20
    assert res.fun == min(
        v for x, v in zip(fun.points, fun.values, strict=True) if x.dtype == float
    )


@pytest.mark.parametrize("jac", JACS)
def test_no_time_at_all_is_one_evaluation(jac):
    res = run(jac, Cloud(order=1), options={"maxtime": 0})[1]
    assert (res.nfev, res.status) == (1, 5)


def test_time_is_looked_at_between_batches(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def callback(x):
        now[0] = 100.0

    res = run("paired", Cloud(), options={"maxtime": 50.0}, callback=callback)[1]
    assert (res.nit, res.nfev, res.status) == (1, 20, 5)


# StopIteration by fun


@pytest.mark.parametrize("jac", JACS)
@pytest.mark.parametrize("at", [1, 2, 13, 27])
def test_fun_may_stop_the_run(jac, at):
    fun = Counted(jac == "paired")

    def stopping(x):
        if len(fun.values) + 1 == at:
            raise StopIteration
        return fun(x)

    forms = {"callable": rosen_der, "paired": True, "values": None}
    res = minimize(stopping, X0, jac=forms.get(jac, jac), method=Cloud(order=1), rng=0)
    assert (res.success, res.status) == (False, 99)
    assert res.message == "`fun` raised `StopIteration`."
    assert res.nfev == at - 1
    if at == 1:
        assert_array_equal(res.x, X0)
        assert np.isnan(res.fun)
    else:
        assert res.fun <= fun.values[0]


def test_jac_may_stop_the_run():
    def jac(x):
        raise StopIteration

    res = minimize(rosen, X0, jac=jac, method="bfgs")
    assert (res.success, res.status) == (False, 99)


# values that are not finite


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("jac", JACS)
@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "gradient-descent", "cloud"])
def test_nothing_finite_at_the_start_ends_the_run(value, jac, method):
    def fun(x):
        return (value, np.zeros(3)) if jac == "paired" else value

    forms = {"callable": rosen_der, "paired": True, "values": None}
    chosen = Cloud(order=1) if method == "cloud" else method
    res = minimize(fun, X0, jac=forms.get(jac, jac), method=chosen)
    assert (res.success, res.status) == (False, 3)
    points = {"2-point": 1 + X0.size, "3-point": 1 + 2 * X0.size}
    assert res.nfev <= 20 * points.get(jac, 1)  # one batch
    assert res.n_nonfinite == res.nfev or jac == "cs"
    assert_array_equal(res.x, X0)
    assert_array_equal(res.fun, value)
    assert "`fun`" in res.message


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_later_values_that_are_not_finite_are_counted_and_never_win(value):
    calls = []

    def fun(x):
        calls.append(x)
        return value if len(calls) % 3 == 0 else rosen(x)

    res = minimize(fun, X0, method=Cloud(), options={"maxfev": 200}, rng=0)
    assert res.n_nonfinite == 66
    finite = [rosen(x) for k, x in enumerate(calls, 1) if k % 3]
    assert res.fun == min(finite)


def test_minus_infinity_ends_the_run_and_is_no_success():
    calls = []

    def fun(x):
        calls.append(x)
        return -np.inf if len(calls) == 33 else rosen(x)

    for options in ({}, {"f_target": -5.0}, {"maxtime": 1000.0}):
        calls.clear()
        res = minimize(fun, X0, method=Cloud(), rng=0, options=options)
        assert (res.success, res.status, res.fun) == (False, 3, -np.inf)
        assert_array_equal(res.x, calls[32])
        assert "unbounded" in res.message
        assert len(calls) <= 40


def test_sums_that_overflow_are_no_trouble():
    def fun(x):
        return 1.5e308 - x[0]

    res = minimize(fun, [1.0], method=Cloud(), rng=0, options={"maxfev": 50})
    assert res.n_nonfinite == 0
    assert res.nfev == 50


class Untrue(Method):
    """Claims success though nothing finite was seen."""

    def run(self, problem, rng):
        yield Ask(problem.x0[None, :] + 1, 0)
        return Finish(Status.CONVERGED, "fine")


def test_no_method_makes_a_success_of_what_is_not_finite():
    res = minimize(lambda x: np.inf, X0, method=Untrue())
    assert (res.success, res.status) == (False, 3)
    assert "finite" in res.message


# the table


def test_the_numbers_are_those_of_the_contract():
    expected = {
        "CONVERGED": 0,
        "MAXITER": 1,
        "MAXFEV": 2,
        "NONFINITE": 3,
        "PRECISION": 4,
        "MAXTIME": 5,
        "TARGET": 6,
        "INTERRUPTED": 7,
        "GRADIENT": 8,
        "INFEASIBLE": 9,
        "CALLBACK": 99,
    }
    assert {status.name: status.value for status in Status} == expected
    assert [status.name for status in Status if status.success] == ["CONVERGED", "TARGET"]
