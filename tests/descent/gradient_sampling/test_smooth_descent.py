"""The descent before a kink is seen, and how it ends."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize as scipy_minimize
from scipy.optimize import rosen, rosen_der

import smoothmin
from smoothmin.descent.gradient_sampling.smooth_descent import skewness
from smoothmin.descent.gradient_sampling.state import State

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from smooth_problems import quadratic, scalable, small


@given(st.floats(0.01, 100), st.floats(-5, 5))
def test_a_parabola_is_not_skewed(curvature, slope):
    assert skewness(slope + curvature / 2, slope, slope + curvature) < 1e-9


@given(st.floats(0, 1), st.floats(-3, 3), st.floats(0.1, 10))
def test_a_kink_skews_by_how_far_it_is_from_the_middle(where, before, jump):
    fall = before + (1 - where) * jump
    assert skewness(fall, before, before + jump) == pytest.approx(abs(where - 0.5), abs=1e-9)


def test_slopes_that_do_not_rise_tell_nothing():
    assert skewness(-1.0, 2.0, 1.0) == skewness(1.0, 0.0, np.inf) == 0


@pytest.mark.parametrize("problem", [*small(), *scalable(48)], ids=lambda each: each.name)
def test_smooth_functions_take_no_more_evaluations_than_scipys_lbfgsb(problem):
    level = problem.minimum + 1e-8 * (problem.fun(problem.x0)[0] - problem.minimum)
    found = []

    def counted(x):
        value, gradient = problem.fun(np.array(x))
        found[-1].append(value)
        return value, gradient

    found.append([])
    smoothmin.minimize(counted, problem.x0, jac=True, rng=0, options={"maxfev": 2000})
    found.append([])
    options = {"maxfun": 4000, "maxiter": 4000, "ftol": 0.0, "gtol": 0.0}
    scipy_minimize(counted, problem.x0, jac=True, method="L-BFGS-B", options=options)
    ours, theirs = (next((k for k, f in enumerate(v) if f <= level), 4000) for v in found)
    assert ours <= 2 * theirs + 5


surround = State._surround


def refuse(*_):
    raise AssertionError("kinks are looked for where there are none")


@pytest.mark.parametrize("n", [10, 300, 3000])
def test_nothing_made_for_kinks_acts_on_a_quadratic(monkeypatch, n):
    monkeypatch.setattr(State, "_surround", refuse)
    problem = quadratic(n, 1e4)
    res = smoothmin.minimize(problem.fun, problem.x0, jac=True, rng=0)
    assert res.success
    assert res.radius == 0
    assert res.stationarity == pytest.approx(np.linalg.norm(res.jac))


@pytest.mark.parametrize(
    "name", ["wood", "cube", "chained-rosenbrock-48", "chained-rosenbrock-1008"]
)
def test_first_searches_for_a_scale_are_not_taken_for_kinks(monkeypatch, name):
    monkeypatch.setattr(State, "_surround", refuse)
    problem = next(p for p in [*small(), *scalable(48), *scalable(1008)] if p.name == name)
    res = smoothmin.minimize(problem.fun, problem.x0, jac=True, rng=0)
    assert res.success
    assert res.fun < 1e-8


def test_a_kink_is_handed_over_with_all_that_was_learnt(monkeypatch):
    taken = []

    def watched(state, points):
        taken.append((state.f, [point.fun for point in points]))
        surround(state, points)

    monkeypatch.setattr(State, "_surround", watched)

    def fun(x):
        kink = np.eye(len(x))[0] * 3 * np.sign(x[0] - 1)
        return rosen(x) + 3 * abs(x[0] - 1), rosen_der(x) + kink

    res = smoothmin.minimize(fun, [-1.2, 1.0, 0.5, 2.0], jac=True, rng=0)
    assert res.success
    np.testing.assert_allclose(res.x, 1, atol=1e-6)
    ((value, values),) = taken
    assert value in values
    assert len(values) < res.nfev


def soft_largest(width):
    """The largest of some linear functions and a bowl, within a ``width`` of each edge."""
    slopes = np.random.default_rng(3).standard_normal((40, 12))

    def fun(x):
        heights = slopes @ x
        shares = np.exp((heights - heights.max()) / width)
        value = heights.max() + width * np.log(shares.sum()) + 0.05 * x @ x
        return value, shares @ slopes / shares.sum() + 0.1 * x

    return fun


@pytest.mark.parametrize(("width", "smooth"), [(0.3, True), (1e-13, False)])
def test_kinks_are_looked_for_no_more_once_a_function_has_shown_to_be_smooth(
    monkeypatch, width, smooth
):
    returned = []
    again = State.smooth_again

    def watched(state):
        returned.append(state.f)
        return again(state)

    monkeypatch.setattr(State, "smooth_again", watched)
    seen = []
    monkeypatch.setattr(State, "_surround", lambda *given: seen.append(1) or surround(*given))
    res = smoothmin.minimize(soft_largest(width), np.full(12, 30.0), jac=True, rng=0)
    assert res.success
    assert seen
    assert bool(returned) == smooth


def test_a_tolerance_of_the_users_is_that_of_the_euclidean_norm():
    res = smoothmin.minimize(
        rosen, [-1.2, 1.0], jac=rosen_der, method="gradient-sampling", tol=1e-3, rng=0
    )
    assert res.success
    assert np.linalg.norm(res.jac) <= 1e-3


def test_many_kinks_are_crossed_with_limited_memory():
    """Pairs of pieces that meet in as many kinks; with the newest pair's scale 0.2 is left."""
    solution = np.sin(np.arange(2500) / 3)

    def fun(x):
        a, b = x[:-1] - solution[:-1], x[1:] - solution[1:]
        left, right = a * a + b * b + a, 2 * b * b - a
        first, gradient = left > right, np.zeros(x.size)
        gradient[:-1] += np.where(first, 2 * a + 1, -1.0)
        gradient[1:] += np.where(first, 2 * b, 4 * b)
        return float(np.maximum(left, right).sum()), gradient

    result = smoothmin.minimize(fun, np.ones(2500), jac=True, rng=0, options={"maxfev": 1500})
    assert result.fun < 0.15
