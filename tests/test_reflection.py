"""Bounds by reflection."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from smoothmin import minimize
from smoothmin._method import Method
from smoothmin._protocol import Ask, Finish, Iterate
from smoothmin._reflection import Folded, fold, within_bounds
from smoothmin._status import Status
from smoothmin.descent.lbfgs import LBFGS

INF = np.inf


def fold_one(z, lower, upper):
    """Reflect a number at one bound after the other, one reflection at a time."""
    slope = 1.0
    while not lower <= z <= upper:
        z = 2 * lower - z if z < lower else 2 * upper - z
        slope = -slope
    return z, slope


@pytest.mark.parametrize("box", [(-1.0, 2.0), (-1.0, INF), (-INF, 2.0), (-INF, INF), (0.0, 1e-3)])
def test_folding_is_repeated_reflection(box):
    lower, upper = box
    reach = 7 * (upper - lower) if np.isfinite(upper - lower) else 30.0
    z = np.random.default_rng(0).uniform(-reach, reach, 300)
    x, slope = fold(z[:, None], np.array([lower]), np.array([upper]))
    expected = np.array([fold_one(value, lower, upper) for value in z])
    assert_allclose(x[:, 0], expected[:, 0], atol=1e-12 * reach)
    assert_array_equal(slope[:, 0], expected[:, 1])


def test_each_coordinate_has_its_bounds():
    lower = np.array([0.0, 0.0, -INF, -INF])
    upper = np.array([1.0, INF, 1.0, INF])
    x, slope = fold(np.array([[1.25, -3.0, 4.0, 9.0], [0.5, 5.0, -9.0, -9.0]]), lower, upper)
    assert_array_equal(x, [[0.75, 3, -2, 9], [0.5, 5, -9, -9]])
    assert_array_equal(slope, [[-1, -1, -1, 1], [1, 1, 1, 1]])


def test_points_inside_are_not_touched():
    z = np.array([[0.1, 0.2], [0.0, 1.0]])
    x, slope = fold(z, np.zeros(2), np.ones(2))
    assert_array_equal(x, z)
    assert_array_equal(slope, 1)
    inside = np.array([0.1 + 0.2, 3.0])
    x, _ = fold(inside, np.zeros(2), np.ones(2))
    assert x[0] == inside[0]


bound = st.floats(-1e6, 1e6)
anywhere = st.one_of(st.floats(-1e9, 1e9), st.sampled_from([-1e308, 1e308, INF, -INF, 1e200]))


@settings(max_examples=300, deadline=None)
@given(low=bound, width=st.floats(1e-9, 1e6), z=anywhere, kind=st.integers(0, 3))
def test_nothing_leaves_the_box(low, width, z, kind):
    lower = -INF if kind in (1, 3) else low
    upper = INF if kind in (2, 3) else max(low + width, np.nextafter(low, INF))
    x, slope = fold(np.array([z]), np.array([lower]), np.array([upper]))
    assert lower <= x[0] <= upper
    assert slope[0] in (-1.0, 1.0)


class Far(Method):
    """Knows of no bounds: asks for points far and near, reports what it was told."""

    def run(self, problem, rng):
        assert problem.box is None
        for scale in (0.0, 1.0, 10.0, 1e8):
            points = problem.x0 + scale * rng.standard_normal((7, problem.x0.size))
            answers = yield Ask(points, 1)
            yield Iterate(points[0], answers.values[0], answers.gradients[0], scale=scale)
        return Finish(Status.CONVERGED, "asked")


def fun(x):
    return ((x - 3) ** 2).sum(), 2 * (x - 3)


def test_a_method_without_bounds_stays_inside():
    seen, steps = [], []

    def recording(x):
        seen.append(x.copy())
        return fun(x)

    bounds = [(-1, 1), (0, None), (None, 2)]
    res = minimize(
        recording,
        np.zeros(3),
        jac=True,
        method=Far(),
        bounds=bounds,
        rng=0,
        callback=lambda intermediate_result: steps.append(intermediate_result),
    )
    points = np.array(seen)
    assert len(points) == 28
    assert np.all(points >= [-1, 0, -INF])
    assert np.all(points <= [1, INF, 2])
    # iterates are told in the user's variables, gradients included
    assert_array_equal([s.x for s in steps], points[::7])
    assert_array_equal([s.jac for s in steps], [fun(x)[1] for x in points[::7]])
    assert res.method == "Far"
    assert res.scale == 1e8


def test_the_gradient_inside_is_that_of_the_mirrored_function():
    lower, upper = np.array([-1.0, 0.5]), np.array([2.0, INF])
    z = np.array([-2.3, 0.1])
    x, slope = fold(z, lower, upper)
    h = 1e-6

    def mirrored(point):
        return fun(fold(point, lower, upper)[0])[0]

    differences = [(mirrored(z + h * e) - mirrored(z - h * e)) / (2 * h) for e in np.eye(2)]
    assert_allclose(fun(x)[1] * slope, differences, rtol=1e-6)


def test_a_folded_descent_finds_minima_at_and_inside_bounds():
    for bounds, expected in [([(-5, 1)] * 2, 1.0), ([(-5, 9)] * 2, 3.0)]:
        res = minimize(fun, [0.0, 0.5], jac=True, method=Folded(LBFGS()), bounds=bounds)
        assert_allclose(res.x, expected, atol=1e-5)


def test_only_methods_that_need_it_are_folded():
    box = (np.zeros(2), np.ones(2))
    assert within_bounds(Far(), box) == Folded(Far())
    assert within_bounds(Far(), None) == Far()
    assert within_bounds(LBFGS(), box) == LBFGS()
    assert Folded(LBFGS()).needs_gradient
