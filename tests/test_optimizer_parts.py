"""Ask and tell: answers in any order, in parts, and of points that were not asked for."""

import copy
import pickle

import numpy as np
import pytest
from ask_and_tell import X0, assert_same, finished, fun
from numpy.testing import assert_array_equal

from smoothmin import Optimizer


@pytest.mark.parametrize("method", ["lbfgs", "bfgs", "homotopy"])
@pytest.mark.parametrize("jac", [True, None])
def test_answers_may_come_in_any_order(method, jac):
    """With their points, as from a pool of workers: the run is the same, and goes on."""

    def run(shuffle):
        rng = np.random.default_rng(5)
        optimizer = Optimizer([2.0, -1.5, 0.7], method, jac, rng=3, options={"maxfev": 150})
        while not optimizer.stop():
            points = optimizer.ask()
            if shuffle:
                points = rng.permutation(points)
            told = [[float(np.abs(x - 0.3).sum() + x @ x) for x in points]]
            if jac:
                told.append([np.sign(x - 0.3) + 2 * x for x in points])
            optimizer.tell(points, *told)
        return optimizer.result

    one, other = run(True), run(False)
    assert (one.fun, one.nfev, one.status) == (other.fun, other.nfev, other.status)
    assert_array_equal(one.x, other.x)


def test_a_part_of_what_was_asked_for_is_kept():
    optimizer = Optimizer(X0, "gaussian-search", rng=0)
    drive_values(optimizer, 1)
    points = optimizer.ask()
    assert len(points) > 3
    optimizer.tell(points[[2, 0]], [fun(points[2]), np.nan])
    assert_array_equal(optimizer.ask(), np.delete(points, [0, 2], axis=0))
    assert (optimizer.result.nfev, optimizer.result.n_nonfinite) == (3, 1)
    assert optimizer.result.fun == min(fun(X0), fun(points[2]))
    for again in (optimizer, pickle.loads(pickle.dumps(optimizer)), copy.copy(optimizer)):
        again.tell(points[2:], [fun(x) for x in points[2:]])  # one of them once more
        again.tell(points[1], fun(points[1]))
        assert again.result.nfev == 1 + len(points)
        assert not (again.ask() == points[0]).all(axis=1).any()


def test_asked_points_among_others():
    optimizer = Optimizer(X0, "gaussian-search", rng=0)
    drive_values(optimizer, 1)
    points = optimizer.ask()
    mixed = [points[1], X0 + 7.0, points[0]]
    optimizer.tell(mixed, [fun(x) for x in mixed])
    assert_array_equal(optimizer.ask(), points[2:])
    assert optimizer.result.nfev == 3


def test_a_lower_point_in_the_midst_of_a_batch_leads_on():
    best = np.array([0.3, 0.3, 0.3])
    optimizer = Optimizer(X0, "gaussian-search", options={"maxfev": 300}, rng=0)
    drive_values(optimizer, 2)
    points = optimizer.ask()
    optimizer.tell(points[:2], [fun(x) for x in points[:2]])
    count = optimizer.result.nfev
    optimizer.tell(best, fun(best))
    twin = pickle.loads(pickle.dumps(optimizer))
    assert twin.result.nfev == optimizer.result.nfev == count
    assert_array_equal(twin.ask(), optimizer.ask())
    assert_same(finished(optimizer, grad=None), finished(twin, grad=None))


def drive_values(optimizer, most):
    for _ in range(most):
        points = optimizer.ask()
        optimizer.tell(points, [fun(x) for x in points])


def test_a_target_in_a_part_of_a_batch_ends_the_run():
    optimizer = Optimizer(X0, "gaussian-search", options={"f_target": 1.0}, rng=0)
    drive_values(optimizer, 1)
    points = optimizer.ask()
    optimizer.tell(points[:2], [fun(points[0]), 0.5])
    assert set(optimizer.stop()) == {"target"}
    assert (optimizer.result.fun, optimizer.result.nfev) == (0.5, 3)


def test_a_point_that_lost_its_last_digits_is_told_of():
    optimizer = Optimizer(X0, "derivative-free", rng=0)
    drive_values(optimizer, 3)
    points = optimizer.ask()
    rounded = points.astype(np.float32)
    assert (rounded != points).any()
    with pytest.warns(RuntimeWarning, match="all its digits"):
        optimizer.tell(rounded, [fun(x) for x in points])


def test_parts_with_constraints_and_gradients():
    held = {"type": "ineq", "fun": None}

    def run(parts):
        optimizer = Optimizer(
            X0, "derivative-free", constraints=held, options={"maxfev": 60}, rng=0
        )
        while not optimizer.stop():
            points = optimizer.ask()[::-1] if parts else optimizer.ask()
            points = points[: max(1, len(points) // 2)] if parts else points
            before = optimizer.result.nfev
            optimizer.tell(points, [fun(x) for x in points], constraints=[1 - points[:, :1]])
            assert optimizer.result.nfev == before + len(points)
        return optimizer.result

    one, other = run(True), run(False)
    assert (one.fun, one.nfev, one.status) == (other.fun, other.nfev, other.status)
    assert one.constr_violation == other.constr_violation
