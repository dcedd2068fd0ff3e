"""The factor of the inverse Hessian, small and large, against dense algebra."""

import pickle
from copy import deepcopy

import numpy as np
import pytest

from smoothmin.metrics.dense_bfgs import InverseHessian
from smoothmin.metrics.metric import Ends
from smoothmin.metrics.product_form import SquareFactor

LARGE = 260  # so many rows have their changes collected


def test_what_does_not_fit_into_memory_is_told_a_way_out():
    many = np.broadcast_to(1.0, 6_000_000)
    with pytest.raises(MemoryError, match='"lbfgs"'):
        SquareFactor(many)


@pytest.mark.parametrize("n", [3, LARGE, 2 * LARGE])
@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 66])
def test_products_with_all_changes(n, count):
    rng = np.random.default_rng(count)
    diagonal = rng.random(n)
    factor, expected = SquareFactor(diagonal), np.diag(diagonal)
    for _ in range(count):
        s, v = rng.standard_normal((2, n)) / n
        factor.change(s, v)
        expected += np.outer(s, v)
    gradients = rng.standard_normal((4, n))
    np.testing.assert_allclose(factor.image(gradients[0]), gradients[0] @ expected, atol=1e-12)
    np.testing.assert_allclose(factor.images(gradients), gradients @ expected, atol=1e-12)
    np.testing.assert_allclose(factor.expand(gradients[0]), expected @ gradients[0], atol=1e-12)
    image, product = factor.image_and_product(gradients[0])
    np.testing.assert_allclose(image, gradients[0] @ expected, atol=1e-12)
    np.testing.assert_allclose(product, expected @ (gradients[0] @ expected), atol=1e-12)
    np.testing.assert_allclose(factor.dense(), expected, atol=1e-12)
    np.testing.assert_allclose(factor.expand(gradients[0]), expected @ gradients[0], atol=1e-12)


@pytest.mark.parametrize("bent", [False, True])
def test_what_is_known_of_images_is_right(bent):
    """Steps along ``-H g`` or along a mix of gradients, and steps of which nothing is told."""
    n = LARGE
    rng = np.random.default_rng(0)
    curvatures = np.linspace(1, 3, n)
    told, untold = InverseHessian(n), InverseHessian(n)
    g = rng.standard_normal(n)
    for k in range(53):
        cause, direction = g, -told.apply(g)
        if bent and k % 3 == 1:
            rows = np.array([g, rng.standard_normal(n)])
            cause, image = 0.9 * rows[0] + 0.1 * rows[1], np.array([0.9, 0.1]) @ told.root(rows)
            direction = -told.apply_to_mix(cause, image)
        if k % 5 == 4:  # the current point may move without an update
            g = g + 0.01 * rng.standard_normal(n)
        s = (0.5 + rng.random()) * direction
        new = g + curvatures * s
        told.update(s, new - g, cause, Ends.of(s, new - g, g, new))
        untold.update(s, new - g, cause)
        g = new
        other = rng.standard_normal(n)
        np.testing.assert_allclose(told.apply(other), untold.apply(other), rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(told.apply(g), untold.apply(g), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("n", [3, LARGE])
@pytest.mark.parametrize("made", [False, True])
def test_scaled_and_copied_whether_or_not_the_matrix_is_made(n, made):
    rng = np.random.default_rng(1)
    diagonal, (left, right) = rng.random(n), rng.standard_normal((2, 5, n)) / n
    factor = SquareFactor(diagonal)
    factor.change_by(left, right)
    if made:
        factor.dense()
    factor.scale(2.0)
    expected = 2 * (np.diag(diagonal) + left.T @ right)
    square, g = expected @ expected.T, rng.standard_normal(n)
    np.testing.assert_allclose(factor.square(), square, atol=1e-12)
    for each in (factor, pickle.loads(pickle.dumps(factor)), deepcopy(factor)):
        np.testing.assert_allclose(each.expand(each.image(g)), square @ g, atol=1e-12)
        np.testing.assert_allclose(each.dense(), expected, atol=1e-12)


@pytest.mark.parametrize("scaled", [1.0, 3.0])
def test_few_changes_of_a_large_diagonal_are_solved_for_without_the_matrix(scaled):
    rng = np.random.default_rng(3)
    diagonal, changes = 10 ** rng.uniform(-2, 2, LARGE), rng.standard_normal((20, 2, LARGE)) / LARGE
    factor, expected = SquareFactor(diagonal), np.diag(diagonal)
    assert factor.model() is None
    for k, (s, v) in enumerate(changes):
        factor.change(s, v)
        expected = expected + np.outer(s, v)
        if k == 9:
            factor.scale(scaled)
            expected = scaled * expected
        model, square = factor.model(), expected @ expected.T
        r, free = rng.standard_normal(LARGE), rng.random(LARGE) < 0.5
        inverse = np.linalg.inv(square)
        np.testing.assert_allclose(model.curve(r), inverse @ r, rtol=1e-6, atol=1e-6)
        step = model.newton(r, free)
        assert not step[~free].any()
        np.testing.assert_allclose((inverse @ step)[free], -r[free], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(factor.square(), square, rtol=1e-10, atol=1e-12)
    factor.dense()
    assert factor.model() is None


def test_bent_steps_teach_a_large_matrix_of_few_changes_what_they_teach_a_dense_one():
    rng = np.random.default_rng(4)
    curvatures = np.linspace(1, 30, LARGE)
    few, made = InverseHessian(LARGE, growing=True), InverseHessian(LARGE, growing=True)
    for _ in range(25):
        s, g = rng.standard_normal((2, LARGE))
        few.update(s, curvatures * s)
        made.update(s, curvatures * s)
        assert made.factor() is not None  # which makes it
        assert few.model() is not few
        assert made.model() is made
        np.testing.assert_allclose(few.apply(g), made.apply(g), rtol=1e-7, atol=1e-9)
