"""Every point's constraints are evaluated once, with its value, whoever evaluates."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import Counted, suzuki, suzuki_rows, suzuki_slopes
from scipy.optimize import LinearConstraint, NonlinearConstraint

from smoothmin import BFGS, ExactPenalty, Optimizer, minimize

X0 = np.zeros(4)
ROWS = NonlinearConstraint(suzuki_rows, 0, np.inf, jac=suzuki_slopes)


def value(x):
    return suzuki(x)[0]


@pytest.mark.parametrize("jac", [True, None])
def test_once_a_point(jac):
    fun, rows = Counted(suzuki if jac else value), Counted(suzuki_rows)
    slopes = Counted(suzuki_slopes)
    constraint = NonlinearConstraint(rows, 0, np.inf, jac=slopes)
    res = minimize(fun, X0, jac=jac, constraints=constraint, rng=0, options={"maxfev": 300})
    assert fun.calls == rows.calls == res.nfev == res.constr_nfev[0]
    assert_array_equal(np.array(fun.points), np.array(rows.points))
    assert slopes.calls == res.constr_njev[0]
    assert (0 < slopes.calls <= fun.calls) if jac else slopes.calls == 0


def test_a_budget_is_never_passed():
    for maxfev in (1, 2, 7):
        fun, rows = Counted(suzuki), Counted(suzuki_rows)
        constraint = NonlinearConstraint(rows, 0, np.inf, jac=suzuki_slopes)
        res = minimize(fun, X0, jac=True, constraints=constraint, rng=0, options={"maxfev": maxfev})
        assert res.nfev == fun.calls == rows.calls <= maxfev
        assert not res.success


def columns(x):
    return np.array([value(each) for each in np.ascontiguousarray(x.T)]), np.array(
        [suzuki(each)[1] for each in np.ascontiguousarray(x.T)]
    ).T


def row_columns(x):
    return np.array([suzuki_rows(each) for each in np.ascontiguousarray(x.T)]).T


def slope_columns(x):
    return np.moveaxis(np.array([suzuki_slopes(each) for each in np.ascontiguousarray(x.T)]), 0, 2)


@pytest.mark.parametrize("jac", [True, None])
def test_vectorized_and_threads_go_the_same_way(jac):
    options = {"maxfev": 200}
    serial = minimize(
        suzuki if jac else value, X0, jac=jac, constraints=[ROWS], rng=0, options=options
    )
    many = NonlinearConstraint(row_columns, 0, np.inf, jac=slope_columns)
    vectorized = minimize(
        columns if jac else lambda x: columns(x)[0],
        X0,
        jac=jac,
        constraints=[many],
        rng=0,
        vectorized=True,
        options=options,
    )
    assert_array_equal(serial.x, vectorized.x)
    assert serial.nfev == vectorized.nfev
    with ThreadPoolExecutor(2) as workers:
        threads = minimize(
            suzuki if jac else value,
            X0,
            jac=jac,
            constraints=[ROWS],
            rng=0,
            workers=workers,
            options=options,
        )
    assert_array_equal(serial.x, threads.x)
    assert serial.fun == threads.fun


def test_processes_go_the_same_way():
    options = {"maxfev": 40}
    found = [
        minimize(value, X0, constraints=[ROWS], rng=0, workers=workers, options=options)
        for workers in (None, 2)
    ]
    assert_array_equal(found[0].x, found[1].x)


@pytest.mark.parametrize("jac", [True, None])
def test_an_optimizer_goes_the_same_way(jac):
    method = ExactPenalty(BFGS()) if jac else None
    constraints = [LinearConstraint([[1.0, 1, 1, 1]], -9, 9), ROWS]
    options = {"maxfev": 150}
    whole = minimize(
        suzuki if jac else value,
        X0,
        jac=jac,
        method=method,
        constraints=constraints,
        rng=0,
        options=options,
    )
    told = NonlinearConstraint(None, 0, np.inf)
    optimizer = Optimizer(
        X0, method, jac, constraints=[constraints[0], told], rng=0, options=options
    )
    while not optimizer.stop():
        points = optimizer.ask()
        more = {}
        if jac:
            more = {
                "gradients": [suzuki(x)[1] for x in points],
                "jacobians": [[suzuki_slopes(x) for x in points]],
            }
        rows = [[suzuki_rows(x) for x in points]]
        optimizer.tell(points, [value(x) for x in points], constraints=rows, **more)
        if len(points) > 1 or optimizer.result.nfev == 20:
            optimizer = pickle.loads(pickle.dumps(optimizer))
    assert_array_equal(optimizer.result.x, whole.x)
    assert optimizer.result.nfev == whole.nfev
    assert optimizer.result.message == whole.message


def test_what_an_optimizer_is_told_has_to_fit():
    optimizer = Optimizer(X0, constraints=[ROWS])
    points = optimizer.ask()
    for constraints in (None, [], [1.0, 2.0], [np.zeros((7, 3))]):
        with pytest.raises(ValueError, match="constraints"):
            optimizer.tell(points, [1.0], constraints=constraints)
    optimizer.tell(points, [1.0], constraints=[np.zeros((1, 3))])
    points = optimizer.ask()
    with pytest.raises(ValueError, match="as many values"):
        optimizer.tell(points, np.ones(len(points)), constraints=[np.zeros((len(points), 2))])


def test_jacobians_from_values_where_only_the_function_has_a_gradient():
    rows = Counted(suzuki_rows)
    constraint = NonlinearConstraint(rows, 0, np.inf, jac="2-point")
    res = minimize(suzuki, X0, jac=True, constraints=constraint, rng=0)
    assert res.success
    assert res.fun == pytest.approx(-44, abs=1e-6)
    assert rows.calls == res.constr_nfev[0]


def test_gradients_from_values_where_only_the_constraints_have_them():
    res = minimize(value, X0, method=ExactPenalty(BFGS()), constraints=ROWS, rng=0)
    assert res.fun == pytest.approx(-44, abs=1e-4)
    assert res.constr_violation <= 1e-6


def test_differences_of_constraints_stay_in_the_box():
    rows = Counted(lambda x: x[0] * x[1])
    constraint = NonlinearConstraint(rows, 1, np.inf)
    res = minimize(
        lambda x: (x @ x, 2 * x),
        [2.0, 2.0],
        jac=True,
        bounds=[(1, 2), (0, 2)],
        constraints=constraint,
    )
    points = np.array(rows.points)
    assert (points >= [1, 0]).all()
    assert (points <= 2).all()
    assert_allclose(res.fun, 2, atol=1e-6)


def test_nan_is_violated():
    """The best point is one whose constraint is a number, though values beyond are lower."""

    def rows(x):
        return np.nan if x[0] < 1 else 1.0

    res = minimize(
        lambda x: x[0] ** 2,
        [3.0],
        constraints=NonlinearConstraint(rows, 0, 2),
        options={"maxfev": 200},
        rng=0,
    )
    assert res.x[0] >= 1
    assert res.constr_violation == 0


def test_a_target_counts_at_feasible_points_only():
    res = minimize(
        lambda x: (x @ x, 2 * x),
        [0.0, 0.5],
        jac=True,
        constraints=NonlinearConstraint(lambda x: x[0], 1, np.inf),
        options={"f_target": 1.5},
        rng=0,
    )
    assert res.status == 6
    assert res.x[0] >= 1 - 1e-8
    assert res.fun <= 1.5


def test_fixed_variables_are_part_of_rows():
    res = minimize(
        lambda x: (x @ x, 2 * x),
        [2.0, 1.0, 3.0],
        jac=True,
        bounds=[(None, None), (1, 1), (None, None)],
        constraints=[
            LinearConstraint([[1.0, 1, 1]], 3, 3),
            NonlinearConstraint(lambda x: x[0] + x[1], 1.5, 9, jac=lambda x: [1.0, 1, 0]),
        ],
        rng=0,
    )
    assert res.success
    assert_allclose(res.x, [1, 1, 1], atol=1e-5)


def test_no_rows_are_ordinary():
    nothing = [
        LinearConstraint(np.empty((0, 4)), [], []),
        NonlinearConstraint(lambda x: np.empty(0), 0, 0),
    ]
    for k in range(2):
        res = minimize(suzuki, X0, jac=True, constraints=nothing[k:], method="bfgs")
        assert res.success
        assert_allclose(res.fun, minimize(suzuki, X0, jac=True, method="bfgs").fun)


def test_exceptions_carry_what_there_is():
    calls = Counted(suzuki_rows)

    def rows(x):
        if calls.calls == 9:
            raise RuntimeError("broken")
        return calls(x)

    constraint = NonlinearConstraint(rows, 0, np.inf, jac=suzuki_slopes)
    with pytest.raises(RuntimeError, match="broken") as caught:
        minimize(suzuki, X0, jac=True, constraints=constraint)
    assert caught.value.partial_result.nfev == 9


def test_a_constraint_may_stop_the_run():
    def rows(x):
        raise StopIteration

    res = minimize(suzuki, X0, jac=True, constraints=NonlinearConstraint(rows, 0, 1))
    assert res.status == 99


@pytest.mark.parametrize("jac", [True, None])
def test_a_journal_has_the_rows(tmp_path, jac):
    """A run that ends early goes on: no point is evaluated again but the first's constraints."""
    rows = [
        NonlinearConstraint(lambda x: suzuki_rows(x)[:2], 0, np.inf),
        NonlinearConstraint(lambda x: suzuki_rows(x)[2], 0, np.inf),
    ]
    options = {"journal": tmp_path / "journal", "maxfev": 60}

    def run(**options):
        fun = Counted(suzuki if jac else value)
        return minimize(fun, X0, jac=jac, constraints=rows, rng=0, options=options), fun.calls

    whole, _ = run(maxfev=60)
    run(**options | {"maxfev": 7})
    again, calls = run(**options)
    assert_array_equal(again.x, whole.x)
    assert calls == whole.nfev - 7


def test_steps_of_differences_across_a_constraint_are_no_result():
    box = LinearConstraint([[1.0, 1.0]], -np.inf, 1.0)
    res = minimize(lambda x: float(-x.sum()), [0.2, 0.1], method="SLSQP", constraints=box)
    assert res.success
    assert res.x.sum() <= 1.0
    assert res.fun == pytest.approx(-1.0)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("jac", [None, lambda points: 2 * points - [[0], [0.5]]])
def test_columns_where_a_constraint_raises_have_no_values(exact, jac):
    """With ``on_error="nan"``, and only these."""
    beyond = []

    def rows(points):
        if (points[0] < 0.3).any():
            beyond.append(points)
            raise ArithmeticError("no value")
        return points[0] + points[1]

    slopes = {"jac": lambda points: np.ones((1, 2, points.shape[-1]))} if exact else {}
    constraint = NonlinearConstraint(rows, 1, np.inf, **slopes)
    given = {"vectorized": True, "jac": jac, "constraints": constraint, "rng": 0}
    start = [3.0, -0.2]

    def fun(points):
        return (points**2).sum(0) - 0.5 * points[1]

    result = minimize(fun, start, options={"on_error": "nan"}, **given)
    assert result.success
    np.testing.assert_allclose(result.x, [0.375, 0.625], atol=1e-4)
    if beyond:
        with pytest.raises(ArithmeticError, match="no value"):
            minimize(fun, start, **given)
