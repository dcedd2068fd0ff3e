"""Aggregates against brute force, with kernels and without, whole and in chunks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from smoothmin.smoothing import aggregate as module
from smoothmin.smoothing.aggregate import AGGREGATES


def brute_force(name, values, gradients, temperature=1.0):
    """What the definitions say, sample by sample."""
    finite = [
        i for i in range(len(values))
        if np.isfinite(values[i]) and all(np.isfinite(g) for g in gradients[i])
    ]  # fmt: skip
    if not finite:
        return np.inf, None
    v, g = values[finite], gradients[finite]
    if name == "mean":
        return sum(v) / len(v), sum(g) / len(v)
    if name in ("max", "min"):
        pick = max if name == "max" else min
        gradient = [pick(g[:, j], key=abs) for j in range(g.shape[1])]
        return pick(v), np.array(gradient)
    if name == "min-norm":
        k = min(range(len(v)), key=lambda i: np.sqrt(sum(x * x for x in g[i])))
        return v[k], g[k]
    if name == "min-value":
        k = min(range(len(v)), key=lambda i: v[i])
        return v[k], g[k]
    weights = np.exp(-(v - v.min()) / temperature)
    value = v.min() - temperature * np.log(weights.mean())
    return value, (weights[:, None] * g).sum(axis=0) / weights.sum()


def aggregate(name, values, gradients, rows=None, temperature=1.0):
    total = AGGREGATES[name](gradients.shape[1], temperature)
    rows = rows or len(values)
    with np.errstate(all="ignore"):  # as the engine runs methods
        for first in range(0, len(values), rows):
            total.add(values[first : first + rows], gradients[first : first + rows])
    return total


@pytest.fixture(params=[False, True], ids=["numpy", "compiled"])
def compiled(request, monkeypatch):
    monkeypatch.setattr(module, "LARGE", -1 if request.param else 10**18)
    return request.param


@pytest.mark.parametrize("rows", [None, 1, 7])
@pytest.mark.parametrize("bad", [False, True])
@pytest.mark.parametrize("name", AGGREGATES)
def test_equals_brute_force(name, bad, rows, compiled):
    rng = np.random.default_rng(3)
    values, gradients = rng.standard_normal(40), rng.standard_normal((40, 5))
    if bad:
        values[[3, 11]] = np.nan, np.inf
        values[12] = -np.inf
        gradients[20, 2], gradients[21] = np.nan, np.inf
        values[30], gradients[30, 0] = -50.0, np.nan  # the lowest, but of no use
    total = aggregate(name, values, gradients, rows)
    value, gradient = total.result()
    expected_value, expected = brute_force(name, values, gradients)
    np.testing.assert_allclose(value, expected_value, rtol=1e-12)
    np.testing.assert_allclose(gradient, expected, rtol=1e-12)
    if name != "min-value":  # which looks only at what it might take
        assert (total.kept, total.left_out) == ((34, 6) if bad else (40, 0))


@pytest.mark.parametrize("name", AGGREGATES)
def test_nothing_finite(name, compiled):
    total = aggregate(name, np.array([np.nan, np.inf, 1.0]), np.full((3, 2), np.nan), 2)
    value, gradient = total.result()
    assert value == np.inf
    assert np.isnan(gradient).all()
    assert total.kept == 0


@pytest.mark.parametrize("name", AGGREGATES)
def test_one_sample(name, compiled):
    value, gradient = aggregate(name, np.array([2.5]), np.array([[1.0, -3.0]])).result()
    assert value == 2.5
    assert gradient.tolist() == [1.0, -3.0]


@pytest.mark.parametrize("name", AGGREGATES)
def test_values_alone(name):
    values = np.array([3.0, 1.0, np.nan, 2.0])
    total = AGGREGATES[name](2, 0.5)
    with np.errstate(all="ignore"):
        total.add(values, None)
    value, gradient = total.result()
    expected, _ = brute_force(name, values, np.zeros((4, 2)), 0.5)
    assert np.isnan(gradient).all()
    if name == "min-norm":  # of no gradients: the lowest value
        expected = 1.0
    np.testing.assert_allclose(value, expected)


finite = st.floats(-1e100, 1e100, allow_subnormal=False)


@settings(max_examples=80, deadline=None)
@given(
    gradients=hnp.arrays(float, st.tuples(st.integers(1, 12), st.integers(1, 6)), elements=finite),
    name=st.sampled_from(["max", "min", "min-norm"]),
)
def test_kernels_equal_their_twins_bit_for_bit(gradients, name):
    values = np.arange(float(len(gradients)))
    outcomes = []
    for limit in (-1, 10**18):
        before, module.LARGE = module.LARGE, limit
        try:
            outcomes.append(aggregate(name, values, gradients, 5).result())
        finally:
            module.LARGE = before
    if name == "min-norm":
        # sums in another order may prefer another of two equally short gradients
        norms = [np.linalg.norm(outcome[1]) for outcome in outcomes]
        np.testing.assert_allclose(norms[0], norms[1], rtol=1e-14)
    else:
        assert np.array_equal(outcomes[0][1], outcomes[1][1])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shift=st.floats(-1e3, 1e3),
    name=st.sampled_from(list(AGGREGATES)),
)
def test_adding_a_constant_shifts_the_value_only(seed, shift, name):
    rng = np.random.default_rng(seed)
    values, gradients = rng.standard_normal(9), rng.standard_normal((9, 3))
    value, gradient = aggregate(name, values, gradients, 4).result()
    moved, same = aggregate(name, values + shift, gradients, 4).result()
    np.testing.assert_allclose(moved, value + shift, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(same, gradient, rtol=1e-6, atol=1e-9)


def test_softmin_tends_to_mean_and_minimum():
    rng = np.random.default_rng(0)
    values, gradients = rng.standard_normal(30), rng.standard_normal((30, 4))
    hot = aggregate("softmin", values, gradients, temperature=1e9).result()
    cold = aggregate("softmin", values, gradients, temperature=1e-9).result()
    mean = aggregate("mean", values, gradients).result()
    lowest = aggregate("min-value", values, gradients).result()
    np.testing.assert_allclose(hot[1], mean[1], rtol=1e-6)
    np.testing.assert_allclose(hot[0], mean[0], rtol=1e-6)
    np.testing.assert_allclose(cold[1], lowest[1])
    np.testing.assert_allclose(cold[0], lowest[0], rtol=1e-6)


def test_default_temperature_is_free_of_scale():
    rng = np.random.default_rng(0)
    values, gradients = rng.standard_normal(30), rng.standard_normal((30, 4))
    _, small = aggregate("softmin", values, gradients, temperature=None).result()
    _, large = aggregate("softmin", 1e6 * values - 5e7, gradients, temperature=None).result()
    np.testing.assert_allclose(small, large, rtol=1e-6)


@pytest.mark.parametrize("name", ["mean", "softmin"])
def test_pairs_estimate_the_gradient(name):
    """Many antithetic pairs of a linear function give its slope."""
    rng = np.random.default_rng(1)
    slope = np.array([1.0, -2.0, 0.5])
    steps = 0.01 * rng.standard_normal((200_000, 3))
    total = AGGREGATES[name](3, 10.0)
    total.add(np.array([7.0]), None)
    total.add_pairs(7 + steps @ slope, 7 - steps @ slope, steps)
    value, gradient = total.result()
    np.testing.assert_allclose(value, 7.0, atol=1e-3)
    np.testing.assert_allclose(gradient / 0.01**2, slope, atol=0.03)


@pytest.mark.parametrize("name", AGGREGATES)
def test_pairs_with_a_nonfinite_half_are_left_out(name):
    steps = np.eye(3)
    total = AGGREGATES[name](3, 1.0)
    total.add_pairs(np.array([1.0, np.nan, 3.0]), np.array([0.0, 1.0, 2.0]), steps)
    value, gradient = total.result()
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert (total.kept, total.left_out) == (4, 2)


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_gradients_are_added_one_after_the_other(k, d, seed):
    """So that a compiled loop, which cannot do otherwise, finds the same to the last bit."""
    gradients = np.random.default_rng(seed).standard_normal((k, d)) * 10.0 ** (seed % 7)
    total = gradients[0].copy()
    for row in gradients[1:]:
        total += row
    np.testing.assert_array_equal(module.row_sum(gradients), total)
    mean = AGGREGATES["mean"](d)
    mean.add(np.zeros(k), gradients)
    in_sum = AGGREGATES["mean"](d)
    in_sum.add_sum(np.zeros(k), None, total)
    np.testing.assert_array_equal(mean.result()[1], in_sum.result()[1])
