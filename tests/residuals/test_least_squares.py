"""Fits against SciPy's, from Jacobians and from values alone."""

import re
import warnings

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from smoothmin import Bounds, curve_fit, least_squares

T = np.linspace(0, 3, 40)
TRUE = np.array([2.0, 1.3, 0.5])


def model(t, a, b, c):
    return a * np.exp(-b * t) + c


def data(seed=0, outliers=0):
    rng = np.random.default_rng(seed)
    y = model(T, *TRUE) + 0.05 * rng.standard_normal(T.size)
    y[: 3 * outliers : 3] += 2.0
    return y


def problem(y):
    def fun(p):
        return model(T, *p) - y

    def jac(p):
        decay = np.exp(-p[1] * T)
        return np.column_stack([decay, -p[0] * T * decay, np.ones_like(T)])

    return fun, jac


def rosenbrock(x):
    return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])


@pytest.mark.parametrize("jac", [None, "2-point", "3-point", "cs"])
def test_rosenbrock_from_values(jac):
    res = least_squares(rosenbrock, [-1.2, 1.0], jac)
    assert res.success
    assert res.status > 0
    assert_allclose(res.x, 1, atol=1e-6)
    assert res.nfev <= (60 if jac is None else 200)


@pytest.mark.parametrize("loss", ["linear", "soft_l1", "huber", "cauchy", "arctan"])
@pytest.mark.parametrize("exact", [True, False])
def test_smooth_losses_end_where_scipys_do(loss, exact):
    fun, jac = problem(data(outliers=4))
    start = [1.0, 1.0, 0.0]
    theirs = scipy.optimize.least_squares(fun, start, jac, loss=loss, f_scale=0.1)
    ours = least_squares(fun, start, jac if exact else None, loss=loss, f_scale=0.1)
    assert ours.success
    assert ours.cost <= theirs.cost * (1 + 1e-7)
    assert_allclose(ours.x, theirs.x, rtol=1e-3)
    assert_allclose(ours.fun, fun(ours.x))
    if exact:
        assert_allclose(ours.jac, jac(ours.x))
        assert ours.nfev <= 2 * theirs.nfev + 5


def test_a_loss_of_the_users():
    def fair(z):
        root = np.sqrt(z)
        return np.array([
            2 * (root - np.log1p(root)),
            1 / (1 + root),
            -0.5 / (np.maximum(root, 1e-300) * (1 + root) ** 2),
        ])  # fmt: skip

    fun, jac = problem(data(outliers=4))
    theirs = scipy.optimize.least_squares(fun, [1.0, 1.0, 0.0], jac, loss=fair, f_scale=0.1)
    for derivative in (jac, None):
        ours = least_squares(fun, [1.0, 1.0, 0.0], derivative, loss=fair, f_scale=0.1)
        assert ours.success
        assert ours.cost <= theirs.cost * (1 + 1e-6)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(("loss", "quantile"), [("l1", 0.5), ("quantile", 0.8)])
def test_losses_with_kinks_are_linear_programs(loss, quantile, exact):
    """A linear model's least absolute deviations and quantiles, by SciPy's linear programs."""
    rng = np.random.default_rng(1)
    a = np.column_stack([np.ones(30), rng.standard_normal((30, 2))])
    y = a @ [1.0, 2.0, -1.0] + rng.standard_t(2, 30)
    sides = (1.0, 1.0) if loss == "l1" else (quantile, 1 - quantile)
    cost = np.concatenate([np.zeros(3), np.full(30, sides[0]), np.full(30, sides[1])])
    equal = np.hstack([a, -np.eye(30), np.eye(30)])
    bounds = [(None, None)] * 3 + [(0, None)] * 60
    best = scipy.optimize.linprog(cost, A_eq=equal, b_eq=y, bounds=bounds).fun
    res = least_squares(
        lambda p: a @ p - y, np.zeros(3), (lambda p: a) if exact else None,
        loss=loss, quantile=quantile,
    )  # fmt: skip
    assert res.success
    assert_allclose(res.cost, best, rtol=1e-6)


@pytest.mark.parametrize("exact", [True, False])
def test_bounds(exact):
    fun, jac = problem(data())
    bounds = ([0.0, 0.0, 0.6], [1.9, 3.0, 1.0])
    seen = []

    def watched(p):
        seen.append(p.copy())
        return fun(p)

    start = [1.0, 1.0, 0.7]
    theirs = scipy.optimize.least_squares(fun, start, jac, bounds=bounds, xtol=1e-12, ftol=1e-12)
    for box in (bounds, Bounds(*bounds)):
        ours = least_squares(watched, start, jac if exact else None, box)
        assert ours.success
        assert_allclose(ours.x, theirs.x, rtol=1e-4)
        assert ours.active_mask[2] == -1
        assert ours.active_mask[1] == 0
    points = np.array(seen)
    assert (points >= bounds[0]).all()
    assert (points <= bounds[1]).all()


@given(st.floats(1e-5, 1e5), st.integers(0, 20))
@settings(max_examples=15, deadline=None)
def test_units_of_the_residuals_do_not_matter(unit, seed):
    fun, jac = problem(data(seed))
    plain = least_squares(fun, [1.0, 1.0, 0.0], jac, gtol=None)
    scaled = least_squares(lambda p: unit * fun(p), [1.0, 1.0, 0.0],
                           lambda p: unit * jac(p), gtol=None)  # fmt: skip
    assert_allclose(scaled.x, plain.x, rtol=1e-6)
    assert abs(scaled.nfev - plain.nfev) <= 1


def test_from_values_it_takes_far_fewer_than_the_sum():
    """Osborne's first problem from values: a model of each residual, not of their sum."""
    y = data()
    fun, _ = problem(y)
    res = least_squares(fun, [0.5, 1.0, 1.0])
    assert res.success
    assert res.nfev <= 40
    best = scipy.optimize.least_squares(fun, TRUE).cost
    assert_allclose(res.cost, best, rtol=1e-9)


def test_a_lucky_value_under_noise_is_no_end():
    """All residuals linear, with noise of a thousandth: the least sum of squares is 36."""
    matrix = np.vstack([np.eye(9), np.zeros((36, 9))]) - 2 / 45

    def exact(x):
        return matrix @ x - 1

    left = []
    for seed in range(12):
        rng = np.random.default_rng(seed)

        def noisy(x, rng=rng):
            return exact(x) * (1 + 1e-3 * rng.uniform(-1, 1, 45))

        res = least_squares(noisy, np.ones(9), rng=0)
        assert res.success
        assert "noise" in res.message
        left.append(np.sum(exact(res.x) ** 2) - 36)
        assert res.nfev < 400
    # the noise is 0.012; models of points too near to each other leave up to ten times that
    assert np.median(left) < 0.012
    assert max(left) < 0.06


def test_noise_ends_a_run_by_values():
    rng = np.random.default_rng(0)
    fun, _ = problem(data())
    res = least_squares(
        lambda p: fun(p) + 1e-3 * rng.standard_normal(T.size), [0.5, 1.0, 1.0], max_nfev=500
    )
    assert res.success
    assert res.nfev < 300
    assert_allclose(res.x, least_squares(fun, TRUE).x, atol=0.02)


def test_residuals_that_are_no_numbers():
    def fun(p):
        with np.errstate(all="ignore"):
            return np.log(p) - [0.0, 1.0]

    res = least_squares(fun, [0.1, 0.1])
    assert res.success
    assert_allclose(res.x, [1, np.e], rtol=1e-6)
    res = least_squares(lambda p: np.full(3, np.nan), [1.0, 2.0])
    assert not res.success
    assert res.status < 0


def test_limits_arguments_and_sparse_jacobians():
    fun, jac = problem(data())

    def shifted(p, by, times=1.0):
        return times * fun(p - by)

    res = least_squares(shifted, [1.0, 1.0, 0.0], args=(0.5,), kwargs={"times": 2.0}, max_nfev=7)
    assert res.status == 0
    assert not res.success
    assert res.nfev == 7
    res = least_squares(fun, [1.0, 1.0, 0.0], lambda p: scipy.sparse.csr_array(jac(p)))
    assert res.success


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"jac": "4-point"}, ValueError, "jac must be one of"),
        ({"method": "newton"}, ValueError, "method must be one of"),
        ({"loss": "l2"}, ValueError, "loss must be one of"),
        ({"f_scale": 0.0}, ValueError, "f_scale must lie in (0"),
        ({"quantile": 1.0}, ValueError, "quantile must lie in (0"),
        ({"bounds": ([0, 0, 0], [1, 1, 1])}, ValueError, "bounds must be a pair of arrays"),
        ({"x0": [[1.0, 2.0]]}, ValueError, "x0 must have one dimension"),
        ({"x0": ["a"]}, TypeError, "x0 must be"),
        ({"fun": 3}, TypeError, "fun must be callable"),
        ({"fun": lambda p: np.eye(2)}, ValueError, "fun must return an array of one dimension"),
        ({"fun": lambda p: p * 1j}, TypeError, "fun must return real numbers"),
        ({"jac": lambda p: np.eye(3)}, ValueError, "jac must return an array of shape (2, 2)"),
    ],
)
def test_bad_input(given, error, says):
    with pytest.raises(error, match=re.escape(says)):
        least_squares(**({"fun": rosenbrock, "x0": [1.0, 2.0]} | given))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"sigma": np.full(T.size, 0.05), "absolute_sigma": True},
        {"sigma": 0.01 + 0.1 * T},
        {"sigma": 0.0025 * (np.eye(T.size) + 0.3)},
        {"bounds": ([0, 0, 0], [3, 2, 1])},
    ],
)
@pytest.mark.parametrize("exact", [True, False])
def test_curve_fit_is_scipys(given, exact):
    y = data(2)
    _, jac = problem(y)
    derivative = (lambda t, *p: jac(np.array(p))) if exact else None
    ours, covariance = curve_fit(model, T, y, jac=derivative, **given)
    theirs, expected = scipy.optimize.curve_fit(model, T, y, **given)
    assert_allclose(ours, theirs, rtol=1e-5)
    assert_allclose(covariance, expected, rtol=1e-3)


def test_curve_fit_omits_and_says():
    y = data(3)
    y[5] = np.nan
    with pytest.raises(ValueError, match="ydata must be finite"):
        curve_fit(model, T, y)
    ours, _ = curve_fit(model, T, y, nan_policy="omit")
    kept = ~np.isnan(y)
    assert_allclose(ours, curve_fit(model, T[kept], y[kept])[0], rtol=1e-6)
    *_, info, message, status = curve_fit(model, T, data(3), full_output=True)
    assert info["nfev"] > 0
    assert message
    assert status > 0
    with pytest.warns(scipy.optimize.OptimizeWarning, match="could not be estimated"):
        _, covariance = curve_fit(lambda t, a, b: a + b + 0 * t, T, data(3))
    assert np.isinf(covariance).all()
    with pytest.raises(RuntimeError, match="Optimal parameters not found"):
        curve_fit(model, T, data(3), max_nfev=5)
    with pytest.raises(ValueError, match="p0 must be given"):
        curve_fit(lambda t, *p: t, T, data(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        robust, _ = curve_fit(model, T, data(3, outliers=4), loss="soft_l1", f_scale=0.1)
    assert_allclose(robust, TRUE, atol=0.3)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"ftol": -1}, ValueError),
        ({"xtol": "a"}, TypeError),
        ({"max_nfev": 0}, ValueError),
        ({"verbose": "a"}, TypeError),
        ({"kwargs": 3}, TypeError),
        ({"x_scale": 0}, ValueError),
        ({"x_scale": "units"}, ValueError),
    ],
)
def test_options_are_refused_by_their_names(given, error):
    (name,) = given
    with pytest.raises(error, match=f"{name} must"):
        least_squares(lambda x: x, [1.0], **given)


@pytest.mark.parametrize("sizes", [(3, 2), (0, 0)])
def test_residuals_that_come_and_go(sizes):
    with pytest.raises(ValueError, match="fun must always return as many residuals, at least one"):
        least_squares(lambda x: np.ones(sizes[int(x[0] > 1)]) * x[0], [1.0])


def test_data_that_do_not_fit_the_function():
    t = np.arange(10.0)

    def line(t, a, b):
        return a * t + b

    with pytest.raises(ValueError, match="f must return as many values as ydata, 3, got 10"):
        curve_fit(line, t, np.ones(3))
    with pytest.raises(
        ValueError, match=r"sigma must have shape \(10,\) or \(10, 10\), got \(3,\)"
    ):
        curve_fit(line, t, t, sigma=np.ones(3))
    with pytest.raises(TypeError, match="sigma must be numbers"):
        curve_fit(line, t, t, sigma="a")
