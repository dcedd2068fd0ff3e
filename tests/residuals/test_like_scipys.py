"""What SciPy's scripts say to `least_squares` and `curve_fit`: taken in its meaning, or told."""

import inspect

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse.linalg
from numpy.testing import assert_allclose

from smoothmin import curve_fit, least_squares

T = np.linspace(0, 4, 50)


def model(t, a, b, c):
    return a * np.exp(-b * t) + c


Y = model(T, 2.5, 1.3, 0.5) + 0.1 * np.sin(50 * T)


def residuals(p):
    return model(T, *p) - Y


def columns(t, a, b, c):
    """The transposed Jacobian (3, m)."""
    return np.array([np.exp(-b * t), -t * a * np.exp(-b * t), np.ones_like(t)])


def test_arguments_come_in_scipys_order():
    ours = list(inspect.signature(least_squares).parameters)
    theirs = list(inspect.signature(scipy.optimize.least_squares).parameters)
    assert ours[: len(theirs)] == theirs


@pytest.mark.parametrize("jac", [None, "2-point", "3-point"])
@pytest.mark.parametrize("step", [1e-3, [1e-3, 1e-4, 1e-5]])
def test_steps_of_differences_are_those_given(jac, step):
    seen = []

    def fun(p):
        seen.append(p.copy())
        return residuals(p)

    given = {} if jac is None else {"jac": jac}
    least_squares(fun, [1.0, 1.0, 1.0], diff_step=step, max_nfev=4, **given)
    assert_allclose(np.array(seen[1:4]) - 1, np.diag(np.broadcast_to(step, 3)), atol=1e-12)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"tr_solver": "lsmr", "tr_options": {"regularize": False}}, "tr_solver"),
        ({"jac_sparsity": np.ones((50, 3))}, "jac_sparsity"),
        ({"jac": "cs", "diff_step": 1e-3}, "diff_step"),
    ],
)
def test_what_has_no_effect_is_told(given, says):
    with pytest.warns(RuntimeWarning, match=f"{says}.* no effect"):
        res = least_squares(residuals, [1.0, 1.0, 0.0], **given)
    assert res.success


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"tr_solver": "svd"}, ValueError),
        ({"tr_options": 3}, TypeError),
        ({"diff_step": 0.0}, ValueError),
        ({"diff_step": "small"}, TypeError),
    ],
)
def test_bad_arguments_are_named(given, error):
    (name,) = given
    with pytest.raises(error, match=f"{name} must"):
        least_squares(residuals, [1.0, 1.0, 0.0], **given)


def test_a_callback_that_stops_has_scipys_status():
    def stop(intermediate_result):
        raise StopIteration

    res = least_squares(residuals, [1.0, 1.0, 0.0], lambda p: columns(T, *p).T, callback=stop)
    assert res.status == -2
    assert not res.success


@pytest.mark.parametrize(
    "given",
    [
        {"maxfev": 5000},
        {"maxfev": 0},
        {"epsfcn": 1e-10},
        {"diag": [1.0, 2.0, 3.0]},
        {"jac": columns, "col_deriv": True},
        {"method": "trf", "loss": "cauchy", "f_scale": 0.05},
    ],
)
def test_options_of_curve_fit(given):
    ours = curve_fit(model, T, Y, p0=[2.0, 1.0, 0.4], **given)
    theirs = scipy.optimize.curve_fit(model, T, Y, p0=[2.0, 1.0, 0.4], **given)
    assert_allclose(ours[0], theirs[0], rtol=1e-4)
    assert_allclose(ours[1], theirs[1], rtol=1e-2)


@pytest.mark.parametrize(
    "as_given", [scipy.sparse.csr_array, scipy.sparse.linalg.aslinearoperator, np.asfortranarray]
)
@pytest.mark.parametrize("method", ["trf", "dogbox"])
def test_jacobians_of_any_kind(as_given, method):
    def jac(p):
        return as_given(columns(T, *p).T)

    start = [1.0, 1.0, 1.0]
    ours = least_squares(residuals, start, jac=jac, method=method)
    theirs = scipy.optimize.least_squares(residuals, start, jac=jac, method=method)
    assert ours.success
    assert_allclose(ours.x, theirs.x, rtol=1e-5)


@pytest.mark.parametrize("bounds", [([0, 0], [1, 1]), (0,), ([0, 0, 0], "high"), 3])
def test_bounds_of_another_shape_are_named(bounds):
    with pytest.raises(ValueError, match=r"bounds must be a pair of arrays of shape \(3,\)"):
        curve_fit(model, T, Y, bounds=bounds)


def test_limits_of_curve_fit():
    with pytest.raises(RuntimeError, match="maxfev=3"):
        curve_fit(model, T, Y, maxfev=3)
    with pytest.warns(RuntimeWarning, match="factor is of no effect"):
        curve_fit(model, T, Y, factor=10.0)


@pytest.mark.parametrize("name", ["foo", "fun", "args"])
def test_unknown_arguments_are_refused_in_the_name_of_curve_fit(name):
    with pytest.raises(TypeError, match=rf"curve_fit\(\).*{name}"):
        curve_fit(model, T, Y, **{name: 1})


def test_a_bad_maxfev_is_refused_by_that_name():
    with pytest.raises(ValueError, match=r"^maxfev must"):
        curve_fit(model, T, Y, maxfev=-1)
