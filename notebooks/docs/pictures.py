"""The pictures of the methods' pages: each a run of the method, drawn anew with every build.

Run it with a method's name to look at one: ``python notebooks/docs/pictures.py homotopy``.
"""

import contextlib
import sys
import warnings
from pathlib import Path

import numpy as np
from cycler import cycler
from matplotlib import style
from matplotlib.figure import Figure
from scipy import optimize

import smoothmin
from smoothmin import NonlinearConstraint, plotting

LIGHT = ("#0072B2", "#D55E00", "#E69F00", "#009E73", "#CC79A7")
DARK = ("#56B4E9", "#D55E00", "#E69F00", "#009E73", "#CC79A7")


class Recorded:
    """A function that keeps the points it was evaluated at, and the best value so far."""

    def __init__(self, fun, jac=False):
        self.fun, self.jac = fun, jac
        self.points, self.best = [], []

    def __call__(self, x):
        out = self.fun(x)
        self.points.append(np.array(x))
        value = float(out[0] if self.jac else out)
        self.best.append(min(value, self.best[-1]) if self.best else value)
        return out


def ours(fun, x0, method, jac=False, maxfev=2000, **more):
    """A run of smoothmin's, recorded, and its result."""
    counted = Recorded(fun, jac)
    options = {"maxfev": maxfev, "return_all": True}
    res = smoothmin.minimize(
        counted, x0, jac=jac or None, method=method, rng=0, options=options, **more
    )
    return counted, res


def theirs(fun, x0, method, jac=False, maxfev=2000, **more):
    """A run of SciPy's, recorded."""
    counted = Recorded(fun, jac)

    def limited(x):
        if len(counted.best) >= maxfev:
            raise StopIteration
        return counted(x)

    with contextlib.suppress(StopIteration), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its advice is not what a build is watched for
        optimize.minimize(limited, x0, jac=jac or None, method=method, **more)
    return counted


def race(axis, runs, minimum, least=1e-12, log=False):
    """Gaps to the minimum against evaluations."""
    for name, run in runs.items():
        gaps = np.maximum(np.asarray(run.best) - minimum, least)
        axis.plot(np.arange(1, len(gaps) + 1), gaps, label=name, linewidth=2)
    axis.set(yscale="log", xlabel="evaluations", title="Value above the minimum")
    if log:
        axis.set_xscale("log")
    beside(axis)


def beside(axis):
    """A legend below the axes, off the curves."""
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), frameon=False, ncols=2)
    axis.spines[["top", "right"]].set_visible(False)


def valley(x):
    """Nonsmooth Rosenbrock, and its gradient."""
    slope = 8 * np.sign(x[0] ** 2 - x[1])
    value = 8 * abs(x[0] ** 2 - x[1]) + (1 - x[0]) ** 2
    return value, np.array([2 * x[0] * slope - 2 * (1 - x[0]), -slope])


def rugged(x, ripples=0.3):
    """A bowl with turned ripples, lowest at (0.5, -0.3), of value 0."""
    y = np.array([[0.9, 0.44], [-0.44, 0.9]]) @ (np.asarray(x) - [0.5, -0.3])
    return float(np.sum(y**2 + ripples - ripples * np.cos(9 * y)))


def rosen(x):
    """Rosenbrock's function with its gradient."""
    return optimize.rosen(x), optimize.rosen_der(x)


def value(fun):
    """The value alone."""
    return lambda x: fun(x)[0]


def gradient_sampling(left, right):
    box = [(-1.6, 1.6), (-0.6, 2.0)]
    run, res = ours(valley, [-1.0, 1.5], "gradient-sampling", jac=True)
    plotting.landscape(value(valley), box, path=res.allvecs, ax=left)
    left.set_title("A kink along a valley")
    runs = {"gradient-sampling": run}
    for name in ("BFGS", "L-BFGS-B"):
        runs[f"SciPy {name}"] = theirs(valley, [-1.0, 1.5], name, jac=True)
    race(right, runs, 0.0, 1e-15)


def sqp(left, right):
    fun = valley
    disc = NonlinearConstraint(lambda x: x @ x, -np.inf, 1.0, jac=lambda x: 2 * x)
    run, res = ours(fun, [-0.6, 0.4], "sqp", jac=True, constraints=disc)
    plotting.landscape(value(fun), [(-1.4, 1.4), (-1.2, 1.4)], path=res.allvecs, ax=left)
    circle = np.linspace(0, 2 * np.pi, 200)
    left.plot(np.cos(circle), np.sin(circle), "--", color="#ffffff")
    left.set_title("Within the circle")
    runs = {"sqp": run}
    for name in ("SLSQP", "trust-constr"):
        runs[f"SciPy {name}"] = theirs(fun, [-0.6, 0.4], name, jac=True, constraints=disc)
    for each in runs.values():  # values where the constraint is met
        met = [value(fun)(p) if p @ p <= 1 + 1e-8 else np.inf for p in each.points]
        each.best = np.minimum.accumulate(met)
    race(right, runs, min(each.best[-1] for each in runs.values()), 1e-10)


def derivative_free(left, right):
    box, start = [(-2, 2), (-2, 2)], [-1.6, 1.5]
    fun = rugged
    run, _ = ours(fun, start, smoothmin.DerivativeFree(restarts=1), bounds=box)
    plotting.landscape(fun, box, samples=run.points, ax=left)
    left.set_title("What was evaluated")
    runs = {"derivative-free": run}
    for name in ("Nelder-Mead", "Powell"):
        runs[f"SciPy {name}"] = theirs(fun, start, name, bounds=box)
    race(right, runs, 0.0, log=True)


def constrained_model(left, right):
    def fun(x):
        return (x[0] - 2) ** 2 + (x[1] - 1) ** 2

    above = {"type": "ineq", "fun": lambda x: x[1] - x[0] ** 2}
    run, _ = ours(fun, [-0.5, 1.5], "constrained-model", constraints=above)
    box = [(-1.2, 2.2), (-0.5, 2.5)]
    plotting.landscape(fun, box, samples=run.points, ax=left)
    x = np.linspace(-1.2, 1.58, 100)
    left.plot(x, x**2, "--", color="#ffffff")
    left.set_title("Above the parabola")
    other = theirs(fun, [-0.5, 1.5], "COBYLA", constraints=above)
    least = 0.8248335
    for name, one in {"constrained-model": run, "SciPy COBYLA": other}.items():
        feasible = [fun(p) if p[1] >= p[0] ** 2 - 1e-6 else np.inf for p in one.points]
        gaps = np.maximum(np.minimum.accumulate(feasible) - least, 1e-7)
        right.semilogy(np.arange(1, len(gaps) + 1), gaps, label=name, linewidth=2)
    right.set(title="Feasible value above the minimum", xlabel="evaluations")
    beside(right)


def homotopy(left, right):
    x = np.linspace(-2, 2, 400)
    one = x**2 + 0.5 - 0.5 * np.cos(9 * x)
    for sigma in (0.0, 0.12, 0.3):
        # of a Gaussian, exactly
        blurred = x**2 + sigma**2 + 0.5 - 0.5 * np.exp(-40.5 * sigma**2) * np.cos(9 * x)
        left.plot(x, blurred if sigma else one, label=f"blurred by {sigma}" if sigma else "f")
    left.set(title="A function, and blurred", xlabel="$x$")
    beside(left)
    start, box = np.full(5, -1.4), [(-2, 2)] * 5

    def fun(x):
        y = x - 0.4
        return float(np.sum(y**2 + 0.5 - 0.5 * np.cos(9 * y))), 2 * y + 4.5 * np.sin(9 * y)

    run, _ = ours(fun, start, "homotopy", jac=True, bounds=box)
    race(right, {"homotopy": run, "SciPy L-BFGS-B": theirs(fun, start, "L-BFGS-B", jac=True)}, 0)


def string(n):
    """The energy of a string under load on n points, with its gradient."""

    def fun(x):
        slope = np.diff(x, prepend=0, append=0) * (n + 1)
        return (slope @ slope / 2 - x.sum()) / n, (-np.diff(slope) * (n + 1) - 1) / n

    return fun


def laplacian(left, right):
    n = 400
    x = np.linspace(0, 1, n + 2)[1:-1]
    left.plot(x, x * (1 - x) / 2 * (n + 1) / n, label="minimum", linewidth=4, alpha=0.4)
    for name in ("laplacian", "lbfgs"):
        _, res = ours(string(n), np.zeros(n), name, jac=True, maxfev=12)
        left.plot(x, res.x, label=f"{name}, 12 evaluations")
    left.set(title="A string under load, 400 points")
    beside(left)
    sizes = (25, 50, 100, 200, 400)
    for name in ("laplacian", "lbfgs"):
        counts = [ours(string(n), np.zeros(n), name, jac=True)[1].nfev for n in sizes]
        right.loglog(sizes, counts, "o-", label=name, linewidth=2)
    right.set(title="Evaluations to the end", xlabel="grid points")
    right.set_xticks(sizes, sizes, minor=False)
    right.set_xticks([], minor=True)
    beside(right)


def scaled(n):
    """A bowl whose curvatures span three orders of magnitude, and quartic walls."""
    scales = np.geomspace(1, 1e3, n)

    def fun(x):
        return float(scales @ x**2) / 2 + float(np.sum(x**4)), scales * x + 4 * x**3

    return fun


def lbfgs(left, right):
    sizes = (10, 100, 1000, 10000)
    counts = {"lbfgs": [], "SciPy L-BFGS-B": []}
    for n in sizes:
        fun, start = scaled(n), np.ones(n)
        run, _ = ours(fun, start, "lbfgs", jac=True)
        peer = theirs(fun, start, "L-BFGS-B", jac=True)
        for name, each in {"lbfgs": run, "SciPy L-BFGS-B": peer}.items():
            near = np.asarray(each.best) < 1e-6
            counts[name].append(int(near.argmax()) + 1 if near.any() else np.nan)
    for name, each in counts.items():
        left.semilogx(sizes, each, "o-", label=name, linewidth=2)
    left.set(title="Evaluations to within 1e-6", xlabel="variables", ylim=(0, None))
    beside(left)
    race(right, {"lbfgs": run, "SciPy L-BFGS-B": peer}, 0.0, 1e-16)
    right.set_title("10,000 variables")


def bfgs(left, right):
    run, res = ours(rosen, [-1.2, 1.0], "bfgs", jac=True)
    box = [(-1.6, 1.6), (-0.6, 1.6)]
    plotting.landscape(value(rosen), box, path=res.allvecs, ax=left)
    left.set_title("Rosenbrock's valley")
    race(right, {"bfgs": run, "SciPy BFGS": theirs(rosen, [-1.2, 1.0], "BFGS", jac=True)}, 0, 1e-20)


def gradient_descent(left, right):
    scales = np.array([1.0, 25.0])

    def fun(x):
        return float(scales @ x**2) / 2, scales * x

    box = [(-2.2, 2.2), (-1.2, 1.2)]
    runs = {}
    methods = {
        "fixed rate": smoothmin.GradientDescent(lr=0.06),
        "momentum": smoothmin.GradientDescent(lr=0.03, momentum=0.7),
        "Barzilai-Borwein": smoothmin.GradientDescent(line_search="barzilai-borwein"),
    }
    for name, method in methods.items():
        runs[name], res = ours(fun, [2.0, 1.0], method, jac=True, maxfev=60)
        if name == "momentum":
            plotting.landscape(value(fun), box, path=res.allvecs, ax=left)
    left.set_title("With momentum")
    race(right, runs, 0.0, 1e-16)


def model_descent(left, right):
    fun = optimize.rosen
    run, _ = ours(fun, [-1.2, 1.0], "model-descent")
    plotting.landscape(fun, [(-1.6, 1.6), (-0.6, 1.6)], samples=run.points, ax=left)
    left.set_title("What was evaluated")
    runs = {"model-descent": run}
    for name in ("Nelder-Mead", "Powell"):
        runs[f"SciPy {name}"] = theirs(fun, [-1.2, 1.0], name)
    race(right, runs, 0.0)


def difference_descent(left, right):
    def fun(x):
        return float(abs(x[0] - 0.5) + 3 * abs(x[1] - x[0]) + np.sum(np.square(x)) / 4)

    _, res = ours(fun, [-1.2, 1.4], "difference-descent")
    plotting.landscape(fun, [(-1.6, 1.6), (-1.6, 1.6)], path=res.allvecs, ax=left)
    left.set_title("Kinks, from values alone")
    weights = np.arange(1, 11)

    def many(x):
        return float(weights @ np.abs(x) + np.sum(np.square(x)))

    start = np.linspace(-1, 2, 10)
    runs = {"difference-descent": ours(many, start, "difference-descent")[0]}
    for name in ("BFGS", "Nelder-Mead"):
        runs[f"SciPy {name}"] = theirs(many, start, name)
    race(right, runs, 0.0)
    right.set_title("Ten variables")


def gaussian_search(left, right):
    box, start = [(-2, 2), (-2, 2)], [-1.6, 1.5]
    fun = rugged
    run, _ = ours(fun, start, "gaussian-search", bounds=box)
    plotting.landscape(fun, box, samples=run.points, ax=left)
    left.set_title("Samples, denser as it learns")
    runs = {"gaussian-search": run, "SciPy Nelder-Mead": theirs(fun, start, "Nelder-Mead")}
    race(right, runs, 0.0)


def coordinate_search(left, right):
    def fun(x):
        y = np.asarray(x) - np.linspace(0.5, -0.3, len(x))
        return float(np.sum(y**2 + 0.5 - 0.5 * np.cos(9 * y)))

    run, _ = ours(fun, [-1.6, 1.5], "coordinate-search", bounds=[(-2, 2)] * 2)
    plotting.landscape(fun, [(-2, 2), (-2, 2)], samples=run.points, ax=left)
    left.set_title("One variable after the other")
    start, box = np.linspace(-1.6, 1.5, 6), [(-2, 2)] * 6
    runs = {"coordinate-search": ours(fun, start, "coordinate-search", bounds=box)[0]}
    runs["SciPy Powell"] = theirs(fun, start, "Powell", bounds=box)
    race(right, runs, 0.0)
    right.set_title("Six variables")


def directional_smoothing(left, right):
    x = np.linspace(-4, 4, 400)
    left.plot(x, x**2 + 10 - 10 * np.cos(2 * np.pi * x), label="along one variable")
    blurred = x**2 + 1 + 10 - 10 * np.exp(-2 * np.pi**2) * np.cos(2 * np.pi * x)
    left.plot(x, blurred, label="smoothed, width 1", linewidth=2)
    left.set(title="Rastrigin's function", xlabel="$x_0$")
    beside(left)

    def fun(x):
        return float(np.sum(x**2 + 10 - 10 * np.cos(2 * np.pi * x)))

    start = np.linspace(-4, 4, 60)
    method = smoothmin.DirectionalSmoothing(sigma=2.0)
    runs = {"directional-smoothing": ours(fun, start, method, maxfev=20000)[0]}
    runs["SciPy Powell"] = theirs(fun, start, "Powell", maxfev=20000)
    race(right, runs, 0.0, 1e-3, log=True)
    right.set_title("60 variables")


def reformulations(left, right):
    x = np.linspace(-2, 2, 400)
    left.plot(x, np.abs(x), label="|x|")
    for sigma in (0.3, 1.0):
        smoothed, _ = smoothmin.smooth(lambda x: abs(x[0]), sigma=sigma, n=400, rng=0)
        left.plot(x, [smoothed(np.array([each])) for each in x], label=f"smoothed by {sigma}")
    left.set(title="A kink, and smoothed", xlabel="$x$")
    beside(left)
    method = smoothmin.GradientSampling(smoothmin.LBFGS(), sigma=0.3, n=20)

    def fun(x):
        return float(np.sum(x**2 + 0.5 - 0.5 * np.cos(9 * x))), 2 * x + 4.5 * np.sin(9 * x)

    start = np.linspace(-1, 2, 10)
    runs = {"GradientSampling(LBFGS())": ours(fun, start, method, jac=True, maxfev=2000)[0]}
    runs["lbfgs"] = ours(fun, start, "lbfgs", jac=True)[0]
    race(right, runs, 0.0, 1e-6, log=True)
    right.set_title("Ripples, 10 variables")


PICTURES = {
    name.replace("_", "-"): draw
    for name, draw in list(globals().items())
    if getattr(draw, "__code__", None) and draw.__code__.co_varnames[:2] == ("left", "right")
}


def save(name, folder):
    """Draw one, for a light and a dark page."""
    for ground, colors, end in (("default", LIGHT, "light"), ("dark_background", DARK, "dark")):
        here = {"axes.prop_cycle": cycler(color=colors), "axes.facecolor": "none"}
        with style.context([ground, here]):
            figure = Figure(figsize=(9, 3.9), layout="constrained")
            figure.patch.set_alpha(0)
            PICTURES[name](*figure.subplots(1, 2))
            figure.savefig(folder / f"{name}-{end}.png", dpi=100)


def save_all(folder):
    """Draw those of all pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PICTURES:
        save(name, folder)


if __name__ == "__main__":
    for each in sys.argv[1:] or PICTURES:
        save(each, Path())
