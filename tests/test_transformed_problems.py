"""The benches' transformed problems: gradients, least values, and the same problem as before."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import smoothmin

sys.path.append(str(Path(__file__).parent / "benchmarks"))

import transformed_problems as sets


def slope_error(fun, x, rng):
    """Directional derivative against the central difference, relative to the gradient."""
    direction = rng.standard_normal(x.size)
    direction *= 1e-6 * max(1.0, np.linalg.norm(x)) / np.linalg.norm(direction)
    rise = (fun(x + direction)[0] - fun(x - direction)[0]) / 2
    gradient = fun(x)[1]
    return abs(rise - gradient @ direction) / np.linalg.norm(direction) / np.linalg.norm(gradient)


@pytest.mark.parametrize("kind", ["nonsmooth", "smooth"])
def test_gradients_agree_with_differences(kind):
    rng = np.random.default_rng(0)
    for problem in getattr(sets, kind)():
        x = problem.x0 + 0.01 * np.abs(problem.x0).max() * rng.standard_normal(problem.x0.size)
        assert slope_error(problem.fun, x, rng) < 1e-4, problem.name


@pytest.mark.parametrize("kind", ["nonsmooth", "smooth"])
def test_start_and_values_are_those_of_the_published_problem(kind):
    published = {p.name: p for p in sets.published(kind)}
    problems = getattr(sets, kind)()
    assert len(problems) >= 90
    for problem in problems:
        first = published[problem.name.split("/")[0]]
        np.testing.assert_allclose(problem.back(problem.x0), first.x0, atol=1e-9)
        scale = max(1.0, abs(first.fun(first.x0)[0]))
        assert abs(problem.fun(problem.x0)[0] - first.fun(first.x0)[0]) <= 1e-9 * scale
        assert problem.minimum == first.minimum


def test_nothing_is_below_the_least_value_which_is_reached():
    for problem in sets.smooth(max_n=12, seeds=(0,)):
        with np.errstate(all="ignore"):
            res = smoothmin.minimize(problem.fun, problem.x0, jac=True, method="bfgs")
        gap = (res.fun - problem.minimum) / (problem.fun(problem.x0)[0] - problem.minimum)
        assert -1e-9 < gap < 1e-6, problem.name


def test_a_seed_gives_the_same_coordinates_and_another_seed_others():
    first, again = sets.smooth(max_n=3, seeds=(0,)), sets.smooth(max_n=3, seeds=(0,))
    other = sets.smooth(max_n=3, seeds=(1,))
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a.x0, b.x0)
        assert not np.allclose(a.x0, c.x0)
