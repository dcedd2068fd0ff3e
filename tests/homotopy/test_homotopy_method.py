"""`Homotopy`: known minima within budgets, and the promises of its result."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import rosen

from smoothmin import GradientSampling, Homotopy, minimize
from smoothmin._status import Status

# every method is tried with the same arguments
pytestmark = pytest.mark.filterwarnings("ignore:.*takes values alone. the gradient:RuntimeWarning")

BUDGET = {"restarts": "budget"}


def rastrigin(x, shift=0.7):
    z = x - shift
    return float((z**2 + 10 - 10 * np.cos(2 * np.pi * z)).sum())


def rastrigin_der(x, shift=0.7):
    z = x - shift
    return 2 * z + 20 * np.pi * np.sin(2 * np.pi * z)


def ackley(x):
    z = x + 1.3
    waves = np.exp(np.mean(np.cos(2 * np.pi * z)))
    return float(20 + np.e - 20 * np.exp(-0.2 * np.sqrt(np.mean(z**2))) - waves)


def skew(x):
    """Many minima, nothing symmetric about the best of them."""
    phase = np.linspace(-2, 2, len(x))
    return float((x**2 + 10 * (1 - np.cos(2 * np.pi * x + phase))).sum())


def kinked(x):
    return float(np.abs(x - np.arange(len(x))).sum() + 3 * np.abs(x.sum() - 1))


@pytest.mark.parametrize(
    ("fun", "n", "budget", "tolerance"),
    [
        (rastrigin, 2, 2000, 1e-8),
        (rastrigin, 5, 10_000, 1e-8),
        (ackley, 3, 3000, 1e-6),
        (ackley, 10, 10_000, 1e-5),
        (rosen, 5, 1000, 1e-8),
        (rosen, 20, 8000, 1e-8),
        (kinked, 4, 4000, 1e-5),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_known_minima_from_values_in_a_box(fun, n, budget, tolerance, seed):
    x0 = np.random.default_rng([n, seed]).uniform(-4, 4, n)
    lowest = {kinked: abs(n * (n - 1) / 2 - 1)}.get(fun, 0.0)
    options = {"maxfev": budget, "f_target": lowest + tolerance, **BUDGET}
    res = minimize(fun, x0, method="homotopy", bounds=[(-5, 5)] * n, rng=seed, options=options)
    assert res.fun <= lowest + tolerance
    assert res.status == Status.TARGET


@pytest.mark.parametrize("fun", [rosen, lambda x: float(x @ x) + 7])
@pytest.mark.parametrize("n", [1, 2, 6])
def test_stops_by_itself_where_it_has_converged(fun, n):
    if fun is rosen and n == 1:
        return
    res = minimize(fun, np.full(n, 1.7), rng=0)
    assert (res.method, res.status, res.success) == ("derivative-free", Status.CONVERGED, True)
    assert res.fun - (7 if res.fun > 5 else 0) < 1e-9
    assert res.nfev < 400 * n + 200
    ends = ("<=", "noise", "rounding", "generations", "next to nothing")
    assert any(word in res.message for word in ends)


@pytest.mark.parametrize("bounded", [True, False])
@pytest.mark.parametrize(("n", "budget"), [(2, 1000), (10, 6000)])
def test_known_minimum_with_gradients(n, budget, bounded):
    x0 = np.random.default_rng(n).uniform(-4, 4, n)
    res = minimize(
        rastrigin,
        x0,
        jac=rastrigin_der,
        method="homotopy",
        bounds=[(-5, 5)] * n if bounded else None,
        rng=1,
        options={"maxfev": budget, "f_target": 1e-8, **BUDGET},
    )
    assert res.status == Status.TARGET


def test_minima_that_are_not_symmetric():
    n = 5
    axis = np.linspace(-5, 5, 200_001)
    lowest = sum(
        np.min(axis**2 + 10 * (1 - np.cos(2 * np.pi * axis + p))) for p in np.linspace(-2, 2, n)
    )
    x0 = np.random.default_rng(3).uniform(-4, 4, n)
    res = minimize(skew, x0, bounds=[(-5, 5)] * n, rng=2, options={"maxfev": 10_000, **BUDGET})
    assert res.fun < lowest + 1e-6


@pytest.mark.parametrize("seed", [0, 1])
def test_many_variables_whose_minima_are_not_symmetric(seed):
    n, turn = 30, np.linalg.qr(np.random.default_rng(seed).standard_normal((30, 30)))[0]
    phase = np.linspace(-2, 2, n)
    axis = np.linspace(-1, 1, 200_001)
    lowest = sum(np.min(axis**2 + 10 * (1 - np.cos(2 * np.pi * axis + p))) for p in phase)

    def fun(x):
        z = turn @ (x - 0.4)
        slope = 2 * z + 20 * np.pi * np.sin(2 * np.pi * z + phase)
        return float((z**2 + 10 * (1 - np.cos(2 * np.pi * z + phase))).sum()), turn.T @ slope

    x0 = np.random.default_rng(seed).uniform(-4, 4, n)
    options = {"maxfev": 8000, "f_target": lowest + 1e-6, **BUDGET}
    res = minimize(
        fun, x0, jac=True, method="homotopy", bounds=[(-5, 5)] * n, rng=seed, options=options
    )
    assert res.status == Status.TARGET
    assert res.phase_gain["model"] > 0


def test_one_pass_is_what_a_call_with_gradients_means():
    def run(method):
        return minimize(
            rastrigin, [2.2, -1.7], jac=rastrigin_der, method=method, bounds=[(-5, 5)] * 2, rng=0
        )

    res, more = run("homotopy"), run(Homotopy(restarts=2))
    assert res.success
    assert res.passes == 1
    assert more.passes == 3
    assert more.fun <= res.fun


def test_noise_is_measured_and_the_error_estimated():
    runs = []
    for seed in range(3):  # what a run costs is luck, within a factor of four
        rng = np.random.default_rng(seed)

        def fun(x, rng=rng):
            return float(((x - 1) ** 2).sum()) + 0.05 * rng.standard_normal()

        res = minimize(fun, np.full(4, 3.0), rng=0)
        assert 0.02 < res.noise < 0.12
        assert abs(res.fun - ((res.x - 1) ** 2).sum()) < 2 * res.error
        assert np.abs(res.x - 1).max() < 1
        runs.append(res)
    assert np.median([res.nfev for res in runs]) < 5000
    certain = [res for res in runs if res.success]
    assert len(certain) >= 2
    assert all(res.error < res.noise for res in certain)


@pytest.mark.parametrize("jac", [None, rastrigin_der])
def test_result_says_what_the_phases_cost_and_gained(jac):
    res = minimize(
        rastrigin,
        [2.2, -1.7],
        jac=jac,
        method="homotopy",
        bounds=[(-5, 5)] * 2,
        rng=0,
        options={"restarts": 1},
    )
    assert sum(res.phase_nfev.values()) == res.nfev
    assert set(res.phase_gain) <= set(res.phase_nfev)
    assert all(gain >= 0 for gain in res.phase_gain.values())
    if jac:
        names = {"smoothed", "polish", "hop", "model", "random"}
    else:
        names = {"sample", "model", "separability", "coordinates", "descent", "search", "check"}
    assert set(res.phase_nfev) == names


@pytest.mark.parametrize("stop", ["maxfev", "maxiter", "callback"])
def test_a_run_that_is_stopped_says_what_its_phases_did(stop):
    values, calls = [], []

    def fun(x):
        values.append(rastrigin(x))
        return values[-1], rastrigin_der(x)

    def callback(intermediate_result):
        calls.append(intermediate_result.phase)
        if stop == "callback" and len(calls) == 90:
            raise StopIteration

    options = {"maxfev": {"maxfev": 700}, "maxiter": {"maxiter": 90}, "callback": {}}[stop]
    res = minimize(
        fun, np.full(6, 3.3), jac=True, method="homotopy", rng=0, callback=callback,
        bounds=[(-5, 5)] * 6, options={**options, **BUDGET},
    )  # fmt: skip
    assert res.status == {
        "maxfev": Status.MAXFEV, "maxiter": Status.MAXITER, "callback": Status.CALLBACK
    }[stop]  # fmt: skip
    assert res.fun == min(values) == rastrigin(res.x)
    assert 0 <= res.nfev - sum(res.phase_nfev.values()) < 100
    assert set(calls) <= set(res.phase_nfev)
    assert sum(res.phase_gain.values()) == pytest.approx(values[0] - res.fun)


@pytest.mark.parametrize("jac", [None, rastrigin_der])
def test_same_seed_same_run_whoever_evaluates(jac):
    runs = []
    with ThreadPoolExecutor(2) as pool:
        for workers in (None, None, pool):
            res = minimize(
                rastrigin,
                [2.2, -1.7, 0.1],
                jac=jac,
                method="homotopy",
                bounds=[(-5, 5)] * 3,
                rng=5,
                workers=workers,
                options={"maxfev": 400, **BUDGET},
            )
            runs.append(np.append(res.x, [res.fun, res.nit]))
    assert_array_equal(runs[0], runs[1])
    assert_array_equal(runs[0], runs[2])


@given(st.integers(0, 10_000), st.booleans())
@settings(deadline=None, max_examples=25)
def test_bounds_are_never_left_and_the_best_is_kept(seed, known):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    low = rng.uniform(-3, 0, n)
    high = low + 10.0 ** rng.uniform(-5, 1, n)
    values = []

    def fun(x):
        assert np.all((x >= low) & (x <= high))
        values.append(rastrigin(x))
        return values[-1]

    res = minimize(
        fun,
        rng.uniform(low, high),
        jac=rastrigin_der if known else None,
        method="homotopy",
        bounds=list(zip(low, high, strict=True)),
        rng=seed,
        options={"maxfev": 300, **BUDGET},
    )
    assert res.fun == min(values)
    assert res.nfev == len(values) <= 300


def test_shortened_samples_stay_pairs_inside_the_bounds():
    asked = []

    def fun(x):
        asked.append(x.T.copy())
        return (x**2).sum(axis=0), 2 * x

    method = GradientSampling(
        sigma=1.0, n=8, design="antithetic", include_x0=False, beyond="shorten"
    )
    bounds = [(-0.2, 5.0), (-1.0, 0.1)]
    minimize(
        fun, [0.1, -0.5], jac=True, vectorized=True, method=method, bounds=bounds, rng=0,
        options={"maxfev": 8},
    )  # fmt: skip
    steps = asked[0] - [0.1, -0.5]
    assert_allclose(steps[0::2], -steps[1::2], atol=1e-15)
    assert np.abs(steps).max(axis=0) == pytest.approx([0.3, 0.5])


def deviations(seed, n=6, m=30):
    """Sum of absolute deviations, and its gradient."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(m, n)), rng.normal(size=m)

    def fun(x):
        rest = a @ x - b
        return np.abs(rest).sum(), a.T @ np.sign(rest)

    return fun


@pytest.mark.parametrize("seed", range(6))
def test_a_kink_is_descended_to_its_end(seed):
    fun = deviations(seed)
    best = minimize(fun, np.zeros(6), jac=True, method="gradient-sampling", rng=0)
    res = minimize(fun, np.zeros(6), jac=True, method="homotopy", rng=0)
    assert res.success
    assert res.fun == pytest.approx(best.fun, abs=1e-8)
    assert res.phase_nfev["polish"] - best.nfev < 200
    assert "kink" not in res.phase_nfev
    assert res.stationarity < 1e-6


def test_a_wall_of_no_values_is_left():
    # descents end on the wall beside the minimum, samples see past it
    fun = deviations(1)
    best = minimize(fun, np.zeros(6), jac=True, rng=0)
    normal = np.random.default_rng(1).normal(size=6)
    limit = normal @ best.x + 0.1

    def walled(x):
        value, gradient = fun(x)
        return value if normal @ x < limit else np.nan, gradient

    start = np.zeros(6) if limit > 0 else 2 * limit * normal / (normal @ normal)
    res = minimize(walled, start, jac=True, method="homotopy", rng=0)
    assert res.fun == pytest.approx(best.fun, abs=1e-6)


def test_one_side_of_the_box_may_be_open():
    bounds = [(0, None), (None, 3), (None, None)]
    res = minimize(
        lambda x: float(((x - [-1, 5, 2]) ** 2).sum()), [1.0, 1.0, 1.0], bounds=bounds, rng=0
    )
    assert np.abs(res.x - [0, 3, 2]).max() < 1e-5


def test_plateaus_are_left():
    res = minimize(
        lambda x: float(np.floor(np.abs(x - 3)).sum()),
        [40.0, -20.0],
        bounds=[(-50, 50)] * 2,
        rng=0,
        options={"maxfev": 1000},
    )
    assert res.fun == 0


def test_first_size_is_taken():
    points = []

    def fun(x):
        points.append(x.copy())
        return float(x @ x)

    minimize(
        fun, [100.0, 100.0], method=Homotopy(sigma=[1e-3, 1.0]), bounds=[(-500, 500)] * 2,
        rng=0, options={"maxfev": 6},
    )  # fmt: skip
    spread = np.abs(np.array(points) - 100).max(axis=0)
    assert spread[0] < 1e-2 < 0.1 < spread[1]


@pytest.mark.parametrize(
    "options",
    [
        {"sigma": 0}, {"n": 2}, {"decay": 1}, {"stages": 0}, {"aggregate": "median"},
        {"design": "grid"}, {"restarts": -1}, {"restarts": "always"}, {"growth": 0.5}, {"gtol": -1},
        {"restarts": np.ones(2)},
    ],
)  # fmt: skip
def test_options_are_checked(options):
    with pytest.raises((TypeError, ValueError), match=next(iter(options))):
        Homotopy(**options)


def test_from_values_alone_it_is_derivative_free():
    f = lambda x: float(x @ x)  # noqa: E731
    for method in ("homotopy", Homotopy(restarts=1), Homotopy):
        options = {"maxfev": 200, "xtol": 1e-3}
        assert minimize(f, [1.0, 2.0], method=method, rng=0, options=options).method == (
            "derivative-free"
        )


@pytest.mark.parametrize(
    "options",
    [{"decay": 0.9}, {"stages": 7}, {"aggregate": "max"}, {"growth": 1.9}, {"gtol": 1e-2},
     {"design": "iid"}],
)  # fmt: skip
def test_an_option_without_effect_is_warned_of(options):
    f = lambda x: float(x @ x)  # noqa: E731
    name = next(iter(options))
    with pytest.warns(RuntimeWarning, match=name):
        minimize(f, [1.0, 2.0], method="homotopy", options=options | {"maxfev": 50}, rng=0)
    with pytest.warns(RuntimeWarning, match=name):
        minimize(f, [1.0, 2.0], method=Homotopy(**options), options={"maxfev": 50}, rng=0)


def test_a_population_that_is_too_small_is_an_error():
    f = lambda x: float(x @ x)  # noqa: E731
    with pytest.raises(ValueError, match="n must"):
        minimize(f, [1.0, 2.0], method="homotopy", options={"n": 3}, rng=0)


def test_derivative_free_asks_for_no_gradient():
    def gradient(x):
        raise AssertionError

    f = lambda x: float(x @ x)  # noqa: E731
    res = minimize(f, [1.0, 2.0], jac=gradient, method="derivative-free", rng=0)
    assert res.success
    assert res.njev == 0


@pytest.mark.parametrize("n", [1, 4, 12])
@pytest.mark.parametrize("seed", range(3))
def test_where_nothing_speaks_for_other_minima_there_is_no_pass(n, seed):
    curvatures = np.logspace(0, 2, n)

    def fun(x):
        return 3 + 0.5 * float(curvatures @ (x - 1) ** 2), curvatures * (x - 1)

    x0 = np.full(n, 3.0)
    res = minimize(fun, x0, jac=True, method="homotopy", rng=seed)
    alone = minimize(fun, x0, jac=True, method="gradient-sampling", rng=seed)
    assert res.success
    assert res.passes == 0
    assert res.nfev <= alone.nfev + 4
    assert res.fun == pytest.approx(alone.fun, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_a_function_that_is_concave_away_from_its_only_minimum_takes_no_pass(seed):
    def fun(x):
        k = int(np.abs(x).argmax())
        gradient = np.zeros(x.size)
        gradient[k] = np.sign(x[k]) / (1 + abs(x[k]))
        return float(np.log1p(abs(x[k]))), gradient

    res = minimize(fun, np.linspace(1.0, 2.0, 5), jac=True, method="homotopy", rng=seed)
    assert res.success
    assert res.passes == 0
    assert res.fun < 1e-8


def test_a_bowl_in_waves_is_no_only_minimum():
    def fun(x):
        value = float((x**2 - 10 * np.cos(2 * np.pi * x)).sum())
        return value, 2 * x + 20 * np.pi * np.sin(2 * np.pi * x)

    bounds = [(-5.0, 5.0)] * 8
    res = minimize(fun, np.full(8, 2.2), jac=True, bounds=bounds, method="homotopy", rng=0)
    assert res.passes == 1


def test_what_rounding_gains_takes_no_success_back():
    def crescent(x):
        bowl = x[0] ** 2 + (x[1] - 1) ** 2
        first, second = bowl + x[1] - 1, -bowl + x[1] + 1
        sign = 1.0 if first >= second else -1.0
        gradient = np.array([2 * sign * x[0], 2 * sign * (x[1] - 1) + 1])
        return float(max(first, second)), gradient

    res = minimize(crescent, [-1.5, 2.0], jac=True, method="homotopy", rng=0)
    assert res.success, res.message
    assert abs(res.fun) < 1e-12
