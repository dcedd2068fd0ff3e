import numpy as np
import pytest

from smoothmin import minimize
from smoothmin._protocol import Answers, Ask, Finish, Problem, resume
from smoothmin._status import Status
from smoothmin.derivative_free.coordinate_search import NO_SUM, CoordinateSearch

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
    sweeps = []
    res = minimize(
        lambda x: float(x @ x), np.zeros(3), method=CoordinateSearch(), bounds=BOX[:3], rng=0,
        callback=lambda intermediate_result: sweeps.append(intermediate_result.nfev),
    )  # fmt: skip
    assert res.success
    assert len(sweeps) == 3
    assert res.nfev < 1 + 3 * 20  # a parabola needs no close look


def test_points_are_within_the_bounds_and_no_more_than_wanted():
    count = 0

    def fun(x):
        nonlocal count
        count += x.shape[1]
        assert np.all((x >= -1) & (x <= 3))
        return np.cos(40 * x).sum(axis=0) + (x**4).sum(axis=0)

    method = CoordinateSearch(20)
    minimize(
        fun, [2.0, 1.0], method=method, bounds=[(-1, 3)] * 2, vectorized=True, rng=1,
        callback=lambda intermediate_result: True if count > 40 else None,
    )  # fmt: skip
    assert count <= 2 * (20 + 40)


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


def test_what_is_known_along_the_variables_is_not_asked_again():
    def fun(x):
        seen.append(x.copy())
        return float(((x - 0.25) ** 2 * np.arange(1, 5)).sum())

    seen = []
    star = np.concatenate([np.ones((1, 4)), 1 + np.eye(4), 1 - np.eye(4)])
    values = np.array([fun(x) for x in star])
    seen.clear()
    method = CoordinateSearch(separable=True)
    problem = Problem(np.ones(4), (np.full(4, -5.0), np.full(4, 5.0)), False, (4,))
    steps, reply, lowest = method.run_from(problem, np.random.default_rng(0), star, values), None, 1
    while not isinstance(message := resume(steps, reply), Finish):
        reply = None
        if isinstance(message, Ask):
            reply = Answers(np.array([fun(x) for x in message.points]))
        else:
            lowest = message.fun
    assert lowest < 1e-20
    assert len(seen) < 4 * 20
    assert not any((star == x).all(axis=1).any() for x in seen)


@pytest.mark.parametrize("known", [True, False])
def test_function_that_is_no_sum_is_noticed(known):
    """A sum near the start alone."""

    def fun(x):
        return float((x**2 + np.cos(3 * x)).sum() + max(0.0, 4 - x.sum()) ** 2)

    x0 = np.full(4, 3.0)
    method = CoordinateSearch(separable=True) if known else "homotopy"
    res = minimize(fun, x0, method=method, bounds=BOX[:4], rng=0)
    if known:
        assert (res.success, res.message) == (False, NO_SUM)
        assert res.nfev < 4 * 40
    else:
        assert res.phase_nfev["coordinates"] < 4 * 40
        assert list(res.phase_nfev)[:4] == ["model", "separability", "coordinates", "descent"]


def test_start_that_is_not_finite_is_no_success():
    res = minimize(lambda x: np.nan, [1.0], method=CoordinateSearch())
    assert (res.success, res.status) == (False, 3)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("n", [2, 5])
def test_a_kink_where_variables_interact_is_no_minimum(sign, n):
    def fun(x):  # to both sides of x[1] = sign x[0] it is higher, but lower along it
        return float(abs(x[0]) + 10 * abs(x[1] - sign * x[0]) + np.sum(x[2:] ** 2))

    x0 = np.array([1.0, -sign, 0.5, 0.3, -0.2][:n])
    res = minimize(fun, x0, method="coordinate-search", rng=0)
    assert res.fun > 0.1
    assert res.status == Status.PRECISION
