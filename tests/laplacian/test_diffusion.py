"""The metric whose coefficients follow the field, and metrics of the user's that do."""

import math

import numpy as np
import pytest

import smoothmin as sm
from smoothmin.laplacian._diffusion import Diffusion
from smoothmin.laplacian._metric import RenewedMemory

BOUNDARIES = ["periodic", "neumann", "dirichlet"]
GRIDS = [(1,), (2,), (9,), (1, 4), (3, 4), (2, 3, 4)]


class Band:
    """Arc length, or area, of a steep graph over a grid, under a load that holds it in place.

    The sum of sqrt(1 + |slope|^2) per cell with the slopes at its first corner.
    """

    def __init__(self, n, dimensions=1):
        self.h = 1 / (n + 1)
        points = np.arange(1, n + 1) * self.h
        wave = 3 * np.sin(np.pi * points)
        for k in range(1, dimensions):
            wave = np.multiply.outer(wave, np.sin((k + 1) * np.pi * points))
        self.best, self.load = wave, 0.0
        self.load = self(wave)[1] / self.h**dimensions
        self.least = self(wave)[0]

    def __call__(self, u):
        padded = np.pad(u, 1)
        cells = tuple(slice(0, -1) for _ in u.shape)
        slopes = [np.diff(padded, axis=k)[..., :] / self.h for k in range(u.ndim)]
        slopes = [
            s[tuple(slice(None) if j == k else slice(0, -1) for j in range(u.ndim))]
            for k, s in enumerate(slopes)
        ]
        area = np.sqrt(1 + sum(s**2 for s in slopes))
        g = np.zeros(padded.shape)
        for k, s in enumerate(slopes):
            upper = tuple(slice(1, None) if j == k else slice(0, -1) for j in range(u.ndim))
            g[cells] -= s / area / self.h
            g[upper] += s / area / self.h
        inside = g[tuple(slice(1, -1) for _ in u.shape)] - self.load
        f = area.sum() - np.sum(self.load * u)
        return float(f) * self.h**u.ndim, inside * self.h**u.ndim

    def evaluations(self, **options):
        x0 = np.zeros_like(self.best)
        target = self.least + 1e-8 * (self(x0)[0] - self.least)
        options = {"f_target": target, "maxfev": 1000, **options}
        res = sm.minimize(self, x0, jac=True, method="laplacian", options=options, rng=0)
        assert res.status == 6, res
        return res.nfev


def area(square):
    return 1 / np.sqrt(1 + square)


def halfway(square, along):
    """The geometric mean of `area` and of the curvature of area along an axis."""
    return np.sqrt(area(square) * (area(square) - along * area(square) ** 3))


@pytest.mark.parametrize(
    ("dimensions", "sides", "most"), [(1, (100, 1000, 10_000), 24), (2, (15, 40), 50)]
)
def test_steep_graphs_take_few_evaluations(dimensions, sides, most):
    bands = [Band(n, dimensions) for n in sides]
    counts = [band.evaluations(diffusivity=area, spacing=band.h) for band in bands]
    assert max(counts) <= most
    assert max(counts) <= min(counts) + 6
    assert bands[-1].evaluations() > 1.4 * counts[-1]


def dense(grid, coefficients, sigma, boundary, spacing):
    """``I + sigma D'cD``, face by face."""
    n = math.prod(grid)
    numbers = np.arange(n).reshape(grid)
    a = np.eye(n)
    for axis, c in enumerate(coefficients):
        for place in np.ndindex(*c.shape):
            # the elements before and behind the face, None where there is none
            first = place[axis] - (boundary != "neumann")
            row = np.zeros(n)
            for k, sign in ((first, -1.0), (first + 1, 1.0)):
                if boundary == "periodic":
                    k %= grid[axis]
                if 0 <= k < grid[axis]:
                    row[numbers[(*place[:axis], k, *place[axis + 1 :])]] += sign / spacing[axis]
            a += sigma * c[place] * np.outer(row, row)
    return a


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("grid", GRIDS)
def test_solves_with_the_coefficients_of_its_field(grid, boundary):
    rng = np.random.default_rng(0)
    spacing = (0.5, 0.7, 0.9)[: len(grid)]
    diffusion = Diffusion(grid, 2.0, boundary, spacing, area)
    first, second, g = rng.normal(size=(3, math.prod(grid)))
    diffusion.update(first)
    faces = np.concatenate([halfway(*pair).ravel() for pair in diffusion.squares(first)])
    mean = faces.mean() if faces.size else 1.0
    for field in (first, second):
        diffusion.update(field)
        coefficients = [halfway(*pair) / mean for pair in diffusion.squares(field)]
        a = dense(grid, coefficients, 2.0, boundary, spacing)
        # coefficients are by differences
        np.testing.assert_allclose(a @ diffusion.solve(g), g, rtol=0, atol=1e-5)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("grid", GRIDS)
def test_equal_coefficients_are_the_laplacian(grid, boundary):
    rng = np.random.default_rng(1)
    spacing = (0.5, 0.7, 0.9)[: len(grid)]
    diffusion = Diffusion(grid, 2.0, boundary, spacing, lambda square: 0 * square + 3.0)
    diffusion.update(rng.normal(size=grid))
    g = rng.normal(size=math.prod(grid))
    expected = sm.LaplacianOperator(grid, 2.0, boundary, spacing).solve(g)
    np.testing.assert_allclose(diffusion.solve(g), expected, rtol=0, atol=1e-14)


def test_squared_slopes_of_a_plane():
    x, y = np.meshgrid(np.arange(5) * 0.5, np.arange(6) * 0.25, indexing="ij")
    diffusion = Diffusion((5, 6), 1.0, "neumann", (0.5, 0.25), area)
    (across_x, along_x), (across_y, along_y) = diffusion.squares(2 * x + 3 * y)
    np.testing.assert_allclose(along_x, 4)
    np.testing.assert_allclose(along_y, 9)
    assert across_x.shape == (4, 6)
    assert across_y.shape == (5, 5)
    # outer faces, where the plane is taken to end flat, count half
    np.testing.assert_allclose(across_x[:, 1:-1], 4 + 9)
    np.testing.assert_allclose(across_x[:, 0], 4 + 4.5)
    np.testing.assert_allclose(across_y[1:-1], 4 + 9)


@pytest.mark.parametrize("memory", [1, 3, 20])
def test_the_memory_follows_the_metric(memory):
    rng = np.random.default_rng(0)
    n = 6
    hessian = np.diag(np.linspace(1, 9, n))
    metric, pairs = RenewedMemory(n, memory), []
    for _ in range(8):
        m = rng.normal(size=(n, n))
        inverse = np.linalg.inv(m @ m.T + np.eye(n))
        s, g = rng.normal(size=(2, n))
        metric.renew(s, hessian @ s, lambda v, inverse=inverse: inverse @ v)
        pairs = [*pairs, (s, hessian @ s)][-memory:]
        h = metric.scale * inverse
        for s, y in pairs:
            left = np.eye(n) - np.outer(s, y) / (s @ y)
            h = left @ h @ left.T + np.outer(s, s) / (s @ y)
        np.testing.assert_allclose(metric.apply(g, inverse @ g), h @ g, rtol=1e-9, atol=1e-11)
    metric.reset()
    assert metric.fresh
    metric.renew(s, -s, lambda v: v)
    assert metric.fresh


class Following:
    """A user's metric that remembers what it was told."""

    def __init__(self, band):
        self.inner = Diffusion(band.best.shape, 1e6, "dirichlet", (1.0,), area)
        self.h, self.told = band.h, []

    def update(self, x):
        self.told.append(x)
        self.inner.update(x / self.h)

    def solve(self, g):
        return self.inner.solve(g)


@pytest.mark.parametrize("step", ["lbfgs", "bb"])
def test_a_users_metric_is_told_of_each_point(step):
    band = Band(200)
    metric, points = Following(band), [np.zeros(200)]
    res = sm.minimize(
        band,
        points[0],
        jac=True,
        method="laplacian",
        options={"preconditioner": metric, "step": step, "gtol": 1e-5, "maxfev": 400},
        callback=lambda x: points.append(x),
    )
    assert res.success, res
    np.testing.assert_allclose(res.x, band.best, atol=1e-3)
    np.testing.assert_array_equal(metric.told, points)


def test_two_fields_and_bounds():
    bands = [Band(30), Band(50)]

    def fun(x):
        parts = [band(u) for band, u in zip(bands, np.split(x, [30]), strict=True)]
        return parts[0][0] + parts[1][0], np.concatenate([parts[0][1], parts[1][1]])

    options = {"shapes": [30, 50], "diffusivity": area, "spacing": 1 / 40, "gtol": 1e-6}
    best = np.concatenate([band.best for band in bands])
    for limit in (10.0, 2.0):
        res = sm.minimize(
            fun,
            np.zeros(80),
            jac=True,
            method="laplacian",
            bounds=[(-1, limit)] * 80,
            options=options,
            rng=0,
        )
        assert res.success, res
        assert res.x.max() <= limit
        if limit > 3:
            np.testing.assert_allclose(res.x, best, atol=1e-3)


def test_what_is_no_diffusivity_is_named():
    with pytest.raises(TypeError, match="diffusivity"):
        sm.LaplacianDescent(diffusivity=1.0)
    with pytest.raises(ValueError, match="diffusivity"):
        sm.LaplacianDescent(diffusivity=area, order=2)
    band = Band(20)
    for wrong in (lambda square: -square - 1, lambda square: 1.0, lambda square: square * np.nan):
        with pytest.raises(ValueError, match="diffusivity must return a positive"):
            band.evaluations(diffusivity=wrong)


@pytest.mark.parametrize("grid", [(9,), (5, 4)])
@pytest.mark.parametrize("boundary", ["periodic", "neumann", "dirichlet"])
def test_fixed_elements_are_left_out_of_the_matrix(grid, boundary):
    rng = np.random.default_rng(0)
    free = rng.random(grid).ravel() < 0.6
    field, g = rng.standard_normal((2, free.size))
    spacing = (0.5,) * len(grid)
    whole, part = (Diffusion(grid, 3.0, boundary, spacing, area, mask) for mask in (None, free))
    for each in (whole, part):
        each.update(field)
    inverse = np.array([whole.solve(e) for e in np.eye(free.size)])
    matrix = np.linalg.inv(inverse)[np.ix_(free, free)]
    found = part.solve(g)
    np.testing.assert_allclose(found[free], np.linalg.solve(matrix, g[free]), atol=1e-10)
    assert not found[~free].any()


@pytest.mark.parametrize("fixed", [[0], [0, 7, 19]])
def test_fixed_variables_keep_their_values(fixed):
    band = Band(20)
    start = np.where(np.isin(np.arange(20), fixed), 0.3, 0.0)
    bounds = [(0.3, 0.3) if k in fixed else (None, None) for k in range(20)]
    runs = [
        sm.minimize(band, start, jac=True, method=method, bounds=bounds)
        for method in (sm.LaplacianDescent(diffusivity=area), sm.LBFGS(gtol=1e-9))
    ]
    assert (runs[0].x[fixed] == 0.3).all()
    np.testing.assert_allclose(runs[0].fun, runs[1].fun, rtol=1e-9)
