"""The option `x_scale`: a scale for each variable, with every method where that makes sense."""

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, rosen, rosen_der

from smoothmin import DerivativeFree, minimize
from smoothmin._registry import METHODS

# every method is tried with the same arguments
pytestmark = pytest.mark.filterwarnings("ignore:.*takes values alone. the gradient:RuntimeWarning")

UNITS = np.array([1e-3, 1.0, 1e4])
X0 = np.array([-1.2, 1.0, 0.7])
LOCAL = ("bfgs", "lbfgs", "gradient-sampling", "sqp")


def fun(x):
    return rosen(x / UNITS)


def jac(x):
    return rosen_der(x / UNITS) / UNITS


@pytest.mark.parametrize("method", LOCAL)
def test_a_method_in_scaled_variables_is_that_of_the_scaled_function(method):
    scaled = minimize(fun, X0 * UNITS, jac=jac, method=method, options={"x_scale": UNITS}, rng=0)
    plain = minimize(rosen, X0, jac=rosen_der, method=method, rng=0)
    assert scaled.success
    assert scaled.method == method
    assert scaled.nfev <= 1.2 * plain.nfev
    np.testing.assert_allclose(scaled.x / UNITS, 1.0, atol=1e-4)
    np.testing.assert_allclose(scaled.jac, jac(scaled.x))


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"laplacian"}))
def test_every_method_takes_it_and_begins_at_the_start(method):
    seen = []

    def watched(x):
        seen.append(np.array(x))
        return fun(x)

    bounds = np.stack([-3 * UNITS, 3 * UNITS], axis=1)
    options = {"x_scale": UNITS, "maxfev": 40}
    minimize(watched, X0 * UNITS, jac=jac, method=method, bounds=bounds, options=options, rng=0)
    points = np.array(seen)
    assert np.array_equal(points[0], X0 * UNITS)
    assert ((points >= bounds[:, 0]) & (points <= bounds[:, 1])).all()


def test_it_is_the_scale_of_searches_from_values():
    plain = minimize(fun, X0 * UNITS, method=DerivativeFree(sigma=UNITS), rng=0)
    scaled = minimize(fun, X0 * UNITS, rng=0, options={"x_scale": UNITS})
    assert np.array_equal(plain.x, scaled.x)
    assert plain.nfev == scaled.nfev
    assert scaled.fun < 1e-10


def test_the_inverse_hessian_and_multipliers_are_the_users():
    options = {"x_scale": UNITS}
    dense = minimize(fun, X0 * UNITS, jac=jac, method="bfgs", options=options)
    exact = np.diag(np.linalg.inv(_hessian())) * UNITS**2
    np.testing.assert_allclose(np.diag(dense.hess_inv), exact, rtol=0.2)
    few = minimize(fun, X0 * UNITS, jac=jac, method="lbfgs", options=options)
    np.testing.assert_allclose(np.diag(few.hess_inv.todense()), exact, rtol=0.5)
    held = LinearConstraint([[1 / UNITS[0], 1.0, 0.0]], 1.0, 1.0)
    ours = minimize(fun, X0 * UNITS, jac=jac, constraints=held, options=options)
    unscaled = LinearConstraint([[1.0, 1.0, 0.0]], 1.0, 1.0)
    theirs = minimize(rosen, X0, jac=rosen_der, constraints=unscaled)
    np.testing.assert_allclose(ours.x / UNITS, theirs.x, atol=1e-4)
    np.testing.assert_allclose(ours.multipliers[0], theirs.multipliers[0], atol=1e-3)


def _hessian():
    from scipy.optimize import rosen_hess

    return rosen_hess(np.ones(3))


def test_a_first_metric_is_that_of_the_users_variables():
    first = np.diag(UNITS**2)
    options = {"x_scale": UNITS, "hess_inv0": first}
    given = minimize(fun, X0 * UNITS, jac=jac, method="bfgs", options=options)
    plain = minimize(rosen, X0, jac=rosen_der, method="bfgs", options={"hess_inv0": np.eye(3)})
    assert given.nfev == plain.nfev


def test_fixed_variables_and_blocks():
    bounds = [(None, None), (1.0, 1.0), (None, None)]
    res = minimize(
        fun, [0.0, 1.0, 0.0], jac=jac, bounds=bounds, method="lbfgs", options={"x_scale": UNITS}
    )
    assert res.success
    blocks = minimize(
        lambda p: float((p["a"] / 1e3 - 1) ** 2 + ((p["b"] - 1) ** 2).sum()),
        {"a": 0.0, "b": np.zeros(2)},
        rng=0,
        options={"x_scale": {"a": 1e3, "b": 1.0}},
    )
    assert blocks.fun < 1e-8


@pytest.mark.parametrize(
    ("value", "error"),
    [(0.0, ValueError), ([1, -1, 1], ValueError), ([1, 1], ValueError), ("a", TypeError),
     ([1, np.nan, 1], ValueError), (True, TypeError)],
)  # fmt: skip
def test_x_scale_is_checked(value, error):
    for method in ("lbfgs", "derivative-free"):
        with pytest.raises(error, match=r"x_scale"):
            minimize(fun, X0, method=method, options={"x_scale": value})


def test_what_cannot_be_scaled_says_so():
    with pytest.raises(NotImplementedError, match="laplacian"):
        minimize(fun, X0, jac=jac, method="laplacian", options={"x_scale": 2.0})
    with pytest.raises(ValueError, match="sigma"):
        minimize(fun, X0, options={"x_scale": 2.0, "sigma": 1.0})
