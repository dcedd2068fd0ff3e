"""Objectives that numba has compiled: the same runs as those of the same functions from Python."""

import pickle
from collections import namedtuple

import numba
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from smoothmin import GradientDescent, GradientSampling, minimize, smooth
from smoothmin._domain import Domain
from smoothmin._limits import Limits
from smoothmin._source import Objective
from smoothmin.compiled import source, trampoline
from smoothmin.compiled.source import Compiled

Scales = namedtuple("Scales", "low high")


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Compile before the first batch instead of when it pays."""
    monkeypatch.setattr(source, "PRICE", 0.0)


@pytest.fixture
def loops(monkeypatch):
    """How many points compiled loops have evaluated."""
    counted = []
    inner = Compiled._in_loops

    def counting(self, trampoline, points, *rest):
        block = inner(self, trampoline, points, *rest)
        counted.append(len(block[0]))
        return block

    in_one = Compiled._summed

    def counting_sums(self, points, *rest):
        before = len(counted)
        block = in_one(self, points, *rest)
        if len(counted) == before:
            counted.append(len(block[0]))
        return block

    monkeypatch.setattr(Compiled, "_in_loops", counting)
    monkeypatch.setattr(Compiled, "_summed", counting_sums)
    return counted


def bent(x, slopes):
    """The sum of i * abs(x_i), and its gradient."""
    total = 0.0
    for i in range(x.size):
        total += (i + 1) * abs(x[i])
        slopes[i] = (i + 1) * np.sign(x[i])
        x[i] = np.nan  # its own to change
    return total


paired_into_out = numba.njit(bent)


@numba.njit
def value(x):
    return paired_into_out(x, x)


@numba.njit
def gradient(x):
    slopes = np.empty_like(x)
    paired_into_out(x, slopes)
    return slopes


@numba.njit
def both(x):
    slopes = np.empty_like(x)
    return paired_into_out(x, slopes), slopes


@numba.njit
def both_into_out(x, out):
    return paired_into_out(x, out)


@numba.njit
def gradient_into_out(x, out):
    for i in range(1, x.size):  # what is not written is zero
        out[i] = (i + 1) * np.sign(x[i])


def from_python(function):
    """The same function, not recognized as compiled."""
    if function is None or function is True:
        return function
    if function in (both_into_out, gradient_into_out):
        return lambda x, out: function(x, out)
    return lambda *given: function(*given)


def assert_same(one, other):
    assert one.keys() == other.keys()
    for key in one:
        if key == "history":
            continue
        assert_array_equal(one[key], other[key], err_msg=key)


def run(fun, jac, **kw):
    defaults = {"method": GradientSampling(n=20, sigma=0.3), "rng": 1, "options": {"maxfev": 900}}
    return minimize(fun, jac=jac, **(defaults | kw))


X0 = np.array([2.0, -1.0, 0.5, 1.5])
FORMS = {
    "value": (value, None),
    "pair": (both, True),
    "apart": (value, gradient),
    "pair into out": (both_into_out, True),
    "apart into out": (value, gradient_into_out),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_run_is_that_from_python_bit_for_bit(form, loops):
    fun, jac = FORMS[form]
    assert_same(run(fun, jac, x0=X0), run(from_python(fun), from_python(jac), x0=X0))
    assert sum(loops) > 200


@pytest.mark.parametrize("aggregate", ["softmin", "max", "min-norm", "min-value"])
def test_other_aggregates_take_rows(aggregate, loops):
    kw = {"x0": X0, "method": GradientSampling(n=20, sigma=0.3, aggregate=aggregate)}
    assert_same(run(both, True, **kw), run(from_python(both), True, **kw))
    assert loops


@pytest.mark.parametrize(
    "bounds",
    [[(-3, 3), (-3, 0), (0.2, 3), (0, 3)], [(None, None), (-1, -1), (0.5, 0.5), (None, 9)]],
)
@pytest.mark.parametrize("form", ["pair", "apart into out"])
def test_bounds_and_fixed_variables(bounds, form, loops):
    fun, jac = FORMS[form]
    kw = {"x0": X0, "bounds": bounds}
    assert_same(run(fun, jac, **kw), run(from_python(fun), from_python(jac), **kw))
    assert loops


def test_unbounded_runs_with_fixed_variables_sum_in_the_loop(loops):
    bounds = [(None, None), (-1, -1), (None, None), (None, None)]
    kw = {"x0": X0, "bounds": bounds}
    assert_same(run(both, True, **kw), run(from_python(both), True, **kw))
    assert loops


@numba.njit
def with_args(x, a, rows, columns, strided, scales, k, flag, nothing, power=2, more=True):
    total, g = scales.high[0] * a, np.zeros(x.size)
    for i in range(rows.shape[0]):
        r = strided[i]
        for j in range(x.size):
            r += (rows[i, j] + columns[i, j]) * x[j]
        total += scales.low * r * r
        for j in range(x.size):
            g[j] += 2 * scales.low * r * (rows[i, j] + columns[i, j])
    if flag and more and nothing is None:
        for j in range(x.size):
            total += k * x[j] ** power
            g[j] += 2 * k * x[j]
    return total, g


def test_args_of_many_types_and_layouts(loops):
    rng = np.random.default_rng(0)
    rows, columns = rng.standard_normal((2, 6, 4))
    rows.flags.writeable = False
    strided = np.arange(12.0)[::-2]
    scales = Scales(np.float32(0.5), (2.0, 1))
    args = (1.5, rows, np.asfortranarray(columns), strided, scales, 3, True, None)
    kw = {"x0": X0, "args": args}
    assert_same(run(with_args, True, **kw), run(from_python(with_args), True, **kw))
    assert loops


@numba.njit
def batch_loss(x, batch):
    total, g = 0.0, np.empty(x.size)
    for i in range(x.size):
        total += (x[i] - batch[i]) ** 2
        g[i] = 2 * (x[i] - batch[i])
    return total, g


def test_an_array_in_args_may_change_between_steps(loops):
    def go(fun):
        batch = np.zeros(4)
        method = GradientSampling(GradientDescent(lr=0.1, gtol=0), sigma=0.1, n=10)

        def callback(x):
            batch[:] = np.round(x, 3) / 2

        options = {"maxiter": 30, "result": "last"}
        kw = {"args": (batch,), "method": method, "callback": callback, "options": options}
        return run(fun, True, x0=X0, **kw)

    assert_same(go(batch_loss), go(from_python(batch_loss)))
    assert loops


@numba.njit
def field(x):
    g = np.empty(x.shape)
    total = 0.0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            total += abs(x[i, j] - i)
            g[i, j] = np.sign(x[i, j] - i)
    return total, g[::-1][::-1]  # of another layout


def test_arrays_of_several_dimensions(loops):
    x0 = np.arange(6.0).reshape(2, 3)
    assert_same(run(field, True, x0=x0), run(from_python(field), True, x0=x0))
    assert loops


@numba.njit
def line(x):
    x[0] -= 1
    slope = 2 * x[0]
    x[0] *= x[0]
    return x, slope


def test_one_variable_arrays_of_one_value_and_gradients_that_are_numbers(loops):
    assert_same(run(line, True, x0=3.0), run(from_python(line), True, x0=3.0))
    assert loops


@numba.njit
def square(x):
    total, g = 0.0, np.empty(x.size)
    for i in range(x.size):
        total += x[i] ** 2
        g[i] = 2 * x[i]
    return total, g


@numba.njit
def holey(x):
    total, g = square(x)
    if x[1] < -1.2:
        g[2] = np.inf
    return (np.nan if x[0] > 2.2 else np.inf if x[2] > 0.9 else total), g


def test_samples_that_are_not_finite_are_left_out(loops):
    one, other = run(holey, True, x0=X0), run(from_python(holey), True, x0=X0)
    assert_same(one, other)
    assert loops
    assert one.n_left_out > 0 < one.n_nonfinite


@numba.njit
def failing(x):
    if x[0] > 2.2:
        raise KeyError("mine")
    return square(x)


@numba.njit
def stopping(x):
    if x[0] > 2.2:
        raise StopIteration
    return square(x)


@numba.njit
def short(x):
    total, g = square(x)
    return total, g[: 3 if x[0] > 2.2 else 4]


@pytest.mark.parametrize(("fun", "error"), [(failing, KeyError), (short, ValueError)])
def test_what_is_raised_is_raised_where_it_was(fun, error, loops):
    caught = []
    for function in (fun, from_python(fun)):
        with pytest.raises(error) as raised:
            run(function, True, x0=X0)
        caught.append(raised.value)
    assert str(caught[0]) == str(caught[1])
    assert_same(caught[0].partial_result, caught[1].partial_result)
    assert loops
    assert run(stopping, True, x0=X0).status == 99
    assert_same(run(stopping, True, x0=X0), run(from_python(stopping), True, x0=X0))


@numba.njit
def sulking(x, tries):
    """Raises at every third call, but not twice."""
    tries[0] += 1
    if tries[0] % 3 == 0:
        raise ValueError("not now")
    return square(x)


def test_a_point_is_evaluated_again_in_python_before_an_error_is_believed(loops):
    assert_same(
        run(sulking, True, x0=X0, args=(np.zeros(1),)),
        run(from_python(square), True, x0=X0),
    )
    assert loops


def test_limits_end_a_run_within_a_batch(loops):
    for options in ({"f_target": 1.2}, {"maxfev": 77}, {"maxtime": 0}):
        one = run(both, True, x0=X0, options=options)
        assert_same(one, run(from_python(both), True, x0=X0, options=options))
    assert loops


@numba.njit
def speaks(x, word):
    return len(word) * 1.0, x


@numba.njit
def interpreted(x):
    with numba.objmode(y="float64"):
        y = float(abs(x[0]))
    return y, x


@numba.njit
def complex_valued(x):
    return 1j * x[0]


def test_what_cannot_be_compiled_stays_in_python_in_silence(loops):
    assert run(speaks, True, x0=X0, args=("word",)).nfev > 0
    assert run(interpreted, True, x0=[1.0]).nfev > 0
    with pytest.raises(TypeError, match="real number"):
        run(complex_valued, None, x0=X0, method="derivative-free")
    assert run(value, from_python(gradient), x0=X0).nfev > 0
    assert not loops


def test_compilation_waits_until_as_much_was_spent(monkeypatch, loops):
    monkeypatch.setattr(source, "PRICE", np.inf)
    trampoline.compilation.cache_clear()
    one = run(both, True, x0=X0)
    assert not loops
    monkeypatch.setattr(source, "PRICE", 1e-6)
    other = run(both, True, x0=X0)  # from the second batch on, since the first run paid
    assert loops
    assert_same(one, other)


def test_smoothed_functions_and_their_copies(loops):
    value_, gradient_ = smooth(both, jac=True, sigma=0.3, rng=0)
    again, _ = pickle.loads(pickle.dumps((value_, gradient_)))
    assert value_(X0) == again(X0)
    plain, _ = smooth(from_python(both), jac=True, sigma=0.3, rng=0)
    assert plain(X0) == value_(X0)
    assert loops


@numba.njit
def pole_or_no_answer(x):
    if x[0] > 0.3:
        raise ValueError("beyond")
    slopes = np.empty_like(x)
    value = paired_into_out(x.copy(), slopes)
    if x[1] > 0.2:
        slopes[1] = np.inf
    return (np.nan if x[2] > 0.2 else value), slopes


def test_sums_go_on_behind_what_only_python_can_answer(loops):
    """Samples left out, raised at, and between them, time after time in the same room."""
    kw = {"jac": True, "sigma": 0.3, "n": 60, "rng": 3}
    ours, theirs = smooth(pole_or_no_answer, **kw), smooth(pole_or_no_answer.py_func, **kw)
    for x in ([-2.0, -2, -2, 0], [-2, -2, -2, 1], [-2, 0, 0, 1], [-2, 0, 0, 0], [-2, -2, -2, 2]):
        assert ours[0](x) == theirs[0](x)
        assert_array_equal(ours[1](x), theirs[1](x))
    for value in (ours[0], theirs[0]):
        with pytest.raises(ValueError, match="beyond"):
            value([0.2, -1, -1, 0])
    assert ours[0]([-2, 0, 0, 3]) == theirs[0]([-2, 0, 0, 3])
    assert loops


def test_negative_zeros_stay_negative(loops):
    """At a bound, say, where points are evaluated as they are."""

    @numba.njit
    def sign_of_zero(x):
        return np.copysign(1.0, x[0]), x

    points = np.array([[-0.0], [0.0], [1.0], [-0.0]])
    compiled = source.Compiled(Objective(sign_of_zero, True, ()), Domain.build(np.ones(1), None))
    assert_array_equal(compiled(points, 1, Limits())[0], [-1, 1, 1, -1])
    assert loops == [4]


@numba.njit
def backwards(x):
    return x.sum(), np.arange(float(x.size))[::-1] * x[0]


@numba.njit
def whole_slopes(x):
    return x.sum(), np.ones(x.size, np.int64)


@numba.njit
def transposed(x):
    return x.sum(), (np.arange(6.0).reshape(3, 2) * x[0, 0]).T


@pytest.mark.parametrize(
    ("fun", "x"), [(backwards, X0), (whole_slopes, X0), (transposed, np.ones((2, 3)))]
)
def test_gradients_of_any_layout_are_summed(fun, x, loops):
    kw = {"jac": True, "sigma": 0.3, "rng": 3}
    ours, theirs = smooth(fun, **kw), smooth(from_python(fun), **kw)
    for point in (x, x + 1):  # the second time all in one call
        assert ours[0](point) == theirs[0](point)
        assert_array_equal(ours[1](point), theirs[1](point))
    assert loops
