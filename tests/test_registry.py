"""The registry: every method constructible, documented, and shown."""

import dataclasses
import inspect

import numpy as np
import pytest

import smoothmin
from smoothmin import _registry, show_options
from smoothmin._method import Method
from smoothmin._registry import COMMON_OPTIONS, METHODS, canonical, method_class, option_names

every_method = pytest.mark.parametrize("name", METHODS)


@every_method
def test_a_method_is_a_frozen_dataclass_with_defaults_and_a_record(name):
    cls = method_class(name)
    assert issubclass(cls, Method)
    method = cls()
    assert method == cls()
    assert method.name == name
    assert method.summary
    assert method.reference
    assert isinstance(method.handles_bounds, bool)
    assert isinstance(method.stochastic, bool)
    assert isinstance(method.needs_gradient, bool)
    for option in option_names(cls):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(method, option, None)
    assert getattr(smoothmin, cls.__name__) is cls


@every_method
def test_options_are_documented_with_a_reference_and_an_example(name):
    cls = method_class(name)
    text = inspect.getdoc(cls)
    parameters = text.split("Parameters\n----------\n")[1].split("\n\n")[0]
    documented = {
        option.strip().lstrip("*")
        for line in parameters.splitlines()
        if line and not line.startswith(" ")
        for option in line.split(" : ")[0].split(",")
    }
    assert documented == set(option_names(cls))
    for section in ("Notes", "References", "Examples"):
        assert f"{section}\n{'-' * len(section)}\n" in text
    assert not set(option_names(cls)) & set(COMMON_OPTIONS) - {"rng", "termination"}


@every_method
def test_tolerances_are_options_that_tol_sets(name):
    cls = method_class(name)
    tightened = cls().with_tolerance(1e-11)
    assert all(getattr(tightened, tolerance) == 1e-11 for tolerance in cls.tolerances)


@every_method
def test_methods_can_be_pickled_and_shown(name):
    import pickle

    method = method_class(name)()
    assert pickle.loads(pickle.dumps(method)) == method
    assert type(method).__name__ in repr(method)


@every_method
def test_show_options_of_one(name, capsys):
    assert show_options(name) is None
    printed = capsys.readouterr().out
    text = show_options(name.upper().replace("-", "_"), disp=False)
    assert printed == text + "\n"
    assert f'method="{name}"' in text
    for option in (*option_names(method_class(name)), *COMMON_OPTIONS):
        assert option in text
    assert [n for n in METHODS if f'method="{n}", smoothmin.' in text] == [name]


def test_show_options_of_all():
    text = show_options(disp=False)
    assert all(f'method="{name}", smoothmin.' in text for name in METHODS)
    assert text.count("Options of every method") == 1
    for name in METHODS:
        line = next(line for line in text.splitlines() if line.startswith(f"{name} : "))
        assert method_class(name).summary in line


@pytest.mark.parametrize(("name", "error"), [("simplex", ValueError), (3, TypeError)])
def test_show_options_of_none(name, error):
    with pytest.raises(error, match="method must be one of"):
        show_options(name)


def test_a_name_that_is_nearly_one_is_suggested():
    with pytest.raises(ValueError, match=r"got 'homotpy' \(did you mean 'homotopy'\?\)$"):
        canonical("homotpy")
    with pytest.raises(ValueError, match=r"got 'annealing'$"):
        canonical("annealing")


def test_names_are_found_whatever_their_case():
    assert canonical("Gradient_Descent") == "gradient-descent"
    assert canonical("L-BFGS-B") == "lbfgs"
    assert all(canonical(name) == name for name in METHODS)


def test_the_defaults_are_in_the_registry():
    assert {_registry.default_method(has) for has in (True, False)} <= set(METHODS)
    assert not method_class(_registry.default_method(False))().needs_gradient


def test_all_common_options_are_taken(tmp_path):
    values = {
        "maxiter": 3,
        "maxfev": 30,
        "maxtime": 10.0,
        "f_target": -1.0,
        "termination": smoothmin.Never(),
        "disp": False,
        "progress": False,
        "return_all": True,
        "history": True,
        "journal": tmp_path / "journal",
        "result": "best",
        "return_on_interrupt": True,
        "workers": 1,
        "jac_method": "3-point",
        "rng": 0,
        "on_error": "raise",
        "asynchronous": False,
        "ctol": 1e-6,
        "integrality": None,
        "x_scale": [1.0, 2.0],
        "warm_start": ([[5.0, 6.0]], [1921.0]),
        "eps": 1e-7,
        "finite_diff_rel_step": None,
    }
    assert values.keys() == COMMON_OPTIONS.keys()
    res = smoothmin.minimize(lambda x: np.sum(x**4), [1.0, 2.0], method="bfgs", options=values)
    assert res.nit == 3
