"""LaplacianDescent: counts that do not grow with the grid, correctness around them."""

import numpy as np
import pytest
from scipy.optimize import Bounds

import smoothmin as sm


class Elastic:
    """A nonlinear elastic line or sheet under a load that makes ``best`` its minimizer.

    The integral of |grad u|^2 / 2 + u^4 / 4 - load * u, on n points a side.
    """

    def __init__(self, n, dimensions=1, boundary="dirichlet"):
        self.boundary = boundary
        self.shape = (n,) * dimensions
        self.h = 1 / n if boundary == "neumann" else 1 / (n + 1)
        points = (np.arange(n) + (0.5 if boundary == "neumann" else 1)) * self.h
        wave = np.cos(np.pi * points) if boundary == "neumann" else np.sin(np.pi * points)
        self.best = 3 * wave * np.exp(points / 2)
        for _ in range(dimensions - 1):
            self.best = np.multiply.outer(self.best, wave)
        self.load = self.gradient(self.best) / self.h**dimensions
        self.least = self.value(self.best)

    def differences(self, u):
        for axis in range(u.ndim):
            ends = [(1, 1) if k == axis else (0, 0) for k in range(u.ndim)]
            mode = {"mode": "edge"} if self.boundary == "neumann" else {}
            yield axis, np.diff(np.pad(u, ends, **mode), axis=axis) / self.h

    def gradient(self, u, load=0.0):
        g = u**3 - load
        for axis, slope in self.differences(u):
            g = g - np.diff(slope, axis=axis) / self.h
        return g * self.h**u.ndim

    def value(self, u):
        total = np.sum(u**4) / 4 - np.sum(self.load * u)
        total += sum(np.sum(slope**2) / 2 for _, slope in self.differences(u))
        return total * self.h**u.ndim

    def __call__(self, u):
        return self.value(u), self.gradient(u, self.load)

    def evaluations(self, start=0.0, gap=1e-8, **options):
        """Evaluations of the method until the gap is ``gap`` times that of the start."""
        x0 = np.full(self.shape, start)
        target = self.least + gap * (self.value(x0) - self.least)
        res = sm.minimize(
            self,
            x0,
            jac=True,
            method="laplacian",
            rng=0,
            options={"f_target": target, "maxfev": 2000, **options},
        )
        assert res.status == 6, res
        return res.nfev


@pytest.mark.parametrize("boundary", ["dirichlet", "neumann"])
@pytest.mark.parametrize(("dimensions", "sides"), [(1, (50, 500, 5000)), (2, (15, 63))])
def test_evaluations_do_not_grow_with_the_grid(dimensions, sides, boundary):
    start = 0.0 if boundary == "dirichlet" else 1.0
    counts = [Elastic(n, dimensions, boundary).evaluations(start) for n in sides]
    assert max(counts) <= 26
    assert max(counts) <= min(counts) + 4
    plain = sm.minimize(
        Elastic(500),
        np.zeros(500),
        jac=True,
        method="lbfgs",
        options={"maxfev": 200},
    )
    assert plain.fun > Elastic(500).least + 1e-4


@pytest.mark.parametrize("boundary", ["dirichlet", "neumann", "periodic"])
@pytest.mark.parametrize("seed", range(5))
def test_the_fit_finds_sigma_and_boundary(boundary, seed):
    # a quadratic whose Hessian is a*I + b*K
    a, b, shape = 0.03, 1.7, (30, 20)
    operator = sm.LaplacianOperator(shape, b / a, boundary)

    def fun(x):
        applied = a * operator.apply(x)
        return float(np.sum(x * applied)) / 2 - x.sum(), applied - 1.0

    x0 = np.random.default_rng(seed).normal(size=shape)
    res = sm.minimize(fun, x0, jac=True, method="laplacian", rng=seed)
    assert res.success
    assert res.boundary == boundary
    np.testing.assert_allclose(res.sigma, b / a, rtol=0.02)
    # the start, two probes, and steps of Newton's method
    assert res.nfev <= 8
    np.testing.assert_allclose(fun(res.x)[1], 0, atol=1e-5)


@pytest.mark.parametrize("spacing", [1e-6, 1e-3, 1.0, 1e3])
def test_the_fit_does_not_depend_on_the_unit_of_length(spacing):
    problem = Elastic(300)
    kept = sm.minimize(problem, np.zeros(300), jac=True, method="laplacian", rng=0)
    options = {"spacing": spacing}
    res = sm.minimize(problem, np.zeros(300), jac=True, method="laplacian", rng=0, options=options)
    assert res.boundary == "dirichlet"
    np.testing.assert_allclose(res.sigma / spacing**2, kept.sigma, rtol=1e-3)
    assert abs(res.nfev - kept.nfev) <= 2


def test_no_smoothing_where_it_would_not_help():
    # rough directions are the flat ones
    operator = sm.LaplacianOperator(40, 5.0)

    def fun(x):
        g = operator.solve(x - 1)
        return float((x - 1) @ g) / 2, g

    res = sm.minimize(fun, np.zeros(40), jac=True, method="laplacian", rng=0)
    assert res.sigma == 0
    np.testing.assert_allclose(res.x, 1, atol=1e-4)


@pytest.mark.parametrize("step", ["lbfgs", "bb"])
@pytest.mark.parametrize("sigma", ["auto", 0.0, 1.0, 300.0])
def test_every_step_and_sigma_converges(step, sigma):
    problem = Elastic(40)
    options = {"step": step, "sigma": sigma, "boundary": "dirichlet", "gtol": 1e-5}
    res = sm.minimize(problem, np.zeros(40), jac=True, method="laplacian", rng=0, options=options)
    assert res.success
    np.testing.assert_allclose(res.x, problem.best, atol=1e-3)


@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 1.0), (0.5, 0.99)])
def test_the_fixed_rate_is_the_papers_formula(momentum, decay):
    problem = Elastic(12)
    x = np.linspace(0, 1, 12)
    method = sm.LaplacianDescent(
        sigma=7.0,
        boundary="neumann",
        step="fixed",
        lr=0.2,
        momentum=momentum,
        decay=decay,
        gtol=0,
    )
    options = {"maxiter": 30, "return_all": True}
    res = sm.minimize(problem, x, jac=True, method=method, options=options)
    operator, velocity = sm.LaplacianOperator(12, 7.0, "neumann"), np.zeros(12)
    for k, point in enumerate(res.allvecs):
        np.testing.assert_allclose(point, x, rtol=0, atol=1e-13)
        velocity = momentum * velocity - 0.2 * decay**k * operator.solve(problem(x)[1])
        x = x + velocity
    assert res.nfev == 31


def test_a_fixed_rate_can_be_left_to_the_method():
    operator = sm.LaplacianOperator(30, 40.0, "dirichlet")

    def fun(x):
        applied = operator.apply(x)
        return float(x @ applied) / 2 - x.sum(), applied - 1.0

    options = {"step": "fixed", "maxfev": 500}
    res = sm.minimize(fun, np.zeros(30), jac=True, method="laplacian", rng=0, options=options)
    assert res.success
    np.testing.assert_allclose(res.x, operator.solve(np.ones(30)), atol=1e-5)
    with pytest.raises(ValueError, match="lr must be given"):
        sm.LaplacianDescent(step="fixed", sigma=10.0)


def projected(x, g, low, high):
    return np.where(((x <= low) & (g > 0)) | ((x >= high) & (g < 0)), 0.0, g)


@pytest.mark.parametrize("step", ["lbfgs", "bb"])
@pytest.mark.parametrize(("low", "high"), [(0.0, 2.0), (-1.0, 0.5), (0.0, np.inf)])
def test_bounds_hold_everywhere_and_at_the_solution(step, low, high):
    problem = Elastic(20, 2)
    asked = []

    def fun(x):
        asked.append(x.copy())
        return problem(x)

    x0 = np.clip(np.random.default_rng(0).normal(size=(20, 20)), low, high)
    options = {"step": step, "gtol": 1e-7, "maxfev": 3000}
    res = sm.minimize(
        fun,
        x0,
        jac=True,
        method="laplacian",
        rng=0,
        bounds=[(low, high)] * 400,
        options=options,
    )
    assert np.min(asked) >= low
    assert np.max(asked) <= high
    residual = projected(res.x, problem(res.x)[1], low, high)
    assert np.abs(residual).max() < 1e-5 * np.abs(problem(x0)[1]).max()


@pytest.mark.parametrize("method", ["descent", "smoothing"])
def test_fixed_variables_keep_their_place_in_the_field(method):
    # painting in what is unknown of an image: the rest is fixed
    problem = Elastic(40, 2)
    known = np.random.default_rng(2).random((40, 40)) < 0.1
    low = np.where(known, problem.best, -np.inf)
    high = np.where(known, problem.best, np.inf)
    start = np.where(known, problem.best, 0.0)
    chosen = (
        sm.LaplacianDescent(gtol=1e-7)
        if method == "descent"
        else sm.LaplacianSmoothing(sm.LBFGS(gtol=1e-6), sigma=100.0, boundary="dirichlet")
    )
    bounds = Bounds(low.ravel(), high.ravel())
    res = sm.minimize(problem, start, jac=True, method=chosen, bounds=bounds, rng=0)
    assert res.success
    np.testing.assert_array_equal(res.x[known], problem.best[known])
    np.testing.assert_allclose(res.x, problem.best, atol=1e-3)
    assert res.nfev < 100


def test_total_variation_of_an_image_within_bounds():
    rng = np.random.default_rng(1)
    clean = np.zeros((24, 24))
    clean[6:18, 6:18] = 1.0
    clean = 0.1 + 0.8 * clean
    noisy = np.clip(clean + 0.1 * rng.normal(size=clean.shape), 0, 1)

    def fun(u):
        down, right = np.diff(u, axis=0, append=u[-1:]), np.diff(u, axis=1, append=u[:, -1:])
        length = np.sqrt(down**2 + right**2 + 1e-4)
        f = np.sum((u - noisy) ** 2) / 2 + 0.2 * length.sum()
        p, q = 0.2 * down / length, 0.2 * right / length
        g = u - noisy
        g[:-1] -= p[:-1]
        g[1:] += p[:-1]
        g[:, :-1] -= q[:, :-1]
        g[:, 1:] += q[:, :-1]
        return float(f), g

    bounds = [(0, 1)] * 576
    res = sm.minimize(fun, noisy, jac=True, method="laplacian", bounds=bounds, rng=0)
    best = sm.minimize(fun, noisy, jac=True, method="lbfgs", bounds=bounds)
    assert res.fun <= best.fun + 1e-4 * abs(best.fun)
    assert np.abs(res.x - clean).mean() < 0.7 * np.abs(noisy - clean).mean()


class Diagonal:
    """A preconditioner of one's own."""

    def __init__(self, weights):
        self.weights = weights

    def solve(self, g):
        return g / self.weights


def test_a_preconditioner_replaces_the_operator():
    weights = np.logspace(0, 6, 50)

    def fun(x):
        return float(weights @ (x - 1) ** 2) / 2, weights * (x - 1)

    options = {"preconditioner": Diagonal(weights), "gtol": 1e-8}
    res = sm.minimize(fun, np.zeros(50), jac=True, method="laplacian", options=options)
    # the start, one trial for the length, one step, and one to see that it was the last
    assert res.nfev <= 4
    np.testing.assert_allclose(res.x, 1, atol=1e-6)
    wrong = {"preconditioner": Diagonal(np.ones((2, 50)))}
    with pytest.raises(ValueError, match=r"preconditioner\.solve"):
        sm.minimize(fun, np.zeros(50), jac=True, method="laplacian", options=wrong)


@pytest.mark.parametrize("min_numel", [1, 2, 4])
def test_several_fields_in_one_vector(min_numel):
    line, sheet = Elastic(40), Elastic(8, 2)

    def fun(x):
        f, g = line(x[:40])
        f2, g2 = sheet(x[40:104].reshape(8, 8))
        rest = x[104:] - 2
        return f + f2 + rest @ rest, np.concatenate([g, g2.ravel(), 2 * rest])

    # fields of one and two elements, smoothed or left alone
    options = {"shapes": [40, (8, 8), 2, 1], "gtol": 1e-7, "min_numel": min_numel}
    for layerwise in (True, False):
        options["layerwise"] = layerwise
        res = sm.minimize(fun, np.zeros(107), jac=True, method="laplacian", options=options)
        assert res.success
        np.testing.assert_allclose(res.x[:40], line.best, atol=1e-3)
        np.testing.assert_allclose(res.x[104:], 2, atol=1e-3)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("step", ["lbfgs", "bb", "fixed"])
def test_tiny_problems(n, step):
    def fun(x):
        return float(np.sum((x - 2) ** 2)), 2 * (x - 2)

    options = {"step": step, "min_numel": 1}
    res = sm.minimize(fun, np.zeros(n), jac=True, method="laplacian", rng=0, options=options)
    assert res.success
    np.testing.assert_allclose(res.x, 2, atol=1e-5)


def test_a_start_at_the_minimum_ends_at_once():
    res = sm.minimize(lambda x: (float(x @ x), 2 * x), np.zeros(9), jac=True, method="laplacian")
    assert res.success
    # and values on both sides along two directions, and how they bend along a third
    assert res.nfev <= 3 + 4 + 2


@pytest.mark.parametrize("step", ["lbfgs", "bb", "fixed"])
def test_what_is_not_finite_is_survived_or_said(step):
    res = sm.minimize(
        lambda x: (np.nan, x), np.ones(8), jac=True, method="laplacian", options={"step": step}
    )
    assert res.status == 3

    def log_barrier(x):
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(np.sum(x - np.log(x))), 1 - 1 / x

    res = sm.minimize(
        log_barrier,
        np.full(8, 3.0),
        jac=True,
        method="laplacian",
        rng=0,
        options={"step": step, "maxfev": 500},
    )
    # a fixed rate has no way back
    assert res.fun < 8 + 1e-6 or step == "fixed"


def test_the_same_seed_is_the_same_run():
    problem = Elastic(30)
    runs = [
        sm.minimize(problem, np.zeros(30), jac=True, method="laplacian", rng=7) for _ in range(2)
    ]
    assert runs[0].nfev == runs[1].nfev
    np.testing.assert_array_equal(runs[0].x, runs[1].x)


def noisy_quadratic(x, rng):
    """Osher et al., section 4: badly scaled, with gradients that are not exact."""
    weights = np.where(np.arange(x.size) % 2 == 0, 1.0, 0.01)
    return float(weights @ x**2), 2 * weights * x + 0.1 * rng.normal(size=x.size)


@pytest.mark.parametrize(("sigma", "low", "high"), [(10.0, 0.05, 0.09), (0.0, 3.6, 4.0)])
def test_noise_in_the_gradient_is_smoothed_away(sigma, low, high):
    # the last value, of the true function: that of a noisy one is no measure
    noise = np.random.default_rng(11)
    last = []

    def fun(x):
        f, g = noisy_quadratic(x, noise)
        last.append(f)
        return f, g

    method = sm.LaplacianDescent(
        sigma=sigma, boundary="periodic", step="fixed", lr=1e-3, decay=10**-1e-4, gtol=0
    )
    sm.minimize(fun, np.full(100, 3.0), jac=True, method=method, options={"maxfev": 25_000})
    assert low <= last[-1] <= high


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"sigma": "much"}, ValueError),
        ({"sigma": -1.0}, ValueError),
        ({"boundary": "open"}, ValueError),
        ({"step": "newton"}, ValueError),
        ({"memory": 0}, ValueError),
        ({"gtol": -1.0}, ValueError),
        ({"ftol": "small"}, TypeError),
        ({"lr": 0.1}, ValueError),
        ({"momentum": 0.5}, ValueError),
        ({"decay": 0.5}, ValueError),
        ({"preconditioner": np.eye(3)}, TypeError),
        ({"shapes": "image"}, TypeError),
        ({"spacing": [1.0, 0.0]}, ValueError),
        ({"spacing": []}, ValueError),
    ],
)
def test_wrong_options_are_named(options, error):
    with pytest.raises(error, match=next(iter(options))):
        sm.LaplacianDescent(**options)


@pytest.mark.parametrize("options", [{"momentum": -0.1}, {"momentum": 1.0}, {"decay": 1.5}])
def test_wrong_rates_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        sm.LaplacianDescent(step="fixed", lr=0.1, **options)


def test_a_kink_at_rounding_level_is_no_success():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(100, 20)), rng.normal(size=100)

    def fun(x):
        return np.abs(a @ x - b).sum(), a.T @ np.sign(a @ x - b)

    res = sm.minimize(fun, np.zeros(20), jac=True, method="laplacian")
    assert not res.success
    assert sm.minimize(
        fun, np.zeros(20), jac=True, method="laplacian", options={"ftol": 1e-6}
    ).success


def test_steps_that_leave_the_range_of_numbers_end_the_run():
    points = []

    def line(x):
        points.append(x.copy())
        return float(x[0]), np.eye(5)[0]

    for step in ("bb", "fixed"):
        method = sm.LaplacianDescent(step=step, sigma=1.0, lr=1e306 if step == "fixed" else None)
        options = {"maxfev": 3000, "maxiter": 3000}
        res = sm.minimize(line, np.zeros(5), jac=True, method=method, options=options)
        assert res.status == 3
        assert "not finite" in res.message
        assert np.isfinite(points).all()
        assert np.isfinite(res.x).all()
