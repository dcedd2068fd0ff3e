"""Weights of the merit function: large enough, and not so large that rounding hides the rest."""

import numpy as np
import pytest
from scipy.optimize import minimize as scipy_minimize

from smoothmin import minimize

# the merit function is flat along the way to a hyperbola, at a weight equal to the multiplier
HYPERBOLA = {
    "type": "ineq",
    "fun": lambda x: x[0] * x[1] - 25,
    "jac": lambda x: np.array([x[1], x[0]]),
}


@pytest.mark.parametrize(
    "start", [(43.0, 1.7), (37.0, 8.8), (40.0, 46.0), (36.5, 0.8), (40.0, 3.0)]
)
@pytest.mark.parametrize("by_differences", [False, True])
def test_steps_to_a_hyperbola_are_not_shortened(start, by_differences):
    def fun(x):
        return 0.01 * x[0] ** 2 + x[1] ** 2

    def jac(x):
        return np.array([0.02 * x[0], 2 * x[1]])

    row = {key: HYPERBOLA[key] for key in ("type", "fun")} if by_differences else HYPERBOLA
    res = minimize(
        fun, start, jac=None if by_differences else jac, method="SLSQP",
        bounds=[(2, 50), (0, 50)], constraints=[row],
    )  # fmt: skip
    assert res.success
    assert res.fun == pytest.approx(5, abs=1e-6)
    assert res.nfev <= (60 if by_differences else 25)


def flat_row(at):
    """An equality that is flat far from where it holds: exp(-a x) at a point where it vanishes."""
    a = np.array([1.0, -0.5, 0.25])
    return {
        "type": "eq",
        "fun": lambda x: np.exp(np.clip(-a @ (x - at), None, 300)) - 0.5,
        "jac": lambda x: -a * np.exp(np.clip(-a @ (x - at), None, 300)),
    }


@pytest.mark.parametrize("far", [15.0, 22.0, 30.0])
def test_a_flat_row_hides_neither_others_nor_the_objective(far):
    centre = np.array([1.0, 2.0, 3.0])
    rows = [
        flat_row(np.zeros(3)),
        {"type": "ineq", "fun": lambda x: 20 - x @ x, "jac": lambda x: -2 * x},
    ]

    def fun(x):
        return float((x - centre) @ (x - centre)), 2 * (x - centre)

    res = minimize(fun, [far, -0.3 * far, 0.1 * far], jac=True, method="SLSQP", constraints=rows)
    want = scipy_minimize(fun, np.ones(3), jac=True, method="SLSQP", constraints=rows)
    assert want.success
    assert res.success
    assert res.fun == pytest.approx(want.fun, abs=1e-6)
