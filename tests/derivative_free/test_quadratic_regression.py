import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import Bounds, minimize
from scipy.stats import kendalltau

from smoothmin.derivative_free.quadratic_regression import (
    MAX_COEFFICIENTS,
    WINDOW,
    Archive,
    Quadratic,
    Regression,
    full_size,
    kendall,
    least_squares,
)
from smoothmin.subproblems.trust_region import trust_region_step


def frame(n):
    return np.zeros(n), np.eye(n), np.eye(n)


def random_quadratic(rng, n, definite=True):
    root = rng.standard_normal((n, n))
    hessian = root @ root.T + 0.1 * np.eye(n) if definite else root + root.T
    return rng.standard_normal(n), hessian


def test_archive_keeps_the_last_and_is_bounded():
    archive = Archive(2)
    rng = np.random.default_rng(0)
    points, values = rng.standard_normal((500, 2)), rng.standard_normal(500)
    for k in range(0, 500, 7):
        archive.add(points[k : k + 7], values[k : k + 7])
    assert archive.added == 500
    assert archive.size <= WINDOW * full_size(2) + 50
    kept, known = archive.last(archive.size)
    assert_array_equal(kept, points[-archive.size :])
    assert_array_equal(known, values[-archive.size :])


def test_archive_drops_what_is_not_finite_and_survives_large_batches():
    archive = Archive(1)
    archive.add(np.zeros((3, 1)), np.array([np.nan, 1.0, np.inf]))
    assert archive.size == 1
    archive.add(np.arange(1000.0)[:, None], np.arange(1000.0))
    assert_array_equal(archive.last(1)[1], [999.0])


def test_class_of_model_grows_with_the_data():
    archive, rng, kinds = Archive(4), np.random.default_rng(0), []
    for _ in range(60):
        archive.add(rng.standard_normal((1, 4)), rng.standard_normal(1))
        points, values, kind = archive.training()
        kinds.append(kind)
        assert np.all(np.diff(values) >= 0)
        if kind >= 0:
            assert len(points) >= archive.sizes[kind]
    assert kinds == sorted(kinds)
    assert set(kinds) == {-1, 0, 1, 2}


def test_models_are_limited_in_size():
    assert len(Archive(40).sizes) == 3
    assert len(Archive(60).sizes) == 2
    assert Archive(MAX_COEFFICIENTS).sizes == []
    assert Archive(MAX_COEFFICIENTS).training()[2] == -1


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_fit_recovers_a_function_of_its_class(kind):
    rng, n = np.random.default_rng(kind), 4
    gradient, hessian = random_quadratic(rng, n)
    hessian = (0 * hessian, np.diag(np.diagonal(hessian)), hessian)[kind]
    x = rng.standard_normal((40, n))
    values = 3 + x @ gradient + 0.5 * np.einsum("ij,jk,ik->i", x, hessian, x)
    order = np.argsort(values)
    root = rng.standard_normal((n, n)) + 3 * np.eye(n)
    centre = rng.standard_normal(n)
    fitted = Regression(n).fit(x[order], values[order], kind, centre, np.linalg.inv(root), root)
    new = rng.standard_normal((10, n))
    expected = 3 + new @ gradient + 0.5 * np.einsum("ij,jk,ik->i", new, hessian, new)
    if kind != 1:  # a diagonal Hessian is so in the frame of the fit only
        assert_allclose(fitted(new), expected, rtol=1e-8, atol=1e-8)
    else:
        plain = Regression(n).fit(x[order], values[order], kind, *frame(n))
        assert_allclose(plain(new), expected, rtol=1e-8, atol=1e-8)


def test_fit_is_weighted_towards_low_values():
    x = np.linspace(-1, 1, 41)[:, None]
    values = np.abs(x[:, 0]) ** 3
    order = np.argsort(values)
    fitted = Regression(1).fit(x[order], values[order], 0, *frame(1))
    assert fitted(np.zeros((1, 1)))[0] < values.mean()


@given(st.integers(1, 12), st.integers(0, 10_000))
@settings(deadline=None, max_examples=60)
def test_least_squares_is_that_of_numpy(p, seed):
    rng = np.random.default_rng(seed)
    design = np.asfortranarray(rng.standard_normal((2 * p + 3, p)) * 10.0 ** rng.integers(-4, 4, p))
    target = rng.standard_normal(len(design))
    expected = np.linalg.lstsq(design, target, rcond=None)[0]
    assert_allclose(least_squares(design, target), expected, rtol=1e-6)


def test_least_squares_of_a_degenerate_design_is_finite_or_none():
    column = np.arange(1.0, 7.0)
    design = np.asfortranarray(np.column_stack([column, column, column]))
    solution = least_squares(design, column)
    assert solution is None or np.isfinite(solution).all()


@given(st.integers(1, 6), st.booleans(), st.floats(1e-3, 1e3), st.integers(0, 10_000))
@settings(deadline=None, max_examples=150)
def test_trust_region_step_is_optimal(n, definite, radius, seed):
    rng = np.random.default_rng(seed)
    gradient, hessian = random_quadratic(rng, n, definite)
    step = trust_region_step(gradient, hessian, radius)
    length = np.linalg.norm(step)
    assert length <= radius * (1 + 1e-9)
    model = gradient @ step + 0.5 * step @ hessian @ step
    # no random point of the ball, and no eigenvector through the step, is lower
    other = rng.standard_normal((300, n))
    other *= (radius * rng.random(300) ** (1 / n) / np.linalg.norm(other, axis=1))[:, None]
    lower = other @ gradient + 0.5 * np.einsum("ij,jk,ik->i", other, hessian, other)
    assert model <= lower.min() + 5e-3 * abs(lower.min())
    multiplier = -(gradient + hessian @ step) @ step / max(step @ step, 1e-300)
    assert multiplier >= -1e-6 * np.abs(hessian).max()


def test_trust_region_step_in_the_hard_case():
    step = trust_region_step(np.array([0.0, 1.0]), np.diag([-1.0, 1.0]), 2.0)
    assert np.linalg.norm(step) == pytest.approx(2.0)
    assert step[1] == pytest.approx(-0.5)


def test_trust_region_step_without_slope_or_curvature():
    assert_array_equal(trust_region_step(np.zeros(2), np.eye(2), 1.0), 0.0)
    assert_allclose(trust_region_step(np.array([3.0, 4.0]), np.zeros((2, 2)), 1.0), [-0.6, -0.8])


@pytest.mark.parametrize("seed", range(4))
def test_a_diagonal_hessian_is_its_diagonal(seed):
    rng = np.random.default_rng(seed)
    gradient, diagonal, points = rng.normal(size=5), rng.normal(size=5), rng.normal(size=(7, 5))
    box = (np.full(5, -0.2), np.full(5, 0.3))
    short, whole = (Quadratic(1.0, gradient, h, *frame(5)) for h in (diagonal, np.diag(diagonal)))
    assert_allclose(short(points), whole(points))
    assert_allclose(short.minimizer(0.7, None), whole.minimizer(0.7, None))
    assert_allclose(short.minimizer(0.7, box), whole.minimizer(0.7, box))
    assert short.size == whole.size


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=40)
def test_minimizer_in_a_box(seed):
    rng, n = np.random.default_rng(seed), 3
    gradient, hessian = random_quadratic(rng, n)
    box = (-rng.random(n), rng.random(n))
    model = Quadratic(0.0, 3 * gradient, hessian, *frame(n))
    x = model.minimizer(100.0, box)
    assert np.all((x >= box[0]) & (x <= box[1]))
    best = minimize(
        lambda y: model(y[None])[0], np.zeros(n), bounds=Bounds(*box), method="L-BFGS-B"
    ).fun
    clipped = np.clip(model.minimizer(100.0, None), *box)
    assert model(x[None])[0] <= model(clipped[None])[0] + 1e-9
    assert model(x[None])[0] <= best + 0.05 * abs(best)  # a heuristic


def test_minimizer_of_a_slope_is_the_corner():
    model = Quadratic(0.0, np.array([1.0, -3.0]), None, *frame(2))
    x = model.minimizer(50.0, (np.array([-1.0, -2.0]), np.array([4.0, 5.0])))
    assert_array_equal(x, [-1.0, 5.0])


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=20))
@settings(deadline=None)
def test_kendall_without_ties_is_that_of_scipy(pairs):
    a = np.array([p[0] for p in pairs]) + 1e-3 * np.arange(len(pairs))
    b = np.array([p[1] for p in pairs]) + 1e-3 * np.arange(len(pairs))
    assert kendall(a, b) == pytest.approx(kendalltau(a, b).statistic)
