"""Finite differences whose steps respect noise."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.optimize import rosen, rosen_der

from smoothmin import minimize
from smoothmin._differences import Stencil
from smoothmin._machine import EPS
from smoothmin._noisy_differences import NoiseAwareStencil

USUAL = EPS**0.5
START = np.array([-1.2, 1.0, 0.7])


def gradient(stencil, x, fun):
    """The first value and gradient, and the batches asked for."""
    steps = stencil.gradients(x[None])
    batches = [next(steps)]
    while True:
        values = np.array([fun(point) for point in batches[-1]])
        try:
            batches.append(steps.send(values))
        except StopIteration as end:
            values, gradients = end.value
            return values[0], gradients[0], batches


def noisy(level, seed=0, fun=rosen):
    rng = np.random.default_rng(seed)
    return lambda x: fun(x) + level * rng.standard_normal()


@pytest.mark.parametrize("x", [START, np.array([3.0]), np.zeros(4)])
def test_without_noise_they_are_the_usual_ones_after_one_batch(x):
    def fun(x):
        return float(np.sum(np.cos(x + 0.3)))

    stencil = NoiseAwareStencil(None, np.random.default_rng(0))
    value, found, batches = gradient(stencil, x, fun)
    # the first of the points where noise is looked for is the start itself
    assert [len(batch) for batch in batches] == [8, x.size]
    assert_array_equal(batches[0][0], x)
    usual = gradient(Stencil("2-point", None), x, fun)
    assert_array_equal(found, usual[1])
    assert value == fun(x)
    assert (stencil.noise, stencil.resolution) == (0.0, USUAL)
    again = gradient(stencil, x + 1, fun)[2]
    assert [len(batch) for batch in again] == [1 + x.size]


def test_a_look_back_from_a_point_does_not_evaluate_it_again():
    stencil = NoiseAwareStencil(None, np.random.default_rng(0))
    gradient(stencil, START, rosen)
    value, ahead, batches = gradient(stencil, START + 1, rosen)
    assert [len(batch) for batch in batches] == [1 + START.size]
    assert stencil.toward(-1)
    again, back, batches = gradient(stencil, START + 1, rosen)
    assert [len(batch) for batch in batches] == [START.size]
    assert again == value
    np.testing.assert_allclose(0.5 * (ahead + back), rosen_der(START + 1), rtol=1e-7)
    # whatever is asked for later may have changed
    assert stencil.toward(1)
    assert len(gradient(stencil, START + 1, rosen)[2][0]) == 1 + START.size


@pytest.mark.parametrize("level", [1e-9, 1e-6, 1e-3])
@pytest.mark.parametrize("seed", range(5))
def test_the_error_is_what_theory_allows(level, seed):
    stencil = NoiseAwareStencil(None, np.random.default_rng(seed))
    found = gradient(stencil, START, noisy(level, seed))[1]
    assert level / 4 < stencil.noise < 4 * level
    # (3.5) of the paper: the expected error is about sqrt(noise * |f''|), here up to 1330
    assert np.abs(found - rosen_der(START)).max() < 8 * np.sqrt(level * 1330)
    plain = gradient(Stencil("2-point", None), START, noisy(level, seed))[1]
    assert np.abs(plain - rosen_der(START)).max() > 4 * np.abs(found - rosen_der(START)).max()


@pytest.mark.parametrize("seed", range(5))
def test_steps_follow_each_variables_curvature(seed):
    curvature = np.array([1.0, 100.0, 1e4])
    fun = noisy(1e-6, seed, lambda x: 0.5 * float(curvature @ (x - 0.01) ** 2))
    steps = np.diff(
        gradient(s := NoiseAwareStencil(None, np.random.default_rng(seed)), np.zeros(3), fun)[2][
            -1
        ],
        axis=0,
    )
    assert s.noise > 0
    lengths = np.abs(steps).max(axis=1)
    assert lengths[0] > 3 * lengths[-1]


@pytest.mark.parametrize("seed", range(5))
def test_single_precision_is_noise(seed):
    def fun(x):
        return float(np.float32(rosen(x)))

    stencil = NoiseAwareStencil(None, np.random.default_rng(seed))
    _, found, _ = gradient(stencil, START, fun)
    assert np.abs(found - rosen_der(START)).max() < 1
    assert np.abs(gradient(Stencil("2-point", None), START, fun)[1] - rosen_der(START)).max() > 10


def test_noise_is_measured_again_where_the_value_has_changed():
    rng = np.random.default_rng(0)

    def fun(x):
        return float(x @ x) * (1 + 1e-4 * rng.standard_normal())

    stencil = NoiseAwareStencil(None, np.random.default_rng(0))
    x = np.ones(3)
    first = [stencil.noise for k in range(3) if gradient(stencil, x * 2.0**-k, fun)]
    assert first[0] == first[1] == first[2] > 1e-5
    for k in (3, 4):
        gradient(stencil, x * 2.0**-k, fun)
    assert stencil.noise < first[0] / 10


@given(st.integers(1, 5), st.integers(0, 2**32 - 1), st.floats(-12, 0))
def test_every_point_is_in_the_box(n, seed, exponent):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n)
    box = (x - rng.choice([0.0, 1e-9, 1e-3, 1.0], n), x + rng.choice([1e-12, 1e-6, 1e-1, 10], n))
    stencil = NoiseAwareStencil(box, rng)
    fun = noisy(10**exponent, seed, lambda x: float(np.abs(x).sum() + x @ x))
    _, found, batches = gradient(stencil, x, fun)
    for batch in batches:
        assert (batch >= box[0]).all()
        assert (batch <= box[1]).all()
    assert np.isfinite(found).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_holes_near_the_start_leave_the_usual_steps(bad):
    stencil = NoiseAwareStencil(None, np.random.default_rng(0))
    seen = []

    def fun(x):
        seen.append(x)
        return bad if 1 < len(seen) <= 8 else float(x @ x)

    _, found, batches = gradient(stencil, START, fun)
    assert [len(batch) for batch in batches] == [8, 3]
    assert np.abs(found - 2 * START).max() < 1e-6
    assert stencil.noise == 0


@pytest.mark.parametrize("method", ["lbfgs", "bfgs", "gradient-sampling", "laplacian"])
@pytest.mark.parametrize("seed", range(3))
def test_noise_beside_an_edge_does_not_hide_the_way(method, seed):
    def quadratic(x):  # no values a thousandth beyond the start, nearer than noise's steps
        return np.nan if x[0] > 2.001 else float((x - 1) @ (x - 1))

    rough = noisy(1e-4, seed, quadratic)
    res = minimize(rough, [2.0, 2.0, 2.0], method=method, rng=seed, options={"maxfev": 2000})
    assert quadratic(res.x) < 0.02


@pytest.mark.parametrize("method", ["lbfgs", "bfgs", "gradient-sampling", "laplacian"])
@pytest.mark.parametrize("level", [1e-8, 1e-4])
def test_methods_reach_the_noise(method, level):
    def quadratic(x):
        return 0.5 * float(np.array([1.0, 10.0, 100.0, 1000.0]) @ (x - 1) ** 2)

    gaps = []
    for seed in range(3):
        res = minimize(
            noisy(level, seed, quadratic),
            np.zeros(4),
            method=method,
            rng=seed,
            options={"maxfev": 3000},
        )
        gaps.append(quadratic(res.x))
        assert level / 4 < res.noise < 4 * level
    assert np.median(gaps) < 50 * level


@pytest.mark.parametrize("method", ["lbfgs", "bfgs", "gradient-sampling"])
@pytest.mark.parametrize("seed", range(3))
def test_the_start_is_not_called_a_success_in_single_precision(method, seed):
    def fun(x):
        return float(np.float32(np.max(np.abs(x - 1) * np.arange(1, 5)) + 1))

    res = minimize(fun, np.full(4, -0.5), method=method, rng=seed, options={"maxfev": 4000})
    assert res.fun < 3
    assert not res.success or res.fun < 1.01


def test_the_gradient_at_the_best_point_is_of_that_point_or_unknown():
    def fun(x):
        # lowest where only the search for noise's scale looks
        return float(np.abs(x).max()) + 1e-4 * np.sin(1e7 * x[0])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        res = minimize(fun, [1.0, 0.5], method="bfgs", rng=0, options={"maxfev": 13})
    assert np.isnan(res.jac).any() or np.abs(res.jac[0] - np.sign(res.x[0])) < 0.5


def stairs(x):
    return float(np.sum(np.floor(4 * np.abs(x - 0.3))))


@pytest.mark.parametrize("method", ["gradient-sampling", "bfgs", "lbfgs", "gradient-descent"])
def test_a_plateau_is_no_minimum(method):
    res = minimize(stairs, [2.0, -1.7, 3.1], method=method, rng=0)
    assert not res.success
    assert res.status == 4
    assert "plateau" in res.message
    assert res.fun < stairs(np.array([2.0, -1.7, 3.1]))


def test_a_constant_is_a_plateau_to_differences_and_not_to_a_gradient():
    def flat(x):
        return 7.0

    assert not minimize(flat, np.ones(3), method="bfgs", rng=0).success
    assert minimize(flat, np.ones(3), method="bfgs", jac=np.zeros_like, rng=0).success


def test_an_exact_minimum_is_no_plateau():
    # one-sided differences are exactly zero here, where longer steps are not
    res = minimize(lambda x: 1 + np.sum(x**2), np.zeros(3), method="bfgs", rng=0)
    assert res.success
    assert res.nfev < 40


@pytest.mark.parametrize("scale", [1e-9, 1e-6, 1e-3])
@pytest.mark.parametrize("zero", [False, True])
def test_small_variables_take_small_steps(scale, zero):
    x = scale * (START if not zero else START * [1, 1, 0])
    stencil = NoiseAwareStencil(None, np.random.default_rng(0))
    found = gradient(stencil, x, lambda x: rosen(x / scale))[1]
    np.testing.assert_allclose(found, rosen_der(x / scale) / scale, rtol=1e-5, atol=1e-4 / scale)
    assert stencil.resolution == pytest.approx(1.2 * scale * USUAL)


def test_a_small_start_of_usual_variables_takes_the_usual_steps():
    x = np.array([1e-3, -1e-5, 0.0])
    stencil = NoiseAwareStencil(None, np.random.default_rng(0))
    steps = gradient(stencil, x, lambda x: float(np.sum((x - 1) ** 2)))[2][-1]
    np.testing.assert_allclose(np.abs(np.diff(steps, axis=0)).max(axis=1), USUAL, rtol=1e-6)


def test_variables_of_micrometres():
    res = minimize(lambda x: rosen(x / 1e-6), 1e-6 * START, method="bfgs", rng=0)
    assert res.fun < 1e-9


@pytest.mark.parametrize("method", ["bfgs", "lbfgs"])
def test_a_likelihood_ends_where_rounding_is_all_that_differences_show(method):
    import scipy.optimize

    rng = np.random.default_rng(5)
    data = rng.standard_normal((200, 4))
    labels = (rng.random(200) < 1 / (1 + np.exp(-data @ [1.0, -0.5, 0.2, 0.7]))) * 1.0

    def fun(b):
        return float(np.logaddexp(0, data @ b).sum() - labels @ (data @ b))

    def der(b):
        return data.T @ (1 / (1 + np.exp(-data @ b)) - labels)

    res = minimize(fun, np.zeros(4), method=method, rng=0)
    exact = scipy.optimize.minimize(fun, np.zeros(4), jac=der, options={"gtol": 1e-9})
    theirs = scipy.optimize.minimize(fun, np.zeros(4), method="L-BFGS-B")
    assert res.success
    assert res.fun - exact.fun < 1e-10 * exact.fun
    assert res.nfev <= 2 * theirs.nfev


@pytest.mark.parametrize("method", ["bfgs", "lbfgs"])
def test_a_long_flat_way_is_gone_though_differences_are_as_small_as_rounding(method):
    # a gradient of 1e-6, less than rounding of the value makes of it, over a way of 1e8
    def fun(x):
        return 100 + 1e-14 * float((x[0] - 1e8) ** 2)

    res = minimize(fun, [0.0], method=method, rng=0, options={"maxfev": 400})
    assert not res.success or res.fun < 100.001


@pytest.mark.parametrize("method", ["gradient-sampling", "lbfgs"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_trial_of_huge_values_tells_nothing_of_the_noise_elsewhere(method, seed):
    # beside 1e130 no difference is seen, far from where the descent is
    rng = np.random.default_rng(seed)
    rows = 0.3 * rng.standard_normal((10, 6))

    def fun(x):
        z = x / 1e-4
        return float(np.exp(np.clip(rows @ z, -300, 300)).sum() + 0.5 * z @ z)

    res = minimize(fun, 1e-4 * rng.standard_normal(6), method=method, rng=0)
    assert res.success, res.message
    assert res.nfev < 500
