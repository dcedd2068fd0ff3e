"""Covariances, intervals and contours against formulas and other packages."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import brentq
from scipy.stats import chi2, f

from smoothmin import minimize, uncertainty

SEED = 5


def linear(scales=(1.0, 1.0, 1.0), m=40):
    """A linear least-squares problem: matrix, data, minimum, its covariance."""
    rng = np.random.default_rng(SEED)
    matrix = rng.standard_normal((m, len(scales))) * np.array(scales)
    data = matrix @ (np.arange(1, len(scales) + 1) / scales) + 0.2 * rng.standard_normal(m)
    x = np.linalg.lstsq(matrix, data, rcond=None)[0]
    variance = ((matrix @ x - data) ** 2).sum() / (m - len(scales))
    return matrix, data, x, variance * np.linalg.inv(matrix.T @ matrix)


@pytest.mark.parametrize("factor", [0.5, 1.0, 1e-6, 1e9])
@pytest.mark.parametrize("with_gradient", [False, True])
def test_linear_least_squares(factor, with_gradient):
    matrix, data, x, covariance = linear((1.0, 1e4, 1e-3))

    def fun(z):
        return factor * float(((matrix @ z - data) ** 2).sum())

    def jac(z):
        return 2 * factor * matrix.T @ (matrix @ z - data)

    found = uncertainty(fun, x, jac=jac if with_gradient else None, residuals=40)
    unit = np.sqrt(np.diag(covariance))
    assert_allclose(found.covariance / np.outer(unit, unit), covariance / np.outer(unit, unit),
                    atol=1e-5)  # fmt: skip
    assert_allclose(np.diag(found.correlations), 1)
    assert not found.warnings
    assert not found.made_definite
    for k in range(3):
        low, high = found.interval(k)
        wider = np.sqrt(f.ppf(0.6826894921370859, 1, 37))  # the variance is estimated
        assert_allclose([x[k] - low, high - x[k]], wider * unit[k], rtol=3e-3)


@pytest.mark.parametrize("estimated", [False, True])
def test_a_contour_is_the_ellipse(estimated):
    matrix, data, x, covariance = linear()

    def fun(z):
        return float(((matrix @ z - data) ** 2).sum())

    given = {"residuals": 40} if estimated else {"errordef": fun(x) / 37}
    found = uncertainty(fun, x, **given)
    ring = found.contour(0, 2, level=0.9, points=12)
    block = covariance[np.ix_([0, 2], [0, 2])]
    away = ring - x[[0, 2]]
    distances = np.einsum("ki,ij,kj->k", away, np.linalg.inv(block), away)
    wanted = 2 * f.ppf(0.9, 2, 37) if estimated else chi2.ppf(0.9, 2)
    assert_allclose(distances, wanted, rtol=1e-2)


def exponential(times):
    return lambda rate: float(rate[0] * times.sum() - times.size * np.log(rate[0]))


@given(st.floats(1e-6, 1e6), st.integers(3, 30))
@settings(max_examples=15, deadline=None)
def test_an_asymmetric_profile(unit, count):
    """The interval of an exponential rate, in any units, is where the likelihood says."""
    times = unit * np.random.default_rng(count).exponential(size=count)
    fun, best = exponential(times), count / times.sum()
    bounds = [(1e-9 * best, None)]
    found = uncertainty(fun, [best], bounds=bounds)
    assert_allclose(found.errors[0], best / np.sqrt(count), rtol=1e-3)

    def excess(rate):
        return fun([rate]) - fun([best]) - 0.5

    low, high = found.interval(0)
    assert_allclose(low, brentq(excess, 1e-6 * best, best), rtol=1e-3)
    assert_allclose(high, brentq(excess, best, 1e3 * best), rtol=1e-3)
    assert high - best > best - low


def logistic(seed=2):
    rng = np.random.default_rng(seed)
    inputs = np.column_stack([np.ones(80), rng.standard_normal((80, 2))])
    labels = rng.random(80) < 1 / (1 + np.exp(-inputs @ [0.3, 1.0, -0.5]))

    def fun(w):
        z = inputs @ w
        return float(np.logaddexp(0, z).sum() - z[labels].sum())

    return inputs, labels, fun


def test_logistic_regression_by_fisher_information():
    inputs, _, fun = logistic()
    res = minimize(fun, np.zeros(3), method="bfgs")
    found = uncertainty(fun, res)
    p = 1 / (1 + np.exp(-inputs @ res.x))
    want = np.linalg.inv(inputs.T @ (inputs * (p * (1 - p))[:, None]))
    assert_allclose(found.covariance, want, rtol=2e-3, atol=1e-4 * want.max())


def test_as_statsmodels():
    api = pytest.importorskip("statsmodels.api")
    inputs, labels, fun = logistic()
    theirs = api.Logit(labels.astype(float), inputs).fit(disp=0)
    found = uncertainty(fun, minimize(fun, np.zeros(3), method="bfgs"))
    assert_allclose(found.errors, theirs.bse, rtol=1e-3)


def decay(seed=3):
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 3, 30)
    data = 2.0 * np.exp(-1.3 * t) + 0.5 + 0.1 * rng.standard_normal(30)
    return lambda p: float((((p[0] * np.exp(-p[1] * t) + p[2] - data) / 0.1) ** 2).sum())


def test_as_minuit():
    iminuit = pytest.importorskip("iminuit")
    fun = decay()
    minuit = iminuit.Minuit(fun, [1.0, 1.0, 0.0])
    minuit.errordef = 1
    minuit.migrad()
    minuit.hesse()
    minuit.minos()
    found = uncertainty(fun, minimize(fun, [1.0, 1.0, 0.0], method="bfgs"), errordef="chi2")
    assert_allclose(found.errors, np.array(minuit.errors), rtol=5e-3)
    for k, name in enumerate(minuit.parameters):
        low, high = found.interval(k)
        assert_allclose(low - found.x[k], minuit.merrors[name].lower, rtol=2e-2)
        assert_allclose(high - found.x[k], minuit.merrors[name].upper, rtol=2e-2)


def test_noise_is_stepped_over():
    rng = np.random.default_rng(0)
    matrix, data, x, covariance = linear()

    def fun(z):
        return float(((matrix @ z - data) ** 2).sum()) + 1e-4 * rng.standard_normal()

    found = uncertainty(fun, x, residuals=40, noise=1e-4)
    assert_allclose(found.errors, np.sqrt(np.diag(covariance)), rtol=0.1)


def correlated(kind):
    """A chi-square over two, whose parameters are badly told apart, its minimum and errors."""
    t = np.linspace(0, 4, 60)
    if kind == "line far from its origin":
        matrix = np.column_stack([np.ones(60), t + 20])
    elif kind == "cubic":
        matrix = np.vander(t, 4)
    else:  # the tangent of a decay, a growth and a constant
        matrix = np.column_stack([np.exp(-t), t * np.exp(-t), np.exp(-t / 2), np.ones(60)])
    matrix /= 0.1
    x = np.linspace(1, 2, matrix.shape[1])
    errors = np.sqrt(np.diag(np.linalg.inv(matrix.T @ matrix)))
    return matrix, x, errors


@pytest.mark.parametrize("level", [1e-3, 0.05, 0.3])
@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("kind", ["line far from its origin", "cubic", "decay"])
def test_errors_of_correlated_parameters_in_noise(kind, told, level):
    matrix, x, errors = correlated(kind)
    for seed in range(3):
        rng = np.random.default_rng(seed)

        def fun(z, rng=rng):
            return float(((matrix @ (z - x)) ** 2).sum()) / 2 + level * rng.standard_normal()

        found = uncertainty(fun, x, noise=level if told else None)
        assert_allclose(found.errors, errors, rtol=0.3 if level > 0.1 else 0.1)
        assert not any("go on with the descent" in text for text in found.warnings)


@pytest.mark.parametrize("with_gradient", [False, True])
def test_errors_that_noise_hides_are_said_to_be_a_lower_bound(with_gradient):
    """Nothing tells two parameters apart."""
    rng = np.random.default_rng(0)

    def fun(z):
        return float((z[0] + z[1]) ** 2) / 2 + 0.05 * rng.standard_normal()

    def jac(z):
        return np.full(2, z[0] + z[1]) + 0.05 * rng.standard_normal(2)

    found = uncertainty(fun, [1.0, -1.0], jac=jac if with_gradient else None, noise=0.05)
    assert found.made_definite
    assert found.errors.min() > 1
    assert any("is not determined" in text for text in found.warnings)


def test_intervals_in_noise():
    matrix, x, errors = correlated("cubic")
    rng = np.random.default_rng(2)

    def fun(z):
        return float(((matrix @ (z - x)) ** 2).sum()) / 2 + 0.03 * rng.standard_normal()

    found = uncertainty(fun, x, noise=0.03)
    for k in range(4):
        low, high = found.interval(k)
        assert_allclose([x[k] - low, high - x[k]], errors[k], rtol=0.2)


def test_a_number_is_one_parameter():
    found = uncertainty(lambda z: float((z[0] - 3) ** 2), 3, errordef="chi2")
    assert_allclose(found.errors, [1.0])


def test_what_makes_errors_meaningless_is_flagged():
    def fun(z):
        return float(abs(z[0] - 1) + (z[1] - 2) ** 2 + 0 * z[2] + z[3] + (z[4] - z[5]) ** 2)

    bounds = [(None, None)] * 3 + [(0, 1)] + [(None, None)] * 2
    found = uncertainty(fun, [1.0, 2.0, 3.0, 0.0, 1.0, 1.0], bounds=bounds)
    assert found.kinked.tolist() == [True, False, False, False, False, False]
    assert found.unseen.tolist() == [False, False, True, False, False, False]
    assert found.at_bound.tolist() == [False, False, False, True, False, False]
    assert np.isnan(found.errors[0])
    assert np.isinf(found.errors[2])
    assert found.errors[3] == 0
    assert_allclose(found.errors[1], np.sqrt(0.5), rtol=1e-4)
    assert found.made_definite
    messages = " ".join(found.warnings)
    for word in ("kink", "does not change", "at a bound", "not positive definite"):
        assert word in messages
    with pytest.raises(ValueError, match="index 3: the parameter is fixed or at a bound"):
        found.interval(3)


def test_a_point_that_is_no_minimum_is_flagged():
    for fun in (lambda z: -(z[0] ** 2), lambda z: z[0] ** 4 - z[0] ** 2, lambda z: 3 * z[0]):
        found = uncertainty(fun, [0.0])
        assert not found.unseen[0]
        assert any("not a minimum" in text for text in found.warnings)


@pytest.mark.parametrize("with_gradient", [False, True])
@pytest.mark.parametrize("away", [0.0, 0.05, 0.2, 3.0])
def test_how_far_the_minimum_is(away, with_gradient):
    hessian = np.array([[4.0, 1.0], [1.0, 2.0]])

    def fun(z):
        return float(z @ hessian @ z) / 2

    start = [away / np.sqrt(hessian[0, 0]), 0.0]
    found = uncertainty(fun, start, jac=(lambda z: hessian @ z) if with_gradient else None)
    told = [text for text in found.warnings if "errors away" in text]
    assert bool(told) == (away > 0.1)
    assert not told or told[0].startswith(f"The minimum is {away:.2g} errors away")
    assert_allclose(found.errors, np.sqrt(np.diag(np.linalg.inv(hessian))), rtol=1e-4)


@pytest.mark.parametrize(
    "fun",
    [
        lambda z: z[0] ** 4,
        lambda z: z[0] ** 2 / 2 + 2 * max(0, z[0] - 0.3),
        lambda z: z[0] ** 2 / 2 + (z[0] > 0.5),
        lambda z: z[0] ** 2 / 2 + 0.05 * (1 - np.cos(100 * z[0])),
    ],
    ids=["quartic", "kink beside", "jump", "ripples"],
)
def test_what_is_no_parabola_within_an_error_is_flagged(fun):
    found = uncertainty(fun, [0.0])
    assert any("No parabola within an error" in text for text in found.warnings)


@pytest.mark.parametrize("inside", [1e-9, 1e-6, 1e-2, 0.9, 3.0])
def test_a_bound_within_an_error_is_flagged(inside):
    bounds = [(0, None), (None, None)]
    found = uncertainty(
        lambda z: ((z[0] - inside) ** 2 + z[1] ** 2) / 2, [inside, 0.0], bounds=bounds
    )
    beside = any("Within an error of a bound" in text for text in found.warnings)
    assert (beside or found.at_bound[0]) == (inside < 1)
    assert_allclose(found.errors[1], 1, rtol=1e-4)


def test_a_minimum_that_is_pushed_against_a_bound_is_held_there():
    fun, bounds = lambda z: z[0] + z[1] ** 2 / 2, [(0, None), (None, None)]
    for start in ([0.0, 0.0], [1e-12, 0.0]):
        found = uncertainty(fun, start, bounds=bounds)
        assert found.at_bound.tolist() == [True, False]
        assert_allclose(found.errors, [0, 1], rtol=1e-4)


@pytest.mark.parametrize("end", [0.5, 0.2, 1e-6])
def test_where_values_end_within_an_error_is_flagged(end):
    found = uncertainty(lambda z: z[0] ** 2 / 2 if z[0] < end else np.nan, [0.0])
    assert any("of where values end" in text for text in found.warnings)
    assert_allclose(found.errors, 1, rtol=1e-4)


@pytest.mark.parametrize("level", [1e-6, 1e-3, 0.1])
def test_noise_that_nobody_told_of_is_measured(level):
    rng = np.random.default_rng(1)
    found = uncertainty(lambda z: float(z @ z) / 2 + level * rng.standard_normal(), [0.0, 0.0])
    assert_allclose(found.errors, 1, rtol=max(0.02, 3 * level))
    assert any("Noise" in text for text in found.warnings) == (level == 0.1)


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_values_in_single_precision(offset):
    found = uncertainty(lambda z: np.float32(z @ z / 2 + offset), [0.0, 0.0])
    assert_allclose(found.errors, 1, rtol=0.05)
    assert not found.warnings


@pytest.mark.parametrize("kind", ["wrong", "noisy"])
def test_gradients_that_contradict_the_values_are_not_used(kind):
    rng = np.random.default_rng(0)

    def jac(z):
        return 3 * z if kind == "wrong" else z + 1e-3 * rng.standard_normal(2)

    found = uncertainty(lambda z: float(z @ z) / 2, [0.0, 0.0], jac=jac)
    assert_allclose(found.errors, 1, rtol=1e-4)
    assert found.warnings == ["`jac` contradicts the values, which were used alone."]


def test_an_interval_ends_at_a_bound():
    found = uncertainty(lambda z: float(0.5 * (z[0] - 1) ** 2), [1.0], bounds=[(0.5, None)])
    low, high = found.interval(0)
    assert low == 0.5
    assert_allclose(high, 2, rtol=1e-3)


def test_blocks_and_a_fixed_parameter():
    def fun(p):
        return float(((p["a"] - 1) ** 2).sum() + 4 * (p["b"] - p["a"][0]) ** 2) / 2

    start = {"a": np.ones(2), "b": 1.0}
    found = uncertainty(fun, start)
    assert_allclose(found.errors, [1, 1, np.sqrt(1.25)], rtol=1e-5)
    held = uncertainty(fun, start, bounds={"a": None, "b": (1.0, 1.0)})
    assert_allclose(held.errors, [np.sqrt(0.2), 1, 0], rtol=1e-5)


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"errordef": "odd"}, ValueError, "errordef must be a number or one of"),
        ({"errordef": 0.0}, ValueError, "errordef must lie in (0"),
        ({"residuals": 2}, ValueError, "residuals must be at least 3"),
        ({"noise": -1.0}, ValueError, "noise must lie in [0"),
        ({"jac": 3}, TypeError, "jac must be callable or a bool"),
    ],
)
def test_bad_input(given, error, says):
    with pytest.raises(error, match=re.escape(says)):
        uncertainty(lambda z: float(z @ z), [0.0, 0.0], **given)
    with pytest.raises(TypeError, match="fun must be callable"):
        uncertainty(3, [0.0])
    found = uncertainty(lambda z: float(z @ z), [0.0, 0.0])
    for index, error in ((2, ValueError), (-1, ValueError), (0.5, TypeError)):
        with pytest.raises(error, match="index must be"):
            found.interval(index)
    with pytest.raises(ValueError, match="level must lie in"):
        found.interval(0, level=1.0)
    with pytest.raises(ValueError, match="first and second must differ"):
        found.contour(1, 1)


def test_bad_input_is_refused_before_any_evaluation():
    calls = []

    def fun(z):
        calls.append(z)
        return float(z @ z)

    for wrong in ({"errordef": np.nan}, {"errordef": [1]}, {"residuals": 3.5}, {"noise": np.nan}):
        (name,) = wrong
        with pytest.raises((TypeError, ValueError), match=f"{name} must"):
            uncertainty(fun, [0.0, 0.0], **wrong)
    assert not calls


def test_points_and_contours_that_cannot_be():
    found = uncertainty(lambda z: abs(z[0]) + z[1] ** 2, [0.0, 0.0, 0.0])
    for index in (0, 2):
        with pytest.raises(ValueError, match=f"index {index}: the parameter has no error"):
            found.contour(index, 1)
    for points, error in ((["a"], TypeError), ([np.nan], ValueError)):
        with pytest.raises(error, match="points must be"):
            found.profile(1, points)


def test_a_gradient_without_numbers_is_not_used():
    found = uncertainty(lambda z: float(z @ z) / 2, [0.0, 0.0], jac=lambda z: np.full(2, np.nan))
    assert_allclose(found.errors, 1, rtol=1e-4)
    assert found.warnings == ["`jac` contradicts the values, which were used alone."]


def test_parameters_have_the_names_of_a_dict():
    def fun(p):
        return 0.5 * ((p["rate"] - 2) ** 2 + 4 * (p["w"][0] - 1) ** 2 + 9 * (p["w"][1] + 1) ** 2)

    x = {"rate": 2.0, "w": np.array([1.0, -1.0])}
    sure = uncertainty(fun, x, bounds={"rate": (2.0, 3.0), "w": None})
    assert sure.names == ("rate", "w[0]", "w[1]")
    assert sure.interval("w[1]") == sure.interval(2)
    np.testing.assert_allclose(sure.profile("w[0]", [1.5]), [0.5])
    assert sure.contour("w[0]", "w[1]", points=4).shape == (4, 2)
    assert "rate" in sure.warnings[0]
    assert "w[1]" in str(sure)
    with pytest.raises(ValueError, match=r"one of .*, got 'slope'"):
        sure.interval("slope")
    with pytest.raises(ValueError, match=r"rate: the parameter is fixed"):
        sure.interval("rate")


@pytest.mark.parametrize("res", [None, "fit.pickle"])
def test_what_is_no_result_is_refused_by_its_name(res):
    with pytest.raises(TypeError, match="res must be a result or an array"):
        uncertainty(lambda x: x @ x, res)
