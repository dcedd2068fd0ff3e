"""The search distribution of CMA-ES: N(m, sigma^2 C) and how it learns from a ranking.

References: N. Hansen, "The CMA evolution strategy: a tutorial" (2016),
:doi:`10.48550/arXiv.1604.00772`; the equation numbers are its. R. Ros, N. Hansen, "A
simple modification in CMA-ES achieving linear time and space complexity", PPSN X (2008),
:doi:`10.1007/978-3-540-87700-4_30` (the diagonal C).

Deviation: the roots of C are updated only when C has changed enough, since the
decomposition costs O(n^3).
"""

from __future__ import annotations

import math

import numpy as np

from smoothmin._check import require_memory
from smoothmin._machine import EPS
from smoothmin._protocol import Array

LARGEST_POPULATION = 2**14  # to which restarts make it grow


class Distribution:
    """N(m, sigma^2 C).

    Parameters
    ----------
    mean : ndarray, shape (n,)
    sigma : float
    population : int
        Number of ranked points per update.
    """

    def __init__(self, mean: Array, sigma: float, population: int) -> None:
        n = mean.size
        require_population(population, n)
        self.n, self.population = n, population
        self.mean, self.sigma = mean.copy(), sigma
        self._set_rates()
        self.p_sigma, self.p_c = np.zeros(n), np.zeros(n)
        self.generation = self._decomposed = 0
        self._set_shape()

    faster: float = 1.0  # factor of the learning rates of C

    def _set_shape(self) -> None:
        self.covariance = np.eye(self.n)
        self.root = self.inverse_root = np.eye(self.n)

    def _set_rates(self) -> None:
        """Weights and learning rates, (49) to (58)."""
        n, size = self.n, self.population
        raw = math.log((size + 1) / 2) - np.log(np.arange(1, size + 1))  # (49)
        up, down = raw[raw > 0], raw[raw <= 0]
        self.parents = len(up)
        mu_eff = float(up.sum() ** 2 / (up @ up))
        mu_eff_minus = float(down.sum() ** 2 / (down @ down)) if down.any() else 0.0
        self.mu_eff = mu_eff
        self.c_sigma = (mu_eff + 2) / (n + mu_eff + 5)  # (55)
        excess = math.sqrt((mu_eff - 1) / (n + 1)) - 1 if mu_eff > 1 else 0.0
        self.d_sigma = 1 + 2 * max(0.0, excess) + self.c_sigma  # (55)
        self.c_c = (4 + mu_eff / n) / (n + 4 + 2 * mu_eff / n)  # (56)
        self.c_1 = self.faster * 2 / ((n + 1.3) ** 2 + mu_eff)  # (57)
        rank_mu = 2 * (0.25 + mu_eff + 1 / mu_eff - 2)
        rank_mu /= (n + 2) ** 2 + mu_eff
        self.c_mu = min(1 - self.c_1, self.faster * rank_mu)  # (58)
        weights = np.where(raw > 0, raw / up.sum(), 0.0)
        if mu_eff_minus > 0:
            total = min(
                1 + self.c_1 / self.c_mu,  # (50)
                1 + 2 * mu_eff_minus / (mu_eff + 2),  # (51)
                (1 - self.c_1 - self.c_mu) / (n * self.c_mu),  # (52)
            )
            weights = np.where(raw > 0, weights, raw * total / -down.sum())  # (53)
        self.weights = weights
        self.chi = math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))  # E|N(0, I)|

    def sample(self, rng: np.random.Generator) -> Array:
        """A population, rows N(m, sigma^2 C), (38) to (40)."""
        z = rng.standard_normal((self.population, self.n))
        return self.mean + self.sigma * self.shaped(z)

    def update(self, points: Array) -> None:
        """Learn from a population sorted by value, the best first."""
        n, w, mu = self.n, self.weights, self.parents
        y = (points - self.mean) / self.sigma
        self.generation += 1
        step = w[:mu] @ y[:mu]  # (41)
        self.mean = self.mean + self.sigma * step  # (42)
        c = self.c_sigma
        shift = math.sqrt(c * (2 - c) * self.mu_eff)
        self.p_sigma = (1 - c) * self.p_sigma + shift * self.whitened(step)  # (43)
        length = float(np.linalg.norm(self.p_sigma))
        settled = math.sqrt(1 - (1 - c) ** (2 * self.generation))
        h_sigma = float(length < settled * (1.4 + 2 / (n + 1)) * self.chi)
        c = self.c_c
        shift = h_sigma * math.sqrt(c * (2 - c) * self.mu_eff)
        self.p_c = (1 - c) * self.p_c + shift * step  # (45)
        lengths = np.square(self.whitened(y[mu:])).sum(axis=1)
        w_o = w.copy()
        w_o[mu:] *= n / np.maximum(lengths, 1e-300)  # (46)
        delta = (1 - h_sigma) * c * (2 - c)
        self._learn(1 + self.c_1 * delta - self.c_1 - self.c_mu * float(w.sum()), w_o, y)
        growth = self.c_sigma / self.d_sigma * (length / self.chi - 1)
        self.sigma *= math.exp(min(growth, 1.0))  # (44), e-fold at most

    def shaped(self, z: Array) -> Array:
        """Rows N(0, C) from rows N(0, I)."""
        return z @ self.root

    def whitened(self, y: Array) -> Array:
        """The inverse of `shaped`."""
        return (self.inverse_root @ y.T).T

    def _learn(self, kept: float, weights: Array, y: Array) -> None:
        """(47), and the roots when C has changed enough."""
        self.covariance *= kept
        self.covariance += self.c_1 * np.outer(self.p_c, self.p_c)
        self.covariance += self.c_mu * ((weights[:, None] * y).T @ y)
        lag = 1 / (10 * self.n * (self.c_1 + self.c_mu))
        if self.generation - self._decomposed > lag:
            self._decompose()

    def resized(self, population: int) -> Distribution:
        """The same with another number of points a generation, and no path."""
        other = type(self)(self.mean, self.sigma, population)
        other.covariance = self.covariance.copy()
        other._decompose()
        return other

    def set_axes(self, axes: Array) -> None:
        """Let these columns, times sigma, be as long as standard deviations along them."""
        self.covariance = axes @ axes.T
        self._decompose()

    def widen(self, factors: Array) -> None:
        """Multiply the standard deviation of every coordinate."""
        self.covariance = factors[:, None] * self.covariance * factors
        self._decompose()

    def _decompose(self) -> None:
        """The symmetric roots of C, from its eigenvectors."""
        self._decomposed = self.generation
        if not np.isfinite(self.covariance).all():
            return  # lost, as the deviations tell
        values, vectors = np.linalg.eigh(self.covariance)
        # smaller eigenvalues are rounding
        values = np.sqrt(np.maximum(values, values[-1] * self.n * EPS))
        self.root = (vectors * values) @ vectors.T
        self.inverse_root = (vectors / values) @ vectors.T

    @property
    def deviations(self) -> Array:
        """Standard deviation of every coordinate."""
        return self.sigma * np.sqrt(np.maximum(np.diagonal(self.covariance), 0.0))


class DiagonalDistribution(Distribution):
    """N(m, sigma^2 C) with a diagonal C, which is learnt faster, in O(n) a point."""

    def _set_shape(self) -> None:
        self._variances = np.ones(self.n)

    def _set_rates(self) -> None:
        self.faster = (self.n + 2) / 3  # Section 3 of Ros and Hansen
        super()._set_rates()

    def shaped(self, z: Array) -> Array:
        """Rows N(0, C) from rows N(0, I)."""
        return z * np.sqrt(self._variances)

    def whitened(self, y: Array) -> Array:
        """The inverse of `shaped`."""
        return y / np.sqrt(self._variances)

    def widen(self, factors: Array) -> None:
        """Multiply the standard deviation of every coordinate."""
        self._variances = self._variances * factors**2

    def _learn(self, kept: float, weights: Array, y: Array) -> None:
        """The diagonal of (47)."""
        variances = kept * self._variances + self.c_1 * self.p_c**2
        variances += self.c_mu * (weights @ np.square(y))
        self._variances = np.maximum(variances, variances.max() * EPS)

    @property
    def deviations(self) -> Array:
        """Standard deviation of every coordinate."""
        return self.sigma * np.sqrt(self._variances)


def require_population(population: int, n: int) -> None:
    """Raise if its deviates, its points, and these in other units take too much memory."""
    require_memory(f"a population of {population}", np.dtype(float).itemsize * 3 * population * n)
