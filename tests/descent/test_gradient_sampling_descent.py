"""Gradient sampling descent: known nonsmooth minima, certificates, bounds, pathologies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, rosen

import smoothmin
from smoothmin import GradientSamplingDescent, minimize


def sum_abs(x):
    return float(np.abs(x).sum()), np.sign(x)


def chained_abs(x):
    d = np.diff(x)
    g = np.zeros_like(x)
    g[1:] += np.sign(d)
    g[:-1] -= np.sign(d)
    g[0] += 0.5 * np.sign(x[0] - 1)
    return float(np.abs(d).sum() + 0.5 * abs(x[0] - 1)), g


def mifflin1(x):
    excess = x @ x - 1
    pieces = -x[0] + 20 * max(excess, 0.0), np.array([-1.0, 0.0])
    return pieces[0], pieces[1] + (40 * x if excess > 0 else 0)


def run(fun, x0, **options):
    rng = options.pop("rng", 0)
    bounds = options.pop("bounds", None)
    return minimize(
        fun, x0, jac=True, method="gradient-sampling", bounds=bounds, rng=rng, options=options
    )


TOLERANCES = {"stationarity_tol": 1e-6, "radius_tol": 1e-8}


def check_certificate(res, stationarity_tol=1e-6, radius_tol=1e-7):
    # by default the radius is 1e-8 of the largest element that x has had, less than 10 here
    assert res.success == (res.status == 0)
    if res.success:
        assert res.stationarity <= stationarity_tol
        # tangents that meet below the value come from any distance
        assert res.radius <= radius_tol or res.message.startswith("Tangents meet")


@pytest.mark.parametrize("n", [1, 2, 5, 20])
def test_sum_abs(n):
    x0 = 1.0 + np.cos(np.arange(n))
    res = run(sum_abs, x0, maxfev=2000)
    assert res.fun < 1e-6
    assert res.success
    check_certificate(res)


@pytest.mark.parametrize("n", [3, 10, 30])
def test_chained_abs(n):
    res = run(chained_abs, np.sin(1.0 + np.arange(n)), maxfev=4000, **TOLERANCES)
    assert res.fun < 1e-6
    check_certificate(res)


def test_start_on_a_kink():
    res = run(mifflin1, [0.8, 0.6], maxfev=2000)
    assert res.fun == pytest.approx(-1, abs=1e-6)


def test_smooth_function_ends_at_radius_zero():
    from scipy.optimize import rosen, rosen_der

    res = run(lambda x: (rosen(x), rosen_der(x)), [-1.2, 1.0], maxfev=200)
    assert res.success
    assert res.radius == 0
    assert res.stationarity <= 1e-6
    assert np.linalg.norm(rosen_der(res.x)) == pytest.approx(res.stationarity)


def test_bounds_hold_at_every_evaluation():
    lower, upper = np.array([0.5, -1.0, -2.0]), np.array([3.0, 2.0, -0.25])
    seen = []

    def fun(x):
        seen.append(x.copy())
        return sum_abs(x)

    res = run(fun, [2.0, 1.5, -1.0], bounds=list(zip(lower, upper, strict=True)), maxfev=1000)
    assert (np.array(seen) >= lower).all()
    assert (np.array(seen) <= upper).all()
    assert res.fun == pytest.approx(0.75, abs=1e-6)
    assert res.success
    check_certificate(res)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_bounded_weighted_distances(n, seed):
    rng = np.random.default_rng(seed)
    centre, weight = 2 * rng.standard_normal(n), rng.uniform(0.5, 4, n)
    lower = rng.uniform(-2, 0, n)
    upper = lower + rng.uniform(0.1, 3, n)
    seen = []

    def fun(x):
        seen.append(x.copy())
        return float(weight @ np.abs(x - centre)), weight * np.where(x < centre, -1.0, 1.0)

    x0 = rng.uniform(lower, upper)
    bounds = list(zip(lower, upper, strict=True))
    res = run(fun, x0, bounds=bounds, rng=seed, maxfev=400 * n, **TOLERANCES)
    assert (np.array(seen) >= lower).all()
    assert (np.array(seen) <= upper).all()
    best = np.clip(centre, lower, upper)  # coordinates do not interact
    assert res.fun == pytest.approx(weight @ np.abs(best - centre), abs=1e-6)
    check_certificate(res)


def test_kink_along_an_active_bound():
    def fun(x):  # minimum on the bound x0 = 1, with a kink in x1
        return x[0] ** 2 + 3 * abs(x[1] - x[0]), np.array(
            [2 * x[0] - 3 * np.sign(x[1] - x[0]), 3 * np.sign(x[1] - x[0])]
        )

    res = run(fun, [3.0, -2.0], bounds=[(1, None), (None, None)], maxfev=1000)
    np.testing.assert_allclose(res.x, [1, 1], atol=1e-6)
    assert res.success


def test_same_seed_same_run():
    runs = [run(mifflin1, [0.8, 0.6], rng=5, return_all=True, maxfev=500) for _ in range(2)]
    np.testing.assert_array_equal(runs[0].allvecs, runs[1].allvecs)
    assert runs[0].nfev == runs[1].nfev


def test_best_point_is_kept():
    values = []

    def fun(x):
        f, g = chained_abs(x)
        values.append(f)
        return f, g

    res = run(fun, np.arange(6.0), maxfev=30)
    assert res.nfev == len(values) == 30
    assert res.fun == min(values)


def test_nan_half_space():
    def fun(x):
        if x[0] < 0.5:
            return np.nan, np.full(2, np.nan)
        return sum_abs(x)

    res = run(fun, [2.0, 1.0], maxfev=2000)
    assert res.x[0] >= 0.5
    assert res.fun < 1
    assert res.n_nonfinite > 0


def test_values_only():
    res = minimize(
        lambda x: float(np.abs(x).sum()),
        [1.0, -2.0],
        method="gradient-sampling",
        rng=0,
        options={"maxfev": 2000},
    )
    assert res.fun < 1e-5


def test_restarts_leave_a_stationary_point_that_is_no_minimum():
    def fun(x):  # minima at -1 and 2, the second lower
        sides = [abs(x[0] + 1), abs(x[0] - 2) - 1]
        k = int(np.argmin(sides))
        return sides[k], np.where(x >= (-1.0, 2.0)[k], 1.0, -1.0)

    once = run(fun, [-1.4], maxfev=3000)
    more = run(fun, [-1.4], maxfev=3000, restarts=8, **TOLERANCES)
    assert once.fun == pytest.approx(0, abs=1e-7)
    assert more.fun == pytest.approx(-1, abs=1e-7)
    assert more.success
    check_certificate(more)
    assert more.nfev > once.nfev


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("stationarity_tol", -1, ValueError),
        ("radius_tol", "a", TypeError),
        ("radius", 0.0, ValueError),
        ("samples", 0, ValueError),
        ("memory", 1, ValueError),
        ("restarts", -1, ValueError),
        ("dense_up_to", 1.5, TypeError),
    ],
)
def test_options_are_checked(name, value, error):
    with pytest.raises(error, match=name):
        GradientSamplingDescent(**{name: value})


def test_limited_memory_metric():
    res = run(sum_abs, 1.0 + np.cos(np.arange(20)), dense_up_to=5, maxfev=4000)
    assert res.fun < 1e-5


def test_is_the_default_with_a_gradient():
    assert smoothmin.minimize(sum_abs, [1.0, 2.0], jac=True, rng=0).method == "gradient-sampling"


@pytest.mark.parametrize(
    ("fun", "start", "minimum", "accuracy"),
    [
        (rosen, [-1.2, 1.0, 0.8], 0.0, 1e-9),
        (lambda x: abs(x[0] - 1) + 10 * abs(x[1] - x[0] ** 2), [-1.0, 2.0], 0.0, 1e-5),
        (lambda x: float(np.abs(x - np.arange(6)).sum()), np.full(6, 3.3), 0.0, 1e-6),
    ],
)
def test_finite_differences_end_at_their_resolution(fun, start, minimum, accuracy):
    """No search for kinks nearer than the differences' step, and a radius that says so."""
    res = minimize(fun, start, method="gradient-sampling", rng=0)
    assert res.fun - minimum < accuracy
    assert res.nfev < 4000
    assert res.status in (0, 4)
    assert res.radius == 0 or res.radius > 1e-8


@pytest.mark.parametrize("n", [40, 3000])
def test_smooth_functions_in_a_box_cost_no_more_than_free_ones(n):
    rng = np.random.default_rng(n)
    curvatures, centre = 10.0 ** rng.uniform(0, 3, n), rng.standard_normal(n)
    lower = centre - 1 + 2 * (rng.random(n) < 0.3)  # of so many the bound binds

    def fun(x):
        off = x - centre
        return curvatures @ off**2 / 2 + (off**4).sum(), curvatures * off + 4 * off**3

    lowest = fun(np.maximum(centre, lower))[0]
    x0 = np.maximum(centre + rng.standard_normal(n), lower)
    boxed = minimize(fun, x0, jac=True, bounds=Bounds(lower, np.inf))
    assert boxed.method == "gradient-sampling"
    assert boxed.success
    assert boxed.fun <= lowest * (1 + 1e-8)
    assert boxed.nfev <= 2 * minimize(fun, x0, jac=True).nfev
