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
