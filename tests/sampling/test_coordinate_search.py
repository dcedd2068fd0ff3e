import numpy as np
import pytest

from smoothmin import minimize
from smoothmin.sampling.coordinate_search import CoordinateSearch, _vertex

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
        lambda x: float(x @ x), np.zeros(3), method=CoordinateSearch(10, 0), bounds=BOX[:3], rng=0
    )
    assert res.success
    assert res.nfev == 1 + 3 * 10


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


def test_vertex():
    parabola = [(t, 3 * (t - 0.4) ** 2 + 1) for t in (-1.0, 0.0, 2.0)]
    assert _vertex(*parabola) == pytest.approx(0.4)
    assert np.isnan(_vertex((0, 0.0), (1, 1.0), (2, 2.0)))
    assert np.isnan(_vertex((0, 0.0), (1, 1.0), (2, 0.0)))


def test_start_that_is_not_finite_is_no_success():
    res = minimize(lambda x: np.nan, [1.0], method=CoordinateSearch())
    assert (res.success, res.status) == (False, 3)
