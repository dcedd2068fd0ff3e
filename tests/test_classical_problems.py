"""The classical functions of the benchmarks: their least values, and boxes that keep them."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

from classical_problems import CLASSICAL, cut


@pytest.mark.parametrize("problem", CLASSICAL, ids=lambda p: p.name)
def test_least_values_and_boxes(problem):
    tolerance = 1e-8 * max(1.0, abs(problem.minimum))
    if problem.name != "bukin":  # as steep as a root
        assert abs(problem.fun(problem.x) - problem.minimum) < 20 * tolerance
    rng = np.random.default_rng(0)
    sample = rng.uniform(*problem.box, (1000, problem.x.size))
    near = np.clip(problem.x + 1e-3 * rng.standard_normal(sample.shape), *problem.box)
    values = [problem.fun(x) for x in np.concatenate([sample, near])]
    assert min(values) >= problem.minimum - tolerance
    boxed = cut(problem, 1)
    low, high = np.array(boxed.bounds).T
    assert (problem.box[0] <= low).all()
    assert (high <= problem.box[1]).all()
    assert (low <= problem.x).all()
    assert (problem.x <= high).all()
