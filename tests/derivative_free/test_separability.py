import numpy as np
import pytest

from smoothmin.derivative_free.separability import predicted, separable


def verdict(test, fun):
    """What a test says of ``fun``, and how many values it asked."""
    reply, count = None, 0
    while True:
        try:
            points = test.send(reply).points
        except StopIteration as finish:
            return finish.value, count
        values = np.array([fun(x) for x in points])
        count += len(values)
        reply = type("Values", (), {"values": values})


def ask(fun, n, seed=0):
    """What `separable` says of ``fun``, and how many values it took."""
    rng = np.random.default_rng(seed)
    ends = rng.uniform(-3, 3, (2, n))
    return verdict(separable(ends, np.array([fun(x) for x in ends]), rng), fun)


def ask_star(fun, n, seed=0):
    """What `predicted` says."""
    x = np.random.default_rng(seed).uniform(-3, 3, n)
    star = np.concatenate([x[None], x + np.eye(n), x - np.eye(n)])
    return verdict(predicted(star, np.array([fun(x) for x in star])), fun)


@pytest.mark.parametrize("n", [1, 2, 5, 8, 9, 33])
def test_sums_pass(n):
    def fun(x):
        return float((np.arange(1, n + 1) * np.abs(x - 0.2) ** 1.5 - np.cos(7 * x)).sum() + 100)

    splits = int(np.ceil(np.log2(n)))
    assert ask(fun, n) == (True, 2 * splits)
    assert ask_star(fun, n) == (True, 2)
    ends = np.array([np.zeros(n), np.ones(n)])
    test = separable(ends, None, np.random.default_rng(0))
    assert verdict(test, fun) == (True, 2 + 2 * splits)


@pytest.mark.parametrize("seed", range(10))
def test_two_variables_that_interact_are_found(seed):
    rng = np.random.default_rng(seed)
    i, j = rng.choice(9, 2, replace=False)

    def fun(x):
        return float(x @ x + 1e-3 * x[i] * x[j])

    assert not ask(fun, 9, seed)[0]
    assert not ask_star(fun, 9, seed)[0]


def test_functions_that_are_no_sums_take_two_values():
    assert ask(lambda x: float(np.sqrt(1 + x @ x)), 20) == (False, 2)
    noise = np.random.default_rng(0)
    assert ask(lambda x: float(x @ x + 1e-3 * noise.standard_normal()), 20) == (False, 2)


def test_where_values_say_nothing_none_are_asked():
    assert ask(lambda x: 1.0, 4) == (False, 0)
    assert ask(lambda x: np.inf, 4) == (False, 0)
    assert ask(lambda x: float(1e9 + 1e-3 * (x @ x)), 4) == (False, 0)
    assert ask_star(lambda x: np.nan, 4) == (False, 0)
    assert ask_star(lambda x: float(1e9 + 1e-3 * (x @ x)), 4) == (False, 1)


@pytest.mark.parametrize("beyond", [1e3, np.inf, np.nan])
def test_a_sum_up_to_a_cliff_is_none(beyond):
    def fun(x):
        return float(x @ x) if x.sum() < 7 else beyond

    x = np.zeros(3)
    star = np.concatenate([x[None], x + 6 * np.eye(3), x - np.eye(3)])
    assert not verdict(predicted(star, np.array([fun(x) for x in star])), fun)[0]
