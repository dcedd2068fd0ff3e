"""Proximal steps: their model by optimality, when they begin, what they bring."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, linprog
from scipy.optimize import minimize as scipy_minimize

from smoothmin import GradientSamplingDescent, minimize
from smoothmin._protocol import Problem
from smoothmin.descent.gradient_sampling.bundle import Bundle
from smoothmin.descent.gradient_sampling.proximal_bundle import ProximalBundle
from smoothmin.descent.gradient_sampling.state import State
from smoothmin.linesearch.weak_wolfe import LinePoint, LineResult

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from nonsmooth_problems import scalable


def largest_of(slopes, heights):
    """A polyhedral function with its gradient."""

    def fun(x):
        values = slopes @ x + heights
        k = int(values.argmax())
        return float(values[k]), slopes[k].copy()

    return fun


def filled(fun, points, centre):
    bundle = Bundle(len(centre), 40)
    bundle.restart(centre, *fun(centre))
    for x in points:
        bundle.add(x, *fun(x))
    return bundle


class Kinks:
    """What a predictor tells, without models."""

    def __init__(self, kinked):
        self.models, self.kinked = self, kinked

    def learn(self, point):
        pass


def begun(fun, points, centre, gains, kinked=True):
    """A source of steps from ``centre``, after searches of such gains, and its state."""
    problem = Problem(centre, None, True, centre.shape)
    state = State(GradientSamplingDescent(memory=40), problem, np.random.default_rng(0))
    state.x, (state.f, state.g) = centre, fun(centre)
    state.bundle = filled(fun, points, centre)
    state.certifier.start(state.x, state.f, state.g)
    state.scales = np.array([1.0, 0.5, 2.0])[: len(centre)]
    source = ProximalBundle(state, Kinks(kinked))
    away = centre + 0.3 * np.eye(len(centre))[0]
    for gained in gains:
        point = LinePoint(1.0, away, state.f - 20 * gained, state.g, 0.0)
        for watch in state.watchers:
            watch(LineResult(point, True, True, [point] * 20, -1.0))
    return source, state


@pytest.mark.parametrize("seed", range(5))
def test_a_step_is_the_proximal_point_of_the_largest_tangent(seed):
    rng = np.random.default_rng(seed)
    fun = largest_of(rng.standard_normal((12, 3)), rng.standard_normal(12))
    points, centre = rng.standard_normal((20, 3)), rng.standard_normal(3)
    source, state = begun(fun, points, centre, [1.0, 0.9])
    asked = next(source.step()).points[0]
    gradients, gaps, _ = state.bundle.tangents()
    step = (asked - centre) / state.scales
    # whatever the proximal parameter t, the step is the least point of the model with it:
    # -step / t is a mix of the largest tangents' gradients
    heights = (gradients * state.scales) @ step - gaps
    largest = (gradients * state.scales)[heights >= heights.max() - 1e-8]
    mix = scipy_minimize(
        lambda z: float(np.sum((z[:-1] @ largest + z[-1] * step) ** 2)),
        np.full(len(largest) + 1, 0.5),
        bounds=[(0, 1)] * len(largest) + [(0, None)],
        constraints=LinearConstraint(np.append(np.ones(len(largest)), 0.0)[None], 1, 1),
        method="SLSQP",
        options={"ftol": 1e-16, "maxiter": 200},
    )
    assert mix.fun <= 1e-8
    assert mix.x[-1] > 0


def test_it_begins_only_where_steps_are_slow_kinks_were_observed_and_nothing_is_concave():
    rng = np.random.default_rng(0)
    fun = largest_of(rng.standard_normal((9, 2)), rng.standard_normal(9))
    points, centre = rng.standard_normal((9, 2)), rng.standard_normal(2)

    def begins(function, gains, kinked):
        source, _ = begun(function, points, centre, gains, kinked)
        return next(source.step(), None) is not None

    def concave(x):
        value, gradient = fun(x)
        return -value, -gradient

    assert begins(fun, [1.0, 0.9], True)
    assert not begins(fun, [1.0, 0.9], False)
    assert not begins(fun, [1.0, 0.01], True)
    assert not begins(fun, [], True)
    assert not begins(concave, [1.0, 0.9], True)


def chebyshev(n, m, seed):
    """Largest absolute residual of ``m`` equations, and its least by a linear program."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((m, n)), rng.standard_normal(m)

    def fun(x):
        rest = a @ x - b
        k = int(abs(rest).argmax())
        return float(abs(rest[k])), np.sign(rest[k]) * a[k]

    ones = np.ones((m, 1))
    rows = np.block([[a, -ones], [-a, -ones]])
    program = linprog(
        np.append(np.zeros(n), 1.0),
        A_ub=rows,
        b_ub=np.concatenate([b, -b]),
        bounds=[(None, None)] * (n + 1),
    )
    return fun, np.zeros(n), program.fun


def quantile(n, m, seed):
    """The 0.9 quantile's regression, and its least by a linear program."""
    rng = np.random.default_rng(seed)
    a = np.column_stack([np.ones(m), rng.standard_normal((m, n - 1))])
    b = a @ rng.standard_normal(n) + rng.standard_t(2, m)

    def fun(x):
        rest = b - a @ x
        slope = np.where(rest >= 0, 0.9, -0.1)
        return float((slope * rest).mean()), -(slope @ a) / m

    cost = np.concatenate([np.zeros(n), np.full(m, 0.9 / m), np.full(m, 0.1 / m)])
    equations = np.column_stack([a, np.eye(m), -np.eye(m)])
    bounds = [(None, None)] * n + [(0, None)] * (2 * m)
    return fun, np.zeros(n), linprog(cost, A_eq=equations, b_eq=b, bounds=bounds).fun


@pytest.mark.parametrize(
    ("problem", "n", "m", "budget"),
    [
        (chebyshev, 10, 50, 280),
        (chebyshev, 40, 200, 500),
        (quantile, 5, 200, 110),
        (quantile, 20, 400, 200),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_linear_programs_in_disguise_are_solved_and_certified(problem, n, m, budget, seed):
    fun, start, least = problem(n, m, seed)
    res = minimize(
        fun, start, jac=True, method="gradient-sampling", rng=0, options={"maxfev": budget}
    )
    assert res.success, res.message
    assert res.fun == pytest.approx(least, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "budget"), [("chained-lq-50", 150), ("chained-cb3-i-50", 250), ("maxq-50", 600)]
)
def test_curved_pieces_take_few_evaluations(name, budget):
    case = next(case for case in scalable(50) if case.name == name)
    options = {"maxfev": budget}
    res = minimize(case.fun, case.x0, jac=True, method="gradient-sampling", rng=0, options=options)
    assert case.gap(res.fun) <= 1e-6


def test_towards_stops_at_the_radius():
    rng = np.random.default_rng(3)
    points = np.concatenate([rng.standard_normal((4, 3)), 1e-9 * rng.standard_normal((1, 3))])
    bundle = filled(lambda x: (float(x @ x), 2 * x), points, np.zeros(3))
    found = bundle.towards(np.array([1, 3, 5]), 0.1)
    directions = points[[0, 2]] / np.linalg.norm(points[[0, 2]], axis=1)[:, None]
    np.testing.assert_allclose(found, 0.1 * directions)
