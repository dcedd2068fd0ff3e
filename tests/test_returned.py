"""What user functions return: masked, huge, or of a wrong type in the midst of a batch."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import Bounds

from smoothmin import Optimizer, minimize
from smoothmin._method import Method
from smoothmin._protocol import Ask, Finish, Iterate
from smoothmin._status import Status

# every method is tried with the same arguments
pytestmark = pytest.mark.filterwarnings("ignore:.*takes values alone. the gradient:RuntimeWarning")

X0 = np.zeros(3)
HUGE = 10**400


class Batches(Method):
    """Three batches of five points, whose first element says which point it is."""

    needs_gradient = False

    def run(self, problem, rng):
        for turn in range(3):
            points = np.zeros((5, problem.x0.size))
            points[:, 0] = 5 * turn + np.arange(5)
            answers = yield Ask(points, int(problem.has_gradient))
            yield Iterate(points[0], answers.values[0])
        return Finish(Status.CONVERGED, "Three batches made.")


def columns(function):
    """A function of one point as a vectorized one, its values in an array of any objects."""

    def both(x):
        found = [function(column) for column in x.T]
        return np.array([f for f, _ in found], dtype=object), np.transpose([g for _, g in found])

    return both


def run(function, vectorized, **kw):
    fun = columns(function) if vectorized else function
    return minimize(fun, X0, jac=True, method=Batches(), vectorized=vectorized, **kw)


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize(
    "bad", [np.ma.masked, np.ma.array(1.0, mask=True), np.nan, HUGE, np.array(HUGE, dtype=object)]
)
def test_masked_values_and_endless_integers_are_not_finite(bad, vectorized):
    res = run(lambda x: (bad if x[0] == 7 else 100 - x[0], x), vectorized)
    assert (res.nfev, res.n_nonfinite, res.fun, res.x[0]) == (15, 1, 86.0, 14.0)


def test_a_masked_array_of_columns():
    def fun(x):
        values = np.ma.array(100 - x[0].astype(int), mask=x[0] == 7)
        return values, np.ma.array(x, mask=x == 8)

    res = minimize(fun, X0, jac=True, method=Batches(), vectorized=True)
    assert (res.nfev, res.n_nonfinite, res.fun) == (15, 1, 86.0)


def test_integers_below_the_smallest_float_are_reported_as_unbounded():
    res = run(lambda x: (-HUGE if x[0] == 7 else 1, x), False)
    assert (res.status, res.success, res.nfev) == (3, False, 10)


@pytest.mark.parametrize("as_gradient", [np.ma.array, np.ma.masked_equal, list])
def test_masked_gradients_are_not_finite(as_gradient):
    """At one point of a batch all others have an ordinary one."""
    odd = {
        np.ma.array: np.ma.array([1.0, 2, 3], mask=[0, 1, 0]),
        np.ma.masked_equal: np.ma.masked_equal([1, 2, 3], 2),
        list: [1.0, HUGE, 3],
    }[as_gradient]
    seen = []

    class Looking(Batches):
        def run(self, problem, rng):
            points = np.zeros((5, 3))
            points[:, 0] = np.arange(5)
            answers = yield Ask(points, 1)
            seen.append(answers.gradients)
            yield Iterate(points[0], answers.values[0])
            return Finish(Status.CONVERGED, "Looked.")

    for jac in (True, lambda x: odd if x[0] == 3 else x):
        fun = (lambda x: (1.0, odd if x[0] == 3 else x)) if jac is True else lambda x: 1.0
        minimize(fun, X0, jac=jac, method=Looking())
    for gradients in seen:
        assert_array_equal(np.isfinite(gradients), [[1, 1, 1]] * 3 + [[1, 0, 1]] + [[1, 1, 1]])


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("bad", [None, "four", 1j, object()])
def test_a_wrong_type_in_the_midst_of_a_batch_keeps_what_was_found(bad, vectorized):
    with pytest.raises(TypeError, match="must return") as caught:
        run(lambda x: (bad if x[0] == 8 else 100 - x[0], x), vectorized)
    res = caught.value.partial_result
    assert (res.nfev, res.fun, res.x[0]) == (8, 93.0, 7.0)


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (np.zeros(1), ValueError),  # would be spread over the row
        (np.zeros((1, 3)) + 1j, TypeError),
        (np.zeros(4), ValueError),
        ([1.0, None, 2.0], TypeError),
        ("123", TypeError),
        (None, TypeError),
    ],
)
@pytest.mark.parametrize("paired", [False, True])
def test_so_does_a_gradient_that_is_none(bad, error, paired):
    def gradient(x):
        return bad if x[0] == 8 else x

    fun, jac = (lambda x: 100 - x[0]), gradient
    if paired:
        fun, jac = (lambda x: (100 - x[0], gradient(x))), True
    with pytest.raises(error, match="gradient must") as caught:
        minimize(fun, X0, jac=jac, method=Batches())
    res = caught.value.partial_result
    assert (res.nfev, res.fun, res.x[0]) == (8, 93.0, 7.0)


@pytest.mark.parametrize(
    ("kw", "message"),
    [
        ({"x0": [HUGE, 1]}, "x0 must be finite"),
        ({"x0": np.ma.array([1.0, 2.0], mask=[0, 1])}, "x0 must be finite"),
        (
            {"bounds": np.ma.array([[0, 3], [1, 4]], mask=[[0, 0], [1, 0]])},
            "bounds must not be NaN",
        ),
        ({"bounds": [(HUGE, HUGE), (0, 1)]}, "room for a finite point"),
        ({"tol": HUGE}, "tol must not exceed the largest float"),
        ({"options": {"maxtime": HUGE}}, "maxtime must not exceed the largest float"),
        ({"options": {"f_target": -HUGE}}, "f_target must not exceed the largest float"),
    ],
)
def test_arguments_that_are_masked_or_endless_are_refused(kw, message):
    with pytest.raises(ValueError, match=message):
        minimize(lambda x: 1 / 0, **({"x0": [1.0, 2.0]} | kw))


def test_endless_integers_are_no_bounds():
    endless = Bounds([-HUGE, 0], [HUGE, HUGE])
    for bounds in (endless, [(-HUGE, HUGE), (0, HUGE)]):
        res = minimize(lambda x: (x - 3) @ (x - 3), [1.0, 1.0], method="lbfgs", bounds=bounds)
        np.testing.assert_allclose(res.x, 3, atol=1e-6)


def test_told_values_and_gradients_are_read_alike():
    optimizer = Optimizer(X0, method=Batches(), jac=True)
    points = optimizer.ask()
    values = np.ma.array(100 - points[:, 0], mask=[0, 1, 0, 0, 0])
    optimizer.tell(points, values, np.ma.array(points, mask=points == 2))
    points = optimizer.ask()
    optimizer.tell(points, [HUGE, *(100 - points[1:, 0])], points)
    points = optimizer.ask()
    optimizer.tell(points, 100 - points[:, 0], points)
    assert (optimizer.result.n_nonfinite, optimizer.result.fun) == (2, 86.0)


def test_told_gradients_that_are_masked_are_not_finite():
    seen = []

    class Looking(Batches):
        def run(self, problem, rng):
            answers = yield Ask(np.zeros((2, 3)), 1)
            seen.append(answers.gradients)
            yield Iterate(problem.x0, 0.0)
            return Finish(Status.CONVERGED, "Looked.")

    told = np.ma.masked_equal([[1, 2, 3], [4, 5, 6]], 5)
    optimizer = Optimizer(X0, method=Looking(), jac=True)
    optimizer.tell(optimizer.ask(), [1.0, 2.0], told)
    blocks = Optimizer({"a": X0}, method=Looking(), jac=True)
    blocks.tell(blocks.ask(), [1.0, 2.0], [{"a": row} for row in told])
    for gradients in seen:
        assert_array_equal(gradients, [[1, 2, 3], [4, np.nan, 6]])
    assert len(seen) == 2


def into(x, scale, out):
    out[0] = scale * x[0]
    return scale * x[0] ** 2 / 2


def test_gradients_written_into_out():
    """By Python functions, too, whose last argument is called so and has no default."""
    kw = {"method": Batches(), "args": (2.0,)}
    one = minimize(into, X0, jac=True, **kw)
    other = minimize(lambda x, s: (s * x[0] ** 2 / 2, s * x * [1, 0, 0]), X0, jac=True, **kw)
    assert one.fun == other.fun
    assert_array_equal(one.jac, other.jac)
    apart = minimize(lambda x, s: s * x[0] ** 2 / 2, X0, jac=into, **kw)
    assert_array_equal(apart.jac, other.jac)

    def numpy_like(x, s, out=None):
        assert out is None
        return np.multiply(x, s * np.array([1, 0, 0]), out)

    usual = minimize(lambda x, s: s * x[0] ** 2 / 2, X0, jac=numpy_like, **kw)
    assert_array_equal(usual.jac, other.jac)


@pytest.mark.parametrize("shape", [(6,), (2, 3), (1, 2, 3), (2, 3, 1)])
@pytest.mark.parametrize("jac", [True, None])
def test_gradients_may_be_flat_or_have_axes_of_length_one(shape, jac):
    x0 = np.arange(6.0).reshape(2, 3)

    def fun(x):
        return float(np.sum((x - 1) ** 2)), (2 * (x - 1)).reshape(shape)

    given = (fun, x0) if jac else (lambda x: fun(x)[0], x0)
    res = minimize(*given, jac=jac or (lambda x: fun(x)[1]), method="bfgs")
    assert_allclose(res.x, np.ones((2, 3)), atol=1e-12)


def test_gradients_that_are_turned_are_refused():
    x0 = np.arange(6.0).reshape(2, 3)

    def fun(x):
        return float(np.sum((x - 1) ** 2)), 2 * (x - 1).T

    with pytest.raises(ValueError, match=r"must have shape \(2, 3\), got \(3, 2\)"):
        minimize(fun, x0, jac=True, method="bfgs")
    with pytest.raises(ValueError, match=r"must have shape \(2, 3\), got \(3, 2\)"):
        minimize(
            lambda p: (fun(p["w"])[0], {"w": fun(p["w"])[1]}), {"w": x0}, jac=True, method="bfgs"
        )
