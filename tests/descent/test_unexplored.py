"""Steps along what remains of a gradient without its last changes."""

from collections import Counter

import numpy as np
import pytest

from smoothmin import minimize
from smoothmin._protocol import Answers, Problem
from smoothmin.descent.unexplored import changes_of, lower_along_coordinates, unexplored


@pytest.mark.parametrize("seed", range(3))
def test_the_step_is_across_all_changes_and_promises_the_fall(seed):
    rng = np.random.default_rng(seed)
    gradients = list(rng.normal(size=(4, 7)))
    step = unexplored(changes_of(gradients), gradients[-1], 0.25)
    assert np.abs(np.diff(gradients, axis=0) @ step).max() < 1e-12
    assert gradients[-1] @ step == pytest.approx(-0.25)


def test_nothing_is_unexplored_without_a_slope():
    assert unexplored(changes_of([np.zeros(2)]), np.zeros(2), 1.0) is None
    assert unexplored(changes_of([np.ones(2)]), np.ones(2), 0.0) is None


def test_variables_at_bounds_are_not_moved():
    changes = changes_of([np.array([1.0, 2, 0]), np.array([2.0, 1, 0])])
    step = unexplored(changes, np.array([2.0, 1, 0]), 1.0)
    assert step[2] == 0


def polled(fun, x, gradient, noise=0.0, known=0.0):
    """The lower point that is found, and how many rounds of values that took."""
    x, rounds = np.asarray(x, dtype=float), 0
    problem = Problem(x, None, True, x.shape)
    steps = lower_along_coordinates(
        problem, x, fun(x), np.asarray(gradient, dtype=float), noise, known
    )
    reply = None
    while True:
        try:
            ask = steps.send(reply)
        except StopIteration as end:
            return end.value, rounds
        rounds += 1
        reply = Answers(np.array([fun(point) for point in ask.points]))


def test_values_that_rise_in_a_straight_line_are_followed_no_further():
    there, rounds = polled(lambda x: float(np.abs(x).sum()), np.zeros(3), np.ones(3))
    assert there is None
    assert rounds == 2


@pytest.mark.parametrize("away", [1e-6, 1e-8])
def test_a_kink_nearby_is_found_unless_it_is_known(away):
    def fun(x):
        return float(np.abs(x).sum())

    x = np.array([away, 0.0])
    there, _ = polled(fun, x, [1.0, 1.0])
    assert fun(there) < away
    assert polled(fun, x, [1.0, 1.0], known=4 * away) == (None, 2)


def test_a_parabola_is_followed_to_its_minimum():
    def fun(x):
        return float(1e6 * (x[0] - 1e-9) ** 2)

    there, _ = polled(fun, np.zeros(1), [-2e-3])
    assert fun(there) < fun(np.zeros(1))


def crescents(x):
    """Chained crescents: the larger of two sums, zero at zero."""
    left, right = x[:-1], x[1:]
    bowls = left**2 + (right - 1) ** 2
    first, second = float((bowls + right - 1).sum()), float((-bowls + right + 1).sum())
    g = np.zeros(x.size)
    sign = 1.0 if first >= second else -1.0
    g[:-1] += 2 * sign * left
    g[1:] += 2 * sign * (right - 1) + 1
    return max(first, second), g


@pytest.mark.parametrize("n", [8, 10, 12, 20, 30])
def test_a_certificate_is_not_doubted_for_long(n):
    x0 = np.where(np.arange(n) % 2, 2.0, -1.5)
    res = minimize(crescents, x0, jac=True, rng=0)
    assert res.success, res.message
    assert res.fun < 1e-12
    assert res.nfev <= 150


@pytest.mark.parametrize("seed", [0, 7])
def test_gradients_that_leave_a_hull_as_it_is_are_not_looked_for_again(seed):
    x0 = np.where(np.arange(25) % 2, 2.0, -1.5)
    x0 += 0.3 * np.random.default_rng(seed).standard_normal(25)
    asked = Counter()

    def fun(x):
        asked[x.tobytes()] += 1
        return crescents(x)

    res = minimize(fun, x0, jac=True, rng=0, options={"maxfev": 2000})
    assert res.fun < 1e-12
    assert max(asked.values()) <= 3
    assert res.nfev <= 500


def test_points_along_coordinates_are_asked_a_few_at_a_time(monkeypatch):
    x = np.linspace(-1, 1, 9)

    def fun(x):
        return float(np.abs(x - 0.1).sum() + 0.1 * x @ x)

    gradient = np.sign(x - 0.1) + 0.2 * x
    there, _ = polled(fun, x, gradient)
    monkeypatch.setattr("smoothmin.descent.unexplored.LARGE", 2 * x.size)
    few, rounds = polled(fun, x, gradient)
    np.testing.assert_array_equal(few, there)
    assert rounds == 5
