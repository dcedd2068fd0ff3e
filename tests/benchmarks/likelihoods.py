"""Likelihoods as statisticians minimize them: smooth, of one minimum near by, without bounds.

Each function makes minus the logarithm of one likelihood from a random generator, and the start
that people would take. What has to be positive is its own logarithm.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, log_ndtr, ndtr

Array = NDArray[np.float64]
Likelihood = tuple[Callable[[Array], float], Array]
MOST = 50.0  # of a predictor, so that nothing overflows


def _regressors(n: int, m: int, rng: np.random.Generator) -> Array:
    return np.column_stack([np.ones(m), rng.standard_normal((m, n - 1))])


def logistic(rng: np.random.Generator) -> Likelihood:
    """Logistic regression of five coefficients."""
    x = _regressors(5, 300, rng)
    y = rng.random(300) < 1 / (1 + np.exp(-x @ rng.normal(0, 0.7, 5)))
    return lambda b: float(np.logaddexp(0, x @ b).sum() - y @ (x @ b)), np.zeros(5)


def poisson(rng: np.random.Generator) -> Likelihood:
    """Poisson regression of four coefficients."""
    x = _regressors(4, 200, rng)
    y = rng.poisson(np.exp(x @ rng.normal(0, 0.5, 4)))
    return lambda b: float(np.exp(np.minimum(x @ b, MOST)).sum() - y @ (x @ b)), np.zeros(4)


def negative_binomial(rng: np.random.Generator) -> Likelihood:
    """Counts that scatter more than Poisson's: four coefficients and a dispersion."""
    x = _regressors(4, 250, rng)
    y = rng.poisson(np.exp(x @ rng.normal(0, 0.4, 4)) * rng.gamma(2.0, 0.5, 250))

    def fun(p: Array) -> float:
        size, mean = np.exp(np.clip(p[4], -MOST, MOST)), np.exp(np.minimum(x @ p[:4], MOST))
        terms = gammaln(y + size) - gammaln(size) + size * np.log(size / (size + mean))
        return float(-(terms + y * np.log(mean / (size + mean))).sum())

    return fun, np.zeros(5)


def weibull(rng: np.random.Generator) -> Likelihood:
    """Survival times, a third of them censored: shape, scale and two effects."""
    x = rng.standard_normal((200, 2))
    t = rng.weibull(1.7, 200) * np.exp(1.0 + x @ rng.normal(0, 0.4, 2))
    end = rng.exponential(2 * np.median(t), 200)
    died, t = t <= end, np.minimum(t, end)

    def fun(p: Array) -> float:
        shape = np.exp(np.clip(p[0], -MOST, MOST))
        z = shape * (np.log(t) - p[1] - x @ p[2:])
        hazard = np.exp(np.minimum(z, MOST))
        return float(hazard.sum() - (died * (p[0] + z - np.log(t))).sum())

    return fun, np.zeros(4)


def cox(rng: np.random.Generator) -> Likelihood:
    """Cox's partial likelihood of five effects."""
    x = rng.standard_normal((150, 5))
    t = rng.exponential(np.exp(-x @ rng.normal(0, 0.5, 5)))
    x = x[np.argsort(-t)]  # at risk are all that come before

    def fun(b: Array) -> float:
        risk = x @ b
        return float((np.logaddexp.accumulate(risk) - risk).sum())

    return fun, np.zeros(5)


def mixture(rng: np.random.Generator) -> Likelihood:
    """Two normal distributions: a weight, two means and two widths, from the quartiles."""
    y = np.concatenate([rng.normal(-1.0, 0.8, 150), rng.normal(2.5, 1.2, 250)])

    def fun(p: Array) -> float:
        z = (y[:, None] - p[1:3]) / np.exp(np.clip(p[3:], -MOST, MOST))
        share = -np.logaddexp(0, np.array([-p[0], p[0]]))
        parts = share - np.clip(p[3:], -MOST, MOST) - 0.5 * z**2
        return float(-np.logaddexp(parts[:, 0], parts[:, 1]).sum())

    return fun, np.array([0.0, *np.quantile(y, [0.25, 0.75]), 0.0, 0.0])


def gamma(rng: np.random.Generator) -> Likelihood:
    """Gamma regression: three coefficients and a shape."""
    x = _regressors(3, 200, rng)
    y = rng.gamma(3.0, np.exp(x @ np.array([0.5, 0.3, -0.4])) / 3)

    def fun(p: Array) -> float:
        shape, rate = np.exp(np.clip(p[3], -MOST, MOST)), np.clip(x @ p[:3], -MOST, MOST)
        terms = shape * (p[3] - rate) + (shape - 1) * np.log(y) - shape * y * np.exp(-rate)
        return float(-(terms - gammaln(shape)).sum())

    return fun, np.zeros(4)


def tobit(rng: np.random.Generator) -> Likelihood:
    """A linear model of which half is cut off at zero: four coefficients and a width."""
    x = _regressors(4, 250, rng)
    latent = x @ rng.normal(0, 1, 4) + 1.3 * rng.standard_normal(250)
    seen, y = latent > 0, np.maximum(latent, 0)

    def fun(p: Array) -> float:
        log_width = np.clip(p[4], -MOST, MOST)
        z = (y - x @ p[:4]) / np.exp(log_width)
        return float(np.where(seen, 0.5 * z**2 + log_width, -log_ndtr(z)).sum())

    return fun, np.zeros(5)


def ordered_probit(rng: np.random.Generator) -> Likelihood:
    """Four ordered answers: three effects, a threshold and two distances between them."""
    x = rng.standard_normal((300, 3))
    latent = x @ rng.normal(0, 0.7, 3) + rng.standard_normal(300)
    y = np.searchsorted([-0.8, 0.2, 1.1], latent)

    def fun(p: Array) -> float:
        steps = np.exp(np.clip(p[4:], -MOST, MOST))
        cuts = np.concatenate([[-np.inf], p[3] + np.cumsum(np.append(0.0, steps)), [np.inf]])
        share = ndtr(cuts[y + 1] - x @ p[:3]) - ndtr(cuts[y] - x @ p[:3])
        return float(-np.log(np.maximum(share, 1e-300)).sum())

    return fun, np.array([0.0, 0.0, 0.0, -1.0, 0.0, 0.0])


def variogram(rng: np.random.Generator) -> Likelihood:
    """An exponential variogram with a nugget, by weighted squares."""
    h = np.linspace(0.5, 12, 15)
    pairs = rng.integers(30, 200, 15)
    exact = 0.3 + 2.0 * (1 - np.exp(-h / 3.5))
    seen = exact * rng.gamma(pairs / 2, 2 / pairs)

    def fun(p: Array) -> float:
        nugget, sill, reach = np.exp(np.clip(p, -MOST, MOST))
        model = nugget + sill * (1 - np.exp(-h / reach))
        return float((pairs * (seen / model - 1) ** 2).sum())

    return fun, np.array([-1.0, np.log(seen[-1]), 1.0])


def autoregression(rng: np.random.Generator) -> Likelihood:
    """A Gaussian series of second order: mean, two coefficients and a width."""
    y = np.zeros(250)
    for t in range(2, 250):
        y[t] = 0.6 * y[t - 1] - 0.3 * y[t - 2] + rng.standard_normal()
    y = y + 2.0

    def fun(p: Array) -> float:
        z = y - p[0]
        rest = (z[2:] - p[1] * z[1:-1] - p[2] * z[:-2]) / np.exp(np.clip(p[3], -MOST, MOST))
        return float(0.5 * rest @ rest + rest.size * p[3])

    return fun, np.zeros(4)


def garch(rng: np.random.Generator) -> Likelihood:
    """Volatility that clusters: level, answer to shocks and memory, as logits."""
    y, variance = np.empty(400), 1.0
    for t in range(400):
        y[t] = np.sqrt(variance) * rng.standard_normal()
        variance = 0.1 + 0.12 * y[t] ** 2 + 0.78 * variance

    def fun(p: Array) -> float:
        level = np.exp(np.clip(p[0], -MOST, MOST))
        shock, memory = 1 / (1 + np.exp(-np.clip(p[1:], -MOST, MOST)))
        now, total = float(y.var()), 0.0
        for square in (y * y).tolist():
            total += 0.5 * (np.log(now) + square / now)
            now = level + shock * square + memory * now
        return float(total)

    return fun, np.array([-1.0, -1.0, 0.0])


LIKELIHOODS: dict[str, Callable[[np.random.Generator], Likelihood]] = {
    "logistic": logistic,
    "poisson": poisson,
    "negative binomial": negative_binomial,
    "weibull": weibull,
    "cox": cox,
    "mixture": mixture,
    "gamma": gamma,
    "tobit": tobit,
    "ordered probit": ordered_probit,
    "variogram": variogram,
    "autoregression": autoregression,
    "garch": garch,
}
