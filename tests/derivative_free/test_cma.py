"""The search distribution against the tutorial's formulas, written out a second time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from smoothmin.derivative_free.cma import DiagonalDistribution, Distribution


class Tutorial:
    """One generation in loops and scalars, with the decomposition always up to date."""

    def __init__(self, n, size):
        raw = [math.log((size + 1) / 2) - math.log(i + 1) for i in range(size)]
        self.mu = sum(r > 0 for r in raw)
        total = sum(raw[: self.mu])
        mu_eff = total**2 / sum(r * r for r in raw[: self.mu])
        low = raw[self.mu :]
        mu_eff_minus = sum(low) ** 2 / sum(r * r for r in low)
        self.c_s = (mu_eff + 2) / (n + mu_eff + 5)
        self.d_s = 1 + 2 * max(0, math.sqrt((mu_eff - 1) / (n + 1)) - 1) + self.c_s
        self.c_c = (4 + mu_eff / n) / (n + 4 + 2 * mu_eff / n)
        self.c_1 = 2 / ((n + 1.3) ** 2 + mu_eff)
        self.c_mu = min(
            1 - self.c_1,
            2 * (0.25 + mu_eff + 1 / mu_eff - 2) / ((n + 2) ** 2 + mu_eff),
        )
        alpha = min(
            1 + self.c_1 / self.c_mu,
            1 + 2 * mu_eff_minus / (mu_eff + 2),
            (1 - self.c_1 - self.c_mu) / (n * self.c_mu),
        )
        self.w = [r / total if r > 0 else alpha * r / abs(sum(low)) for r in raw]
        self.mu_eff, self.n = mu_eff, n
        self.chi = math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))

    def update(self, m, sigma, C, p_s, p_c, g, points):
        n = self.n
        values, B = np.linalg.eigh(C)
        inverse_root = B @ np.diag(1 / np.sqrt(values)) @ B.T
        y = [(x - m) / sigma for x in points]
        step = sum(self.w[i] * y[i] for i in range(self.mu))
        m = m + sigma * step
        scale = math.sqrt(self.c_s * (2 - self.c_s) * self.mu_eff)
        p_s = (1 - self.c_s) * p_s + scale * inverse_root @ step
        norm = np.linalg.norm(p_s)
        limit = (1.4 + 2 / (n + 1)) * self.chi
        h = 1 if norm / math.sqrt(1 - (1 - self.c_s) ** (2 * g)) < limit else 0
        scale = math.sqrt(self.c_c * (2 - self.c_c) * self.mu_eff)
        p_c = (1 - self.c_c) * p_c + h * scale * step
        lost = self.c_1 * (1 - h) * self.c_c * (2 - self.c_c)
        new = (1 + lost - self.c_1 - self.c_mu * sum(self.w)) * C
        new = new + self.c_1 * np.outer(p_c, p_c)
        for i, w in enumerate(self.w):
            if w < 0:
                w *= n / np.linalg.norm(inverse_root @ y[i]) ** 2
            new = new + self.c_mu * w * np.outer(y[i], y[i])
        sigma *= math.exp(self.c_s / self.d_s * (norm / self.chi - 1))
        return m, sigma, new, p_s, p_c


@pytest.mark.parametrize(("n", "size"), [(2, 6), (5, 8), (10, 20), (3, 50)])
def test_update_is_the_tutorials(n, size):
    rng = np.random.default_rng(n)
    distribution = Distribution(rng.standard_normal(n), 0.7, size)
    tutorial = Tutorial(n, size)
    assert_allclose(distribution.weights, tutorial.w, rtol=1e-13)
    state = (distribution.mean, 0.7, np.eye(n), np.zeros(n), np.zeros(n))
    for generation in range(1, 4):
        points = distribution.sample(rng)
        points = points[np.argsort((points**2) @ np.arange(1, n + 1))]
        distribution.update(points)
        distribution._decompose()
        state = tutorial.update(*state, generation, points)
        assert_allclose(distribution.mean, state[0], atol=1e-13)
        assert distribution.sigma == pytest.approx(state[1], rel=1e-12)
        assert_allclose(distribution.covariance, state[2], atol=1e-12)
        assert_allclose(distribution.p_sigma, state[3], atol=1e-12)
        assert_allclose(distribution.p_c, state[4], atol=1e-12)


@given(st.integers(1, 30), st.integers(5, 100))
@settings(deadline=None, max_examples=40)
def test_weights_and_rates_keep_the_covariance_positive(n, size):
    distribution = Distribution(np.zeros(n), 1.0, size)
    w = distribution.weights
    assert w[w > 0].sum() == pytest.approx(1.0)
    assert np.all(np.diff(w) <= 0)
    assert 0 < distribution.c_1 + distribution.c_mu <= 1
    # (52): what the negative weights take away is less than what decays
    taken = n * distribution.c_mu * -w[w < 0].sum()
    assert taken <= 1 - distribution.c_1 - distribution.c_mu + 1e-12
    rng = np.random.default_rng(size)
    for _ in range(5):
        distribution.update(distribution.sample(rng))
    assert np.linalg.eigvalsh(distribution.covariance).min() > 0


def test_sample_has_the_moments():
    rng = np.random.default_rng(0)
    distribution = Distribution(np.array([1.0, -2.0]), 0.5, 40_000)
    distribution.covariance = np.array([[4.0, 1.5], [1.5, 1.0]])
    distribution._decompose()
    points = distribution.sample(rng)
    assert_allclose(points.mean(axis=0), [1, -2], atol=0.02)
    assert_allclose(np.cov(points.T), 0.25 * distribution.covariance, atol=0.03)


def test_covariance_learns_the_inverse_hessian():
    rng = np.random.default_rng(1)
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    hessian = turn @ np.diag([1.0, 10.0, 100.0, 1000.0]) @ turn.T
    distribution = Distribution(rng.standard_normal(4), 1.0, 8)
    for _ in range(250):
        points = distribution.sample(rng)
        distribution.update(points[np.argsort(np.einsum("ij,jk,ik->i", points, hessian, points))])
    product = np.linalg.eigvals(distribution.covariance @ hessian).real
    assert product.max() / product.min() < 30


def test_does_not_depend_on_the_axes():
    rng = np.random.default_rng(2)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    plain, turned = (Distribution(np.zeros(3), 1.0, 7) for _ in range(2))
    for _ in range(6):
        points = plain.sample(rng)
        plain.update(points)
        turned.update(points @ turn.T)
    assert_allclose(turned.mean, turn @ plain.mean, atol=1e-12)
    assert_allclose(turned.covariance, turn @ plain.covariance @ turn.T, atol=1e-12)
    assert turned.sigma == pytest.approx(plain.sigma)


def test_diagonal_first_learns_the_diagonal_of_the_full_covariance():
    n, size = 30, 14
    rng = np.random.default_rng(0)
    diagonal = DiagonalDistribution(rng.standard_normal(n), 0.5, size)

    class Faster(Distribution):
        faster = (n + 2) / 3

    full = Faster(diagonal.mean, 0.5, size)
    assert_allclose(full.c_mu, diagonal.c_mu)
    points = diagonal.sample(np.random.default_rng(1))
    assert_allclose(points, full.sample(np.random.default_rng(1)))
    diagonal.update(points)
    full.update(points)
    assert_allclose(diagonal.deviations, full.deviations)
    assert_allclose(diagonal.mean, full.mean)
    assert_allclose(diagonal.p_sigma, full.p_sigma)


def test_diagonal_learns_the_curvatures_and_needs_no_matrix():
    n = 300
    rng = np.random.default_rng(0)
    curvature = 10.0 ** np.linspace(0, 2, n)
    d = DiagonalDistribution(np.ones(n), 0.5, 24)
    for _ in range(600):
        points = d.sample(rng)
        d.update(points[np.argsort(np.square(points) @ curvature)])
    assert curvature @ d.mean**2 < 1e-2 * curvature.sum()
    ratio = np.log(d.deviations**2 * curvature)
    assert ratio.std() < 0.6 * np.log(curvature).std()
    assert max(np.size(value) for value in vars(d).values()) == n
