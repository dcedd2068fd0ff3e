"""What is proven of a kink's pieces holds nearby, too."""

import numpy as np
from scipy.optimize import LinearConstraint

from smoothmin import minimize


def test_a_vertex_of_many_kinks_is_said_to_be_the_solution():
    # basis pursuit: the sparsest signal is a vertex at which 96 absolute values have their kinks
    rng = np.random.default_rng(3)
    a, signal = rng.standard_normal((30, 100)), np.zeros(100)
    signal[rng.choice(100, 4, replace=False)] = rng.uniform(0.5, 2, 4) * rng.choice([-1, 1], 4)
    b = a @ signal
    start = np.linalg.lstsq(a, b, rcond=None)[0]
    rows = LinearConstraint(a, b, b)
    res = minimize(
        lambda x: (np.abs(x).sum(), np.sign(x)), start, jac=True, constraints=rows, rng=0
    )
    assert res.success, res.message
    assert res.fun <= np.abs(signal).sum() * (1 + 1e-7)
    assert res.nfev < 3000
