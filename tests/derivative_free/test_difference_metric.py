import numpy as np
import pytest
from numpy.testing import assert_allclose

from smoothmin.derivative_free.difference_metric import (
    AHEAD,
    FIRST_DIFFERENCE,
    LARGEST_GROWTH,
    DenseMetric,
    GrowingMetric,
    LargeMetric,
)


@pytest.mark.parametrize("kind", [DenseMetric, LargeMetric])
def test_a_known_diagonal_makes_newtons_step(kind):
    rng = np.random.default_rng(0)
    n = 20
    curvature, g = 10.0 ** rng.uniform(-2, 2, n), rng.standard_normal(n)
    metric = kind(n, np.full(n, 0.3))
    assert metric.fresh
    metric.begin(curvature)
    assert not metric.fresh
    assert_allclose(metric.apply(g), g / curvature)
    noise = 1e-20
    size = np.linalg.norm(metric.difference_steps(noise), axis=1)
    assert_allclose(size, np.minimum(2 * np.sqrt(noise / curvature), 0.3 * FIRST_DIFFERENCE))
    metric.reset()
    assert metric.fresh
    assert_allclose(np.diagonal(metric.difference_steps(noise)), 0.3 * FIRST_DIFFERENCE)


@pytest.mark.parametrize("kind", [DenseMetric, LargeMetric])
def test_last_step_is_explained(kind):
    rng = np.random.default_rng(1)
    n = 8
    root = rng.standard_normal((n, n))
    hessian = root @ root.T + np.eye(n)
    metric = kind(n, rng.uniform(0.1, 1, n))
    for _ in range(12):
        s = rng.standard_normal(n)
        metric.learn(s, hessian @ s, None)
        assert_allclose(metric.apply(hessian @ s), s, rtol=1e-8, atol=1e-8)
    g = rng.standard_normal((3, n))
    inner = metric.root(g) @ metric.root(g).T
    assert_allclose(inner, [[a @ metric.apply(b) for b in g] for a in g], rtol=1e-8, atol=1e-8)


def test_a_flat_step_makes_unknown_directions_as_flat():
    n = 6
    unit = np.linspace(0.5, 2, n)
    metric = DenseMetric(n, unit)
    curvature = np.array([1e4, 100.0, 1e-6, 1.0, 1.0, 1.0])  # in units
    known = []
    for k, inverse in ((0, AHEAD / 1e4), (1, AHEAD / 100), (2, AHEAD * LARGEST_GROWTH / 100)):
        s = np.zeros(n)
        s[k] = unit[k]
        known.append((s, curvature * s / unit**2))
        metric.learn(*known[-1], None)
        for step, change in known:
            assert_allclose(metric.apply(change), step)
        unknown = np.eye(n)[-1] / unit
        assert_allclose(metric.apply(unknown), inverse * unknown * unit**2)


def test_what_shows_no_curvature_teaches_nothing():
    metric = DenseMetric(2, np.ones(2))
    for y in ([0.0, 0.0], [-1.0, 0.0], [np.nan, 0.0]):
        metric.learn(np.array([1.0, 0.0]), np.array(y), None)
        assert metric.fresh


def test_a_diagonal_that_misleads_is_given_up_and_one_that_fits_is_kept():
    rng = np.random.default_rng(2)
    n = 50
    curvature = 10.0 ** np.linspace(-2, 2, n)
    for known, fits in ((curvature, True), (curvature[::-1], False)):
        metric = LargeMetric(n, np.ones(n))
        metric.begin(known)
        for _ in range(5):
            s = rng.standard_normal(n) / np.sqrt(known)
            metric.learn(s, curvature * s, None)
        assert np.array_equal(metric.units.now, 1 / np.sqrt(known)) == fits
        assert not metric.fresh


def test_few_steps_scale_by_the_newest_and_as_many_as_variables_determine_the_matrix():
    rng = np.random.default_rng(3)
    n = 12
    turned = np.linalg.qr(rng.standard_normal((n, n)))[0]
    hessian = (turned * 10.0 ** np.linspace(-2, 2, n)) @ turned.T
    growing, few, dense = GrowingMetric(n, np.ones(n)), LargeMetric(n, np.ones(n)), []
    g = rng.standard_normal(n)
    for k in range(n):
        s = turned[:, k]
        dense.append((s, hessian @ s))
        growing.learn(s, hessian @ s, None)
        few.learn(s, hessian @ s, None)
        if k < n - 1:
            assert_allclose(growing.apply(g), few.apply(g))
    assert_allclose(growing.apply(g), np.linalg.solve(hessian, g), rtol=1e-6)
    growing.reset()
    assert growing.fresh


@pytest.mark.parametrize("kind", [DenseMetric, GrowingMetric, LargeMetric])
def test_a_scale_that_misleads_is_given_up_for_an_even_one(kind):
    rng = np.random.default_rng(4)
    n = 60
    scale = 10.0 ** rng.uniform(-3, 0, n)
    for curvature in (1 / scale**2, np.ones(n)):
        metric = kind(n, scale)
        for _ in range(3):
            s = rng.standard_normal(n) / np.sqrt(curvature)
            metric.learn(s, curvature * s, None)
            assert_allclose(metric.apply(curvature * s), s, rtol=1e-6, atol=1e-12)
        g = rng.standard_normal(n)
        size = np.sqrt(curvature)
        alike = float((size * metric.apply(size * g)) @ g)
        assert alike > 0.8 * np.linalg.norm(size * metric.apply(size * g)) * np.linalg.norm(g)


@pytest.mark.parametrize("kind", [DenseMetric, GrowingMetric])
def test_an_inverse_that_is_not_positive_definite_is_as_good_as_none(kind):
    metric = kind(2, np.ones(2))
    metric.begin_with(np.array([[1.0, 0.0], [0.0, -1e-30]]))
    assert metric.fresh
    metric.begin_with(np.diag([4.0, 1e-8]))
    assert_allclose(metric.apply(np.ones(2)), [4.0, 1e-8])
