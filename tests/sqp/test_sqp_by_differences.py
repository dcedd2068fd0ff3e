"""Runs whose gradients are differences: values first, and no more than these resolve."""

import numpy as np
import pytest
from scipy.optimize import LinearConstraint

from smoothmin import minimize


def recorded(fun):
    points = []

    def wrapped(x):
        points.append(x.tobytes())
        return fun(x)

    return wrapped, points


def rosen(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


DISC = {"type": "ineq", "fun": lambda x: 1.5 - x @ x}
LINE = {"type": "eq", "fun": lambda x: x[0] + 2 * x[1] - 1}


@pytest.mark.parametrize("scheme", [None, "2-point", "3-point"])
@pytest.mark.parametrize("constraint", [DISC, LINE, LinearConstraint([[1, 2]], 1, 1)])
def test_no_point_is_evaluated_twice(scheme, constraint):
    fun, points = recorded(rosen)
    result = minimize(fun, [-0.3, 0.65], jac=scheme, method="SLSQP", constraints=constraint, rng=0)
    assert result.success
    assert len(points) == result.nfev == len(set(points))


def test_trials_that_are_not_lower_cost_one_value():
    """The first step is ten times too long: by gradients it is asked for at four points."""

    def fun(x):
        return float(np.exp(2 * x.sum()) + (x**2).sum())

    n = 20
    above = {"type": "ineq", "fun": lambda x: x[0] + 1}
    result = minimize(fun, np.full(n, 0.2), method="SLSQP", constraints=above)
    exact = minimize(
        fun,
        np.full(n, 0.2),
        jac=lambda x: 2 * np.exp(2 * x.sum()) + 2 * x,
        method="SLSQP",
        constraints=above,
    )
    assert result.success
    assert result.fun == pytest.approx(exact.fun, rel=1e-9)
    assert result.nfev <= (n + 1) * (result.nit + 1) + 2 * exact.nfev + 10


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_minima_are_met_as_far_as_differences_resolve(offset):
    """Values that vanish show decreases which slopes beside the minimum do not."""
    share = np.arange(1.0, 5.0) / 10

    def fun(x):
        return float(((x / x.sum() - share) ** 2).sum()) + offset

    whole = {"type": "eq", "fun": lambda x: x.sum() - 1}
    result = minimize(fun, [0.25] * 4, method="SLSQP", bounds=[(1e-3, 1)] * 4, constraints=whole)
    assert result.success
    assert result.x == pytest.approx(share, abs=1e-5)
    assert result.nfev <= 120


def test_rounding_of_slopes_is_no_kink():
    """HS106: variables in the thousands, a linear objective, equalities nearly."""

    def rows(x):
        return np.array(
            [
                1 - 0.0025 * (x[3] + x[5]),
                1 - 0.0025 * (x[4] + x[6] - x[3]),
                1 - 0.01 * (x[7] - x[4]),
                x[0] * x[5] - 833.33252 * x[3] - 100 * x[0] + 83333.333,
                x[1] * x[6] - 1250 * x[4] - x[1] * x[3] + 1250 * x[3],
                x[2] * x[7] - 1250000 - x[2] * x[4] + 2500 * x[4],
            ]
        )

    result = minimize(
        lambda x: x[0] + x[1] + x[2],
        [5000, 5000, 5000, 200, 350, 150, 225, 425],
        method="SLSQP",
        bounds=[(100, 1e4)] + [(1000, 1e4)] * 2 + [(10, 1000)] * 5,
        constraints={"type": "ineq", "fun": rows},
    )
    assert result.success
    assert result.fun == pytest.approx(7049.248, rel=1e-6)
    assert result.nfev <= 600


@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "sqp"])
def test_coordinates_of_equalities_between_bounds(method):
    """Steps of differences are along the variables, which are more than the coordinates."""
    result = minimize(
        lambda x: (x[0] - 1) ** 2 + (x[1] + 2) ** 4 + np.exp(x[2]),
        [0.3, 0.3, 0.3],
        method=method,
        bounds=[(-5, 5)] * 3,
        constraints=LinearConstraint([[1, 1, 1]], 1, 1),
    )
    assert result.success
    assert result.fun == pytest.approx(2.5238447586, abs=1e-8)


def test_a_matrix_that_makes_too_little_of_flat_steps_between_bounds():
    """A convex quadratic whose first steps end at bounds."""
    rng = np.random.default_rng(0)
    n = 30
    root = rng.standard_normal((n, 5))
    matrix, slope = root @ root.T + 0.01 * np.eye(n), -rng.random(n)
    result = minimize(
        lambda x: float(0.5 * x @ matrix @ x + slope @ x),
        np.full(n, 1 / n),
        jac=lambda x: matrix @ x + slope,
        method="sqp",
        bounds=[(0, 0.2)] * n,
        constraints=LinearConstraint(np.ones((1, n)), 1, 1),
    )
    assert result.success
    assert result.nfev <= 60


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("unit", [0.01, 1.0, 100.0])
def test_likelihoods_in_any_unit(unit, seed):
    """A variance has another scale than a mean and a correlation."""
    rng = np.random.default_rng(seed)
    y = np.zeros(80)
    for t in range(1, 80):
        y[t] = 0.6 * y[t - 1] + rng.standard_normal()
    y = unit * (y + 3)
    last, this = y[:-1], y[1:]

    def fun(x):
        mean, variance, share = x
        if not variance > 0:
            return np.inf
        off = this - mean - share * (last - mean)
        return float(0.5 * (len(off) * np.log(variance) + off @ off / variance))

    start = [y.mean(), 2 * y.var(), 0.1]
    stationary = {"type": "ineq", "fun": lambda x: 1 - x[2]}
    result = minimize(
        fun,
        start,
        method="SLSQP",
        bounds=[(None, None), (1e-6 * y.var(), None), (-1, 1)],
        constraints=stationary,
    )
    fitted = np.polyfit(last, this, 1)
    variance = np.mean((this - np.polyval(fitted, last)) ** 2)
    least = 0.5 * len(this) * (np.log(variance) + 1)
    assert result.fun == pytest.approx(least, abs=1e-5)
    assert result.success


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_steps_that_slopes_beside_promise_in_a_narrow_valley_are_not_searched_for_ever(scale):
    """Off by half a step times the curvature across, slopes promise much along the valley."""

    def valley(x):
        x = scale * x
        return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())

    inside = {"type": "ineq", "fun": lambda x: 3 - scale * (x[0] + x[1])}
    result = minimize(valley, np.full(4, 0.5 / scale), method="SLSQP", constraints=inside)
    assert result.fun < 1e-8
    assert result.nfev < 2000


def test_a_cusp_has_no_multipliers_and_no_exception():
    # Kuhn and Tucker: the feasible set narrows to a point where no multipliers exist
    cusp = [
        {"type": "ineq", "fun": lambda x: (1 - x[0]) ** 3 - x[1]},
        {"type": "ineq", "fun": lambda x: x[1]},
    ]
    res = minimize(lambda x: -x[0], [0.0, 0.0], method="SLSQP", constraints=cusp)
    assert res.constr_violation <= 1e-8
    assert res.x == pytest.approx([1.0, 0.0], abs=5e-3)


def test_steep_curved_rows_do_not_pass_for_rounding():
    """The lightest spring (Belegundu 1982), from where the way leads along a steep row."""

    def shear(x):
        d, coil = x[:2]
        bent = (4 * coil**2 - d * coil) / (12566 * (coil * d**3 - d**4))
        return 1 - bent - 1 / (5108 * d**2)

    rows = [
        {"type": "ineq", "fun": lambda x: x[1] ** 3 * x[2] / (71785 * x[0] ** 4) - 1},
        {"type": "ineq", "fun": shear},
        {"type": "ineq", "fun": lambda x: 140.45 * x[0] / (x[1] ** 2 * x[2]) - 1},
        {"type": "ineq", "fun": lambda x: 1 - (x[0] + x[1]) / 1.5},
    ]
    bounds = [(0.05, 2), (0.25, 1.3), (2, 15)]
    x0 = [0.0626, 0.6806, 7.9275]
    for method in ("sqp", "SLSQP"):
        res = minimize(
            lambda x: (x[2] + 2) * x[1] * x[0] ** 2,
            x0, method=method, bounds=bounds, constraints=rows,
        )  # fmt: skip
        assert res.success
        assert abs(res.fun - 0.0126652) < 2e-6


@pytest.mark.parametrize("eps", [1e-15, 1e-14])
@pytest.mark.parametrize("method", ["sqp", "SLSQP", "trust-constr"])
def test_steps_shorter_than_rounding_are_no_success(eps, method):
    disc = {"type": "ineq", "fun": lambda x: 4 - x @ x}
    options = {"eps": eps} if method != "trust-constr" else {"finite_diff_rel_step": eps}
    res = minimize(rosen, [-1.2, 1.0], method=method, constraints=disc, options=options)
    assert not res.success or res.fun < 1e-4  # which such steps hide


def test_a_kink_that_is_met_exactly_is_no_division_by_zero():
    """The least element of the hull vanishes there (MAD1), and so does what is left."""

    def fun(x):
        pieces = x[0] ** 2 + x[1] ** 2 + x[0] * x[1] - 1, np.sin(x[0]), -np.cos(x[1])
        return float(max(pieces))

    row = LinearConstraint([[1.0, 1.0]], 0.5, np.inf)
    res = minimize(fun, [1.0, 2.0], constraints=row, rng=0)
    assert res.success
    assert res.fun == pytest.approx(-0.38965951727, abs=1e-7)
