"""The poll with a barrier: where values step, feasible points come first."""

import numpy as np

from smoothmin import minimize
from smoothmin._protocol import Answers, Ask, Problem, Rows
from smoothmin.derivative_free.constrained.barrier_search import BarrierSearch
from smoothmin.derivative_free.constrained.linear_set import LinearSet
from smoothmin.derivative_free.constrained.state import InterpolationState


def searched(fun, row, x0):
    """The best feasible value that a search alone finds, for ``row(x) <= 0`` in [-5, 5]^n."""
    n = len(x0)
    rows = Rows(np.array([-np.inf]), np.zeros(1), np.full(1, 1e-6))
    box = np.full(n, -5.0), np.full(n, 5.0)
    problem = Problem(np.array(x0), box, False, (n,), nonlinear=rows)
    region = LinearSet.of(problem, np.ones(n))
    state = InterpolationState.of(problem, np.ones(n), np.random.default_rng(2), region)

    def answers(ask):
        points = ask.points
        assert (np.abs(points) <= 5).all()
        return Answers(
            np.array([fun(x) for x in points]), None, np.array([[row(x)] for x in points])
        )

    def conversation():
        yield from state.evaluate(problem.x0[None])
        yield from BarrierSearch(state).run()

    steps, reply = conversation(), None
    while True:
        try:
            message = steps.send(reply)
        except StopIteration:
            break
        reply = answers(message) if isinstance(message, Ask) else None
    values = state.bank.values
    return values[values[:, 1] <= 1e-6, 0].min(initial=np.inf)


def test_from_inside():
    lowest = searched(lambda x: np.abs(x - 2).sum(), lambda x: x.sum() - 2, [0.0, 0.0])
    assert 2 - 1e-5 <= lowest < 2.05


def test_from_outside_to_a_feasible_point():
    lowest = searched(lambda x: x @ x, lambda x: 1 - x[0] + abs(x[1]), [-2.0, 2.0])
    assert 1 - 1e-5 <= lowest < 1.1


def test_a_staircase_ends_at_a_feasible_point():
    """Values that come in quanta are as if rounded."""
    res = minimize(
        lambda x: float(np.floor(4 * np.abs(x)).sum()), [2.3, 1.7], method="constrained-model",
        constraints={"type": "ineq", "fun": lambda x: x.sum() - 1}, rng=0,
        options={"maxfev": 2000},
    )  # fmt: skip
    assert res.nfev < 2000
    assert res.constr_violation <= 1e-6
    assert res.fun <= 5
