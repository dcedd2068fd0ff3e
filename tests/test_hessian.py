"""The user's Hessian as a first metric."""

import warnings

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
import scipy.sparse.linalg
from scipy.optimize import BFGS, rosen, rosen_der, rosen_hess, rosen_hess_prod

from smoothmin import minimize

SCALES = np.geomspace(1, 1e6, 12)


def fun(x):
    return 0.5 * float(x @ (SCALES * x)), SCALES * x


def operator(diagonal):
    return scipy.sparse.linalg.aslinearoperator(np.diag(diagonal))


@pytest.mark.parametrize("method", ["bfgs", "trust-exact", "dogleg", "trust-constr"])
@pytest.mark.parametrize("as_array", [np.diag, scipy.sparse.diags_array, operator])
def test_a_quadratic_is_solved_by_the_first_step(method, as_array):
    calls = []

    def hess(x):
        calls.append(x)
        return as_array(SCALES)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        res = minimize(fun, np.ones(12), jac=True, hess=hess, method=method)
    assert res.success
    assert res.fun < 1e-12
    assert res.nfev <= 6
    told = method in ("trust-exact", "dogleg")
    assert res.nhev == len(calls) == 1 + told
    if told:  # as by SciPy, at the end
        np.testing.assert_array_equal(calls[1], res.x)
        assert res.hess.shape == (12, 12)
    np.testing.assert_array_equal(calls[0], np.ones(12))


def test_negative_curvature_is_left_downhill():
    res = minimize(
        lambda x: (float(x[0] ** 4 - x[0] ** 2 + x[1] ** 2), [4 * x[0] ** 3 - 2 * x[0], 2 * x[1]]),
        [0.1, 1.0],
        jac=True,
        hess=lambda x: np.diag([12 * x[0] ** 2 - 2, 2.0]),
        method="bfgs",
    )
    assert res.success
    assert abs(res.fun + 0.25) < 1e-8


def test_args_and_fixed_variables():
    def shifted(x, center):
        return fun(x - center)

    res = minimize(
        shifted,
        np.ones(12),
        args=(0.5,),
        jac=True,
        hess=lambda x, center: np.diag(SCALES),
        method="bfgs",
        bounds=[(1, 1)] + [(None, None)] * 11,
    )
    assert res.success
    assert res.nfev <= 6
    np.testing.assert_allclose(res.x[1:], 0.5, atol=1e-6)


def test_a_matrix_that_is_no_number_is_not_used():
    res = minimize(
        fun, np.ones(12), jac=True, hess=lambda x: np.full((12, 12), np.nan), method="bfgs"
    )
    assert res.success
    assert res.nhev == 1


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"hess must return an array of shape \(2, 2\)"):
        minimize(rosen, [0, 0], jac=rosen_der, hess=lambda x: np.eye(3), method="bfgs")


@pytest.mark.parametrize(
    ("given", "method", "says"),
    [
        ({"hess": rosen_hess}, "lbfgs", "hess is used by bfgs"),
        ({"hessp": rosen_hess_prod}, "trust-ncg", "no method uses products"),
    ],
)
def test_what_is_not_used_is_warned_of(given, method, says):
    with pytest.warns(RuntimeWarning, match=says):
        res = minimize(rosen, [0.0, 0.0], jac=rosen_der, method=method, **given)
    assert res.success
    assert res.nhev == 0


@pytest.mark.parametrize("hess", ["2-point", BFGS()])
def test_quasi_newton_by_name_is_what_is_done(hess):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        res = minimize(rosen, [0.0, 0.0], jac=rosen_der, hess=hess, method="trust-constr")
    assert res.success
    assert res.nhev == 0


def test_a_number_is_the_hessian_of_one_variable():
    res = minimize(
        lambda x: float(3 * x[0] ** 2), [2.0], jac=lambda x: 6 * x, hess=lambda x: 6, method="bfgs"
    )
    assert res.success
    assert res.nfev <= 6


@pytest.mark.parametrize(
    ("hess", "error"), [("2-points", ValueError), (3, TypeError), (np.eye(2), TypeError)]
)
def test_what_is_no_hessian_is_refused(hess, error):
    with pytest.raises(error, match="hess must be callable"):
        minimize(rosen, [1.3, 0.7], jac=rosen_der, hess=hess, method="bfgs")


@pytest.mark.parametrize(
    "name", ["Newton-CG", "dogleg", "trust-ncg", "trust-krylov", "trust-exact"]
)
def test_differences_are_no_derivatives_where_scipy_requires_these(name):
    for jac in ("2-point", "3-point", "cs", None, False):
        for minimizer in (minimize, scipy.optimize.minimize):
            with pytest.raises(ValueError, match="required"):
                minimizer(rosen, [1.3, 0.7], jac=jac, hess=rosen_hess, method=name)
    if name in ("dogleg", "trust-exact"):
        with pytest.raises(ValueError, match="hess is required"):
            minimize(rosen, [1.3, 0.7], jac=rosen_der, hess=BFGS(), method=name)
