"""Constraints from values alone: known minima with budgets, and what is no success."""

import re

import numpy as np
import pytest
import scipy.optimize
from scipy.optimize import LinearConstraint, NonlinearConstraint

from smoothmin import minimize


class Counted:
    """A function that keeps the points of its calls."""

    def __init__(self, fun):
        self.fun, self.points = fun, []

    def __call__(self, x):
        self.points.append(np.array(x))
        return self.fun(x)

    @property
    def calls(self):
        return len(self.points)


def suzuki(x):
    return x @ x + x[2] ** 2 - 5 * x[0] - 5 * x[1] - 21 * x[2] + 7 * x[3]


def suzuki_rows(x):
    a, b, c, d = x
    return [
        8 - x @ x - a + b - c + d,
        10 - a**2 - 2 * b**2 - c**2 - 2 * d**2 + a + d,
        5 - 2 * a**2 - b**2 - c**2 - 2 * a + b + d,
    ]


def run(fun, x0, constraints=(), **more):
    return minimize(fun, x0, method="constrained-model", constraints=constraints, rng=0, **more)


def hs71(x):
    return x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2]


def hs100(x):
    a, b, c, d, e, f, g = x
    far = (a - 10) ** 2 + 5 * (b - 12) ** 2 + 3 * (d - 11) ** 2
    return far + c**4 + 10 * e**6 + 7 * f**2 + g**4 - 4 * f * g - 10 * f - 8 * g


def hs100_rows(x):
    a, b, c, d, e, f, g = x
    return [
        127 - 2 * a**2 - 3 * b**4 - c - 4 * d**2 - 5 * e,
        282 - 7 * a - 3 * b - 10 * c**2 - d + e,
        196 - 23 * a - b**2 - 6 * f**2 + 8 * g,
        -4 * a**2 - b**2 + 3 * a * b - 2 * c**2 - 5 * f + 11 * g,
    ]


HS71_ROWS = NonlinearConstraint(lambda x: [x.prod(), x @ x], [25, 40], [np.inf, 40])
DISC = NonlinearConstraint(lambda x: x @ x, -np.inf, 1)
WEDGE = NonlinearConstraint(lambda x: max(2**0.5 * x[0], 2 * x[1]), -np.inf, 1)

# function, start, constraints, bounds, minimum, evaluations
KNOWN = {
    "HS6": (lambda x: (1 - x[0]) ** 2, [-1.2, 1],
            {"type": "eq", "fun": lambda x: 10 * (x[1] - x[0] ** 2)}, None, 0.0, 60),
    "HS43": (suzuki, [0.0] * 4, NonlinearConstraint(suzuki_rows, 0, np.inf), None,
             -44.0, 90),
    "HS71": (hs71, [1.0, 5, 5, 1], HS71_ROWS, [(1, 5)] * 4, 17.0140172895, 70),
    "HS100": (hs100, [1.0, 2, 0, 4, 0, 1, 1], NonlinearConstraint(hs100_rows, 0, np.inf), None,
              680.6300573744, 500),
    "HS35": (lambda x: 9 - 8 * x[0] - 6 * x[1] - 4 * x[2] + 2 * x[0] ** 2 + 2 * x[1] ** 2
             + x[2] ** 2 + 2 * x[0] * x[1] + 2 * x[0] * x[2], [0.5] * 3,
             LinearConstraint([1, 1, 2], -np.inf, 3), [(0, None)] * 3, 1 / 9, 60),
    "a kinked constraint": (lambda x: (x[0] - 2) ** 2 + (x[1] - 1) ** 2, [0.3, 0.1],
                            NonlinearConstraint(lambda x: np.abs(x).sum(), -np.inf, 1), None, 2.0,
                            400),
    "a kink that meets one": (lambda x: 8 * abs(x[0] ** 2 - x[1]) + (1 - x[0]) ** 2, [0.1, 0.1],
                              WEDGE, None, (1 - 0.5**0.5) ** 2, 900),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_known_minima(name):
    fun, x0, constraints, bounds, lowest, budget = KNOWN[name]
    res = run(fun, x0, constraints, bounds=bounds, options={"maxfev": budget})
    assert res.success, res.message
    assert abs(res.fun - lowest) <= 1e-5 * max(1, abs(lowest))
    assert res.constr_violation <= 1e-6


def test_constraints_are_evaluated_once_a_point():
    fun, rows = Counted(suzuki), Counted(suzuki_rows)
    run(fun, np.zeros(4), NonlinearConstraint(rows, 0, np.inf))
    assert rows.calls <= 1.2 * fun.calls


def test_multipliers():
    rows = NonlinearConstraint(suzuki_rows, 0, np.inf)
    res = run(suzuki, np.zeros(4), rows)
    np.testing.assert_allclose(res.multipliers[0], [1, 0, 2], atol=0.02)


@pytest.mark.filterwarnings("ignore:x0 violates")
@pytest.mark.parametrize("start", [[0.2, 0.2, 0.2], [0.9, 0.9, 0.9], [0.001, 0.001, 0.99]])
def test_hard_rows_and_bounds_are_never_left(start):
    def value(x):
        assert (x > 0).all()
        assert x.sum() < 1
        return float(-np.log(x).sum() - np.log(1 - x.sum()) + 3 * x[0])

    fun = Counted(value)
    row = LinearConstraint(np.ones((1, 3)), -np.inf, 0.999, keep_feasible=True)
    res = run(fun, start, row, bounds=[(1e-3, 1)] * 3)
    points = np.array(fun.points)
    assert (points >= 1e-3).all()
    assert (points.sum(axis=1) <= 0.999 + 1e-12).all()
    assert res.success
    assert abs(res.fun - 6.13031760) < 1e-6


def test_hard_rows_hold_at_a_vertex():
    """A linear program whose minimum has as many rows as variables active."""
    fun = Counted(lambda x: float(-x[0] - 2 * x[1]))
    rows = LinearConstraint([[1, 1], [1, 3], [-1, 0]], -np.inf, [4, 6, 0], keep_feasible=True)
    res = run(fun, [0.5, 0.5], rows)
    points = np.array(fun.points)
    assert (points @ rows.A.T <= rows.ub + 1e-12).all()
    assert res.success
    np.testing.assert_allclose(res.x, [3, 1], atol=1e-6)


@pytest.mark.parametrize("lowest", [2.0, 30.0])
def test_contradictions_are_no_success(lowest):
    rows = [DISC, NonlinearConstraint(lambda x: x[0], lowest, np.inf)]
    res = run(lambda x: x.sum(), [3.0, 1.0], rows, options={"maxfev": 1000})
    assert not res.success
    assert res.status == 9


def test_a_function_without_end_is_no_success():
    rows = NonlinearConstraint(lambda x: x[1] - x[0] ** 2, 0, np.inf)
    res = run(lambda x: -x[1], [0.0, 1.0], rows, options={"maxfev": 500})
    assert not res.success


def test_regions_without_values():
    """Rows that are NaN beyond a line, an objective that is NaN in a disc."""

    def value(x):
        return np.nan if x @ x < 0.01 else float(x[0] + x[1])

    rows = NonlinearConstraint(
        lambda x: np.log(x[0]) + np.log(x[1]) if (x > 0).all() else np.nan, -2, np.inf
    )
    res = run(value, [1.0, 2.0], rows)
    assert res.success
    assert abs(res.fun - 2 * np.exp(-1)) < 1e-5


def test_noise_is_noticed():
    rng = np.random.default_rng(5)
    rows = NonlinearConstraint(suzuki_rows, 0, np.inf)
    res = run(
        lambda x: suzuki(x) + 0.01 * rng.standard_normal(), np.zeros(4), rows,
        options={"maxfev": 500},
    )  # fmt: skip
    assert res.nfev < 500
    assert abs(suzuki(res.x) + 44) < 0.3
    assert res.constr_violation <= 1e-6


def test_without_constraints():
    res = run(lambda x: ((x - [1, 2]) ** 2).sum() + 1, [0.0, 0.0])
    assert res.success
    np.testing.assert_allclose(res.x, [1, 2], atol=1e-4)


def test_linear_equalities_with_kinks():
    """The least l1 norm on a line."""
    line = LinearConstraint([[1.0, 2.0, 3.0]], 6, 6)
    res = run(lambda x: float(np.abs(x).sum()), [1.0, 1.0, 1.0], line)
    assert abs(res.fun - 2) < 1e-5
    np.testing.assert_allclose(res.x @ [1, 2, 3], 6, atol=1e-10)


def test_fixed_variables_that_violate_a_row():
    row = LinearConstraint([[1.0, 1.0]], 5, np.inf)
    res = run(lambda x: x @ x, [1.0, 2.0], row, bounds=[(1, 1), (2, 2)])
    assert res.status == 9
    assert not res.success


@pytest.mark.parametrize(("option", "value"), [("scale", -1.0), ("xtol", -1.0), ("xtol", "small")])
def test_bad_options_are_refused(option, value):
    with pytest.raises((TypeError, ValueError), match=option):
        run(lambda x: x @ x, [1.0, 1.0], DISC, options={option: value})


@pytest.mark.parametrize(("bounds", "at"), [(None, 2), ([(5, 10)], 5), ([(1, 10)], 2)])
def test_the_last_digits_next_to_a_bound_are_no_fall(bounds, at):
    rows = {"type": "ineq", "fun": lambda x: x - 2}
    res = minimize(lambda x: float(x[0] ** 2), [10.0], bounds=bounds, constraints=rows)
    assert res.success
    assert abs(res.x[0] - at) < 1e-6


@pytest.mark.parametrize("n", [3, 8])
def test_a_corner_is_certified_by_points_inside(n):
    """From a corner no ray at random leads into the set; its nearest points do."""
    cost = np.arange(1.0, n + 1)
    res = minimize(
        lambda x: float(-cost @ x + 0.01 * x @ x),
        np.full(n, 0.1),
        bounds=[(0, 1)] * n,
        constraints=LinearConstraint(np.ones((1, n)), -np.inf, 2),
        rng=0,
        options={"maxfev": 500},
    )
    assert res.success
    assert res.fun == pytest.approx(-(cost[-1] + cost[-2]) + 0.02, abs=1e-6)
    assert res.nfev <= 10 * n


def test_models_of_a_wide_region_do_not_end_a_run():
    """At a vertex a wide model's slopes may promise nothing where those near by promise much."""
    rng = np.random.default_rng(28)
    for _ in range(4):
        slope, aim = rng.standard_normal(4), rng.standard_normal(4)
        rows = rng.standard_normal((3, 4))
        bounds = [(-2.0, 0.5)] * 3 + [(None, 1.0)]

        def fun(x, slope=slope, aim=aim):
            return float(np.exp(3 * slope @ x / 2) + 0.5 * ((x - aim) ** 2).sum())

        constraint = LinearConstraint(rows, -np.inf, rows @ np.full(4, 0.2))
        result = minimize(
            fun, np.full(4, 0.2), method="constrained-model", bounds=bounds,
            constraints=constraint, rng=0,
        )  # fmt: skip
        best = scipy.optimize.minimize(
            fun, np.full(4, 0.2), method="SLSQP", bounds=bounds, constraints=constraint,
            options={"ftol": 1e-12},
        )  # fmt: skip
        assert not result.success or result.fun <= best.fun + 1e-4 * max(1, abs(best.fun))


@pytest.mark.parametrize("positive", [0, 2])
def test_an_objective_that_is_flat_at_the_start_makes_no_contradiction(positive):
    # the product and its slopes vanish, and with them the first price of the violation
    x0 = np.append(np.linspace(0.2, 0.6, positive), np.zeros(8 - positive))
    res = run(
        lambda x: -1e5 * float(np.prod(x)),
        x0,
        NonlinearConstraint(lambda x: x @ x, 1, 1),
        bounds=[(0, 1)] * 8,
        options={"maxfev": 600},
    )
    assert res.status != 9
    assert res.constr_violation < 1e-3
    if res.success:
        assert res.fun == pytest.approx(-1e5 / 8**4, rel=1e-4)


@pytest.mark.parametrize("jac", [None, lambda x: 2 * x])
def test_the_violation_that_is_told_is_in_the_users_units(jac):
    rows = NonlinearConstraint(lambda x: [x @ x, x[0]], [4, 5], [4, np.inf])
    result = minimize(lambda x: float(x @ x), [3.0, 2.0], jac=jac, constraints=rows, rng=0)
    assert result.status == 9
    told = re.search(r"violation[^0-9(]*([0-9.]+)", result.message)  # not the least one's, if none
    assert not told or float(told[1]) == pytest.approx(result.constr_violation, rel=0.02)
