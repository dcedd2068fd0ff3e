"""`KinkedLine`: minima of functions with kinks, on a line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoothmin.linesearch.polyhedral_search import KinkedLine


def narrow(fun, t, slope, trials, gain):
    line, asked = KinkedLine(list(t), [fun(u) for u in t], slope), []

    def value(u):
        asked.append(u)
        return fun(u)
        yield

    assert list(line.narrow(value, trials, gain)) == []
    return line, asked


def test_a_kink_between_two_lines_is_found_by_one_value():
    line, asked = narrow(lambda t: max(3 - 2 * t, 5 * t - 9), [0, 1, 2, 4], -2.0, 5, 1e-9)
    assert len(asked) == 1
    assert line.t[line.lowest] == pytest.approx(12 / 7)


def test_with_one_point_beyond_the_kink_its_slope_is_guessed():
    line, asked = narrow(lambda t: abs(t - 1), [0, 0.5, 3], -1.0, 5, 1e-9)
    assert line.t[line.lowest] == pytest.approx(1)
    assert len(asked) <= 2


@given(
    kinks=st.lists(st.floats(0.1, 10), min_size=1, max_size=12),
    weights=st.lists(st.floats(0.1, 10), min_size=12, max_size=12),
)
def test_sums_of_kinks(kinks, weights):
    kinks, weights = np.array(kinks), np.array(weights[: len(kinks)])

    def fun(t):
        return float(weights @ np.abs(t - kinks))

    least = min(fun(k) for k in kinks)  # it is at a kink
    line, asked = narrow(fun, [0, 11], -float(weights.sum()), 60, 1e-12)
    assert len(asked) <= 60
    assert min(line.values) - least <= 1e-3 * fun(0)
    assert line.t == sorted(line.t)
    assert line.values == [fun(t) for t in line.t]


def test_smooth_functions_too():
    def fun(t):
        return float(np.cosh(t - 1.3))

    line, _ = narrow(fun, [0, 1, 2, 3], float(np.sinh(-1.3)), 12, 1e-6)
    assert min(line.values) - fun(1.3) < 1e-3


def test_a_value_that_is_not_finite_ends_it():
    line, asked = narrow(
        lambda t: abs(t - 1) if t in (0, 0.5, 3) else np.inf, [0, 0.5, 3], -1, 9, 0
    )
    assert len(asked) == 1
    assert line.t == [0, 0.5, 3]


def test_what_does_not_look_convex_ends_it():
    line, asked = narrow(lambda t: -t if t < 2 else 0.0, [0, 1, 2, 3], 5.0, 9, 0)
    assert len(asked) <= 9
    assert line.values[line.lowest] <= -1
