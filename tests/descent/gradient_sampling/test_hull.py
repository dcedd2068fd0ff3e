"""The hull in a limited memory's metric: the same, whatever it has been asked before."""

import numpy as np
import pytest

from smoothmin.descent.gradient_sampling.hull import Hull
from smoothmin.metrics.lbfgs import LimitedMemory


@pytest.mark.parametrize("bounds", [0, 2])
def test_what_is_known_of_gradients_serves_when_others_come_and_go(bounds):
    rng, n = np.random.default_rng(0), 8
    metric = LimitedMemory(n, 5)
    for step in rng.standard_normal((7, n)):
        metric.update(step, np.linspace(1, 30, n) * step)
    gradients, normals = rng.standard_normal((12, n)) + 0.5, np.eye(n)[:bounds]
    hull = Hull(metric, normals)
    for serials in ([0, 1, 2], [0, 1, 2, 3], [0, 2, 5, 7, 9], [9, 1, 4], range(12)):
        rows = np.array(serials)
        least, direction, slope = hull.least_element(gradients[rows], rows)
        expected = Hull(metric, normals).least_element(gradients[rows], rows)
        np.testing.assert_allclose(least, expected[0], atol=1e-7)
        np.testing.assert_allclose(direction, -metric.apply(least), atol=1e-12)
        # no gradient is nearer to zero along the direction than the least element
        assert (gradients[rows] @ direction <= slope + 1e-6 * abs(slope)).all()
