"""Descents by differences of noisy values end in success only where noise hides what is left."""

import numpy as np
import pytest
from scipy.optimize import rosen

from smoothmin import minimize

METHODS = ["bfgs", "lbfgs", "laplacian"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("noise", [1e-1, 1e-3, 1e-6])
def test_a_curved_valley_that_noise_hides_is_no_success(method, noise):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        start = [-1.2, 1.0, 1.0]
        res = minimize(
            lambda x, rng=rng: rosen(x) + noise * rng.standard_normal(),
            start,
            method=method,
            rng=seed,
        )
        assert not res.success or rosen(res.x) < 30 * noise, res.message


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_what_steps_have_shown_in_spite_of_noise_is_a_success(unit):
    solved = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        res = minimize(
            lambda x, rng=rng: unit * (x @ x + 1e-6 * rng.standard_normal()),
            [3.0, 2.0],
            method="bfgs",
            rng=seed,
        )
        assert unit * (res.x @ res.x) < 1e-4 * unit
        solved += res.success
    assert solved >= 2


@pytest.mark.parametrize("method", ["bfgs", "lbfgs"])
@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e4])
def test_an_oblique_valley_that_values_show_is_a_success(method, unit):
    turn = np.linalg.qr(np.random.default_rng(7).standard_normal((3, 3)))[0]
    bends = np.array([1.0, 10.0, 300.0])
    solved = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)

        def fun(x, rng=rng):
            return unit * (bends @ (turn @ (x - 1)) ** 2 + 1e-5 * rng.standard_normal())

        res = minimize(fun, np.zeros(3), method=method, rng=seed)
        left = bends @ (turn @ (res.x - 1)) ** 2
        solved += res.success
        assert left < 3e-4
    assert solved >= 2


@pytest.mark.parametrize("method", ["bfgs", "lbfgs"])
def test_minima_in_single_precision_are_successes(method):
    inputs = np.random.default_rng(3).standard_normal((100, 4))
    signs = np.sign(inputs @ [1.0, -2.0, 0.5, 0.3] + 0.5)

    def loss(w):
        return np.logaddexp(0, -signs * (inputs @ w)).mean() + 0.01 * (w @ w)

    lowest = minimize(loss, np.zeros(4), method="bfgs").fun
    for seed in range(3):
        res = minimize(lambda w: float(np.float32(loss(w))), np.zeros(4), method=method, rng=seed)
        assert res.success, res.message
        assert loss(res.x) - lowest < 1e-6


@pytest.mark.parametrize("bounds", [None, [(-1, 0.2), (-1, 2)], [(-1, 0.999), (-1, 2)]])
def test_models_by_values_stay_within_bounds(bounds):
    rng, seen = np.random.default_rng(0), []

    def fun(x):
        seen.append(x.copy())
        return 3 * (x[0] - 1) ** 2 + (x[0] - x[1]) ** 2 + 1e-6 * rng.standard_normal()

    res = minimize(fun, [0.0, 0.0], method="lbfgs", bounds=bounds, rng=0)
    if bounds is not None:
        low, high = np.transpose(bounds)
        assert (np.array(seen) >= low).all()
        assert (np.array(seen) <= high).all()
    first = 1.0 if bounds is None else min(1.0, bounds[0][1])
    np.testing.assert_allclose(res.x, [first, first], atol=1e-2)
