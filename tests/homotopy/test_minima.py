"""The model of minima: exact where they lie on a quadratic, useful where they are few."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from smoothmin.derivative_free.quadratic_regression import full_size
from smoothmin.homotopy.landscape_metric import LandscapeMetric
from smoothmin.homotopy.minima import FEWEST, Minima, _shortest


def bowl(x, lowest, hessian):
    z = x - lowest
    return float(0.5 * z @ hessian @ z) - 3.0


def filled(rng, centre, lowest, hessian, count):
    minima = Minima(len(centre))
    for _ in range(count):
        x = centre + rng.standard_normal(len(centre))
        minima.add(x, bowl(x, lowest, hessian))
    return minima


@pytest.mark.parametrize("n", [1, 3, 20])
def test_as_many_as_slopes_and_one_find_the_bottom_of_a_round_bowl(n):
    rng = np.random.default_rng(n)
    centre, lowest, hessian = rng.standard_normal(n), 0.3 * rng.standard_normal(n), 8.0 * np.eye(n)
    lowest += centre
    minima = filled(rng, centre, lowest, hessian, max(n + 2, FEWEST))
    x = minima.propose(centre, bowl(centre, lowest, hessian), LandscapeMetric(np.ones(n)))
    assert_allclose(x, lowest, atol=1e-3)


def test_fewer_go_down_in_what_they_span():
    rng = np.random.default_rng(1)
    n = 30
    centre, lowest, hessian = np.zeros(n), 0.5 * rng.standard_normal(n), 2.0 * np.eye(n)
    before = bowl(centre, lowest, hessian)
    gains = []
    for count in (8, 15, 25):
        minima = filled(np.random.default_rng(2), centre, lowest, hessian, count)
        x = minima.propose(centre, before, LandscapeMetric(np.ones(n)))
        gains.append(before - bowl(x, lowest, hessian))
    assert 0 < gains[0] < gains[1] < gains[2] <= before + 3.0


def test_enough_find_the_bottom_of_any_bowl():
    rng = np.random.default_rng(3)
    n = 4
    root = rng.standard_normal((n, n))
    hessian = root @ root.T + 0.1 * np.eye(n)
    centre, lowest = np.zeros(n), 0.2 * rng.standard_normal(n)
    minima = filled(rng, centre, lowest, hessian, 2 * full_size(n))
    x = minima.propose(centre, bowl(centre, lowest, hessian), LandscapeMetric(np.ones(n)))
    assert_allclose(x, lowest, atol=1e-3)


def test_units_do_not_matter():
    rng = np.random.default_rng(4)
    n, sigma = 5, np.array([1e-6, 1.0, 30.0, 2.0, 1e4])
    plain, scaled = Minima(n), Minima(n)
    for _ in range(12):
        z, value = rng.standard_normal(n), float(rng.random())
        plain.add(z, value)
        scaled.add(sigma * z, value)
    expected = plain.propose(np.zeros(n), 0.1, LandscapeMetric(np.ones(n)))
    assert_allclose(
        scaled.propose(np.zeros(n), 0.1, LandscapeMetric(sigma)) / sigma, expected, rtol=1e-9
    )


def test_the_centre_itself_and_infinite_values_tell_nothing():
    minima = Minima(2)
    for _ in range(20):
        minima.add(np.zeros(2), 1.0)
        minima.add(np.ones(2), np.inf)
    assert minima.added == 20
    assert minima.propose(np.zeros(2), 1.0, LandscapeMetric(np.ones(2))) is None


def test_memory_is_bounded():
    minima = Minima(100_000)
    for k in range(200):
        minima.add(np.full(100_000, float(k)), float(k))
    assert len(minima) < 50
    assert minima.added == 200


def test_shortest_solution_is_that_of_least_squares():
    rng = np.random.default_rng(5)
    for shape in ((4, 9), (9, 4)):
        design, target = rng.standard_normal(shape), rng.standard_normal(shape[0])
        assert_allclose(_shortest(design, target), np.linalg.lstsq(design, target)[0], atol=1e-6)
