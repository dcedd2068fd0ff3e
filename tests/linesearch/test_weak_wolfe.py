"""The weak Wolfe search: its conditions hold, on smooth and kinked functions alike."""

import numpy as np
import pytest
from drive import drive, problem
from hypothesis import given, settings
from hypothesis import strategies as st

from smoothmin._protocol import Done, advance
from smoothmin.linesearch.line_result import MAX_TRIALS, LinePoint, LineResult
from smoothmin.linesearch.weak_wolfe import ARMIJO, WOLFE, armijo, weak_wolfe


def search(fun, x, direction, t=1.0, box=None, find=weak_wolfe, **options):
    x, direction = np.asarray(x, float), np.asarray(direction, float)
    f, g = fun(x)
    return drive(find(problem(x, box), x, f, g, direction, t, **options), fun), f, g @ direction


def quartic(x):
    return float(np.sum(x**4 - x)), 4 * x**3 - 1


def kinked(x):
    """Absolute values at irrational places, and a little curvature."""
    centres = np.sqrt(2 + np.arange(x.size))
    away = x - centres
    return float(np.abs(away).sum() + 0.1 * away @ away), np.sign(away) + 0.2 * away


def wall(x):
    return (np.inf, x * np.nan) if x[0] > 1 else (float(x @ x - 4 * x[0]), 2 * x - [4.0])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.sampled_from([quartic, kinked]),
    st.integers(1, 5),
    st.integers(0, 2**32 - 1),
    st.floats(1e-4, 1e4),
    st.booleans(),
)
def test_both_conditions_hold(fun, n, seed, t, values_first):
    rng = np.random.default_rng(seed)
    x = 3 * rng.standard_normal(n)
    direction = -fun(x)[1]
    if np.linalg.norm(direction) < 1e-3:
        return
    found, f, slope = search(fun, x, direction, t, values_first=values_first)
    assert found.lower
    np.testing.assert_array_equal(found.point.grad, fun(found.point.x)[1])
    assert found.wolfe or values_first
    if not found.wolfe:  # at a kink whose slopes the values did not tell
        return
    assert found.point.fun <= f + ARMIJO * found.point.t * slope
    assert found.point.grad @ direction >= WOLFE * slope
    np.testing.assert_array_equal(found.point.x, x + found.point.t * direction)


def test_a_first_trial_that_is_right_costs_one_evaluation():
    found, _, _ = search(lambda x: (float(x @ x) / 2, x), [3.0, 1.0], [-3.0, -1.0])
    assert found.nfev == 1
    assert found.point.fun == 0


@pytest.mark.parametrize("box", [None, (np.full(2, -2.0), np.full(2, 9.0))])
def test_a_first_trial_without_a_gradient_ends_no_search(box):
    def cliff(x):
        return float(x @ x), 2 * x if x[0] >= 0 else np.array([-np.inf, 0.0])

    found, f, _ = search(cliff, [3.0, 1.0], [-4.0, -1.0], box=box)
    assert len(found.trials) > 1
    assert found.point.x[0] >= 0
    assert found.point.fun < f


def test_a_first_trial_that_ends_at_a_bound_is_the_last():
    box = np.zeros(2), np.full(2, 9.0)
    found, _, _ = search(lambda x: (float(x.sum()), np.ones(2)), [3.0, 3.0], [-3.0, -3.0], box=box)
    assert found.nfev == 1
    assert found.wolfe  # though the slope there is what it was
    assert not found.point.x.any()


@pytest.mark.parametrize("t", [1e-6, 1e-2, 50.0, 1e6])
def test_few_evaluations_whatever_the_first_trial(t):
    for fun in (quartic, kinked):
        x = np.array([4.0, -3.0, 2.0])
        found, _, _ = search(fun, x, -fun(x)[1], t)
        assert found.wolfe
        assert found.nfev <= 32


def test_a_kink_is_found_where_the_tangents_meet():
    found, _, _ = search(lambda x: (float(abs(x[0])), np.sign(x)), [0.3], [-1.0])
    assert found.wolfe
    assert found.nfev <= 3


def test_armijo_alone_does_not_extend():
    found, f, slope = search(kinked, [50.0, 40.0], [-1.0, -1.0], 1e-3, find=armijo)
    assert found.nfev == 1
    assert found.point.fun <= f + ARMIJO * 1e-3 * slope


def test_steps_stay_inside_the_box():
    box = (np.array([0.0, -1.0]), np.array([2.0, 1.0]))
    found, f, _ = search(kinked, [0.1, 0.9], [1.0, 1.0], 10.0, box=box)
    assert found.lower
    for trial in found.trials:
        assert (trial.x >= box[0]).all()
        assert (trial.x <= box[1]).all()
    assert found.point.fun < f


def test_values_that_are_not_finite_are_stepped_back_from():
    found, f, _ = search(wall, [0.0], [1.0], 8.0)
    assert found.lower
    assert np.isfinite(found.point.fun)
    assert found.point.x[0] <= 1
    assert found.point.fun < f


def test_failure_keeps_the_lowest_point_and_all_trials():
    def spike(x):  # the gradient promises a descent that is not there
        return float(abs(x[0])), np.array([1.0])

    found, _, _ = search(spike, [0.0], [-1.0])
    assert not found.wolfe
    assert not found.lower
    assert found.point.fun == 0
    assert found.nfev == len(found.trials) > 1


def test_patience_limits_a_hopeless_search():
    found, _, _ = search(lambda x: (float(abs(x[0])), np.ones(1)), [0.0], [-1.0], patience=5)
    assert found.nfev == 5


@pytest.mark.parametrize("factor", [1e6, 1e160])
def test_a_gradient_that_is_far_too_long_costs_few_trials(factor):
    def fun(x):
        return float(np.abs(x).sum()), factor * np.sign(x)

    found, f, _ = search(fun, [3.0, 2.0], [-1.0, -1.0])
    assert (found.wolfe, found.lower) == (False, True)
    assert found.nfev <= 6
    assert found.point.fun == min(trial.fun for trial in found.trials) < f


def test_a_null_step_ends_at_the_first_news():
    def kink(x):
        return float(abs(x[0])), np.where(x >= 0, 1.0, -1.0)

    found, _, _ = search(kink, [0.0], [-1.0], null_within=2.0)
    assert found.nfev == 1
    assert found.trials[0].grad[0] == -1


def test_an_unbounded_line_is_followed_for_a_limited_time():
    found, _, _ = search(lambda x: (float(-x[0]), -np.ones(1)), [0.0], [1.0])
    assert found.lower
    assert found.endless
    assert found.nfev <= 60


def test_a_search_that_closes_in_has_an_end():
    lengths = [2.0, *np.linspace(0.5, 1.0, MAX_TRIALS - 1)]
    trials = [LinePoint(t, np.array([t]), -t, np.array([-1.0]), -1.0) for t in lengths]
    assert not LineResult(trials[-1], False, True, trials, -1.0).endless
    trials[0].t = 0.25
    assert LineResult(trials[-1], False, True, trials, -1.0).endless


def test_a_kink_at_the_start_is_seen_at_once_where_only_a_gradient_is_wanted():
    calls = []

    def kink(x):
        calls.append(abs(x[0]))
        return float(3 * abs(x[0])), np.array([-3.0 if x[0] <= 0 else 3.0])

    found, _, _ = search(kink, [0.0], [1.0], null_within=1e-8, least=1e-12)
    assert not found.lower
    assert calls[1:] == [1.0, 1e-8]


def test_a_kink_that_tangents_from_far_away_hide_is_stepped_onto():
    def log(x):
        away = x[0] - 1e-9
        return float(np.log1p(3 * abs(away))), np.sign([away]) * 3 / (1 + 3 * abs(away))

    found, start, _ = search(log, [0.0], [1.0], null_within=1e-8, least=1e-12)
    assert found.lower
    assert found.point.fun < 0.5 * start
    assert found.nfev <= 4


def test_where_rounding_hides_values_slopes_tell_which_way_to_go():
    """A parabola whose fall is less than values of size 1 show, each off by some rounding."""
    eps, noise = np.finfo(float).eps, iter(np.random.default_rng(1).integers(0, 3, 99))

    def blurred(x):
        return 1 + (eps * int(next(noise)) if x[0] else 0.0), np.array([1e-17 * (x[0] / 40 - 1)])

    found, _, slope = search(blurred, [0.0], [1.0], rounded=lambda predicted: 1e-10)
    assert found.wolfe
    assert abs(found.point.slope) <= -WOLFE * slope
    assert found.nfev <= 5


def test_a_step_that_gains_all_that_values_show_is_enough():
    def blurred(x):
        fall = 1e-15 if 0 < x[0] < 0.6 else 0.0
        return (1 - fall if x[0] < 0.9 else 1 + 1e-8), np.array([-1.5e-16 * (1 - 0.1 * x[0])])

    visible = {"least": 1e-16, "rounded": lambda predicted: 1e-10}
    found, start, _ = search(blurred, [0.0], [1.0], **visible)
    assert found.wolfe
    assert found.point.fun < start
    assert found.nfev <= 4


@pytest.mark.parametrize("t", [1e-3, 0.1, 10.0, 1e3])
def test_values_first_costs_one_gradient_on_a_parabola(t):
    asked = []

    def recording(steps):
        message = advance(steps)
        while not isinstance(message, Done):
            asked.append(message.order)
            message = advance(steps, (yield message))
        return message.value

    def find(*args, **options):
        return recording(weak_wolfe(*args, **options))

    found, _, _ = search(
        lambda x: (float(x @ x), 2 * x), [3.0, 1.0], [-3.0, -1.0], t, find=find, values_first=True
    )
    assert found.wolfe
    assert sum(asked) == 1


def test_values_first_knows_the_gradient_of_what_a_failed_search_keeps():
    def steep(x):
        return 1e-6 * float(np.cos(50 * x[0])), np.array([-1.0])

    found, f, _ = search(steep, [0.0], [1.0], values_first=True, patience=8)
    assert not found.wolfe
    assert found.point.fun < f
    assert found.point.grad == -1


@pytest.mark.parametrize("x0", [[0.0, 0.0], [1.4, 1.7]])
def test_of_many_variables_the_last_trials_are_kept_whole(x0, monkeypatch):
    direction = -kinked(np.array(x0))[1]
    whole, _, _ = search(kinked, x0, direction, t=1e8)
    monkeypatch.setattr("smoothmin.linesearch.weak_wolfe.LARGE", 12)  # three trials of two
    few, _, _ = search(kinked, x0, direction, t=1e8)
    assert [trial.fun for trial in few.trials] == [trial.fun for trial in whole.trials]
    np.testing.assert_array_equal(few.point.x, whole.point.x)
    assert len(whole.known) == whole.nfev > 6
    assert 3 <= len(few.known) <= 6  # and those that might have been the result
    assert all(trial.grad.size for trial in few.trials[-3:])
