"""Variables in blocks: dicts, lists and tuples of arrays."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import Bounds

import smoothmin
from smoothmin import GradientDescent, GradientSampling, LaplacianSmoothing, Optimizer, minimize
from smoothmin._structure import Structure

START = {"w": np.ones((2, 3)), "b": np.zeros(2), "c": 0.5}
TIMES = np.array([1.0, 2.0, 3.0])


def fun(p):
    residual = p["w"] @ TIMES + p["b"] + p["c"] - 2
    value = (residual**2).sum() + (p["w"] ** 2).sum() + (p["c"] - 1) ** 2
    slope = 2 * np.outer(residual, TIMES) + 2 * p["w"]
    return value, {"w": slope, "b": 2 * residual, "c": 2 * residual.sum() + 2 * (p["c"] - 1)}


def flat(tree):
    return np.concatenate([np.ravel(block) for block in tree.values()])


def fun_of_vector(x):
    value, slope = fun({"w": x[:6].reshape(2, 3), "b": x[6:8], "c": x[8]})
    return value, flat(slope)


shapes = st.lists(st.lists(st.integers(1, 3), max_size=3).map(tuple), min_size=1, max_size=4)


@given(shapes, st.sampled_from([dict, list, tuple]))
def test_flat_and_back(found, kind):
    blocks = [np.array(np.arange(math.prod(shape)).reshape(shape) + 0.5) for shape in found]
    if kind is not dict:
        blocks[0] = np.atleast_1d(blocks[0])
    tree = {str(k): block for k, block in enumerate(blocks)} if kind is dict else kind(blocks)
    structure = Structure.of(tree)
    vector = structure.flat(tree, "x0")
    assert vector.size == sum(structure.sizes)
    again = structure.build(vector)
    assert type(again) is kind
    for one, other in zip(
        tree.values() if kind is dict else tree,
        again.values() if kind is dict else again,
        strict=True,
    ):
        assert np.shape(one) == np.shape(other)
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("method", ["gradient-sampling", "lbfgs", "laplacian", "homotopy"])
def test_the_run_is_that_of_the_flat_vector(method):
    options = {"shapes": [(2, 3), 2, 1]} if method == "laplacian" else {}
    limits = {"maxfev": 200}
    want = minimize(
        fun_of_vector, flat(START), jac=True, method=method, rng=0, options=limits | options
    )
    got = minimize(fun, START, jac=True, method=method, rng=0, options=limits)
    assert got.nfev == want.nfev
    assert got.fun == want.fun
    assert list(got.x) == list(START)
    assert got.x["w"].shape == (2, 3)
    assert np.shape(got.x["c"]) == ()
    np.testing.assert_array_equal(flat(got.x), want.x)
    np.testing.assert_array_equal(flat(got.jac), want.jac)


def test_values_alone_and_lists():
    def value(p):
        assert isinstance(p, list)
        return abs(p[0]).sum() + (p[1] ** 2).sum()

    res = minimize(value, [np.ones(2), np.ones((1, 2))], rng=0)
    assert isinstance(res.x, list)
    assert res.fun < 1e-6
    assert [block.shape for block in res.x] == [(2,), (1, 2)]


def test_gradient_function_callback_and_allvecs():
    seen = []
    res = minimize(
        lambda p: fun(p)[0],
        START,
        jac=lambda p: fun(p)[1],
        callback=lambda p: seen.append(p["w"].shape),
        options={"return_all": True},
    )
    assert set(seen) == {(2, 3)}
    assert len(seen) == res.nit
    assert all(list(p) == list(START) for p in res.allvecs)


def test_vectorized():
    def value(p):
        return (p["a"] ** 2).sum(axis=0) + (p["b"] - 1) ** 2

    res = minimize(value, {"a": np.ones(3), "b": 0.0}, vectorized=True, rng=0)
    assert res.fun < 1e-6
    assert abs(res.x["b"] - 1) < 1e-3


@pytest.mark.parametrize(
    "bounds",
    [
        {"w": (0.1, None), "b": None, "c": (0, 0.25)},
        {"w": [(0.1, None)] * 6, "b": [(None, None)] * 2, "c": Bounds(0, 0.25)},
        {"w": Bounds(np.full((2, 3), 0.1)), "b": (-np.inf, np.full(2, np.inf)), "c": (0, 0.25)},
        [(0.1, None)] * 6 + [(None, None)] * 2 + [(0, 0.25)],
    ],
)
def test_bounds_in_blocks(bounds):
    start = START | {"c": 0.2}
    res = minimize(fun, start, jac=True, bounds=bounds, rng=0)
    assert res.success
    np.testing.assert_allclose(res.x["w"], 0.1)
    assert abs(res.x["c"] - 0.25) < 1e-8


def test_a_fixed_block():
    res = minimize(fun, START, jac=True, bounds={"w": None, "b": (0, 0), "c": None}, rng=0)
    assert res.success
    assert (res.x["b"] == 0).all()
    assert np.isnan(res.jac["b"]).all()


def test_options_of_one_value_per_block():
    rates = [0.02, 0.05, 0.1]
    got = minimize(fun, START, jac=True, method=GradientDescent(lr=rates), options={"maxiter": 3})
    x = flat(START)
    lr = np.repeat(rates, [6, 2, 1])
    for _ in range(3):
        x = x - lr * fun_of_vector(x)[1]
    np.testing.assert_allclose(flat(got.x_last), x, rtol=1e-12)


@pytest.mark.parametrize(
    "method",
    [
        GradientSampling(sigma=[0.1, 0.2]),
        GradientSampling(sigma=[0.1]),
        LaplacianSmoothing(sigma=[1, 2]),
        LaplacianSmoothing(sigma=[1]),
    ],
)
def test_wrong_numbers_of_values_per_block(method):
    with pytest.raises(ValueError, match="sigma must be one number or"):
        minimize(fun, START, jac=True, method=method)


def test_smoothing_goes_by_blocks():
    """A jump between two blocks is not smoothed away."""
    start = [np.zeros(8), np.ones(8)]

    def value(p):
        return sum((block**2).sum() for block in p), [2 * block for block in p]

    method = LaplacianSmoothing(GradientDescent(lr=0.1), sigma=5.0)
    res = minimize(value, start, jac=True, method=method, options={"maxiter": 1})
    np.testing.assert_allclose(res.x_last[0], 0, atol=1e-15)
    np.testing.assert_allclose(res.x_last[1], 0.8)


def test_ask_and_tell():
    optimizer = Optimizer(START, jac=True, rng=0)
    while not optimizer.stop():
        points = optimizer.ask()
        told = [fun(p) for p in points]
        optimizer.tell(points, [value for value, _ in told], [slope for _, slope in told])
    want = minimize(fun, START, jac=True, rng=0)
    assert optimizer.result.nfev == want.nfev
    np.testing.assert_array_equal(flat(optimizer.result.x), flat(want.x))


@pytest.mark.parametrize(
    ("x0", "error", "says"),
    [
        ({}, ValueError, "at least one block"),
        ({"a": np.zeros(0)}, ValueError, "x0['a'] must not be empty"),
        ({"a": "x"}, TypeError, "x0['a'] must be an array"),
        ({"a": True}, TypeError, "x0['a'] must be an array"),
        ({"a": [[1.0], [1.0, 2.0]]}, TypeError, "x0['a'] must be an array"),
        ({"a": np.array([1j])}, TypeError, "real numbers"),
        ({"a": np.array([np.nan])}, ValueError, "x0['a'] must be finite"),
        ([np.zeros(2), 1.0], TypeError, "x0[1] must be an array"),
        ([np.zeros(2), [1, 2]], TypeError, "x0[1] must be an array"),
        ((np.zeros(2), np.array([None, 1])), TypeError, "real numbers, got dtype object"),
    ],
)
def test_bad_starts_are_refused(x0, error, says):
    with pytest.raises(error, match=re.escape(says)):
        minimize(lambda p: pytest.fail("evaluated"), x0)


@pytest.mark.parametrize(
    ("bounds", "says"),
    [
        ({"w": (0, 1)}, "bounds must have the keys"),
        ({"w": 3, "b": None, "c": None}, "bounds['w'] must be a pair"),
        ({"w": (np.zeros(5), 1), "b": None, "c": None}, "bounds['w'] must fit shape (2, 3)"),
        ({"w": [(0, 1)] * 5, "b": None, "c": None}, "bounds['w'] must have one pair"),
    ],
)
def test_bad_bounds_are_refused(bounds, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        minimize(lambda p: pytest.fail("evaluated"), START, bounds=bounds)


@pytest.mark.parametrize(
    ("gradient", "error", "says"),
    [
        (np.zeros(9), TypeError, "the gradient must be a dict"),
        ({"w": np.zeros((2, 3)), "b": np.zeros(2)}, ValueError, "the gradient must have the keys"),
        ({"w": 0.0, "b": np.zeros(2), "c": 0.0}, ValueError, "the gradient['w'] must have shape"),
    ],
)
def test_bad_gradients_are_refused(gradient, error, says):
    with pytest.raises(error, match=re.escape(says)):
        minimize(lambda p: (0.0, gradient), START, jac=True)


def test_nested_numbers_stay_one_array():
    res = minimize(lambda x: (x**2).sum(), [[1.0, 2.0], [3.0, 4.0]], rng=0)
    assert res.x.shape == (2, 2)
    with pytest.raises(TypeError, match="x0 must be an array of real numbers"):
        smoothmin.minimize(abs, [[1.0], [1.0, 2.0]])
