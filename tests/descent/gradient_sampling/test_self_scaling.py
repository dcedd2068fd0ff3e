"""Self-scaling updates: their formula, the trial of them, and sharp minima in few evaluations."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smoothmin import minimize
from smoothmin.descent.gradient_sampling.self_scaling import SelfScaling
from smoothmin.descent.gradient_sampling.settings import SelfScalingSettings, TrialSettings
from smoothmin.linesearch.line_result import LinePoint
from smoothmin.metrics.dense_bfgs import InverseHessian
from smoothmin.metrics.metric import Ends

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from nonsmooth_problems import outliers, phases

POWER = 0.4
SETTINGS = SelfScalingSettings(
    slow=0.3,
    share=0.5,
    power=POWER,
    trials=TrialSettings(strikes=1, wait=500),
)


def dense(metric, n):
    root = metric.root(np.eye(n))
    return root @ root.T


def shortened(h, s, y):
    """Oren and Luenberger's scaling to a power, then Nocedal and Wright, (6.17)."""
    h = h * min(1.0, (s @ y) / (y @ h @ y)) ** POWER
    left = np.eye(s.size) - np.outer(s, y) / (s @ y)
    return left @ h @ left.T + np.outer(s, s) / (s @ y)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(1, 7), st.integers(2, 6), st.booleans(), st.integers(0, 2**32 - 1))
def test_updates_scale_the_matrix_first(n, count, along, seed):
    rng = np.random.default_rng(seed)
    metric = InverseHessian(n)
    metric.self_scaling = POWER
    root = rng.standard_normal((n, n))
    s = rng.standard_normal(n)
    metric.update(s, root @ root.T @ s + s)
    h = dense(metric, n)
    for k in range(count):
        g = rng.standard_normal(n)
        s = -0.5 * metric.apply(g) if along else rng.standard_normal(n)
        y = 4.0**k * (root @ root.T @ s + s)
        metric.update(s, y, g if along else None)
        h = shortened(h, s, y)
        np.testing.assert_allclose(dense(metric, n), h, rtol=1e-6, atol=1e-9 * np.abs(h).max())


def test_a_large_matrix_is_scaled_too():
    n = 260
    rng = np.random.default_rng(0)
    metric = InverseHessian(n)
    metric.self_scaling = POWER
    curvatures = np.linspace(1, 50, n)
    g = rng.standard_normal(n)
    metric.update(g, curvatures * g)
    h = dense(metric, n)
    for k in range(30):  # more than are collected
        s = -metric.apply(g)
        y = 1.3**k * curvatures * s
        metric.update(s, y, g, Ends.of(s, y, g, g + y))
        h = shortened(h, s, y)
        g = g + y
        np.testing.assert_allclose(metric.apply(g), h @ g, rtol=1e-6, atol=1e-9)


def at(x, f):
    return LinePoint(0.0, np.array([x]), f, np.ones(1), 0.0)


def started():
    """A trial that has just begun, its metric, and how it was before."""
    metric = InverseHessian(2)
    scaling = SelfScaling(metric, SETTINGS)
    rng = np.random.default_rng(1)
    while not metric.self_scaling:
        s = rng.standard_normal(2)
        metric.update(s, 3 * s)
        metric.excess = 50.0
        before = dense(metric, 2)
        assert scaling.stepped(3.0, at(7.0, 1.0), 3) is None
    return scaling, metric, before


def test_a_trial_begins_afresh_where_gains_are_slow_and_the_metric_is_too_long():
    _, metric, before = started()
    assert metric.fresh
    assert not np.allclose(before, np.eye(2))


@pytest.mark.parametrize(
    ("excess", "gain"), [(1.0, 1.0), (50.0, 0.25)], ids=["long enough", "fast enough"]
)
def test_no_trial_is_made_without_need(excess, gain):
    metric = InverseHessian(2)
    scaling = SelfScaling(metric, SETTINGS)
    for k in range(30):
        metric.excess = excess
        scaling.stepped(gain**k, at(0.0, 0.0), 10)
        assert not metric.self_scaling


@pytest.mark.parametrize("first", [0.2, 2.0], ids=["at once", "at the second window"])
def test_a_trial_without_improvement_leaves_no_trace(first):
    scaling, metric, before = started()
    back = scaling.stepped(10 * first, at(1.0, 0.5), 10)
    if first > 1:
        assert back is None
        metric.update(np.ones(2), np.ones(2))
        back = scaling.stepped(5 * first, at(1.0, 0.4), 10)
    assert back.x == 7.0
    assert back.fun == 1.0
    assert not metric.self_scaling
    np.testing.assert_array_equal(dense(metric, 2), before)
    for _ in range(45):  # nor is there another soon
        metric.excess = 50.0
        scaling.stepped(1.0, back, 10)
        assert not metric.self_scaling


@pytest.mark.parametrize("windows", [2, 3])
def test_what_a_long_trial_has_won_is_kept(windows):
    scaling, metric, _ = started()
    for k in range(windows):
        assert scaling.stepped(10 * 0.2**k, at(1.0, 0.5), 10) is None
    back = scaling.failed()
    assert (back is None) == (windows >= 3)
    assert not metric.self_scaling


@pytest.mark.parametrize(
    ("problem", "n", "m", "budget"),
    [
        (outliers, 20, 200, 120),
        (outliers, 50, 300, 130),
        (outliers, 200, 1000, 160),
        (phases, 50, 300, 150),
        (phases, 100, 600, 240),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_sharp_minima_are_found_in_few_evaluations(problem, n, m, budget, seed):
    case, solution = problem(n, m, seed)
    options = {"maxfev": budget}
    res = minimize(case.fun, case.x0, jac=True, method="gradient-sampling", rng=0, options=options)
    np.testing.assert_allclose(res.x, solution, atol=1e-8)
