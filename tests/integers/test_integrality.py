"""Integers among the variables: nothing else is evaluated, minima are found, success is honest."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import OptimizeWarning, differential_evolution, rosen

from smoothmin import Bounds, GaussianSearch, Optimizer, minimize

CENTRE = np.array([3.2, -7.4, 1.4, 12.0])


def sphere(x):
    return float(((x - CENTRE[: x.size]) ** 2).sum())


def turned(x):
    """Condition 100, turned; its lowest integers are not those next to the minimum."""
    q = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
    y = q @ (x - np.array([0.6, -2.3, 4.4, 1.1]))
    return float(np.logspace(0, 2, 4) @ y**2)


class Seen:
    """A function that remembers where it was evaluated."""

    def __init__(self, fun):
        self.fun, self.points = fun, []

    def __call__(self, x):
        self.points.append(np.array(x))
        return self.fun(x)


def lowest_turned():
    """By looking at all integers near the minimum."""
    axes = np.arange(-6.0, 7.0)
    grid = np.stack(np.meshgrid(*[axes] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    q = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
    y = (grid - np.array([0.6, -2.3, 4.4, 1.1])) @ q.T
    return float((y**2 @ np.logspace(0, 2, 4)).min())


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 1000),
    mask=st.lists(st.booleans(), min_size=3, max_size=3),
    method=st.sampled_from(["derivative-free", "gaussian-search"]),
    boxed=st.booleans(),
)
def test_only_integers_inside_the_bounds_are_evaluated(seed, mask, method, boxed):
    low, high = np.array([-4.5, -9.0, -0.3]), np.array([6.2, 3.0, 2.9])
    fun = Seen(sphere)
    start = np.round(np.random.default_rng(seed).uniform(low, high))
    start = np.clip(start, np.ceil(low), np.floor(high))
    res = minimize(
        fun,
        start,
        method=method,
        bounds=Bounds(low, high) if boxed else None,
        integrality=mask,
        rng=seed,
        options={"maxfev": 120, "restarts": 2} if method == "derivative-free" else {"maxfev": 120},
    )
    points = np.array(fun.points)
    assert np.array_equal(points[0], start)
    assert (points[:, mask] == np.round(points[:, mask])).all()
    assert (res.x[np.array(mask)] == np.round(res.x[np.array(mask)])).all()
    if boxed:
        assert (points >= low).all()
        assert (points <= high).all()


@pytest.mark.parametrize("seed", range(3))
def test_no_point_is_evaluated_again_but_one_to_see_whether_there_is_noise(seed):
    fun = Seen(turned)
    res = minimize(fun, [5, 5, -5, 0], bounds=[(-9, 9)] * 4, integrality=True, rng=seed)
    assert len({x.tobytes() for x in fun.points}) >= len(fun.points) - 4
    assert len(fun.points) == res.nfev
    assert sum(res.phase_nfev.values()) == res.nfev


@pytest.mark.parametrize("seed", range(3))
def test_the_lowest_integers_are_found_where_rounding_is_wrong(seed):
    res = minimize(turned, [5, 5, -5, 0], bounds=[(-6, 6)] * 4, integrality=True, rng=seed)
    assert res.success
    assert res.fun == pytest.approx(lowest_turned())
    assert res.nfev <= 300


@pytest.mark.parametrize("seed", range(2))
def test_mixed_variables_take_a_fifth_of_the_evaluations_of_differential_evolution(seed):
    mask, bounds = [True, False, True, False], [(-20, 20)] * 4
    theirs = differential_evolution(sphere, bounds, integrality=mask, rng=seed)
    ours = minimize(sphere, [10, 10.5, -10, 2.5], bounds=bounds, integrality=mask, rng=seed)
    assert ours.success
    assert ours.fun <= theirs.fun + 1e-8
    assert ours.nfev <= theirs.nfev / 5


def test_a_plateau_along_integers_is_crossed():
    def tens(x):
        return float((x[0] // 10 - 4) ** 2 + (x[1] - 2.5) ** 2)

    res = minimize(tens, [0, 0.0], bounds=[(-100, 100), (-5, 5)], integrality=[1, 0], rng=0)
    assert res.fun < 1e-8


def test_a_small_box_is_evaluated_wholly():
    table = np.random.default_rng(0).standard_normal((4, 4, 4))
    fun = Seen(lambda x: float(table[tuple(x.astype(int))]))
    res = minimize(fun, [0, 0, 0], bounds=[(0, 3)] * 3, integrality=True, rng=0)
    assert res.success
    assert res.fun == table.min()
    assert len(fun.points) == table.size
    assert "very point" in res.message


def test_the_default_is_derivative_free_with_a_gradient_too():
    res = minimize(
        lambda x: (sphere(x), 2 * (x - CENTRE[:2])), [0, 0], jac=True, integrality=True, rng=0
    )
    assert res.method == "derivative-free"
    assert np.array_equal(res.x, [3, -7])
    assert res.success


def test_a_plateau_is_no_success():
    res = minimize(lambda x: 1.0, [0, 3], bounds=[(0, 90)] * 2, integrality=True, rng=0)
    assert not res.success


def test_a_kink_of_real_variables_is_no_false_success():
    def valley(x):
        return float(abs(x[1] + x[2]) + 1e-3 * abs(x[1] - x[2] - 3) + (x[0] - 2) ** 2)

    for seed in range(3):
        res = minimize(valley, [0, 1.0, 1.0], integrality=[1, 0, 0], rng=seed)
        assert res.fun < 1e-4 or not res.success


def test_a_start_without_a_value_is_followed_by_a_sample():
    def half(x):
        return sphere(x) if x[0] > 2 else np.nan

    res = minimize(half, [-9, 0], bounds=[(-20, 20)] * 2, integrality=[1, 1], rng=0)
    assert np.array_equal(res.x, [3, -7])


def test_bounds_without_room_fix_a_variable():
    fun = Seen(sphere)
    res = minimize(fun, [2, 0.5], bounds=[(1.2, 2.9), (-10, 10)], integrality=[1, 0], rng=0)
    assert res.x[0] == 2
    assert res.x[1] == pytest.approx(CENTRE[1], abs=1e-4)


def test_blocks_and_shapes():
    def fun(p):
        return float((p["k"] - 3) ** 2 + ((p["w"] - 0.5) ** 2).sum())

    res = minimize(fun, {"k": 0.0, "w": np.zeros(2)}, integrality={"k": True}, rng=0)
    assert res.x["k"] == 3
    np.testing.assert_allclose(res.x["w"], 0.5, atol=1e-4)
    grid = minimize(
        lambda x: float(((x - 1.4) ** 2).sum()), np.zeros((2, 2)), integrality=np.eye(2), rng=0
    )
    np.testing.assert_allclose(grid.x, [[1, 1.4], [1.4, 1]], atol=1e-4)


def test_workers_and_the_optimizer_go_the_same_way():
    how = {"bounds": [(-5, 5)] * 3, "integrality": [1, 0, 1], "rng": 1}
    how |= {"options": {"maxfev": 150}}
    alone = minimize(rosen, [0, 0.5, 1], **how)
    shared = minimize(rosen, [0, 0.5, 1], workers=map, **how)
    assert np.array_equal(alone.x, shared.x)
    told = Optimizer([0, 0.5, 1], **how)
    for k in range(1000):
        if told.stop():
            break
        points = told.ask()
        told.tell(points, [rosen(x) for x in points])
        told = pickle.loads(pickle.dumps(told)) if k == 20 else told
    assert np.array_equal(told.result.x, alone.x)
    assert told.result.nfev == alone.nfev


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ([True], None),
        ([1, 0], None),
        ([True, False, True], ValueError),
        ([2, 0], ValueError),
        ("yes", TypeError),
        ([np.nan, 0], ValueError),
    ],
)
def test_integrality_is_checked(value, error):
    calls = Seen(sphere)
    if error is None:
        minimize(calls, [0, 1], integrality=value, options={"maxfev": 3}, rng=0)
        return
    with pytest.raises(error, match="integrality"):
        minimize(calls, [0, 1], integrality=value)
    assert not calls.points


def test_what_cannot_be_done_is_refused_and_says_what_can():
    with pytest.raises(NotImplementedError, match=r"lbfgs.*derivative-free"):
        minimize(sphere, [0, 0], method="lbfgs", integrality=True)
    with pytest.raises(NotImplementedError, match="derivative-free"):
        minimize(sphere, [0, 0], method="Nelder-Mead", options={"integrality": [1, 0]})
    held = {"type": "ineq", "fun": lambda x: x[0]}
    with pytest.raises(NotImplementedError, match="constraints"):
        minimize(sphere, [0, 0], method="derivative-free", integrality=True, constraints=held)
    with pytest.raises(ValueError, match=r"bounds of variable 1.*0\.2 and 0\.8"):
        minimize(sphere, [0, 0.5], bounds=[(0, 2), (0.2, 0.8)], integrality=True)
    with pytest.warns(OptimizeWarning, match="rounded"):
        minimize(sphere, [0.4, 0.5], integrality=[1, 0], options={"maxfev": 1})


def test_no_integers_at_all_change_nothing():
    how = {"rng": 0, "options": {"maxfev": 60}}
    plain = minimize(rosen, [0.3, 0.4], **how)
    assert np.array_equal(plain.x, minimize(rosen, [0.3, 0.4], integrality=[0, 0], **how).x)
    same = minimize(rosen, [0.3, 0.4], method=GaussianSearch(), integrality=False, **how)
    assert np.array_equal(same.x, minimize(rosen, [0.3, 0.4], method=GaussianSearch(), **how).x)


@pytest.mark.parametrize("seed", range(3))
def test_a_plateau_inside_the_function_is_no_false_success(seed):
    def steps(x):
        return float((np.floor(x[0]) - 4) ** 2 + (x[1] - 1.3) ** 2)

    res = minimize(steps, [9.3, 0.0], rng=seed)
    assert res.fun < 1e-6 or not res.success
