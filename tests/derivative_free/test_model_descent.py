import numpy as np
import pytest
from bounded import bounded_quadratic
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import LinearConstraint, rosen
from scipy.optimize import minimize as scipy_minimize

from smoothmin import minimize
from smoothmin._protocol import Problem
from smoothmin._status import Status
from smoothmin.derivative_free.interpolating_descent import InterpolatingDescent
from smoothmin.derivative_free.model_descent import ModelDescent
from smoothmin.subproblems.trust_region import boxed_step


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_quadratics_take_a_few_evaluations_per_variable(n):
    rng = np.random.default_rng(n)
    turn = np.linalg.qr(rng.standard_normal((n, n)))[0]
    weights, centre = 10.0 ** np.linspace(0, 2, n), rng.standard_normal(n)

    def fun(x):
        z = turn @ (x - centre)
        return float(weights @ z**2) + 7

    res = minimize(fun, np.full(n, 3.0), method=ModelDescent())
    assert res.success
    assert res.fun - 7 < 1e-8
    assert res.nfev < 70 * n + 40  # the spread over rotations is ten per cent


def test_where_a_straight_line_ends_in_a_kink_few_values_find_it():
    weights = np.arange(1.0, 8.0)

    def fun(x):
        return float(np.abs(np.arange(1, 36) * (weights @ x) - 1).sum())

    least = fun(np.eye(7)[0] / 25)  # the weighted median of the kinks
    res = minimize(fun, np.ones(7), method=ModelDescent(), options={"maxfev": 20})
    assert res.fun - least < 1e-5 * (fun(np.ones(7)) - least)


@pytest.mark.parametrize(("n", "budget"), [(2, 250), (5, 600)])
def test_rosenbrock(n, budget):
    res = minimize(rosen, np.tile([-1.2, 1.0], n)[:n], method=ModelDescent())
    assert res.success
    assert res.fun < 1e-9 or abs(res.fun - 3.93) < 0.01  # n = 5 has another minimum
    assert res.nfev < budget


@pytest.mark.parametrize("n", [2, 5, 12])
@pytest.mark.parametrize("distance", [30.0, 1e3, 1e5])
def test_a_minimum_far_away_takes_little_more(n, distance):
    """Steps grow fourfold, and the model begins where they end, at their scale."""
    rng = np.random.default_rng(n)
    turn = np.linalg.qr(rng.standard_normal((n, n)))[0]
    weights, centre = np.geomspace(1, 10, n), distance * rng.standard_normal(n)
    values = []

    def fun(x):
        values.append(float(weights @ (turn @ (x - centre)) ** 2))
        return values[-1]

    minimize(fun, np.zeros(n), method=ModelDescent(), options={"maxfev": 16 * (n + 1)})
    assert min(values) < 1e-6 * values[0]


@pytest.mark.parametrize("seed", range(5))
def test_far_away_noise_of_a_share_of_the_value_hardly_matters(seed):
    rng = np.random.default_rng(seed)
    centre, n = 10.0 * rng.standard_normal(6), 6

    def exact(x):
        return float(np.geomspace(1, 10, n) @ (x - centre) ** 2)

    def fun(x):
        return exact(x) * (1 + 1e-3 * rng.uniform(-1, 1))

    res = minimize(fun, np.zeros(n), method=ModelDescent(), options={"maxfev": 10 * (n + 1)})
    assert exact(res.x) < 1e-4 * exact(np.zeros(n))


@pytest.mark.parametrize("bounds", [None, [(-5, 5)] * 3, [(-1e9, 1e9)] * 3])
def test_the_model_begins_at_once_where_bounds_say_the_scale(bounds):
    asked = []

    def fun(x):
        asked.append(x)
        return float(x @ x)

    minimize(fun, np.full(3, 4.0), method=ModelDescent(), bounds=bounds, options={"maxfev": 30})
    star = np.abs(np.array(asked[1:7]) - asked[0])
    assert (np.count_nonzero(star, axis=1) == 1).all() == (bounds == [(-5, 5)] * 3)


def test_down_a_slope_without_end_the_run_ends():
    res = minimize(lambda x: float(x.sum()), np.zeros(3), method=ModelDescent())
    assert not res.success
    assert res.nfev < 3000


def test_units_do_not_matter():
    runs = []
    for unit in (2.0**-20, 1.0, 2.0**20):
        points = []

        def fun(x, unit=unit, points=points):
            points.append(x / unit)
            return unit * rosen(x / unit)

        method = ModelDescent(scale=unit)
        minimize(fun, np.array([-1.2, 1.0]) * unit, method=method, options={"maxfev": 40})
        runs.append(np.array(points))
    assert_allclose(runs[0], runs[1], rtol=1e-6)
    assert_allclose(runs[2], runs[1], rtol=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 5))
@settings(deadline=None, max_examples=40)
def test_bounds_are_never_left(seed, n):
    fun, x0, bounds, best = bounded_quadratic(seed, n, narrowest=-3)
    res = minimize(fun, x0, method=ModelDescent(), bounds=bounds)
    assert best - 1e-12 <= res.fun <= best + 1e-6 * (fun(x0) - best) + 1e-9


@pytest.mark.parametrize(("seed", "n"), [(331, 4), (480, 4), (34, 5), (378, 5)])
def test_a_last_step_longer_than_its_radius_by_rounding_ends_the_run(seed, n):
    fun, x0, bounds, best = bounded_quadratic(seed, n, narrowest=-3)
    res = minimize(fun, x0, method=ModelDescent(), bounds=bounds, options={"maxfev": 2000})
    assert res.success
    assert res.fun <= best + 1e-9


@given(st.integers(0, 10_000), st.integers(1, 6))
@settings(deadline=None, max_examples=50)
def test_first_points_are_apart_and_inside(seed, n):
    rng = np.random.default_rng(seed)
    low, high = np.zeros(n), np.full(n, 2.0)
    x0 = np.where(rng.random(n) < 0.5, rng.uniform(0, 2, n), rng.integers(0, 2, n) * 2.0)
    descent = InterpolatingDescent(Problem(x0, (low, high), False, (n,)), np.ones(n), 1e-8, rng)
    steps = descent._star(x0, descent._rho)[1:] - x0
    assert np.all((x0 + steps >= low) & (x0 + steps <= high))
    first, second = np.diagonal(steps[:n]), np.diagonal(steps[n:])
    assert np.abs(first).min() >= 0.25
    assert np.abs(second).min() >= 0.25
    assert np.abs(first - second).min() >= 0.25


def test_ends_at_the_noise():
    rng = np.random.default_rng(0)
    res = minimize(
        lambda x: float(x @ x) + 1e-3 * rng.standard_normal(),
        np.full(4, 2.0),
        method=ModelDescent(),
        rng=0,
        options={"maxfev": 2000},
    )
    assert res.success
    assert res.nfev < 1000
    assert 3e-4 < res.noise < 3e-3
    assert res.x @ res.x < 3e-3


def test_plateau_is_where_it_ends():
    res = minimize(lambda x: 1.0, [1.0, 2.0], method=ModelDescent())
    assert res.status == 4
    assert "plateau" in res.message
    assert res.nfev < 100


def test_values_that_are_missing():
    def fun(x):
        return float(x @ x) if x.max() < 1.05 else np.inf

    res = minimize(fun, [1.0, 1.0], method=ModelDescent(scale=1.0))
    assert res.fun < 1e-10
    res = minimize(lambda x: 1.0 if x[0] == 1 else np.nan, [1.0, 1.0], method=ModelDescent())
    assert res.status == Status.PRECISION
    res = minimize(lambda x: np.nan, [1.0, 1.0], method=ModelDescent())
    assert res.status == Status.NONFINITE


@pytest.mark.parametrize("seed", range(20))
def test_steps_in_a_box_are_the_best(seed):
    rng = np.random.default_rng(seed)
    n = 4
    root = rng.standard_normal((n, n))
    hessian, slope = root @ root.T, 3 * rng.standard_normal(n)
    low, high = -rng.uniform(0, 2, n), rng.uniform(0, 2, n)

    def model(s):
        return slope @ s + 0.5 * s @ hessian @ s

    step = boxed_step(slope, hessian, 1.5, low, high)
    assert np.all((step >= low) & (step <= high))
    assert np.linalg.norm(step) <= 1.5 * (1 + 2e-3)
    best = scipy_minimize(
        model, np.zeros(n), method="SLSQP", bounds=list(zip(low, high, strict=True)),
        constraints={"type": "ineq", "fun": lambda s: 1.5**2 - s @ s},
    )  # fmt: skip
    assert model(step) <= 0.99 * best.fun


@pytest.mark.parametrize("options", [{"xtol": -1.0}, {"scale": 0}, {"scale": "wide"}])
def test_options_are_checked(options):
    with pytest.raises((TypeError, ValueError), match=next(iter(options))):
        ModelDescent(**options)


def test_a_narrow_valley_is_left_to_differences():
    def valley(x):
        return float((1e4 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())

    res = minimize(valley, np.full(4, -1.0), method="model-descent")
    assert res.success
    assert res.fun < 1e-12
    assert res.nfev < 900


def test_where_differences_end_at_no_minimum_the_model_goes_on_and_a_search_ends():
    def cliff(x):
        return float(x @ x + 5 * x[0]) if x[0] > 0 else 1e3

    res = minimize(cliff, np.full(4, 2.0), method="model-descent")
    assert res.fun < 1e-6
    assert res.nfev < 2500


@pytest.mark.parametrize("start", [17.0, 1 / 3, -0.05, 1e-6])
def test_a_minimum_met_by_the_first_step_is_a_success(start):
    for least in np.linspace(-1, 1, 9):
        res = minimize(
            lambda x, c=least: float(np.sum((x - c) ** 2)), [start], method="Nelder-Mead", rng=0
        )
        assert res.success, (least, res.message)
        assert res.fun < 1e-12


@pytest.mark.parametrize("slope", [1.0, 1e-6])
def test_a_kink_met_by_the_first_step_is_none(slope):
    res = minimize(
        lambda x: float(np.abs(x[0] - 1 / 3) + slope * x[1] ** 2),
        [2.0, 1.0],
        method="Nelder-Mead",
        rng=0,
    )
    assert not res.success or res.fun < 1e-7


def test_rounding_is_not_surveyed_as_noise_is():
    """A linear least-squares problem of rank one, most directions flat."""
    weights = np.arange(1, 8)

    def fun(x):
        return float(((np.arange(1, 36) * (weights @ x) - 1) ** 2).sum())

    res = minimize(fun, np.ones(7), method=ModelDescent())
    assert res.fun < 8.3803
    assert res.nfev < 500


@pytest.mark.parametrize("beyond", [np.nan, np.inf, 1e3])
@pytest.mark.parametrize("method", ["model-descent", "Nelder-Mead", "COBYQA"])
def test_a_minimum_on_the_edge_of_a_cliff_is_searched_where_no_model_holds(method, beyond):
    rng = np.random.default_rng(3)
    lowest, normal = rng.uniform(-3, 3, 3), rng.standard_normal(3)
    normal /= np.linalg.norm(normal)

    def fun(x):
        height = normal @ (x - lowest)
        return float((x - lowest) @ (x - lowest) + 5 * height) if height >= 0 else beyond

    x0 = lowest + 2 * normal
    res = minimize(fun, x0, method=method, bounds=[(-6, 6)] * 3, rng=0)
    assert res.fun < 1e-4 * fun(x0)
    assert res.nfev < 3000


@pytest.mark.parametrize("method", ["model-descent", "Nelder-Mead"])
def test_a_corner_of_the_box_is_left_where_the_first_model_bends_the_other_way(method):
    told = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(3, 6))
        root = rng.standard_normal((n, n))
        bowl, centre = root @ root.T + 0.1 * np.eye(n), 1.5 * rng.standard_normal(n)

        def fun(x, bowl=bowl, centre=centre):
            return 0.5 * float((x - centre) @ bowl @ (x - centre))

        corner, box = rng.choice([-1.0, 1.0], n), [(-1, 1)] * n
        exact = scipy_minimize(fun, corner, method="SLSQP", bounds=box, options={"ftol": 1e-13})
        res = minimize(fun, corner, method=method, bounds=box)
        assert res.fun <= exact.fun + 1e-6 * max(1.0, exact.fun)
        assert res.nfev < 60 * n
        told += res.success
    assert told >= 9  # on others rounding of the last radius looks like a kink


@pytest.mark.parametrize("seed", [20, 32, 48, 59])
def test_a_minimum_met_to_rounding_is_a_success(seed):
    """At the last radius rounding is all that a model's errors, slopes and bends are made of."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7))
    a = rng.standard_normal((3 * n, n))
    c = a.mean(axis=0) + 0.1 * rng.standard_normal(n)

    def fun(x):
        if seed % 4 == 0:
            return float(np.logaddexp.reduce(a @ x) - c @ x)
        return 100 + float(np.log1p((a @ (x - 1)) ** 2).sum())

    bounds = [(-3, 3)] * n if seed % 3 else None
    res = minimize(fun, np.zeros(n), method="model-descent", bounds=bounds)
    assert res.success
    assert res.fun <= minimize(fun, res.x, method="bfgs", bounds=bounds).fun + 1e-12 * abs(res.fun)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_squares_of_slopes_that_overflow_or_vanish_stop_no_step(unit):
    res = minimize(lambda x: unit * rosen(x), [-1.2, 1.0], method="model-descent", rng=0)
    assert res.fun < 1e-8 * unit


@pytest.mark.parametrize("seed", range(0, 20, 3))
@pytest.mark.parametrize("method", ["model-descent", "Nelder-Mead", "COBYQA"])
def test_a_likelihood_solved_to_rounding_is_said_to_be(seed, method):
    rng = np.random.default_rng(seed)
    table = rng.standard_normal((200, 5))
    truth = table @ np.linspace(-1, 1, 5)
    seen = (rng.random(200) < 1 / (1 + np.exp(-truth))) * 1.0

    def fun(b):
        return float(np.logaddexp(0, table @ b).sum() - seen @ (table @ b))

    def jac(b):
        return table.T @ (1 / (1 + np.exp(-table @ b)) - seen)

    least = minimize(fun, np.zeros(5), jac=jac, method="bfgs").fun
    res = minimize(fun, np.zeros(5), method=method)
    assert res.fun - least < 1e-8
    assert res.success
    assert res.nfev <= 260


def test_quadratics_solved_on_a_plane_are_said_to_be():
    said = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(3, 10))
        weights, centre, normal = rng.uniform(1, 5, n), *rng.standard_normal((2, n))
        on = centre + (0.5 - normal @ centre) * (normal / weights) / (normal @ (normal / weights))

        def fun(x, weights=weights, centre=centre):
            return float(weights @ (x - centre) ** 2)

        plane = LinearConstraint(normal[None], 0.5, 0.5)
        res = minimize(fun, np.ones(n), method="constrained-model", constraints=plane)
        assert abs(res.fun - fun(on)) < 1e-8
        said += res.success
    assert said >= 9


@pytest.mark.parametrize("method", ["model-descent", "constrained-model", "derivative-free"])
def test_a_tolerance_of_zero_is_as_much_as_can_be_had(method):
    res = minimize(lambda x: float(((x - 1) ** 2).sum()) + 3, [2.0, 5.0], method=method, tol=0)
    assert res.fun - 3 < 1e-12
    assert res.nfev < 400


def test_the_model_goes_on_from_where_differences_have_come():
    # from where it was itself it takes thousands of steps more where values are flat
    powers, evaluations = np.linspace(2, 6, 5), 0
    for seed in range(4):
        start = 10 * np.random.default_rng(seed).standard_normal(5)
        res = minimize(lambda x: float((np.abs(x) ** powers).sum()), start, method="COBYQA")
        assert res.fun < 1e-20
        evaluations += res.nfev
    assert evaluations <= 5000
