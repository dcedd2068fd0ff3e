"""The step to the least point of a model in a box, against least squares and dense algebra."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import Bounds, lsq_linear
from scipy.optimize import minimize as scipy_minimize

from smoothmin import minimize
from smoothmin.derivative_free.difference_metric import DenseMetric, LargeMetric
from smoothmin.metrics import lbfgs
from smoothmin.metrics.compact import DenseModel
from smoothmin.metrics.dense_bfgs import InverseHessian
from smoothmin.metrics.lbfgs import LimitedMemory
from smoothmin.subproblems.box_qp import box_step


class Dense:
    """A matrix as the model."""

    def __init__(self, b):
        self.b = b

    def curve(self, s):
        return self.b @ s

    def newton(self, r, free):
        step = np.zeros_like(r)
        step[free] = -np.linalg.solve(self.b[np.ix_(free, free)], r[free])
        return step


def metrics(n):
    scales = np.linspace(0.5, 2, n)
    scaled, limited = InverseHessian(n), LimitedMemory(n, 4)
    scaled.start(scales)
    limited.start(scales)
    return [
        InverseHessian(n),
        scaled,
        InverseHessian(n, growing=True),
        LimitedMemory(n, 4),
        limited,
        DenseMetric(n, scales),
        LargeMetric(n, scales),
    ]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 2**32 - 1), st.booleans())
def test_models_are_the_inverses_of_their_metrics(n, count, seed, few):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((n, n))
    hessian = root.T @ root + np.eye(n)
    steps = rng.standard_normal((count, n)) * 10.0 ** rng.uniform(-3, 0, (count, 1))
    s, r, free = rng.standard_normal(n), rng.standard_normal(n), rng.random(n) < 0.6
    for metric in metrics(n):
        for step in steps:
            metric.update(step, hessian @ step)
        b = np.linalg.inv([metric.apply(e) for e in np.eye(n)])
        dense, size = Dense(b), np.linalg.norm(b, 2)
        with patch.object(lbfgs, "FEW", n if few else 0):
            model = metric.model()
        assert isinstance(model, DenseModel) == (few and isinstance(metric, LimitedMemory))
        assert_allclose(model.curve(s), dense.curve(s), rtol=1e-6, atol=1e-7 * size)
        assert_allclose(model.newton(r, free), dense.newton(r, free), rtol=1e-5, atol=1e-7)
        if isinstance(metric, InverseHessian | LimitedMemory):
            both = model.newton_rows(np.array([r, s]), free)
            assert_allclose(both[0], dense.newton(r, free), rtol=1e-5, atol=1e-7)
            assert_allclose(both[1], dense.newton(s, free), rtol=1e-5, atol=1e-7)
        assert not model.newton(r, ~np.ones(n, dtype=bool)).any()


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(2, 40), st.booleans(), st.integers(0, 2**32 - 1))
def test_products_kept_for_models_are_those_of_a_memory_that_keeps_none(n, scaled, seed):
    rng = np.random.default_rng(seed)
    curvatures = 10.0 ** rng.uniform(-2, 2, n)
    kept, free = LimitedMemory(n, 4, scaled=scaled), np.ones(n, dtype=bool)
    for count in range(1, 30):
        step = rng.standard_normal(n)
        kept.update(step, curvatures * step)
        anew = LimitedMemory.__new__(LimitedMemory)
        anew.__setstate__(kept.__getstate__() | {"_grams": None})
        r, s = rng.standard_normal((2, n))
        if rng.random() < 0.8:
            with patch.object(lbfgs, "FEW", 0):
                expected, model = anew.model(), kept.model()
            free[rng.integers(n, size=1 + n // 9)] ^= True  # some columns come, some go
            assert_allclose(model.curve(s), expected.curve(s), rtol=1e-8, atol=1e-9)
            size = np.abs(r).max() / curvatures.min()
            known = model.newton(r, free.copy())
            assert_allclose(known, expected.newton(r, free), rtol=1e-7, atol=1e-9 * size)
        if count == 20:
            kept.reset()


def test_a_model_of_nearly_dependent_columns_is_solved_still():
    metric = InverseHessian(6)
    rng = np.random.default_rng(0)
    for k in range(40):  # ever shorter steps across the same jump of the gradient
        s = rng.standard_normal(6) * 0.4**k
        metric.update(s, np.sign(s))
    free = np.array([True, True, True, True, True, False])
    for mask in (free, ~free):
        r = rng.standard_normal(6)
        assert r[mask] @ metric.newton(r, mask)[mask] < 0


def boxed(seed, condition):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 12))
    turn = np.linalg.qr(rng.standard_normal((n, n)))[0]
    root = (turn * condition ** rng.uniform(0, 0.5, n)).T
    g = 3 * condition**0.5 * rng.standard_normal(n)
    low, high = -rng.exponential(1, n), rng.exponential(1, n)
    low[rng.random(n) < 0.2] = 0.0
    high[rng.random(n) < 0.2] = np.inf
    return root, g, low, high


@pytest.mark.parametrize(("condition", "share"), [(10.0, 1.0), (1e3, 0.7), (1e6, 0.5)])
def test_the_step_is_mostly_the_least_point_and_always_down(condition, share):
    exact, runs = 0, 60
    for seed in range(runs):
        root, g, low, high = boxed(seed, condition)
        b = root.T @ root
        s = box_step(Dense(b), g, low, high)
        assert ((low <= s) & (s <= high)).all()
        value = g @ s + 0.5 * s @ b @ s
        assert value < 0
        best = lsq_linear(root, -np.linalg.solve(root.T, g), (low, high), method="bvls").x
        least = g @ best + 0.5 * best @ b @ best
        exact += bool(value <= least * (1 - 1e-9))
    assert exact >= share * runs


def test_without_interaction_the_step_is_exact():
    rng = np.random.default_rng(3)
    curvature, g = rng.uniform(0.5, 2, 7), 3 * rng.standard_normal(7)
    low, high = -rng.uniform(0, 2, 7), rng.uniform(0, 2, 7)
    low[0] = high[1] = 0.0
    low[2], high[3] = -np.inf, np.inf
    step = box_step(Dense(np.diag(curvature)), g, low, high)
    assert_allclose(step, np.clip(-g / curvature, low, high), atol=1e-12)


def quadratic(n, condition, seed):
    """Half of its variables end at a bound of [-1, 1]."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.standard_normal((n, n)))[0]
    hessian = (turn * condition ** rng.uniform(0, 1, n)) @ turn.T
    best = rng.uniform(-1, 1, n)
    at = rng.random(n) < 0.5
    best[at] = np.sign(best[at])
    b = hessian @ best + np.where(at, np.sign(best) * rng.uniform(0.1, 1, n), 0) * condition**0.5

    def fun(x):
        g = hessian @ x
        return float(0.5 * x @ g - b @ x), g - b

    return fun, rng.uniform(-1, 1, n), best


@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "gradient-sampling"])
def test_binding_bounds_cost_no_more_than_scipys(method):
    """Geometric mean of evaluations to a gap of 1e-6 of the first."""
    logs = []
    for n in (2, 5, 20):
        for condition in (1e1, 1e3, 1e5):
            fun, x0, best = quadratic(n, condition, n)
            least, first = fun(best)[0], fun(x0)[0]
            target = least + 1e-6 * (first - least)
            seen = []

            def watched(x, fun=fun, seen=seen):
                value, gradient = fun(x)
                seen.append(value)
                return value, gradient

            bounds = Bounds(-np.ones(n), np.ones(n))
            counts = []
            res = minimize(watched, x0, jac=True, method=method, bounds=bounds, rng=0)
            assert res.success or res.stationarity < 1e-5  # at rounding level
            assert_allclose(res.x, best, atol=1e-3)
            assert (np.abs(res.x[np.abs(best) == 1]) == 1).all()
            counts.append(np.flatnonzero(np.array(seen) <= target)[0] + 1)
            seen.clear()
            tight = {"ftol": 0.0, "gtol": 0.0, "maxfun": 3000, "maxiter": 3000}
            scipy_minimize(watched, x0, jac=True, method="L-BFGS-B", bounds=bounds, options=tight)
            counts.append(np.flatnonzero(np.array(seen) <= target)[0] + 1)
            logs.append(np.log(counts[0] / counts[1]))
    assert np.exp(np.mean(logs)) <= 1.05


def test_kinks_between_bounds_are_crossed():
    """A chain of kinks whose minimum half of the bounds cut off, against linear programming."""
    rng = np.random.default_rng(1)
    m, n = 40, 12
    a, b = rng.standard_normal((m, n)), rng.standard_normal(m)
    upper = np.where(np.arange(n) % 2, 0.05, 2.0)
    from scipy.optimize import linprog

    cost = np.concatenate([np.zeros(n), np.ones(m)])
    rows = np.block([[a, -np.eye(m)], [-a, -np.eye(m)]])
    box = [(-0.1, high) for high in upper] + [(0, None)] * m
    least = linprog(cost, rows, np.concatenate([b, -b]), bounds=box).fun

    def fun(x):
        return float(np.abs(a @ x - b).sum()), a.T @ np.sign(a @ x - b)

    for method, budget in (("bfgs", 400), ("gradient-sampling", 250)):
        res = minimize(
            fun, np.zeros(n), jac=True, method=method, rng=0, bounds=box[:n],
            options={"maxfev": budget},
        )  # fmt: skip
        assert res.fun <= least * (1 + 1e-6)
