"""Sine transforms: as products with matrices, by SciPy, and both on one grid."""

import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st

from smoothmin import LaplacianOperator
from smoothmin.laplacian._transforms import Transform, is_short, sine_matrix


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(1, 600), st.sampled_from([np.float64, np.float32]))
def test_the_matrix_is_the_sine_transform(length, dtype):
    v = np.random.default_rng(length).standard_normal(length).astype(dtype)
    matrix = sine_matrix(length, np.dtype(dtype))
    close = {"rtol": 0, "atol": 100 * np.finfo(dtype).eps}
    assert matrix.dtype == dtype
    np.testing.assert_allclose(matrix @ v, scipy.fft.dst(v, 1, norm="ortho"), **close)
    np.testing.assert_allclose(matrix @ (matrix @ v), v, **close)


def test_lengths_that_suit_no_fast_transform_are_multiplied():
    found = {
        n: is_short(n)
        for n in (1, 100, 127, 128, 180, 239, 255, 256, 300, 383, 511, 1023, 1024, 4096)
    }
    assert [n for n, short in found.items() if short] == [1, 100, 128, 180, 256, 300]


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("grid", [(3, 1023), (1023, 3), (2, 1023, 3), (5, 2, 1023), (128, 256)])
def test_short_and_long_sides_on_one_grid(grid, compiled):
    g = np.random.default_rng(0).standard_normal(grid)
    operator = LaplacianOperator(grid, 2.5, "dirichlet", compiled=compiled)
    np.testing.assert_allclose(operator.apply(operator.solve(g)), g, rtol=0, atol=1e-13)
    halves = operator.half_solve(operator.half_solve(np.stack([g.ravel()] * 2)))
    np.testing.assert_allclose(halves[1], operator.solve(g).ravel(), rtol=0, atol=1e-13)


def test_transforming_there_and_back():
    grid = (4, 1023, 6)
    transform = Transform(grid, "dirichlet", (1.0,) * 3)
    fields = np.random.default_rng(0).standard_normal((2, *grid))
    kept = fields.copy()
    back = transform.backward(transform.forward(fields))
    np.testing.assert_allclose(back, fields, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(fields, kept)
