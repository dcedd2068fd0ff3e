"""Steps along what remains of a gradient without its last changes."""

import numpy as np
import pytest

from smoothmin.descent.unexplored import changes_of, unexplored


@pytest.mark.parametrize("seed", range(3))
def test_the_step_is_across_all_changes_and_promises_the_fall(seed):
    rng = np.random.default_rng(seed)
    gradients = list(rng.normal(size=(4, 7)))
    step = unexplored(changes_of(gradients), gradients[-1], 0.25)
    assert np.abs(np.diff(gradients, axis=0) @ step).max() < 1e-12
    assert gradients[-1] @ step == pytest.approx(-0.25)


def test_nothing_is_unexplored_without_a_slope():
    assert unexplored(changes_of([np.zeros(2)]), np.zeros(2), 1.0) is None
    assert unexplored(changes_of([np.ones(2)]), np.ones(2), 0.0) is None


def test_variables_at_bounds_are_not_moved():
    changes = changes_of([np.array([1.0, 2, 0]), np.array([2.0, 1, 0])])
    step = unexplored(changes, np.array([2.0, 1, 0]), 1.0)
    assert step[2] == 0
