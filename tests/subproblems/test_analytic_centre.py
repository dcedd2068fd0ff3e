"""Analytic centres: optimal, the lower bound of their weights true, None where nothing is below."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from smoothmin.subproblems.analytic_centre import analytic_centre


def tangents(seed, m, n):
    rng = np.random.default_rng(seed)
    slopes = rng.standard_normal((m, n))
    slopes -= slopes.mean(axis=0)  # so that their maximum has a minimum
    return slopes, -rng.random(m)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_centre_is_the_least_point_of_the_barrier(seed, n):
    slopes, heights = tangents(seed, 3 * n + 2, n)
    found = analytic_centre(slopes, heights, 0.0, np.zeros(n), 0.01)

    def barrier(d, v):
        slacks = v - heights - slopes @ d
        return 0.5 * d @ d - np.log(slacks).sum() - n * np.log(-v)

    levels = np.linspace((slopes @ found.step + heights).max(), 0, 4000)[1:-1]
    least = min(levels, key=lambda v: barrier(found.step, v))
    here = barrier(found.step, least)
    for step in np.concatenate([np.eye(n), -np.eye(n)]):
        near = found.step + 0.1 * step
        inside = [v for v in levels if v > (slopes @ near + heights).max()]
        assert all(barrier(near, v) >= here - 1e-3 for v in inside)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_weights_mix_to_a_bound_that_holds(seed, n):
    slopes, heights = tangents(seed, 3 * n + 2, n)
    found = analytic_centre(slopes, heights, 0.0, np.zeros(n), 0.01)
    weights, step = found.weights, found.step
    assert weights.min() > 0
    assert weights.sum() == pytest.approx(1)
    assert (slopes @ step + heights).max() < 0
    rows = np.hstack([slopes, -np.ones((len(slopes), 1))])
    bounds = [(None, None)] * (n + 1)
    low = linprog(np.append(np.zeros(n), 1.0), A_ub=rows, b_ub=-heights, bounds=bounds)
    # the mix of all tangents lies below their maximum everywhere, at its minimum too
    assert weights @ (slopes @ low.x[:n] + heights) <= low.fun + 1e-9


@pytest.mark.parametrize("above", [1e-3, 1.0])
def test_none_where_no_point_is_below(above):
    slopes, heights = tangents(3, 14, 4)
    rows = np.hstack([slopes, -np.ones((14, 1))])
    low = linprog(np.append(np.zeros(4), 1.0), A_ub=rows, b_ub=-heights, bounds=[(None, None)] * 5)
    assert analytic_centre(slopes, heights, low.fun - above, np.zeros(4), 0.01) is None


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_walls_are_kept_and_balance_the_mix(seed, n):
    slopes, heights = tangents(seed, 3 * n + 2, n)
    rng = np.random.default_rng(seed)
    normals, distances = rng.standard_normal((2 * n, n)), rng.uniform(0.01, 0.3, 2 * n)
    walls = normals, distances
    found = analytic_centre(slopes, heights, 0.0, np.zeros(n), 0.01, walls)
    if found is None:
        rows = np.hstack([slopes, -np.ones((len(slopes), 1))])
        inside = np.hstack([-normals, np.zeros((2 * n, 1))])
        low = linprog(
            np.append(np.zeros(n), 1.0),
            A_ub=np.concatenate([rows, inside]),
            b_ub=np.concatenate([-heights, distances]),
            bounds=[(None, None)] * (n + 1),
        )
        assert low.fun > -1e-6
        return
    left = normals @ found.step + distances
    assert left.min() > 0
    assert (slopes @ found.step + heights).max() < 0
    # the barrier's gradient vanishes: with v known by what walls and the ball leave of the mix
    pull = (1 / left) @ normals - found.step
    mix = found.weights @ slopes
    assert np.linalg.norm(pull - mix * (pull @ mix) / (mix @ mix)) <= 0.05 * np.linalg.norm(pull)
