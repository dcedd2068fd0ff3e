"""Scales of variables read off the start and changes of the gradient."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import polygamma

import smoothmin
from smoothmin import _machine
from smoothmin.metrics import diagonal_scaling
from smoothmin.metrics.dense_bfgs import InverseHessian
from smoothmin.metrics.diagonal_scaling import (
    coordinate_scales,
    secant_scales,
    starting_scales,
)
from smoothmin.metrics.lbfgs import LimitedMemory

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from bench_nonsmooth import rescaled
from nonsmooth_problems import scalable


def test_chance_is_not_taken_for_scale():
    rng = np.random.default_rng(0)
    spreads = [np.ptp(np.log(coordinate_scales(rng.standard_normal((2, 30))))) for _ in range(50)]
    assert np.median(spreads) == 0


def test_scales_are_found():
    rng = np.random.default_rng(1)
    steep = 10.0 ** rng.uniform(-0.8, 0.8, 40)
    scales = coordinate_scales(rng.standard_normal((10, 40)) * steep)
    assert np.std(np.log(scales * steep)) < 0.4 * np.std(np.log(steep))


def test_covariant_with_the_order_and_the_unit():
    rng = np.random.default_rng(2)
    changes = rng.standard_normal((5, 20)) * 10.0 ** rng.uniform(-1, 1, 20)
    scales, order = coordinate_scales(changes), rng.permutation(20)
    np.testing.assert_allclose(coordinate_scales(changes[:, order]), scales[order])
    np.testing.assert_allclose(coordinate_scales(changes * 1e100), scales)
    assert 0.1 <= scales.min() < scales.max() <= 10


@pytest.mark.parametrize("changes", [np.zeros((3, 4)), np.eye(4)[:1], np.full((2, 4), np.inf)])
def test_nothing_to_learn(changes):
    np.testing.assert_array_equal(coordinate_scales(changes), np.ones(4))


def test_a_start_of_unrelated_sizes_tells_nothing():
    rng = np.random.default_rng(4)
    starts = [starting_scales(*rng.standard_normal((2, 30))) for _ in range(100)]
    assert np.mean([np.ptp(scales) > 0 for scales in starts]) < 0.1


def test_what_a_start_and_its_gradient_share_is_found():
    rng = np.random.default_rng(5)
    scale = 10.0 ** rng.uniform(-3, 3, 200)
    x, gradient = rng.uniform(1, 4, (2, 200)) * [scale, 1 / scale] * rng.choice([-1, 1], (2, 200))
    left = starting_scales(x, gradient) / scale
    assert np.std(np.log(left)) < 0.1 * np.std(np.log(scale))


def test_what_only_the_start_knows_exactly_is_taken_from_there():
    rng = np.random.default_rng(6)
    scale = 10.0 ** rng.uniform(-1, 1, 400)
    scales = starting_scales(2 * scale, rng.standard_normal(400) / scale)
    assert np.corrcoef(np.log(scales), np.log(scale))[0, 1] > 0.95


@pytest.mark.parametrize(
    ("x", "gradient"),
    [
        (np.arange(1.0, 41), np.arange(40.0, 0, -1)),  # neighbours are alike
        ([1.0, 1e-8] + [1.0] * 30, [1.0, 1e8] + [1.0] * 30),  # one variable alone
        ([1.0, 10.0, 0.1, 2.0], [1.0, 0.1, 10.0, 0.5]),  # too few
        (np.zeros(20), np.arange(20.0)),
        (np.ones(20), np.zeros(20)),
    ],
)
def test_what_may_be_chance_in_a_start(x, gradient):
    scales = starting_scales(np.array(x), np.array(gradient))
    np.testing.assert_array_equal(scales, np.ones(len(scales)))


def test_starting_scales_know_no_units():
    rng = np.random.default_rng(7)
    scale = 10.0 ** rng.uniform(-1, 1, 50)
    scales = starting_scales(scale, 1 / scale)
    assert np.ptp(scales) > 5
    np.testing.assert_allclose(starting_scales(1e100 * scale, -1e-100 / scale), scales)
    zeros = np.arange(50) % 5 == 0
    kept = starting_scales(np.where(zeros, 0.0, scale), 1 / scale)
    np.testing.assert_array_equal(kept[zeros], 1.0)
    np.testing.assert_allclose(kept[~zeros], starting_scales(scale[~zeros], 1 / scale[~zeros]))


@pytest.mark.parametrize(
    "metrics",
    [
        (InverseHessian(12), InverseHessian(12)),
        (LimitedMemory(12, 3), LimitedMemory(12, 3)),
    ],
)
def test_a_metric_with_scales_is_one_of_scaled_variables(metrics):
    scaled, plain = metrics
    rng = np.random.default_rng(9)
    scales = 10.0 ** rng.uniform(-1, 1, 12)
    scaled.start(scales)
    for _ in range(5):
        s, y, g = rng.standard_normal((3, 12))
        y *= np.sign(s @ y)
        scaled.update(s * scales, y / scales)
        plain.update(s, y)
        np.testing.assert_allclose(scaled.apply(g / scales), scales * plain.apply(g), rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "budget", "dense_up_to"),
    [
        ("chained-cb3-ii-100", 120, 2000),
        ("chained-crescent-i-100", 200, 2000),
        ("chained-crescent-i-100", 250, 0),
    ],
)
def test_units_cost_little(name, budget, dense_up_to):
    (problem,) = (each for each in scalable(100) if each.name == name)
    problem = rescaled(problem, np.random.default_rng(8))
    options = {
        "maxfev": budget,
        "f_target": problem.minimum + 1e-6 * max(1, abs(problem.minimum)),
        "dense_up_to": dense_up_to,
    }
    result = smoothmin.minimize(
        problem.fun, problem.x0, jac=True, method="gradient-sampling", options=options, rng=0
    )
    assert result.status == 6


def test_rescaled_variables_cost_little_more():
    rng = np.random.default_rng(3)
    n = 30
    weights, stretch = rng.uniform(1, 2, n), 10.0 ** rng.uniform(-1, 1, n)
    start = rng.standard_normal(n)

    def fun(x):
        return float(weights @ np.abs(x) + 0.5 * x @ x), weights * np.sign(x) + x

    def stretched(z):
        f, g = fun(z * stretch)
        return f, g * stretch

    def evaluations(fun, x0):
        options = {"maxfev": 3000, "f_target": 1e-6}
        result = smoothmin.minimize(
            fun, x0, jac=True, method="gradient-sampling", options=options, rng=0
        )
        assert result.status == 6
        return result.nfev

    assert evaluations(stretched, start / stretch) <= 2 * evaluations(fun, start)


def test_pairs_that_disagree_suggest_no_scales():
    rng = np.random.default_rng(4)
    steps = rng.standard_normal((8, 50))
    changes = np.zeros((8, 50))
    for k, row in enumerate(changes):  # a few coordinates jump, each time others
        row[5 * k : 5 * k + 5] = 100 * steps[k, 5 * k : 5 * k + 5]
        row += 1e-3 * steps[k]
    assert secant_scales(steps, changes, np.vecdot(steps, changes)) is None


def test_a_diagonal_of_curvatures_is_found_from_few_pairs():
    rng = np.random.default_rng(5)
    curvature = 10.0 ** rng.uniform(-3, 3, 50)
    steps = rng.standard_normal((8, 50)) / np.sqrt(curvature)
    products = np.vecdot(steps, curvature * steps)
    scales = secant_scales(steps, curvature * steps, products)
    assert np.log(scales**2 * curvature).std() < 0.2 * np.log(curvature).std()
    again = secant_scales(steps, curvature * steps * 7.0, products, 7.0)
    np.testing.assert_allclose(again, scales)


@pytest.mark.parametrize("x", [0.01, 0.3, 0.5, 1.0, 2.5, 9.99, 10.0, 50.0, 1e3])
def test_trigamma_is_scipys(x):
    assert diagonal_scaling._trigamma(x) == pytest.approx(float(polygamma(1, x)), rel=1e-10)


@pytest.mark.parametrize("divisor", [3.0, np.linspace(1, 2, 40)])
def test_scales_by_parts_are_scales(monkeypatch, divisor):
    rng = np.random.default_rng(12)
    steps = rng.standard_normal((7, 40))
    changes = steps * 10.0 ** rng.uniform(-2, 2, 40)
    given = steps, changes * divisor, np.vecdot(steps, changes), divisor
    whole = secant_scales(*given)
    monkeypatch.setattr(_machine, "CACHED", 100)
    np.testing.assert_allclose(secant_scales(*given), whole)
    assert np.ptp(np.log(whole)) > 1
