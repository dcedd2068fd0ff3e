"""The trend: learned through ripples, only where it is clear; a method in its metric."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from smoothmin._method import Method
from smoothmin._protocol import Answers, Ask, Finish, Iterate, Problem
from smoothmin._status import Status
from smoothmin.descent.lbfgs import LBFGS
from smoothmin.homotopy.landscape_metric import LandscapeMetric, Trend, in_metric
from smoothmin.smoothing.gradient_sampling import GradientSampling


def turned(rng, eigenvalues):
    vectors = np.linalg.qr(rng.standard_normal((len(eigenvalues),) * 2))[0]
    return (vectors * eigenvalues) @ vectors.T


def learned(rng, hessian, count, noise, scale=None):
    n = len(hessian)
    scale = np.ones(n) if scale is None else scale
    trend = Trend(scale)
    for _ in range(count // 10):
        x = 5.0 + scale * rng.standard_normal((10, n))
        trend.add(x, (x - 1.0) @ hessian + noise * rng.standard_normal((10, n)) / scale)
    return trend


def test_lengths_even_out_the_curvatures():
    rng = np.random.default_rng(0)
    hessian = turned(rng, np.logspace(0, 3, 6))
    metric = learned(rng, hessian, 600, noise=1.0).metric()
    evened = metric.root @ hessian @ metric.root
    assert np.linalg.cond(evened) < 2.5
    assert np.linalg.norm(metric.root, 2) == pytest.approx(1.0)
    assert_allclose(metric.root @ metric.inverse, np.eye(6), atol=1e-9)


def test_what_is_not_clear_is_no_trend():
    rng = np.random.default_rng(1)
    for eigenvalues in (np.ones(20), np.zeros(20), -np.logspace(0, 3, 20)):
        trend = learned(rng, turned(rng, eigenvalues), 200, noise=30.0)
        assert trend.metric().root is None


def test_a_few_steep_directions_stand_out_of_the_noise():
    rng = np.random.default_rng(2)
    eigenvalues = np.ones(30)
    eigenvalues[-1] = 1e3
    hessian = turned(rng, eigenvalues)
    metric = learned(rng, hessian, 300, noise=30.0).metric()
    steep = np.linalg.eigh(hessian)[1][:, -1]
    assert np.linalg.norm(metric.outward(steep)) < 0.3
    lengths = np.linalg.eigvalsh(metric.root)
    assert np.median(lengths) > 0.7


def test_few_samples_and_samples_out_of_range_say_nothing():
    trend = Trend(np.ones(3))
    trend.add(np.zeros((8, 3)), np.ones((8, 3)))
    bad = np.array([np.nan, np.inf, 1e200])[:, None] * np.ones(3)
    trend.add(np.ones((3, 3)), bad)
    assert trend.metric().root is None
    assert trend._count == 8
    trend.add(np.zeros((8, 3)), np.ones((8, 3)))  # all at one place
    assert trend.metric().root is None


def test_the_unit_of_each_variable_does_not_matter():
    hessian = turned(np.random.default_rng(3), np.logspace(0, 3, 5))
    units = np.array([1e-6, 1.0, 10.0, 1e3, 1e6])
    plain = learned(np.random.default_rng(4), hessian, 200, 1.0).metric()
    other = Trend(units)
    rng = np.random.default_rng(4)
    for _ in range(20):
        x = 5.0 + rng.standard_normal((10, 5))
        g = (x - 1.0) @ hessian + rng.standard_normal((10, 5))
        other.add(x * units, g / units)
    assert_allclose(other.metric().root, plain.root, rtol=1e-6, atol=1e-9)


def test_outward_and_inward_are_inverse_and_slopes_fit():
    rng = np.random.default_rng(5)
    metric = learned(rng, turned(rng, np.logspace(0, 3, 4)), 400, 0.1).metric().times(0.5)
    z, g = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    assert_allclose(metric.inward(metric.outward(z)), z)
    assert_allclose(np.sum(metric.slopes(g) * z, axis=1), np.sum(g * metric.outward(z), axis=1))
    assert_allclose(metric.outward(z[0]), metric.outward(z)[0])


def drive(steps, hessian, box):
    """Answer by a bowl around zero; all points asked for, the last iterate."""
    points, last, reply = [], None, None
    while True:
        try:
            message = steps.send(reply)
        except StopIteration as end:
            return np.concatenate(points), last, end.value
        reply = None
        if isinstance(message, Ask):
            x = message.points
            points.append(x)
            if box is not None:
                assert (x >= box[0]).all()
                assert (x <= box[1]).all()
            reply = Answers(0.5 * np.einsum("ij,jk,ik->i", x, hessian, x), x @ hessian)
        else:
            assert isinstance(message, Iterate)
            last = message.x


@pytest.mark.parametrize("boxed", [False, True])
def test_a_method_runs_in_the_metric(boxed):
    rng = np.random.default_rng(6)
    hessian = turned(rng, np.logspace(0, 4, 6))
    metric = learned(rng, hessian, 600, 0.1).metric()
    box = (np.full(6, -1.0), np.full(6, 4.0)) if boxed else None
    problem = Problem(np.full(6, 3.0), box, True, (6,))
    points, last, finish = drive(in_metric(LBFGS(gtol=1e-6), metric, problem, rng), hessian, box)
    assert finish.status == Status.CONVERGED
    assert len(points) < 20
    assert_allclose(last, 0.0, atol=1e-5)


def test_samples_stay_in_the_box_and_pairs_stay_pairs():
    rng = np.random.default_rng(7)
    hessian = turned(rng, np.logspace(0, 3, 4))
    metric = learned(rng, hessian, 400, 0.1).metric()
    box = (np.full(4, -1.0), np.full(4, 1.0))
    problem = Problem(np.full(4, 0.9), box, True, (4,))
    method = GradientSampling(LBFGS(gtol=1e3), n=6, design="antithetic", include_x0=False)
    points, _, _ = drive(in_metric(method, metric.times(3.0), problem, rng), hessian, box)
    assert_allclose(points[0:6:2] + points[1:6:2], 1.8, rtol=1e-12)


class Told(Method):
    """Steps to where it is told."""

    def run(self, problem, rng):
        assert problem.box is None
        yield Iterate(np.array([2.0, 0.0]), 0.0, np.zeros(2))
        return Finish(Status.CONVERGED, "Told.")


def test_iterates_are_in_the_box():
    problem = Problem(np.zeros(2), (np.full(2, -1.0), np.ones(2)), True, (2,))
    steps = in_metric(Told(), LandscapeMetric(np.ones(2)), problem, np.random.default_rng(0))
    assert_array_equal(next(steps).x, [1.0, 0.0])
