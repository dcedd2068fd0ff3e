"""Values that are known: `warm_start`, and points told to an `Optimizer` that did not ask."""

import pickle

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der

from smoothmin import Optimizer, minimize

X0 = np.array([-1.2, 1.0])


class Counted:
    def __init__(self):
        self.points = []

    def __call__(self, x):
        self.points.append(np.array(x))
        return rosen(x)


def first(**options):
    return minimize(rosen, X0, rng=0, options={"history": "points"} | options)


@pytest.mark.parametrize("what", ["result", "history", "pair"])
def test_nothing_that_is_known_is_evaluated_again(what):
    res, fun = first(maxfev=60), Counted()
    history = res.history
    known = {"result": res, "history": history, "pair": (history.points, history.value)}[what]
    again = minimize(fun, X0, rng=0, options={"warm_start": known, "maxfev": 60})
    old = {x.tobytes() for x in history.points}
    assert not any(x.tobytes() in old for x in fun.points)
    assert again.fun <= res.fun


def test_a_longer_run_costs_what_it_is_longer():
    short, whole = first(maxfev=60), minimize(rosen, X0, rng=0)
    rest = minimize(rosen, X0, rng=0, options={"warm_start": short})
    assert rest.fun == pytest.approx(whole.fun, abs=1e-12)
    assert rest.nfev <= whole.nfev - 40


def test_a_known_value_is_a_candidate_for_the_result():
    for how in ({}, {"jac": rosen_der}, {"method": "lbfgs", "jac": rosen_der}):
        res = minimize(
            rosen, X0, rng=0, options={"maxfev": 3, "warm_start": ([[1.0, 1.0]], [0.0])}, **how
        )
        assert res.fun == 0.0
        assert np.array_equal(res.x, [1.0, 1.0])


def test_points_outside_the_problem_are_left_out():
    known = ([[1.0, 1.0], [0.0, 0.5]], [-9.0, -1.0])
    res = minimize(
        rosen, X0, bounds=[(-2, 0.5), (0, 2)], rng=0, options={"maxfev": 9, "warm_start": known}
    )
    assert res.fun == -1.0
    fixed = minimize(
        rosen, [0.0, 0.7], bounds=[(-2, 2), (0.7, 0.7)], options={"maxfev": 9, "warm_start": known}
    )
    assert fixed.fun > 0


def test_integers_are_taken_up():
    known = ([[1.0, 1.0], [2.5, 4.0]], [0.0, -5.0])
    res = minimize(
        rosen,
        [3, 3],
        bounds=[(-5, 5)] * 2,
        integrality=True,
        rng=0,
        options={"warm_start": known, "maxfev": 4},
    )
    assert res.fun == 0.0


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (3, TypeError),
        (([[1.0, 1.0]], [1.0, 2.0]), ValueError),
        (([[1.0, 1.0, 1.0]], [1.0]), ValueError),
        (([[np.nan, 1.0]], [1.0]), ValueError),
        ({"fun": 1.0}, ValueError),
    ],
)
def test_warm_start_is_checked(value, error):
    fun = Counted()
    with pytest.raises(error, match="warm_start"):
        minimize(fun, X0, options={"warm_start": value})
    assert not fun.points


def test_a_history_without_points_and_constraints_are_refused():
    with pytest.raises(ValueError, match='history="points"'):
        minimize(rosen, X0, options={"warm_start": first(history=True).history})
    held = {"type": "ineq", "fun": lambda x: x[0]}
    with pytest.raises(NotImplementedError, match="warm_start and constraints"):
        minimize(rosen, X0, constraints=held, options={"warm_start": (X0[None], [1.0])})


def drive(optimizer, most=1000):
    for _ in range(most):
        if optimizer.stop():
            return optimizer
        points = optimizer.ask()
        optimizer.tell(points, [rosen(x) for x in points])
    return optimizer


@pytest.mark.parametrize("method", ["derivative-free", "gaussian-search", "lbfgs"])
def test_a_point_that_was_not_asked_for_leads_on(method):
    optimizer = drive(Optimizer([-3.0, 4.0], method=method, rng=0), 6)
    count = optimizer.result.nfev
    optimizer.tell([[0.9, 0.8]], [rosen(np.array([0.9, 0.8]))])
    assert optimizer.result.nfev == count
    assert np.array_equal(optimizer.result.x, [0.9, 0.8])
    assert np.abs(optimizer.ask() - [0.9, 0.8]).max() < 3
    twin = pickle.loads(pickle.dumps(optimizer))
    assert np.array_equal(twin.ask(), optimizer.ask())
    one, other = drive(optimizer).result, drive(twin).result
    assert one.fun < 1e-6
    assert one.fun == other.fun


def test_known_points_are_not_asked_for():
    plain = Optimizer(X0, method="gaussian-search", rng=0)
    asked = plain.ask()
    optimizer = Optimizer(X0, method="gaussian-search", rng=0)
    optimizer.tell(np.concatenate([[X0 + 5]]), [rosen(X0 + 5)])  # higher: nothing begins anew
    assert np.array_equal(optimizer.ask(), asked)
    told = pickle.loads(pickle.dumps(drive(optimizer, 3)))
    assert np.array_equal(told.ask(), optimizer.ask())


def test_a_target_reached_elsewhere_ends_the_run():
    optimizer = Optimizer(X0, rng=0, options={"f_target": 1e-3})
    optimizer.tell([1.0, 1.0], [0.0])
    assert list(optimizer.stop()) == ["target"]
    assert optimizer.result.success


def test_what_is_told_is_checked():
    optimizer = Optimizer(X0, bounds=[(-2, 2)] * 2, rng=0)
    asked = optimizer.ask()
    for points, values in (([[9.0, 0]], [1.0]), ([[1.0]], [1.0]), ([[1.0, 1.0]], [1.0, 2.0])):
        with pytest.raises(ValueError, match="points"):
            optimizer.tell(points, values)
    assert np.array_equal(optimizer.ask(), asked)


def ripples(x):
    return float(20 + np.sum(x**2 - 10 * np.cos(2 * np.pi * x)))


@pytest.mark.parametrize("local", ["model-descent", "coordinate-search", "gaussian-search"])
def test_a_local_method_of_choice_inside_restarts(local):
    options = {"maxfev": 1200, "restarts": "budget", "local": local, "f_target": 1e-6}
    assert minimize(ripples, [2.2, -1.7], bounds=[(-5, 5)] * 2, rng=0, options=options).success


@pytest.mark.parametrize(
    ("value", "error"), [("lbfgs", ValueError), (3, TypeError), ("derivative-free", ValueError)]
)
def test_local_is_checked(value, error):
    with pytest.raises(error, match="local"):
        minimize(rosen, X0, options={"local": value})


def test_popsize_is_the_population():
    for method, name in (("derivative-free", "n"), ("gaussian-search", "population")):
        runs = [
            minimize(rosen, X0, method=method, rng=0, options={key: 9, "maxfev": 90})
            for key in ("popsize", name)
        ]
        assert np.array_equal(runs[0].x, runs[1].x)
        with pytest.raises(ValueError, match="popsize"):
            minimize(rosen, X0, method=method, options={"popsize": 9, name: 9})
        with pytest.raises(ValueError, match=name):
            minimize(rosen, X0, method=method, options={"popsize": 2})


def test_tolerances_of_each_variable():
    def valley(x):
        return float((x[0] - 1) ** 2 + 1e-4 * (x[1] - 3) ** 4)

    loose = minimize(valley, X0, method="gaussian-search", rng=0, options={"xtol": [1e-9, 0.1]})
    tight = minimize(valley, X0, method="gaussian-search", rng=0, options={"xtol": 1e-9})
    assert loose.success
    assert loose.nfev <= tight.nfev
    assert abs(loose.x[0] - 1) < 1e-6
    box = [(-5, 5)] * 2
    both, neither = (
        sum(minimize(rosen, X0, bounds=box, rng=seed, options=options).nfev for seed in range(3))
        for options in ({"xatol": [1e-3, 1e-3], "restarts": 1}, {"restarts": 1})
    )
    assert both < neither
    for bad in ([1e-3, -1.0], "a", [1, 2, 3]):
        with pytest.raises((TypeError, ValueError), match="tol"):
            minimize(rosen, X0, options={"xatol": bad, "restarts": 1, "maxfev": 300})


def bowl(x):
    return 100 + float(np.arange(1, x.size + 1) @ (x - 1) ** 2)


@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "CG", "SLSQP"])
@pytest.mark.parametrize("fun", [bowl, rosen, lambda x: 1 + rosen(x)])
def test_a_start_that_is_the_minimum_is_the_end_by_differences(method, fun):
    res = minimize(fun, np.ones(5), method=method, rng=0)
    assert res.success, res.message
    assert res.nfev <= 8 + 2 * 5 + 4  # the search for noise, both sides, two directions
    np.testing.assert_allclose(res.x, 1.0, atol=1e-6)


@pytest.mark.parametrize("method", ["bfgs", "lbfgs"])
@pytest.mark.parametrize("offset", [1e-8, 1e-7, 1e-6])
def test_a_start_beside_the_minimum_is_soon_at_it_by_differences(method, offset):
    start = np.array([1.0, 1, 1, 1]) + offset * np.array([1, -2, 1, 0.5])
    res = minimize(bowl, start, method=method, rng=0)
    assert res.success, res.message
    assert res.nfev <= 40
    assert res.fun <= 100 + 1e-12


@pytest.mark.parametrize("method", ["bfgs", "lbfgs"])
@pytest.mark.parametrize("steep", [1e2, 1e4, 1e6])
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_start_in_a_valley_is_no_minimum(method, steep, level):
    def valley(x):
        return level + float(steep * np.sum((x[1:] - x[:-1] ** 2) ** 2) + np.sum((1 - x[:-1]) ** 2))

    start = 0.999 ** np.array([1, 2, 4])
    res = minimize(valley, start, method=method, rng=0)
    assert not res.success or res.fun - level <= 1e-6 * max(level, valley(start) - level)


@pytest.mark.parametrize("method", ["bfgs", "lbfgs"])
@pytest.mark.parametrize("steep", [1.0, 1e6])
def test_a_start_on_top_along_one_coordinate_is_no_minimum(method, steep):
    res = minimize(lambda x: (x[0] ** 2 - 1) ** 2 + steep * x[1] ** 2, [0.0, 0.0], method=method)
    assert not res.success or res.fun < 1e-6


@pytest.mark.parametrize("level", [0.0, 1.0, 100.0])
def test_a_start_on_a_kink_is_no_minimum_by_differences(level):
    def kinked(x):
        return level + abs(x[0] - x[1]) + 1e-3 * np.sum((x - 1) ** 2)

    for method in ("bfgs", "lbfgs"):
        res = minimize(kinked, [0.0, 0.0], method=method, rng=0)
        assert not res.success or res.fun <= level + 1e-6
