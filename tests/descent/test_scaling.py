"""Scales of variables read off changes of the gradient."""

import numpy as np
import pytest

import smoothmin
from smoothmin.descent.scaling import LARGEST, coordinate_scales


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
    assert 1 / LARGEST <= scales.min() < scales.max() <= LARGEST


@pytest.mark.parametrize("changes", [np.zeros((3, 4)), np.eye(4)[:1], np.full((2, 4), np.inf)])
def test_nothing_to_learn(changes):
    np.testing.assert_array_equal(coordinate_scales(changes), np.ones(4))


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
