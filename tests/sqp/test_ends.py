"""What runs end with: flat minima, constraints that contradict each other, whose gradients."""

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, NonlinearConstraint

from smoothmin import minimize
from smoothmin._status import Status


@pytest.mark.parametrize("power", [4, 6])
@pytest.mark.parametrize("aim", [0.0, 1.0])
@pytest.mark.parametrize("offset", [0.0, 5.0])
@pytest.mark.parametrize(
    "constraints", [(), LinearConstraint([[1, 1]], -1, np.inf)], ids=["none", "linear"]
)
def test_flat_minima_are_said_to_be_solved(power, aim, offset, constraints):
    result = minimize(
        lambda x: float(((x - aim) ** power).sum() + offset),
        [3.0, 2.0],
        jac=lambda x: power * (x - aim) ** (power - 1),
        method="sqp",
        constraints=constraints,
    )
    assert result.success
    assert result.fun == pytest.approx(offset, abs=1e-12)
    assert result.nfev <= 150


def test_a_point_next_to_a_bound_that_no_step_gets_beyond():
    """An equality that is met beyond another constraint, whose bound is off by rounding."""
    constraints = [
        NonlinearConstraint(
            lambda x: (x[0] - 0.766) ** 2, 0.0829, 0.0829, jac=lambda x: 2 * x - 1.532
        ),
        {"type": "ineq", "fun": lambda x: 1.0124 - x[0], "jac": lambda x: [-1.0]},
    ]
    bounds = [(0.6, 2.0)]
    result = minimize(
        lambda x: x[0] ** 2, [1.5], jac=lambda x: 2 * x, constraints=constraints, bounds=bounds
    )
    assert result.status == Status.INFEASIBLE


def piecewise(n, seed):
    rng = np.random.default_rng(seed)
    slopes, levels, centre = (
        rng.standard_normal((n + 3, n)),
        rng.standard_normal(n + 3),
        rng.standard_normal(n),
    )

    def fun(x):
        return float((slopes @ x - levels).max() + 0.05 * x @ x)

    def jac(x):
        return slopes[(slopes @ x - levels).argmax()] + 0.1 * x

    return fun, jac, centre


@pytest.mark.parametrize("scheme", ["2-point", "3-point"])
@pytest.mark.parametrize("seed", range(12))
def test_differences_of_constraints_are_no_wrong_gradients(scheme, seed):
    """Next to a constraint's kink differences are off, which is nobody's mistake."""
    fun, jac, centre = piecewise(4, seed)
    limit = float(np.abs(centre).sum())
    constraint = NonlinearConstraint(lambda x: np.abs(x - centre).sum(), -np.inf, limit, jac=scheme)
    result = minimize(fun, np.zeros(4), jac=jac, constraints=constraint, method="sqp")
    assert result.status in (Status.CONVERGED, Status.PRECISION)
    assert result.constr_violation <= 1e-8 * max(1, limit)


def test_results_of_constraints_of_several_sizes_are_printed():
    constraints = [
        LinearConstraint(np.eye(3), -1, 1),
        NonlinearConstraint(lambda x: x @ x, -np.inf, 1, jac=lambda x: 2 * x),
    ]
    result = minimize(lambda x: x.sum(), np.zeros(3), jac=np.ones_like, constraints=constraints)
    assert "multipliers" in str(result)
    assert "constr" in repr(result)


def test_constraints_without_rows_have_multipliers_without_elements():
    constraint = LinearConstraint(np.zeros((0, 2)), [], [])
    result = minimize(lambda x: x @ x, [1.0, 2.0], jac=lambda x: 2 * x, constraints=constraint)
    assert result.success
    assert [m.shape for m in result.multipliers] == [(0,)]
    assert [r.shape for r in result.constr_residuals] == [(0,)]


def test_equalities_that_leave_nothing_free_are_no_plateau():
    constraint = LinearConstraint(np.eye(2), [1, 2], [1, 2])
    result = minimize(lambda x: float(x @ x), [0.0, 0.0], constraints=constraint)
    assert result.success
    assert result.nfev == 1
    np.testing.assert_allclose(result.x, [1, 2])


@pytest.mark.parametrize("differences", [False, True])
@pytest.mark.parametrize("curved", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(4))
def test_a_kinked_violation_that_is_stationary_is_said(seed, curved, differences):
    """Distances to corners, largest of all, below what the nearest point to all has."""
    rng = np.random.default_rng(seed)
    normals = rng.standard_normal((5, 3))
    normals[-1] = -normals[:-1].sum(axis=0)  # zero is inside the hull

    def fun(x):
        return float((normals @ x).max() + curved * x @ x)

    def jac(x):
        return normals[(normals @ x).argmax()] + 2 * curved * x

    row = NonlinearConstraint(fun, -np.inf, -0.5, **({} if differences else {"jac": jac}))
    x0 = rng.standard_normal(3)
    result = minimize(
        lambda x: float(((x - 2) ** 2).sum()), x0, jac=lambda x: 2 * (x - 2), constraints=row
    )
    assert result.status == Status.INFEASIBLE
    np.testing.assert_allclose(result.x, 0, atol=1e-4)


@pytest.mark.parametrize("factor", [0.7, 3.0, 5.0])
@pytest.mark.parametrize("x0", [[1.0, 2.0], [3.0, -1.0], [-0.1, 0.2]])
def test_rows_that_only_differences_tell_apart_prove_nothing(x0, factor):
    """The same circle twice: combinations of its normals cancel any gradient, but for rounding."""

    def circle(x):
        return x @ x

    constraints = [
        NonlinearConstraint(circle, 2, 2),
        NonlinearConstraint(lambda x: factor * circle(x), 2 * factor, 2 * factor),
    ]
    result = minimize(lambda x: x.sum(), x0, jac=np.ones_like, constraints=constraints)
    if result.success:
        np.testing.assert_allclose(result.x, -1, atol=1e-4)


@pytest.mark.parametrize(("level", "status"), [(2.0, Status.CONVERGED), (3.0, Status.INFEASIBLE)])
@pytest.mark.parametrize("method", ["sqp", "constrained-model", "lbfgs"])
def test_where_nothing_is_free_the_only_point_decides(method, level, status):
    row = NonlinearConstraint(lambda x: x[0] * x[1], level, level)
    fixed = minimize(
        lambda x: x @ x, [1.0, 2.0], method=method, bounds=[(1, 1), (2, 2)], constraints=row
    )
    assert (fixed.status, fixed.nfev) == (status, 1)
    pinned = [LinearConstraint([[1, 1], [1, -1]], [3, -1], [3, -1]), row]
    result = minimize(lambda x: x @ x, [1.0, 1.0], method=method, constraints=pinned)
    assert result.status == status


@pytest.mark.parametrize("start", [(0.5, 0.5), (-2.0, -2.0), (0.0, 0.1)])
def test_a_point_without_multipliers(start):
    """Kuhn and Tucker's cusp: gradients nearby are parallel but for a little."""
    rows = [
        {
            "type": "ineq",
            "fun": lambda x: (1 - x[0]) ** 3 - x[1],
            "jac": lambda x: [-3 * (1 - x[0]) ** 2, -1.0],
        },
        {"type": "ineq", "fun": lambda x: x[1], "jac": lambda x: [0.0, 1.0]},
    ]
    result = minimize(lambda x: -x[0], start, jac=lambda x: np.array([-1.0, 0.0]), constraints=rows)
    assert result.success
    assert result.x == pytest.approx([1, 0], abs=1e-2)


def test_tolerances_of_several_lengths():
    def fun(x):
        return float((x[0] - 2) ** 2 + (x[1] - 1) ** 2)

    disc = NonlinearConstraint(lambda x: x @ x, -np.inf, 1)
    rows = LinearConstraint([[1, 1], [1, -1]], -3, 3)
    for tolerances in ([1e-7, [1e-8, 1e-7]], (1e-7, np.array([1e-8, 1e-7]))):
        result = minimize(
            fun, [0, 0], method="sqp", constraints=[disc, rows], options={"ctol": tolerances}
        )
        assert result.success
        assert result.maxcv <= 1e-7


def test_parameters_in_blocks_with_constraints():
    """Jacobians have the structure of x."""

    def fun(p):
        return float((p["a"][0] - 2) ** 2 + (p["b"] ** 2).sum() + p["a"].sum())

    ball = {
        "type": "ineq",
        "fun": lambda p: np.array([1 - p["a"] @ p["a"], 2 - p["b"][0]]),
        "jac": lambda p: {
            "a": np.stack([-2 * p["a"], np.zeros(2)]),
            "b": np.array([[0, 0], [-1.0, 0]]),
        },
    }
    start = {"a": np.array([0.5, 0.5]), "b": np.ones(2)}

    def jac(p):
        return {"a": np.array([2 * (p["a"][0] - 2) + 1, 1.0]), "b": 2 * p["b"]}

    result = minimize(fun, start, jac=jac, constraints=ball)
    assert result.success
    assert result.x["b"] == pytest.approx(0, abs=1e-5)
    assert np.linalg.norm(result.x["a"]) == pytest.approx(1, abs=1e-6)
    ball["jac"] = lambda p: {"a": np.ones((3, 2)), "b": np.ones((2, 2))}
    with pytest.raises(ValueError, match="Jacobian"):
        minimize(fun, start, jac=jac, constraints=ball)


def flat_on_a_curve(power, offset):
    """A minimum of degree ``power`` on a curved equality, whose multiplier is zero there."""
    matrix = np.array([[1.0, 0.4, -0.3], [0.2, -1.1, 0.5], [-0.6, 0.1, 0.9]])
    row, end = np.array([1.0, -2.0, 0.5]), np.array([0.3, -0.7, 1.2])

    def fun(x):
        part = matrix @ (x - end)
        return float((part**power).sum()) + offset, matrix.T @ (power * part ** (power - 1))

    def curve(x):
        return row @ (x - end) + (x - end) @ (x - end)

    def slopes(x):
        return (row + 2 * (x - end))[None]

    return fun, NonlinearConstraint(curve, 0, 0, jac=slopes), end


@pytest.mark.parametrize("offset", [0.0, -1.3])
@pytest.mark.parametrize("power", [4, 6])
@pytest.mark.parametrize("seed", range(3))
def test_flat_minima_on_curves_are_feasible_successes(power, offset, seed):
    """Where multipliers vanish a violation costs less than rounding; no constraint contradicts."""
    fun, curve, end = flat_on_a_curve(power, offset)
    start = end + np.random.default_rng(seed).standard_normal(3)
    result = minimize(fun, start, jac=True, constraints=curve, options={"maxfev": 500})
    assert result.status in (Status.CONVERGED, Status.PRECISION)
    assert result.success or offset == 0
    assert result.constr_violation <= 1e-8
    assert result.fun - offset < 1e-6


def test_many_kinks_on_a_sphere_end_with_a_certificate():
    """A sparse principal component: of ten variables six are at a kink, on a curve."""
    n = 10
    data = np.random.default_rng(7).standard_normal((3 * n, n))
    matrix = data.T @ data / len(data)

    def fun(x):
        return float(0.5 * np.abs(x).sum() - x @ matrix @ x), 0.5 * np.sign(x) - 2 * matrix @ x

    sphere = NonlinearConstraint(lambda x: x @ x, 1, 1, jac=lambda x: 2 * x[None])
    result = minimize(fun, np.ones(n), jac=True, constraints=sphere, options={"maxfev": 1000})
    assert result.success, result.message
    zero = np.abs(result.x) < 1e-6
    assert zero.sum() == 6
    # with the signs that were found the rest of the problem is smooth, and what is left is zero
    left = fun(result.x)[1][~zero]
    left -= left @ result.x[~zero] * result.x[~zero]
    np.testing.assert_allclose(left, 0, atol=1e-3)


@pytest.mark.parametrize(("seed", "lower"), [(58, 0.0), (83, -1e-3), (243, -1e-3)])
def test_constraints_that_the_start_meets_do_not_contradict_each_other(seed, lower):
    """Steep objectives lead far out, to where the violation is stationary."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 4))
    start, rows = rng.standard_normal(n), []
    for _ in range(int(rng.integers(1, 4))):
        a, b, w, k = (
            rng.standard_normal((n, n)),
            rng.standard_normal(n),
            rng.uniform(1, 5),
            rng.uniform(0, 2),
        )
        rows.append((a + a.T, b, w, k))
    rng.random()
    steep = rng.standard_normal(n) * 10 ** rng.uniform(0, 4)

    def values(x):
        return np.array([0.5 * x @ a @ x + b @ x + k * np.sin(w * x).sum() for a, b, w, k in rows])

    offset = values(start)
    constraint = NonlinearConstraint(
        lambda x: values(x) - offset,
        lower,
        0,
        jac=lambda x: np.array([a @ x + b + k * w * np.cos(w * x) for a, b, w, k in rows]),
    )
    result = minimize(
        lambda x: float(steep @ x + 0.5 * x @ x),
        start,
        jac=lambda x: steep + x,
        method="sqp",
        constraints=constraint,
    )
    assert result.status != Status.INFEASIBLE
    assert result.maxcv <= 1e-8
