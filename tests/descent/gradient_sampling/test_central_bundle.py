"""Centres of cuts: when they begin, what they bring, and that what they prove is true."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import Bounds, linprog

from smoothmin import GradientSamplingDescent, minimize
from smoothmin._protocol import Problem
from smoothmin.descent.gradient_sampling.bundle import Bundle
from smoothmin.descent.gradient_sampling.central_bundle import CentralBundle, Cuts
from smoothmin.descent.gradient_sampling.state import State
from smoothmin.linesearch.line_result import LinePoint, LineResult

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from applied_problems import hinge, tail_risk
from nonsmooth_problems import scalable
from transformed_problems import transformed


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


def begun(fun, points, centre, gains, fresh=False):
    """A source of steps from ``centre``, after searches of such gains, and its state."""
    problem = Problem(centre, None, True, centre.shape)
    state = State(GradientSamplingDescent(memory=40), problem, np.random.default_rng(0))
    state.x, (state.f, state.g) = centre, fun(centre)
    state.bundle = filled(fun, points, centre)
    state.certifier.start(state.x, state.f, state.g)
    state.known.begin(state.x, state.f + 10, state.g)
    for above in range(9, -1, -1):
        state.known.stepped(state.x, state.f + above, state.g, length=1.0)
    state.certifier.start(state.x, state.f, state.g)
    if not fresh:
        state.metric.update(np.ones(len(centre)), np.ones(len(centre)))
    source = CentralBundle(state, None)
    away = centre + 0.3 * np.eye(len(centre))[0]
    for gained in gains:
        point = LinePoint(1.0, away, state.f - 20 * gained, state.g, 0.0)
        for watch in state.watchers:
            watch(LineResult(point, True, True, [point] * 20, -1.0))
    return source, state


def test_it_begins_only_where_steps_are_slow_and_nothing_is_concave():
    rng = np.random.default_rng(0)
    fun = largest_of(rng.standard_normal((9, 2)), rng.standard_normal(9))
    points, centre = rng.standard_normal((9, 2)), rng.standard_normal(2)

    def begins(function, gains, **how):
        source, _ = begun(function, points, centre, gains, **how)
        return next(source.step(), None) is not None

    def concave(x):
        value, gradient = fun(x)
        return -value, -gradient

    assert begins(fun, [1.0, 0.9])
    assert not begins(fun, [1.0, 0.9], fresh=True)
    assert not begins(fun, [1.0, 1e-4])
    assert not begins(fun, [])
    assert not begins(concave, [1.0, 0.9])


@pytest.mark.parametrize("seed", range(3))
def test_first_point_is_below_every_tangent_known(seed):
    rng = np.random.default_rng(seed)
    fun = largest_of(rng.standard_normal((12, 3)), rng.standard_normal(12))
    points, centre = rng.standard_normal((20, 3)), rng.standard_normal(3)
    source, state = begun(fun, points, centre, [1.0, 0.9])
    asked = next(source.step()).points[0]
    gradients, gaps, _ = state.bundle.tangents()
    assert (gradients @ (asked - centre) - gaps).max() < 0


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
        (chebyshev, 10, 50, 300),
        (chebyshev, 70, 200, 350),
        (quantile, 5, 200, 220),
        (quantile, 20, 400, 200),
    ],
)
def test_linear_programs_in_disguise_are_solved_and_certified(problem, n, m, budget):
    """Two of three: a run in ten takes several times as many, and which depends on rounding."""
    solved = 0
    for seed in range(3):
        fun, start, least = problem(n, m, seed)
        res = minimize(
            fun, start, jac=True, method="gradient-sampling", rng=0, options={"maxfev": budget}
        )
        solved += res.success and res.fun == pytest.approx(least, rel=1e-8)
    assert solved >= 2


@pytest.mark.parametrize(("problem", "n", "m"), [(chebyshev, 20, 100), (quantile, 20, 200)])
@pytest.mark.parametrize("far", [1.0, np.inf])
def test_bounds_that_bind_cost_no_more_than_half_again(problem, n, m, far):
    free, boxed = [], []
    for seed in range(3):
        fun, start, _ = problem(n, m, seed)
        least = minimize(fun, start, jac=True, rng=0)
        rng = np.random.default_rng(seed)
        lower = np.where(rng.random(n) < 0.35, least.x + 0.3 * rng.random(n), least.x - far)
        bounds = Bounds(lower, np.where(np.isfinite(lower), lower, 0) + 3 * far)
        res = minimize(fun, np.clip(start, bounds.lb, bounds.ub), jac=True, rng=0, bounds=bounds)
        assert least.success
        assert res.success
        assert (res.x >= lower).all()
        again = minimize(fun, res.x, method="bfgs", jac=True, bounds=bounds)
        assert again.fun >= res.fun - 1e-8 * abs(res.fun)
        free.append(least.nfev)
        boxed.append(res.nfev)
    assert np.prod(boxed) <= np.prod(free) * 1.5**3


@pytest.mark.parametrize("seed", range(12))
def test_linear_programs_in_boxes_of_all_kinds_end_as_a_simplex_method_says(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 25))
    m = int(rng.integers(2, 5 * n + 4))
    a = rng.standard_normal((m, n)) * 10.0 ** rng.uniform(-3, 3, n)
    b = rng.standard_normal(m) * 10.0 ** rng.uniform(-2, 2)
    size = 1 / np.abs(a).max(axis=0)
    lower = -size * 10.0 ** rng.uniform(-2, 2, n)
    upper = size * 10.0 ** rng.uniform(-2, 2, n)
    upper[rng.random(n) < 0.2] = np.inf if seed % 3 else 1e300
    lower[rng.random(n) < 0.2] *= seed % 2
    fixed = rng.random(n) < 0.1
    upper[fixed] = lower[fixed]

    def fun(x):
        rest = a @ x - b
        k = int(abs(rest).argmax())
        return float(abs(rest[k])), np.sign(rest[k]) * a[k]

    ones = np.ones((m, 1))
    program = linprog(
        np.append(np.zeros(n), 1.0),
        A_ub=np.block([[a, -ones], [-a, -ones]]),
        b_ub=np.concatenate([b, -b]),
        bounds=[*zip(lower, np.minimum(upper, 1e20), strict=True), (0, None)],
    )
    x0 = np.where(rng.random(n) < 0.5, lower, np.minimum(upper, lower + 10 * size))
    res = minimize(fun, x0, jac=True, rng=0, bounds=Bounds(lower, upper))
    assert res.success, res.message
    assert (lower <= res.x).all()
    assert (res.x <= upper).all()
    assert res.fun <= program.fun + 1e-6 * max(program.fun, fun(x0)[0] - program.fun)


@pytest.mark.parametrize(
    ("name", "budget"), [("chained-lq-50", 150), ("chained-cb3-i-50", 250), ("maxq-50", 1000)]
)
def test_curved_pieces_take_few_evaluations(name, budget):
    case = next(case for case in scalable(50) if case.name == name)
    options = {"maxfev": budget}
    res = minimize(case.fun, case.x0, jac=True, method="gradient-sampling", rng=0, options=options)
    assert case.gap(res.fun) <= 1e-6


@pytest.mark.parametrize("n", [10, 30])
def test_tail_risk_takes_few_evaluations_and_is_said_to_be_solved(n):
    case = tail_risk(n, 300, 1)
    res = minimize(case.fun, case.x0, jac=True, rng=0, options={"maxfev": 6 * n + 80})
    assert res.success, res.message
    assert res.fun - case.minimum <= 1e-7 * abs(case.minimum)


@pytest.mark.parametrize("seed", range(4))
def test_no_success_short_of_the_minimum_in_other_units_and_turned(seed):
    case = transformed(hinge(12, 100, seed), seed)
    res = minimize(case.fun, case.x0, jac=True, rng=0, options={"maxfev": 1500})
    longer = minimize(case.fun, res.x, jac=True, method="bfgs", options={"maxfev": 4000})
    assert res.success, res.message
    assert res.fun - longer.fun <= 1e-6 * abs(longer.fun)


@pytest.mark.parametrize("seed", [0, 1])
def test_tangents_enough_are_kept_for_a_tail_risk_in_other_units(seed):
    problem = transformed(tail_risk(60, 800, seed), seed)
    res = minimize(problem.fun, problem.x0, jac=True, rng=0, options={"maxfev": 600})
    assert res.success
    assert res.fun <= problem.minimum + 1e-8 * abs(problem.minimum)


def test_the_certificate_leaves_out_only_what_the_mix_can_spare():
    fun = largest_of(np.array([[1.0], [-1.0], [50.0]]), np.array([0.0, 0.0, -99.0]))
    points = np.array([[0.1], [-0.2], [5.0]])
    pairs = [fun(x) for x in points]
    gradients = np.array([g for _, g in pairs])
    gaps = np.array([g @ x - f for x, (f, g) in zip(points, pairs, strict=True)])
    cuts = Cuts(np.eye(1), points, gradients, gaps + 1, 1.0)
    assert cuts.centre(1e-12) is not None
    every, few = cuts.certificate(np.zeros(1), 0.0), cuts.certificate(np.zeros(1), 0.5)
    assert every.stationarity == pytest.approx(cuts.slope, abs=1e-12)
    assert (every.radius, few.radius) == (5.0, 0.2)
    assert few.stationarity <= 0.5
    # a tangent that makes room for another has still been a part of the mix
    cuts.add(-1.0, LinePoint(1.0, points[0], 0.0, gradients[0], 0.0), 3)
    assert cuts.certificate(np.zeros(1), 0.0) == every


@pytest.mark.parametrize("seed", [0, 1])
def test_tangents_of_a_function_that_only_looks_convex_prove_nothing(seed):
    crescents = next(p for p in scalable(10) if p.name.startswith("chained-crescent-ii-"))
    problem = transformed(crescents, seed)
    res = minimize(problem.fun, problem.x0, jac=True, rng=0)
    # gradients from nearby may prove a stationary point that is no minimum
    assert res.fun - problem.minimum < 1e-6 or not res.success or res.radius < 1e-6


def test_a_proof_is_checked_by_gradients_nearby_and_not_for_long():
    rng = np.random.default_rng(3)
    n = 10
    slopes, at = rng.standard_normal((40, n)), rng.standard_normal(n)
    fun, count = largest_of(slopes - slopes.mean(axis=0), np.zeros(40)), 0
    hit = None

    def watched(x):
        nonlocal count, hit
        count += 1
        value, gradient = fun(x - at)
        if hit is None and value < 1e-8:
            hit = count
        return value, gradient

    res = minimize(watched, np.zeros(n), jac=True, rng=0)
    assert res.success
    assert res.nfev <= 1.5 * hit + 20


def test_centres_do_not_flee_where_the_function_is_constant():
    n, farthest = 50, 0.0

    def fun(x):
        nonlocal farthest
        farthest = max(farthest, float(np.abs(x).max()))
        k = int(x.argmax())
        gradient = -np.ones(n)
        gradient[k] += n
        return float(n * x[k] - x.sum()), gradient

    res = minimize(fun, np.arange(1.0, n + 1) - (n + 1) / 2, jac=True, rng=0)
    assert res.fun < 1e-6
    assert farthest < 1e6
