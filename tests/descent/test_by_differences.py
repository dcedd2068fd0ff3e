"""Descents by differences: they end where these resolve no more, as their message says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import minimize as scipys
from scipy.optimize import rosen, rosen_der

from smoothmin import minimize
from smoothmin._differences import Stencil
from smoothmin._noisy_differences import NoiseAwareStencil
from smoothmin.descent.both_sides import BothSides
from smoothmin.metrics.dense_bfgs import InverseHessian
from smoothmin.metrics.lbfgs import LimitedMemory

THEIRS = {"bfgs": "BFGS", "lbfgs": "L-BFGS-B"}


def quadratic(seed, n, condition, low):
    """A rotated quadratic, moved, with this lowest value."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((n, n)))[0]
    matrix = (axes * np.geomspace(1.0, condition, n)) @ axes.T
    center = rng.standard_normal(n)
    return lambda x: float(low + 0.5 * (x - center) @ matrix @ (x - center)), center


def logistic(seed):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((200, 5))
    hits = (rng.random(200) < 1 / (1 + np.exp(-rows @ np.linspace(-1, 1, 5)))) * 1.0
    return lambda b: float(np.logaddexp(0, rows @ b).sum() - hits @ (rows @ b))


def helical(x):
    turn = np.arctan2(x[1], x[0]) / (2 * np.pi)
    return float(100 * (x[2] - 10 * turn) ** 2 + 100 * (np.hypot(x[0], x[1]) - 1) ** 2 + x[2] ** 2)


SMOOTH = {
    "rosen": (rosen, np.array([-1.2, 1.0])),
    "rosen 4": (rosen, np.array([-1.2, 1.0, 0.5, 2.0])),
    "helical": (helical, np.array([-1.0, 0.1, 0.0])),
    "logistic": (logistic(0), np.zeros(5)),
    "logistic 1": (logistic(1), np.zeros(5)),
    "quadratic": (quadratic(0, 6, 1e3, 0.0)[0], np.zeros(6)),
    "high": (quadratic(1, 5, 30.0, 1e4)[0], np.zeros(5)),
}


@pytest.mark.parametrize("method", THEIRS)
def test_solved_problems_end_in_success_and_soon(method):
    counts = []
    for fun, start in SMOOTH.values():
        res = minimize(fun, start, method=method, rng=0)
        theirs = scipys(fun, start, method=THEIRS[method])
        assert res.success, res.message
        assert res.fun <= theirs.fun + 1e-6 * (fun(start) - theirs.fun)
        counts.append((res.nfev, 1.1 * theirs.nfev + 8))
    ours, bar = np.exp(np.log(counts).mean(axis=0))
    assert ours <= bar


@pytest.mark.parametrize("method", THEIRS)
def test_an_ill_conditioned_end_is_not_taken_for_more_than_it_is(method):
    # what one-sided differences hide here is far more than rounding, and is seen to be
    res = minimize(lambda x: 1e3 * rosen(x), [-1.2, 1.0], method=method, rng=0)
    assert res.success
    assert res.fun < 1e-7


@given(seed=st.integers(0, 10**6), n=st.integers(2, 6), memory=st.integers(2, 8))
@settings(max_examples=30, deadline=None)
def test_diagonals_of_a_metric_are_those_of_its_matrix_and_inverse(seed, n, memory):
    rng = np.random.default_rng(seed)
    hessian = quadratic_hessian(rng, n)
    for metric in (LimitedMemory(n, memory), InverseHessian(n)):
        for _ in range(5):
            step = rng.standard_normal(n)
            metric.update(step, hessian @ step)
        own, inverse = metric.diagonals(n)
        dense = metric.matrix(n)
        assert_allclose(own, dense.diagonal(), rtol=1e-6)
        assert_allclose(inverse, np.linalg.inv(dense).diagonal(), rtol=1e-5)


def quadratic_hessian(rng, n):
    root = rng.standard_normal((n, n))
    return root @ root.T + np.eye(n)


def gradient(stencil, x, fun):
    steps = stencil.gradients(x[None])
    batch = next(steps)
    while True:
        try:
            batch = steps.send(np.array([fun(point) for point in batch]))
        except StopIteration as end:
            return end.value[1][0]


def test_steps_to_both_sides_have_errors_of_opposite_sign_that_can_be_corrected():
    x = np.array([-1.2, 1.0, 0.7])
    stencil = NoiseAwareStencil(None, np.random.default_rng(0))
    ahead = gradient(stencil, x, rosen)
    assert stencil.toward(-1)
    back = gradient(stencil, x, rosen)
    stencil.toward(1)
    exact, error = rosen_der(x), 0.5 * (ahead - back)
    assert_allclose(ahead - exact, error, rtol=0.2, atol=1e-6)
    stencil.correct(x, error)
    near = x + 1e-3
    left = np.abs(gradient(stencil, near, rosen) - rosen_der(near)).max()
    assert left < 0.1 * np.abs(error).max()
    assert_allclose(stencil.corrected(x), error)


def test_steps_that_were_asked_for_are_left_alone():
    stencil = Stencil("2-point", None)
    assert not stencil.toward(-1)


@pytest.mark.parametrize("method", THEIRS)
def test_a_start_at_the_minimum_is_the_end(method):
    fun, center = quadratic(2, 4, 10.0, 1.0)
    res = minimize(fun, center, method=method, rng=0)
    assert res.success
    assert res.nfev < 60


@pytest.mark.parametrize("method", THEIRS)
def test_units_of_variables_that_differ_widely_are_no_success_far_above(method):
    # vapour pressures: a metric knows one direction of three when it promises nothing more
    t = np.linspace(0, 60, 12)
    data = np.exp(9.1 - 2400 / (t + 268)) * 10

    def fun(p):
        with np.errstate(all="ignore"):
            model = np.exp(p[0] - p[1] / (t + p[2])) * 10
            return float(np.square((model - data) / (0.02 * data)).mean())

    res = minimize(fun, [7.0, 1500.0, 210.0], method=method, rng=0)
    if res.success:
        polished = scipys(fun, res.x, method="Nelder-Mead", options={"maxfev": 2000})
        assert res.fun - polished.fun <= 1e-3 * max(res.fun, 1e-3)


@pytest.mark.parametrize(("method", "degree"), [("bfgs", 7), ("lbfgs", 9), ("bfgs", 8)])
def test_flat_directions_that_differences_hide_are_gone_down(method, degree):
    # monomials are all but dependent: one-sided differences see no slope long before the end
    t = np.linspace(0, 1, 50)
    powers, data = t[:, None] ** np.arange(degree + 1), 1 / (1 + 4 * t**2) + np.cos(9 * t) / 50
    lowest = np.linalg.lstsq(powers, data, rcond=None)[1][0]
    start = np.zeros(degree + 1)

    def misfit(p):
        return float(np.square(powers @ p - data).sum())

    res = minimize(misfit, start, method=method, rng=0, options={"maxfev": 20000})
    assert res.fun - lowest <= 1e-6 * (misfit(start) - lowest)


@pytest.mark.parametrize("method", THEIRS)
@pytest.mark.parametrize("other", [0.0, 1e-9])
def test_a_saddle_is_left_along_the_coordinate_that_bends_down(method, other):
    res = minimize(lambda x: x[0] ** 2 - x[1] ** 2 + x[1] ** 4, [1.0, other], method=method, rng=0)
    assert res.success
    assert res.fun == pytest.approx(-0.25, abs=1e-7)


def test_curvatures_are_those_of_the_function_after_slopes_were_corrected():
    # what is left of the error then is no curvature: slopes to both sides tell of it as before
    curvatures, step = np.array([1e4, 1.0]), np.full(2, 1e-8)
    central, free, rounded = np.array([1e-5, 1e-5]), np.array([1e-5, 1e-5]), np.full(2, 1e-12)
    change = curvatures * step
    before = BothSides(central, free, change, change, rounded, step)
    after = BothSides(central, free, -1e-3 * change, change, rounded, step)
    assert_allclose(after.curvatures, curvatures)
    assert after.promised_alone == before.promised_alone == pytest.approx(0.5e-10)
    assert not after.bent_down.any()


@pytest.mark.parametrize("method", THEIRS)
def test_a_step_that_is_too_long_or_too_short_costs_no_gradient(method):
    ours, theirs = [], []
    for n in (5, 8):
        for seed in range(3):
            start = np.random.default_rng(seed).standard_normal(n)
            res = minimize(rosen, start, method=method, rng=0)
            assert res.success
            ours.append(res.nfev / (n + 1))
            theirs.append(minimize(rosen, start, jac=rosen_der, method=method).nfev)
    assert np.sum(ours) < 0.9 * np.sum(theirs)


@pytest.mark.parametrize("method", ["bfgs", "lbfgs"])
def test_the_end_is_seen_where_large_terms_cancel_to_zero(method):
    """What is left is noise, but none that would make steps of differences longer."""
    starts = np.random.default_rng(0)

    def fun(x):
        return float(20 - 10 * np.cos(2 * np.pi * x).sum())

    for k in range(60):
        res = minimize(fun, starts.uniform(-0.2, 0.2, 2), method=method, rng=k)
        assert res.success, k
        assert res.nfev <= 100
