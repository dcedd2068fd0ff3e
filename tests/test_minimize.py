"""The front end against its contract: arguments, options, callback, result."""

import inspect
import pickle
import warnings

import numpy as np
import pytest
import scipy.optimize
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import Bounds, OptimizeResult, OptimizeWarning, rosen, rosen_der

import smoothmin
from smoothmin import BFGS, LBFGS, GradientDescent, minimize
from smoothmin._protocol import Ask, Finish, Iterate, Method
from smoothmin._status import Status

X0 = np.array([-1.2, 1.0, 0.8])


def quadratic(x):
    return float(np.sum((x - 1) ** 2))


def quadratic_grad(x):
    return 2 * (x - 1)


def both(x):
    return quadratic(x), quadratic_grad(x)


# signature


def test_the_signature_begins_as_scipys_does():
    ours = list(inspect.signature(minimize).parameters.values())
    theirs = list(inspect.signature(scipy.optimize.minimize).parameters)
    assert [p.name for p in ours[:12]] == theirs[:12]
    assert [p.name for p in ours[12:]] == ["rng", "workers", "vectorized"]
    assert all(p.kind is p.KEYWORD_ONLY for p in ours[12:])


def test_a_scipy_call_by_position_works():
    res = minimize(quadratic, X0, (), "bfgs", quadratic_grad)
    assert res.success
    assert_allclose(res.x, 1, atol=1e-6)


def test_the_default_method_depends_on_the_gradient_and_is_named():
    assert minimize(both, X0, jac=True).method == "gradient-sampling"
    assert minimize(quadratic, X0, jac="3-point").method == "gradient-sampling"
    assert minimize(quadratic, X0, options={"maxfev": 30}, rng=0).method == "homotopy"


def test_fun_must_be_callable():
    with pytest.raises(TypeError, match="fun must be callable, got 3"):
        minimize(3, X0)


# x0


@pytest.mark.parametrize("x0", [3, 3.0, [3], (3.0,), np.array(3), np.array([3])])
def test_a_start_may_be_a_scalar_or_integer(x0):
    seen = []

    def fun(x):
        seen.append(x)
        return (x[0] - 0.5) ** 2

    res = minimize(fun, x0, method="bfgs")
    assert all(x.shape == (1,) and x.dtype == np.float64 for x in seen)
    assert res.x.shape == (1,)
    assert_allclose(res.x, 0.5, atol=1e-6)


def test_a_start_of_more_dimensions_keeps_its_shape():
    x0 = np.arange(6).reshape(2, 3)
    shapes = set()

    def fun(x):
        shapes.add(x.shape)
        return quadratic(x), quadratic_grad(x)

    points = []
    res = minimize(fun, x0, jac=True, method="lbfgs", callback=points.append)
    assert shapes == {(2, 3)}
    assert res.x.shape == res.jac.shape == (2, 3)
    assert all(x.shape == (2, 3) for x in points)
    assert_allclose(res.x, 1, atol=1e-6)


def test_a_gradient_may_be_flat_or_a_list_where_x_is_not():
    x0 = np.zeros((2, 2))
    flat = minimize(quadratic, x0, jac=lambda x: quadratic_grad(x).ravel(), method="bfgs")
    listed = minimize(quadratic, x0, jac=lambda x: quadratic_grad(x).tolist(), method="bfgs")
    assert_array_equal(flat.x, listed.x)
    column = minimize(both, [0.0, 0.0], jac=True, method="bfgs")
    assert_allclose(column.x, 1, atol=1e-6)


@pytest.mark.parametrize("x0", [np.array([3, 2]), np.array([3.0, 2.0])])
def test_the_start_is_not_changed_even_by_a_fun_that_changes_its_argument(x0):
    kept = x0.copy()

    def fun(x):
        value = quadratic(x)
        x[:] = np.nan
        return value

    res = minimize(fun, x0, method="bfgs")
    assert_array_equal(x0, kept)
    assert_allclose(res.x, 1, atol=1e-5)


def test_arrays_that_fun_keeps_stay_as_they_were():
    kept, copies = [], []

    def fun(x):
        kept.append(x)
        copies.append(x.copy())
        return both(x)

    minimize(fun, X0, jac=True, method="lbfgs")
    assert_array_equal(kept, copies)


@pytest.mark.parametrize(
    ("x0", "error"),
    [
        ([], ValueError),
        ([np.nan, 1], ValueError),
        ([np.inf], ValueError),
        ([1j], TypeError),
        (["1"], TypeError),
        (None, ValueError),
        ([[1, 2], [3]], TypeError),
    ],
)
def test_a_bad_start_is_refused(x0, error):
    with pytest.raises(error, match="x0 must"):
        minimize(quadratic, x0)


# args and outputs of fun


@pytest.mark.parametrize("args", [(2.0,), 2.0, (2.0, 3.0), [2.0, 3.0]])
def test_args_reach_fun_and_jac(args):
    given = args if isinstance(args, tuple) else (args,)

    def fun(x, *more):
        assert more == given
        return quadratic(x)

    def jac(x, *more):
        assert more == given
        return quadratic_grad(x)

    assert minimize(fun, X0, args, jac=jac, method="bfgs").success
    assert minimize(fun, X0, args, method="bfgs").success


@pytest.mark.parametrize(
    "kind",
    [
        float,
        np.float64,
        np.float32,
        np.array,
        lambda v: np.array([v]),
        lambda v: np.array([[v]]),
        lambda v: [v],
    ],
)
@pytest.mark.parametrize("jac", [True, quadratic_grad, None])
def test_values_may_be_numbers_or_arrays_of_one(kind, jac):
    if kind is np.float32 and jac is None:
        pytest.skip("differences of single-precision values are noise")

    def fun(x):
        value = kind(quadratic(x))
        return (value, quadratic_grad(x)) if jac is True else value

    res = minimize(fun, X0, jac=jac, method="bfgs", options={"maxiter": 20})
    assert type(res.fun) is float
    assert res.fun < 1e-3


@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_value_array_that_fun_uses_again_is_read_at_once(shape):
    buffer = np.empty(shape)

    def fun(x):
        buffer[...] = quadratic(x)
        return buffer

    plain = minimize(quadratic, X0, method="bfgs", jac="2-point")
    again = minimize(fun, X0, method="bfgs", jac="2-point")
    assert_array_equal(plain.x, again.x)
    assert plain.nfev == again.nfev


@pytest.mark.parametrize(
    ("value", "error"),
    [(None, TypeError), ("1", TypeError), (1j, TypeError), ([1.0, 2.0], ValueError)],
)
@pytest.mark.parametrize("late", [False, True])
def test_what_is_no_number_is_refused(value, error, late):
    calls = []

    def fun(x):
        calls.append(x)
        return value if not late or len(calls) > 3 else quadratic(x)

    with pytest.raises(error, match="fun must return"):
        minimize(fun, X0, method="bfgs")


@pytest.mark.parametrize(
    ("gradient", "error", "message"),
    [
        (np.zeros(2), ValueError, "must have shape"),
        (0.0, ValueError, "must have shape"),
        (np.zeros(3) * 1j, TypeError, "real numbers"),
        ("abc", TypeError, "real numbers"),
    ],
)
def test_a_bad_gradient_is_refused(gradient, error, message):
    with pytest.raises(error, match=message):
        minimize(quadratic, X0, jac=lambda x: gradient, method="bfgs")
    with pytest.raises(error, match=message):
        minimize(lambda x: (quadratic(x), gradient), X0, jac=True, method="bfgs")


def test_jac_true_wants_a_pair():
    with pytest.raises(ValueError, match=r"fun must return \(value, gradient\), got 4"):
        minimize(lambda x: 4.0, X0, jac=True, method="bfgs")


# jac


@pytest.mark.parametrize(
    ("jac", "tol"),
    [(quadratic_grad, 1e-8), (None, 1e-6), (False, 1e-6), ("2-point", 1e-6), ("3-point", 1e-8)],
)
@pytest.mark.parametrize("method", ["lbfgs", "bfgs"])
def test_every_form_of_jac_finds_the_minimum(jac, tol, method):
    res = minimize(quadratic, X0, jac=jac, method=method)
    assert_allclose(res.x, 1, atol=tol)
    assert np.abs(res.jac).max() < 1e-5


def test_complex_steps_find_the_minimum():
    res = minimize(lambda x: ((x - 1) ** 2).sum(), X0, jac="cs", method="bfgs")
    assert_allclose(res.x, 1, atol=1e-9)


def test_jac_true_costs_one_call_a_point():
    calls = []

    def fun(x):
        calls.append(x.tobytes())
        return rosen(x), rosen_der(x)

    res = minimize(fun, X0, jac=np.True_, method="bfgs")
    assert res.nfev == res.njev == len(calls)
    assert len(set(calls)) == len(calls)


def test_fun_and_jac_are_called_in_turn_at_the_same_point():
    calls = []

    def fun(x):
        calls.append(("fun", x.tobytes()))
        x[:] = 7.0
        return quadratic(np.frombuffer(calls[-1][1]))

    def jac(x):
        calls.append(("jac", x.tobytes()))
        return quadratic_grad(x)

    res = minimize(fun, X0, jac=jac, method="lbfgs")
    assert [name for name, _ in calls] == ["fun", "jac"] * res.nfev
    assert [x for _, x in calls[::2]] == [x for _, x in calls[1::2]]


@pytest.mark.parametrize("jac", ["4-point", 3, [1.0]])
def test_a_bad_jac_is_refused(jac):
    with pytest.raises((TypeError, ValueError), match="jac must be"):
        minimize(quadratic, X0, jac=jac)


def test_jac_method_is_an_option():
    calls = []

    def fun(x):
        calls.append(x.dtype)
        return ((x - 1) ** 2).sum()

    res = minimize(fun, X0, method="bfgs", options={"jac_method": "cs"})
    assert np.complex128 in calls
    assert_allclose(res.x, 1, atol=1e-9)
    with pytest.raises(ValueError, match="jac_method must be one of"):
        minimize(fun, X0, options={"jac_method": "4-point"})


@pytest.mark.parametrize("jac", ["2-point", "3-point"])
def test_the_gradient_at_the_best_point_is_known_with_differences(jac):
    res = minimize(rosen, X0, jac=jac, method="lbfgs", options={"maxiter": 7})
    assert_allclose(res.jac, rosen_der(res.x), rtol=1e-3, atol=1e-3)


# arguments of SciPy's that nothing uses


@pytest.mark.parametrize("name", ["hess", "hessp"])
def test_hessians_are_not_used_with_a_warning(name):
    with pytest.warns(RuntimeWarning, match=name):
        res = minimize(both, X0, jac=True, method="bfgs", **{name: lambda x: None})
    assert res.success


def test_constraints_are_not_used_with_a_warning():
    with pytest.warns(RuntimeWarning, match="constraints") as caught:
        minimize(both, X0, jac=True, constraints={"type": "eq", "fun": quadratic})
    assert caught[0].filename == __file__
    for empty in ((), [], None):
        minimize(both, X0, jac=True, method="bfgs", constraints=empty)


# bounds


@pytest.mark.parametrize(
    "bounds",
    [
        Bounds([-2, -2, -2], [0.5, np.inf, 2]),
        Bounds(-2, [0.5, np.inf, 2]),
        [(-2, 0.5), (-2, None), (-2, 2)],
        ((-2, 0.5), (-2, np.inf), (-2, 2)),
        np.array([[-2, 0.5], [-2, np.inf], [-2, 2]]),
    ],
)
@pytest.mark.parametrize("method", ["lbfgs", "bfgs", "gradient-descent"])
def test_bounds_in_every_form(bounds, method):
    res = minimize(both, [0.0, 0.0, 0.0], jac=True, method=method, bounds=bounds)
    assert_allclose(res.x, [0.5, 1, 1], atol=1e-5)


def test_infinite_bounds_are_none():
    free = minimize(rosen, X0, jac=rosen_der, method="bfgs")
    bounded = minimize(rosen, X0, jac=rosen_der, method="bfgs", bounds=[(None, np.inf)] * 3)
    assert_array_equal(free.x, bounded.x)
    assert free.nfev == bounded.nfev


def test_bounds_of_a_field():
    x0 = np.zeros((2, 2))
    upper = np.array([[0.5, 2], [2, 0.25]])
    expected = np.minimum(upper, 1)
    for bounds in (Bounds(-1, upper), Bounds(-1, upper.ravel()), [(-1, u) for u in upper.flat]):
        res = minimize(both, x0, jac=True, method="lbfgs", bounds=bounds)
        assert_allclose(res.x, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ([(0, 1)], "one pair for each of 3 variables"),
        ([(0, 1)] * 4, "one pair for each of 3 variables"),
        ([(0, 1), (2, 1), (0, 1)], "lower 2.0 > upper 1.0 for variable 1"),
        ([(0, 1), (0, np.nan), (0, 1)], "must not be NaN"),
        ([(np.inf, np.inf)] * 3, "room for a finite point"),
        ([0, 1, 2], "pairs"),
        (3, "pairs"),
        ([(0, "x")] * 3, "pairs"),
        (Bounds([0, 1], [1, 2]), "Bounds of x0's shape"),
    ],
)
def test_bad_bounds_are_refused(bounds, message):
    with pytest.raises(ValueError, match=message):
        minimize(both, X0, jac=True, bounds=bounds)


def test_a_start_outside_is_clipped_with_a_warning():
    seen = []

    def fun(x):
        seen.append(x)
        return both(x)

    with pytest.warns(OptimizeWarning, match="clipped") as caught:
        res = minimize(fun, [5.0, -7.0], jac=True, method="bfgs", bounds=[(0, 2), (-3, 3)])
    assert caught[0].filename == __file__
    assert_array_equal(seen[0], [2, -3])
    assert_allclose(res.x, 1, atol=1e-6)


def test_equal_bounds_fix_a_variable_everywhere():
    points, seen = [], []

    def fun(x):
        seen.append(x)
        return rosen(x), rosen_der(x)

    res = minimize(
        fun,
        [0.5, 0.3, 0.1],
        jac=True,
        method="lbfgs",
        bounds=[(None, None), (0.3, 0.3), (-1, 1)],
        callback=lambda intermediate_result: points.append(intermediate_result),
        options={"return_all": True},
    )
    assert all(x[1] == 0.3 for x in seen)
    assert all(p.x.shape == p.jac.shape == (3,) and p.x[1] == 0.3 for p in points)
    assert all(x.shape == (3,) and x[1] == 0.3 for x in res.allvecs)
    assert_array_equal(np.isnan(res.jac), [False, True, False])
    assert np.abs(rosen_der(res.x)[[0, 2]]).max() < 1e-5


def test_a_scale_per_coordinate_counts_fixed_variables():
    from smoothmin._check import per_coordinate

    free = np.array([0, 2])
    assert_array_equal(per_coordinate("sigma", [1.0, 2.0, 3.0], 2, free), [1, 3])
    assert_array_equal(per_coordinate("sigma", [1.0, 3.0], 2, None), [1, 3])
    assert_array_equal(per_coordinate("sigma", 4.0, 2, free), [4, 4])
    with pytest.raises(ValueError, match="sigma must be one number or 2"):
        per_coordinate("sigma", [1.0, 2.0, 3.0], 2, None)


@pytest.mark.parametrize("jac", [True, None, "cs"])
def test_nothing_to_vary_is_one_evaluation(jac):
    seen = []

    def fun(x):
        seen.append(x)
        return both(x) if jac is True else quadratic(x)

    res = minimize(fun, [2.0, 3.0], jac=jac, bounds=[(2, 2), (3, 3)])
    assert_array_equal(seen, [[2, 3]])
    assert (res.fun, res.nfev, res.nit, res.success, res.status) == (5.0, 1, 0, True, 0)
    assert_array_equal(res.x, [2, 3])
    assert "fixed" in res.message


def test_nothing_to_vary_and_nothing_finite_is_no_success():
    res = minimize(lambda x: np.nan, [2.0], bounds=[(2, 2)])
    assert (res.success, res.status) == (False, Status.NONFINITE)


def stop(*_):
    raise StopIteration


def test_nothing_to_vary_and_fun_stops():
    res = minimize(stop, [2.0], bounds=[(2, 2)])
    assert (res.success, res.status) == (False, Status.CALLBACK)


# tol and options


def test_tol_sets_the_main_tolerance_unless_an_option_does():
    kw = {"jac": rosen_der, "method": "bfgs"}
    loose = minimize(rosen, X0, tol=1e-1, **kw)
    tight = minimize(rosen, X0, tol=1e-9, **kw)
    assert "<= 0.1" in loose.message
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
        ({"maxiter": 2.5}, TypeError),
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
        assert results[-1].nfev == res.nfev


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
        "history": dict,
        "x": np.ndarray,
        "jac": np.ndarray,
    }
    assert {name: type(res[name]) for name in kinds} == kinds
    copy = pickle.loads(pickle.dumps(res))
    assert copy.keys() == res.keys()
    assert_array_equal(copy.x, res.x)
    assert "allvecs" not in minimize(both, X0, jac=True, method="bfgs")
    for column in res.history.values():
        assert {type(entry) for entry in column} <= {int, float, str, bool, type(None)}


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
    history = res.history
    assert history["nit"] == list(range(1, res.nit + 1))
    assert history["best_fun"][-1] == res.fun
    assert all(a <= b for a, b in zip(history["nfev"], history["nfev"][1:], strict=False))


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
    assert res.history["late"] == [None, 1.0, None]
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


# method


@pytest.mark.parametrize("name", ["lbfgs", "LBFGS", "Lbfgs", "L-BFGS-B", LBFGS, LBFGS()])
def test_a_method_by_name_class_or_object(name):
    reference = minimize(rosen, X0, jac=rosen_der, method="lbfgs")
    res = minimize(rosen, X0, jac=rosen_der, method=name)
    assert_array_equal(res.x, reference.x)
    assert res.method == "lbfgs"


def test_underscores_are_hyphens_in_a_name():
    res = minimize(both, X0, jac=True, method="Gradient_Descent")
    assert res.method == "gradient-descent"


@pytest.mark.parametrize("method", ["simplex", "", 3, [LBFGS()], dict])
def test_a_bad_method_is_refused(method):
    with pytest.raises((TypeError, ValueError), match="method must be"):
        minimize(both, X0, jac=True, method=method)


def test_a_scipy_style_callable_gets_what_scipy_gives():
    calls = []

    def method(fun, x0, args=(), **kw):
        calls.append({"x0": x0, "args": args, **kw})
        return OptimizeResult(x=x0, fun=fun(x0, *args), jac=kw["jac"] and kw["jac"](x0, *args))

    bounds, callback = [(-3, 3)] * 3, print
    kw = {"method": method, "bounds": bounds, "callback": callback, "tol": 1e-3}
    options = {"alpha": 2, "beta": 3}
    ours = minimize(lambda x, a: both(x), [1, 2, 3], 7, jac=True, options=options, **kw)
    theirs = scipy.optimize.minimize(
        lambda x, a: both(x), [1, 2, 3], 7, jac=True, options=options, **kw
    )
    assert calls[0].keys() == calls[1].keys()
    for key in calls[0].keys() - {"jac", "x0"}:
        assert calls[0][key] == calls[1][key], key
    assert calls[0]["x0"].dtype == np.float64
    assert_array_equal(ours.x, theirs.x)
    assert_array_equal(ours.jac, theirs.jac)
    assert options == {"alpha": 2, "beta": 3}


def test_a_scipy_style_callable_gets_jac_as_a_function_or_none_and_our_arguments_if_given():
    def method(fun, x0, args=(), jac=None, **kw):
        return jac, kw

    for jac in (None, False, "2-point"):
        assert minimize(quadratic, X0, method=method, jac=jac)[0] is None
    assert minimize(quadratic, X0, method=method, jac=quadratic_grad)[0] is quadratic_grad
    assert "rng" not in minimize(quadratic, X0, method=method)[1]
    assert minimize(quadratic, X0, method=method, rng=3)[1]["rng"] == 3


def test_jac_true_costs_a_scipy_style_callable_one_call_a_point():
    calls = []

    def fun(x, shift):
        calls.append(x.copy())
        return both(x - shift)

    def method(fun, x0, args=(), jac=None, **_):
        return scipy.optimize.minimize(fun, x0, args, jac=jac, method="BFGS")

    res = minimize(fun, X0, (1.0,), jac=True, method=method)
    assert_allclose(res.x, 2, atol=1e-5)
    assert len(calls) == res.nfev


# as SciPy's custom method


@pytest.mark.parametrize("jac", [rosen_der, None])
def test_scipy_takes_our_objects(jac):
    options = {"maxiter": 20}
    ours = minimize(rosen, X0, jac=jac, method="bfgs", options=options)
    theirs = scipy.optimize.minimize(rosen, X0, jac=jac, method=BFGS(), options=options)
    assert_array_equal(ours.x, theirs.x)
    assert ours.nfev == theirs.nfev


def test_scipy_hands_us_its_arguments():
    points = []

    def fun(x, scale):
        return scale * rosen(x), scale * rosen_der(x)

    def callback(intermediate_result):
        points.append(intermediate_result.x)
        if intermediate_result.nit == 4:
            raise StopIteration

    calls = []

    def counted(x, scale):
        calls.append(1)
        return fun(x, scale)

    res = scipy.optimize.minimize(
        counted,
        [-1.2, 1.0, 0.9],
        (2.0,),
        method=LBFGS(),
        jac=True,
        bounds=Bounds([-2, -2, 0.9], [2, 2, 0.9]),
        callback=callback,
        tol=1e-2,
        options={"return_all": True},
    )
    assert res.status == 99
    assert len(points) == 4
    assert all(x[2] == 0.9 for x in points)
    assert len(res.allvecs) == 5
    assert len(calls) == res.nfev


def test_scipy_drops_a_string_jac_but_jac_method_works():
    kw = {"method": BFGS(), "options": {"jac_method": "cs"}}
    res = scipy.optimize.minimize(lambda x: ((x - 1) ** 2).sum(), X0, jac="3-point", **kw)
    assert_allclose(res.x, 1, atol=1e-9)


def test_scipy_hands_us_unknown_options_with_a_warning():
    with pytest.warns(OptimizeWarning, match="gtoll"):
        scipy.optimize.minimize(rosen, X0, jac=rosen_der, method=BFGS(), options={"gtoll": 3})


def two_wells(x):
    return float((x[0] ** 2 - 1) ** 2 + 0.3 * x[0])


def two_wells_grad(x):
    return np.array([4 * x[0] * (x[0] ** 2 - 1) + 0.3])


def test_basinhopping_takes_our_objects():
    res = scipy.optimize.basinhopping(
        lambda x: (two_wells(x), two_wells_grad(x)),
        [1.0],
        niter=20,
        stepsize=1.5,
        minimizer_kwargs={"method": LBFGS(), "jac": True, "options": {"maxfev": 100}},
        rng=0,
    )
    assert_allclose(res.x, -1.0354, atol=1e-3)


def test_dual_annealing_takes_our_objects():
    res = scipy.optimize.dual_annealing(
        two_wells,
        [(-3, 3)],
        maxiter=20,
        minimizer_kwargs={"method": BFGS(), "bounds": [(-3, 3)], "jac": two_wells_grad},
        rng=0,
    )
    assert_allclose(res.x, -1.0354, atol=1e-3)


def test_differential_evolution_takes_our_objects_to_polish():
    def polish(fun, x0, bounds=None, **_):
        return scipy.optimize.minimize(fun, x0, method=LBFGS(), bounds=bounds)

    res = scipy.optimize.differential_evolution(
        two_wells, [(-3, 3)], maxiter=5, popsize=5, rng=0, polish=polish
    )
    assert_allclose(res.x, -1.0354, atol=1e-3)


def test_nothing_warns_without_a_reason():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for method in ("lbfgs", "bfgs", "gradient-descent"):
            res = minimize(rosen, X0, method=method, bounds=[(-9, 9)] * 3, options={"maxiter": 9})
            assert res.nit == 9
    assert smoothmin.minimize is minimize
