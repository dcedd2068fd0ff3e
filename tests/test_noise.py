import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoothmin._noise import POINTS, Verdict, estimate_noise, measure_noise
from smoothmin._protocol import Answers, Ask, Problem


def answered(steps, fun):
    """Drive a generator of asks; what it returns, and all points."""
    points, reply = [], None
    while True:
        try:
            ask = steps.send(reply)
        except StopIteration as end:
            return end.value, np.concatenate(points)
        assert isinstance(ask, Ask)
        points.append(ask.points)
        reply = Answers(np.array([fun(x) for x in ask.points]))


def problem(x0, box=None):
    return Problem(x0, box, False, x0.shape)


@pytest.mark.parametrize("level", [1e-8, 1e-4, 1e-2])
@pytest.mark.parametrize("kind", ["normal", "uniform", "sign"])
def test_known_noise_is_measured(level, kind):
    rng = np.random.default_rng(0)
    draw = {
        "normal": rng.standard_normal,
        "uniform": lambda: np.sqrt(3) * rng.uniform(-1, 1),
        "sign": lambda: rng.choice([-1.0, 1.0]),
    }[kind]

    def fun(x):
        return float(1 + (x**2).sum() + level * draw())

    x, scale = np.array([0.3, -0.2, 0.5]), np.ones(3)
    found = [
        answered(measure_noise(problem(x), x, scale, np.random.default_rng(k)), fun)[0]
        for k in range(40)
    ]
    assert np.count_nonzero(np.array(found) > 0) >= 30
    seen = np.array([f for f in found if f > 0])
    assert level / 1.5 < np.median(seen) < 1.5 * level
    assert np.all((seen > level / 8) & (seen < 8 * level))


def test_smooth_function_has_rounding_only():
    x = np.array([0.7, 1.3])
    level, _ = answered(
        measure_noise(problem(x), x, np.ones(2), np.random.default_rng(0)),
        lambda x: float(np.exp(x).sum()),
    )
    assert level < 1e-14


@given(st.integers(0, 1000), st.floats(-8, -5), st.floats(0, 4))
def test_rounding_of_points_beside_a_value_of_zero_is_no_noise(seed, away, condition):
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    weights, lowest = 10.0 ** np.linspace(0, condition, 4), rng.uniform(1, 2, 4)
    x = lowest + 10.0**away * rng.standard_normal(4)
    level, _ = answered(
        measure_noise(problem(x), x, np.ones(4), rng),
        lambda x: float(weights @ (axes @ (x - lowest)) ** 2),
    )
    # noise that differences met would be larger than what a slope makes of rounding
    assert level <= 1e-14 * 10.0 ** (condition + max(away, -7))


def test_verdicts():
    assert estimate_noise(np.array([1.0, 1, 1, 1, 1, 1, 1, 2])).verdict is Verdict.TOO_CLOSE
    assert estimate_noise(np.exp(np.linspace(0, 9, 8))).verdict is Verdict.TOO_FAR
    rounding = estimate_noise(100 + np.linspace(0, 1, 8) ** 2)
    assert rounding.verdict is Verdict.NOISE
    assert rounding.level < 1e-13


def test_box_is_kept():
    x = np.array([1.0, -1.0])
    box = (np.full(2, -1.0), np.full(2, 1.0))
    _, points = answered(
        measure_noise(problem(x, box), x, np.full(2, 1e6), np.random.default_rng(0)),
        lambda x: float(x.sum()),
    )
    assert np.all((points >= -1) & (points <= 1))
    assert len(points) % POINTS == 0


def test_nothing_finite_is_no_noise():
    x = np.zeros(2)
    steps = measure_noise(problem(x), x, np.ones(2), np.random.default_rng(0))
    assert answered(steps, lambda x: np.nan)[0] == 0.0


@pytest.mark.parametrize("exponent", [-1000, -60, 60, 1000])
def test_units_of_the_value_do_not_matter(exponent):
    values = 1 + np.linspace(0, 1e-3, 8) + 1e-6 * np.random.default_rng(0).standard_normal(8)
    found, scaled = estimate_noise(values), estimate_noise(2.0**exponent * values)
    assert found.verdict is scaled.verdict is Verdict.NOISE
    assert scaled.level == 2.0**exponent * found.level


@given(st.floats(0.0, 7.0), st.floats(-1e3, 1e3), st.floats(0.1, 100.0), st.integers(0, 1000))
def test_a_kink_between_the_points_is_no_noise(where, slope, change, seed):
    t = np.arange(8.0)
    rounding = 1e-12 * np.random.default_rng(seed).standard_normal(8)
    values = slope * t + change * np.abs(t - where) + rounding
    assert estimate_noise(values).level < 1e-9 * max(change, abs(slope))
