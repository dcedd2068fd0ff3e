"""The front end against its contract: methods, and being SciPy's custom method."""

import warnings

import numpy as np
import pytest
import scipy.optimize
from numpy.testing import assert_allclose, assert_array_equal
from quadratic import X0, both, quadratic, quadratic_grad
from scipy.optimize import Bounds, OptimizeResult, OptimizeWarning, rosen, rosen_der

import smoothmin
from smoothmin import BFGS, LBFGS, minimize

# method


@pytest.mark.parametrize("name", ["lbfgs", "LBFGS", "Lbfgs", LBFGS, LBFGS()])
def test_a_method_by_name_class_or_object(name):
    reference = minimize(rosen, X0, jac=rosen_der, method="lbfgs")
    res = minimize(rosen, X0, jac=rosen_der, method=name)
    assert_array_equal(res.x, reference.x)
    assert res.method == "lbfgs"


@pytest.mark.parametrize("name", ["derivative-free", "Nelder-Mead", "homotopy", "bfgs"])
def test_a_gradient_that_is_not_used_is_warned_of(name):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        minimize(lambda x: x @ x, X0, jac=lambda x: 2 * x, method=name, options={"maxfev": 9})
    told = [str(one.message) for one in caught if "takes values alone" in str(one.message)]
    assert len(told) == (name in ("derivative-free", "Nelder-Mead"))


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
