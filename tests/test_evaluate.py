"""The evaluator: samples in blocks, arrays used again, the best point."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.optimize import rosen, rosen_der

from smoothmin import minimize
from smoothmin._domain import Domain
from smoothmin._evaluate import Best, Evaluator, Ledger
from smoothmin._limits import Halt, Limits
from smoothmin._method import Method
from smoothmin._protocol import Ask, Finish, Iterate, Samples
from smoothmin._registry import METHODS
from smoothmin._source import Objective, Serial
from smoothmin._status import Status

# every method is tried with the same arguments
pytestmark = pytest.mark.filterwarnings("ignore:.*takes values alone. the gradient:RuntimeWarning")

X0 = np.array([-1.2, 1.0, 0.8])


def both(x):
    return rosen(x), rosen_der(x)


class Blocks(Method):
    """Asks three times for samples in blocks of 1, 4 and 9, and adds them up."""

    needs_gradient = False

    def run(self, problem, rng):
        for _ in range(3):
            blocks = [0.1 * rng.standard_normal((k, problem.x0.size)) for k in (1, 4, 9)]
            blocks[0][:] = 0
            taken = []

            def take(steps, values, gradients, taken=taken):
                kept = None if gradients is None else gradients.copy()
                taken.append((steps.copy(), values.copy(), kept))

            ask = Samples(problem.x0, lambda b=blocks: iter(b), int(problem.has_gradient), take)
            answers = yield ask
            if not answers.taken:
                ask.take_all(answers)
            for steps, (found, _, _) in zip(blocks, taken, strict=True):
                assert_array_equal(steps, found)
            assert_array_equal(answers.values, np.concatenate([v for _, v, _ in taken]))
            total = sum(v.sum() for _, v, _ in taken)
            gradient = None
            if problem.has_gradient:
                gradient = sum(g.sum(axis=0) for _, _, g in taken)
            yield Iterate(problem.x0, total, gradient)
        return Finish(Status.CONVERGED, "Samples taken.")


FORMS = {
    "values": {"fun": rosen, "jac": None},
    "paired": {"fun": both, "jac": True},
    "callable": {"fun": rosen, "jac": rosen_der},
    "2-point": {"fun": rosen, "jac": "2-point"},
    "fixed": {"fun": both, "jac": True, "bounds": [(-2, 2), (1, 1), (None, None)]},
    "field": {"fun": lambda x: (float((x**4).sum()), 4 * x**3), "jac": True, "x0": np.ones((2, 2))},
}


def run(form, **kw):
    steps = []
    kw = {"x0": X0, "method": Blocks(), "rng": 3} | FORMS[form] | kw
    res = minimize(callback=lambda intermediate_result: steps.append(intermediate_result), **kw)
    return res, steps


@pytest.mark.parametrize("form", FORMS)
def test_samples_do_not_depend_on_who_evaluates_them(form):
    serial, steps = run(form)
    assert len(steps) == 3
    with ThreadPoolExecutor(2) as pool:
        for workers in (map, pool):
            other, others = run(form, workers=workers)
            assert serial.keys() == other.keys()
            for key in serial:
                assert_array_equal(serial[key], other[key])
            for one, two in zip(steps, others, strict=True):
                assert_array_equal(one.fun, two.fun)
                assert_array_equal(one.jac, two.jac)


@pytest.mark.parametrize("form", ["values", "paired", "callable", "2-point"])
@pytest.mark.parametrize("maxfev", range(1, 43))
def test_limits_hold_among_samples(form, maxfev):
    values = []

    def fun(x):
        values.append(rosen(x))
        return FORMS[form]["fun"](x)

    res, _ = run(form, fun=fun, options={"maxfev": maxfev})
    assert res.nfev == len(values) == maxfev or res.success
    assert res.fun == min(values) == rosen(res.x)


def test_a_target_ends_samples_at_the_value_that_reaches_it():
    res, _ = run("paired", options={"f_target": 25.0})
    mapped, _ = run("paired", options={"f_target": 25.0}, workers=map)
    assert res.status == mapped.status == 6
    assert_array_equal(res.x, mapped.x)
    assert res.nfev == mapped.nfev


@pytest.mark.parametrize("form", ["values", "paired", "callable"])
@pytest.mark.parametrize("keep", [lambda x: x, lambda x: x[1:], lambda x: x.reshape(-1, 1)[::2]])
def test_what_fun_keeps_of_its_argument_stays_as_it_was(form, keep):
    kept, copies = [], []

    def fun(x):
        kept.append(keep(x))
        copies.append(keep(x).copy())
        return FORMS[form]["fun"](x)

    run(form, fun=fun)
    assert len(kept) == (45 if form == "values" else 42)
    assert_array_equal(np.array(kept), np.array(copies))


def test_what_fun_does_to_its_argument_does_not_matter():
    def fun(x):
        found = both(x)
        x[:] = np.nan
        return found

    plain, selfish = run("paired")[0], run("paired", fun=fun)[0]
    assert_array_equal(plain.x, selfish.x)
    assert plain.fun == selfish.fun


def test_arrays_of_an_answer_belong_to_the_asker():
    domain = Domain.build(X0, None)
    evaluator = Evaluator(Serial(Objective(both, True, ()), domain), Ledger(domain, Limits(), None))
    points = X0 + np.zeros((4, 3))
    first = evaluator.answer(Ask(points, 1))
    values, gradients = first.values.copy(), first.gradients.copy()
    evaluator.answer(Ask(points + 1, 1))
    assert_array_equal(first.values, values)
    assert_array_equal(first.gradients, gradients)
    first.gradients[:] = np.nan
    points[:] = np.nan
    assert_array_equal(evaluator.ledger.best.x, X0)
    assert_array_equal(evaluator.ledger.best.grad, rosen_der(X0))


def test_points_in_any_memory_order_are_understood():
    domain = Domain.build(X0, None)
    points = np.random.default_rng(0).standard_normal((3, 5)).T
    evaluator = Evaluator(
        Serial(Objective(rosen, None, ()), domain), Ledger(domain, Limits(), None)
    )
    answers = evaluator.answer(Ask(points[:, ::-1], 0))
    assert_array_equal(answers.values, [rosen(row) for row in points[:, ::-1]])


def test_the_best_is_the_lowest_and_ties_go_to_the_known_gradient():
    best = Best()
    x, g = np.array([1.0]), np.array([2.0])
    best.offer(np.inf, x, g)
    best.offer(np.nan, x, g)
    assert best.x is None
    best.offer(3.0, x, None)
    best.offer(4.0, 2 * x, g)
    assert (best.fun, best.grad) == (3.0, None)
    best.offer(3.0, 3 * x, None)
    assert_array_equal(best.x, x)
    best.offer(3.0, 4 * x, g)
    assert_array_equal(best.x, 4 * x)
    assert_array_equal(best.grad, g)
    best.offer(3.0, 5 * x, g)
    assert_array_equal(best.x, 4 * x)


def test_a_value_first_seen_alone_gets_its_gradient_later():
    domain = Domain.build(X0, None)
    evaluator = Evaluator(Serial(Objective(both, True, ()), domain), Ledger(domain, Limits(), None))
    evaluator.answer(Ask(X0[None, :], 0))
    assert evaluator.ledger.best.grad is None
    assert evaluator.ledger.njev == 0
    evaluator.answer(Ask(X0[None, :], 1))
    assert_array_equal(evaluator.ledger.best.grad, rosen_der(X0))
    assert (evaluator.ledger.nfev, evaluator.ledger.njev) == (2, 1)


@pytest.mark.parametrize("order", [[np.nan, 3.0, np.inf, 1.0], [2.0, np.nan, np.nan, np.nan]])
def test_no_value_that_is_not_finite_hides_the_lowest(order):
    values = iter(order)
    domain = Domain.build([0.0], None)
    evaluator = Evaluator(
        Serial(Objective(lambda x: next(values), None, ()), domain), Ledger(domain, Limits(), None)
    )
    answers = evaluator.answer(Ask(np.arange(1.0, 5.0)[:, None], 0))
    assert_array_equal(answers.values, order)
    assert evaluator.ledger.best.fun == np.nanmin(order)
    assert evaluator.ledger.n_nonfinite == np.count_nonzero(~np.isfinite(order))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 2])
def test_nothing_from_a_point_on_that_is_not_finite_is_evaluated(bad, place):
    seen = []

    def fun(x):
        seen.append(x.copy())
        return float(np.abs(x).max())

    domain = Domain.build(X0, None)
    evaluator = Evaluator(Serial(Objective(fun, None, ()), domain), Ledger(domain, Limits(), None))
    points = np.full((4, 3), 1e200)  # of squares that overflow, which is no harm
    assert len(evaluator.answer(Ask(points, 0)).values) == 4
    points[place, 1] = bad
    with np.errstate(all="raise"), pytest.raises(Halt, match="not finite") as halt:
        evaluator.answer(Ask(points, 0))
    assert halt.value.status == Status.NONFINITE
    assert evaluator.ledger.nfev == len(seen) == 4 + place
    samples = Samples(points[place], lambda: iter([np.zeros((2, 3))]), 0, lambda *_: None)
    with pytest.raises(Halt, match="not finite"):
        evaluator.answer(samples)
    assert len(seen) == 4 + place


def test_a_limit_reached_keeps_what_came_before():
    domain = Domain.build(X0, None)
    evaluator = Evaluator(
        Serial(Objective(both, True, ()), domain), Ledger(domain, Limits(maxfev=3), None)
    )
    points = X0 + np.arange(5.0)[:, None] / 10
    with pytest.raises(Halt) as caught:
        evaluator.answer(Ask(points, 1))
    assert caught.value.status == Status.MAXFEV
    assert (evaluator.ledger.nfev, evaluator.ledger.njev) == (3, 3)
    assert evaluator.ledger.best.fun == min(rosen(x) for x in points[:3])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("jac", [None, "3-point", True])
@pytest.mark.parametrize("unit", [1e-300, 1.0, 1e300])
def test_underflow_and_overflow_are_expected_even_where_numpy_raises(method, jac, unit):
    def fun(x):
        with np.errstate(all="ignore"):
            value, gradient = unit * float(x @ x), unit * 2 * x
        return (value, gradient) if jac is True else value

    options = {"maxfev": 300}
    with np.errstate(all="raise"):
        ours = minimize(fun, [1.0, 2.0], method=method, jac=jac, options=options, rng=0)
    theirs = minimize(fun, [1.0, 2.0], method=method, jac=jac, options=options, rng=0)
    assert ours.fun == theirs.fun
    assert ours.nfev == theirs.nfev


@pytest.mark.filterwarnings("ignore:.*converting a masked element:UserWarning")
@pytest.mark.parametrize("how", ["serial", "timed", "mapped", "vectorized"])
def test_a_masked_value_is_none_whoever_evaluates(how):
    def one(x):
        return np.ma.masked if x[0] < 0.9 else 5 + float(((x - 1) ** 2).sum())

    def many(x):
        return np.ma.masked_where(x[0] < 0.9, 5 + ((x - 1) ** 2).sum(axis=0))

    how = {
        "serial": {},
        "timed": {"options": {"maxtime": 60}},
        "mapped": {"workers": map},
        "vectorized": {"vectorized": True},
    }[how]
    fun = many if "vectorized" in how else one
    res = minimize(fun, [2.0, 2.0], rng=0, **how)
    assert 5 <= res.fun < 5.01
    assert res.n_nonfinite > 0
