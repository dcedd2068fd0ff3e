import numpy as np
import pytest
from bounded import bounded_quadratic
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import optimize
from scipy.optimize import lsq_linear, rosen

from smoothmin import minimize
from smoothmin._status import Status
from smoothmin.derivative_free.difference_descent import DifferenceDescent, typical_scale


def ellipsoid(n, condition, seed=0):
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]
    weights = condition ** (np.arange(n) / (n - 1))

    def fun(x):
        z = turn @ (x - 1)
        return float(weights @ z**2) + 300

    return fun


@pytest.mark.parametrize("n", [2, 5, 10])
def test_reaches_the_rounding_level_however_badly_scaled(n):
    res = minimize(ellipsoid(n, 1e6), np.full(n, 4.0), method=DifferenceDescent())
    assert res.success
    assert res.fun - 300 < 1e-10
    assert res.nfev < 50 * n


@pytest.mark.parametrize("seed", range(4))
def test_curvatures_that_fall_by_orders_on_the_way_cost_few_gradients(seed):
    x0 = np.random.default_rng(seed).uniform(-4, 4, 20)
    options = {"maxfev": 15 * x0.size}
    res = minimize(
        rosen, x0, method=DifferenceDescent(), bounds=[(-5, 5)] * x0.size, options=options
    )
    assert res.fun < 2e-3 * rosen(x0)


@pytest.mark.parametrize(("n", "budget"), [(2, 200), (5, 500), (10, 1500)])
def test_rosenbrock(n, budget):
    x0 = np.tile([-1.2, 1.0], n)[:n] if n == 2 else np.full(n, 2.0)
    res = minimize(rosen, x0, method=DifferenceDescent())
    assert res.success
    assert res.fun < 1e-10
    assert res.nfev < budget


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("n", "budget", "bounds"),
    [(4, 18, None), (8, 35, None), (15, 45, None), (4, 18, (-4, 4)), (8, 35, (-4, 4))],
)
def test_kinks(n, budget, bounds, seed):
    """Sums of absolute residuals, in fewer values than SLSQP takes with differences."""
    rng = np.random.default_rng(seed)
    a, solution = rng.standard_normal((3 * n, n)), rng.standard_normal(n)
    box = None if bounds is None else [bounds] * n
    values = []

    def fun(x):
        values.append(float(np.abs(a @ (x - solution)).sum()))
        return values[-1]

    goal = 1e-5 * fun(np.zeros(n))
    options = {"maxfev": budget * (n + 1), "f_target": goal}
    ours = minimize(fun, np.zeros(n), method=DifferenceDescent(), bounds=box, options=options)
    assert ours.status == Status.TARGET
    values.clear()
    options = {"ftol": 1e-12, "maxiter": 500}
    optimize.minimize(fun, np.zeros(n), method="SLSQP", bounds=box, options=options)
    assert ours.nfev < 0.6 * next((k for k, f in enumerate(values) if f <= goal), np.inf)


def test_units_of_the_value_do_not_matter():
    runs = []
    for unit in (2.0**-40, 1.0, 2.0**40):
        points = []

        def fun(x, unit=unit, points=points):
            points.append(x.copy())
            return unit * rosen(x)

        minimize(fun, [-1.2, 1.0], method=DifferenceDescent(), options={"maxfev": 60})
        runs.append(np.array(points))
    assert_allclose(runs[0], runs[1], rtol=1e-9)
    assert_allclose(runs[2], runs[1], rtol=1e-9)


def test_gradient_is_one_batch():
    sizes = []

    def fun(x):
        sizes.append(x.shape[1])
        return (x**2).sum(axis=0)

    minimize(fun, np.ones(7), method=DifferenceDescent(), vectorized=True)
    assert set(sizes) == {1, 2, 7}


@given(st.integers(0, 10_000), st.integers(1, 5))
@settings(deadline=None, max_examples=50)
def test_bounds_are_never_left(seed, n):
    fun, x0, bounds, best = bounded_quadratic(seed, n, narrowest=-6)
    res = minimize(fun, x0, method=DifferenceDescent(), bounds=bounds)
    gain = fun(x0) - best
    assert best - 1e-12 <= res.fun <= best + 1e-4 * gain + 1e-9


@pytest.mark.parametrize("n", [5, 10, 20])
@pytest.mark.parametrize("seed", range(3))
def test_bounds_across_a_valley_cost_little(n, seed):
    rng = np.random.default_rng(seed)
    root = np.linalg.qr(rng.standard_normal((n, n)))[0]
    root *= 100.0 ** (np.arange(n) / (n - 1))[:, None]
    target = root @ rng.uniform(-1.5, 1.5, n)

    def fun(x):
        return float(np.square(root @ x - target).sum()) + 1

    best = lsq_linear(root, target, (-1, 1), method="bvls", tol=1e-14).x
    res = minimize(fun, rng.uniform(-1, 1, n), method=DifferenceDescent(), bounds=[(-1, 1)] * n)
    assert res.fun - fun(best) < 1e-7
    assert res.nfev < 80 * n


def test_noise_ends_the_run():
    rng = np.random.default_rng(0)
    res = minimize(
        lambda x: float(x @ x) + 1e-3 * rng.standard_normal(),
        np.full(3, 2.0),
        method=DifferenceDescent(noise=1e-3),
        options={"maxfev": 2000},
    )
    assert res.nfev < 500
    assert res.status in (Status.CONVERGED, Status.PRECISION)


def test_noise_is_seen_before_a_gradient_is_paid_for():
    rng = np.random.default_rng(0)
    res = minimize(
        lambda x: float(x @ x) + 1e-3 * rng.standard_normal(),
        np.full(30, 2.0),
        method=DifferenceDescent(),
        options={"maxfev": 200},
    )
    assert 3e-4 < res.noise < 3e-3
    assert res.x @ res.x < 1


def test_plateau_is_where_it_ends():
    res = minimize(lambda x: 1.0, [1.0, 2.0], method=DifferenceDescent())
    assert res.status == 4
    assert "plateau" in res.message
    assert res.nfev == 9


def test_scale_of_box_and_start():
    from smoothmin._protocol import Problem

    x0 = np.array([50.0, 1.0, 0.0])
    box = (np.array([0.0, -np.inf, -1.0]), np.array([100.0, np.inf, np.inf]))
    scale = typical_scale(Problem(x0, box, False, (3,)))
    assert_allclose(scale, [20.0, 0.1, 0.1])
    assert_allclose(typical_scale(Problem(x0, None, False, (3,))), [5.0, 0.1, 0.1])


@pytest.mark.parametrize("options", [{"noise": -1}, {"scale": 0}, {"scale": "wide"}])
def test_options_are_checked(options):
    with pytest.raises((TypeError, ValueError), match=next(iter(options))):
        DifferenceDescent(**options)


def test_first_curvatures_solve_what_is_separable():
    n = 150
    weights = 10.0 ** np.linspace(0, 6, n)
    x0 = np.random.default_rng(0).uniform(-4, 4, n)
    x0[:3], x0[3:6] = -5.0, 5.0  # there the differences are to one side
    runs = [
        minimize(
            lambda x: float(weights @ (x - 1) ** 2),
            x0,
            method=DifferenceDescent(curvature=curvature),
            bounds=[(-5, 5)] * n,
            options={"maxfev": 12 * n},
        )
        for curvature in (True, False)
    ]
    assert runs[0].fun < 1e-3
    assert runs[1].fun > 1e3


@pytest.mark.parametrize("n", [120, 200])
def test_many_variables(n):
    res = minimize(rosen, np.zeros(n), method=DifferenceDescent(), options={"maxfev": 150 * n})
    assert res.fun < 0.9 * n


@pytest.mark.parametrize("height", [1e3, np.nan])
def test_a_cliff_is_told_from_curvature_and_kinks(height):
    normal = np.array([0.6, 0.8, 0.0])

    def cliff(x):
        side = normal @ x
        return float(x @ x + 5 * side) if side >= 0 else height

    x0, box = 2 * normal + np.array([0.8, -0.6, 1.0]), [(-6, 6)] * 3
    res = minimize(cliff, x0, method=DifferenceDescent(), bounds=box)
    assert not res.success
    assert "jump" in res.message
    assert res.nfev < 150
    for smooth in (ellipsoid(3, 1e8), lambda x: float(np.abs(x - 1) @ [1, 10, 100])):
        assert "jump" not in minimize(smooth, x0, method=DifferenceDescent(), bounds=box).message


def test_hundred_variables_need_few_gradients():
    n = 100
    weights = np.arange(2.0, n + 1)

    def tridia(x):
        return float((x[0] - 1) ** 2 + weights @ (2 * x[1:] - x[:-1]) ** 2)

    def bratu(u):
        u = np.pad(u.reshape(10, 10), 1)
        inside = u[1:-1, 1:-1]
        near = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
        return float(((4 * inside - near - 4 / 121 * np.exp(inside)) ** 2).sum())

    for fun, x0, share, gradients in (
        (tridia, np.ones(n), 1e-2, 16),
        (bratu, 0 * weights, 0.1, 20),
    ):
        start = np.resize(x0, n)
        res = minimize(fun, start, method=DifferenceDescent(), options={"maxfev": gradients * n})
        assert res.fun < share * fun(start)


@pytest.mark.parametrize("noise", [1e-6, 1e-3, 0.1])
@pytest.mark.parametrize("base", [0.0, 1e4])
def test_noise_that_is_told_decides_how_long_differences_are(noise, base):
    """They are not as short as rounding alone would have them."""
    rng = np.random.default_rng(0)
    weights = np.arange(1, 6)

    def exact(x):
        return float(weights @ x**2)

    res = minimize(
        lambda x: base + exact(x) + noise * rng.standard_normal(),
        np.ones(5),
        method=DifferenceDescent(noise=noise),
        options={"maxfev": 2000},
        rng=2,
    )
    assert res.success or "lost in the noise" in res.message  # what noise leaves open
    assert res.nfev < 800
    assert exact(res.x) < 5 * noise


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noise", [1e-6, 1e-3, 1e-2])
def test_noise_that_is_met_is_allowed_for(noise, seed):
    rng = np.random.default_rng(seed)
    exact = ellipsoid(4, 100, seed)
    res = minimize(
        lambda x: exact(x) + noise * rng.standard_normal(),
        np.zeros(4),
        method=DifferenceDescent(),
        rng=seed,
        options={"maxfev": 1000},
    )
    assert res.success
    assert exact(res.x) - 300 < 5 * noise


@pytest.mark.parametrize("fun", [rosen, lambda x: float(np.arange(1, 5) @ (x - 1) ** 2)])
def test_values_in_single_precision_or_with_noise_in_proportion_are_followed_to_zero(fun):
    """Noise falls with the value, and differences are as long as it is then."""
    rng = np.random.default_rng(0)
    x0 = np.array([-1.2, 1.0, -1.2, 1.0])

    def single(x):
        return float(np.float32(fun(x)))

    def relative(x):
        return fun(x) * (1 + 1e-6 * rng.standard_normal())

    for rounded in (single, relative):
        res = minimize(rounded, x0, method=DifferenceDescent(), rng=0, options={"maxfev": 1000})
        assert fun(res.x) < 1e-10


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("weights", [np.ones(5), np.array([1.0, 2, 0.5, 1, 3])])
def test_rounding_on_a_kink_is_not_taken_for_the_noise_that_hides_differences(weights, unit):
    """What is lost there is lost to the kink, along which the default goes on."""
    target = np.array([0.5, 0.9, 0.4, 1.1, 0.6]) / (weights @ [0.5, 0.9, 0.4, 1.1, 0.6])
    start = np.random.default_rng(1).uniform(0.1, 0.9, 5)
    start /= weights @ start

    def fun(w):
        return unit * (0.01 * float(((w - target) ** 2).sum()) + 10 * abs(float(weights @ w) - 1))

    res = minimize(fun, start, bounds=[(0, 1)] * 5, rng=0, options={"maxfev": 5000})
    assert res.fun < 1e-2 * fun(start)


@pytest.mark.parametrize("far", [1e5, 1e6, 1e7])
def test_a_far_start_does_not_make_what_is_left_negligible(far):
    """In the valley 1e6 is left, which is 1e-20 of what values have fallen by."""
    for start in ([far, far], [-far, far]):
        res = minimize(rosen, start, method=DifferenceDescent())
        assert not res.success or res.fun < 1e-6


@pytest.mark.parametrize("tol", [1e-4, 1e-6])
def test_a_tolerance_is_not_met_while_steps_still_gain(tol):
    """Down a curved valley a metric that has not learnt the floor promises next to nothing."""
    rng = np.random.default_rng(0)
    left = []
    for _ in range(12):
        res = minimize(rosen, rng.normal(size=4), tol=tol, rng=0)
        assert res.success
        left.append(min(res.fun, abs(res.fun - 3.70142855)))  # which is another minimum
    assert np.sum(np.array(left) > 10 * tol) <= 1
