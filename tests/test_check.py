"""Checks at the door: what passes, what does not, and what the message says."""

import re
from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import smoothmin
from smoothmin._check import (
    per_coordinate,
    require_bool,
    require_integer,
    require_one_of,
    require_real,
    require_scale,
)


@pytest.mark.parametrize("value", [3, np.int8(3), 10**30])
def test_integers_pass(value):
    require_integer("n", value, 3)


@pytest.mark.parametrize("value", [3.0, "3", None, True, np.array([3])])
def test_what_is_no_integer_does_not(value):
    with pytest.raises(TypeError, match=re.escape(f"n must be an integer, got {value!r}")):
        require_integer("n", value, 0)


def test_small_integers_do_not_pass():
    with pytest.raises(ValueError, match="n must be at least 3, got 2"):
        require_integer("n", 2, 3)


@pytest.mark.parametrize("value", [1, 1.5, np.float32(1.5), Fraction(3, 2), np.inf])
def test_numbers_pass(value):
    require_real("s", value)
    require_real("s", value, minimum=1)
    require_real("s", value, above=0)


@pytest.mark.parametrize("value", ["1", None, 1j, True, np.True_, [1.0]])
def test_what_is_no_number_does_not(value):
    with pytest.raises(TypeError, match="s must be a number, got"):
        require_real("s", value)


@pytest.mark.parametrize(
    ("value", "limits", "interval"),
    [
        (0, {"above": 0}, "(0, inf]"),
        (-1, {"minimum": 0}, "[0, inf]"),
        (1, {"minimum": 0, "below": 1}, "[0, 1)"),
        (2, {"above": 0, "maximum": 1}, "(0, 1]"),
        (np.inf, {"above": 0, "below": np.inf}, "(0, inf)"),
        (np.nan, {}, "[-inf, inf]"),
        (np.nan, {"above": 0, "below": 1}, "(0, 1)"),
    ],
)
def test_numbers_outside_do_not_pass(value, limits, interval):
    message = f"s must lie in {interval}, got {value!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        require_real("s", value, **limits)


def test_truth_values():
    require_bool("flag", True)
    require_bool("flag", np.False_)
    for value in (1, None, "True"):
        with pytest.raises(TypeError, match="flag must be True or False"):
            require_bool("flag", value)


def test_names():
    require_one_of("kind", "a", ("b", "a"))
    for value in ("c", None, ["a"]):
        with pytest.raises(ValueError, match=re.escape("kind must be one of ['a', 'b'], got")):
            require_one_of("kind", value, ("b", "a"))


def test_scales():
    for value in (1, 0.5, [1.0, 2.0], np.ones((2, 2))):
        require_scale("sigma", value)
    for value in ("1", None, True, [None], [1j]):
        with pytest.raises(TypeError, match="sigma must be a number or an array of numbers"):
            require_scale("sigma", value)
    for value in (0, -1.0, np.nan, np.inf, [1.0, 0.0], []):
        with pytest.raises(ValueError, match="sigma must be positive and finite"):
            require_scale("sigma", value)


def test_a_scale_for_each_coordinate():
    assert_array_equal(per_coordinate("sigma", 2, 3), [2, 2, 2])
    assert_array_equal(per_coordinate("sigma", [[1.0, 2.0]], 2), [1, 2])
    with pytest.raises(ValueError, match="sigma must be one number or 3 of them, got 2"):
        per_coordinate("sigma", [1.0, 2.0], 3)


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"fun": lambda: 1.0}, TypeError, "fun must take 1 argument"),
        ({"jac": lambda x, y: x}, TypeError, "jac must take 1 argument"),
        ({"args": (1,)}, TypeError, "fun must take 2 arguments"),
        ({"callback": lambda: None}, TypeError, "callback must take 1 argument"),
        ({"x0": None}, TypeError, "x0 must be an array of real numbers, got None"),
        ({"hessp": "a", "jac": lambda x: 2 * x}, TypeError, "hessp must be callable, got 'a'"),
        ({"options": {"history": "pts"}}, TypeError, 'history must be True or False or "points"'),
        ({"options": {"eps": "a"}, "method": "bfgs"}, TypeError, "got 'a'"),
    ],
)
def test_calls_that_cannot_be_are_refused_before_any_evaluation(given, error, says):
    called = []

    def fun(x):
        called.append(x)
        return float(x @ x)

    with pytest.raises(error, match=re.escape(says)):
        smoothmin.minimize(**{"fun": fun, "x0": [1.0, 2.0]} | given)
    assert not called


LONG = np.full(900, np.nan)


@pytest.mark.parametrize(
    "given",
    [
        {"x0": LONG},
        {"x0": [object()] * 900},
        {"bounds": [(0, np.nan)] * 900},
        {"bounds": list(range(900))},
        {"bounds": (LONG, LONG, LONG)},
        {"options": {"x_scale": LONG}},
        {"method": "homotopy", "options": {"sigma": -np.ones(900)}},
        {"method": "derivative-free", "integrality": LONG},
    ],
)
def test_of_many_numbers_messages_show_the_first(given):
    with pytest.raises((TypeError, ValueError), match="got") as caught:
        smoothmin.minimize(**{"fun": lambda x: float(x @ x), "x0": np.zeros(900)} | given)
    assert len(str(caught.value)) < 250
