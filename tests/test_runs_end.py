"""Runs without any limit end by themselves, whatever the function; none asks for all memory."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from smoothmin import GradientSampling, Homotopy, Method, NoImprovement, Optimizer, minimize
from smoothmin._protocol import Ask, Iterate
from smoothmin._registry import METHODS, method_class
from smoothmin._status import Status

# every method is tried with the same arguments
pytestmark = pytest.mark.filterwarnings("ignore:.*takes values alone. the gradient:RuntimeWarning")

X0 = np.array([2.0, -1.0, 0.5])
MOST = 25_000  # evaluations of three variables
every_method = pytest.mark.parametrize("method", METHODS)


def sphere(x):
    return float(((x - 1) ** 2).sum())


def kinks(x):
    return float(np.abs(x - 0.3).sum())


rng = np.random.default_rng(0)
PATHOLOGIES = {
    "a wall": (lambda x: sphere(x) if x[0] > 1.5 else np.inf, lambda x: 2 * (x - 1)),
    "an island": (
        lambda x: sphere(x) if np.abs(x - X0).max() < 1e-3 else np.nan,
        lambda x: 2 * (x - 1),
    ),
    "huge gradients": (sphere, lambda x: 1e160 * 2 * (x - 1)),
    "huge values": (lambda x: 1e160 * kinks(x), lambda x: 1e160 * np.sign(x - 0.3)),
    "gradients of something else": (sphere, lambda x: rng.standard_normal(3)),
    "a plateau with gradients": (lambda x: 7.0, np.ones_like),
}


OF_GRADIENTS = {
    "none nearby": lambda x: np.where(x[0] > 1.5, np.sign(x), np.nan),
    "infinite ones": lambda x: np.where(x < 1, np.inf, 1.0),
    "zeros": np.zeros_like,
    "huge ones": lambda x: 1e160 * np.sign(x - 0.3),
    "too long": lambda x: 1e6 * np.sign(x - 0.3),
    "uphill": lambda x: -np.sign(x),
    "of noise": lambda x: rng.standard_normal(3),
}


class Enough(Exception):
    """More evaluations than there may be."""


def of_gradients(method):
    return method_class(method).class_for(True)().needs_gradient


@every_method
@pytest.mark.parametrize("name", PATHOLOGIES)
def test_every_run_ends(method, name):
    value, gradient = PATHOLOGIES[name]
    runs_to_its_end(value, gradient if of_gradients(method) else None, method)


@pytest.mark.parametrize("method", [name for name in METHODS if of_gradients(name)])
@pytest.mark.parametrize("name", OF_GRADIENTS)
def test_every_run_on_kinks_ends(method, name):
    runs_to_its_end(kinks, OF_GRADIENTS[name], method)


def runs_to_its_end(value, jac, method):
    calls = []

    def fun(x):
        calls.append(1)
        if len(calls) > MOST:
            raise Enough
        return value(x)

    res = minimize(fun, X0, jac=jac, method=method, rng=0)
    assert res.nfev == len(calls)


@dataclass(frozen=True)
class Restless(Method):
    """Asks for the same point again and again, and reports what it is told to."""

    reports: ClassVar[Iterator[float] | None] = None
    needs_gradient = False

    def run(self, problem, rng):
        x = np.array(problem.x0)
        while True:
            yield Ask(x[None], 0)
            if self.reports is not None:
                yield Iterate(x, next(self.reports))


def test_requests_without_progress_end():
    noise = itertools.cycle([1.0, 2.0])
    res = minimize(lambda x: next(noise), X0, method=Restless())
    assert (res.status, res.success) == (Status.PRECISION, False)
    assert "No progress" in res.message
    assert res.nfev < MOST


@pytest.mark.parametrize("limit", [{"maxfev": 12_000}, {"f_target": 0.5, "maxfev": 12_000}])
def test_where_there_is_a_limit_it_decides(limit):
    res = minimize(lambda x: 1.0, X0, method=Restless(), options=limit)
    assert (res.status, res.nfev) == (Status.MAXFEV, 12_000)


def test_values_that_the_method_reports_are_progress():
    class Smoothing(Restless):
        reports = iter(np.linspace(1, 0, 2000))

    res = minimize(lambda x: 1.0, X0, method=Smoothing())
    assert res.status == Status.MAXITER


@pytest.mark.parametrize("method", ["homotopy", "derivative-free", GradientSampling(Homotopy())])
@pytest.mark.parametrize("front", [lambda **kw: minimize(sphere, X0, **kw), None])
def test_restarts_without_end_need_a_limit(method, front):
    front = front or (lambda **kw: Optimizer(X0, **kw))
    if isinstance(method, Method):
        method, options = GradientSampling(Homotopy(restarts="budget")), {}
    else:
        options = {"restarts": "budget"}
    with pytest.raises(ValueError, match="until a limit ends it"):
        front(method=method, options=options)
    with pytest.raises(ValueError, match="until a limit ends it"):
        front(method=method, options=options | {"maxfev": np.inf})
    for enough in ({"maxfev": 20}, {"maxiter": 1}, {"termination": NoImprovement(n=1)}):
        front(method=method, options=options | enough)


# memory

KINKS = {"jac": lambda x: np.sign(x - 0.3) + x, "options": {"memory": 10**9, "maxfev": 300}}


@pytest.mark.parametrize("method", ["lbfgs", "gradient-sampling", "laplacian"])
def test_memory_without_bound_takes_what_there_is_to_remember(method):
    x0 = np.linspace(-2, 3, 20)
    fun = lambda x: kinks(x) + 0.5 * float(x @ x)  # noqa: E731
    ours = minimize(fun, x0, method=method, rng=0, **KINKS)
    more = KINKS | {"options": {"memory": 300, "maxfev": 300}}
    theirs = minimize(fun, x0, method=method, rng=0, **more)
    assert (ours.fun, ours.nfev) == (theirs.fun, theirs.nfev)


@pytest.mark.parametrize(
    ("method", "n", "options", "advice"),
    [
        ("bfgs", 200_000, {}, '"lbfgs"'),
        ("model-descent", 200_000, {}, "difference-descent"),
        ("gaussian-search", 3, {"population": 10**10}, "population"),
        ("derivative-free", 3, {"n": 10**10}, "population"),
        ("GradientSampling", 3, {"n": 10**11}, "pre_generate=False"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_evaluated(method, n, options, advice):
    def fun(x):
        raise AssertionError("evaluated")

    with pytest.raises(MemoryError, match=advice):
        minimize(fun, np.ones(n), jac=lambda x: 2 * x, method=method, options=options)
