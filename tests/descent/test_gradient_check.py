"""A gradient that is not that of the values is found out, and no other."""

import numpy as np
import pytest
from drive import problem
from scipy.optimize import rosen, rosen_der

from smoothmin import minimize
from smoothmin.descent.gradient_check import Doubt
from smoothmin.linesearch.line_result import LinePoint, LineResult

METHODS = ["gradient-sampling", "bfgs", "lbfgs", "gradient-descent", "laplacian"]


def chained_rosenbrock(x):
    return rosen(x), rosen_der(x)


def bowl(x):
    weights = np.arange(1.0, x.size + 1)
    return float(0.5 * weights @ x**2 + x[0] * x[1]), weights * x + np.eye(x.size)[:2].T @ x[1::-1]


def kinks(x):
    weights = np.arange(1.0, x.size + 1)
    return float(weights @ np.abs(x) + 0.5 * x @ x), weights * np.sign(x) + x


def turned_round(fun):
    return lambda x: (fun(x)[0], -fun(x)[1])


def one_sign_wrong(fun):
    return lambda x: (fun(x)[0], fun(x)[1] * np.where(np.arange(x.size) == 0, -1, 1))


def shifted(fun):
    return lambda x: (fun(x)[0], fun(x)[1] + 3 * np.cos(np.arange(x.size)))


@pytest.mark.parametrize("fun", [chained_rosenbrock, bowl, kinks])
@pytest.mark.parametrize("error", [turned_round, one_sign_wrong, shifted])
def test_gradient_sampling_ends_soon_and_says_why(fun, error):
    x0 = np.array([-1.2, 1.0, 0.5])
    res = minimize(
        error(fun), x0, jac=True, method="gradient-sampling", rng=0, options={"maxfev": 2000}
    )
    assert (res.success, res.status) == (False, 8)
    assert "The gradient contradicts the values" in res.message
    assert res.nfev < 300


def test_gradient_sampling_sees_it_from_a_start_where_no_kink_is_near():
    res = minimize(lambda x: ((x - 1) @ (x - 1), -2 * (x - 1)), np.zeros(4), jac=True, rng=0)
    assert (res.method, res.status) == ("gradient-sampling", 8)
    assert res.nfev < 300


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fun", [chained_rosenbrock, bowl, kinks])
def test_every_descent_sees_a_sign(method, fun):
    x0 = np.array([-1.2, 1.0, 0.5])
    res = minimize(turned_round(fun), x0, jac=True, method=method, rng=0)
    assert res.status == 8
    assert res.fun <= fun(x0)[0]


@pytest.mark.parametrize("method", METHODS)
def test_finite_differences_are_not_doubted(method):
    def steps(x):  # rough below what differences see
        return float(np.round(kinks(x)[0], 5))

    res = minimize(steps, [1.0, 0.5], method=method, rng=0, options={"maxfev": 3000})
    assert res.status != 8


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(5))
def test_neither_noise_nor_kinks_are_taken_for_an_error(method, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((12, 4)), rng.standard_normal(12)

    def noisy(x):
        value = np.abs(a @ x - b).sum() + 1e-4 * rng.standard_normal()
        return float(value), a.T @ np.sign(a @ x - b)

    res = minimize(noisy, np.ones(4), jac=True, method=method, rng=0, options={"maxfev": 1500})
    assert res.status != 8


def result(rates, slopes, steps=(1e-3, 1e-4, 1e-5), fun=5.0):
    x = np.zeros(1)
    trials = [
        LinePoint(t, x, fun + rate * t, x, slope)
        for t, rate, slope in zip(steps, rates, slopes, strict=True)
    ]
    return LineResult(trials[0], False, False, trials, -1.0)


@pytest.mark.parametrize(
    ("rates", "slopes", "doubted"),
    [
        ((2.0, 2.0, 2.0), (-1.0, -1.0, -1.0), True),
        ((2.0, 2.0, 2.0), (-1.0, -1.0, 1.0), False),  # a kink between
        ((2.0, 9.0, -5.0), (-1.0, -1.0, -1.0), False),  # noise
        ((-1.0, -1.0, -1.0), (-1.0, -1.0, -1.0), False),  # as predicted
        ((np.inf, np.inf, 2.0), (-1.0, -1.0, -1.0), False),
    ],
)
def test_values_on_another_line_raise_doubt(rates, slopes, doubted):
    doubt = Doubt(problem([0.0]), enough=2)
    for _ in range(2):
        assert doubt.finish is None
        doubt.hear(result(rates, slopes), np.ones(1), 5.0, -1.0, 1e-15)
    assert (doubt.finish is not None) == doubted


def test_searches_that_show_nothing_neither_raise_doubt_nor_end_it():
    doubt = Doubt(problem([0.0]), enough=2)
    told, short = ((2.0, 2.0, 2.0), (-1.0, -1.0, -1.0)), (1e-13, 1e-14, 1e-15)
    for steps in ((1e-3, 1e-4, 1e-5), short, (1e-3, 1e-4, 1e-5)):
        assert doubt.finish is None
        doubt.hear(result(*told, steps), np.ones(1), 5.0, -1.0, 1e-15)
    assert doubt.finish is not None


def test_what_is_lost_to_rounding_raises_no_doubt_and_a_lower_point_ends_it():
    doubt = Doubt(problem([0.0]), enough=1)
    doubt.hear(
        result((2.0, 2.0, 2.0), (-1.0, -1.0, -1.0), (1e-13, 1e-14, 1e-15)),
        np.ones(1),
        5.0,
        -1.0,
        1e-15,
    )
    assert doubt.finish is None
    found = result((2.0, 2.0, 2.0), (-1.0, -1.0, -1.0))
    doubt.hear(found, np.ones(1), 5.0, -1.0, 1e-15)
    assert doubt.finish is not None
    found.lower = True
    doubt.hear(found, np.ones(1), 5.0, -1.0, 1e-15)
    assert doubt.finish is None
