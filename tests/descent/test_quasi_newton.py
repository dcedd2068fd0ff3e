"""BFGS, L-BFGS and gradient descent: the metrics against dense algebra, and whole runs."""

import numpy as np
import pytest
from drive import problem
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize as scipy_minimize
from scipy.optimize import rosen, rosen_der

from smoothmin import BFGS, LBFGS, GradientDescent, GradientSamplingDescent, minimize
from smoothmin._protocol import Answers, Ask
from smoothmin.metrics.dense_bfgs import InverseHessian
from smoothmin.metrics.lbfgs import LimitedMemory

METHODS = ["bfgs", "lbfgs", "gradient-sampling"]


def updated(h, s, y):
    """Nocedal and Wright, (6.17)."""
    rho = 1 / (s @ y)
    left = np.eye(s.size) - rho * np.outer(s, y)
    return left @ h @ left.T + rho * np.outer(s, s)


def pairs(n, count, seed):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((n, n))
    hessian = root @ root.T + np.eye(n)
    steps = rng.standard_normal((count, n))
    return hessian, [(s, hessian @ s) for s in steps]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 8), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_product_form_is_the_bfgs_formula(n, count, seed):
    _, steps = pairs(n, count, seed)
    metric = InverseHessian(n)
    s, y = steps[0]
    h = np.eye(n) * (s @ y) / (y @ y)
    for s, y in steps:
        metric.update(s, y)
        h = updated(h, s, y)
    g = np.random.default_rng(seed + 1).standard_normal((3, n))
    np.testing.assert_allclose(metric.apply(g[0]), h @ g[0], rtol=1e-7, atol=1e-9)
    root = metric.root(g)
    np.testing.assert_allclose(root @ root.T, g @ h @ g.T, rtol=1e-7, atol=1e-9)


def test_a_step_along_the_direction_needs_no_solve():
    n = 6
    _, steps = pairs(n, 4, 3)
    known, solved = InverseHessian(n), InverseHessian(n)
    for s, y in steps:
        known.update(s, y)
        solved.update(s, y)
    g, y = np.arange(1.0, n + 1), None
    s = -0.3 * known.apply(g)
    y = 0.7 * s + 0.1 * np.sin(s)
    known.update(s, y, g)
    solved.update(s, y)
    np.testing.assert_allclose(known.apply(g), solved.apply(g), rtol=1e-9)


@pytest.mark.parametrize("count", [1, 4, 9])
def test_limited_memory_is_bfgs_from_the_last_pairs(count):
    n, memory = 7, 5
    _, steps = pairs(n, count, 0)
    metric = LimitedMemory(n, memory)
    for s, y in steps:
        metric.update(s, y)
    s, y = steps[-1]
    h = np.eye(n) * (s @ y) / (y @ y)
    for s, y in steps[-memory:]:
        h = updated(h, s, y)
    g = np.random.default_rng(1).standard_normal((4, n))
    np.testing.assert_allclose(metric.apply(g[0]), h @ g[0], rtol=1e-9)
    root = metric.root(g)
    np.testing.assert_allclose(root @ root.T, g @ h @ g.T, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("metric", [InverseHessian(3), LimitedMemory(3, 4)])
def test_pairs_without_curvature_are_refused(metric):
    s = np.array([1.0, 0.0, 0.0])
    for y in (-s, 0 * s, s * np.nan):
        metric.update(s, y)
        assert metric.fresh
    metric.update(s, s)
    assert not metric.fresh
    metric.reset()
    np.testing.assert_array_equal(metric.apply(s), s)


def test_the_metric_stays_positive_definite_on_a_kink():
    rng = np.random.default_rng(0)
    metric = InverseHessian(4)
    for k in range(300):  # ever shorter steps across the same jump of the gradient
        s = rng.standard_normal(4) * 0.8**k
        metric.update(s, np.sign(s))
        g = rng.standard_normal(4)
        assert g @ metric.apply(g) > 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 2, 10])
def test_rosenbrock(method, n):
    if n == 1:
        res = minimize(
            lambda x: ((x[0] - 2) ** 4 + x[0] ** 2, 4 * (x - 2) ** 3 + 2 * x),
            [9.0],
            jac=True,
            method=method,
        )
        assert res.success
        assert abs(res.jac[0]) < 1e-5
        return
    res = minimize(
        rosen,
        np.tile([-1.2, 1.0], n // 2),
        jac=rosen_der,
        method=method,
        options={"maxfev": 110 if n > 2 else 70},
    )
    assert res.fun < 1e-8


def least_squares(residuals):
    """Sum of squares, its gradient by complex steps, exact to rounding."""

    def fun(x):
        steps = x + 1e-30j * np.eye(x.size)
        jacobian = np.array([residuals(z).imag for z in steps]) / 1e-30
        r = residuals(x)
        return float(r @ r), 2 * jacobian @ r

    return fun


# More, Garbow, Hillstrom, "Testing unconstrained optimization software", ACM TOMS 7 (1981)
def extended_rosenbrock(x):
    return np.concatenate([10 * (x[1::2] - x[::2] ** 2), 1 - x[::2]])


def freudenstein_roth(x):
    a, b = x
    return np.array([a - 13 + ((5 - b) * b - 2) * b, a - 29 + ((b + 1) * b - 14) * b])


def powell_singular(x):
    a, b, c, d = x
    return np.array([a + 10 * b, 5**0.5 * (c - d), (b - 2 * c) ** 2, 10**0.5 * (a - d) ** 2])


def wood(x):
    a, b, c, d = x
    valleys = [10 * (b - a * a), 1 - a, 90**0.5 * (d - c * c), 1 - c]
    return np.array([*valleys, 10**0.5 * (b + d - 2), 0.1**0.5 * (b - d)])


def trigonometric(x):
    i = np.arange(1, x.size + 1)
    return x.size - np.cos(x).sum() + i * (1 - np.cos(x)) - np.sin(x)


def broyden_tridiagonal(x):
    padded = np.concatenate([[0], x, [0]])
    return (3 - 2 * x) * x - padded[:-2] - 2 * padded[2:] + 1


SMOOTH = [
    (extended_rosenbrock, np.tile([-1.2, 1.0], 1)),
    (extended_rosenbrock, np.tile([-1.2, 1.0], 5)),
    (freudenstein_roth, np.array([0.5, -2.0])),
    (powell_singular, np.array([3.0, -1.0, 0.0, 1.0])),
    (wood, np.array([-3.0, -1.0, -3.0, -1.0])),
    (trigonometric, np.full(10, 0.1)),
    (broyden_tridiagonal, -np.ones(10)),
]


@pytest.mark.parametrize("method", METHODS)
def test_evaluations_on_smooth_functions_are_no_more_than_scipys(method):
    """Geometric mean of the ratio over a part of the set of More, Garbow and Hillstrom.

    Powell's minimum, a fourth power, is apart: SciPy's absolute tolerance does not ask for the
    digits that tell it from a slow fall.
    """
    ratios = {}
    for residuals, x0 in SMOOTH:
        fun = least_squares(residuals)
        theirs = scipy_minimize(fun, x0, jac=True, method="BFGS", options={"gtol": 1e-6})
        ours = minimize(fun, x0, jac=True, method=method, rng=0)
        assert ours.success
        assert ours.fun <= theirs.fun + 1e-8
        ratios.setdefault(residuals, []).append(ours.nfev / theirs.nfev)
    assert ratios.pop(powell_singular)[0] <= 4
    assert np.exp(np.log(np.concatenate(list(ratios.values()))).mean()) <= 1.25


@pytest.mark.parametrize("method", [*METHODS, "gradient-descent"])
def test_a_bounded_quadratic_ends_at_the_kkt_point(method):
    rng = np.random.default_rng(4)
    n = 6
    root = rng.standard_normal((n, n))
    hessian, b = root @ root.T / n + np.eye(n), 3 * rng.standard_normal(n)
    lower, upper = -0.4 * np.ones(n), 0.7 * np.ones(n)
    seen = []

    def fun(x):
        seen.append(x.copy())
        return float(0.5 * x @ hessian @ x - b @ x), hessian @ x - b

    res = minimize(
        fun,
        np.zeros(n),
        jac=True,
        method=method,
        rng=0,
        bounds=list(zip(lower, upper, strict=True)),
        options={"maxfev": 2000},
    )
    assert res.success
    seen = np.array(seen)
    assert (seen >= lower).all()
    assert (seen <= upper).all()
    g = hessian @ res.x - b
    free = (res.x > lower) & (res.x < upper)
    assert np.abs(g[free]).max(initial=0) < 1e-4
    assert (g[res.x == lower] > 0).all()
    assert (g[res.x == upper] < 0).all()
    assert free.sum() < n  # some bounds are active, or the test says nothing


@pytest.mark.parametrize("method", METHODS)
def test_translation_changes_nothing_but_rounding(method):
    shift = np.array([0.5, -2.0, 4.0])

    def fun(x):
        return float(rosen(x)), rosen_der(x)

    here = minimize(fun, [0.3, 0.2, 0.1], jac=True, method=method, rng=0)
    there = minimize(
        lambda x: fun(x - shift), np.array([0.3, 0.2, 0.1]) + shift, jac=True, method=method, rng=0
    )
    np.testing.assert_allclose(there.x - shift, here.x, atol=1e-4)
    assert abs(there.nfev - here.nfev) <= 0.5 * here.nfev


@pytest.mark.parametrize("method", METHODS)
def test_rotation_changes_nothing_but_rounding(method):
    q = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
    x0 = np.array([0.3, 0.2, 0.1, -0.2])
    here = minimize(rosen, x0, jac=rosen_der, method=method, rng=0, options={"maxiter": 8})
    there = minimize(
        lambda z: rosen(q @ z),
        q.T @ x0,
        jac=lambda z: q.T @ rosen_der(q @ z),
        method=method,
        rng=0,
        options={"maxiter": 8},
    )
    assert here.fun == pytest.approx(there.fun, rel=1e-6)
    np.testing.assert_allclose(q @ there.x, here.x, atol=1e-6)


def test_gradient_descent_at_a_fixed_rate_is_its_formula():
    points = []

    def fun(x):
        points.append(x.copy())
        return float(x @ x), 2 * x

    minimize(
        fun,
        [1.0, -2.0],
        jac=True,
        method=GradientDescent(lr=0.1, momentum=0.5),
        options={"maxiter": 4},
    )
    x, v = np.array([1.0, -2.0]), np.zeros(2)
    for point in points:
        np.testing.assert_allclose(point, x, rtol=1e-14)
        v = 0.5 * v - 0.1 * 2 * x
        x = x + v


@pytest.mark.parametrize("search", ["weak-wolfe", "armijo", "barzilai-borwein"])
def test_gradient_descent_with_a_search_converges(search):
    scales = np.array([1.0, 4.0, 20.0])
    res = minimize(
        lambda x: (float(scales @ (x * x)) / 2, scales * x),
        np.ones(3),
        jac=True,
        method=GradientDescent(line_search=search),
        options={"maxfev": 600},
    )
    assert res.success
    assert res.fun < 1e-10


def test_bfgs_survives_kinks():
    def fun(x):
        return float(abs(x[0]) + 5 * abs(x[1] - x[0] ** 2) + x[0] ** 2), np.array(
            [
                np.sign(x[0]) - 10 * x[0] * np.sign(x[1] - x[0] ** 2) + 2 * x[0],
                5 * np.sign(x[1] - x[0] ** 2),
            ]
        )

    for method in (BFGS(), LBFGS()):
        res = minimize(fun, [1.3, -0.7], jac=True, method=method, options={"maxfev": 500})
        assert res.fun < 1e-5


@pytest.mark.parametrize("method", ["bfgs", "lbfgs"])
@pytest.mark.parametrize("start", [[-1.2, 1.0, 0.8], [-1.2, 1.0] * 4, [3.0, -2.0]])
def test_inexact_gradients_do_not_burn_the_budget(method, start):
    """The end is at the noise of forward differences, after a few failed searches at most."""
    res = minimize(rosen, start, method=method)
    assert res.fun < 1e-9
    assert res.nfev < 300 * (len(start) + 1)


@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "gradient-descent"])
def test_gradients_whose_norm_underflows(method):
    """A descent direction of length 1e-170 has a norm of zero."""

    def fun(x):
        return 1e-170 * float(x @ x), 2e-170 * x

    res = minimize(fun, np.ones(3), jac=True, method=method, options={"gtol": 0.0, "maxfev": 200})
    assert np.isfinite(res.fun)
    assert res.fun <= 3e-170


def test_lbfgs_starts_with_the_curvature_it_is_told():
    asked = []

    def fun(x):
        asked.append(x.copy())
        return 200.0 * float(x @ x), 400.0 * x

    res = minimize(fun, [0.3, -0.2], jac=True, method=LBFGS(scale=1 / 400))
    assert res.nfev == 2
    np.testing.assert_allclose(asked[1], 0.0, atol=1e-15)
    with pytest.raises(ValueError, match="scale"):
        LBFGS(scale=0.0)


def bowl(x):
    weights = np.arange(1.0, x.size + 1)
    value = np.sum(np.expm1(x) - x) + 0.5 * weights @ x**2
    return float(value), np.expm1(x) + weights * x


@pytest.mark.parametrize(
    ("method", "options"),
    [("bfgs", {"gtol": 1e-12}), ("gradient-sampling", {"stationarity_tol": 1e-12})],
)
@pytest.mark.parametrize(
    ("fun", "x0"),
    [
        (bowl, np.linspace(-1, 1, 5)),
        (lambda x: (rosen(x), rosen_der(x)), np.array([-1.2, 1.0])),
        (lambda x: (rosen(x), rosen_der(x)), np.array([-1.2, 1.0, -1.2, 1.0])),
    ],
)
def test_superlinear_on_smooth_functions(method, options, fun, x0):
    norms = []
    minimize(
        fun,
        x0,
        jac=True,
        method=method,
        options=options,
        rng=0,
        callback=lambda intermediate_result: norms.append(np.linalg.norm(intermediate_result.jac)),
    )
    norms = [norm for norm in norms if norm > 0]
    assert norms[-1] <= 1e-9
    rates = np.log(np.divide(norms[1:], norms[:-1]))
    assert np.exp(rates[-4:].mean()) <= 0.1
    assert rates[-4:].mean() < 1.2 * rates[-8:-4].mean() < 0


def test_preimages_of_bent_steps_survive_a_drifting_inverse():
    n = 8
    _, steps = pairs(n, 40, 5)
    metric, solved = InverseHessian(n), InverseHessian(n)
    for k, (s, y) in enumerate(steps):
        if k % 10 == 9:
            metric._inverse *= 1 + 10.0 ** (k / 10 - 6)
        metric.update(s, y)
        solved._inverse = None
        solved.update(s, y)
        g = np.cos(np.arange(n) + k)
        np.testing.assert_allclose(metric.apply(g), solved.apply(g), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("method", ["lbfgs", "bfgs"])
def test_no_run_goes_back_and_forth_at_rounding_level(method):
    def fun(x):
        value = np.abs(x) + 1 - np.cos(3 * np.pi * x)
        return float(value.sum()), np.sign(x) + 3 * np.pi * np.sin(3 * np.pi * x)

    for seed in range(6):
        start = np.random.default_rng(seed).uniform(-4, 4, 20)
        res = minimize(fun, start, jac=True, method=method, options={"gtol": 0, "maxfev": 20_000})
        assert res.status in (0, 4)
        assert res.nfev < 2000


def far_kinks(x):
    """Three kinks on a scale of a thousandth."""
    z = 1000 * x
    value = 3 * abs(z[0] - 1) + abs(z[1] + 0.5 * z[0]) + 2 * abs(z[2] - z[1])
    a, b, c = 3 * np.sign(z[0] - 1), np.sign(z[1] + 0.5 * z[0]), 2 * np.sign(z[2] - z[1])
    return value, 1000 * np.array([a + 0.5 * b, b - c, c])


@pytest.mark.parametrize("method", [LBFGS(memory=2), GradientDescent()])
def test_a_descent_that_creeps_along_a_kink_ends_and_says_so(method):
    res = minimize(far_kinks, np.array([-1.2e-3, 1e-3, 1e-3]), jac=True, method=method)
    assert res.success == (res.fun < 1e-6)
    assert res.status in (0, 1, 4)  # steps along gradients may gain a little for a long time
    assert res.nfev < 5000


@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "gradient-descent", "laplacian"])
@pytest.mark.parametrize("slope", [1.0, 1e-8])
def test_values_that_fall_without_end_are_said_to(method, slope):
    gradient = np.full(2, slope)
    res = minimize(lambda x: (float(gradient @ x), gradient), [1.0, 2.0], jac=True, method=method)
    assert res.status == 3
    assert res.message.startswith("Values fall")
    assert res.nfev < 100


def test_what_differences_cannot_tell_from_zero_will_do():
    res = minimize(lambda x: 1e12 * rosen(x), [-1.2, 1.0, 1.0], method="bfgs", rng=0)
    assert res.success
    assert res.fun < 1e3


@pytest.mark.parametrize("name", ["BFGS", "L-BFGS-B", "CG", "TNC", "SLSQP", "lbfgs"])
@pytest.mark.parametrize("rate", [0.3, 1.0, 4.0])
def test_a_start_at_the_end_is_one(name, rate):
    """The first step is a guess, of length one for most names, and far too long there."""

    def fun(x):
        return float(np.cosh(rate * (x - 1)).sum()), rate * np.sinh(rate * (x - 1))

    end = minimize(fun, [1.3, 0.7, 1.2], jac=True, method=name)
    again = minimize(fun, end.x, jac=True, method=name)
    assert again.success
    assert again.nfev <= 8


@pytest.mark.parametrize("method", [LBFGS(), BFGS(), GradientSamplingDescent()])
@pytest.mark.parametrize("kink", [0.0, 3.0])
def test_what_is_said_to_last_is_never_changed(method, kink):
    """The engine keeps the best point and its gradient without copies of them."""

    def fun(x):
        wide = np.arange(1.0, x.size + 1) * (x - 1)
        return wide @ wide + kink * abs(x).sum(), 2 * wide * np.arange(
            1.0, x.size + 1
        ) + kink * np.sign(x)

    start = problem(np.linspace(-2, 3, 7))
    steps, reply, kept = method.run(start, np.random.default_rng(0)), None, []
    for _ in range(150):
        try:
            message = steps.send(reply)
        except StopIteration:
            break
        reply = None
        if isinstance(message, Ask):
            values, gradients = zip(*map(fun, message.points), strict=True)
            reply = Answers(np.array(values), np.array(gradients))
            if message.lasting:
                kept += [(a, a.copy()) for a in (message.points, reply.gradients)]
    assert len(kept) > 10
    for array, copy in kept:
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("seed", range(3))
def test_a_limited_memory_holds_what_twenty_variables_of_all_scales_take(seed):
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((20, 20)))[0]
    matrix = turn.T @ np.diag(np.geomspace(1, 1e4, 20)) @ turn
    res = minimize(
        lambda x: (x @ matrix @ x / 2, matrix @ x), np.ones(20), jac=True, method=LBFGS()
    )
    assert res.success
    assert res.nfev <= 500
