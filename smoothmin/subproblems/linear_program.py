"""The step to the least sum of kinked losses of linear models, in a box: a linear program."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from smoothmin._protocol import Array


def linear_program_step(
    jacobian: Array, residuals: Array, sides: tuple[float, float], low: Array, high: Array
) -> Array:
    """Minimize the sum of ``a (r + J s)+ + b (r + J s)-`` over ``|s_i| <= 1`` and a box.

    ``r + J s = u - v`` with ``u, v >= 0`` makes it ``a 1'u + b 1'v``. Zero where the
    program cannot be solved.
    """
    from scipy.optimize import linprog

    m, n = jacobian.shape
    largest = float(np.abs(jacobian).max())
    if not 0 < largest < np.inf:
        return np.zeros(n)
    cost = np.concatenate([np.zeros(n), np.full(m, sides[0]), np.full(m, sides[1])])
    equal = sp.hstack([sp.csr_array(jacobian / largest), -sp.eye_array(m), sp.eye_array(m)])
    lower, upper = np.maximum(low, -1.0), np.minimum(high, 1.0)
    bounds = np.concatenate([np.column_stack([lower, upper]), np.tile([0.0, np.inf], (2 * m, 1))])
    found = linprog(cost, A_eq=equal.tocsc(), b_eq=-residuals / largest, bounds=bounds)
    step: Array = np.zeros(n) if found.x is None else np.clip(found.x[:n], lower, upper)
    return step
