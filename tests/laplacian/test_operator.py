"""LaplacianOperator against dense algebra."""

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import cg

from smoothmin import LaplacianOperator

BOUNDARIES = ["periodic", "neumann", "dirichlet"]
GRIDS = [(1,), (2,), (3,), (8,), (31,), (1, 1), (2, 3), (5, 4), (1, 6), (2, 2, 2), (3, 4, 5)]


def line(n, boundary, h):
    """-L on n points, entry by entry."""
    k = np.zeros((n, n))
    for i in range(n):
        for j in (i - 1, i + 1):
            if boundary == "periodic":
                k[i, i] += 1
                k[i, j % n] -= 1
            elif 0 <= j < n:
                k[i, i] += 1
                k[i, j] -= 1
            elif boundary == "dirichlet":
                k[i, i] += 1
    return k / h**2


def dense(grid, sigma, boundary, spacing=None, order=1):
    """A as a matrix, by Kronecker sums."""
    spacing = spacing or [1.0] * len(grid)
    k = np.zeros((math.prod(grid),) * 2)
    for axis, (n, h) in enumerate(zip(grid, spacing, strict=True)):
        before, after = math.prod(grid[:axis]), math.prod(grid[axis + 1 :])
        k += np.kron(np.kron(np.eye(before), line(n, boundary, h)), np.eye(after))
    return np.eye(len(k)) + sigma * np.linalg.matrix_power(k, order)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("grid", GRIDS)
def test_everything_against_a_dense_matrix(grid, boundary, order):
    spacing = [0.5, 2.0, 1.25][: len(grid)]
    operator = LaplacianOperator(grid, 0.7, boundary, spacing, order)
    a = dense(grid, 0.7, boundary, spacing, order)
    g = np.random.default_rng(1).normal(size=len(a))
    solved = np.linalg.solve(a, g)
    close = {"rtol": 1e-9, "atol": 1e-11}
    np.testing.assert_allclose(operator @ np.eye(len(a)), a, **close)
    np.testing.assert_allclose(operator.solve(g), solved, **close)
    np.testing.assert_allclose(operator.solve(g.reshape(grid)), solved.reshape(grid), **close)
    np.testing.assert_allclose(operator.inverse @ g, solved, **close)
    np.testing.assert_allclose(operator.half_solve(operator.half_solve_adjoint(g)), solved, **close)
    np.testing.assert_allclose(operator.half_apply_adjoint(operator.half_solve_adjoint(g)), g)
    np.testing.assert_allclose(operator.energy(g), g @ a @ g)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("grid", GRIDS)
def test_float32_stays_float32(grid, boundary, order):
    operator = LaplacianOperator(grid, 3.0, boundary, order=order, dtype=np.float32)
    a = dense(grid, 3.0, boundary, order=order)
    g = np.random.default_rng(2).normal(size=len(a)).astype(np.float32)
    solved = np.linalg.solve(a, g)
    for result, exact in (
        (operator.solve(g), solved),
        (operator.half_solve_adjoint(operator.half_solve(g)), solved),
        (operator.half_apply_adjoint(operator.half_solve(g)), g),
        (operator.apply(g), a @ g),
    ):
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, exact, rtol=0, atol=2e-6 * np.abs(a @ g).max())


LINES = [(1,), (2,), (15,), (16,), (17,), (33,), (257,), (700,), (4099,), (9001,)]
SHEETS = [(1, 1), (2, 2), (1, 9), (7, 1), (31, 20), (40, 37), (5, 6, 7), (2, 3, 2, 3)]
SIGMAS = [0.0, 1e-8, 1e-3, 1.0, 30.0, 1e4, 1e8, 1e12]


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("grid", LINES + SHEETS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_recursions_agree_with_transforms(grid, boundary, dtype):
    spacing = [0.7, 1.5, 1.0, 2.0][: len(grid)]
    g = np.random.default_rng(6).normal(size=grid).astype(dtype)
    tolerance = 1e-13 if dtype == np.float64 else 2e-5
    for sigma in SIGMAS:
        options = {"sigma": sigma, "boundary": boundary, "spacing": spacing}
        exact = LaplacianOperator(grid, **options, compiled=False).solve(g.astype(float))
        operator = LaplacianOperator(grid, **options, dtype=dtype, compiled=True)
        result = operator.solve(g)
        assert result.dtype == dtype
        np.testing.assert_allclose(result, exact, rtol=0, atol=tolerance * np.abs(exact).max())
        # in place, which overwrites what later tiles must not need any more
        again = g.copy()
        operator.solve(again, out=again)
        np.testing.assert_array_equal(again, result)


@pytest.mark.parametrize(
    ("grid", "options", "solver"),
    [
        (512, {}, "LineRecursion"),
        (511, {}, "Multiplier"),
        (511, {"compiled": True}, "LineRecursion"),
        (512, {"compiled": False}, "Multiplier"),
        (512, {"order": 2}, "Multiplier"),
        ((128, 128), {}, "Sheet"),
        ((127, 128), {}, "Multiplier"),
        # where the two passes would cancel at a zero boundary
        (512, {"sigma": 1e12, "boundary": "dirichlet"}, "StiffLine"),
    ],
)
def test_who_solves_is_settled_by_size(grid, options, solver):
    assert type(LaplacianOperator(grid, **options)._solver).__name__ == solver


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("sigma", [1e-8, 1e-2, 1.0, 1e3, 1e6, 1e9, 1e12])
def test_lines_against_a_dense_solve(sigma, boundary):
    # (A x = g) with a smooth and a rough right side, and a mean
    n = 600
    a = dense((n,), sigma, boundary)
    x = np.cos(np.arange(n) / 9) + np.random.default_rng(7).normal(size=n)
    result = LaplacianOperator(n, sigma, boundary).solve(a @ x)
    exact = np.linalg.solve(a, a @ x)
    # what rounding of the right side alone does to either
    allowed = 1e-13 + 1e-15 * np.linalg.cond(a)
    assert np.abs(result - exact).max() <= allowed * np.abs(exact).max()


@settings(max_examples=100, deadline=None)
@given(
    n=st.integers(1, 600),
    exponent=st.floats(-8, 12),
    boundary=st.sampled_from(BOUNDARIES),
    seed=st.integers(0, 1000),
)
def test_recursions_for_any_length_and_sigma(n, exponent, boundary, seed):
    g = np.random.default_rng(seed).normal(size=n)
    exact = LaplacianOperator(n, 10.0**exponent, boundary, compiled=False).solve(g)
    result = LaplacianOperator(n, 10.0**exponent, boundary, compiled=True).solve(g)
    # where the mean of g nearly cancels, its rounding is all that remains
    allowed = 1e-13 * np.abs(exact).max() + np.finfo(float).eps * np.abs(g).max()
    np.testing.assert_allclose(result, exact, rtol=0, atol=allowed)


@pytest.mark.parametrize("n", [1, 2, 3, 40, 41, 600, 4099])
@pytest.mark.parametrize("sigma", [1e10, 1e12, 1e15])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_zeros_at_the_ends_of_stiff_lines(n, sigma, dtype):
    operator = LaplacianOperator(n, sigma, "dirichlet", dtype=dtype, compiled=True)
    assert type(operator._solver).__name__ == "StiffLine"
    g = np.random.default_rng(11).normal(size=(3, n)).astype(dtype)
    exact = LaplacianOperator(n, sigma, "dirichlet", compiled=False).solve(g.astype(float))
    result = operator.solve(g)
    assert result.dtype == dtype
    tolerance = 1e-13 if dtype == np.float64 else 2e-6
    np.testing.assert_allclose(result, exact, rtol=0, atol=tolerance * np.abs(exact).max())
    again = g.copy()
    operator.solve(again, out=again)
    np.testing.assert_array_equal(again, result)


def test_arrays_no_kernel_can_take_as_they_are():
    operator = LaplacianOperator(600, 5.0)
    g = np.random.default_rng(8).normal(size=600)
    expected = operator.solve(g)
    frozen = g.copy()
    frozen.flags.writeable = False
    spaced = np.zeros(1200)
    spaced[::2] = g
    for given_ in (frozen, spaced[::2], list(g), g[::-1][::-1], g.reshape(20, 30)):
        result = operator.solve(given_)
        np.testing.assert_allclose(result.ravel(), expected, rtol=0, atol=1e-15)
    out = np.zeros(1200)[::2]
    operator.solve(g, out=out)
    np.testing.assert_array_equal(out, expected)
    overlapping = np.append(g, 0.0)
    operator.solve(overlapping[:-1], out=overlapping[1:])
    np.testing.assert_array_equal(overlapping[1:], expected)
    np.testing.assert_array_equal(operator.solve(g.astype(int)), operator.solve(np.trunc(g)))


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 120),
    exponent=st.floats(-8, 12),
    boundary=st.sampled_from(BOUNDARIES),
    seed=st.integers(0, 1000),
)
def test_lines_for_any_length_and_sigma(n, exponent, boundary, seed):
    sigma = 10.0**exponent
    g = np.random.default_rng(seed).normal(size=n) + 1.0
    x = LaplacianOperator(n, sigma, boundary).solve(g)
    values, vectors = np.linalg.eigh(line(n, boundary, 1.0))
    # the eigenvalue of constants is exactly zero
    values[np.abs(values) < 1e-12] = 0.0
    exact = vectors @ ((vectors.T @ g) / (1 + sigma * values))
    np.testing.assert_allclose(x, exact, rtol=0, atol=1e-11 * np.abs(exact).max())


@settings(max_examples=40, deadline=None)
@given(
    grid=st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple),
    sigma=st.floats(0, 1e6),
    boundary=st.sampled_from(BOUNDARIES),
    order=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_adjoint_halves_and_forward(grid, sigma, boundary, order, seed):
    operator = LaplacianOperator(grid, sigma, boundary, order=order)
    u, v = np.random.default_rng(seed).normal(size=(2, math.prod(grid)))
    scale = np.linalg.norm(u) * np.linalg.norm(v)
    assert abs(u @ operator.half_solve(v) - operator.half_solve_adjoint(u) @ v) <= 1e-13 * scale
    assert abs(u @ operator.solve(v) - operator.solve(u) @ v) <= 1e-13 * scale
    assert operator.energy(v) >= v @ v * (1 - 1e-14)
    # smoothing neither amplifies nor, without a zero boundary, changes the sum
    assert np.linalg.norm(operator.solve(v)) <= np.linalg.norm(v) * (1 + 1e-12)
    if boundary != "dirichlet":
        np.testing.assert_allclose(operator.solve(v).sum(), v.sum(), atol=1e-11)


@pytest.mark.parametrize("grid", [(5,), (700,), (6, 7)])
def test_out_stacks_and_in_place(grid):
    operator = LaplacianOperator(grid, 2.0, "neumann")
    stack = np.random.default_rng(3).normal(size=(4, math.prod(grid)))
    result = operator.solve(stack)
    for row, g in zip(result, stack, strict=True):
        np.testing.assert_allclose(row, operator.solve(g), rtol=1e-12, atol=1e-14)
    out = np.empty_like(stack)
    assert operator.solve(stack, out=out) is out
    np.testing.assert_array_equal(out, result)
    g = stack[0].copy()
    assert operator.solve(g, out=g) is g
    np.testing.assert_allclose(g, result[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(stack[1:], stack[1:].copy())
    half = np.empty_like(stack)
    np.testing.assert_allclose(operator.half_solve(stack, out=half), half)


@pytest.mark.parametrize("grid", [(4000,), (128, 130)])
def test_threads_may_share_an_operator(grid):
    operator = LaplacianOperator(grid, 3.0, "neumann")
    fields = np.random.default_rng(10).normal(size=(12, *grid))
    expected = [operator.solve(g) for g in fields]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(operator.solve, fields))
    np.testing.assert_array_equal(results, expected)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_preconditions_a_krylov_solver(boundary):
    operator = LaplacianOperator((20, 20), 50.0, boundary)
    exact = np.random.default_rng(4).normal(size=400)
    steps = []
    x, info = cg(operator, operator @ exact, M=operator.inverse, callback=steps.append, rtol=1e-10)
    assert info == 0
    assert len(steps) <= 3
    np.testing.assert_allclose(x, exact, atol=1e-6)


@pytest.mark.parametrize("sigma", [1.0, 3.0, 10.0, 100.0])
def test_variance_kept_of_white_noise(sigma):
    # the mean of 1 / (1 + 2 sigma (1 - cos t))^2 over a period, by residues
    closed = (1 + 2 * sigma) / (1 + 4 * sigma) ** 1.5
    published = {1.0: 0.268, 3.0: 0.149, 10.0: 0.080, 100.0: 0.025}
    assert round(closed, 3) == published[sigma]
    operator = LaplacianOperator(200_000, sigma)
    noise = np.random.default_rng(5).normal(size=200_000)
    np.testing.assert_allclose(np.var(operator.solve(noise)), closed, rtol=0.1)
    impulse = np.zeros(10_001)
    impulse[0] = 1.0
    kept = np.sum(LaplacianOperator(10_001, sigma).solve(impulse) ** 2)
    np.testing.assert_allclose(kept, closed, rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"shape": 0}, ValueError),
        ({"shape": ()}, ValueError),
        ({"shape": 2.5}, TypeError),
        ({"shape": 3, "sigma": -1.0}, ValueError),
        ({"shape": 3, "sigma": math.inf}, ValueError),
        ({"shape": 3, "sigma": "1"}, TypeError),
        ({"shape": 3, "boundary": "open"}, ValueError),
        ({"shape": 3, "order": 0}, ValueError),
        ({"shape": 3, "order": 1.0}, TypeError),
        ({"shape": 3, "spacing": 0.0}, ValueError),
        ({"shape": 3, "spacing": [1.0, 2.0]}, ValueError),
        ({"shape": 3, "spacing": "wide"}, TypeError),
        ({"shape": 3, "dtype": int}, ValueError),
    ],
)
def test_wrong_arguments_are_named(arguments, error):
    with pytest.raises(error, match=list(arguments)[-1]):
        LaplacianOperator(**arguments)


def test_wrong_vectors_are_refused():
    operator = LaplacianOperator(4)
    with pytest.raises(ValueError, match="4 elements"):
        operator.solve(np.ones(5))
    with pytest.raises(TypeError, match="real numbers"):
        operator.solve(np.ones(4) * 1j)
    with pytest.raises(ValueError, match="out"):
        operator.solve(np.ones(4), out=np.ones(5))
    with pytest.raises(ValueError, match="out"):
        operator.solve(np.ones(4), out=np.ones(4, dtype=np.float32))


def test_numba_is_not_imported_before_it_is_used():
    code = """
import sys, numpy as np, smoothmin
from smoothmin.laplacian import _recursion, descent, operator, smoothing
operator = smoothmin.LaplacianOperator(600)
smoothmin.LaplacianOperator(100).solve(np.ones(100))
smoothmin.minimize(lambda x: (x @ x, 2 * x), np.ones(50), jac=True, method="laplacian")
assert "numba" not in sys.modules
operator.solve(np.ones(600))
assert "numba" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
