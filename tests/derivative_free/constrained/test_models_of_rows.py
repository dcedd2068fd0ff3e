"""Models of several functions: quadratics are found, and points that tell nothing are seen."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from smoothmin.derivative_free.constrained.models import Bank, fit


def quadratics(seed, n, k):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((k, n, n))
    hessians = root + root.transpose(0, 2, 1)
    slopes, constants = rng.standard_normal((k, n)), rng.standard_normal(k)

    def at(points):
        bent = np.einsum("mi,kij,mj->mk", points, hessians, points)
        return constants + points @ slopes.T + bent / 2

    return at, hessians, rng


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_quadratics_are_found(seed, n):
    at, hessians, rng = quadratics(seed, n, 3)
    points = rng.uniform(-0.3, 0.3, (3 * (n + 1) * (n + 2), n))
    bank = Bank(n, 2)
    bank.add(points, at(points))
    models = fit(bank, 0, 0.3, None, np.full(3, np.inf), np.zeros(3))
    fresh = rng.uniform(-0.3, 0.3, (5, n))
    told = np.array([models.at((x - points[0]) / 0.3) for x in fresh])
    np.testing.assert_allclose(told, at(fresh), atol=0.02 * np.abs(hessians).max())
    assert len(models.missing) == 0


def test_the_centre_is_interpolated():
    at, _, rng = quadratics(3, 3, 2)
    points = rng.uniform(-1, 1, (6, 3))
    bank = Bank(3, 1)
    bank.add(points, at(points))
    models = fit(bank, 2, 1.0, None, np.full(2, np.inf), np.zeros(2))
    np.testing.assert_array_equal(models.at(np.zeros(3)), at(points)[2])


def test_a_line_of_points_misses_the_rest():
    bank = Bank(3, 0)
    points = np.outer(np.linspace(-1, 1, 7), [1.0, 0, 0])
    bank.add(points, points[:, :1])
    models = fit(bank, 3, 1.0, None, np.full(1, np.inf), np.zeros(1))
    assert len(models.missing) == 2
    np.testing.assert_allclose(models.missing[:, 0], 0, atol=1e-12)


def test_points_without_values_are_not_kept():
    bank = Bank(2, 1)
    bank.add(np.zeros((3, 2)), np.array([[1.0, np.nan], [np.inf, 1.0], [1.0, 2.0]]))
    assert len(bank.points) == 1
