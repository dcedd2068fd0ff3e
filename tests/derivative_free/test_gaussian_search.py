import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import rosen

from smoothmin import minimize
from smoothmin.derivative_free.gaussian_search import GaussianSearch, default_population


def ellipsoid(x):
    n = len(x)
    turn = np.linalg.qr(np.random.default_rng(n).standard_normal((n, n)))[0]
    return float(10.0 ** (6 * np.arange(n) / (n - 1)) @ (turn @ x) ** 2)


def recorded(fun, points):
    def wrapped(x):
        points.append(x.copy())
        return fun(x)

    return wrapped


@pytest.mark.parametrize(
    ("fun", "n", "budget"),
    [
        (lambda x: float(x @ x) + 3, 5, 400),
        (lambda x: float(x @ x) + 3, 10, 600),
        (rosen, 2, 300),
        (rosen, 5, 800),
        (ellipsoid, 5, 500),
        (ellipsoid, 10, 1200),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_known_minima(fun, n, budget, seed):
    res = minimize(fun, np.full(n, 2.0), method=GaussianSearch(1.0), rng=seed)
    assert res.success
    minima = 0.0, 3.0, 3.930839434133  # the last is Rosenbrock's other one
    assert min(abs(res.fun - low) for low in minima) < 1e-9
    assert res.nfev < budget


def test_model_saves_most_evaluations():
    counts = [
        minimize(
            ellipsoid,
            np.full(5, 2.0),
            method=GaussianSearch(1.0, model=model),
            rng=0,
            options={"f_target": 1e-8, "maxfev": 20_000},
        ).nfev
        for model in (True, False)
    ]
    assert 4 * counts[0] < counts[1]


def test_corner_of_a_box_is_found_at_once():
    slope = np.array([1.0, -10.0, 3.0, -0.5, 2.0])
    res = minimize(
        lambda x: float(slope @ x),
        np.zeros(5),
        method=GaussianSearch(),
        bounds=[(-5, 5)] * 5,
        rng=0,
        options={"maxfev": 60},
    )
    assert_array_equal(res.x, -5 * np.sign(slope))


def test_bounds_are_never_left():
    points = []
    low, high = np.array([-1.0, 0.0, 2.0]), np.array([0.5, 1e-6, 1e3])
    fun = recorded(lambda x: float(((x - [3, 0, 5]) ** 2).sum()), points)
    bounds = list(zip(low, high, strict=True))
    minimize(
        fun, 0.5 * (low + high), method=GaussianSearch(), bounds=bounds, rng=0,
        options={"maxfev": 500},
    )  # fmt: skip
    assert np.all((np.array(points) >= low) & (np.array(points) <= high))


def test_without_a_model_only_the_order_of_values_counts():
    def monotone(x):
        return np.log1p(rosen(x)) ** 3

    runs = []
    for fun in (rosen, monotone):
        points = []
        minimize(
            recorded(fun, points),
            np.zeros(4),
            method=GaussianSearch(model=False, ftol=0),
            rng=3,
            options={"maxfev": 400},
        )
        runs.append(points)
    assert_array_equal(runs[0], runs[1])


def test_does_not_depend_on_where_the_origin_is():
    shift = np.array([1.0, -2.0, 0.5])
    runs = []
    for move in (0 * shift, shift):
        points = []

        def fun(x, move=move):
            return rosen(x - move)

        minimize(
            recorded(fun, points),
            np.zeros(3) + move,
            method=GaussianSearch(0.3),
            rng=3,
            options={"maxfev": 25},
        )
        runs.append(np.array(points) - move)
    assert_allclose(runs[0], runs[1], atol=1e-6)


def test_population_is_one_batch():
    sizes = []

    def fun(x):
        sizes.append(x.shape[1])
        return (x**2).sum(axis=0)

    minimize(
        fun, np.ones(3), method=GaussianSearch(population=12, model=False), vectorized=True, rng=0
    )
    assert sizes[0] == 1  # the start
    assert set(sizes[1:-1]) == {12}
    assert sizes[-1] == 3  # whether any variable is without effect


def test_noise_ends_the_search_and_is_reported():
    rng = np.random.default_rng(5)

    def fun(x):
        return float(((x - 1) ** 2).sum()) + 0.01 * rng.standard_normal()

    res = minimize(fun, np.full(4, 3.0), method=GaussianSearch(1.0), rng=0)
    assert res.success
    assert "noise" in res.message
    assert 0.002 < res.noise < 0.05
    assert np.abs(res.x - 1).max() < 0.5
    assert res.nfev < 4000


def test_values_that_are_not_finite_are_survived():
    def fun(x):
        return float(x @ x) if x[0] > -0.5 else np.nan

    res = minimize(fun, [2.0, 1.0], method=GaussianSearch(), rng=0, options={"maxfev": 600})
    assert res.fun < 1e-8


@pytest.mark.parametrize("seed", range(4))
def test_a_search_that_has_left_where_there_are_values_goes_back(seed):
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal(4)
    normal /= np.linalg.norm(normal)
    fun = lambda x: float(x @ x + 3 * normal @ x) if normal @ x >= 0 else np.inf  # noqa: E731
    res = minimize(fun, 0.1 * normal, method="gaussian-search", rng=seed, options={"sigma": 5.0})
    assert res.fun < 1e-3
    assert res.nfev < 4000


def test_nothing_finite_ends_with_a_word():
    calls = []

    def fun(x):
        calls.append(1)
        return 1.0 if len(calls) == 1 else np.inf

    res = minimize(fun, [2.0, 1.0], method=GaussianSearch(), rng=0, options={"maxfev": 100})
    assert res.fun == 1.0
    assert not res.success


def test_default_population():
    assert [default_population(n) for n in (0, 1, 2, 10, 100)] == [5, 5, 6, 10, 17]


@pytest.mark.parametrize(
    "options", [{"population": 3}, {"sigma": -1}, {"model": 2}, {"xtol": -1}, {"ftol": "tiny"}]
)
def test_options_are_checked(options):
    with pytest.raises((TypeError, ValueError), match=next(iter(options))):
        GaussianSearch(**options)


def test_many_variables_take_no_matrix():
    n = 400
    tracemalloc.start()
    res = minimize(
        lambda x: (x**2).sum(axis=0),
        np.full(n, 3.0),
        method=GaussianSearch(),
        vectorized=True,
        bounds=[(-5, 5)] * n,
        rng=0,
        options={"maxfev": 20 * n},
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert res.fun < 0.3 * 9 * n
    assert peak < 0.8 * 8 * n * n


@pytest.mark.parametrize("method", ["gaussian-search", "directional-smoothing"])
def test_sigma_is_in_the_variables_units(method):
    """A width that is as many times larger as the variables are."""

    def width(unit):
        options = {"sigma": 0.25 * unit, "maxfev": 100}
        fun = lambda x: float(np.sum((x / unit) ** 2))  # noqa: E731
        return minimize(fun, [unit, unit], method=method, options=options, rng=0).sigma

    assert 0 < width(1.0) < 1
    assert width(1024.0) == pytest.approx(1024 * width(1.0), rel=1e-3)
