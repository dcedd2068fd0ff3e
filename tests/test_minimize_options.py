"""The front end against its contract: tolerance, options, callback."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from quadratic import X0, both
from scipy.optimize import OptimizeResult, OptimizeWarning, rosen, rosen_der

from smoothmin import BFGS, LBFGS, minimize

# tol and options


def test_tol_sets_the_main_tolerance_unless_an_option_does():
    kw = {"jac": rosen_der, "method": "bfgs"}
    loose = minimize(rosen, X0, tol=1e-1, **kw)
    tight = minimize(rosen, X0, tol=1e-9, **kw)
    assert "<= gtol=0.1" in loose.message
    assert loose.nit < tight.nit
    option = minimize(rosen, X0, tol=1e-1, options={"gtol": 1e-9}, **kw)
    assert_array_equal(option.x, tight.x)
    on_object = minimize(rosen, X0, jac=rosen_der, method=BFGS(gtol=1e-1), tol=1e-9)
    assert_array_equal(on_object.x, tight.x)


@pytest.mark.parametrize("tol", [-1.0, np.nan, "small", True])
def test_a_bad_tol_is_refused(tol):
    with pytest.raises((TypeError, ValueError), match="tol must"):
        minimize(both, X0, jac=True, method="bfgs", tol=tol)


def test_an_unknown_option_warns_with_the_nearest_name_and_is_left_alone():
    options = {"maxitre": 3, "memory": 5, "zzz": 1, "gtoll": 1}
    kept = dict(options)
    with pytest.warns(OptimizeWarning, match="Unknown solver options: ") as caught:
        minimize(both, X0, jac=True, method="lbfgs", options=options)
    assert options == kept
    message = str(caught[0].message)
    assert caught[0].filename == __file__
    assert "maxitre (did you mean maxiter?)" in message
    assert "gtoll (did you mean gtol?)" in message
    assert "zzz" in message
    assert "zzz (" not in message
    assert "memory" not in message


def test_options_change_an_object_for_this_run_only():
    method = LBFGS(memory=3)
    minimize(rosen, X0, jac=rosen_der, method=method, options={"gtol": 1e-2})
    assert method == LBFGS(memory=3)
    with pytest.raises(ValueError, match="memory must be at least 1, got 0"):
        minimize(rosen, X0, jac=rosen_der, method=method, options={"memory": 0})


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"maxiter": -1}, ValueError),
        ({"maxiter": np.nan}, ValueError),
        ({"maxiter": -0.5}, ValueError),
        ({"maxfev": 0.5}, ValueError),
        ({"maxiter": "3"}, TypeError),
        ({"maxfev": 0}, ValueError),
        ({"maxfev": True}, TypeError),
        ({"maxtime": -1.0}, ValueError),
        ({"maxtime": "1"}, TypeError),
        ({"f_target": np.nan}, ValueError),
        ({"disp": "yes"}, TypeError),
        ({"return_all": "yes"}, TypeError),
        ({"termination": 3}, TypeError),
        ({"termination": []}, TypeError),
    ],
)
def test_bad_options_are_refused_by_name(options, error):
    (name,) = options
    with pytest.raises(error, match=name):
        minimize(both, X0, jac=True, method="bfgs", options=options)
    with pytest.raises(TypeError, match="options must be a dict"):
        minimize(both, X0, jac=True, method="bfgs", options=list(options))


def test_none_and_whole_floats_are_fine_as_limits():
    options = dict.fromkeys(["maxiter", "maxfev", "maxtime", "f_target", "termination", "disp"])
    assert minimize(both, X0, jac=True, method="bfgs", options=options).success
    res = minimize(rosen, X0, jac=rosen_der, method="bfgs", options={"maxiter": 5.0})
    assert res.nit == 5
    assert minimize(rosen, X0, jac=rosen_der, method="bfgs", options={"maxfev": np.inf}).success
    res = minimize(rosen, X0, jac=rosen_der, method="bfgs", options={"maxfev": np.int64(7)})
    assert res.nfev == 7
    # as in SciPy, the first whole number that is not less
    res = minimize(rosen, X0, jac=rosen_der, method="bfgs", options={"maxiter": 5.1})
    assert res.nit == 6
    res = minimize(rosen, X0, jac=rosen_der, method="bfgs", options={"maxfev": 7.9})
    assert res.nfev == 7


# callback


def test_a_callback_may_take_x():
    points = []

    def callback(xk):
        points.append(xk.copy())
        xk[:] = np.nan  # its own to change

    res = minimize(rosen, X0, jac=rosen_der, method="bfgs", callback=callback)
    assert len(points) == res.nit
    assert_array_equal(points[-1], res.x)


def test_a_callback_may_take_an_intermediate_result():
    results = []

    def callback(intermediate_result):
        results.append(intermediate_result)

    def other(*, intermediate_result):
        results.append(intermediate_result)

    for function in (callback, other):
        results.clear()
        res = minimize(rosen, X0, jac=rosen_der, method="lbfgs", callback=function)
        assert [r.nit for r in results] == list(range(1, res.nit + 1))
        assert all(isinstance(r, OptimizeResult) for r in results)
        assert all(r.fun == rosen(r.x) and r.best_fun <= r.fun for r in results)
        assert_array_equal([r.jac for r in results], [rosen_der(r.x) for r in results])
        assert results[-1].nfev <= res.nfev


@pytest.mark.parametrize("wants_result", [True, False])
@pytest.mark.parametrize("how", ["StopIteration", "True", "np.True_"])
def test_a_callback_ends_the_run(wants_result, how):
    count = []

    def act():
        count.append(1)
        if len(count) < 3:
            return None
        if how == "StopIteration":
            raise StopIteration
        return True if how == "True" else np.True_

    def with_result(intermediate_result):
        return act()

    def with_x(x):
        return act()

    callback = with_result if wants_result else with_x
    res = minimize(rosen, X0, jac=rosen_der, method="bfgs", callback=callback)
    assert (res.nit, res.success, res.status) == (3, False, 99)
    expected = "raised `StopIteration`" if how == "StopIteration" else "returned True"
    assert res.message == f"`callback` {expected}."
    assert res.fun == rosen(res.x)


@pytest.mark.parametrize("answer", [1, 0.5, "yes", np.ones(3), False])
def test_what_else_a_callback_returns_means_nothing(answer):
    assert minimize(both, X0, jac=True, method="bfgs", callback=lambda x: answer).success


def test_a_bad_callback_is_refused_and_its_errors_pass():
    with pytest.raises(TypeError, match="callback must be callable"):
        minimize(both, X0, jac=True, callback=3)

    def callback(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as caught:
        minimize(rosen, X0, jac=rosen_der, method="bfgs", callback=callback)
    assert caught.value.partial_result.nit == 1


def test_a_callback_without_a_signature_takes_x():
    assert minimize(both, X0, jac=True, method="bfgs", callback=max).success


@pytest.mark.parametrize(
    ("method", "option", "takers"),
    [("gradient-sampling", "ftol", "lbfgs, bfgs"), ("lbfgs", "restarts", "homotopy")],
)
def test_an_option_of_other_methods_is_said_to_be_theirs(method, option, takers):
    with pytest.warns(OptimizeWarning, match=rf"{option} \(an option of .*{takers}"):
        minimize(rosen, X0, jac=rosen_der, method=method, options={option: 1, "maxfev": 5})


@pytest.mark.parametrize("option", ["gtol", "stationarity_tol"])
def test_the_tolerance_that_was_met_is_named_as_it_was_given(option):
    res = minimize(rosen, X0, jac=rosen_der, options={option: 1e-3})
    assert f"{option}" in res.message
    assert "=0.001" in res.message
