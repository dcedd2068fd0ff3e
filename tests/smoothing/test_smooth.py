"""`smooth`: a pair of callables with fixed perturbations and shared evaluations."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.optimize import check_grad, minimize, rosen, rosen_der

import smoothmin


def rippled(x):
    return float(np.sum(x * x) + np.cos(9 * x).sum()), 2 * x - 9 * np.sin(9 * x)


X = np.array([0.3, -1.2, 2.0])


@pytest.mark.parametrize("aggregate", ["mean", "softmin"])
@pytest.mark.parametrize("include_x0", [True, False])
def test_gradient_is_that_of_the_value(aggregate, include_x0):
    value, gradient = smoothmin.smooth(
        rippled, jac=True, sigma=0.4, n=20, aggregate=aggregate, include_x0=include_x0, rng=0
    )
    assert check_grad(value, gradient, X) < 1e-5


def test_mean_is_the_mean_over_the_points():
    seen = []

    def fun(x):
        seen.append(x.copy())
        return rippled(x)

    value, gradient = smoothmin.smooth(fun, jac=True, sigma=0.4, n=20, rng=0)
    got = value(X), gradient(X)
    assert len(seen) == 20  # shared by the two
    np.testing.assert_allclose(got[0], np.mean([rippled(x)[0] for x in seen]))
    np.testing.assert_allclose(got[1], np.mean([rippled(x)[1] for x in seen], axis=0))
    offsets = np.array(seen) - X
    value(X + 1)
    np.testing.assert_allclose(np.array(seen[20:]) - X - 1, offsets)


def test_gaussian_smoothing_of_a_quadratic_and_a_cosine():
    """E f(x + sigma u) is known: the quadratic rises by sigma^2, the cosine is damped."""
    sigma = 0.2
    value, _ = smoothmin.smooth(
        rippled, jac=True, sigma=sigma, n=2**13, design="sobol", include_x0=False, rng=0
    )
    exact = X @ X + 3 * sigma**2 + np.exp(-0.5 * (9 * sigma) ** 2) * np.cos(9 * X).sum()
    assert value(X) == pytest.approx(exact, abs=2e-3)


def test_separate_gradient_values_alone_and_vectorized_agree():
    pairs = [
        smoothmin.smooth(rippled, jac=True, n=31, rng=4),
        smoothmin.smooth(lambda x: rippled(x)[0], jac=lambda x: rippled(x)[1], n=31, rng=4),
        smoothmin.smooth(
            lambda x: ((x * x + np.cos(9 * x)).sum(axis=0), 2 * x - 9 * np.sin(9 * x)),
            jac=True, n=31, rng=4, vectorized=True,
        ),
    ]  # fmt: skip
    for value, gradient in pairs[1:]:
        np.testing.assert_allclose(value(X), pairs[0][0](X), rtol=1e-14)
        np.testing.assert_allclose(gradient(X), pairs[0][1](X), rtol=1e-12)
    value, gradient = smoothmin.smooth(lambda x: float(x @ x), n=31, rng=4)
    np.testing.assert_allclose(gradient(X), 2 * X, rtol=1e-9)


def test_args_and_shapes():
    field = np.arange(6.0).reshape(2, 3)
    value, gradient = smoothmin.smooth(
        lambda x, a: (a * float(np.sum(x * x)), 2 * a * x), jac=True, args=(3.0,), n=10, rng=0
    )
    assert gradient(field).shape == (2, 3)
    assert isinstance(value(field), float)
    with pytest.raises(ValueError, match="x must have shape"):
        value(X)


def test_any_optimizer_takes_it():
    value, gradient = smoothmin.smooth(rippled, jac=True, sigma=0.5, n=200, rng=0)
    smoothed = minimize(value, [2.0, -1.5, 1.0], jac=gradient, method="CG")
    plain = minimize(rippled, [2.0, -1.5, 1.0], jac=True, method="CG")
    assert rippled(smoothed.x)[0] < plain.fun


def test_same_seed_same_function_and_gradient_is_the_callers_own():
    first = smoothmin.smooth(rippled, jac=True, rng=7)
    second = smoothmin.smooth(rippled, jac=True, rng=7)
    assert first[0](X) == second[0](X)
    gradient = first[1](X)
    gradient[:] = 0
    assert first[1](X).any()


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({"fun": 3}, TypeError, "fun must be callable"),
        ({"fun": rippled, "jac": "2-point"}, TypeError, "jac must be"),
        ({"fun": rippled, "sigma": 0}, ValueError, "sigma"),
        ({"fun": rippled, "rng": np.random.RandomState(0)}, TypeError, "rng"),
    ],
)
def test_bad_input(kwargs, error, match):
    with pytest.raises(error, match=match):
        smoothmin.smooth(**kwargs)


def test_what_is_not_finite_and_what_is_raised():
    value, gradient = smoothmin.smooth(lambda x: (np.nan, x), jac=True, n=5, rng=0)
    assert value(X) == np.inf
    assert np.isnan(gradient(X)).all()
    value, _ = smoothmin.smooth(lambda x: -np.inf, n=5, rng=0)
    assert value(X) == np.inf  # no sample is finite

    def broken(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        smoothmin.smooth(broken, rng=0)[0](X)

    def stopping(x):
        raise StopIteration

    with pytest.raises(StopIteration):
        smoothmin.smooth(stopping, rng=0)[0](X)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("jac", [None, rosen_der])
def test_copies_are_the_same_functions(first, jac):
    pair = smoothmin.smooth(rosen, jac=jac, sigma=0.3, n=6, rng=np.random.default_rng(5))
    if first:
        pair[0](X)
    value, gradient = pickle.loads(pickle.dumps(pair))
    assert value(X) == pair[0](X)
    np.testing.assert_array_equal(gradient(X), pair[1](X))


def test_points_that_are_not_finite_are_not_evaluated():
    def fun(x):
        assert np.isfinite(x).all()
        return float(x @ x)

    value, gradient = smoothmin.smooth(fun, n=5, rng=0)
    for point in ([np.nan, 1.0], [np.inf, 1.0], X, [-np.inf, 0.0, 1.0]):
        assert value(point) == np.inf or point is X
        assert np.isnan(gradient(point)).all() or point is X


@pytest.mark.parametrize("jac", [np.True_, True])
def test_a_truth_value_of_numpys_is_one(jac):
    assert np.isfinite(smoothmin.smooth(rippled, jac=jac, n=5, rng=0)[0](X))


def test_threads_share_a_smoothed_function():
    """Each thread has the values of its own points, not a mixture."""

    def bowl(x):
        return float(x @ x), 2 * x

    value, gradient = smoothmin.smooth(bowl, jac=True, sigma=0.5, n=30, rng=0)
    points = np.random.default_rng(0).standard_normal((400, 3))
    with ThreadPoolExecutor(8) as pool:
        values, gradients = list(pool.map(value, points)), list(pool.map(gradient, points))
    assert_array_equal(values, [value(x) for x in points])
    assert_array_equal(gradients, [gradient(x) for x in points])


@pytest.mark.parametrize("x", [{"a": 1.0}, "here", [1.0, [2.0]]])
def test_a_point_that_is_no_array_is_named(x):
    value, gradient = smoothmin.smooth(rippled, jac=True, rng=0)
    for function in (value, gradient):
        with pytest.raises(TypeError, match="x must be numbers, got"):
            function(x)
