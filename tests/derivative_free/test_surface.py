"""The decrease that a fitted quadratic promises, and ends that depend on it."""

import numpy as np
import pytest

from smoothmin import minimize
from smoothmin.derivative_free.surface import decrease_left, points_needed


def fitted(fun, noise, n=2, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((4 * points_needed(n), n))
    values = np.array([fun(x) for x in z]) + noise * rng.standard_normal(len(z))
    return decrease_left(z, values, 1.5, noise)


def test_an_exact_quadratic_is_found():
    found = fitted(lambda x: 3 * (x[0] - 0.5) ** 2 + (x[1] + 0.2) ** 2 + x[0] * x[1], 0.0)
    slope, hessian = np.array([-3.0, 0.4]), np.array([[6.0, 1.0], [1.0, 2.0]])
    np.testing.assert_allclose(found.minimizer, np.linalg.solve(hessian, -slope), atol=1e-8)
    np.testing.assert_allclose(found.size, 0.5 * slope @ np.linalg.solve(hessian, slope))
    assert not found.at_edge


@pytest.mark.parametrize("seed", range(5))
def test_a_slope_leads_outward_and_a_minimum_does_not(seed):
    assert fitted(lambda x: x[0], 0.1, seed=seed).goes_on(0.1)
    assert not fitted(lambda x: x @ x, 0.1, seed=seed).goes_on(0.1)


def test_too_few_values_tell_nothing():
    assert decrease_left(np.eye(2), np.ones(2), 1.0, 0.0) is None


def test_noise_in_a_curved_valley_is_rarely_taken_for_its_end():
    def true(x):
        return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2

    false = 0
    for seed in range(12):
        rng = np.random.default_rng(100 + seed)

        def noisy(x, rng=rng):
            return true(x) + 0.1 * rng.standard_normal()

        res = minimize(noisy, [-1.5, -1.5], rng=seed)
        false += res.success and true(res.x) > 0.25
    assert false <= 2


def test_a_decrease_that_few_values_hide_is_not_excluded():
    """The fitted minimizer may be one of noise alone; farther out less is known."""
    hidden = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        z = rng.standard_normal((points_needed(2), 2))
        values = z @ [-0.5, 0.0] + 0.5 * (z**2).sum(axis=1) + 0.5 * rng.standard_normal(len(z))
        hidden += decrease_left(z, values, 1.5, 0.5).most < 0.125
    assert hidden <= 1


def test_a_search_that_has_narrowed_is_widened_until_a_slope_rises_above_the_noise():
    def true(x):
        return 0.1 * (x[0] - 3) ** 2 + 50 * (x[1] - np.sin(x[0])) ** 2

    false = 0
    for seed in range(4):
        rng = np.random.default_rng(1000 + seed)

        def noisy(x, rng=rng):
            return true(x) + 0.1 * rng.standard_normal()

        res = minimize(noisy, [-3, 5], rng=seed, method="gaussian-search")
        false += res.success and true(res.x) > 0.5
    assert false == 0


def test_a_noisy_parabola_is_a_success():
    rng = np.random.default_rng(0)
    res = minimize(lambda x: float((x - 1) @ (x - 1)) + 0.1 * rng.standard_normal(), [0, 0], rng=0)
    assert res.success
    assert np.abs(res.x - 1).max() < 0.5


@pytest.mark.parametrize(("seed", "n"), [(0, 4), (2, 5), (3, 6), (7, 6)])
def test_a_start_on_the_kink_of_a_penalty_is_left_along_it(seed, n):
    """Also where a search has stopped with some of the variables at bounds."""
    target = np.random.default_rng(seed).dirichlet(np.ones(n))

    def fun(w):
        return 0.01 * float(((w - target) ** 2).sum()) + 10 * abs(float(w.sum()) - 1)

    res = minimize(fun, np.full(n, 1 / n), bounds=[(0, 1)] * n, rng=0)
    assert res.success
    np.testing.assert_allclose(res.x, target, atol=1e-3)
