"""What users write, as type checkers see it."""

import numpy as np
from numpy.typing import NDArray

from smoothmin import (
    LBFGS,
    Bounds,
    FitResult,
    GradientSampling,
    History,
    Homotopy,
    LaplacianOperator,
    NoImprovement,
    Optimizer,
    Result,
    Uncertainty,
    curve_fit,
    least_squares,
    minimize,
    smooth,
    uncertainty,
)
from smoothmin.typing import LBFGSOptions, Options


def fun(x: NDArray[np.float64]) -> float:
    return float(x @ x)


def line(t: NDArray[np.float64], slope: float) -> NDArray[np.float64]:
    return slope * t


res: Result = minimize(fun, [1.0, 2.0], method="derivative-free", options={"restarts": 2}, rng=0)
value: float = res.fun
steps: int = res.nfev
best: NDArray[np.float64] = res.x
done: bool = res.success

plain = minimize(fun, np.ones(3), bounds=[(0, 1), (None, 2), (0, None)])
boxed = minimize(fun, np.ones(3), bounds=Bounds(0.0, 1.0))
both = minimize(lambda x: (fun(x), 2 * x), [1.0, 2.0], jac=True)
blocks = minimize(lambda p: float(p["a"] ** 2 + p["b"] @ p["b"]), {"a": 1.0, "b": np.ones(2)})
theirs = minimize(fun, [1.0, 2.0], method="Nelder-Mead", options={"xatol": 1e-3})
nested = minimize(fun, [1.0, 2.0], method=LBFGS(memory=5), jac="2-point")
by_place = minimize(fun, [1.0, 2.0], (), "lbfgs", None, options={"memory": 5})
by_class = minimize(fun, [1.0, 2.0], method=Homotopy, options={"maxfev": 100})
kept = minimize(fun, [1.0, 2.0], options={"history": True, "maxfev": 100}).history
history: History = kept
lowest: NDArray[np.float64] = history.best

for name in ("bfgs", "lbfgs"):
    minimize(fun, [1.0, 2.0], method=name, options={"gtol": 1e-6})
limits: LBFGSOptions = {"maxfev": 100, "memory": 5}
minimize(fun, [1.0, 2.0], method="lbfgs", options=limits)
general: Options = {"maxfev": 100}
minimize(fun, [1.0, 2.0], method="bfgs" if steps else None, options=general)
smoothed = GradientSampling(LBFGS(), sigma=[0.1, 0.2], termination=NoImprovement(n=3), rng=0)
minimize(fun, [1.0, 2.0], method=smoothed)

either = NoImprovement(n=3) | NoImprovement(n=9)
run = Optimizer(
    [1.0, 2.0], "gradient-sampling", bounds=[(0, 1), (0, 3)], options={"termination": either}
)
while not run.stop():
    points = run.ask()
    run.tell(points, [fun(x) for x in points])
smooth_value, smooth_gradient = smooth(fun, sigma=0.5)
lower: float = smooth_value([1.0, 2.0])
solved = LaplacianOperator((8, 8), 2.0).solve(np.ones((8, 8)))

popt, pcov = curve_fit(line, [1.0, 2.0, 3.0], [2.0, 4.0, 6.1], loss="huber", rng=0)
everything = curve_fit(line, [1.0, 2.0, 3.0], [2.0, 4.0, 6.1], full_output=True)
fit: FitResult = least_squares(lambda p: p - 1, popt, bounds=(0, np.inf), options={"history": True})
least_squares(lambda p: p["a"] - 1, {"a": 0.5}, bounds={"a": (0, 1)}, x_scale={"a": 0.1})
cost: float = fit.cost
sure: Uncertainty = uncertainty(fun, fit, residuals=3)
interval: tuple[float, float] = sure.interval(0)
