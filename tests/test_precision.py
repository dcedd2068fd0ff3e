"""Single precision shows in the mantissas."""

import math

import numpy as np
import pytest

from smoothmin import minimize
from smoothmin._precision import Precision
from smoothmin._status import Status


@pytest.mark.parametrize(
    ("values", "single"),
    [
        (np.float32([0.1, 0.2, 0.3, 0.7]), True),
        ([0.1, 0.2, 0.3, 0.7], False),
        ([13, 8, 5, 2, 1, 0.5, 0.25], False),  # round numbers are no evidence
        ([*np.float32([0.1, 0.2, 0.3, 0.7]), 0.1], False),
        ([math.nan, *np.float32([0.1, 0.2, 0.3, 0.7])], True),
    ],
)
def test_single_precision_is_found_in_doubles(values, single):
    precision = Precision()
    for value in values:
        precision.add(float(value))
    assert precision.unit == (2.0**-23 if single else 2.0**-52)


def corners(x):
    """Kinks that cross at 0.3, and a bowl: all of it in single precision."""
    x = x.astype(np.float32)
    away = x - np.float32(0.3)
    value = np.abs(away).sum() + np.float32(0.1) * (x * x).sum()
    return float(value), np.sign(away) + np.float32(0.2) * x


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("method", ["gradient-sampling", "homotopy"])
def test_kinks_in_single_precision_are_certified(method, seed):
    x0 = np.random.default_rng(seed).standard_normal(5)
    res = minimize(corners, x0, jac=True, method=method, rng=0)
    assert res.success, res.message
    best, first = (corners(x)[0] for x in (np.full(5, 0.3), x0))
    assert res.fun <= best + 1e-6 * (first - best)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("method", ["sqp", "bfgs", "lbfgs", "gradient-sampling", "laplacian"])
def test_rounding_to_single_precision_is_no_contradiction(method, seed):
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((20, 3)).astype(np.float32)
    aims = rng.standard_normal(20).astype(np.float32)

    def fun(w):
        """A small network's error; its parameters run away to where it hardly changes."""
        w = w.astype(np.float32)
        hidden = np.tanh(inputs @ w[:9].reshape(3, 3))
        off = hidden @ w[9:] - aims
        back = np.outer(off, w[9:]) * (1 - hidden**2)
        slope = np.concatenate([(inputs.T @ back).ravel(), hidden.T @ off])
        return float((off**2).mean()), slope * np.float32(0.1)

    res = minimize(fun, rng.standard_normal(12), jac=True, method=method, options={"maxfev": 1000})
    assert res.status != Status.GRADIENT, res.message
