"""Known constrained minima within budgets of evaluations, and what must not be called success."""

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, NonlinearConstraint, linprog

import smoothmin
from smoothmin._status import Status


def run(fun, x0, constraints=(), **more):
    """The result, with every point that was evaluated as ``points``."""
    points = []

    def seen(x):
        points.append(x.copy())
        return fun(x)

    result = smoothmin.minimize(
        seen, x0, jac=True, method="sqp", constraints=constraints, rng=0, **more
    )
    result.points = np.array(points)
    return result


def rosen_suzuki(x):
    f = x @ (np.array([1, 1, 2, 1]) * x) + x @ [-5, -5, -21, 7]
    return f, np.array([2, 2, 4, 2]) * x + [-5, -5, -21, 7]


ROSEN_SUZUKI = NonlinearConstraint(
    lambda x: [
        8 - x @ x - x[0] + x[1] - x[2] + x[3],
        10 - x @ (np.array([1, 2, 1, 2]) * x) + x[0] + x[3],
        5 - x @ ([2, 1, 1, 0] * x) - 2 * x[0] + x[1] + x[3],
    ],
    0,
    np.inf,
    jac=lambda x: np.array(
        [
            -2 * x + [-1, 1, -1, 1],
            -np.array([2, 4, 2, 4]) * x + [1, 0, 0, 1],
            -np.array([4, 2, 2, 0]) * x + [-2, 1, 0, 1],
        ]
    ),
)


def test_a_smooth_problem_takes_few_evaluations():
    result = run(rosen_suzuki, np.zeros(4), ROSEN_SUZUKI)
    assert result.success
    np.testing.assert_allclose(result.x, [0, 1, 2, -1], atol=1e-4)
    assert result.fun == pytest.approx(-44, abs=1e-6)
    assert result.nfev <= 17
    np.testing.assert_allclose(result.multipliers[0], [1, 0, 2], atol=1e-3)


def product(x):
    return (
        x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2],
        np.array(
            [
                x[3] * (2 * x[0] + x[1] + x[2]),
                x[0] * x[3],
                x[0] * x[3] + 1,
                x[0] * (x[0] + x[1] + x[2]),
            ]
        ),
    )


def test_equality_inequality_and_bounds():
    """Problem 71 of Hock and Schittkowski; no evaluation leaves the bounds."""
    constraints = [
        {"type": "ineq", "fun": lambda x: x.prod() - 25, "jac": lambda x: x.prod() / x},
        {"type": "eq", "fun": lambda x: x @ x - 40, "jac": lambda x: 2 * x},
    ]
    result = run(product, [1.0, 5, 5, 1], constraints, bounds=[(1, 5)] * 4)
    assert result.success
    assert result.fun == pytest.approx(17.0140173, abs=1e-5)
    assert result.constr_violation <= 1e-8 * 40
    assert result.nfev <= 12
    assert (result.points >= 1).all()
    assert (result.points <= 5).all()
    assert result.bound_multipliers[0] > 0


def test_curved_equalities_do_not_slow_convergence_down():
    """Maratos's example, from a point of the circle: full steps raise both f and |c|."""
    result = run(
        lambda x: (2 * (x @ x - 1) - x[0], 4 * x - [1.0, 0.0]),
        [np.cos(0.8), np.sin(0.8)],
        {"type": "eq", "fun": lambda x: x @ x - 1, "jac": lambda x: 2 * x},
    )
    assert result.success
    np.testing.assert_allclose(result.x, [1, 0], atol=1e-5)
    assert result.nfev <= 15


BOX_IN_SINES = np.array([4.2, 4.2, 4.2, 7.2])


def sines(x):
    """Excesses of a box's sides, and of what they sum to, beyond multiples of squared sines."""
    return np.append(x[:3], x[0] + 2 * x[1] + 2 * x[2]) - BOX_IN_SINES * np.sin(x[3:]) ** 2


def slopes_of_sines(x):
    return np.hstack(
        [[[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 2, 2]], np.diag(-BOX_IN_SINES * np.sin(2 * x[3:]))]
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_volume_that_grows_faster_than_its_price_is_not_followed(seed):
    """Problem 56 of Hock and Schittkowski: violated rows bend the Lagrangian down at first."""
    x0 = np.ones(3) + 0.1 * np.random.default_rng(seed).uniform(-1, 1, 3) * (seed > 0)
    x0 = np.append(x0, np.arcsin(np.sqrt(np.append(x0, x0 @ [1, 2, 2]) / BOX_IN_SINES)))
    result = run(
        lambda x: (-x[0] * x[1] * x[2], np.append(-x[[1, 0, 0]] * x[[2, 2, 1]], np.zeros(4))),
        x0,
        {"type": "eq", "fun": sines, "jac": slopes_of_sines},
    )
    assert result.success
    assert result.fun == pytest.approx(-3.456, abs=1e-6)
    assert result.nfev <= 60


def kinked_valley(x):
    s = np.sign(x[0] ** 2 - x[1])
    return (
        8 * abs(x[0] ** 2 - x[1]) + (1 - x[0]) ** 2,
        np.array([16 * x[0] * s - 2 * (1 - x[0]), -8 * s]),
    )


KINKED_WEDGE = NonlinearConstraint(
    lambda x: max(np.sqrt(2) * x[0], 2 * x[1]),
    -np.inf,
    1,
    jac=lambda x: [np.sqrt(2), 0.0] if np.sqrt(2) * x[0] > 2 * x[1] else [0.0, 2.0],
)


@pytest.mark.parametrize("x0", [[0.1, 0.1], [1.5, -2.0], [-1.0, 1.0]])
def test_the_kink_of_the_objective_meets_that_of_a_constraint(x0):
    """Curtis, Mitchell and Overton (2017), their example."""
    result = run(kinked_valley, x0, KINKED_WEDGE)
    assert result.success
    np.testing.assert_allclose(result.x, [np.sqrt(0.5), 0.5], atol=1e-5)
    assert result.stationarity <= 1e-4
    assert result.radius <= 1e-7
    assert result.nfev <= 130


def test_a_minimax_of_smooth_pieces():
    """The maximum of Rosen-Suzuki and its penalized constraints; the third one stays."""
    rows, jacobian = ROSEN_SUZUKI.fun, ROSEN_SUZUKI.jac

    def fun(x):
        f, g = rosen_suzuki(x)
        k = int(np.argmax(np.append(0, -10 * np.array(rows(x)[:2]))))
        return (f, g) if k == 0 else (f - 10 * rows(x)[k - 1], g - 10 * jacobian(x)[k - 1])

    third = {"type": "ineq", "fun": lambda x: rows(x)[2], "jac": lambda x: jacobian(x)[2]}
    result = run(fun, np.zeros(4), third)
    assert result.success
    assert result.fun == pytest.approx(-44, abs=1e-5)
    assert result.nfev <= 150


@pytest.mark.parametrize("seed", [0, 1])
def test_piecewise_linear_as_by_a_linear_program(seed):
    """Least absolute deviations on the simplex."""
    rng = np.random.default_rng(seed)
    m, n = 30, 8
    a = rng.standard_normal((m, n))
    b = a @ rng.dirichlet(np.full(n, 0.4)) + 0.1 * rng.standard_t(2, m)
    lp = linprog(
        np.concatenate([np.zeros(n), np.ones(m)]),
        A_ub=np.block([[a, -np.eye(m)], [-a, -np.eye(m)]]),
        b_ub=np.concatenate([b, -b]),
        A_eq=np.concatenate([np.ones(n), np.zeros(m)])[None],
        b_eq=[1.0],
    )
    result = run(
        lambda x: (np.abs(a @ x - b).sum(), a.T @ np.sign(a @ x - b)),
        np.full(n, 1 / n),
        LinearConstraint(np.ones(n), 1, 1),
        bounds=[(0, None)] * n,
    )
    assert result.fun <= lp.fun + 1e-6
    assert result.fun >= lp.fun - 1e-9
    assert (result.points >= 0).all()
    assert np.abs(result.points.sum(axis=1) - 1).max() <= 1e-12


def test_linear_rows_hold_at_every_evaluation_from_the_nearest_start_on():
    """The start violates a row; the objective is not defined beyond it."""
    row = LinearConstraint([[1.0, 1.0]], -np.inf, 1.0)

    def fun(x):
        assert x.sum() <= 1 + 1e-12
        return float((x[0] - 2) ** 2 + (x[1] - 1) ** 2), 2 * (x - [2.0, 1.0])

    result = run(fun, [3.0, 3.0], row)
    assert result.success
    np.testing.assert_allclose(result.points[0], [0.5, 0.5], atol=1e-12)
    np.testing.assert_allclose(result.x, [1, 0], atol=1e-6)
    np.testing.assert_allclose(result.multipliers[0], [-2], atol=1e-5)


def linear(x):
    return float(x.sum()), np.ones_like(x)


def test_contradictory_constraints_are_said():
    disc = {"type": "ineq", "fun": lambda x: 1 - x @ x, "jac": lambda x: -2 * x}
    away = {"type": "ineq", "fun": lambda x: x[0] - 2, "jac": lambda x: np.array([1.0, 0.0])}
    result = run(linear, np.zeros(2), [disc, away])
    assert not result.success
    assert result.status == Status.INFEASIBLE
    assert result.constr_violation >= 0.5


def test_an_unbounded_fall_is_said():
    parabola = {
        "type": "ineq",
        "fun": lambda x: x[1] - x[0] ** 2,
        "jac": lambda x: np.array([-2 * x[0], 1.0]),
    }
    result = run(lambda x: (-x[1], np.array([0.0, -1.0])), [0.0, 1.0], parabola)
    assert not result.success
    assert result.status == Status.NONFINITE


def test_a_stationary_start_that_is_no_minimum_is_left():
    result = run(
        lambda x: (-(x[0] ** 2) + x[1] ** 2, np.array([-2 * x[0], 2 * x[1]])),
        np.zeros(2),
        {"type": "ineq", "fun": lambda x: 1 - x @ x, "jac": lambda x: -2 * x},
    )
    assert result.success
    assert result.fun == pytest.approx(-1, abs=1e-6)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_the_units_of_a_row_do_not_matter(unit):
    scaled = NonlinearConstraint(
        lambda x: unit * np.array(ROSEN_SUZUKI.fun(x)),
        0,
        np.inf,
        jac=lambda x: unit * ROSEN_SUZUKI.jac(x),
    )
    result = run(rosen_suzuki, np.zeros(4), scaled, options={"ctol": 1e-8 * unit})
    assert result.success
    assert result.fun == pytest.approx(-44, abs=1e-5)
    assert result.nfev <= 25


def test_a_wrong_gradient_is_no_success():
    result = smoothmin.minimize(
        lambda x: (float((x - 1) @ (x - 1)), -2 * (x - 1) + 1.0),
        np.zeros(3),
        jac=True,
        method="sqp",
        constraints={"type": "ineq", "fun": lambda x: 4 - x @ x, "jac": lambda x: -2 * x},
        rng=0,
        options={"maxfev": 500},
    )
    assert not result.success


def test_regions_without_values_are_avoided():
    """The logarithm is undefined for negative arguments, where steps lead."""
    with np.errstate(all="ignore"):
        result = run(
            lambda x: (float(-np.log(x).sum() + 5 * x[0]), 5 * np.eye(3)[0] - 1 / x),
            np.full(3, 0.01),
            {"type": "ineq", "fun": lambda x: 4 - x @ x, "jac": lambda x: -2 * x},
        )
    assert result.success
    assert result.constr_violation <= 1e-7
    m = -result.multipliers[0].item()
    np.testing.assert_allclose(5 * np.eye(3)[0] - 1 / result.x, 2 * m * result.x, atol=1e-4)


@pytest.mark.parametrize("n", [300, 5000])
def test_many_variables_on_the_simplex(n):
    """A separable quadratic, whose minimum is found by one multiplier, by bisection."""
    rng = np.random.default_rng(n)
    w, y = rng.uniform(0.5, 2, n), rng.standard_normal(n)
    low, high = -100.0, 100.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        over = np.maximum(y - middle / w, 0).sum() > 1
        low, high = (middle, high) if over else (low, middle)
    result = run(
        lambda x: (0.5 * w @ (x - y) ** 2, w * (x - y)),
        np.full(n, 1 / n),
        LinearConstraint(np.ones(n), 1, 1),
        bounds=[(0, None)] * n,
    )
    assert result.success
    np.testing.assert_allclose(result.x, np.maximum(y - high / w, 0), atol=1e-4)
    assert result.nfev <= 30
    assert (result.points >= 0).all()


def test_many_variables_are_not_looked_along_one_by_one():
    """With a budget in a box, where the minimum is found by one multiplier, by bisection."""
    n = 2500
    w, y = np.linspace(1, 100, n), np.random.default_rng(0).standard_normal(n)
    low, high = 0.0, 1000.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        over = np.clip(y - middle / w, 0, 1).sum() > n / 10
        low, high = (middle, high) if over else (low, middle)
    least = np.clip(y - high / w, 0, 1)
    result = run(
        lambda x: (0.5 * w @ (x - y) ** 2, w * (x - y)),
        np.full(n, 0.05),
        LinearConstraint(np.ones(n), -np.inf, n / 10),
        bounds=[(0, 1)] * n,
    )
    assert result.success
    assert result.fun <= (1 + 1e-6) * (0.5 * w @ (least - y) ** 2)
    assert result.nfev <= 300


@pytest.mark.parametrize("far", [1.0, 10.0, 500.0])
@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e4])
def test_bends_that_looked_like_kinks_from_afar_leave_no_doubt(far, unit):
    rng = np.random.default_rng(3)
    a, y = rng.standard_normal((40, 2)), np.where(rng.random(40) < 0.5, 1, -1)

    def fun(x):  # a regularized logistic likelihood
        margin = y * (a @ x)
        slopes = -y * np.exp(-np.logaddexp(0, margin))
        value = np.logaddexp(0, -margin).sum() + 0.01 * x @ x
        return float(unit * value), unit * (a.T @ slopes + 0.02 * x)

    res = smoothmin.minimize(fun, far * np.ones(2), jac=True, method="sqp")
    assert res.success
    assert np.abs(res.jac).max() < 1e-5 * unit
