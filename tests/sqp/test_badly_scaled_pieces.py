"""Badly scaled pieces in a ball and between rows: ends against the same program in smooth form."""

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, NonlinearConstraint
from scipy.optimize import minimize as scipy_minimize

from smoothmin import minimize


class Pieces:
    """The largest of some quadratics whose variables and heights differ by factors of 1e4."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(2, 9))
        m, rows = int(rng.integers(2, 2 * n + 3)), int(rng.integers(0, 3))
        self.scale, weights = 10 ** rng.uniform(-2, 2, n), 10 ** rng.uniform(-2, 2, m)
        self.slopes = rng.standard_normal((m, n)) * self.scale * weights[:, None]
        self.heights = rng.standard_normal(m) * weights
        self.bends = 10 ** rng.uniform(-4, 1, m) * weights * (rng.random(m) < 0.7)
        self.centre = rng.standard_normal(n) / self.scale
        self.heights += rng.choice([0, 1e3])
        self.rows = rng.standard_normal((rows, n)) * self.scale
        self.most = self.rows @ self.centre + rng.uniform(0.1, 1, rows)
        rng.integers(0, 3)
        self.x0 = self.centre + rng.standard_normal(n) / self.scale * 10 ** rng.uniform(-1, 2)
        self.base, self.unit = 1e-3 * weights.min(), 1 / weights.max()

    def away(self, x):
        return self.scale * (x - self.centre)

    def pieces(self, x):
        square = self.away(x) @ self.away(x)
        return self.heights + self.slopes @ x + (0.5 * self.bends + self.base) * square

    def __call__(self, x):
        values = self.pieces(x)
        k = values.argmax()
        bend = self.bends[k] + 2 * self.base
        return float(values[k]), self.slopes[k] + bend * self.scale * self.away(x)

    def constraints(self):
        ball = NonlinearConstraint(
            lambda x: self.away(x) @ self.away(x),
            -np.inf,
            1.0,
            jac=lambda x: 2 * (self.scale * self.away(x))[None],
        )
        return [
            ball,
            *([LinearConstraint(self.rows, -np.inf, self.most)] if len(self.rows) else []),
        ]

    def least(self, x):
        """The lowest value that SLSQP finds from ``x``, with the level as a variable."""

        def at(v):
            return self.centre + v[:-1] / self.scale

        within = [
            {"type": "ineq", "fun": lambda v: v[-1] - self.unit * self.pieces(at(v))},
            {"type": "ineq", "fun": lambda v: 1 - v[:-1] @ v[:-1]},
            {"type": "ineq", "fun": lambda v: self.most - self.rows @ at(v)},
        ]
        start = np.append(self.away(x), self.unit * self.pieces(x).max())
        options = {"ftol": 1e-15, "maxiter": 300}
        found = scipy_minimize(
            lambda v: v[-1], start, method="SLSQP", constraints=within, options=options
        )
        v = found.x
        feasible = min(np.min(c["fun"](v), initial=np.inf) for c in within[1:]) >= -1e-9
        return float(self.pieces(at(v)).max()) if feasible else np.inf


@pytest.mark.parametrize("first", [5030, 5036])
def test_a_matrix_that_was_forgotten_promises_nothing_at_a_kink(first):
    said = 0
    for seed in range(first, first + 6):
        fun = Pieces(seed)
        options = {"maxfev": 3000}
        res = minimize(fun, fun.x0, jac=True, constraints=fun.constraints(), rng=0, options=options)
        assert res.method == "sqp"
        if res.success:
            said += 1
            assert fun.least(res.x) >= res.fun - 1e-6 * max(1.0, abs(res.fun))
    assert said >= 4
