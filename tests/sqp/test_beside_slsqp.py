"""Random smooth programs beside SciPy's SLSQP."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize as scipy_minimize

from smoothmin import minimize

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from bench_programs import EQUAL, program, solved, worse


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("seed", [*range(12), 173, 449, 1227])
def test_ours_is_not_worse(seed, exact):
    task = program(seed)
    with np.errstate(all="ignore"):
        theirs = solved(task, scipy_minimize, task.x0, exact, maxiter=500, ftol=1e-9)
        ours = solved(task, minimize, task.x0, exact, maxfev=20_000)
        assert not worse(task, ours, theirs)
    if theirs.success and abs(ours.fun - theirs.fun) <= EQUAL * max(1.0, abs(theirs.fun)):
        assert ours.nfev <= 6 * theirs.nfev + 20
