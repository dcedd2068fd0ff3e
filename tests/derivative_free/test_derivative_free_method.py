import numpy as np
import pytest
from scipy.optimize import rosen

from smoothmin import minimize
from smoothmin._status import Status


@pytest.mark.parametrize("restarts", [0, 1])
def test_finite_values_near_the_start_alone_are_a_result(restarts):
    x0 = np.array([1.0, 2.0, 3.0])

    def fun(x):
        return float(x @ x) if np.abs(x - x0).max() < 1e-5 else np.nan

    options = {"maxfev": 3000, "restarts": restarts}
    res = minimize(fun, x0, method="homotopy", rng=0, options=options)
    assert res.status != Status.NONFINITE
    assert not res.success or res.fun < fun(x0) - 1.1999e-4  # the lowest corner
    assert fun(x0) - 1.3e-4 < res.fun < fun(x0) - 1e-5


def test_nothing_finite_is_said():
    res = minimize(lambda x: np.nan, [1.0, 2.0], method="homotopy", rng=0, options={"maxfev": 500})
    assert res.status in (Status.NONFINITE, Status.MAXFEV)
    assert not res.success


@pytest.mark.parametrize("n", [3, 20, 60])
def test_phases_come_in_the_order_that_the_size_suggests(n):
    def fun(x):
        return ((x - 0.3) ** 4).sum(axis=0) + (x[1:] - x[:-1]).sum(axis=0) ** 2

    expected = {n: ["model", "separability", "descent"] for n in (3, 20)}
    expected[60] = ["separability", "descent"]
    bounds = [(-5, 5)] * n
    res = minimize(
        fun, np.ones(n), method="homotopy", vectorized=True, bounds=bounds, rng=0,
        options={"maxfev": 20 * n},
    )  # fmt: skip
    assert list(res.phase_nfev)[: len(expected[n])] == expected[n]
    assert 0 <= res.nfev - sum(res.phase_nfev.values()) <= 2 * n + 2
    assert sum(res.phase_gain.values()) > 0
    assert res.fun < 0.05 * fun(np.ones(n))


def test_noise_seen_by_the_model_descent_is_reported_without_many_evaluations():
    rng = np.random.default_rng(0)
    n = 15
    res = minimize(
        lambda x: float(x @ x) + 1e-2 * rng.standard_normal(), np.full(n, 2.0),
        method="homotopy", rng=0, options={"maxfev": 12 * n},
    )  # fmt: skip
    assert 3e-3 < res.noise < 3e-2
    assert res.error > res.noise


def test_noise_larger_than_what_the_start_shows_is_no_convergence():
    """Around the start the function changes by less than its noise, farther off by more."""

    def exact(x):
        return (x[0] - 2) ** 2 + abs(x[1] + 1)

    ends, successes = [], 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        res = minimize(
            lambda x, rng=rng: exact(x) + 0.5 * rng.standard_normal(), [0.0, 0.0], rng=seed
        )
        successes += res.success
        assert 0.1 < res.noise < 2.0
        ends.append(exact(res.x))
    assert successes >= 9
    assert np.median(ends) < 0.25
    assert np.count_nonzero(np.array(ends) < 1.0) >= 9


def test_small_start_values_say_their_own_scale():
    """Michaelis and Menten in moles per litre: the constants are 3e-3 and 4e-5."""
    concentrations = np.logspace(-6, -3, 15)
    data = 3e-3 * concentrations / (4e-5 + concentrations)

    def fun(p):
        return np.square(1e3 * (p[0] * concentrations / (p[1] + concentrations) - data)).sum()

    res = minimize(fun, [2e-3, 1e-4], rng=0, options={"maxfev": 60})
    np.testing.assert_allclose(res.x, [3e-3, 4e-5], rtol=1e-3)
    assert next(iter(res.phase_nfev)) == "scale"


@pytest.mark.parametrize("seed", range(3))
def test_a_sine_wave_of_which_the_frequency_is_half_a_bin_off_is_found(seed):
    rng = np.random.default_rng(2)
    t = np.linspace(0, 10, 120)
    data = 2 * np.sin(2 * np.pi * 1.34 * t + 3.0) + 5 + 0.5 * rng.standard_normal(120)

    def fun(p):
        return np.square(p[0] * np.sin(2 * np.pi * p[1] * t + p[2]) + p[3] - data).mean()

    best = fun([2, 1.34, 3.0, 5])
    options = {"maxfev": 1500, "restarts": 1}
    res = minimize(fun, [1.5, 1.39, 0.0, 5.0], rng=seed, options=options)
    assert res.fun <= best


def test_scouts_go_out_where_jumps_let_no_descent_find_a_minimum():
    def jumpy(x):
        return float(np.sum(x**2 + np.abs(x)) + 0.1 * np.floor(7 * np.sin(1e5 * x).sum()))

    res = minimize(jumpy, [2.0, 2.0], method="derivative-free", rng=0, options={"maxfev": 2000})
    assert res.phase_nfev["scout"] > 0


def test_a_box_without_a_value_at_the_start_is_sampled():
    def fun(x):
        return float(((x - 0.8) ** 2).sum()) if x.sum() > 2.6 else np.nan

    asked = []

    def noted(x):
        asked.append(x.copy())
        return fun(x)

    start = np.full(5, 0.4)
    res = minimize(noted, start, bounds=[(0, 1)] * 5, rng=0, options={"maxfev": 2000})
    assert np.array_equal(asked[0], start)
    assert res.fun < 1e-6
    assert minimize(lambda x: np.nan, start, bounds=[(0, 1)] * 5, rng=0).status == 3
    assert minimize(fun, start, rng=0).status == 3


@pytest.mark.parametrize("n", [3, 51, 101])
@pytest.mark.parametrize("start", [1e-2, 1 + 1e-4])
def test_the_start_is_evaluated_first(n, start):
    asked = []

    def fun(x):
        asked.append(x.copy())
        return rosen(x)

    x0 = np.full(n, start)
    res = minimize(fun, x0, rng=0, options={"maxfev": 6 * n})
    assert np.array_equal(asked[0], x0)
    assert res.fun <= rosen(x0)


def test_kinks_without_a_box_are_come_down_to_a_minimum():
    res = minimize(
        lambda x: float(np.abs(x - 1).sum()), np.zeros(4), rng=0,
        options={"maxfev": 2000, "restarts": "budget"},
    )  # fmt: skip
    assert res.fun < 1e-6


def test_sum_over_the_variables_is_searched_along_these():
    centre = np.array([0.7, -1.3, 2.9, 0.1, -3.3, 1.0, 2.0, -2.2])

    def waves(x):
        z = x - centre
        return float((z**2 + 10 - 10 * np.cos(2 * np.pi * z)).sum())

    x0 = np.random.default_rng(1).uniform(-4, 4, 8)
    options = {"maxfev": 1200, "restarts": "budget"}
    res = minimize(waves, x0, method="homotopy", bounds=[(-5, 5)] * 8, rng=0, options=options)
    assert list(res.phase_nfev)[:4] == ["sample", "model", "separability", "coordinates"]
    assert res.fun < 1e-8


@pytest.mark.parametrize("n", [2, 5])
def test_descents_begin_in_the_middle_of_a_box_if_that_is_lower(n):
    asked = []

    def fun(x):
        asked.append(x.copy())
        return rosen(x + 1) + 1e-3 * np.cos(9 * x).sum()

    bounds, options = [(-5, 7)] * n, {"maxfev": 40 * n, "restarts": "budget"}
    x0 = np.full(n, 6.0)
    minimize(fun, x0, bounds=bounds, rng=0, options=options)
    assert np.array_equal(asked[0], x0)
    assert np.array_equal(asked[1], np.ones(n))
    assert np.abs(np.array(asked[2 : 2 * n + 2]) - 1).max() < 3  # the first points of a model
    first = asked[: 2 * n + 2]
    assert len(np.unique(first, axis=0)) == len(first)
    asked.clear()
    minimize(fun, x0, bounds=bounds, rng=0, options={"maxfev": 20})
    assert np.abs(np.array(asked[: 2 * n + 1]) - 6).max() < 6  # of one minimum the start decides


def test_first_descents_to_other_minima_come_before_the_search():
    def himmelblau(x):
        a, b = x
        return float(
            (a**2 + b - 11) ** 2 + (a + b**2 - 7) ** 2 + 0.1 * ((a - 3) ** 2 + (b - 2) ** 2)
        )

    solved = 0
    for seed in range(5):
        x0 = np.random.default_rng(seed).uniform(-6, 6, 2)
        options = {"maxfev": 400, "restarts": "budget"}
        res = minimize(himmelblau, x0, bounds=[(-6, 6)] * 2, rng=seed, options=options)
        solved += res.fun < 1e-6
        names = list(res.phase_nfev)
        assert "search" not in names or names.index("descent") < names.index("search")
    assert solved >= 1


def test_descents_on_a_plateau_are_given_up():
    def steps(x):
        return float(np.floor(np.abs(x - 0.3) * 2).sum() + np.floor(np.abs(x @ np.ones(6))))

    options = {"maxfev": 3000, "restarts": "budget"}
    res = minimize(
        steps, np.full(6, 3.9), method="homotopy", bounds=[(-4, 6)] * 6, rng=0, options=options
    )
    assert res.phase_nfev["descent"] < 0.25 * res.nfev


def kinked(x):
    return float(np.abs(x - [0.3, -0.2, 0.1]).sum() + 2 * abs(x.sum()))


@pytest.mark.parametrize("bounds", [None, [(-5, 5)] * 3])
@pytest.mark.parametrize("unit", [1e-20, 1e-9, 1.0, 1e6])
def test_units_of_the_value_do_not_matter(bounds, unit):
    """Rounding alone makes a run up to three times as long as another."""
    res = minimize(lambda x: unit * kinked(x), [2.2, -1.7, 3.3], bounds=bounds, rng=0)
    assert res.success
    assert res.nfev < 3000
    assert res.fun / unit - 0.2 < 1e-8


def test_a_tolerance_saves_evaluations():
    runs = [minimize(kinked, [2.2, -1.7, 3.3], tol=tol, rng=0) for tol in (None, 1e-5, 1e-2, 1.0)]
    assert all(run.success for run in runs)
    assert runs[1].fun - 0.2 < 1e-5
    assert runs[2].fun - 0.2 < 0.07  # a hundredth of the decrease would be 0.14
    saved = [run.nfev for run in runs]
    assert saved[0] > saved[1]
    assert max(saved[2:]) < 0.7 * saved[0]  # the path across kinks is another by then
    option = {"options": {"xtol": 1e-5, "ftol": 1e-5}}
    assert minimize(kinked, [2.2, -1.7, 3.3], **option, rng=0).nfev == saved[1]


def jumping_curvature(power):
    """Across every face through the minimum at 0.5 the curvature jumps by a million."""
    n = 8
    turned = np.linalg.qr(np.random.default_rng(1).standard_normal((n, n)))[0]

    def fun(x):
        z = turned @ (x - 0.5)
        return float((np.where(z > 0, 1e6, 1) * z * z).sum() ** power)

    return fun


def test_where_a_descent_creeps_a_search_near_by_goes_on():
    n, crept, near = 8, 0, 0
    for seed in (1, 2, 9):  # which of these descents creep, and how soon, is a matter of rounding
        points, fun = [], jumping_curvature(0.5)

        def noted(x, points=points, fun=fun):
            points.append(x.copy())
            return fun(x)

        x0 = np.random.default_rng(seed).uniform(-4, 4, n)
        options = {"maxfev": 215 * n}
        res = minimize(noted, x0, bounds=[(-5, 5)] * n, rng=seed, options=options)
        if res.phase_nfev.get("search", 0) > 10:  # more than a first generation
            crept += 1
            near += np.abs(np.array(points[-10:]) - res.x).max() < 0.2  # of a box ten wide
    assert near > crept / 2


@pytest.mark.parametrize("seed", range(3))
def test_descents_get_along_where_curvature_jumps(seed):
    x0 = np.random.default_rng(seed).uniform(-4, 4, 8)
    options = {"maxfev": 120 * 8}
    res = minimize(jumping_curvature(0.9), x0, bounds=[(-5, 5)] * 8, rng=seed, options=options)
    assert res.phase_gain["descent"] > 0
    assert res.fun < 1e-12


def test_no_phase_asks_again_for_what_is_known():
    points = []

    def fun(x):
        points.append(tuple(x))
        return rosen(x)

    minimize(fun, np.array([-1.2, 1.0, 0.7]), rng=0, options={"maxfev": 60})
    assert len(set(points)) == len(points)


@pytest.mark.parametrize("n", [2, 5, 10])
def test_quadratics_in_a_box_take_few_evaluations(n):
    centre = np.linspace(-2, 2, n)
    turn = np.linalg.qr(np.random.default_rng(n).standard_normal((n, n)))[0]
    hessian = turn * np.logspace(0, 2, n) @ turn.T
    for matrix, budget in ((np.eye(n), 2 * n + 6), (hessian, 9 * n)):
        values = []

        def fun(x, matrix=matrix, values=values):
            values.append(float((x - centre) @ matrix @ (x - centre)))
            return values[-1]

        minimize(fun, np.full(n, 3.0), bounds=[(-5, 5)] * n, rng=0, options={"maxfev": budget})
        assert min(values) < 1e-8


@pytest.mark.parametrize("beyond", [np.nan, np.inf, 1e3])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_minimum_on_the_edge_of_a_cliff_is_found_and_ends_the_run(seed, beyond):
    rng = np.random.default_rng(seed)
    n, centre = 3, rng.uniform(-3, 3, 3)
    normal = rng.standard_normal(n)
    normal /= np.linalg.norm(normal)

    def fun(x):
        height = normal @ (x - centre)
        return beyond if height < 0 else float(((x - centre) ** 2).sum() + 5 * height)

    options = {"maxfev": 1500 * n}
    res = minimize(fun, centre + 2 * normal, bounds=[(-6, 6)] * n, rng=seed, options=options)
    assert res.fun < 1e-3
    assert res.nfev < 1500 * n


@pytest.mark.parametrize("n", [2, 5])
def test_a_box_whose_values_are_the_same_around_the_start_is_sampled(n):
    fun = lambda x: float(min(((x - 1) ** 2).sum(), 25.0))  # noqa: E731
    x0, box = np.full(n, 8.0), [(-9, 9)] * n
    res = minimize(fun, x0, bounds=box, rng=0, options={"maxfev": 3000})
    assert res.fun < 1e-8
    res = minimize(lambda x: 7.0, x0, bounds=box, rng=0)
    assert not res.success
    assert res.nfev < 600 * n


@pytest.mark.parametrize("seed", [0, 3])
def test_noise_success_and_error(seed):
    noise = np.random.default_rng(seed)

    def true(x):
        return float(5 * (x[0] - 1) ** 2 + (x[1] + 2) ** 2)

    res = minimize(lambda x: true(x) + 0.1 * noise.standard_normal(), [3.0, 1.0], rng=seed)
    assert res.success
    assert true(res.x) < 0.2
    assert abs(res.fun - true(res.x)) <= 2 * res.error < 1  # for certain, not in 19 of 20 runs


def test_a_box_of_the_least_width():
    res = minimize(lambda x: float(x @ x), [0.0, 1.0], bounds=[(0, 5e-324), (0, 5)], rng=0)
    assert res.fun < 1e-8


@pytest.mark.parametrize("bad", [np.nan, 1e3])
@pytest.mark.parametrize(("n", "seed"), [(2, 5), (4, 6)])
def test_a_minimum_on_a_cliff_is_found_once(n, seed, bad):
    rng = np.random.default_rng(seed)
    low, normal = rng.uniform(-3, 3, n), rng.standard_normal(n)
    normal /= np.linalg.norm(normal)
    values = []

    def fun(x):
        side = normal @ (x - low)
        values.append(bad if side < 0 else float(((x - low) ** 2).sum() + 5 * side))
        return values[-1]

    res = minimize(fun, low + 2 * normal, bounds=[(-6, 6)] * n, rng=seed)
    assert res.fun < 1e-6
    assert res.nfev < 1000 * n
    assert np.nanmin(values[: 300 * n]) < 1.4e-3


def test_restarts_without_bounds_reach_as_far_as_variables_went():
    def fun(x):
        return float(min((x[0] - 10) ** 2, (x[0] + 12) ** 2 - 1))

    res = minimize(fun, 0.5, rng=0, options={"maxfev": 400, "restarts": "budget"})
    assert res.fun < -0.99


def test_sums_of_squares_that_vanish_end_soon():
    """Falls of the model before count, and rounding beside a value of zero is no noise."""
    evaluations = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        axes = np.linalg.qr(rng.standard_normal((5, 5)))[0]
        weights, lowest = 10.0 ** np.linspace(0, 2, 5), rng.uniform(-2, 2, 5)
        res = minimize(
            lambda x, w=weights, q=axes, at=lowest: float(w @ (q @ (x - at)) ** 2),
            rng.uniform(-4, 4, 5),
            bounds=[(-5, 5)] * 5,
            rng=seed,
        )
        assert res.success
        assert res.fun < 1e-12
        evaluations.append(res.nfev)
    assert np.exp(np.mean(np.log(evaluations))) < 180
