"""Every registered method against every pathology, and the promises that hold for all."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from smoothmin import minimize
from smoothmin._registry import METHODS, method_class
from smoothmin._status import Status

# every method is tried with the same arguments
pytestmark = pytest.mark.filterwarnings("ignore:.*takes values alone. the gradient:RuntimeWarning")

SUCCESS = {Status.CONVERGED, Status.TARGET}
FORMS = ["values", "paired", "callable", "2-point"]

ROUGH = {"coordinate-search", "directional-smoothing"}  # the rest is for another method

every_method = pytest.mark.parametrize("method", METHODS)
every_form = pytest.mark.parametrize("form", FORMS)


class Recorded:
    """A function and its gradient in any form, with all that was evaluated."""

    def __init__(self, value, gradient, form):
        self.value, self.gradient, self.form = value, gradient, form
        self.points, self.values = [], []

    def __call__(self, x):
        point = x.copy()
        value = self.value(x)
        self.points.append(point)
        self.values.append(float(value))
        return (value, self.gradient(point)) if self.form == "paired" else value

    @property
    def jac(self):
        forms = {"values": None, "paired": True, "callable": self.gradient}
        return forms.get(self.form, self.form)

    def minimize(self, x0, method, maxfev=300, **kw):
        options = {"maxfev": maxfev} | kw.pop("options", {})
        kw = {"rng": 0} | kw
        res = minimize(self, x0, method=method, jac=self.jac, options=options, **kw)
        self.check(res, np.asarray(x0, dtype=float), options["maxfev"])
        return res

    def check(self, res, x0, maxfev):
        """The promises that hold whatever the function, the method, and the end."""
        values = np.array(self.values)
        assert res.nfev == len(values) <= maxfev
        assert res.n_nonfinite == np.count_nonzero(~np.isfinite(values))
        assert res.success == (res.status in SUCCESS)
        assert res.status in list(Status)
        assert isinstance(res.message, str)
        assert res.message
        assert res.method
        assert res.x.shape == x0.shape
        lowest = np.fmin.reduce(values, initial=np.inf)
        if lowest < np.inf:
            assert res.fun == lowest
            assert any(np.array_equal(res.x, x) for x in np.array(self.points)[values == lowest])
        else:
            assert not res.success
            assert_array_equal(res.x, x0)
        if res.success:
            assert np.isfinite(res.fun)


def sphere(x):
    return float(((x - 1) ** 2).sum())


def sphere_der(x):
    return 2 * (x - 1)


def rosenbrock(x):
    return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())


def rosenbrock_der(x):
    gradient = np.zeros_like(x)
    gradient[:-1] = -400 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2 * (1 - x[:-1])
    gradient[1:] += 200 * (x[1:] - x[:-1] ** 2)
    return gradient


def recorded(form, value=sphere, gradient=sphere_der):
    return Recorded(value, gradient, form)


X0 = np.array([2.0, -1.0, 0.5])


# values that are not numbers


@every_method
@every_form
def test_nan_everywhere(method, form):
    res = recorded(form, lambda x: np.nan).minimize(X0, method)
    assert (res.success, res.status) == (False, Status.NONFINITE)
    assert res.nfev <= 100


@every_method
@every_form
def test_nan_away_from_the_start(method, form):
    def value(x):
        return sphere(x) if np.abs(x - X0).max() < 1e-3 else np.nan

    fun = recorded(form, value)
    res = fun.minimize(X0, method)
    assert res.fun <= sphere(X0)


@every_method
@every_form
def test_infinity_on_a_half_space(method, form):
    def value(x):
        return sphere(x) if x[0] > 1.5 else np.inf

    res = recorded(form, value).minimize(X0, method)
    assert res.fun <= sphere(X0)
    assert res.x[0] > 1.5


@every_method
@every_form
def test_minus_infinity(method, form):
    calls = []

    def value(x):
        calls.append(1)
        return sphere(x) if len(calls) < 7 else -np.inf

    res = recorded(form, value).minimize(X0, method)
    if res.nfev >= 7:
        assert (res.success, res.status, res.fun) == (False, Status.NONFINITE, -np.inf)
        assert "unbounded" in res.message


@every_method
@pytest.mark.parametrize("form", ["paired", "callable"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite(method, form, value):
    res = recorded(form, gradient=lambda x: np.full(3, value)).minimize(X0, method)
    assert not res.success or res.njev == 0  # from values alone
    assert res.fun <= sphere(X0)


# the user's code ends the run


class Broken(Exception):
    pass


@every_method
@every_form
@pytest.mark.parametrize("at", [1, 2, 6])
def test_an_exception_passes(method, form, at):
    calls = []

    def value(x):
        calls.append(1)
        if len(calls) == at:
            raise Broken
        return rosenbrock(x)

    fun = recorded(form, value, rosenbrock_der)
    with pytest.raises(Broken) as caught:
        fun.minimize(X0, method)
    assert caught.value.partial_result.nfev == at - 1
    if at > 1:
        assert caught.value.partial_result.fun == min(fun.values)


@every_method
@every_form
@pytest.mark.parametrize("at", [1, 2, 6])
def test_stop_iteration_by_fun(method, form, at):
    calls = []

    def value(x):
        calls.append(1)
        if len(calls) == at:
            raise StopIteration
        return rosenbrock(x)

    res = recorded(form, value, rosenbrock_der).minimize(X0, method)
    assert (res.success, res.status, res.nfev) == (False, Status.CALLBACK, at - 1)


@every_method
@every_form
def test_stop_iteration_by_the_callback(method, form):
    seen = []

    def callback(intermediate_result):
        seen.append(intermediate_result)
        raise StopIteration

    res = recorded(form).minimize(X0, method, maxfev=5000, callback=callback)
    assert (res.success, res.status, res.nit) == (False, Status.CALLBACK, 1)
    assert len(seen) == 1
    assert seen[0].x.shape == X0.shape


# budgets and sizes


@every_method
@every_form
@pytest.mark.parametrize("maxfev", [1, 2, 3, 17])
def test_small_budgets(method, form, maxfev):
    res = recorded(form).minimize(X0, method, maxfev=maxfev)
    assert res.fun <= sphere(X0)
    assert res.status == Status.MAXFEV or res.nfev < maxfev or res.success


@every_method
@every_form
def test_maxiter(method, form):
    for maxiter in (0, 1, 2):
        res = recorded(form).minimize(X0, method, maxfev=3000, options={"maxiter": maxiter})
        assert res.nit <= maxiter
        assert res.fun <= sphere(X0)


@every_method
@every_form
def test_one_variable(method, form):
    res = recorded(form).minimize([3.0], method, maxfev=2000)
    assert res.fun < 1e-3


@every_method
@every_form
def test_fixed_variables(method, form):
    fun = recorded(form)
    bounds = [(None, None), (-1.0, -1.0), (-4.0, 4.0)]
    res = fun.minimize(X0, method, maxfev=2000, bounds=bounds)
    assert all(x[1] == -1.0 and -4 <= x[2] <= 4 for x in fun.points)
    assert res.fun < 4 + 1e-3


@every_method
@every_form
def test_all_variables_fixed(method, form):
    res = recorded(form).minimize(X0, method, bounds=[(x, x) for x in X0])
    assert (res.nfev, res.success, res.fun) == (1, True, sphere(X0))


@every_method
@every_form
def test_a_field(method, form):
    x0 = np.zeros((3, 4))
    fun = recorded(form)
    res = fun.minimize(x0, method, maxfev=3000)
    assert {x.shape for x in fun.points} == {(3, 4)}
    assert res.fun < 0.1 * sphere(x0)


# odd functions


@every_method
@every_form
def test_a_constant(method, form):
    res = recorded(form, lambda x: 7.0, lambda x: np.zeros(3)).minimize(X0, method, maxfev=3000)
    assert res.fun == 7.0


@every_method
@every_form
def test_a_line_without_end(method, form):
    def line(x):
        with np.errstate(over="ignore"):  # whose value is infinite before any variable is
            return float(x.sum())

    fun = recorded(form, line, np.ones_like)
    res = fun.minimize(X0, method, maxfev=3000)
    assert res.fun < -1e3
    assert not res.success
    assert np.isfinite(fun.points).all()


@every_method
@every_form
def test_a_kink(method, form):
    fun = recorded(form, lambda x: float(np.abs(x - 0.3).sum()), lambda x: np.sign(x - 0.3))
    res = fun.minimize(X0, method, maxfev=3000)
    assert res.fun < 0.5


@every_method
@every_form
def test_a_start_at_the_minimum(method, form):
    res = recorded(form).minimize(np.ones(3), method, maxfev=3000)
    assert res.fun <= 1e-15


@every_method
@every_form
def test_a_start_at_the_origin_that_is_the_minimum(method, form):
    fun = recorded(form, lambda x: 1.0 + float(x @ x), lambda x: 2 * x)
    assert abs(fun.minimize(np.zeros(3), method, maxfev=3000).fun - 1) <= 1e-12


@every_method
def test_results_can_be_printed_whatever_was_reported(method):
    for options in ({"maxfev": 1}, {"maxiter": 0}, {"maxfev": 200}):
        res = recorded("paired").minimize(X0, method, options={"history": True} | options)
        assert "History(" in repr(res)


@every_method
@every_form
@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_huge_and_tiny_values(method, form, scale):
    fun = recorded(form, lambda x: scale * sphere(x), lambda x: scale * sphere_der(x))
    res = fun.minimize(X0, method)
    assert res.fun <= scale * sphere(X0)
    assert np.isfinite(res.x).all()


@every_method
@every_form
def test_a_fun_that_changes_its_argument(method, form):
    def value(x):
        found = sphere(x)
        x[:] = np.nan
        return found

    selfish = recorded(form, value).minimize(X0, method)
    plain = recorded(form).minimize(X0, method)
    assert_array_equal(selfish.x, plain.x)
    assert selfish.nfev == plain.nfev


@every_method
@pytest.mark.parametrize("form", ["paired", "callable"])
def test_a_gradient_array_used_again(method, form):
    buffer = np.empty(3)

    def gradient(x):
        buffer[:] = sphere_der(x)
        return buffer

    again = recorded(form, gradient=gradient).minimize(X0, method)
    plain = recorded(form).minimize(X0, method)
    assert_array_equal(again.x, plain.x)
    assert again.nfev == plain.nfev


# promises


def assert_same(one, other):
    assert one.keys() == other.keys()
    for key in one:
        assert_array_equal(plain(one[key]), plain(other[key]), err_msg=key)


def plain(value):
    """An operator as an array, what else as it is."""
    return value.todense() if hasattr(value, "todense") else value


@every_method
@every_form
def test_the_same_seed_gives_the_same_run(method, form):
    fun = recorded(form, rosenbrock, rosenbrock_der)
    first, second = (
        recorded(form, rosenbrock, rosenbrock_der).minimize(X0, method, rng=7) for _ in range(2)
    )
    assert_same(first, second)
    other = fun.minimize(X0, method, rng=8)
    if not method_class(method).stochastic:
        assert_same(first, other)


@every_method
@every_form
def test_workers_give_the_serial_run(method, form):
    serial = recorded(form, rosenbrock, rosenbrock_der).minimize(X0, method)
    mapped = recorded(form, rosenbrock, rosenbrock_der).minimize(X0, method, workers=map)
    assert_same(serial, mapped)
    fun = Recorded(rosenbrock, rosenbrock_der, form)
    with ThreadPoolExecutor(2) as pool:
        threaded = minimize(
            fun, X0, method=method, jac=fun.jac, rng=0, workers=pool, options={"maxfev": 300}
        )
    assert_same(serial, threaded)


@every_method
@pytest.mark.parametrize("form", ["values", "paired"])
def test_vectorized_gives_a_run_like_the_serial_one(method, form):
    def value(x):
        values = ((x - 1) ** 2).sum(axis=0)
        return (values, 2 * (x - 1)) if form == "paired" else values

    jac = form == "paired"
    options = {"maxfev": 100}
    kw = {"method": method, "jac": jac, "rng": 0, "options": options}
    res = minimize(value, X0, vectorized=True, **kw)
    assert res.nfev <= 100
    assert res.fun <= sphere(X0)


@every_method
def test_our_objects_serve_scipy(method):
    import scipy.optimize

    chosen = method_class(method)()
    options = {"maxfev": 200, "rng": 0}
    kw = {"jac": rosenbrock_der, "options": options}
    assert_same(
        minimize(rosenbrock, X0, method=method, **kw),
        scipy.optimize.minimize(rosenbrock, X0, method=chosen, **kw),
    )


box = st.tuples(st.floats(-3, 3), st.floats(0.01, 3), st.sampled_from("bluf"))


@every_method
@pytest.mark.parametrize("form", ["values", "paired", "2-point"])
@settings(max_examples=15, deadline=None)
@given(boxes=st.lists(box, min_size=1, max_size=4), seed=st.integers(0, 9))
@example(boxes=[(0.0, 2.0, "b"), (0.0, 2**-6, "b"), (1.875, 2.693359375, "b")], seed=0)
def test_no_evaluation_leaves_the_bounds(method, form, boxes, seed):
    lower = np.array([-np.inf if kind in "uf" else low for low, _, kind in boxes])
    upper = np.array([np.inf if kind in "lf" else low + width for low, width, kind in boxes])
    x0 = np.array([low + width / 2 for low, width, _ in boxes])
    fun = recorded(form)
    res = fun.minimize(
        x0, method, maxfev=150, rng=seed, bounds=list(zip(lower, upper, strict=True))
    )
    points = np.array(fun.points)
    assert np.all(points >= lower)
    assert np.all(points <= upper)
    assert res.fun <= sphere(x0)


@every_method
@every_form
@pytest.mark.parametrize("unit", [1e-6, 1e-12, 1e-100])
def test_the_unit_of_the_value_does_not_matter(method, form, unit):
    def value(x):
        return unit * (100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2)

    def gradient(x):
        inner = 200 * unit * (x[1] - x[0] ** 2)
        return np.array([-2 * x[0] * inner - 2 * unit * (1 - x[0]), inner])

    options = {"line_search": "barzilai-borwein"} if method == "gradient-descent" else {}
    problem = Recorded(value, gradient, form)
    res = problem.minimize([-1.2, 1.0], method, maxfev=2000, options=options)
    assert res.fun < (0.5 * value(np.array([-1.2, 1.0])) if method in ROUGH else 1e-6 * unit)


@every_method
@pytest.mark.parametrize("distance", [0.0, 1e-12, 1e-9])
def test_a_start_at_the_minimum_is_a_success(method, distance):
    def gradient(x):
        return np.sinh(x - 0.3)

    problem = Recorded(lambda x: np.sum(np.cosh(x - 0.3)), gradient, "callable")
    res = problem.minimize(np.full(3, 0.3 + distance), method, maxfev=2000)
    assert res.success
