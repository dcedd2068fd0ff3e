"""Fields with components, blocks of their own strength, and elements that do not respond."""

import numpy as np
import pytest

import smoothmin as sm
from smoothmin.descent.gradient_descent import GradientDescent


def target(t):
    return lambda u: (0.5 * float(((u - t) ** 2).sum()), u - t)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((2, 5, 6), (1, 2)), ((5, 6, 2), (0, -2)), ((5, 2, 6), (0, 2)), ((4, 7), 1), ((7, 4), 0)],
)
@pytest.mark.parametrize("boundary", ["periodic", "neumann", "dirichlet"])
def test_components_are_smoothed_by_themselves(shape, axes, boundary):
    t = np.random.default_rng(0).standard_normal(shape)
    options = {"sigma": 5.0, "boundary": boundary, "axes": axes}
    literal = sm.LaplacianSmoothing(sm.GradientDescent(lr=0.5), **options)
    own = sm.LaplacianDescent(step="fixed", lr=0.5, **options)
    places = (axes,) if isinstance(axes, int) else tuple(a % len(shape) for a in axes)
    grid = tuple(shape[place] for place in places)
    fields = np.moveaxis(t, places, range(len(shape) - len(places), len(shape)))
    operator = sm.LaplacianOperator(grid, 5.0, boundary)
    for method in (literal, own):
        x = sm.minimize(
            target(t), np.zeros(shape), jac=True, method=method, options={"maxiter": 1}
        ).x
        found = np.moveaxis(x, places, range(len(shape) - len(places), len(shape)))
        expected = 0.5 * operator.solve(fields.reshape(-1, np.prod(grid)))
        np.testing.assert_allclose(found, expected.reshape(fields.shape), atol=1e-13)


def test_axes_that_are_none_are_refused():
    with pytest.raises(ValueError, match="axes"):
        sm.LaplacianSmoothing(axes=(1, 1))
    with pytest.raises(ValueError, match="axes"):
        sm.LaplacianDescent(axes=2, shapes=[(3, 4)])
    with pytest.raises(ValueError, match="axes"):
        sm.LaplacianDescent(axes=(0,), layerwise=False)
    with pytest.raises(TypeError, match="axes"):
        sm.LaplacianDescent(axes="x")


def test_the_fit_of_sigma_knows_components():
    """Two strings side by side take hardly more evaluations than one."""

    def strings(u):
        slope = np.diff(u, axis=1, prepend=0, append=0) * (u.shape[1] + 1)
        f = (slope**2).sum() / 2 - u.sum()
        g = -np.diff(slope, axis=1) * (u.shape[1] + 1) - 1
        return f / u.shape[1], g / u.shape[1]

    res = sm.minimize(
        strings, np.zeros((3, 500)), jac=True, method="laplacian", rng=0, options={"axes": 1}
    )
    assert res.boundary == "dirichlet"
    assert res.nfev <= 12
    np.testing.assert_allclose(res.x.max(axis=1), 0.125, atol=1e-4)


@pytest.mark.parametrize("numel", [3, 50])
def test_short_fields_are_left_alone_by_layers_only(numel):
    t = np.arange(numel) ** 2.0
    whole = sm.LaplacianSmoothing(
        sm.GradientDescent(lr=0.1), sigma=10.0, layerwise=False, min_numel=99
    )
    res = sm.minimize(target(t), np.zeros(numel), jac=True, method=whole, options={"maxiter": 1})
    expected = 0.1 * sm.LaplacianOperator(numel, 10.0).solve(t)
    np.testing.assert_allclose(res.x, expected, rtol=1e-10)
    layers = whole.with_options(layerwise=True)
    res = sm.minimize(target(t), np.zeros(numel), jac=True, method=layers, options={"maxiter": 1})
    np.testing.assert_allclose(res.x, 0.1 * t)


class Hidden(GradientDescent):
    """Gradient descent that is not known to be linear."""


@pytest.mark.parametrize("momentum", [0.0, 0.7])
@pytest.mark.parametrize("bounded", [False, True])
def test_the_shortcut_of_fixed_rates_is_the_change_of_variables(momentum, bounded):
    rng = np.random.default_rng(0)
    t = rng.standard_normal((6, 5))
    options = {"lr": 0.3, "momentum": momentum, "nesterov": momentum > 0, "gtol": 1e-5}
    bounds = [(0, 0)] * 7 + [(None, 0.2)] * 23 if bounded else None
    x0 = np.where(np.arange(30).reshape(6, 5) < 7, 0.0, -rng.random((6, 5)))
    runs = []
    for kind in (GradientDescent, Hidden):
        method = sm.LaplacianSmoothing(kind(**options), sigma=2.0)
        runs.append(
            sm.minimize(
                target(t), x0, jac=True, method=method, bounds=bounds,
                options={"maxiter": 300, "return_all": True},
            )
        )  # fmt: skip
    assert runs[0].nit == runs[1].nit
    assert runs[0].message.split()[0] == runs[1].message.split()[0]
    np.testing.assert_allclose(runs[0].allvecs, runs[1].allvecs, atol=1e-12)


def rim_held(n, wake=None):
    """A membrane whose rim has no gradient, or none until the middle is above ``wake``."""
    rim = np.ones((n, n), dtype=bool)
    rim[1:-1, 1:-1] = False

    def membrane(u):
        g = np.zeros_like(u)
        for axis in (0, 1):
            slope = np.diff(u, axis=axis)
            widths = [(1, 1) if k == axis else (0, 0) for k in (0, 1)]
            g -= np.diff(np.pad(slope, widths), axis=axis)
        f = sum((np.diff(u, axis=axis) ** 2).sum() for axis in (0, 1)) / 2
        if wake is None or u[n // 2, n // 2] < wake:
            g[rim] = 0.0
        return float(f), g

    return membrane, rim


@pytest.mark.parametrize(
    "options", [{}, {"sigma": 50.0}, {"step": "bb"}, {"diffusivity": np.ones_like}]
)
def test_a_rim_without_gradient_stays(options):
    membrane, rim = rim_held(12)
    u0 = np.where(rim, np.add.outer(np.arange(12.0), -np.arange(12.0)), 0.0)
    res = sm.minimize(
        membrane, u0, jac=True, method="laplacian", options={"gtol": 1e-8, "maxfev": 500, **options}
    )
    assert np.array_equal(res.x[rim], u0[rim])
    plane = np.add.outer(np.arange(12.0), -np.arange(12.0))
    np.testing.assert_allclose(res.x, plane, atol=1e-5)


def test_a_rim_takes_part_once_it_has_a_gradient():
    membrane, rim = rim_held(8, wake=0.3)
    u0 = np.where(rim, np.linspace(0, 2, 8), 0.0)
    res = sm.minimize(membrane, u0, jac=True, method="laplacian", options={"maxfev": 500})
    assert res.fun < 1e-8


def test_the_literal_smoothing_moves_it():
    membrane, rim = rim_held(8)
    u0 = np.where(rim, np.linspace(0, 2, 8), 0.0)
    method = sm.LaplacianSmoothing(sm.GradientDescent(lr=0.1), sigma=5.0)
    res = sm.minimize(
        membrane, u0, jac=True, method=method, options={"maxiter": 1, "result": "last"}
    )
    assert (res.x[rim] != u0[rim]).all()


@pytest.mark.parametrize("bounds", [None, [(-4, 4)] * 4])
@pytest.mark.parametrize("scheme", [None, "3-point"])
def test_values_alone_where_a_variable_has_no_slope(scheme, bounds):
    """Differences are those of the variables that take part; a step hides what is lower."""

    def stairs(x):
        return float(np.floor(4 * np.abs(x[1:])).sum() + np.floor(x[0]) ** 2)

    for seed in range(6):
        x0 = np.random.default_rng(seed).uniform(-2, 2, 4)
        res = sm.minimize(stairs, x0, jac=scheme, method="laplacian", bounds=bounds, rng=seed)
        assert res.fun <= stairs(x0)
        assert res.nfev < 20_000
