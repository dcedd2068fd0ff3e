import numpy as np
import pytest
from numpy.testing import assert_allclose

from smoothmin._protocol import Answers
from smoothmin.derivative_free.minimum_frobenius import Interpolation, determined_star


def star(n, rng):
    centre = rng.standard_normal(n)
    return np.concatenate([centre[None], centre + np.eye(n), centre - np.eye(n)])


def kkt(z):
    m, n = z.shape
    matrix = np.zeros((m + n + 1, m + n + 1))
    matrix[:m, :m] = 0.5 * (z @ z.T) ** 2
    matrix[:m, m:] = np.column_stack([np.ones(m), z])
    matrix[m:, :m] = matrix[:m, m:].T
    return matrix


def least_hessian(points, residuals):
    """Slope and Hessian of the quadratic with the least Frobenius norm, by brute force."""
    m, n = points.shape
    z = points - points[0]
    rows, columns = np.triu_indices(n)
    size = np.where(rows == columns, 1.0, np.sqrt(2))  # coefficients whose norm is Frobenius
    quadratic = np.where(rows == columns, 0.5, 1.0) * z[:, rows] * z[:, columns] / size
    linear = np.column_stack([np.ones(m), z])
    full = np.linalg.qr(linear, mode="complete")[0][:, n + 1 :]
    h = np.linalg.pinv(full.T @ quadratic) @ (full.T @ residuals)
    c = np.linalg.lstsq(linear, residuals - quadratic @ h, rcond=None)[0]
    hessian = np.zeros((n, n))
    hessian[rows, columns] = hessian[columns, rows] = h / size
    return c[1:], hessian


@pytest.mark.parametrize("n", [1, 2, 5])
def test_changes_least_among_those_that_interpolate(n):
    rng = np.random.default_rng(n)
    points = star(n, rng)
    model = Interpolation(points, rng.standard_normal(2 * n + 1), 0.7)
    for _ in range(3 * n):
        x = model.x + rng.standard_normal(n)
        value = rng.standard_normal() - 1
        predicted = model.change(x)
        k = int(np.abs(model.denominators(x)).argmax())
        before, base, best = model.hessian / model.unit**2, model.x.copy(), model.fun
        model.replace(k, x, value)
        residuals = np.zeros(2 * n + 1)
        residuals[k] = value - best - predicted
        _, change = least_hessian(model.points, residuals)
        assert_allclose(model.hessian / model.unit**2, before + change, atol=1e-8)
        changes = [model.change(p) for p in model.points]
        assert_allclose(changes, model.values - model.fun, atol=1e-8)
        assert base.shape == model.x.shape


def test_inverse_is_one_and_denominators_are_ratios_of_determinants():
    rng = np.random.default_rng(1)
    n = 4
    model = Interpolation(star(n, rng), rng.standard_normal(2 * n + 1), 1.0)
    for _ in range(20):
        x = model.x + 0.5 * rng.standard_normal(n)
        denominators = model.denominators(x)
        k = int(np.abs(denominators).argmax())
        z = (model.points - model.base) / model.unit
        before = np.linalg.det(kkt(z))
        z[k] = (x - model.base) / model.unit
        assert_allclose(denominators[k], np.linalg.det(kkt(z)) / before, rtol=1e-6)
        model.replace(k, x, rng.standard_normal())
        assert_allclose(model._inverse @ kkt(z), np.eye(3 * n + 2), atol=1e-7)


def test_points_are_added_until_the_quadratic_is_determined_and_given_up_again():
    rng = np.random.default_rng(2)
    n = 4
    curved, slope = rng.standard_normal((n, n)), rng.standard_normal(n)
    curved += curved.T

    def quadratic(x):
        return 0.5 * x @ curved @ x + slope @ x

    points = star(n, rng)
    model = Interpolation(points, np.array([quadratic(x) for x in points]), 1.0)
    most = (n + 1) * (n + 2) // 2
    for m in range(len(points) + 1, most + 1):
        x = model.x + rng.standard_normal(n)
        assert model.add(x, quadratic(x))
        z = (model.points - model.base) / model.unit
        assert_allclose(model._inverse @ kkt(z), np.eye(m + n + 1), atol=1e-7)
        changes = [model.change(x) for x in model.points]
        assert_allclose(changes, model.values - model.fun, atol=1e-9)
    assert_allclose(model.hessian / model.unit**2, curved, atol=1e-8)
    assert not model.add(model.x + rng.standard_normal(n), 0.0)  # nothing is free any more
    best = model.fun
    while len(model.values) > len(points):
        model.drop()
        z = (model.points - model.base) / model.unit
        assert_allclose(model._inverse @ kkt(z), np.eye(len(z) + n + 1), atol=1e-7)
    assert model.fun == best
    assert_allclose(model.hessian / model.unit**2, curved, atol=1e-8)


def test_new_coordinates_leave_the_model_as_it_is():
    rng = np.random.default_rng(2)
    n = 3
    model = Interpolation(star(n, rng), rng.standard_normal(2 * n + 1), 1.0)
    probes = model.x + rng.standard_normal((5, n))
    before = [model.change(p) for p in probes]
    slope = model.slope() / model.unit
    model.rebuild(1e-2)
    assert_allclose([model.change(p) for p in probes], before, rtol=1e-9)
    assert_allclose(model.slope() / model.unit, slope, rtol=1e-9)
    assert not model.stale


def test_lagrange_functions_are_one_at_their_point_and_zero_at_others():
    rng = np.random.default_rng(3)
    n = 3
    model = Interpolation(star(n, rng), rng.standard_normal(2 * n + 1), 0.5)
    for k in range(2 * n + 1):
        slope, hessian = model.lagrange(k)
        steps = (model.points - model.x) / model.unit
        values = steps @ slope + 0.5 * np.einsum("ij,ij->i", steps @ hessian, steps)
        at_best = float(k == model.best)
        assert_allclose(values + at_best, np.arange(2 * n + 1) == k, atol=1e-9)
    far = model.farthest()
    assert model.distance(far) == max(np.linalg.norm(model.points - model.x, axis=1))


@pytest.mark.parametrize("n", [1, 3, 14])
def test_a_determined_star_knows_a_quadratic(n):
    rng = np.random.default_rng(n)
    half = rng.standard_normal((n, n))
    hessian, slope = half @ half.T, rng.standard_normal(n)
    arms = 0.1 * np.diag(rng.choice([-1.0, 1.0], n))
    star = rng.uniform(-1, 1, n) + np.concatenate([np.zeros((1, n)), arms, -arms])
    steps = determined_star(star, lambda points: 2 * points)
    asked = next(steps).points / 2
    assert len(asked) == (n + 1) * (n + 2) // 2
    values = asked @ slope + 0.5 * ((asked @ hessian) * asked).sum(axis=1)
    with pytest.raises(StopIteration) as end:
        steps.send(Answers(values))
    model = end.value.value
    assert_allclose(model.hessian / model.unit**2, hessian, atol=1e-8 * n)
    assert_allclose(model.slope() / model.unit, slope + hessian @ model.x, atol=1e-8 * n)


def test_no_star_is_determined_without_all_values_or_by_too_many():
    star = np.concatenate([np.zeros((1, 2)), np.eye(2), -np.eye(2)])
    steps = determined_star(star, lambda points: points)
    next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(Answers(np.array([0.0, 1, 1, 1, np.nan, 1])))
    assert end.value.value is None
    many = np.concatenate([np.zeros((1, 15)), np.eye(15), -np.eye(15)])
    with pytest.raises(StopIteration):
        next(determined_star(many, lambda points: points))
