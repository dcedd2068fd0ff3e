import numpy as np
import pytest

from smoothmin._recent import SPAN
from smoothmin._stopping import Progress
from smoothmin.portfolio.watches import Witness, hopeless


def progress(fun):
    return Progress(0, 0, 0.0, np.zeros(1), fun, None)


def test_a_descent_that_converges_above_the_best_is_hopeless():
    watch = hopeless(0.0)
    messages = [watch(progress(1 + 0.1**k)) for k in range(20)]
    assert messages[0] is None
    assert messages[-1]


def test_a_descent_that_may_get_there_is_not():
    watch = hopeless(0.0)
    assert not any(watch(progress(100.0 - k)) for k in range(100))
    watch = hopeless(0.0)
    assert not any(watch(progress(1 + 0.1**k)) for k in range(5))


def watched(fun, points):
    """What a witness of a polish through the points, one variable, returned, and the witness."""
    witness, messages = Witness(np.inf), []
    for k, x in enumerate(points, 1):
        value, slope = fun(x)
        messages.append(witness(Progress(k, 0, 0.0, np.array([x]), value, np.array([slope]))))
    return messages, witness


def kink(x):
    return abs(x), np.sign(x)


def test_a_polish_that_goes_back_and_forth_over_a_kink_is_ended():
    away = [3.0 - 0.2 * k for k in range(SPAN)]
    across = [1e-3 * (-1) ** k * (1 - k / 100) for k in range(3 * SPAN)]
    messages, witness = watched(kink, [-0.2, 0.2, *away, *across])
    assert witness.kinked
    assert any(messages)
    assert not any(messages[: 2 * SPAN])


def test_one_that_halves_its_distance_to_a_kink_is_not():
    messages, witness = watched(kink, [3 * (-0.5) ** k for k in range(5 * SPAN)])
    assert not any(messages)
    assert not witness.kinked


def test_one_that_creeps_down_a_smooth_valley_is_not():
    messages, _ = watched(lambda x: (x**4, 4 * x**3), [0.97**k for k in range(10 * SPAN)])
    assert not any(messages)


def test_curvature_is_that_of_the_first_two_steps():
    _, witness = watched(lambda x: (x**2, 8.0 * x), [1.0, 0.5, 0.25])
    assert witness.scale == pytest.approx(1 / 8)
    assert witness.value == 0.0625
