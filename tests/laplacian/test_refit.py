"""Sigma chosen again on the way, from the curvature of steps."""

import numpy as np
import pytest

import smoothmin as sm
from smoothmin._protocol import Problem
from smoothmin.laplacian._blocks import Layout
from smoothmin.laplacian._metric import SobolevMemory
from smoothmin.laplacian._refit import PAIRS, Refit


class Stiffening:
    """A line on an elastic bed that stiffens with its cube; a load holds it at ``best``."""

    def __init__(self, n):
        self.h = 1 / (n + 1)
        points = np.arange(1, n + 1) * self.h
        self.best, self.load = 3 * np.sin(np.pi * points) * np.exp(points / 2), 0.0
        self.load = self(self.best)[1] / self.h
        self.least = self(self.best)[0]

    def __call__(self, u):
        slope = np.diff(np.pad(u, 1)) / self.h
        f = slope @ slope / 2 + np.sum(u**4) / 4 - np.sum(self.load * u)
        return self.h * float(f), self.h * (u**3 - np.diff(slope) / self.h - self.load)

    def run(self, start, **options):
        x0 = np.full(self.best.size, start)
        target = self.least + 1e-8 * (self(x0)[0] - self.least)
        options = {"f_target": target, "maxfev": 500, **options}
        res = sm.minimize(self, x0, jac=True, method="laplacian", options=options, rng=0)
        assert res.status == 6, res
        return res


@pytest.mark.parametrize("n", [300, 3000])
def test_a_start_far_away_is_forgotten(n):
    problem = Stiffening(n)
    far = np.full(n, 100.0)
    first = sm.minimize(problem, far, jac=True, method="laplacian", options={"maxiter": 1}, rng=0)
    res = problem.run(100.0)
    # the bed is stiff at the start, so that hardly any smoothing is right there
    assert res.sigma > 20 * first.sigma
    assert res.nfev <= 25
    kept = problem.run(100.0, sigma=first.sigma, boundary="dirichlet")
    assert kept.nfev > 1.6 * res.nfev


def steps_of(roughness, n=60):
    """Steps of unit length on a periodic line, sums of a smooth and a rough wave."""
    smooth, rough = np.full(n, n**-0.5), np.resize([1.0, -1.0], n) * n**-0.5
    return [np.sqrt(1 - q) * smooth + np.sqrt(q) * rough for q in roughness]


def refit(roughness, curvature, sigma=1.0, n=60):
    """The sigma in use after pairs of given curvature have been seen."""
    problem = Problem(np.zeros(n), None, True, (n,))
    layout = Layout.of(sm.LaplacianDescent(boundary="periodic"))
    chooser = Refit(layout, problem, sigma, 1e6, np.ones(n))
    memory = SobolevMemory(n, 20)
    unit, found = layout.smoother(problem, 1.0), None
    for s in steps_of(roughness):
        k_s = unit.apply(s) - s
        y = curvature(s, k_s)
        memory.update(s, y, y)
        better = chooser.after_step(memory)
        found = found if better is None else better
    return chooser.sigma, memory, found


VARIED = np.array([0.0, 1e-4, 1e-3, 0.01, 0.3])


def test_pairs_of_another_sigma_are_believed():
    sigma, memory, metric = refit(VARIED, lambda s, k_s: 3.0 * s + 60.0 * k_s)
    np.testing.assert_allclose(sigma, 20.0, rtol=0.2)
    assert memory.fresh
    np.testing.assert_allclose(memory.scale, 1 / 3, rtol=0.3)
    g = np.random.default_rng(0).normal(size=60)
    expected = sm.LaplacianOperator(60, sigma).solve(g)
    np.testing.assert_allclose(metric.solve(g), expected)


@pytest.mark.parametrize(
    ("roughness", "curvature"),
    [
        # those of the sigma in use
        (VARIED, lambda s, k_s: 3.0 * s + 3.0 * k_s),
        # steps that are all alike tell nothing
        (np.full(PAIRS, 0.3), lambda s, k_s: 3.0 * s + 60.0 * k_s),
        # curvatures that no sigma explains
        (VARIED, lambda s, k_s: (1.0 + 1e3 * (1e-4 < s @ k_s < 1e-2)) * s),
        # too few pairs
        (VARIED[1:], lambda s, k_s: 3.0 * s + 60.0 * k_s),
    ],
)
def test_others_are_not(roughness, curvature):
    sigma, memory, metric = refit(roughness, curvature)
    assert sigma == 1.0
    assert metric is None
    assert not memory.fresh
