"""Transforms: as products with matrices, by SciPy, and both on one grid."""

import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st

from smoothmin import LaplacianOperator
from smoothmin.laplacian._bases import Basis, is_short
from smoothmin.laplacian._transforms import Transform, axis_eigenvalues, second_difference

BOUNDARIES = ["periodic", "neumann", "dirichlet"]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 600), st.sampled_from(BOUNDARIES), st.sampled_from([np.float64, np.float32]))
def test_matrices_diagonalize_the_second_difference(length, boundary, dtype):
    basis = Basis(length, boundary)
    v = np.random.default_rng(length).standard_normal((2, length, 3)).astype(dtype)
    spectrum = basis.forward(v, -2)
    assert spectrum.dtype == dtype
    close = {"rtol": 0, "atol": 200 * np.finfo(dtype).eps}
    np.testing.assert_allclose(basis.backward(spectrum, -2), v, **close)
    np.testing.assert_allclose(np.square(spectrum).sum(), np.square(v).sum(), rtol=1e-5)
    values = axis_eigenvalues(length, boundary, 0.5)[basis.order]
    rough = second_difference(v, 1, boundary, 0.5)
    expected = spectrum * values[:, None].astype(dtype)
    np.testing.assert_allclose(basis.forward(rough, 1), expected, rtol=0, atol=20 * close["atol"])


@pytest.mark.parametrize("length", [1, 2, 7, 40, 127, 128, 129, 300])
def test_sines_are_those_of_the_fast_transform(length):
    v = np.random.default_rng(length).standard_normal(length)
    basis = Basis(length, "dirichlet")
    exact = scipy.fft.dst(v, 1, norm="ortho")
    np.testing.assert_allclose(basis.forward(v, 0), exact[basis.order], rtol=0, atol=1e-13)


def test_lengths_that_suit_no_fast_transform_are_multiplied():
    lengths = (1, 16, 100, 127, 128, 180, 239, 251, 255, 256, 300, 383, 502, 511, 1021, 1023, 1024)
    sines = [n for n in lengths if is_short(n, "dirichlet")]
    assert sines == [1, 16, 100, 180, 256]
    others = [n for n in lengths if is_short(n, "periodic")]
    assert others == [1, 16, 100, 127, 239, 251, 383]
    assert others == [n for n in lengths if is_short(n, "neumann")]


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(
    "grid", [(3, 1023), (1023, 3), (2, 1023, 3), (5, 2, 1023), (128, 256), (64, 127), (20, 131, 8)]
)
def test_short_and_long_sides_on_one_grid(grid, boundary, compiled):
    g = np.random.default_rng(0).standard_normal(grid)
    operator = LaplacianOperator(grid, 2.5, boundary, compiled=compiled)
    np.testing.assert_allclose(operator.apply(operator.solve(g)), g, rtol=0, atol=1e-13)
    halves = operator.half_solve(operator.half_solve(np.stack([g.ravel()] * 2)))
    np.testing.assert_allclose(halves[1], operator.solve(g).ravel(), rtol=0, atol=1e-13)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_transforming_there_and_back(boundary):
    grid = (4, 1023, 6)
    transform = Transform(grid, boundary, (1.0,) * 3)
    fields = np.random.default_rng(0).standard_normal((2, *grid))
    kept = fields.copy()
    spectrum = transform.forward(fields)
    assert spectrum.shape[1:] == transform.eigenvalues.shape
    assert np.iscomplexobj(spectrum) == transform.is_complex
    back = transform.backward(spectrum)
    np.testing.assert_allclose(back, fields, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(fields, kept)
