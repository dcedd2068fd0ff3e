"""A pytest plugin that records every call of ``scipy.optimize.minimize``, or serves it.

``MINIMIZE_RECORD`` names the file to write, one JSON object a call. With ``MINIMIZE_BY`` set
to "smoothmin" that serves the calls, and ``MINIMIZE_BASELINE`` names SciPy's record: where
SciPy has reached a lower value, a local method of its own looks for one from our end.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import warnings
from collections import Counter

import numpy as np
import scipy.optimize

original = scipy.optimize.minimize
LOWER = 1e-6  # by how much, in units of max(1, |f|), another value counts as lower


class Recorder:
    """Serves calls, and writes down what came of them."""

    def __init__(self):
        self.test, self.calls = "", Counter()
        self.ours = os.environ.get("MINIMIZE_BY") == "smoothmin"
        self.file = open(os.environ["MINIMIZE_RECORD"], "w")  # noqa: SIM115
        self.known = read(os.environ["MINIMIZE_BASELINE"]) if self.ours else {}

    def __call__(self, fun, x0, args=(), method=None, jac=None, **rest):
        """As ``scipy.optimize.minimize``."""
        key = f"{self.test} {self.calls[self.test]}"
        self.calls[self.test] += 1
        row = {"key": key, "method": name_of(method), "gradient": bool(jac), "x0": digest(x0)}
        row["tol"] = loosest(rest)
        if not self.ours or callable(method):
            return self._noted(row, original, fun, x0, args, method, jac, rest)
        from smoothmin import minimize

        res = self._noted(row, minimize, fun, x0, args, method, jac, rest, write=False)
        theirs = self.known.get(key)
        if theirs is not None and row["success"] and lower(theirs.get("fun"), row["fun"]):
            row["gain"] = gain(fun, res.x, args, jac, rest.get("bounds"))
        self._write(row)
        return res

    def _noted(self, row, minimize, fun, x0, args, method, jac, rest, write=True):
        try:
            res = minimize(fun, x0, args=args, method=method, jac=jac, **rest)
        except BaseException as error:
            self._write(row | {"raised": type(error).__name__})
            raise
        value = np.ravel(res.get("fun", ()))  # a caller's own method may return anything
        row["fun"] = float(value[0]) if value.size == 1 else None
        row |= {"nfev": int(res.get("nfev", 0)), "success": bool(res.get("success", False))}
        if write:
            self._write(row)
        return res

    def _write(self, row):
        self.file.write(json.dumps(row) + "\n")
        self.file.flush()


def read(path):
    """The calls of a record by their key."""
    with open(path) as lines:
        return {row["key"]: row for row in map(json.loads, lines)}


def lower(value, than):
    """Whether a value is lower by more than counts."""
    if value is None or than is None:
        return False
    return than - value > LOWER * max(1.0, abs(than))


def loosest(rest):
    """The largest tolerance that a caller asked for: no lower value is owed within it."""
    options = rest.get("options") or {}
    asked = [rest.get("tol"), *(options.get(name) for name in ("ftol", "fatol", "tol", "xtol"))]
    numbers = [float(value) for value in asked if isinstance(value, (int, float))]
    return max([0.0, *numbers])


def gain(fun, x, args, jac, bounds):
    """By how much SciPy's local methods go down from ``x``; None if they cannot be run."""
    if jac is True:
        value, slope = (lambda z, *a: fun(z, *a)[0]), (lambda z, *a: fun(z, *a)[1])
    else:
        value, slope = fun, jac if callable(jac) else None
    found = []
    for method in ("L-BFGS-B", "Nelder-Mead"):
        try:
            start = float(np.ravel(value(x, *args))[0])
            kw = {"jac": slope} if method == "L-BFGS-B" else {}
            res = original(value, x, args=args, method=method, bounds=bounds, **kw)
            found.append((start - float(res.fun)) / max(1.0, abs(start)))
        except Exception:
            continue
    return max(found) if found else None


def name_of(method):
    """A method's name for the record."""
    return "custom" if callable(method) else method and method.lower()


def digest(x0):
    """Of a start, so that calls are compared that begin alike."""
    try:
        return hashlib.sha1(np.asarray(x0, dtype=float).tobytes()).hexdigest()[:12]
    except (TypeError, ValueError):
        return "odd"


def pytest_configure(config):
    """Replace it before any test module is imported."""
    config.recorder = recorder = Recorder()
    for module in [m for name, m in sys.modules.items() if name.startswith("scipy.")]:
        if getattr(module, "minimize", None) is original:
            module.minimize = recorder_function(recorder)


def recorder_function(recorder):
    """A plain function, as tests look at signatures."""

    def minimize(
        fun, x0, args=(), method=None, jac=None, hess=None, hessp=None, bounds=None,
        constraints=(), tol=None, callback=None, options=None,
    ):  # fmt: skip
        given = {"hess": hess, "hessp": hessp, "bounds": bounds, "constraints": constraints}
        given |= {"tol": tol, "callback": callback, "options": options}
        given = {key: value for key, value in given.items() if value is not None}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".* is not taken: .*")
            return recorder(fun, x0, args=args, method=method, jac=jac, **given)

    return minimize


def pytest_runtest_setup(item):
    """Calls are numbered within their test."""
    item.config.recorder.test = item.nodeid
