import numpy as np
import pytest
from drive import drive, problem

from smoothmin import minimize
from smoothmin._beyond import falls_on, lower_beyond

METHODS = [None, "bfgs", "Nelder-Mead", "gaussian-search", "difference-descent"]


def told(fun, x, flat=None, box=None, fallen=1.0):
    x = np.asarray(x, dtype=float)
    return values_drive(lower_beyond(problem(x, box), x, fun(x), flat, fallen), fun)


def falls(fun, x, step, grad):
    steps = falls_on(problem(np.zeros(len(x))), np.array(x), fun(x), np.array(step), np.array(grad))
    return values_drive(steps, fun)


def values_drive(steps, fun):
    """What is returned where only values are asked for."""
    return drive(steps, lambda x: (fun(x), np.full_like(x, np.nan)))


def test_a_face_of_minima_is_no_infimum_far_away_but_a_slope_that_rounding_hides_is():
    assert not falls(lambda x: abs(float(x[0]) - 1), [1.0, 5.0], [0.0, 1.0], [1.0, 0.0])
    assert falls(lambda x: 5 + float(np.exp(-x[0])), [40.0], [1.0], [-np.exp(-40.0)])
    assert falls(lambda x: -float(x[0]), [40.0], [1.0], [-1.0])


@pytest.mark.parametrize("width", [0.01, 0.1, 1.0])
def test_lower_steps_are_found_and_the_lowest_believed(width):
    def fun(x):
        return float(np.sum((np.round(x / width) * width) ** 2))

    assert told(fun, [0.0, 1.2 * width])
    assert told(fun, [0.0, -1.2 * width])
    assert not told(fun, [0.2 * width, -0.3 * width])


def test_a_plateau_as_far_as_is_looked_may_be_anything():
    assert told(lambda x: float(np.sign(x[0] - 9) + np.sign(x[1] + 9)), [3.0, 3.0])
    assert not told(lambda x: float(np.abs(x).max() > 0.5), [0.0, 0.0])


def test_bounds_are_not_left_and_variables_without_effect_are_no_reason_for_doubt():
    seen = []

    def fun(x):
        seen.append(x)
        return float(x[0] ** 2)

    box = (np.array([-1.0, 2.0]), np.array([1.0, 2.5]))
    assert not told(fun, [0.0, 2.0], box=box)
    assert np.array(seen)[:, 1].min() >= 2.0
    assert np.array(seen)[:, 1].max() <= 2.5


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(3))
def test_no_success_on_a_step_beside_a_lower_one(method, seed):
    def fun(x):
        return float((np.round(x[0]) - 3) ** 2 + (x[1] - 0.3) ** 2 + (x[2] + 1) ** 2)

    x0 = np.random.default_rng(seed).uniform(-6, 6, 3)
    res = minimize(fun, x0, method=method, rng=0, options={"maxfev": 5000})
    assert not res.success or res.fun < 1e-6
    if not res.success:
        assert res.fun < fun(x0)


@pytest.mark.parametrize("method", METHODS)
def test_a_variable_without_effect_leaves_a_success(method):
    res = minimize(lambda x: float((x[0] - 1) ** 2), [3.0, 5.0], method=method, rng=0)
    assert res.success
    assert res.fun < 1e-8


FALLING = {  # value and slope, of positive variables
    "hyperbola": (lambda r: 1 / (1 + r), lambda r: -1 / (1 + r) ** 2),
    "cube root": (lambda r: -np.cbrt(r), lambda r: -np.cbrt(1 / r**2) / 3),
    "logarithm": (lambda r: -np.log(3 + r), lambda r: -1 / (3 + r)),
}


@pytest.mark.parametrize("name", FALLING)
@pytest.mark.parametrize("method", ["bfgs", "gradient-sampling", "laplacian", "sqp", "homotopy"])
@pytest.mark.parametrize("jac", [True, False])
def test_a_fall_without_end_is_no_success(name, method, jac):
    value, slope = FALLING[name]

    def fun(x):
        r = np.sqrt(1 + x @ x)
        f = float(value(r))
        return (f, slope(r) * x / r) if jac else f

    with np.errstate(all="ignore"):
        start, options = [0.5, -1.0], {"maxfev": 3000}
        res = minimize(fun, start, jac=jac or None, method=method, rng=0, options=options)
    assert not res.success
    assert res.fun < value(1.5)


def test_a_minimum_very_far_away_is_a_success():
    def fun(x):
        return float(((x / 1e11 - 1) ** 2).sum()), 2e-11 * (x / 1e11 - 1)

    res = minimize(fun, np.ones(2), jac=True, method="bfgs")
    assert res.success
    assert res.fun < 1e-12


def separated(w):
    """A logistic likelihood of data that a plane separates: lower the longer the coefficients."""
    x = np.random.default_rng(0).standard_normal((40, 3))
    x *= np.sign(x @ [1, 2, -1])[:, None]
    return float(np.logaddexp(0, -x @ w).sum()), -x.T @ (0.5 - 0.5 * np.tanh(0.5 * (x @ w)))


@pytest.mark.parametrize("method", ["gradient-sampling", "sqp"])
def test_values_that_fall_for_ever_are_no_success(method):
    def exponential(x):
        return float(np.exp(-x[0]) + (x[1] - 1) ** 2), np.array([-np.exp(-x[0]), 2 * (x[1] - 1)])

    for fun, x0 in ((exponential, [0.0, 0.0]), (separated, [0.0, 0.0, 0.0])):
        res = minimize(fun, x0, jac=True, method=method, rng=0)
        assert not res.success
        assert "infinity" in res.message


@pytest.mark.parametrize("level", [5.0, -3e4])
@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "laplacian", "sqp"])
def test_an_infimum_at_infinity_beside_a_constant_is_no_success(method, level):
    # gains are lost to the rounding of the constant before steps have become short
    def fun(x):
        there = np.exp(-x)
        return level + float(there[0]), -there

    res = minimize(fun, [1.0], jac=True, method=method, rng=0)
    assert not res.success
    assert "without end" in res.message


@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "laplacian"])
def test_a_flat_minimum_is_a_success(method):
    def fun(x):
        out = np.maximum(np.abs(x) - 1, 0.0)
        return 5.0 + out @ out, 2 * out * np.sign(x)

    assert minimize(fun, [30.0, -20.0, 4.0], jac=True, method=method, rng=0).success


def test_what_is_negligible_is_no_lower_step():
    assert not told(lambda x: 1 - 1e-9 * float(abs(x[0]) > 0.3), [0.0])
    assert told(lambda x: 1 - 1e-9 * float(abs(x[0]) > 0.3), [0.0], fallen=1e-3)


@pytest.mark.parametrize("method", ["bfgs", None])
def test_tails_of_shares_are_no_steps(method):
    # a softmax leaves out what earns nothing only far away, where nothing changes any more
    earned = np.array([1.0, 0.9, -0.5, -1.0, 0.2])
    risk = np.diag([1.0, 0.8, 2.0, 1.0, 3.0]) + 0.1

    def fun(z):
        shares = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        return float(2 * shares @ risk @ shares - earned @ shares)

    res = minimize(fun, np.zeros(5), method=method, rng=0)
    assert res.success
