"""The bundle's tangents and hulls, against what they are by definition."""

import numpy as np
import pytest

from smoothmin import _machine
from smoothmin.descent.gradient_sampling.bundle import Bundle
from smoothmin.descent.gradient_sampling.hull import Hull
from smoothmin.metrics.dense_bfgs import InverseHessian
from smoothmin.metrics.lbfgs import LimitedMemory


def convex(x):
    return float(np.abs(x).sum() + x @ x), np.sign(x) + 2 * x


def filled(count, capacity=50, n=3, seed=0):
    """A bundle of random points around the last of them."""
    points = np.random.default_rng(seed).standard_normal((count, n))
    bundle = Bundle(n, capacity)
    bundle.restart(points[0], *convex(points[0]))
    for x in points[1:]:
        bundle.add(x, *convex(x))
    bundle.move(points[-1], *convex(points[-1]))
    return bundle, points


def test_tangents_meet_where_they_do():
    bundle, points = filled(20)
    x = points[-1]
    f, g = convex(x)
    meets, slopes = bundle.kinks(-g, -g @ g)
    for t, slope, point in zip(meets, slopes, points, strict=True):
        value, gradient = convex(point)
        assert slope == pytest.approx(-gradient @ g)
        if np.isfinite(t):
            there = x - t * g
            own, other = f - t * (g @ g), value + gradient @ (there - point)
            assert own == pytest.approx(other, abs=1e-9)
            assert t > 0
    assert np.isfinite(meets).any()


def test_gaps_follow_the_centre():
    bundle, points = filled(30)
    gradients, gaps = bundle.cuts(np.arange(30))
    x = points[-1]
    f, g = convex(x)
    np.testing.assert_array_equal(gradients[0], g)
    assert gaps[0] == 0
    for gap, point in zip(gaps[1:], points, strict=True):
        value, gradient = convex(point)
        assert gap == pytest.approx(f - value - gradient @ (x - point), abs=1e-12)


def test_gaps_follow_several_moves_at_once():
    bundle, points = filled(12)
    for centre in points[:4]:
        bundle.move(centre, *convex(centre))
    bundle.add(points[5] + 1, *convex(points[5] + 1))
    f, x = convex(points[3])[0], points[3]
    direction = np.array([1.0, -2.0, 0.5])
    _, slopes = bundle.kinks(direction, 0.0)
    for k, point in enumerate([*points, points[5] + 1]):
        value, gradient = convex(point)
        assert bundle.gaps()[k] == pytest.approx(f - value - gradient @ (x - point), abs=1e-12)
        assert slopes[k] == pytest.approx(gradient @ direction)


def test_the_oldest_makes_room_and_the_centre_stays():
    bundle, points = filled(30, capacity=8)
    bundle.move(points[0], *convex(points[0]))  # long gone from the ring
    assert len(bundle) == 8
    gradients, serials = bundle.near(1e-12)
    np.testing.assert_array_equal(gradients, [convex(points[0])[1]])
    assert len(set(serials)) == len(serials)
    everything, serials = bundle.near(np.inf)
    assert len(everything) == 9
    assert len(set(serials)) == 9


def test_only_points_within_the_radius_are_near():
    bundle, points = filled(20)
    distances = np.linalg.norm(points - points[-1], axis=1)
    radius = float(np.median(distances))
    assert len(bundle.near(radius)[0]) == 1 + int((distances <= radius).sum())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_points_without_finite_values_are_not_kept(bad):
    bundle, _ = filled(3)
    bundle.add(np.zeros(3), bad, np.ones(3))
    with np.errstate(invalid="ignore"):
        bundle.add(np.zeros(3), 0.0, np.array([bad, 0, 0]))
    assert len(bundle) == 3


@pytest.mark.parametrize("metric", [InverseHessian(4), LimitedMemory(4, 3)])
def test_the_hull_in_a_metric(metric):
    rng = np.random.default_rng(0)
    for _ in range(5):
        s = rng.standard_normal(4)
        metric.update(s, s * np.arange(1.0, 5))
    gradients = rng.standard_normal((6, 4)) + 1
    normals = -np.eye(4)[:1]
    hull = Hull(metric, normals)
    first, _, _ = hull.least_element(gradients[:4], np.arange(4))
    least, direction, slope = hull.least_element(gradients, np.arange(6))
    np.testing.assert_allclose(direction, -metric.apply(least), atol=1e-12)
    assert slope == pytest.approx(least @ direction)
    assert (gradients @ direction).max() <= slope + 1e-9  # downhill for every gradient
    assert direction[0] >= -1e-9  # and into the box
    assert -slope <= first @ metric.apply(first) + 1e-12  # more gradients, shorter element


def test_what_is_held_outlives_older_points_until_the_centre_moves():
    bundle, points = filled(8, capacity=8)
    _, serials = bundle.near(np.inf)
    bundle.hold(serials[1:4])
    for x in points[:6] + 0.1:
        bundle.add(x, *convex(x))
    kept = set(bundle.near(np.inf)[1].tolist())
    assert set(serials[1:4].tolist()) <= kept
    bundle.move(points[-1], *convex(points[-1]))
    for x in points[:6] + 0.2:
        bundle.add(x, *convex(x))
    assert not set(serials[1:4].tolist()) & set(bundle.near(np.inf)[1].tolist())


def test_distances_follow_points_and_centre():
    bundle, points = filled(10)
    for centre in points[:3]:
        bundle.move(centre, *convex(centre))
        bundle.add(centre + 0.01, *convex(centre + 0.01))
        everything = np.vstack([points, *[p + 0.01 for p in points[:3]]])
        for radius in (0.5, 1.5):
            inside = np.linalg.norm(everything[: len(bundle)] - centre, axis=1) <= radius
            assert len(bundle.near(radius)[1]) == 1 + int(inside.sum())


def test_more_coordinates_than_the_cache_holds_are_taken_in_parts(monkeypatch):
    rng = np.random.default_rng(5)
    points, gradients = rng.standard_normal((2, 4, 30))
    found = []
    for cached in (10**6, 50):
        monkeypatch.setattr(_machine, "CACHED", cached)
        bundle = Bundle(30, 9)
        bundle.restart(points[0], 0.0, gradients[0])
        for x, g in zip(points[1:], gradients[1:], strict=True):
            bundle.add(x, 1.0, g)
        near, serials = bundle.near(1.01 * np.linalg.norm(points[1] - points[0]))
        gap, mean = bundle.mixed(np.array([1, 3]), np.array([0.25, 0.75]))
        found.append((near, serials, gap, mean))
    for whole, parts in zip(*found, strict=True):
        np.testing.assert_allclose(parts, whole, rtol=1e-12)
    np.testing.assert_allclose(found[0][3], 0.25 * points[1] + 0.75 * points[3], rtol=1e-9)


def test_a_bundle_that_nothing_has_room_for_grows_as_it_is_used(monkeypatch):
    monkeypatch.setattr(_machine, "CACHED", 12)
    bundle, rng = Bundle(3, 10**12), np.random.default_rng(6)
    points = rng.standard_normal((20, 3))
    bundle.restart(points[0], 0.0, points[0])
    for x in points[1:]:
        bundle.add(x, float(x @ x), 2 * x)
    np.testing.assert_array_equal(bundle.points, points)
