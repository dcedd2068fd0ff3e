import numpy as np
import pytest

from smoothmin import minimize
from smoothmin.sampling.coordinate_search import CoordinateSearch

BOX = [(-5.0, 5.0)] * 5


def skew_rastrigin(x):
    z = x - np.array([0.7, -1.3, 2.9, 0.1, -3.3])
    return float((z**2 + 10 - 10 * np.cos(2 * np.pi * z) + 0.05 * z**3).sum())


@pytest.mark.parametrize("seed", range(3))
def test_finds_the_right_valley_of_every_variable(seed):
    x0 = np.random.default_rng(seed).uniform(-4, 4, 5)
    res = minimize(skew_rastrigin, x0, method=CoordinateSearch(), bounds=BOX, rng=seed)
    assert res.success
    assert res.nfev < 1500
    assert np.abs(res.x - [0.7, -1.3, 2.9, 0.1, -3.3]).max() < 0.1


def test_ends_after_an_idle_sweep():
    res = minimize(
        lambda x: float(x @ x), np.zeros(3), method=CoordinateSearch(10, 5, 0), bounds=BOX[:3],
        rng=0,
    )  # fmt: skip
    assert res.success
    assert res.nfev == 1 + 3 * (10 + 2 * 5)


def test_line_is_asked_as_one_batch_within_the_bounds():
    sizes = []

    def fun(x):
        sizes.append(x.shape[1])
        assert np.all((x >= -1) & (x <= 3))
        return (x**4).sum(axis=0)

    minimize(
        fun, [2.0, 1.0], method=CoordinateSearch(20), bounds=[(-1, 3)] * 2, vectorized=True, rng=1
    )
    assert sizes.count(20) >= 2


@pytest.mark.parametrize("seed", range(3))
def test_sum_over_the_variables_is_minimized_to_the_end(seed):
    """Valleys of different width, one curvature that jumps at the minimum, one bound."""
    width = np.array([0.3, 1.0, 0.5, 2.0, 1.0])

    def fun(x):
        z = (x - np.array([0.7, -1.3, 2.9, 0.1, -6.0])) / width
        z = np.where(z > 0, z, 3 * z)
        return float((z**2 + 5 - 5 * np.cos(2 * np.pi * z)).sum())

    x0 = np.random.default_rng(seed).uniform(-4, 4, 5)
    method = CoordinateSearch(separable=True)
    res = minimize(fun, x0, method=method, bounds=BOX, rng=seed)
    assert res.success
    assert res.nfev < 1500
    assert np.abs(res.x - [0.7, -1.3, 2.9, 0.1, -5.0]).max() < 1e-6


def test_minima_next_to_the_start_come_first():
    res = minimize(
        lambda x: float(np.cosh(10.0 ** np.arange(4) * (x - 1) / 100).sum()), np.zeros(4),
        method=CoordinateSearch(separable=True), bounds=BOX[:4], options={"maxfev": 80},
    )  # fmt: skip
    assert np.abs(res.x - 1).max() < 1e-4


def test_start_that_is_not_finite_is_no_success():
    res = minimize(lambda x: np.nan, [1.0], method=CoordinateSearch())
    assert (res.success, res.status) == (False, 3)
