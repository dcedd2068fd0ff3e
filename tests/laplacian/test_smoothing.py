"""LaplacianSmoothing as a change of variables."""

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der

import smoothmin as sm


def string(x):
    """A string under load, held at both ends."""
    flat = x.ravel()
    slope = np.diff(flat, prepend=0, append=0)
    f = slope @ slope / 2 - flat.sum() / 50
    return f, (-np.diff(slope) - 1 / 50).reshape(x.shape)


def quartic(x):
    return float(np.sum(x**4) / 4 + np.sum((x - 1) ** 2)), x**3 + 2 * (x - 1)


@pytest.mark.parametrize("boundary", ["periodic", "neumann", "dirichlet"])
@pytest.mark.parametrize("shape", [(9,), (3, 4), (1,), (2,)])
@pytest.mark.parametrize("order", [1, 2])
def test_a_fixed_rate_is_the_explicit_formula(shape, boundary, order):
    method = sm.LaplacianSmoothing(
        sm.GradientDescent(lr=0.1, gtol=0),
        sigma=3.0,
        boundary=boundary,
        order=order,
        min_numel=1,
    )
    x = np.random.default_rng(0).normal(size=shape)
    options = {"maxiter": 21, "return_all": True}
    res = sm.minimize(quartic, x, jac=True, method=method, options=options)
    operator = sm.LaplacianOperator(shape, 3.0, boundary, order=order)
    for point in res.allvecs:
        np.testing.assert_allclose(point, x, rtol=0, atol=1e-14)
        x = x - 0.1 * operator.solve(quartic(x)[1])


def test_momentum_is_smoothed_as_well():
    inner = sm.GradientDescent(lr=0.05, momentum=0.8, gtol=0)
    x = np.linspace(-1, 2, 12)
    res = sm.minimize(
        quartic,
        x,
        jac=True,
        method=sm.LaplacianSmoothing(inner, sigma=2.0),
        options={"maxiter": 31, "return_all": True},
    )
    operator, velocity = sm.LaplacianOperator(12, 2.0), np.zeros(12)
    for point in res.allvecs:
        np.testing.assert_allclose(point, x, rtol=0, atol=1e-13)
        velocity = 0.8 * velocity - 0.05 * operator.solve(quartic(x)[1])
        x = x + velocity


@pytest.mark.parametrize("boundary", ["periodic", "neumann", "dirichlet"])
@pytest.mark.parametrize(
    "inner",
    [
        sm.LBFGS(),
        sm.BFGS(),
        sm.GradientDescent(),
        sm.GradientDescent(line_search="armijo"),
        sm.GradientDescent(line_search="barzilai-borwein"),
    ],
    ids=["lbfgs", "bfgs", "gd", "armijo", "bb"],
)
def test_searches_inside_converge(inner, boundary):
    method = sm.LaplacianSmoothing(inner, sigma=100.0, boundary=boundary)
    res = sm.minimize(string, np.zeros(40), jac=True, method=method, options={"maxfev": 3000})
    assert res.success
    k = np.arange(1, 41)
    np.testing.assert_allclose(res.x, k * (41 - k) / 100, atol=0.01)
    plain = sm.minimize(string, np.zeros(40), jac=True, method=inner, options={"maxfev": 3000})
    if boundary == "dirichlet":
        assert res.nit < plain.nit


def test_reported_points_and_gradients_are_the_users():
    seen = []

    def callback(intermediate_result):
        seen.append(intermediate_result)

    method = sm.LaplacianSmoothing(sm.LBFGS(), sigma=5.0)
    asked = []

    def fun(x):
        asked.append(x.copy())
        return rosen(x), rosen_der(x)

    res = sm.minimize(fun, np.full(6, 0.5), jac=True, method=method, callback=callback)
    assert res.fun < 1e-8
    for step in seen:
        np.testing.assert_array_equal(step.jac, rosen_der(step.x))
        assert step.fun == rosen(step.x)
        assert any(np.array_equal(step.x, x) for x in asked)
    np.testing.assert_array_equal(asked[0], np.full(6, 0.5))


def test_fields_are_smoothed_each_by_itself():
    shapes = [(2, 3), 2, 5]
    x = np.random.default_rng(1).normal(size=13)
    g = quartic(x)[1]

    def step(**options):
        method = sm.LaplacianSmoothing(
            sm.GradientDescent(lr=1.0, gtol=0), sigma=4.0, shapes=shapes, **options
        )
        res = sm.minimize(
            quartic, x, jac=True, method=method, options={"maxiter": 2, "return_all": True}
        )
        return x - res.allvecs[1]

    by_field = np.concatenate(
        [
            sm.LaplacianOperator((2, 3), 4.0).solve(g[:6]),
            g[6:8],
            sm.LaplacianOperator(5, 4.0).solve(g[8:]),
        ]
    )
    np.testing.assert_allclose(step(), by_field, atol=1e-13)
    # a field of exactly min_numel elements is smoothed
    by_field[6:8] = sm.LaplacianOperator(2, 4.0).solve(g[6:8])
    np.testing.assert_allclose(step(min_numel=2), by_field, atol=1e-13)
    joined = sm.LaplacianOperator(13, 4.0).solve(g)
    np.testing.assert_allclose(step(layerwise=False), joined, atol=1e-13)
    np.testing.assert_allclose(step(min_numel=7), g, atol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_tiny_problems(n):
    for min_numel in (1, 4):
        method = sm.LaplacianSmoothing(sigma=2.0, min_numel=min_numel)
        res = sm.minimize(quartic, np.full(n, 3.0), jac=True, method=method)
        assert res.success
        assert np.abs(quartic(res.x)[1]).max() < 1e-5


def test_bounds_are_kept():
    asked = []

    def fun(x):
        asked.append(x.copy())
        return string(x)

    method = sm.LaplacianSmoothing(sigma=10.0, boundary="dirichlet")
    bounds = [(0.0, 1.0)] * 20
    res = sm.minimize(fun, np.full(20, 0.5), jac=True, method=method, bounds=bounds)
    assert np.min(asked) >= 0
    assert np.max(asked) <= 1
    best = sm.minimize(string, np.full(20, 0.5), jac=True, method="lbfgs", bounds=bounds)
    assert res.fun <= best.fun + 1e-4


def test_values_alone_pass_through():
    method = sm.LaplacianSmoothing(sm.Homotopy(), sigma=1.0)
    assert not method.needs_gradient
    res = sm.minimize(
        lambda x: quartic(x)[0],
        np.full(5, 2.0),
        method=method,
        rng=0,
        options={"maxfev": 4000},
    )
    assert res.fun < quartic(np.full(5, 2.0))[0] / 2


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"inner": "lbfgs"}, TypeError),
        ({"sigma": -1.0}, ValueError),
        ({"sigma": "auto"}, TypeError),
        ({"layerwise": 1}, TypeError),
        ({"min_numel": 0}, ValueError),
        ({"shapes": 3}, TypeError),
        ({"shapes": [(2, 0)]}, ValueError),
        ({"order": 0}, ValueError),
        ({"boundary": "auto"}, ValueError),
        ({"spacing": -1.0}, ValueError),
        ({"spacing": -1.0, "shapes": None}, ValueError),
        ({"spacing": "wide", "shapes": None}, TypeError),
    ],
)
def test_wrong_options_are_named(options, error):
    with pytest.raises(error, match=next(iter(options))):
        sm.LaplacianSmoothing(**{"shapes": [(2, 2)], **options})


def test_shapes_must_fit_the_problem():
    method = sm.LaplacianSmoothing(shapes=[2, 2])
    with pytest.raises(ValueError, match="shapes must have 5 elements"):
        sm.minimize(quartic, np.ones(5), jac=True, method=method)


def test_tolerance_reaches_the_inner_method():
    assert sm.LaplacianSmoothing(sm.LBFGS()).with_tolerance(1e-3).inner.gtol == 1e-3
