"""Ask and tell: the same run as `minimize`'s, at any pace, from any copy."""

import copy
import pickle
import tracemalloc

import numpy as np
import pytest
from ask_and_tell import X0, assert_same, finished, fun, grad
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from numpy.testing import assert_array_equal

from smoothmin import (
    LBFGS,
    GradientDescent,
    GradientSampling,
    Homotopy,
    NonlinearConstraint,
    Optimizer,
    minimize,
)
from smoothmin._registry import METHODS

# every method is tried with the same arguments
pytestmark = pytest.mark.filterwarnings("ignore:.*takes values alone. the gradient:RuntimeWarning")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("jac", [None, True, "2-point", "3-point"])
@pytest.mark.parametrize("bounds", [None, [(-3, 3), (-1.5, -1.5), (0, 1)]])
def test_goes_the_way_of_minimize(method, jac, bounds):
    options = {"maxfev": 400, "return_all": True}
    gradient = grad if jac is True else None
    optimizer = Optimizer(X0, method, jac, bounds, options=options, rng=3)
    theirs = minimize(fun, X0, (), method, gradient or jac, bounds=bounds, options=options, rng=3)
    ours = finished(optimizer, grad=gradient)
    assert_same(ours, theirs)
    assert_array_equal(ours.allvecs, theirs.allvecs)


def test_fields_of_any_shape_and_nested_methods():
    x0 = X0[:, None] * np.ones((3, 2))
    method = GradientSampling(LBFGS(), sigma=0.2, n=6)
    options = {"maxfev": 300}
    optimizer = Optimizer(x0, method, True, options=options, rng=0)
    assert optimizer.ask().shape[1:] == (3, 2)
    ours = finished(optimizer)
    assert_same(ours, minimize(fun, x0, method=method, jac=grad, options=options, rng=0))


@settings(max_examples=25, deadline=None)
@given(
    when=st.integers(0, 12),
    method=st.sampled_from(["homotopy", "gradient-sampling", "laplacian", "lbfgs"]),
    between=st.booleans(),
    how=st.sampled_from([lambda o: pickle.loads(pickle.dumps(o)), copy.deepcopy]),
)
def test_a_copy_goes_on_from_where_it_was_made(when, method, between, how):
    options = {"maxfev": 120}
    whole = finished(Optimizer(X0, method, options=options, rng=5), grad=None)
    optimizer = Optimizer(X0, method, options=options, rng=5)
    for _ in range(when):
        if optimizer.stop():
            break
        points = optimizer.ask()
        if between:
            optimizer = how(optimizer)
        optimizer.tell(points, [fun(x) for x in points])
    again = how(optimizer)
    assert_same(finished(optimizer, grad=None), whole)
    assert_same(finished(again, grad=None), whole)


def test_a_generator_given_is_not_needed_again_by_a_copy():
    rng = np.random.default_rng(1)
    optimizer = Optimizer(X0, "homotopy", options={"maxfev": 200}, rng=rng)
    points = optimizer.ask()
    optimizer.tell(points, [fun(x) for x in points])
    again = pickle.loads(pickle.dumps(optimizer))
    assert_same(finished(optimizer, grad=None), finished(again, grad=None))


def test_the_result_so_far():
    optimizer = Optimizer(X0, "lbfgs", True, rng=0)
    assert np.isnan(optimizer.result.fun)
    assert_array_equal(optimizer.result.x, X0)
    lowest = np.inf
    for _ in range(4):
        points = optimizer.ask()
        assert_array_equal(points, optimizer.ask())
        values = [fun(x) for x in points]
        lowest = min(lowest, *values)
        optimizer.tell(points, values, [grad(x) for x in points])
        res = optimizer.result
        assert res.fun == lowest == fun(res.x)
        assert (res.success, res.status) == (False, 7)


def test_what_is_asked_for_is_the_users_own():
    optimizer = Optimizer(X0, "lbfgs", True, rng=0)
    optimizer.ask()[:] = np.nan
    points = optimizer.ask()
    assert_array_equal(points, X0[None])
    values, gradients = np.array([fun(X0)]), np.array([grad(X0)])
    optimizer.tell(points, values, gradients)
    values[:], gradients[:] = np.nan, np.nan
    ours = finished(pickle.loads(pickle.dumps(optimizer)))
    assert_same(ours, minimize(fun, X0, method="lbfgs", jac=grad, rng=0))


@pytest.mark.parametrize("maxfev", [1, 7, 50])
def test_limits(maxfev):
    optimizer = Optimizer(X0, Homotopy(), options={"maxfev": maxfev}, rng=0)
    asked = 0
    while not optimizer.stop():
        points = optimizer.ask()
        asked += len(points)
        optimizer.tell(points, [fun(x) for x in points])
    assert asked == optimizer.result.nfev == maxfev
    assert set(optimizer.stop()) == {"maxfev"}


def test_a_target_and_values_that_are_none():
    optimizer = Optimizer(X0, options={"f_target": 1.0}, rng=0)
    res = finished(optimizer, grad=None)
    assert set(optimizer.stop()) == {"target"}
    assert res.success
    assert res.fun <= 1.0

    def holes(x):
        return np.nan if x[0] > 2.01 else fun(x)

    res = finished(Optimizer(X0, options={"maxfev": 200}, rng=0), holes, None)
    assert_same(res, minimize(holes, X0, options={"maxfev": 200}, rng=0))
    optimizer = Optimizer(X0, rng=0)
    optimizer.tell(optimizer.ask(), np.full(len(optimizer.ask()), np.nan))
    assert optimizer.result.n_nonfinite > 0


def test_all_variables_fixed():
    optimizer = Optimizer([1.0, 2.0], bounds=[(1, 1), (2, 2)])
    res = finished(optimizer, grad=None)
    assert res.nfev == 1
    assert res.success


@pytest.mark.parametrize(
    ("error", "name", "kw"),
    [
        (TypeError, "jac", {"jac": grad}),
        (ValueError, "jac", {"jac": "cs"}),
        (ValueError, "method", {"method": "simplex"}),
        (ValueError, "maxfev", {"options": {"maxfev": 0}}),
        (ValueError, "bounds", {"bounds": [(0, 1)]}),
        (TypeError, "rng", {"rng": "seed"}),
    ],
)
def test_bad_arguments(error, name, kw):
    with pytest.raises(error, match=name):
        Optimizer(X0, **kw)


def test_options_that_are_of_no_use_are_told():
    options = {"journal": "run.journal", "workers": 2, "disp": False}
    with pytest.warns(RuntimeWarning, match=": journal, workers$") as caught:
        optimizer = Optimizer(X0, options=options)
    assert caught[0].filename == __file__
    pickle.loads(pickle.dumps(optimizer))  # not told again


def test_a_callable_is_no_method_here():
    with pytest.raises(TypeError, match="must be a name or a Method, got"):
        Optimizer(X0, lambda fun, x0, **options: None)


@pytest.mark.parametrize("form", [tuple, iter, np.array, lambda v: np.array(v)[:, None]])
def test_values_in_any_form(form):
    optimizer = Optimizer(X0, "bfgs", options={"maxfev": 50}, rng=0)
    while not optimizer.stop():
        points = optimizer.ask()
        optimizer.tell(points, form([fun(x) for x in points]))
    theirs = minimize(fun, X0, method="bfgs", options={"maxfev": 50}, rng=0)
    assert_same(optimizer.result, theirs)


def test_what_is_told_has_to_fit():
    optimizer = Optimizer(X0, "bfgs", True, rng=0)
    points = optimizer.ask()
    for error, name, told in [
        (ValueError, "points", (points + 1e-9, [1.0], points)),
        (ValueError, "values", (points, [1.0, 2.0], points)),
        (TypeError, "fun", (points, ["one"], points)),
        (ValueError, "gradients", (points, [1.0])),
        (ValueError, "gradients", (points, [1.0], [[1.0]])),
        (ValueError, "gradients", (points, [1.0], [points[0], points[0]])),
    ]:
        with pytest.raises(error, match=name):
            optimizer.tell(*told)
    assert_same(finished(optimizer), minimize(fun, X0, method="bfgs", jac=grad, rng=0))
    with pytest.raises(RuntimeError, match="has ended"):
        optimizer.ask()
    with pytest.raises(RuntimeError, match="has ended"):
        optimizer.tell(points, [1.0], points)


def test_gradients_that_were_not_promised_are_refused():
    optimizer = Optimizer(X0, "lbfgs")
    points = optimizer.ask()
    with pytest.raises(ValueError, match="jac=True"):
        optimizer.tell(points, [fun(x) for x in points], [grad(x) for x in points])
    assert optimizer.result.nfev == 0


def test_what_was_given_is_kept_as_it_was():
    x0, bounds, rate = X0.copy(), [[-5, 5], [-5, 5], [-5, 5]], np.array([0.1, 0.2, 0.1])
    options = {"lr": rate, "shapes": [1, 1, 1], "maxfev": 60}
    optimizer = Optimizer(x0, "gradient-descent", True, bounds, options=options)
    theirs = minimize(fun, X0, method="gradient-descent", jac=grad, bounds=bounds, options=options)
    for _ in range(5):
        points = optimizer.ask()
        optimizer.tell(points, [fun(x) for x in points], [grad(x) for x in points])
    x0[:], rate[:], bounds[0][0], options["maxfev"] = 9.0, 9.0, 1.9, 3
    assert_same(finished(pickle.loads(pickle.dumps(optimizer))), theirs)
    assert_same(finished(optimizer), theirs)


def test_bounds_that_can_be_read_once():
    optimizer = Optimizer(X0, "lbfgs", True, zip([-5] * 3, [5] * 3, strict=True))
    assert_same(finished(pickle.loads(pickle.dumps(optimizer))), finished(optimizer))


def told_a_few(**kw):
    optimizer = Optimizer(X0, "lbfgs", True, **kw)
    for _ in range(4):
        points = optimizer.ask()
        optimizer.tell(points, [fun(x) for x in points], [grad(x) for x in points])
    return optimizer


def test_pickles_of_another_version_are_refused(monkeypatch):
    pickled = pickle.dumps(told_a_few())
    monkeypatch.setattr("smoothmin.__version__", "9.9")
    with pytest.raises(ValueError, match=r"version .* was pickled, this is 9\.9"):
        pickle.loads(pickled)


def test_replays_that_ask_for_something_else_are_refused(monkeypatch):
    pickled = pickle.dumps(told_a_few())
    spread = Optimizer._next
    monkeypatch.setattr(Optimizer, "_next", lambda self, told: spread(self, told) * (1 + 1e-12))
    with pytest.raises(ValueError, match="asks for other points"):
        pickle.loads(pickled)


def drive(optimizer, fun, grad, most):
    """Tell it what it asks for, point by point, so many times."""
    for _ in range(most):
        points = optimizer.ask()
        optimizer.tell(points, [fun(x) for x in points], [grad(x) for x in points])


def test_what_was_told_needs_little_memory():
    n, steps = 30_000, 100
    method = GradientSampling(GradientDescent(lr=1e-3, gtol=0), sigma=0.1, n=3)
    optimizer = Optimizer(np.ones(n), method, True, rng=0)
    tracemalloc.start()
    drive(optimizer, lambda x: x @ x, lambda x: 2 * x, steps)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert optimizer.result.nfev == 3 * steps
    assert peak < 0.75 * 3 * steps * n * 8


STATEFUL = [
    "bfgs",
    "lbfgs",
    GradientDescent(line_search="armijo"),
    GradientDescent(lr=1e-4, momentum=0.9),
]


@pytest.mark.parametrize("method", ["lbfgs", *STATEFUL[2:]])
def test_searches_keep_their_state_not_what_they_were_told(method):
    n, steps = 1000, 300
    optimizer = Optimizer(np.full(n, -1.2), method, True)
    drive(optimizer, rosen, rosen_der, steps)
    assert len(pickle.dumps(optimizer)) < 0.3 * steps * n * 8


def test_gradients_that_are_not_asked_for_are_not_kept():
    sizes = []
    for gradients in (True, None):
        optimizer = Optimizer(np.ones(20), "model-descent", gradients, rng=0)
        for _ in range(50):
            points = optimizer.ask()
            more = [points] if gradients else []
            optimizer.tell(points, [fun(x) for x in points], *more)
        sizes.append(len(pickle.dumps(optimizer)))
    assert abs(sizes[0] - sizes[1]) < 100


N = 40


def rosen(x):
    return float(100 * np.sum((x[1:] - x[:-1] ** 2) ** 2) + np.sum((1 - x[:-1]) ** 2))


def rosen_der(x):
    inner = 200 * (x[1:] - x[:-1] ** 2)
    return np.append(-2 * x[:-1] * inner - 2 * (1 - x[:-1]), 0) + np.insert(inner, 0, 0)


@pytest.mark.parametrize("method", STATEFUL)
@pytest.mark.parametrize("bounds", [None, [(-1.5, 0.9)] * N])
@pytest.mark.parametrize("unit", [1.0, 1e-130])
@pytest.mark.parametrize("keeps", [True, False])
def test_a_state_goes_on_as_the_run_told_again(method, bounds, unit, keeps, monkeypatch):
    if method == STATEFUL[3]:
        unit = 1.0  # a rate has a unit
    kw = {"options": {"maxfev": 150}, "rng": 0}
    x0 = np.full(N, -1.2)

    def value(x):
        return unit * rosen(x)

    def gradient(x):
        return unit * rosen_der(x)

    whole = minimize(value, x0, method=method, jac=gradient, bounds=bounds, **kw)
    if not keeps:
        monkeypatch.setattr(Optimizer, "_keep_state", lambda self: None)
    optimizer, states = Optimizer(x0, method, True, bounds, **kw), 0
    while not optimizer.stop():
        drive(optimizer, value, gradient, 1)
        states += bool(optimizer._state)
        if optimizer.result.nfev % 20 == 0:
            optimizer = pickle.loads(pickle.dumps(optimizer))
    assert (states > 10) == keeps
    assert_same(optimizer.result, whole)


class Machine(RuleBasedStateMachine):
    """An optimizer that is asked, told, copied and told nonsense, beside `minimize`'s run."""

    @initialize(
        method=st.sampled_from(sorted(METHODS)),
        jac=st.sampled_from([None, True, "2-point"]),
        bounds=st.sampled_from([None, [(-3, 3), (-1.5, -1.5), (0, 1)]]),
        maxfev=st.integers(1, 60),
        seed=st.integers(0, 3),
    )
    def begin(self, method, jac, bounds, maxfev, seed):
        kw = {"bounds": bounds, "options": {"maxfev": maxfev}, "rng": seed}
        self.gradients = jac is True
        self.asked = []  # minimize's points in order

        def recorded(x):
            self.asked.append(x.copy())
            return fun(x)

        self.theirs = minimize(
            recorded, X0, method=method, jac=grad if self.gradients else jac, **kw
        )
        self.optimizer, self.told = Optimizer(X0, method, jac, **kw), 0
        self.lowest, self.left = np.inf, self.next_batch()

    def next_batch(self):
        return [] if self.optimizer.stop() else list(self.optimizer.ask())

    def tell_these(self, which, extra=()):
        """Tell some of what is left, and again what was told already."""
        points = [self.left[k] for k in which]
        self.optimizer.tell(*self.arguments([*points, *extra]))
        self.told += len(points)
        self.lowest = min([self.lowest, *map(fun, points)])
        self.before = points
        self.left = [x for k, x in enumerate(self.left) if k not in which] or self.next_batch()

    def arguments(self, points):
        given = [points, [fun(x) for x in points]]
        return [*given, [grad(x) for x in points]] if self.gradients else given

    @precondition(lambda self: not self.optimizer.stop())
    @rule(count=st.integers(1, 12))
    def tell(self, count):
        for _ in range(count):
            if self.optimizer.stop():
                return
            self.tell_these(range(len(self.left)))

    @precondition(lambda self: not self.optimizer.stop())
    @rule(data=st.data())
    def tell_a_part_in_any_order(self, data):
        places = st.integers(0, len(self.left) - 1)
        which = data.draw(st.lists(places, unique=True, min_size=1, max_size=8))
        self.tell_these(which)

    @precondition(lambda self: not self.optimizer.stop() and getattr(self, "before", None))
    @rule(data=st.data())
    def tell_again(self, data):
        extra = data.draw(st.lists(st.sampled_from(self.before), max_size=2))
        self.tell_these([0], [x for x in extra if not any((x == y).all() for y in self.left)])

    @precondition(lambda self: not self.optimizer.stop())
    @rule(data=st.data())
    def tell_nonsense(self, data):
        points = self.optimizer.ask()
        arguments = self.arguments(points)
        which = data.draw(st.integers(0, len(arguments) - 1))
        wrong = data.draw(st.sampled_from([[], "no", np.zeros(1 + len(points)), [[1.0, 2.0]]]))
        arguments[which] = wrong
        with pytest.raises((TypeError, ValueError)):
            self.optimizer.tell(*arguments)

    @rule(how=st.sampled_from([copy.copy, copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))]))
    def replace(self, how):
        self.optimizer = how(self.optimizer)

    @precondition(lambda self: self.optimizer.stop())
    @rule()
    def ask_after_the_end(self):
        with pytest.raises(RuntimeError, match="has ended"):
            self.optimizer.ask()

    @invariant()
    def goes_the_way_of_minimize(self):
        res = self.optimizer.result
        assert res.nfev == self.told <= self.theirs.nfev
        if self.optimizer.stop():
            assert_same(res, self.theirs)
            return
        if self.told:
            assert res.fun == self.lowest
        points = self.optimizer.ask()
        assert_array_equal(points, self.left)
        missing = self.asked[: self.told + len(points)]
        assert sum((x == points[-1]).all() for x in missing) > 0


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=20, stateful_step_count=8, deadline=None)


@pytest.mark.parametrize(
    "held",
    [
        {"type": "ineq", "fun": lambda x, c: c - x[0], "args": (1.0,)},
        NonlinearConstraint(lambda x: x[0], -1, 1, jac=lambda x: [[1.0, 0, 0]]),
    ],
)
def test_functions_of_constraints_need_not_pickle(held):
    optimizer = Optimizer(X0, "sqp", constraints=[held], options={"maxfev": 40}, rng=0)
    while not optimizer.stop():
        points = optimizer.ask()
        optimizer = pickle.loads(pickle.dumps(optimizer))
        optimizer.tell(points, [fun(x) for x in points], constraints=[1 - points[:, :1]])
    assert optimizer.result.constr_violation == 0
