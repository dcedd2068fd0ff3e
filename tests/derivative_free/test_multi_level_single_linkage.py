import numpy as np
import pytest

from smoothmin.derivative_free import multi_level_single_linkage as module
from smoothmin.derivative_free.multi_level_single_linkage import MinimaSeen, Starts


def test_lower_points_come_first_unless_a_minimum_is_near():
    starts = Starts(np.array([1.0, 10.0]))
    points = np.array([[0.0, 0.0], [0.1, 0.0], [0.0, 1.5], [5.0, 0.0], [5.2, 0.0], [5.0, 3.0]])
    starts.add(points, np.array([2.0, 1.0, 3.0, 6.0, 4.0, 5.0]))
    np.testing.assert_array_equal(starts.take(), points[1])
    starts.add(np.array([[0.05, 0.0]]), np.array([0.5]), fresh=False)
    np.testing.assert_array_equal(starts.take(), points[4])
    rest = [starts.take() for _ in range(4)]  # none is left alone; the lowest first
    np.testing.assert_array_equal(rest, points[[0, 2, 5, 3]])


def test_points_without_a_value_are_last():
    starts = Starts(np.ones(1))
    starts.add(np.array([[0.0], [1.0]]), np.array([np.nan, 7.0]))
    assert starts.take() == 1.0
    assert starts.take() == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_a_start_has_none_lower_among_the_nearest(seed):
    rng = np.random.default_rng(seed)
    points, values = rng.standard_normal((200, 3)), rng.standard_normal(200)
    starts = Starts(np.array([1.0, 2.0, 0.5]))
    starts.add(points, values)
    scaled = points / [1.0, 2.0, 0.5]

    def lonely(k):
        distances = np.linalg.norm(scaled - scaled[k], axis=1)
        return (values[np.argsort(distances)[1:4]] >= values[k]).all()

    expected = [k for k in np.argsort(values) if lonely(k)]
    assert 3 < len(expected) < 100
    for k in expected:
        np.testing.assert_array_equal(starts.take(), points[k])


def test_the_lowest_of_many_points_are_kept(monkeypatch):
    monkeypatch.setattr(module, "ROWS", 50)
    rng = np.random.default_rng(0)
    starts, values = Starts(np.ones(2)), rng.standard_normal(1000)
    for part in np.split(values, 100):
        starts.add(np.column_stack([part, part]), part)
        assert len(starts._values) <= 100
    starts.add(np.zeros((3, 2)), np.full(3, np.nan))
    np.testing.assert_array_equal(starts.take(), np.full(2, values.min()))
    assert set(np.sort(values)[:25]) <= set(starts._values)
    for _ in range(30):  # minima, all lower, leave room for starts
        starts.add(np.zeros((10, 2)), np.full(10, -9.0), fresh=False)
    assert starts.take()[0] == np.sort(values)[1]


def test_descents_to_the_same_few_minima_say_that_there_are_no_others():
    seen = MinimaSeen(np.array([1.0, 10.0]))
    assert not seen.all_seen
    for k in range(6):
        seen.add(np.array([float(k % 2), 1e-4]))
        assert not seen.all_seen
    for _ in range(20):
        seen.add(np.array([1.0, 2e-3]))
    assert seen.all_seen
    seen.add(np.array([7.0, 0.0]))
    assert not seen.all_seen
