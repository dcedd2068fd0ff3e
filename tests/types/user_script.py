"""What users write, as type checkers see it."""

import numpy as np
from numpy.typing import NDArray

from smoothmin import LBFGS, History, Result, minimize


def fun(x: NDArray[np.float64]) -> float:
    return float(x @ x)


res: Result = minimize(fun, [1.0, 2.0], method="derivative-free", options={"restarts": 2}, rng=0)
value: float = res.fun
steps: int = res.nfev
best: NDArray[np.float64] = res.x
done: bool = res.success

plain = minimize(fun, np.ones(3), bounds=[(0, 1), (None, 2), (0, None)])
both = minimize(lambda x: (fun(x), 2 * x), [1.0, 2.0], jac=True)
blocks = minimize(lambda p: float(p["a"] ** 2 + p["b"] @ p["b"]), {"a": 1.0, "b": np.ones(2)})
theirs = minimize(fun, [1.0, 2.0], method="Nelder-Mead", options={"xatol": 1e-3})
nested = minimize(fun, [1.0, 2.0], method=LBFGS(memory=5), jac="2-point")
kept = minimize(fun, [1.0, 2.0], options={"history": True, "maxfev": 100}).history
history: History = kept
lowest: NDArray[np.float64] = history.best

for name in ("bfgs", "lbfgs"):
    minimize(fun, [1.0, 2.0], method=name, options={"gtol": 1e-6})
