import numpy as np
import pytest
from numpy.testing import assert_allclose

from smoothmin.sampling.difference_metric import FIRST_DIFFERENCE, DenseMetric, LargeMetric


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
        assert np.array_equal(metric._unit, 1 / np.sqrt(known)) == fits
        assert not metric.fresh
