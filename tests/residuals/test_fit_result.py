"""What fits return: named parameters, SciPy's numbers, a print, and covariances."""

import pickle

import numpy as np
import pytest
import scipy.optimize
from numpy.testing import assert_allclose

from smoothmin import FitResult, curve_fit, least_squares
from smoothmin._result import explanations

T = np.linspace(0, 3, 40)
DATA = 2 * np.exp(-1.3 * T) + 0.5 + 0.05 * np.random.default_rng(0).standard_normal(T.size)
START = {"a": 1.0, "k": np.array([1.0, 0.0])}


def residuals(p):
    return p[0] * np.exp(-p[1] * T) + p[2] - DATA


def jacobian(p):
    decay = np.exp(-p[1] * T)
    return np.column_stack([decay, -p[0] * T * decay, np.ones_like(T)])


def named(p):
    return residuals([p["a"], *p["k"]])


def named_jacobian(p):
    whole = jacobian([p["a"], *p["k"]])
    return {"a": whole[:, 0], "k": whole[:, 1:]}


@pytest.mark.parametrize("jac", [None, "2-point", "cs", named_jacobian])
@pytest.mark.parametrize("loss", ["linear", "l1"])
def test_named_parameters(jac, loss):
    seen = []
    res = least_squares(
        named,
        START,
        jac,
        bounds={"a": (0, 1.5), "k": None},
        loss=loss,
        rng=0,
        callback=lambda intermediate_result: seen.append(intermediate_result.x),
    )
    flat = least_squares(
        residuals,
        [1.0, 1.0, 0.0],
        jacobian if callable(jac) else jac,
        bounds=([0, -np.inf, -np.inf], [1.5, np.inf, np.inf]),
        loss=loss,
        rng=0,
    )
    assert res.success
    assert_allclose([res.x["a"], *res.x["k"]], flat.x)
    assert_allclose(res.jac, flat.jac)
    assert res.active_mask.tolist() == [1, 0, 0]
    assert set(seen[-1]) == {"a", "k"}


def test_named_lengths_and_what_is_wrong_with_names():
    res = least_squares(named, START, x_scale={"a": 2.0, "k": [1.0, 0.5]})
    assert res.success
    with pytest.raises(ValueError, match="x_scale must have the keys"):
        least_squares(named, START, x_scale={"b": 1.0})
    with pytest.raises(ValueError, match="bounds must have the keys"):
        least_squares(named, START, bounds={"b": (0, 1)})
    with pytest.raises(ValueError, match="x_scale must be one number or 3"):
        least_squares(residuals, [1.0, 1.0, 0.0], x_scale=[1.0, 2.0])
    with pytest.raises(ValueError, match="verbose must be 0, 1 or 2"):
        least_squares(residuals, [1.0, 1.0, 0.0], verbose=3)
    with pytest.raises(TypeError, match="p0 must be numbers"):
        curve_fit(lambda t, a: a + t, T, DATA, p0=START)


@pytest.mark.parametrize(
    ("tolerances", "status"),
    [
        ({"ftol": None, "xtol": None}, 1),
        ({"gtol": None, "xtol": None}, 2),
        ({"ftol": None, "gtol": None, "xtol": 1e-4}, 3),  # before rounding hides what is left
        ({"ftol": 0.5, "xtol": 0.1, "gtol": None}, 4),
        ({"max_nfev": 2}, 0),
    ],
)
def test_what_ended_it_is_told_in_scipys_numbers(tolerances, status):
    theirs = scipy.optimize.least_squares(residuals, [1.0, 1.0, 0.0], jacobian, **tolerances)
    ours = least_squares(residuals, [1.0, 1.0, 0.0], jacobian, **tolerances)
    assert ours.status == theirs.status == status


def test_it_prints_what_one_wants_to_know_and_nothing_bare():
    long = least_squares(residuals, [1.0, 1.0, 0.0])
    assert isinstance(long, FitResult)
    assert set(long) <= set(explanations(FitResult))
    text = str(long)
    assert text.splitlines()[0].strip().startswith("message: ")
    assert "(the residuals)" in text
    assert "40 x 3 numbers" in text
    assert text.count("cost:") == 1
    assert str(pickle.loads(pickle.dumps(long))) == text
    short = least_squares(residuals, [1.0, 1.0, 0.0], max_nfev=2)
    assert "not known" in str(short)
    assert "nan" not in str(short)
    assert "a larger max_nfev" in str(short)
    assert "finite" in str(least_squares(lambda p: p * np.nan, [1.0])).splitlines()[-1]


def test_options_of_minimize_leave_what_they_leave_there():
    def partly(p):
        return residuals(p) if p[1] < 1.05 else np.full(T.size, np.nan)

    options = {"history": "points", "return_all": True, "maxfev": 20}
    res = least_squares(partly, [1.0, 1.0, 0.0], options=options)
    assert len(res.history.to_dict()["value"]) == res.nfev == 20
    assert_allclose(res.allvecs[-1], res.x)
    assert f"{res.n_nonfinite} value" in str(res)


def test_with_kinks_optimality_is_the_certificates():
    exact = least_squares(residuals, [1.0, 1.0, 0.0], jacobian, loss="l1")
    assert exact.optimality < 1e-5
    assert np.isnan(least_squares(residuals, [1.0, 1.0, 0.0], loss="l1").optimality)


def decay(t, a, b, c):
    return a * np.exp(-b * t) + c


def in_single_precision(t, a, b, c):
    return decay(t.astype("f4"), *np.array([a, b, c], "f4"))


def noisy(t, a, b, c, rng=np.random.default_rng(1)):  # noqa: B008
    return decay(t, a, b, c) + 1e-5 * rng.standard_normal(t.size)


def elsewhere(t, a, b, c):
    return decay(t, a + 2, b, c)


@pytest.mark.parametrize("fun", [in_single_precision, noisy, elsewhere])
def test_covariances_from_values_of_any_precision(fun):
    _, exact = curve_fit(decay, T, DATA)
    start = [1e-3 if fun is elsewhere else 1.0, 1.0, 0.0]
    _, found = curve_fit(fun, T, DATA, start)
    assert_allclose(np.sqrt(np.diag(found)), np.sqrt(np.diag(exact)), rtol=0.02)


def test_one_standard_deviation_for_all_data():
    for absolute in (True, False):
        ours = curve_fit(decay, T, DATA, sigma=0.1, absolute_sigma=absolute)
        theirs = scipy.optimize.curve_fit(decay, T, DATA, sigma=0.1, absolute_sigma=absolute)
        assert_allclose(ours[1], theirs[1], rtol=1e-3)
