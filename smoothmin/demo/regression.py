"""(a) Least absolute deviations and quantile regression on the diabetes data.

The pinball loss has a kink wherever a residual is zero, and its minimum has as many
zero residuals as there are coefficients. A linear program gives the exact minimum.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linprog

from smoothmin._protocol import Array
from smoothmin.demo.race import Racer, race

THEIRS = ["BFGS", "L-BFGS-B", "CG", "Nelder-Mead", "Powell"]


def data() -> tuple[Array, Array]:
    """Design matrix (442, 11) with an intercept, and the response (442,)."""
    from sklearn.datasets import load_diabetes

    features, response = load_diabetes(return_X_y=True)
    # the data set's columns have unit length; make it unit variance
    design = np.column_stack([np.ones(len(response)), features * np.sqrt(len(response))])
    return design, np.asarray(response, dtype=float)


class Pinball:
    """Mean pinball loss of a quantile: value and gradient at coefficients (11,)."""

    def __init__(self, design: Array, response: Array, quantile: float) -> None:
        self._design, self._response, self._quantile = design, response, quantile

    def __call__(self, coefficients: Array) -> tuple[float, Array]:
        """Value and gradient."""
        residual: Array = self._response - self._design @ coefficients
        slope = np.where(residual > 0, self._quantile, self._quantile - 1.0)
        return float(slope @ residual) / len(residual), -(slope @ self._design) / len(residual)

    def exact_minimum(self) -> float:
        """The minimum, by linear programming over the positive and negative residuals."""
        m, k = self._design.shape
        cost = np.concatenate(
            [np.zeros(k), np.full(m, self._quantile), np.full(m, 1 - self._quantile)]
        )
        equations = np.hstack([self._design, np.eye(m), -np.eye(m)])
        bounds = [(None, None)] * k + [(0, None)] * (2 * m)
        solution = linprog(cost, A_eq=equations, b_eq=self._response, bounds=bounds)
        minimum: float = solution.fun / m
        return minimum


def run(budget: int = 2000) -> dict[float, tuple[list[Racer], float]]:
    """Race for the median and the 0.9 quantile; outcomes and exact minima by quantile."""
    design, response = data()
    start = np.zeros(design.shape[1])
    out = {}
    for quantile in (0.5, 0.9):
        loss = Pinball(design, response, quantile)
        ours: dict[str, Any] = {"method": "gradient-sampling"}
        racers = race(
            loss,
            start,
            jac=True,
            budget=budget,
            ours=ours,
            theirs=THEIRS,
            name="gradient-sampling",
        )
        out[quantile] = racers, loss.exact_minimum()
    return out
