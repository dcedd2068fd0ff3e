"""The user's Hessian as the metric of each step."""

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
    assert res.nhev == len(calls) <= 4
    if method in ("trust-exact", "dogleg"):  # as by SciPy, at the end
        np.testing.assert_array_equal(calls[-1], res.x)
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
    without = minimize(fun, np.ones(12), jac=True, method="bfgs")
    assert res.success
    assert res.nfev <= without.nfev + 2


def wrong(kind, x):
    """What users return by mistake, at the true Hessian's place."""
    true = rosen_hess(x)
    return {
        "identity": np.eye(x.size),
        "zero": 0 * true,
        "negative": -true,
        "another unit": 100 * true,
        "half of it": np.triu(true),
        "the diagonal": np.diag(true.diagonal()),
        "of the start": rosen_hess(VALLEY[: x.size]),
        "random": np.random.default_rng(0).standard_normal(true.shape),
    }[kind]


VALLEY = np.tile([-1.2, 1.0], 3)
KINDS = [
    "identity", "zero", "negative", "another unit", "half of it", "the diagonal", "of the start",
    "random",
]  # fmt: skip


@pytest.mark.parametrize("n", [2, 6])
@pytest.mark.parametrize("kind", KINDS)
def test_wrong_hessians_cost_little(kind, n):
    without = minimize(rosen, VALLEY[:n], jac=rosen_der, method="bfgs")
    with np.errstate(all="ignore"):
        res = minimize(
            rosen, VALLEY[:n], jac=rosen_der, hess=lambda x: wrong(kind, x), method="bfgs"
        )
    assert res.success
    assert min(res.fun, abs(res.fun - 3.9739405009)) < 1e-9  # n = 6 has another minimum
    assert res.nfev <= 2.5 * without.nfev


def soft_maximum(x):
    """Of 40 planes in 8 variables: value, gradient, Hessian."""
    planes = np.random.default_rng(4).standard_normal((40, 8))
    heights = planes @ x
    weights = np.exp(heights - heights.max())
    value = float(heights.max() + np.log(weights.sum()))
    weights /= weights.sum()
    slope = weights @ planes
    return value, slope, (planes * weights[:, None]).T @ planes - np.outer(slope, slope)


@pytest.mark.parametrize("method", ["dogleg", "trust-exact", "trust-ncg", "Newton-CG", "bfgs"])
@pytest.mark.parametrize("units", [np.ones(8), np.geomspace(1e-4, 1e4, 8)])
def test_few_steps_to_the_minimum_in_any_units(method, units):
    def part(k):
        scale = (1.0, 1 / units, 1 / np.outer(units, units))[k]
        return lambda z: soft_maximum(z / units)[k] * scale

    res = minimize(part(0), 2 * units, jac=part(1), hess=part(2), method=method)
    assert res.success
    assert np.abs(soft_maximum(res.x / units)[1]).max() < 1e-6
    assert res.nfev <= 40 if units[0] == 1 or method == "bfgs" else 80


@pytest.mark.parametrize("method", ["dogleg", "trust-exact", "trust-ncg", "trust-krylov"])
@pytest.mark.parametrize("gtol", [1e-1, 1e-3])
def test_loose_tolerances_end_about_where_scipys_do(method, gtol):
    given = {"jac": rosen_der, "hess": rosen_hess, "options": {"gtol": gtol}, "method": method}
    ours, theirs = [], []
    for x0 in ([-1.2, 1.0], [1.3, 1.3, 1.3], [1.1, 1.2, 1.4, 1.9]):
        for run, counts in ((minimize, ours), (scipy.optimize.minimize, theirs)):
            res = run(rosen, x0, **given)
            assert res.success
            assert np.abs(res.jac).max() <= gtol
            counts.append(res.nfev)
    assert sum(ours) <= 1.6 * sum(theirs) + 6


def test_a_degenerate_minimum():
    """Hessians vanish where the function does."""
    weights = np.arange(1.0, 9.0)
    res = minimize(
        lambda x: float(weights @ x**4), np.linspace(1, 2, 8), jac=lambda x: 4 * weights * x**3,
        hess=lambda x: np.diag(12 * weights * x**2), method="bfgs",
    )  # fmt: skip
    assert res.success
    assert res.nfev <= 60


def test_scales_bounds_and_blocks():
    def each(x):
        return rosen(x["a"]) + float((x["b"] - 2) ** 2)

    def slope(x):
        return {"a": rosen_der(x["a"]), "b": 2 * (x["b"] - 2)}

    def hess(x):
        whole = np.zeros((4, 4))
        whole[:3, :3], whole[3, 3] = rosen_hess(x["a"]), 2.0
        return whole

    for more in (
        {},
        {"options": {"x_scale": {"a": np.array([1.0, 10.0, 0.1]), "b": 3.0}}},
        {"bounds": {"a": (-1.5, 0.9), "b": (2.5, 2.5)}},
    ):
        start = {"a": np.array([-1.2, 0.8, 0.5]), "b": np.array(2.5)}
        res = minimize(each, start, jac=slope, hess=hess, method="bfgs", **more)
        without = minimize(each, start, jac=slope, method="bfgs", **more)
        assert res.success
        assert abs(res.fun - without.fun) < 1e-8
        assert res.nfev <= without.nfev


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
