"""The front end against its contract: results, exceptions, seeds."""

import pickle

import numpy as np
import pytest
import scipy.optimize
from numpy.testing import assert_array_equal
from quadratic import X0, both, quadratic, quadratic_grad
from scipy.optimize import rosen, rosen_der

from smoothmin import GradientDescent, History, minimize
from smoothmin._method import Method
from smoothmin._protocol import Ask, Finish, Iterate
from smoothmin._status import Status

# the result


def test_the_fields_are_plain_and_the_result_can_be_pickled():
    res = minimize(
        rosen, X0, jac=rosen_der, method="bfgs", options={"history": True, "return_all": True}
    )
    kinds = {
        "fun": float,
        "nit": int,
        "nfev": int,
        "njev": int,
        "n_nonfinite": int,
        "success": bool,
        "status": int,
        "message": str,
        "method": str,
        "allvecs": list,
        "history": History,
        "x": np.ndarray,
        "jac": np.ndarray,
    }
    assert {name: type(res[name]) for name in kinds} == kinds
    copy = pickle.loads(pickle.dumps(res))
    assert copy.keys() == res.keys()
    assert_array_equal(copy.x, res.x)
    assert "allvecs" not in minimize(both, X0, jac=True, method="bfgs")


def test_allvecs_runs_from_the_start_to_the_end():
    points = []
    res = minimize(
        rosen,
        X0,
        jac=rosen_der,
        method="bfgs",
        callback=lambda x: points.append(x),
        options={"return_all": True},
    )
    assert len(res.allvecs) == res.nit + 1
    assert_array_equal(res.allvecs[0], X0)
    assert_array_equal(res.allvecs[1:], points)
    fixed_rate = minimize(
        both, X0, jac=True, method=GradientDescent(lr=0.4), options={"return_all": True}
    )
    assert_array_equal(fixed_rate.allvecs[0], X0)
    assert not np.array_equal(fixed_rate.allvecs[1], X0)


def test_the_history_has_an_entry_for_every_iteration():
    res = minimize(rosen, X0, jac=rosen_der, method="bfgs", options={"history": True})
    steps = res.history.steps
    assert list(steps) == ["nit", "nfev", "fun", "best_fun"]
    assert_array_equal(steps["nit"], np.arange(1, res.nit + 1))
    assert steps["best_fun"][-1] == res.fun
    assert (np.diff(steps["nfev"]) >= 0).all()


class Reporter(Method):
    """Takes steps of fixed points and reports odd things about them."""

    def run(self, problem, rng):
        x = np.array(problem.x0)
        for k in range(3):
            answers = yield Ask(x[None, :], 0)
            more = {"late": np.float64(k)} if k == 1 else {}
            yield Iterate(x, answers.values[0], None, nfev=-1, flag=np.bool_(True), **more)
            x = x / 2
        return Finish(Status.CONVERGED, "enough", x="mine", last=np.int64(4))


def test_what_a_method_reports_is_plain_and_hides_nothing():
    res = minimize(quadratic, X0, method=Reporter(), options={"history": True})
    assert res.nfev == 3
    assert_array_equal(res.x, X0 / 4)
    assert type(res.flag) is bool
    assert type(res.last) is int
    assert res.method == "Reporter"
    assert res.history.steps["late"].tolist() == [None, 1.0, None]
    assert np.isnan(res.jac).all()


def test_the_best_point_is_returned_not_the_last():
    res = minimize(both, X0, jac=True, method=GradientDescent(lr=1.2), options={"maxiter": 9})
    assert_array_equal(res.x, X0)
    assert res.fun == quadratic(X0)
    assert_array_equal(res.jac, quadratic_grad(X0))


def test_disp_prints_how_the_run_ended(capsys):
    minimize(both, X0, jac=True, method="bfgs")
    assert capsys.readouterr().out == ""
    for disp in (True, 1, np.True_):
        res = minimize(both, X0, jac=True, method="bfgs", options={"disp": disp})
        printed = capsys.readouterr().out
        assert res.message in printed
        assert f"Function evaluations: {res.nfev}\n" in printed
        assert f"Iterations: {res.nit}\n" in printed


# exceptions


class Broken(Exception):
    pass


@pytest.mark.parametrize("jac", [True, quadratic_grad, None, "3-point"])
def test_exceptions_pass_with_the_result_so_far(jac):
    seen = []

    def fun(x):
        if len(seen) == 10:
            raise Broken("mine")
        seen.append(rosen(x))
        return (rosen(x), rosen_der(x)) if jac is True else rosen(x)

    with pytest.raises(Broken, match="mine") as caught:
        minimize(fun, X0, jac=jac if jac is not quadratic_grad else rosen_der, method="bfgs")
    partial = caught.value.partial_result
    assert partial.fun == min(seen) == rosen(partial.x)
    assert partial.nfev == 10
    assert not partial.success
    assert "Broken" in partial.message


def test_an_exception_from_jac_passes():
    def jac(x):
        raise Broken

    with pytest.raises(Broken):
        minimize(quadratic, X0, jac=jac, method="bfgs")


@pytest.mark.parametrize("where", ["fun", "callback"])
def test_a_keyboard_interrupt_passes_or_ends_the_run(where):
    def interrupt(count):
        count.append(1)
        if len(count) == 5:
            raise KeyboardInterrupt

    def run(**options):
        calls, steps = [], []

        def fun(x):
            if where == "fun":
                interrupt(calls)
            return rosen(x), rosen_der(x)

        def callback(x):
            if where == "callback":
                interrupt(steps)

        return minimize(fun, X0, jac=True, method="bfgs", callback=callback, options=options)

    with pytest.raises(KeyboardInterrupt) as caught:
        run()
    assert caught.value.partial_result.fun < rosen(X0)
    res = run(return_on_interrupt=True)
    assert (res.success, res.status) == (False, Status.INTERRUPTED)
    assert res.fun == rosen(res.x) < rosen(X0)
    with pytest.raises(KeyboardInterrupt):
        run(return_on_interrupt=False)


# rng


class Drawing(Method):
    """Evaluates one random point."""

    def run(self, problem, rng):
        yield Ask(problem.x0 + rng.standard_normal((1, problem.x0.size)), 0)
        return Finish(Status.CONVERGED, "drawn")


def draw(**kw):
    return minimize(quadratic, X0, method=Drawing(), **kw).x


def test_rng_follows_spec_7():
    expected = X0 + np.random.default_rng(5).standard_normal(3)
    seeds = [5, np.int64(5), np.random.SeedSequence(5), np.random.PCG64(5)]
    for seed in [*seeds, np.random.default_rng(5)]:
        assert_array_equal(draw(rng=seed), expected)
    assert_array_equal(draw(options={"rng": 5}), expected)
    assert_array_equal(draw(rng=5, options={"rng": 6}), expected)
    generator = np.random.default_rng(5)
    first, second = draw(rng=generator), draw(rng=generator)
    assert_array_equal(first, expected)
    assert not np.array_equal(first, second)
    assert not np.array_equal(draw(), draw())


@pytest.mark.parametrize("rng", [np.random.RandomState(0), np.random, "seed", -1, 1.5])
def test_a_bad_rng_is_refused(rng):
    with pytest.raises((TypeError, ValueError), match="rng must be a Generator or a seed"):
        draw(rng=rng)


def test_the_global_random_state_is_neither_read_nor_changed():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    minimize(quadratic, X0, options={"maxfev": 50}, rng=0)
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("method", ["gradient-sampling", "homotopy", "bfgs", "lbfgs", "laplacian"])
@pytest.mark.parametrize("bounds", [None, [(-1, 0.5)] * 4])
@pytest.mark.parametrize("unit", [1e-9, 1e3, 1e6, 1e12])
def test_a_smooth_fit_in_any_units_is_a_success(method, bounds, unit):
    rng = np.random.default_rng(5)
    a = rng.standard_normal((40, 4)) * [0.1, 1, 3, 10]
    b = a @ rng.standard_normal(4) + 0.1 * rng.standard_normal(40)

    def fun(x):
        residual = a @ x - b
        return unit * float(residual @ residual), unit * 2 * a.T @ residual

    res = minimize(fun, np.zeros(4), jac=True, method=method, bounds=bounds, rng=0)
    assert res.success
    box = (-np.inf, np.inf) if bounds is None else (-1, 0.5)
    best = unit * 2 * scipy.optimize.lsq_linear(a, b, box, tol=1e-14).cost
    assert res.fun - best < 1e-9 * (fun(np.zeros(4))[0] - best)
