"""One point at a time at its barest: the same run as with care, for all that objectives return."""

import warnings

import numpy as np
import pytest

from smoothmin import minimize
from smoothmin._source import Serial


def bowl(x):
    y = np.asarray(x, dtype=float).ravel() - np.arange(x.size)
    return float(y @ y + (y**4).sum()), (2 * y + 4 * y**3).reshape(x.shape)


def value(x):
    return bowl(x)[0]


def gradient(x):
    return bowl(x)[1]


def changing(x):
    """Values of several kinds in turn, and an argument that is overwritten."""
    found, slope = bowl(x)
    x[...] = np.nan
    changing.calls += 1
    kinds = [float, np.float64, lambda v: np.array([v]), lambda v: np.array(v)]
    return kinds[changing.calls % 4](found), slope.tolist() if changing.calls % 3 else slope


ROOM = np.empty(4)


def reusing(x):
    """One array for all gradients."""
    found, ROOM[...] = bowl(x)
    return found, ROOM


def nan_beyond(x):
    return (np.nan, np.full(x.size, np.nan)) if x[0] < -0.5 else bowl(x)


def failing(x):
    failing.calls += 1
    if failing.calls == 5:
        raise failing.error
    return bowl(x)


def misshapen(x):
    misshapen.calls += 1
    found, slope = bowl(x)
    return found, slope[: 4 - (misshapen.calls > 4)]


START = np.array([3.0, -1.0, 0.5, 2.0])
FREE = {"bounds": [(0, 1), (1, 1), (-3, 3), (2.5, None)]}


def outcome(fun, **how):
    """All of a run that can be compared, an exception included."""
    changing.calls = failing.calls = misshapen.calls = 0
    seen = []

    def watched(x, *args):
        seen.append(np.array(x))
        return fun(x, *args)

    how.setdefault("jac", True)
    x0 = how.pop("x0", START)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            res = minimize(watched, x0, rng=0, **how)
        except Exception as error:
            return type(error), str(error), error.partial_result.nfev, np.array(seen)
    counts = (res.nfev, res.njev, res.nit, res.n_nonfinite, res.status, res.message)
    return counts, res.fun, res.x, res.jac, np.array(seen)


@pytest.mark.parametrize("method", ["lbfgs", "gradient-sampling"])
@pytest.mark.parametrize(
    ("fun", "how"),
    [
        (bowl, {}),
        (bowl, {"x0": START.reshape(2, 2)}),
        (bowl, FREE),
        (bowl, {"options": {"maxfev": 7}}),
        (bowl, {"options": {"f_target": 0.1}}),
        (value, {"jac": gradient}),
        (value, {"jac": "2-point"}),
        (changing, {}),
        (reusing, {}),
        (nan_beyond, {}),
        (misshapen, {}),
    ],
)
def test_is_the_run_with_care(monkeypatch, method, fun, how):
    bare = outcome(fun, method=method, **how)
    monkeypatch.setattr(Serial, "one", lambda self, point, order: None)
    careful = outcome(fun, method=method, **how)
    for one, other in zip(bare, careful, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("error", [StopIteration(), KeyError("x"), ValueError("no"), OSError()])
def test_what_the_function_raises_is_raised(monkeypatch, error):
    failing.error = error
    bare = outcome(failing, method="lbfgs")
    monkeypatch.setattr(Serial, "one", lambda self, point, order: None)
    careful = outcome(failing, method="lbfgs")
    for one, other in zip(bare, careful, strict=True):
        np.testing.assert_array_equal(one, other)


def test_values_alone(monkeypatch):
    bare = outcome(value, jac=None, options={"maxfev": 60})
    monkeypatch.setattr(Serial, "one", lambda self, point, order: None)
    for one, other in zip(bare, outcome(value, jac=None, options={"maxfev": 60}), strict=True):
        np.testing.assert_array_equal(one, other)
