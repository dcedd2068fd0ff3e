"""Descents where functions have no values, or variables an extreme scale."""

import numpy as np
import pytest

from smoothmin import minimize
from smoothmin.descent.hidden_constraints import Wall
from smoothmin.linesearch.line_result import LinePoint, LineResult


def kinked(z):
    value = abs(z[0] - 1) + 2 * abs(z[1] + 0.5 * z[0]) + 0.5 * (z @ z)
    slopes = np.sign(z[0] - 1), np.sign(z[1] + 0.5 * z[0])
    return float(value), z + np.array([slopes[0] + slopes[1], 2 * slopes[1]])


@pytest.mark.parametrize("start", [[2.0, -1.0], [0.0, 0.0]])
@pytest.mark.parametrize("scale", [1e-100, 1e-30, 1e-12, 1e-9, 1e-6, 1e-3])
def test_certificates_mean_something_at_every_scale(start, scale):
    def fun(x):
        value, gradient = kinked(x / scale)
        return value, gradient / scale

    x0 = scale * np.array(start)
    res = minimize(fun, x0, jac=True, method="gradient-sampling", rng=0, options={"maxfev": 200})
    assert res.success
    np.testing.assert_allclose(res.x / scale, [0.8, -0.4], atol=1e-5)
    assert res.radius <= 2.001e-5 * scale
    assert res.stationarity * scale <= 1e-6


def test_the_radius_asked_for_is_as_it_is_said_to_be():
    fun = lambda x: kinked(x)  # noqa: E731
    for radius, most in ((1e-3, 2.001e-5), (1e-9, 1e-9)):
        res = minimize(
            fun, [2.0, -1.0], jac=True, method="gradient-sampling", rng=0,
            options={"radius_tol": radius},
        )  # fmt: skip
        assert res.success
        assert res.radius <= most


@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "gradient-sampling"])
@pytest.mark.parametrize("distance", [0.1, 0.01, 0.001])
def test_walls_beside_a_smooth_minimum(method, distance):
    """Beyond a hyperplane near the minimum there are no values."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        a, b, normal = rng.normal(size=(30, 6)), rng.normal(size=30), rng.normal(size=6)

        def fun(x, a=a, b=b):
            r = np.sqrt(1 + (a @ x - b) ** 2)
            return float(r.sum()), a.T @ ((a @ x - b) / r)

        best = minimize(fun, np.zeros(6), jac=True, method="bfgs")
        normal *= np.sign(normal @ best.x) / np.linalg.norm(normal)
        limit = normal @ best.x + distance

        def walled(x, fun=fun, normal=normal, limit=limit):
            value, gradient = fun(x)
            return (np.nan if normal @ x > limit else value), gradient

        x0 = np.zeros(6) if limit > 0 else -0.1 * normal
        res = minimize(walled, x0, jac=True, method=method, rng=0, options={"maxfev": 200})
        assert res.success
        assert res.fun <= best.fun * (1 + 1e-8)


def walled(seed, n, distance):
    """Least absolute deviations, without values outside a ball whose edge is near the minimum."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(5 * n, n)), rng.normal(size=5 * n)

    def fun(x):
        return float(np.abs(a @ x - b).sum()), a.T @ np.sign(a @ x - b)

    best = minimize(fun, np.zeros(n), jac=True, method="gradient-sampling", rng=0)
    centre = best.x + rng.normal(size=n) / n**0.5
    radius = np.linalg.norm(best.x - centre) + distance

    def inside(x):
        value, gradient = fun(x)
        return (value if np.linalg.norm(x - centre) <= radius else np.inf), gradient

    return inside, centre, best.fun


@pytest.mark.parametrize("method", ["bfgs", "gradient-sampling"])
@pytest.mark.parametrize("n", [2, 5])
def test_walls_beside_a_kinked_minimum(method, n):
    stuck = 0
    for seed in range(8):
        fun, x0, least = walled(seed, n, 0.02)
        res = minimize(fun, x0, jac=True, method=method, rng=0, options={"maxfev": 800})
        stuck += res.fun > least * (1 + 1e-6)
        assert res.success or method == "bfgs"
    assert stuck <= (method == "bfgs")


@pytest.mark.parametrize("method", ["bfgs", "gradient-sampling"])
def test_a_minimum_at_a_wall_is_approached_along_it(method):
    """Beyond x0 + x1 = 1 the distance to (2, 1) has no value."""

    def fun(x):
        away = x - np.array([2.0, 1.0])
        return (np.nan if x.sum() > 1 else float(away @ away)), 2 * away

    for start in ([-1.0, 0.0], [0.0, 0.3], [-3.0, -2.0]):
        res = minimize(fun, start, jac=True, method=method, rng=0, options={"maxfev": 1000})
        np.testing.assert_allclose(res.x, [1.0, 0.0], atol=2e-2)
        assert res.fun <= 2 * (1 + 1e-3)


def test_a_walls_normal_separates_what_has_values():
    rng = np.random.default_rng(0)
    normal = np.array([0.6, 0.8, 0.0])
    here, wall = np.zeros(3), Wall()
    trials = []
    for point in rng.normal(size=(200, 3)):
        value = np.nan if normal @ point > 0 else 1.0
        trials.append(LinePoint(1.0, point, value, point, 0.0))
    found = LineResult(LinePoint(1.0, here, 1.0, here, 0.0), True, True, trials, -1.0)
    step, jump = wall.pair(found, np.array([0.0, -1.0, 0.0]), np.array([3.0, 4.0, 0.0]))
    assert normal @ step > 0
    assert step @ jump > 0
    assert np.linalg.norm(jump) == pytest.approx(50)
    assert normal @ jump >= 0.95 * np.linalg.norm(jump)
    # no plane separates points of either kind at random, and no wall is none
    for trial in trials:
        trial.fun = np.nan if rng.random() < 0.5 else 1.0
    assert wall.pair(found, here, here) is None
    for trial in trials:
        trial.fun = 1.0
    assert wall.pair(found, here, here) is None


def curved_kink(n, seed):
    """One more than three times |quadratic| plus a quadratic."""
    rng = np.random.default_rng(seed)
    a, root = rng.normal(size=n), rng.normal(size=(n, n))
    hessian = root.T @ root / n + 0.1 * np.eye(n)

    def fun(x):
        inside = x @ hessian @ x / 2 - 0.5 - a @ x
        slope = 3 * np.sign(inside) * (hessian @ x - a) + 2 * (x - a)
        return float(1 + 3 * abs(inside) + (x - a) @ (x - a)), slope

    return fun


def penalized(n, seed):
    """A quadratic of condition 1e4 and multiples of absolute values."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(n, n)))[0]
    hessian = (axes * np.logspace(0, 4, n)) @ axes.T
    b = hessian @ (rng.normal(size=n) * (rng.random(n) < 0.5))
    weight = 0.1 * np.abs(b).max()

    def fun(x):
        value = x @ hessian @ x / 2 - b @ x + weight * np.abs(x).sum()
        return float(value), hessian @ x - b + weight * np.sign(x)

    return fun


@pytest.mark.parametrize("make", [curved_kink, penalized])
@pytest.mark.parametrize("n", [2, 5, 10])
@pytest.mark.parametrize("seed", range(3))
def test_a_minimum_in_large_units_is_a_success(make, n, seed):
    fun, unit = make(n, seed), 1e6
    x0 = 2 * np.random.default_rng(100 + seed).normal(size=n)
    res = minimize(lambda x: tuple(unit * part for part in fun(x)), x0, jac=True, rng=0)
    assert res.success, res.message
    again = minimize(fun, res.x + 1e-4, jac=True, rng=1)
    assert fun(res.x)[0] - again.fun <= max(1e-10 * abs(again.fun), 1e-25)


@pytest.mark.parametrize(
    ("n", "weight", "seed"), [(5, 1e6, 1), (5, 1e6, 4), (5, 1e7, 0), (15, 1e8, 4)]
)
def test_a_steep_penalty_does_not_make_slopes_beside_it_small(n, weight, seed):
    rng = np.random.default_rng(seed)
    rows, solution, multipliers = rng.normal(size=(2, n)), rng.normal(size=n), rng.normal(size=2)
    center = solution + rows.T @ multipliers

    def fun(x):
        rest = rows @ (x - solution)
        value = (x - center) @ (x - center) / 2 + weight * np.abs(rest).sum()
        return float(value), x - center + weight * (rows.T @ np.sign(rest))

    res = minimize(fun, 2 * rng.normal(size=n), jac=True, rng=0, options={"maxfev": 6000})
    above = res.fun - fun(solution)[0]
    assert above >= 0
    assert above <= 1e-6 or not res.success


@pytest.mark.parametrize("scale", [1e80, 1e160])
def test_variables_whose_squares_overflow(scale):
    def fun(x):
        value, gradient = kinked(x / scale)
        return value, gradient / scale

    x0 = scale * np.array([2.0, -1.0])
    res = minimize(fun, x0, jac=True, method="gradient-sampling", options={"maxfev": 100})
    assert res.fun < fun(x0)[0]


@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "gradient-sampling", "laplacian", "homotopy"])
@pytest.mark.parametrize("seed", range(4))
def test_factors_of_a_matrix_are_found_from_zero(seed, method):
    # a saddle; steps of the same length from there would leave all factors alike for ever
    rng = np.random.default_rng(seed)
    product = rng.standard_normal((8, 2)) @ rng.standard_normal((2, 6))

    def fun(v):
        left, right = v[:16].reshape(8, 2), v[16:].reshape(2, 6)
        rest = left @ right - product
        grad = np.concatenate([(rest @ right.T).ravel(), (left.T @ rest).ravel()])
        return 0.5 * float((rest**2).sum()), grad

    res = minimize(fun, np.zeros(28), jac=True, method=method, rng=0)
    assert res.nfev <= 150
    assert res.success
    assert res.fun < 1e-8
