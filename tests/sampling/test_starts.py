import numpy as np

from smoothmin.sampling.starts import Starts


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
