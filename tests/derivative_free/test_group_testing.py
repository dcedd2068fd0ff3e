import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import rosen, rosen_der

from smoothmin import minimize
from smoothmin._protocol import Answers
from smoothmin.derivative_free.group_testing import LEFT, GroupTests, few_parts, pays


def changes_found(fun, x, gradient, step, rng, size=1e-7, box=None):
    """What the tests say, and the points that they asked for."""
    x = np.asarray(x, dtype=float)
    sizes = np.broadcast_to(size, x.shape)
    steps, asked, reply = GroupTests(x, fun(x), gradient, sizes, rng, box).run(step), [], None
    while True:
        try:
            ask = steps.send(reply)
        except StopIteration as end:
            return end.value, np.array(asked).reshape(-1, x.size)
        asked.extend(ask.points)
        reply = Answers(np.array([fun(point) for point in ask.points]), None)


def test_few_changes_are_found_in_few_values():
    missed = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        n, few = int(rng.integers(50, 150)), int(rng.integers(1, 5))
        gradient, changed = rng.standard_normal(n), np.zeros(n)
        changed[rng.choice(n, few, replace=False)] = rng.uniform(1, 10, few)
        slopes = gradient + changed
        found, asked = changes_found(
            lambda x, slopes=slopes: float(slopes @ x),
            np.zeros(n),
            gradient,
            rng.random(n),
            rng,
            size=1.0,
        )
        # one for all, and one on each level of the tree for each
        assert len(asked) <= 1 + few * int(np.ceil(np.log2(n)))
        missed += np.linalg.norm(found - slopes) > 2 * LEFT * np.linalg.norm(changed)
    assert missed <= 15  # two in a group may cancel by chance


@given(st.integers(50, 150), st.integers(0, 2**32 - 1))
def test_many_changes_cost_no_more_than_all_coordinates(n, seed):
    rng = np.random.default_rng(seed)
    slopes = rng.choice([-1.0, 1.0], n) * rng.uniform(1, 2, n)
    _, asked = changes_found(
        lambda x: float(slopes @ x), np.zeros(n), np.zeros(n), np.ones(n), rng, size=1.0
    )
    assert len(asked) <= n
    assert not pays(slopes)


def test_differences_stay_within_bounds():
    n, rng = 60, np.random.default_rng(2)
    x = np.where(np.arange(n) % 3, 0.0, 1.0)
    box = np.zeros(n), np.ones(n)
    slopes = np.zeros(n)
    slopes[[4, 30]] = 2.0, -1.0
    found, asked = changes_found(
        lambda p: float(slopes @ p), x, np.zeros(n), rng.random(n), rng, box=box, size=1e-3
    )
    assert (asked >= 0).all()
    assert (asked <= 1).all()
    assert_allclose(found, slopes, atol=0.03)
    narrow = np.zeros(n), np.full(n, 1e-9)
    none, asked = changes_found(
        lambda p: float(slopes @ p), np.zeros(n), slopes, slopes, rng, box=narrow, size=1e-3
    )
    assert none is None
    assert len(asked) == 0


def test_without_a_value_nothing_is_told():
    rng = np.random.default_rng(3)
    fun = lambda x: np.nan if x.any() else 0.0  # noqa: E731
    found, _ = changes_found(fun, np.zeros(60), np.zeros(60), np.ones(60), rng)
    assert found is None


def test_only_few_parts_that_promise_nearly_all_are_moved_along():
    direction = np.full(60, -1e-3)
    direction[[5, 40]] = -3.0, -2.0
    gradient = -direction
    few = few_parts(gradient, direction)
    assert_array_equal(np.flatnonzero(few), [5, 40])
    assert_array_equal(few_parts(np.ones(60), -np.ones(60)), -np.ones(60))
    # what is left out may be most of the slope where others climb
    gradient[40], direction[40] = 3.0, 3.0
    assert_array_equal(few_parts(gradient, direction), direction)


@pytest.mark.parametrize("n", [60, 100])
def test_a_front_that_few_variables_are_at_moves_on(n):
    x0 = np.full(n, 0.01)
    res = minimize(rosen, x0, rng=0, options={"maxfev": 20 * n})
    assert res.fun < 0.87 * rosen(x0)


def test_success_is_said_of_all_slopes():
    n = 60

    def chain(x):
        return float(np.sum(10 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))

    limits = {"maxfev": 400 * n}
    res = minimize(chain, np.full(n, 0.1), method="difference-descent", options=limits)
    assert res.success
    assert res.fun < 1e-10
    assert np.linalg.norm(rosen_der(res.x)) < 1e-3
