"""`ExactPenalty`: constraints for methods that know of none."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import Counted, suzuki, suzuki_rows, suzuki_slopes
from scipy.optimize import LinearConstraint, NonlinearConstraint

import smoothmin
from smoothmin import BFGS, ExactPenalty, GradientSamplingDescent, minimize
from smoothmin._protocol import Problem
from smoothmin._registry import METHODS, method_class
from smoothmin.constraints.radial import Radial

ROWS = NonlinearConstraint(suzuki_rows, 0, np.inf, jac=suzuki_slopes)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_weights_follow_the_units_of_rows(scale):
    rows = NonlinearConstraint(
        lambda x: scale * suzuki_rows(x), 0, np.inf, jac=lambda x: scale * suzuki_slopes(x)
    )
    res = minimize(
        suzuki,
        np.zeros(4),
        jac=True,
        method=ExactPenalty(GradientSamplingDescent()),
        constraints=rows,
        rng=0,
        options={"maxfev": 1000},
    )
    assert res.fun == pytest.approx(-44, abs=1e-4)
    assert_allclose(np.concatenate(res.multipliers) * scale, [1, 0, 2], atol=1e-2)


def test_a_weight_that_is_given_is_kept():
    """Too small a one ends beyond the rows, which is no success."""
    low = minimize(
        lambda x: (x[0], np.array([1.0, 0])),
        [1.0, 1.0],
        jac=True,
        method=ExactPenalty(GradientSamplingDescent(), mu=0.1),
        constraints=NonlinearConstraint(lambda x: x @ x, -np.inf, 1, jac=lambda x: 2 * x),
        rng=0,
    )
    assert not low.success
    enough = minimize(
        lambda x: (x[0], np.array([1.0, 0])),
        [1.0, 1.0],
        jac=True,
        method=ExactPenalty(GradientSamplingDescent(), mu=2.0),
        constraints=NonlinearConstraint(lambda x: x @ x, -np.inf, 1, jac=lambda x: 2 * x),
        rng=0,
    )
    assert enough.success
    assert enough.fun == pytest.approx(-1, abs=1e-6)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, "much"])
def test_bad_weights_are_refused(bad):
    with pytest.raises((TypeError, ValueError), match="mu"):
        ExactPenalty(BFGS(), mu=bad)
    with pytest.raises(TypeError, match="inner"):
        ExactPenalty("bfgs")


def test_without_constraints_it_is_the_inner_method():
    plain = minimize(suzuki, np.zeros(4), jac=True, method=BFGS(), rng=0)
    wrapped = minimize(suzuki, np.zeros(4), jac=True, method=ExactPenalty(BFGS()), rng=0)
    assert plain.fun == wrapped.fun
    assert plain.nfev == wrapped.nfev


@pytest.mark.parametrize(
    "method", ["lbfgs", "bfgs", "laplacian", "gradient-descent", "GradientSampling", "homotopy"]
)
def test_any_method_takes_constraints(method):
    """A kink on the boundary, with a box: (1, 1), where the function is 1."""

    def fun(x):
        return abs(x[0]) + 0.5 * x[1] ** 2 - 0.5, np.array([np.sign(x[0]), x[1]])

    seen = Counted(fun)
    if method == "GradientSampling":
        method = smoothmin.GradientSampling(BFGS())
    res = minimize(
        seen,
        [3.0, 2.0],
        jac=True,
        method=method,
        bounds=[(0, 4), (1, 4)],
        constraints=NonlinearConstraint(lambda x: x[0] * x[1], 1, np.inf, jac=lambda x: x[::-1]),
        rng=0,
        options={"maxfev": 2000},
    )
    points = np.array(seen.points)
    assert (points >= [0, 1]).all()
    assert (points <= 4).all()
    assert res.constr_violation <= 1e-8
    assert res.fun < 1.2


@pytest.mark.parametrize(
    "method", ["lbfgs", "gradient-sampling", "model-descent", "gaussian-search"]
)
def test_rows_marked_keep_feasible_are_never_left(method):
    jac = method in ("lbfgs", "gradient-sampling")
    aim = np.array([2.0, 1.0, 0.5])

    def fun(x):
        value = (x - aim) @ (x - aim)
        return (value, 2 * (x - aim)) if jac else value

    seen = Counted(fun)
    row = LinearConstraint(np.ones((1, 3)), -np.inf, 1, keep_feasible=True)
    res = minimize(
        seen, np.zeros(3), jac=jac, method=method, constraints=row, rng=0, options={"maxfev": 1500}
    )
    assert np.array(seen.points).sum(axis=1).max() <= 1 + 1e-12
    least = 2.5**2 / 3
    assert res.fun < (least + 0.5 if method == "model-descent" else least + 1e-3)


def test_a_continuation_is_continuous_and_its_gradient_is_right():
    rng = np.random.default_rng(0)
    matrix, bound = rng.standard_normal((5, 3)), np.ones(5)
    radial = Radial(matrix, bound, np.zeros(3))
    center = rng.standard_normal(3)

    def at(z):
        x = radial.points(z[None])
        values = ((x - center) ** 2).sum(axis=1)
        value, gradient = radial.inward(z[None], values, 2 * (x - center))
        return value[0], gradient[0]

    at(np.full(3, 9.0))  # which fixes the slope
    for _ in range(20):
        z = 3 * rng.standard_normal(3)
        assert (matrix @ radial.points(z[None])[0] <= bound).all()
        value, gradient = at(z)
        steps = 1e-6 * np.eye(3)
        differences = [(at(z + h)[0] - at(z - h)[0]) / 2e-6 for h in steps]
        assert_allclose(gradient, differences, rtol=1e-4, atol=1e-4)
        inside = radial.points(z[None])[0]
        assert at(inside)[0] <= value + 1e-9


def test_rows_without_room_have_no_continuation():
    from smoothmin._protocol import Rows

    matrix = np.array([[1.0, 1.0], [-1.0, -1.0]])
    rows = Rows(np.full(2, -np.inf), np.array([1.0, -1.0]), np.zeros(2), matrix)
    problem = Problem(np.zeros(2), None, True, (2,))
    assert Radial.of(rows, problem) is None


def test_it_can_be_asked_for_by_name():
    res = minimize(suzuki, np.zeros(4), jac=True, method="ExactPenalty", constraints=ROWS, rng=0)
    assert res.success
    assert res.fun == pytest.approx(-44, abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_meets_a_disc(method):
    """The nearest point of the unit disc to (2, 1); whoever says success is right and feasible."""
    aim = np.array([2.0, 1.0])
    jac = method_class(method)().needs_gradient or method in ("homotopy", "sqp")

    def fun(x):
        value = (x - aim) @ (x - aim)
        return (value, 2 * (x - aim)) if jac else value

    disc = NonlinearConstraint(lambda x: x @ x, -np.inf, 1, jac=lambda x: 2 * x)
    res = minimize(
        fun, [0.2, 0.1], jac=jac, method=method, constraints=disc, rng=0, options={"maxfev": 400}
    )
    least = (5**0.5 - 1) ** 2
    assert res.constr_violation <= 1e-6
    assert res.fun >= least - 1e-5
    assert res.fun <= least + (1e-4 if res.success else 1.0)


@pytest.mark.parametrize(
    "method",
    ["lbfgs", "bfgs", "laplacian", "gradient-descent", "gradient-sampling", "model-descent"],
)
@pytest.mark.parametrize("exact", [True, False])
def test_where_a_row_is_active_the_end_is_certified(method, exact):
    """A valley that the row crosses: no line search comes to the end of it by itself."""

    def fun(x):
        value = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
        slope = -400 * x[0] * (x[1] - x[0] ** 2) - 2 * (1 - x[0])
        return (value, np.array([slope, 200 * (x[1] - x[0] ** 2)])) if exact else value

    row = LinearConstraint([[1, 1]], -np.inf, 1)
    res = minimize(fun, [0.0, 0.0], jac=exact, method=method, constraints=row, rng=0)
    assert res.fun <= 0.1456070180 + 1e-6 or not res.success
    assert res.success or not exact
    if res.success:
        assert res.multipliers[0][0] == pytest.approx(-0.340727, abs=1e-3)
