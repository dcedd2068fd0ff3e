"""Smooth functions: what is meant for kinks neither acts nor keeps a run from its end."""

import sys
from pathlib import Path

import numpy as np
import pytest

from smoothmin import minimize
from smoothmin.descent.gradient_sampling.state import State

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from smooth_problems import SmoothProblem, scalable, small, soft_maximum


def named(name):
    return next(each for each in scalable(48) if each.name == name)


def rotated(problem, seed):
    turn, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((problem.x0.size,) * 2))

    def fun(z):
        value, gradient = problem.fun(turn @ z)
        return value, gradient @ turn

    return SmoothProblem(problem.name, fun, turn.T @ problem.x0, problem.minimum)


def evaluations(problem):
    """Until 1e-8 of the way."""
    first = problem.fun(problem.x0)[0]
    target = problem.minimum + 1e-8 * (first - problem.minimum)
    res = minimize(problem.fun, problem.x0, jac=True, rng=0, options={"f_target": target})
    assert res.status == 6
    return res.nfev


@pytest.mark.parametrize("name", ["rosenbrock", "helix", "powell-singular-48"])
@pytest.mark.parametrize("turn", [False, True])
def test_kinks_are_not_looked_for_in_valleys(monkeypatch, name, turn):
    def refuse(*_):
        raise AssertionError("kinks are looked for where there are none")

    monkeypatch.setattr(State, "_surround", refuse)
    problem = next(each for each in [*small(), *scalable(48)] if each.name == name)
    problem = rotated(problem, 0) if turn else problem
    assert minimize(problem.fun, problem.x0, jac=True, rng=0).success


@pytest.mark.parametrize("turn", [False, True])
@pytest.mark.parametrize(
    ("problem", "budget"),
    [
        # valleys
        (named("chained-rosenbrock-48"), 90),
        (named("quartic-48"), 45),
        (soft_maximum(30, 100, 0), 150),
        # so ill-conditioned that few pairs are not enough
        (named("boundary-value-48"), 170),
    ],
)
def test_few_evaluations(problem, budget, turn):
    assert evaluations(rotated(problem, 1) if turn else problem) <= budget


@pytest.mark.parametrize(
    ("problem", "budget"),
    [(named("arwhead-48"), 30), (named("variably-dimensioned-48"), 65)],
)
def test_ends_where_rounding_hides_what_is_left(problem, budget):
    res = minimize(problem.fun, problem.x0, jac=True, rng=0)
    assert res.success, res.message
    assert res.nfev <= budget


@pytest.mark.parametrize("method", ["gradient-sampling", "bfgs", "lbfgs"])
@pytest.mark.parametrize("lost", [1e-14, 1e-12])
def test_slopes_are_believed_where_values_are_rounded(method, lost):
    """Values of three or one digits less than doubles have."""
    rng = np.random.default_rng(4)
    matrix = np.diag(np.geomspace(1, 30, 8))

    def fun(x):
        gradient = matrix @ x + 4 * x**3
        value = 1 + 0.5 * x @ matrix @ x + x @ x**3
        return value * (1 + lost * np.sin(1e9 * x.sum())), gradient

    res = minimize(fun, rng.standard_normal(8), jac=True, method=method, rng=0)
    assert res.success, res.message
    assert res.nfev <= 60
    assert np.abs(res.x).max() <= 1e-5


@pytest.mark.parametrize(("n", "budget"), [(50, 170), (100, 170)])
def test_an_exact_penalty_of_an_energy(n, budget):
    """A string over an obstacle: smooth and ill-conditioned, but for many small kinks."""
    h = 1 / (n + 1)
    t = h * np.arange(1, n + 1)
    floor = 0.3 * np.sin(3 * np.pi * t) - 0.1

    def fun(u):
        slopes, below = np.diff(np.concatenate([[0], u, [0]])) / h, floor - u
        value = 0.5 * h * slopes @ slopes + 40 * h * below[below > 0].sum()
        return value, -np.diff(slopes) - 40 * h * (below > 0)

    low = minimize(fun, np.zeros(n), jac=True, method="bfgs").fun
    options = {"maxfev": budget, "f_target": low + 1e-6}
    assert minimize(fun, np.zeros(n), jac=True, rng=0, options=options).status == 6


def test_an_exact_penalty_that_is_met_along_half_of_a_string():
    """Kinks are seen before many searches that are too long."""
    n = 200
    h = 1 / (n + 1)
    t = h * np.arange(1, n + 1)
    floor = 0.25 * np.cos(3 * np.pi * t) - 0.3 * t

    def fun(u):
        slopes, below = np.diff(np.concatenate([[0], u, [0]])) / h, floor - u
        value = 0.5 * slopes @ slopes + u.sum() + 60 * below[below > 0].sum()
        return h * value, h * (1 - 60 * (below > 0)) - np.diff(slopes)

    low = minimize(fun, np.zeros(n), jac=True, method="bfgs").fun
    options = {"maxfev": 300, "f_target": low + 1e-6}
    assert minimize(fun, np.zeros(n), jac=True, rng=0, options=options).status == 6


def registration(m, seed):
    """Two displacements that bring one image onto another, with weak springs between pixels."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(m) / m, np.arange(m) / m, indexing="ij")
    waves, phases = rng.uniform(3, 9, (3, 2)), rng.uniform(0, 6, 3)

    def image(x, y):
        parts = [(k, k[0] * x + k[1] * y + phase) for k, phase in zip(waves, phases, strict=True)]
        slopes = np.array([sum(k[i] * np.cos(part) for k, part in parts) for i in (0, 1)])
        return sum(np.sin(part) for _, part in parts), slopes

    bump = np.sin(np.pi * x) * np.sin(np.pi * y)
    target, _ = image(x + 0.06 * bump, y - 0.05 * np.sin(2 * np.pi * x) * np.sin(np.pi * y))
    target += 0.02 * rng.standard_normal((m, m))

    def fun(z):
        moves = z.reshape(2, m, m)
        seen, slopes = image(x + moves[0], y + moves[1])
        value, gradient = 0.5 * ((seen - target) ** 2).sum(), (seen - target) * slopes
        for axis in (1, 2):
            stretch = m * np.diff(moves, axis=axis)
            value += 0.5e-3 * (stretch**2).sum()
            pull = np.moveaxis(1e-3 * m * stretch, axis, 0)
            turned = np.moveaxis(gradient, axis, 0)
            turned[1:] += pull
            turned[:-1] -= pull
        return value, gradient.ravel()

    return fun, np.zeros(2 * m * m)


@pytest.mark.parametrize("seed", [0, 2])
def test_scales_that_mislead_are_given_up(seed):
    """The springs of a field are as strong in all places, though gradients were not."""
    fun, x0 = registration(16, seed)
    plain, values = minimize(fun, x0, jac=True, method="lbfgs"), []

    def seen(z):
        values.append(fun(z)[0])
        return fun(z)

    res = minimize(seen, x0, jac=True, rng=0)
    assert res.success
    assert res.fun == pytest.approx(plain.fun, rel=1e-9)
    reached = np.flatnonzero(np.array(values) <= res.fun + 1e-8 * (values[0] - res.fun))[0]
    assert reached <= 680
    assert res.nfev <= 2 * reached + 400
