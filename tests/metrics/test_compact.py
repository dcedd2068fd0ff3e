"""The compact form against the two-loop recursion and the dense update it stands for."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smoothmin import _machine
from smoothmin.metrics.compact import CompactMemory, is_curved
from smoothmin.metrics.dense_bfgs import InverseHessian
from smoothmin.metrics.lbfgs import LimitedMemory
from smoothmin.metrics.metric import Ends


def two_loop(g, pairs, gamma, preconditioner):
    """Nocedal and Wright, Algorithm 7.4."""
    q, alphas = g.copy(), []
    for s, y in reversed(pairs):
        alphas.append((s @ q) / (s @ y))
        q -= alphas[-1] * y
    r = gamma * preconditioner @ q
    for s, y in pairs:
        r += (alphas.pop() - (y @ r) / (s @ y)) * s
    return r


def dense(pairs, gamma, preconditioner):
    """Nocedal and Wright, (6.17)."""
    h = gamma * preconditioner
    for s, y in pairs:
        left = np.eye(s.size) - np.outer(s, y) / (s @ y)
        h = left @ h @ left.T + np.outer(s, s) / (s @ y)
    return h


def definite(rng, n, decades):
    """A random positive definite matrix whose eigenvalues span so many decades."""
    vectors = np.linalg.qr(rng.standard_normal((n, n)))[0]
    return (vectors * 10 ** rng.uniform(-decades / 2, decades / 2, n)) @ vectors.T


def remember(metric, pairs, s, y, w, memory):
    metric.append(s, w)
    metric.set_products(metric.products(y))
    return [*pairs, (s, y)][-memory:]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    n=st.integers(1, 9),
    memory=st.integers(1, 7),
    count=st.integers(0, 16),
    plain=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_is_the_matrix_of_the_last_pairs(n, memory, count, plain, seed):
    rng = np.random.default_rng(seed)
    hessian = definite(rng, n, 2)
    preconditioner = np.eye(n) if plain else definite(rng, n, 2)
    metric, pairs = CompactMemory(n, memory, 0.3), []
    for _ in range(count):
        s = rng.standard_normal(n)
        pairs = remember(metric, pairs, s, hessian @ s, preconditioner @ hessian @ s, memory)
        metric.scale = rng.uniform(0.1, 10)
    g = rng.standard_normal(n)
    found = metric.combine(metric.products(g), preconditioner @ g)
    h = dense(pairs, metric.scale, preconditioner)
    scale = np.linalg.norm(h) * np.linalg.norm(g)
    np.testing.assert_allclose(found, h @ g, rtol=1e-7, atol=1e-9 * scale)
    expected = two_loop(g, pairs, metric.scale, preconditioner)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9 * scale)
    assert metric.fresh == (count == 0)
    metric.reset()
    assert metric.fresh
    np.testing.assert_array_equal(metric.combine(metric.products(g), g), metric.scale * g)


@pytest.mark.skipif(
    np.finfo(np.longdouble).eps == np.finfo(float).eps, reason="needs longer numbers than double"
)
@pytest.mark.parametrize("decades", [4, 8, 12])
def test_is_as_accurate_as_the_two_loop_recursion(decades):
    # both lose digits as the Hessian's eigenvalues spread; how many, long arithmetic tells
    rng = np.random.default_rng(decades)
    n, memory, worse = 12, 10, []
    for _ in range(40):
        hessian = definite(rng, n, decades)
        metric, pairs = CompactMemory(n, memory), []
        for _ in range(14):
            s = hessian @ rng.standard_normal(n)
            y = hessian @ s
            if is_curved(s @ y, y @ y):
                pairs = remember(metric, pairs, s, y, y, memory)
                metric.scale = (s @ y) / (y @ y)
        g = rng.standard_normal(n)
        long = [(s.astype(np.longdouble), y.astype(np.longdouble)) for s, y in pairs]
        exact = two_loop(g.astype(np.longdouble), long, metric.scale, np.eye(n))
        loop = np.linalg.norm((two_loop(g, pairs, metric.scale, np.eye(n)) - exact).astype(float))
        found = metric.combine(metric.products(g), g)
        error = np.linalg.norm((found - exact).astype(float))
        worse.append(error / max(loop, 1e-16 * float(np.linalg.norm(exact.astype(float)))))
    assert np.median(worse) < 2
    assert np.max(worse) < 20


@pytest.mark.parametrize(
    ("sy", "yw", "expected"),
    [
        (1.0, 2.0, True),
        (-1.0, 2.0, False),
        (1e-20, 1.0, False),
        (1e-200, 0.0, False),
        (1.0, 1e-310, False),
        (np.nan, 1.0, False),
        (1.0, np.nan, False),
        (1.0, np.inf, False),
    ],
)
def test_pairs_that_teach_nothing(sy, yw, expected):
    assert is_curved(sy, yw) == expected


def curved(rng, n, count):
    """Pairs of a convex quadratic, gradients before and after each step."""
    root = rng.standard_normal((n, n))
    matrix = root @ root.T + np.eye(n)
    x = rng.standard_normal(n)
    for _ in range(count):
        step = rng.standard_normal(n)
        yield step, matrix @ x, matrix @ (x + step)
        x = x + step


@pytest.mark.parametrize(("n", "memory"), [(6, 4), (400, 100)])
def test_products_by_difference_are_products(n, memory):
    rng = np.random.default_rng(n)
    fast, plain = LimitedMemory(n, memory), LimitedMemory(n, memory)
    for step, before, after in curved(rng, n, 9):
        fast.apply(before)
        fast.update(step, after - before, before, Ends.of(step, after - before, before, after))
        plain.update(step, after - before)
        np.testing.assert_allclose(fast.apply(after), plain.apply(after), rtol=1e-7)


@pytest.mark.parametrize("count", [0, 1, 7])
@pytest.mark.parametrize("scaled", [False, True])
def test_inner_products_are_those_with_the_matrix(count, scaled):
    rng = np.random.default_rng(count)
    memory, gradients = LimitedMemory(9, 4, scaled=scaled), rng.standard_normal((6, 9))
    for step, before, after in curved(rng, 9, count):
        memory.update(step, (after - before) * 10.0 ** np.linspace(-1, 1, 9))
    root, images = memory.root(gradients), np.array([memory.apply(g) for g in gradients])
    np.testing.assert_allclose(root @ root.T, gradients @ images.T, rtol=1e-8, atol=1e-10)


def test_products_of_small_changes_are_no_differences():
    rng = np.random.default_rng(6)
    memory, n = LimitedMemory(400, 100), 400
    x, large = rng.standard_normal(n), 1e9 * rng.standard_normal(n)
    for _ in range(4):
        step = 1e-3 * rng.standard_normal(n)
        memory.apply(x + large)
        memory.update(step, step, ends=Ends.of(step, step, x + large, x + large + step))
        x = x + step
    np.testing.assert_allclose(memory.apply(x), x, rtol=1e-9)


@pytest.mark.parametrize("count", [0, 3, 11])
def test_a_copy_and_a_pickle_learn_as_the_memory_does(count):
    rng = np.random.default_rng(count)
    memory, pairs = LimitedMemory(5, 8), list(curved(rng, 5, count + 9))
    for step, before, after in pairs[:count]:
        memory.update(step, after - before)
    for other in (memory.copied(), pickle.loads(pickle.dumps(memory))):
        for step, before, after in pairs[count:]:
            other.update(step, after - before)
        probe, metric = rng.standard_normal(5), LimitedMemory(5, 8)
        for step, before, after in pairs:
            metric.update(step, after - before)
        np.testing.assert_allclose(other.apply(probe), metric.apply(probe), rtol=1e-12)


def test_a_memory_that_nothing_has_room_for_grows_as_it_is_used(monkeypatch):
    monkeypatch.setattr(_machine, "CACHED", 24)
    memory, rng = LimitedMemory(6, 10**10), np.random.default_rng(7)
    for step, before, after in curved(rng, 6, 20):
        memory.update(step, after - before)
    assert len(memory.pairs()[0]) == 20
    steps, changes = memory.pairs()
    np.testing.assert_allclose(memory.apply(changes[-1]), steps[-1], rtol=1e-6)


def test_a_memory_scales_itself_to_the_coordinates():
    rng = np.random.default_rng(1)
    curvature = 10.0 ** rng.uniform(-3, 3, 40)
    scaled, plain = LimitedMemory(40, 8, scaled=True), LimitedMemory(40, 8)
    for _ in range(8):
        step = rng.standard_normal(40) / np.sqrt(curvature)
        scaled.update(step, curvature * step)
        plain.update(step, curvature * step)
    probe = rng.standard_normal(40)
    errors = [np.linalg.norm(m.apply(curvature * probe) - probe) for m in (scaled, plain)]
    assert errors[0] < 0.1 * errors[1]


def test_a_scaled_memory_keeps_the_secant_equation():
    rng = np.random.default_rng(2)
    memory = LimitedMemory(30, 5, scaled=True)
    for step, before, after in curved(rng, 30, 9):
        memory.update(step * 10.0 ** np.linspace(-1, 1, 30), after - before)
        if not memory.fresh:
            steps, changes = memory.pairs()
            np.testing.assert_allclose(memory.apply(changes[-1]), steps[-1], rtol=1e-6)


@pytest.mark.parametrize("lasting", [False, True])
def test_scales_that_new_pairs_contradict_are_given_up(lasting):
    rng = np.random.default_rng(4)
    curvature = 10.0 ** rng.uniform(-2, 2, 40)
    memory = LimitedMemory(40, 8, scaled=True, lasting=lasting)
    for k in range(12):
        assert k < 4 or np.ptp(memory.scales) > 1
        step = rng.standard_normal(40) / np.sqrt(curvature)
        memory.update(step, curvature * step)
    for _ in range(12):
        step = rng.standard_normal(40) * np.sqrt(curvature)
        memory.update(step, step / curvature)
    np.testing.assert_array_equal(memory.scales, 1.0)
    steps, changes = memory.pairs()
    np.testing.assert_allclose(memory.apply(changes[-1]), steps[-1], rtol=1e-6)


def test_a_full_lasting_memory_is_as_long_as_its_longest_pair():
    rng = np.random.default_rng(5)
    memory = LimitedMemory(30, 4, lasting=True)
    for k, curvature in enumerate((1.0, 0.1, 10.0, 100.0, 50.0, 20.0), start=1):
        step = rng.standard_normal(30)
        memory.update(step, curvature * step)
        assert memory.scale == pytest.approx({4: 10.0, 5: 10.0, 6: 0.1}.get(k, 1 / curvature))


def test_a_dense_matrix_begins_with_the_pairs_of_a_memory():
    rng = np.random.default_rng(3)
    memory, dense, afresh = LimitedMemory(12, 9), InverseHessian(12), InverseHessian(12)
    for step, before, after in curved(rng, 12, 7):
        memory.update(step, after - before)
        afresh.update(step, after - before)
    dense.begin_from(memory)
    np.testing.assert_allclose(dense.matrix(12), afresh.matrix(12), rtol=1e-6, atol=1e-9)


def test_a_dense_matrix_begins_with_more_pairs_than_variables():
    rng = np.random.default_rng(8)
    memory, dense, afresh = LimitedMemory(3, 9), InverseHessian(3), InverseHessian(3)
    scales = np.array([0.5, 1.0, 2.0])
    for each in (dense, afresh):
        each.start(scales)
    for step, before, after in curved(rng, 3, 9):
        memory.update(step, after - before)
        afresh.update(step, after - before)
    dense.begin_from(memory)
    np.testing.assert_allclose(dense.matrix(3), afresh.matrix(3), rtol=1e-6, atol=1e-9)


def test_a_memory_that_was_released_learns_again():
    rng = np.random.default_rng(3)
    n, fresh, used = 40, LimitedMemory(40, 8), LimitedMemory(40, 8)
    for s, before, after in curved(rng, n, 5):
        used.update(s, after - before)
    used.reset()
    used.release()
    assert len(used._room) == 2
    for s, before, after in curved(rng, n, 11):
        fresh.update(s, after - before)
        used.update(s, after - before)
    g = rng.standard_normal(n)
    np.testing.assert_array_equal(used.apply(g), fresh.apply(g))


def test_a_memory_without_pairs_says_nothing_on_the_terminal(capfd):
    model = LimitedMemory(150, 8).model()
    np.testing.assert_array_equal(model.curve(np.arange(150.0)), np.arange(150.0))
    assert capfd.readouterr() == ("", "")
