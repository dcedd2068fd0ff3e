"""`IterateTangents`: the step on which they agree."""

import numpy as np
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from smoothmin.derivative_free.tangents import ROOM, IterateTangents
from smoothmin.metrics.dense_bfgs import InverseHessian


def metric(n, rng):
    found = InverseHessian(n)
    for _ in range(2 * n):
        s = rng.standard_normal(n)
        found.update(s, np.arange(1, n + 1) * s)
    return found


def test_the_highest_tangent_plus_half_the_square_is_least():
    """Against the same problem as a smooth one with a constraint for each tangent."""
    rng = np.random.default_rng(4)
    n, k = 3, 4
    h = metric(n, rng)
    x, f, g = np.zeros(n), 0.0, np.array([1.0, 0.5, -0.2])
    slopes, gaps = rng.standard_normal((k, n)), rng.uniform(0, 0.05, k)
    kept = None
    for slope, gap in zip(slopes, gaps, strict=True):
        point = 0.1 * rng.standard_normal(n)
        seen = point, f - gap - slope @ (x - point), slope
        if kept is None:
            kept = IterateTangents(*seen)
        else:
            kept._bundle.add(*seen)
    kept.move(x, f, g)
    step, change = kept.step(h)
    b = np.linalg.inv(np.array([h.apply(e) for e in np.eye(n)]))
    slopes, gaps = np.vstack([g, slopes]), np.append(0.0, gaps)
    reference = minimize(
        lambda z: z[n] + 0.5 * z[:n] @ b @ z[:n],
        np.zeros(n + 1),
        method="SLSQP",
        constraints={"type": "ineq", "fun": lambda z: z[n] - (slopes @ z[:n] - gaps)},
        options={"ftol": 1e-15},
    )
    assert_allclose(step, reference.x[:n], atol=1e-5)
    assert_allclose(change, (slopes @ step - gaps).max())
    assert change < 0


def test_on_a_kink_the_step_is_along_it():
    """|x0| + x1: two tangents that differ in one sign leave x1."""
    h = InverseHessian(2)
    h.update(np.array([1.0, 0.0]), np.array([1.0, 0.0]))
    kept = IterateTangents(np.array([-1e-3, 0.0]), 1e-3, np.array([-1.0, 1.0]))
    kept.move(np.array([1e-4, 0.0]), 1e-4, np.array([1.0, 1.0]))
    step, change = kept.step(h)
    assert abs(step[0]) < 1e-2 * abs(step[1])
    assert step[1] < 0
    assert change < 0


def test_none_where_the_newest_decides_alone():
    h = InverseHessian(2)
    kept = IterateTangents(np.zeros(2), -100.0, np.array([1.0, -1.0]))
    assert kept.step(h) is None
    kept.move(np.zeros(2), 0.0, np.ones(2))  # the other is far below
    assert kept.step(h) is None


def test_none_where_they_oppose_each_other():
    kept = IterateTangents(np.zeros(1), 0.0, np.array([-1.0]))
    kept.move(np.zeros(1), 0.0, np.ones(1))
    assert kept.step(InverseHessian(1)) is None


def test_smooth_functions_are_told_from_kinks():
    weights, x = np.array([1.0, 10.0]), np.array([4.0, -3.0])
    kept = IterateTangents(x, 0.5 * float(weights @ x**2), weights * x)
    for _ in range(15):
        x = 0.5 * x
        kept.move(x, 0.5 * float(weights @ x**2), weights * x)
    assert kept._skewness < 0.1
    for _ in range(10):
        x = -0.2 * x
        kept.move(x, float(np.abs(x).sum()), np.sign(x))
    assert kept._skewness > 0.2


def test_a_tangent_above_the_value_makes_it_begin_anew():
    h = InverseHessian(2)
    kept = IterateTangents(np.zeros(2), 1.0, np.array([-1.0, 0.5]))
    kept.move(np.zeros(2), 0.0, np.ones(2))
    assert kept.step(h) is None
    kept = IterateTangents(np.zeros(2), 1.0, np.array([-1.0, 0.5]))
    kept.move(np.zeros(2), 1.1, np.ones(2))
    assert kept.step(h) is not None


def test_room_and_clearing():
    h = InverseHessian(2)
    kept = IterateTangents(np.zeros(2), 0.0, np.array([-1.0, 0.5]))
    kept.move(np.zeros(2), 0.0, np.ones(2))
    assert kept.step(h) is not None
    for _ in range(ROOM):
        kept.move(np.zeros(2), 0.0, np.ones(2))
    assert kept.step(h) is None  # the opposed one is gone
    kept = IterateTangents(np.zeros(2), 0.0, np.array([-1.0, 0.5]))
    kept.move(np.zeros(2), 0.0, np.ones(2))
    kept.clear()
    assert kept.step(h) is None
