"""What is proven of a kink's pieces holds nearby, too."""

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, NonlinearConstraint, linprog

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


def pursued(seed):
    """The evaluations of a basis pursuit."""
    rng = np.random.default_rng(seed)
    a, signal = rng.standard_normal((10, 30)), np.zeros(30)
    signal[rng.choice(30, 3, replace=False)] = 2 * rng.standard_normal(3)
    b = a @ signal
    res = minimize(
        lambda x: (np.abs(x).sum(), np.sign(x)),
        np.linalg.lstsq(a, b, rcond=None)[0],
        jac=True,
        constraints=LinearConstraint(a, b, b),
    )
    ones, both = np.ones(60), np.hstack([a, -a])
    assert res.success
    assert res.fun <= linprog(ones, A_eq=both, b_eq=b).fun + 1e-6
    return res.nfev


def test_crossing_many_kinks_at_once_does_not_pass_for_curvature():
    """A mean of the slopes at both ends is right by accident for some of many earlier points."""
    assert np.median([pursued(seed) for seed in range(3, 8)]) <= 450


@pytest.mark.parametrize("seed", range(4))
def test_the_least_eigenvalue_of_a_graph_ends_where_values_show_no_more(seed):
    """The dual of max-cut: a linear objective, and a kink of the constraint that curves."""
    rng = np.random.default_rng(seed)
    edges = np.triu(rng.random((10, 10)) < 0.5, 1).astype(float)
    laplacian = (np.diag((edges + edges.T).sum(axis=1)) - edges - edges.T) / 4

    def least(y):
        return np.linalg.eigh(np.diag(y) - laplacian)

    bound = NonlinearConstraint(
        lambda y: least(y)[0][0], 0, np.inf, jac=lambda y: least(y)[1][:, :1].T ** 2
    )
    start = 8 + rng.standard_normal(10)
    result = minimize(np.sum, start, jac=np.ones_like, constraints=bound)
    assert result.success
    assert result.nfev <= 600
    # no cut is larger than the dual's value, and a start nearby ends there, too
    cuts = np.array([[1 - 2 * (k >> i & 1) for i in range(10)] for k in range(512)])
    assert result.fun >= np.einsum("ki,ij,kj->k", cuts, laplacian, cuts).max() - 1e-6
    again = minimize(np.sum, result.x + 0.01, jac=np.ones_like, constraints=bound)
    assert again.fun == pytest.approx(result.fun, abs=1e-6)


@pytest.mark.parametrize("seed", [6, 82, 189])
def test_what_a_wrong_program_promises_is_no_sign_of_a_minimum(seed):
    """Steep and flat pieces on the octahedron's frame, in variables of many sizes, from afar."""
    rng = np.random.default_rng(seed)
    sizes = 10 ** rng.uniform(-2.5, 2.5, 4)
    steep = 10 ** rng.uniform(-2.5, 2.5, 3)[:, None]
    slopes, levels = rng.standard_normal((3, 4)) * steep, rng.standard_normal(3) * steep[:, 0]

    def fun(x):
        return float((slopes @ (sizes * x) + levels).max() + 1000)

    frame = NonlinearConstraint(
        lambda x: np.abs(sizes * x).sum(), -np.inf, 1, jac=lambda x: sizes * np.sign(x)
    )
    result = minimize(
        fun,
        rng.standard_normal(4) / sizes * 10,
        jac=lambda x: sizes * slopes[(slopes @ (sizes * x) + levels).argmax()],
        constraints=frame,
    )
    # value t, and variables as differences of positive ones
    program = linprog(
        [1] + 8 * [0],
        np.vstack([np.hstack([-np.ones((3, 1)), slopes, -slopes]), [[0] + 8 * [1]]]),
        np.append(-levels, 1),
        bounds=[(None, None)] + 8 * [(0, None)],
    )
    assert not result.success or result.fun <= 1000 + program.fun + 1e-4
