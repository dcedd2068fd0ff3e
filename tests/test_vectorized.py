"""Vectorized calls: all points of a batch as columns."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from smoothmin import minimize
from smoothmin._method import Method
from smoothmin._protocol import Ask, Finish, Iterate
from smoothmin._status import Status

X0 = np.array([-1.2, 1.0, 0.8])


def fun(x):
    return ((x - 1) ** 2).sum(axis=0)


def jac(x):
    return 2 * (x - 1)


def both(x):
    return fun(x), jac(x)


class Cloud(Method):
    """Four batches of 13 random points."""

    def run(self, problem, rng):
        for _ in range(4):
            steps = rng.standard_normal((13, problem.x0.size))
            points = problem.clip(problem.x0 + steps)
            answers = yield Ask(points, int(problem.has_gradient))
            yield Iterate(points[0], answers.values[0])
        return Finish(Status.CONVERGED, "Four batches made.")


@pytest.mark.parametrize(
    "kw",
    [
        {"fun": fun},
        {"fun": fun, "jac": jac},
        {"fun": both, "jac": True},
        {"fun": fun, "jac": "2-point"},
        {"fun": fun, "jac": "3-point", "bounds": [(-2, 1)] * 3},
        {"fun": fun, "jac": "cs"},
        {"fun": both, "jac": True, "bounds": [(-2, 2), (1, 1), (0, 3)]},
        {"fun": lambda x, a: a * fun(x), "jac": lambda x, a: a * jac(x), "args": (3.0,)},
    ],
)
@pytest.mark.parametrize("options", [{}, {"maxfev": 31}])
def test_a_vectorized_run_is_the_serial_run(kw, options):
    kw = {"x0": X0, "method": Cloud(), "rng": 2, "options": options} | kw
    serial, vectorized = minimize(**kw), minimize(**kw, vectorized=True)
    assert serial.keys() == vectorized.keys()
    for key in serial:
        # sums of columns may round differently
        if key in ("x", "fun", "jac", "x_last", "fun_last"):
            assert_allclose(serial[key], vectorized[key], rtol=1e-7, atol=1e-7)
        else:
            assert serial[key] == vectorized[key], key


def test_each_batch_is_one_call_of_its_own_array():
    shapes, kept, copies = [], [], []

    def recording(x):
        shapes.append(x.shape)
        kept.append(x)
        copies.append(x.copy())
        return fun(x)

    minimize(recording, X0, method=Cloud(), jac=jac, vectorized=True)
    assert shapes == [(3, 13)] * 4
    for one, other in zip(kept, copies, strict=True):
        assert one.flags.writeable
        assert_array_equal(one, other)

    def selfish(x):
        values = fun(x)
        x[:] = np.nan
        return values

    kw = {"x0": X0, "jac": jac, "method": "bfgs", "vectorized": True}
    assert_array_equal(minimize(selfish, **kw).x, minimize(fun, **kw).x)


def test_a_stencil_is_one_call():
    shapes = []

    def recording(x):
        shapes.append(x.shape)
        return fun(x)

    kw = {"method": "bfgs", "options": {"maxiter": 2}}
    minimize(recording, X0, jac="2-point", vectorized=True, **kw)
    # at most one more for the value of a step, which comes first
    assert set(shapes) == {(3, 4), (3, 1), (3, 3)}
    assert shapes.count((3, 4)) + shapes.count((3, 3)) == 3


@pytest.mark.parametrize("fixed", [False, True])
def test_fields_come_first(fixed):
    x0 = np.zeros((2, 2))
    bounds = [(-5, 5), (-5, 5), (0.25, 0.25), (-5, 5)] if fixed else None
    shapes = set()

    def field(x):
        shapes.add(x.shape[:2])
        values = ((x - 1) ** 2).sum(axis=(0, 1))
        return values, 2 * (x - 1)

    if fixed:
        x0[1, 0] = 0.25
    res = minimize(field, x0, jac=True, method="lbfgs", bounds=bounds, vectorized=True)
    assert shapes == {(2, 2)}
    expected = np.ones((2, 2))
    expected[1, 0] = 0.25 if fixed else 1.0
    assert_allclose(res.x, expected, atol=1e-6)


def test_a_reused_output_is_read_at_once():
    values, gradients = np.empty(1), np.empty((3, 1))

    def reusing(x):
        values[:] = fun(x)
        gradients[:] = jac(x)
        return values, gradients

    kw = {"x0": X0, "jac": True, "method": "bfgs", "vectorized": True}
    assert_array_equal(minimize(reusing, **kw).x, minimize(both, **kw).x)


def test_scalars_will_do_for_one_column():
    res = minimize(lambda x: float(fun(x)[0]), X0, jac=jac, method="bfgs", vectorized=True)
    assert res.success


@pytest.mark.parametrize(
    ("function", "jacobian", "error", "message"),
    [
        (lambda x: fun(x)[:-1], "2-point", ValueError, "must return 4 values for 4 columns"),
        (lambda x: float(fun(x).sum()), "2-point", ValueError, "must return 4 values"),
        (lambda x: fun(x) + 0j, None, TypeError, "real numbers"),
        (lambda x: None, jac, TypeError, "real numbers"),
        (lambda x: [[1.0, 2.0], [3.0]], None, ValueError, "must return .* got \\[\\[1.0, 2.0"),
        (lambda x: (fun(x), jac(x)), None, ValueError, "jac must be True"),
        (fun, lambda x: jac(x).T, ValueError, r"gradients must have shape \(3, 1\)"),
        (lambda x: (fun(x), jac(x)[:, 0]), True, ValueError, "gradients must have shape"),
        (fun, True, ValueError, r"fun must return \(value, gradient\)"),
    ],
)
def test_wrong_shapes_and_kinds_are_refused(function, jacobian, error, message):
    with pytest.raises(error, match=message):
        minimize(function, X0, jac=jacobian, method="bfgs", vectorized=True)


def test_stops_limits_and_exceptions():
    def stopping(x):
        raise StopIteration

    def failing(x):
        raise KeyError("mine")

    kw = {"method": Cloud(), "jac": "2-point", "vectorized": True, "rng": 0}
    res = minimize(stopping, X0, **kw)
    assert (res.status, res.nfev) == (99, 0)
    with pytest.raises(KeyError, match="mine"):
        minimize(failing, X0, **kw)
    res = minimize(fun, X0, options={"f_target": 2.5}, **kw)
    assert (res.status, res.success, res.nfev % 13) == (6, True, 0)
    assert res.fun <= 2.5
    res = minimize(fun, X0, options={"maxtime": 0}, **kw)
    assert (res.status, res.nfev) == (5, 13 * 4)


def test_a_target_is_found_among_nans():
    def holey(x):
        return np.where(x[0] > X0[0], np.nan, fun(x))

    kw = {"method": Cloud(), "jac": "2-point", "rng": 0, "options": {"f_target": 7.0}}
    res = minimize(holey, X0, vectorized=True, **kw)
    assert res.status == 6
    assert res.n_nonfinite > 0


def test_workers_are_ignored_with_a_warning():
    with pytest.warns(RuntimeWarning, match="workers is ignored") as caught:
        res = minimize(fun, X0, jac=jac, method="bfgs", vectorized=True, workers=2)
    assert caught[0].filename == __file__
    assert res.success
    assert minimize(fun, X0, jac=jac, method="bfgs", vectorized=True, workers=1).success


def test_vectorized_must_be_a_truth_value():
    with pytest.raises(TypeError, match="vectorized must be True or False"):
        minimize(fun, X0, vectorized="yes")
