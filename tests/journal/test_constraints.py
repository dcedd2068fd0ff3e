"""Journals and pickles of runs with constraints."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from smoothmin import LinearConstraint, Optimizer, minimize

X0 = [0.3, -0.2]
DISC = {"type": "ineq", "fun": lambda x: 1 - x @ x}
LINE = {"type": "eq", "fun": lambda x: [x[0] - x[1]]}
CONSTRAINTS = {
    "one": [DISC],
    "two": [DISC, LINE],
    "linear": [LinearConstraint([[1, 1]], -1, 1)],
    "eliminated": [LinearConstraint([[1, 1]], 1, 1)],
}


class Killed(Exception):
    """What ends a run before its time."""


class Fragile:
    def __init__(self, last=np.inf):
        self.last, self.calls = [last], 0

    def __call__(self, x):
        self.calls += 1
        if self.calls == self.last[0]:
            raise Killed
        return float((x[0] - 1) ** 2 + (x[1] - 2) ** 2)


def gradient(x):
    return np.array([2 * (x[0] - 1), 2 * (x[1] - 2)])


def run(fun, name, jac, journal=None, **options):
    options = {"maxfev": 100, "journal": journal} | options
    constraints = CONSTRAINTS[name]
    return minimize(fun, X0, jac=jac, constraints=constraints, rng=0, options=options)


def assert_same(ours, theirs):
    assert (ours.fun, ours.nfev, ours.nit, ours.status, ours.message) == (
        theirs.fun,
        theirs.nfev,
        theirs.nit,
        theirs.status,
        theirs.message,
    )
    assert_array_equal(ours.x, theirs.x)


@pytest.mark.parametrize("name", CONSTRAINTS)
@pytest.mark.parametrize("jac", [gradient, None, "2-point"])
def test_goes_on_where_it_was_killed(name, jac, tmp_path):
    path = tmp_path / "journal"
    whole = run(Fragile(), name, jac)
    with pytest.raises(Killed):
        run(Fragile(3), name, jac, path)
    fragile = Fragile()
    assert_same(run(fragile, name, jac, path), whole)
    assert fragile.calls <= whole.nfev - 2
    nothing = Fragile(1)
    assert_same(run(nothing, name, jac, path), whole)


@pytest.mark.parametrize("jac", [gradient, None])
def test_targets_count_where_the_constraints_are_met(jac, tmp_path):
    path = tmp_path / "journal"
    run(Fragile(), "one", jac, path)
    for target in (4.0, 2.0, 1.6):
        ours = run(Fragile(), "one", jac, path, f_target=target)
        assert_same(ours, run(Fragile(), "one", jac, f_target=target))


def test_other_constraints_are_another_run(tmp_path):
    path = tmp_path / "journal"
    run(Fragile(), "one", None, path)
    with pytest.raises(ValueError, match="other constraints"):
        run(Fragile(), "two", None, path)


def test_optimizers_with_constraints_pickle():
    constraints, options = CONSTRAINTS["two"], {"maxfev": 60}
    theirs = minimize(Fragile(), X0, constraints=constraints, rng=0, options=options)
    bare = [{"type": "ineq", "fun": None}, {"type": "eq", "fun": None}]
    optimizer, fun = Optimizer(X0, constraints=bare, rng=0, options=options), Fragile()
    while not optimizer.stop():
        optimizer = pickle.loads(pickle.dumps(optimizer))
        points = optimizer.ask()
        rows = [[np.atleast_1d(c["fun"](x)) for x in points] for c in constraints]
        optimizer.tell(points, [fun(x) for x in points], constraints=rows)
    assert_same(optimizer.result, theirs)
