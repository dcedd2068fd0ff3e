"""Fits as scientists pose them: no bounds, values only, starts from a guess or from the data.

Each function makes one fit from a random generator: the true parameters, the data with
their errors, and the start. Units are those in which such data are written down, so that
parameters lie anywhere between 1e-5 and 1e6. Where the model has no value the fit is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, gammaln

from smoothmin.demo import predator_prey

TAU = 2 * np.pi


@dataclass(frozen=True)
class Fit:
    """What to minimize, where to start, and the parameters that made the data."""

    fun: Callable
    x0: np.ndarray
    truth: np.ndarray


def _squares(model, truth, start, error, rng):
    """A least-squares fit with errors of standard deviation ``error``."""
    truth = np.asarray(truth, dtype=float)
    exact = model(truth)
    data = exact + error * rng.standard_normal(exact.shape)

    def fun(p):
        return float(np.square((model(np.asarray(p)) - data) / error).mean())

    x0 = start(data) if callable(start) else start
    return Fit(fun, np.asarray(x0, dtype=float), truth)


def _off(values, factor, rng):
    """Positive guesses, right up to about this factor."""
    values = np.asarray(values, dtype=float)
    return values * factor ** rng.uniform(-1, 1, values.size)


def _integrated(rates, state, span, count, substeps):
    """``count`` states (count, n) at equal times, by the classical Runge-Kutta method."""
    h = span / (count - 1) / substeps
    state = tuple(map(float, state))
    states = [state]
    for _ in range(count - 1):
        for _ in range(substeps):
            a = rates(*state)
            b = rates(*(s + 0.5 * h * r for s, r in zip(state, a, strict=True)))
            c = rates(*(s + 0.5 * h * r for s, r in zip(state, b, strict=True)))
            d = rates(*(s + h * r for s, r in zip(state, c, strict=True)))
            state = tuple(
                s + h / 6 * (i + 2 * j + 2 * k + m)
                for s, i, j, k, m in zip(state, a, b, c, d, strict=True)
            )
        states.append(state)
    return np.array(states)


def _hunt(p):
    birth, predation, death, growth, hares, lynxes = np.asarray(p).tolist()

    def rates(prey, predators):
        return prey * (birth - predation * predators), predators * (growth * prey - death)

    return _integrated(rates, (hares, lynxes), 20.0, 21, 8)


def hunt_logs(rng):
    """Predators and prey; logarithms of six parameters, squares of logarithms."""
    truth = np.log(_off([0.55, 0.028, 0.8, 0.024, 33, 6], 1.2, rng))
    start = np.log([1.0, 0.05, 1.0, 0.05, 30, 4])
    return _squares(lambda p: np.log(_hunt(np.exp(p))), truth, start, 0.2, rng)


def hunt_raw(rng):
    """The same with the parameters as they are."""
    truth = _off([0.55, 0.028, 0.8, 0.024, 33, 6], 1.2, rng)
    start = [0.5, 0.02, 0.5, 0.02, 30, 4]
    return _squares(_hunt, truth, start, 3.0, rng)


def decays_raw(rng):
    """A fast and a slow decay: amplitudes in counts, rates in 1/s."""
    t = np.linspace(0, 60, 60)
    truth = _off([800, 0.5, 300, 0.03], 1.5, rng)
    return _squares(
        lambda p: p[0] * np.exp(-p[1] * t) + p[2] * np.exp(-p[3] * t),
        truth, lambda y: [y[0], 0.1, y[0] / 2, 0.01], 8.0, rng,
    )  # fmt: skip


def decays_logs(rng):
    """Three decays, logarithms of amplitudes and times."""
    t = np.linspace(0, 50, 100)
    truth = np.log(_off([5, 1, 3, 6, 2, 30], 1.4, rng))

    def model(p):
        p = np.exp(p)
        return p[::2] @ np.exp(-t / p[1::2, None])

    return _squares(model, truth, np.log([3, 1, 3, 10, 3, 100]), 0.02, rng)


def spectrum(rng):
    """Two overlapping lines on a background, wavelengths in nanometres."""
    x = np.linspace(400, 700, 151)
    truth = np.array([900, 520, 8, 500, 548, 14, 60]) * (1 + 0.03 * rng.standard_normal(7))

    def model(p):
        lines = p[[0, 3], None] * np.exp(-0.5 * ((x - p[[1, 4], None]) / p[[2, 5], None]) ** 2)
        return lines.sum(axis=0) + p[6]

    def start(y):
        at = x[y.argmax()]
        return [y.max(), at - 10, 10, y.max(), at + 30, 10, y.min()]

    return _squares(model, truth, start, 12.0, rng)


def beam(rng):
    """The profile of a beam, in metres: a height, a place, a width, a background."""
    x = np.linspace(-5e-3, 5e-3, 80)
    truth = np.array([2e-3, rng.uniform(-2e-3, 2e-3), 4e-4, 1e-4])
    return _squares(
        lambda p: p[0] * np.exp(-0.5 * ((x - p[1]) / p[2]) ** 2) + p[3],
        truth, lambda y: [y.max(), 0.0, 1e-3, y.min()], 1e-4, rng,
    )  # fmt: skip


def resonance(rng):
    """A resonance near a megahertz, a few kilohertz wide."""
    f = np.linspace(0.95e6, 1.05e6, 200)
    truth = np.array([3e-3, rng.uniform(0.97e6, 1.03e6), 4e3, 2e-4])
    return _squares(
        lambda p: p[0] / (1 + ((f - p[1]) / p[2]) ** 2) + p[3],
        truth, lambda y: [y.max(), f[y.argmax()] + 2e3, 1e4, y.min()], 2e-4, rng,
    )  # fmt: skip


def wave(rng):
    """A sine wave; the frequency from the highest bin of the spectrum."""
    t = np.linspace(0, 10, 120)
    truth = np.array([2.0, rng.uniform(1.0, 3.0), rng.uniform(0, TAU), 5.0])

    def start(y):
        power = np.abs(np.fft.rfft(y - y.mean()))
        return [y.std(), np.fft.rfftfreq(120, t[1])[power.argmax()], 0.0, y.mean()]

    return _squares(lambda p: p[0] * np.sin(TAU * p[1] * t + p[2]) + p[3], truth, start, 0.5, rng)


def two_waves(rng):
    """Two close periods, guessed to a few per cent."""
    t = np.sort(rng.uniform(0, 30, 100))
    truth = np.array([3.0, 5.2, rng.uniform(-1, 1), 1.5, 3.3, rng.uniform(-1, 1)])

    def model(p):
        return sum(a * np.sin(TAU * t / period + s) for a, period, s in (p[:3], p[3:]))

    return _squares(model, truth, [2, 5.0, 0, 2, 3.5, 0], 0.4, rng)


def ringing(rng):
    """A damped oscillation in SI units."""
    t = np.linspace(0, 0.05, 150)
    truth = np.array([0.02, 70.0, 900.0, rng.uniform(-1, 1)]) * (1 + 0.05 * rng.standard_normal(4))
    return _squares(
        lambda p: p[0] * np.exp(-p[1] * t) * np.cos(p[2] * t + p[3]),
        truth, lambda y: [y.max(), 30, 800, 0.0], 1e-3, rng,
    )  # fmt: skip


def enzyme(rng):
    """Michaelis and Menten, concentrations in moles per litre."""
    s = np.logspace(-6, -3, 15)
    truth = _off([3e-3, 4e-5], 2, rng)
    return _squares(
        lambda p: p[0] * s / (p[1] + s),
        truth, lambda y: [y.max(), np.median(s)], 0.05 * truth[0], rng,
    )  # fmt: skip


def dose(rng):
    """A dose-response curve, robustly: bottom, top, logarithm of the dose, slope."""
    log = np.linspace(-9, -4, 24)
    truth = np.array([5, 95, rng.uniform(-7.5, -5.5), 1.4])
    exact = truth[0] + (truth[1] - truth[0]) * expit(np.log(10) * truth[3] * (log - truth[2]))
    data = exact + 4 * rng.standard_normal(24)
    data[rng.integers(24, size=2)] += 40

    def fun(p):
        y = p[0] + (p[1] - p[0]) * expit(np.log(10) * p[3] * (log - p[2]))
        return float(np.log1p(np.square((y - data) / 8)).mean())

    return Fit(fun, np.array([data.min(), data.max(), -6.5, 1.0]), truth)


def growth(rng):
    """Logistic growth of a culture: capacity in cells, rate, hour of half capacity."""
    t = np.linspace(0, 48, 30)
    truth = _off([2e6, 0.35, 20], 1.3, rng)
    return _squares(
        lambda p: p[0] * expit(p[1] * (t - p[2])),
        truth, lambda y: [y.max(), 1.0, 24.0], 5e4, rng,
    )  # fmt: skip


def epidemic(rng):
    """Counts of new cases: logarithms of contact and recovery rate and first infected."""
    people, days = 1e5, 60
    truth = np.log(_off([0.5, 0.2, 20], 1.2, rng))

    def model(p):
        contact, recovery, first = np.exp(p).tolist()

        def rates(s, i):
            return -contact * s * i / people, contact * s * i / people - recovery * i

        states = _integrated(rates, (people - first, first), float(days), days + 1, 2)
        return -np.diff(states[:, 0])

    cases = rng.poisson(model(truth))

    def fun(p):
        expected = model(np.asarray(p))
        return float((expected - cases * np.log(expected) + gammaln(cases + 1)).mean())

    return Fit(fun, np.log([1.0, 0.5, 10]), truth)


def neuron(rng):
    """FitzHugh's and Nagumo's equations: spikes, so minima of every phase."""
    truth = np.array([0.2, 0.2, 3.0]) * (1 + 0.1 * rng.standard_normal(3))

    def model(p):
        a, b, c = p.tolist()

        def rates(v, r):
            return c * (v - v * v * v / 3 + r), -(v - a + b * r) / c

        return _integrated(rates, (-1.0, 1.0), 20.0, 41, 8)

    return _squares(model, truth, [0.5, 0.5, 2.0], 0.2, rng)


def network(rng):
    """A net of five tanh units on a noisy curve, weights drawn as usual."""
    x = np.linspace(-3, 3, 60)
    data = np.sin(2 * x) + 0.3 * x + 0.1 * rng.standard_normal(60)

    def fun(p):
        a, b, c = p[:15].reshape(3, 5)
        y = c @ np.tanh(a[:, None] * x + b[:, None]) + p[15]
        return float(np.square(y - data).mean())

    return Fit(fun, rng.standard_normal(16), np.full(16, np.nan))


def photograph(rng):
    """The affine map between two photographs of blobs, in pixels."""
    centres, heights = rng.uniform(0, 100, (12, 2)), rng.uniform(0.5, 1, 12)
    grid = np.stack(np.meshgrid(np.arange(0, 100, 4.0), np.arange(0, 100, 4.0)), axis=-1)

    def picture(at):
        square = np.square(at[..., None, :] - centres).sum(axis=-1)
        return np.exp(-square / (2 * 8.0**2)) @ heights

    def model(p):
        return picture(grid @ p[:4].reshape(2, 2).T + p[4:])

    angle, zoom = rng.uniform(-0.2, 0.2), rng.uniform(0.9, 1.1)
    turn = zoom * np.array([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)])
    truth = np.concatenate([turn, rng.uniform(-10, 10, 2)])
    return _squares(model, truth, [1, 0, 0, 1, 0, 0], 0.02, rng)


def surfaces(rng):
    """Two scans of a surface, in millimetres: distance to the nearest point, three angles."""
    scan = rng.standard_normal((60, 3)) * [40, 25, 10]
    truth = np.concatenate([rng.uniform(-0.4, 0.4, 3), rng.uniform(-15, 15, 3)])
    other = _turned(scan, truth) + 0.3 * rng.standard_normal(scan.shape)

    def fun(p):
        square = np.square(_turned(scan, p)[:, None] - other).sum(axis=-1)
        return float(np.sqrt(square.min(axis=1)).mean())

    return Fit(fun, np.zeros(6), truth)


def _turned(points, p):
    (a, b, c), (s, t, u) = np.cos(p[:3]), np.sin(p[:3])
    x = np.array([[1, 0, 0], [0, a, -s], [0, s, a]])
    y = np.array([[b, 0, t], [0, 1, 0], [-t, 0, b]])
    z = np.array([[c, -u, 0], [u, c, 0], [0, 0, 1]])
    return points @ (z @ y @ x).T + p[3:]


def ellipse(rng):
    """An ellipse through the points of half an outline, in pixels, with absolute distances."""
    truth = np.array([320, 240, 150, 60, rng.uniform(0, 1.5)])
    phase = rng.uniform(0, np.pi, 40)

    def along(p, phase):
        u, v = p[2] * np.cos(phase), p[3] * np.sin(phase)
        c, s = np.cos(p[4]), np.sin(p[4])
        return np.array([p[0] + c * u - s * v, p[1] + s * u + c * v])

    seen = along(truth, phase) + rng.standard_normal((2, 40))

    def fun(p):
        x, y = seen[0] - p[0], seen[1] - p[1]
        c, s = np.cos(p[4]), np.sin(p[4])
        radius = np.hypot((c * x + s * y) / p[2], (c * y - s * x) / p[3])
        return float(np.abs((radius - 1) * np.hypot(x, y) / radius).mean())

    spread = seen.std(axis=1)
    return Fit(fun, np.array([*seen.mean(axis=1), *spread, 0.0]), truth)


def position(rng):
    """A position from distances to stations, in metres, with the clock's offset."""
    stations = rng.uniform([-2e4, -2e4, 1e4], [2e4, 2e4, 5e4], (7, 3))
    truth = np.array([*rng.uniform(-5e3, 5e3, 3), 300.0])

    def model(p):
        return np.sqrt(np.square(stations - p[:3]).sum(axis=1)) + p[3]

    return _squares(model, truth, np.zeros(4), 3.0, rng)


def mixture(rng):
    """The likelihood of two normal groups: share, means, logarithms of the spreads."""
    size = rng.binomial(300, 0.35)
    data = np.concatenate([rng.normal(54, 4, size), rng.normal(79, 6, 300 - size)])

    def fun(p):
        share, spreads = expit(p[0]), np.exp(p[3:])
        z = (data - p[1:3, None]) / spreads[:, None]
        density = np.exp(-0.5 * z**2) / spreads[:, None]
        return float(-np.log(share * density[0] + (1 - share) * density[1]).mean())

    start = [0.0, data.mean() - 1, data.mean() + 1, np.log(data.std()), np.log(data.std())]
    return Fit(fun, np.array(start), np.array([-0.6, 54, 79, np.log(4), np.log(6)]))


def lifetimes(rng):
    """The likelihood of Weibull lifetimes in hours, some cut off, NaN for negative values."""
    times = 4000 * rng.weibull(2.2, 80)
    seen = times < 5000
    times = np.minimum(times, 5000)

    def fun(p):
        if p[0] <= 0 or p[1] <= 0:
            return np.nan
        z = times / p[0]
        hazard = np.log(p[1] / p[0]) + (p[1] - 1) * np.log(z)
        return float((z ** p[1] - seen * hazard).mean())

    return Fit(fun, np.array([times.mean(), 1.0]), np.array([4000, 2.2]))


def vapour(rng):
    """Antoine's equation: logarithm of the pressure, three coefficients of different size."""
    t = np.linspace(10, 100, 20)
    truth = np.array([8.07, 1730, 233]) * (1 + 0.01 * rng.standard_normal(3))
    return _squares(lambda p: p[0] - p[1] / (t + p[2]), truth, [7, 1500, 200], 0.003, rng)


def process(rng):
    """The likelihood of a Gaussian process: logarithms of height, length and error."""
    x = np.sort(rng.uniform(0, 10, 30))
    square = np.square(x[:, None] - x)
    truth = np.log([1.5, rng.uniform(0.7, 2), 0.1])

    def covariance(p):
        height, length, error = np.exp(2 * np.asarray(p))
        return height * np.exp(-0.5 * square / length) + (error + 1e-10) * np.eye(30)

    y = np.linalg.cholesky(covariance(truth)) @ rng.standard_normal(30)

    def fun(p):
        try:
            factor = np.linalg.cholesky(covariance(p))
        except np.linalg.LinAlgError:
            return np.nan
        white = np.linalg.solve(factor, y)
        return float(0.5 * white @ white + np.log(np.diagonal(factor)).sum()) / 30

    return Fit(fun, np.zeros(3), truth)


def arm(rng):
    """Angles of a planar arm of six links that reaches a point in a direction."""
    truth = rng.uniform(-1, 1, 6)

    def pose(p):
        angles = np.cumsum(p)
        return np.array([np.cos(angles).sum(), np.sin(angles).sum(), angles[-1]])

    goal = pose(truth)

    def fun(p):
        return float(np.square(pose(p) - goal).sum() + 1e-3 * np.square(p).sum())

    return Fit(fun, np.zeros(6), truth)


def arrhenius(rng):
    """A rate over temperature: logarithm of the prefactor, activation energy in J/mol."""
    kelvin = np.linspace(290, 360, 15)
    truth = np.array([rng.uniform(18, 24), rng.uniform(5e4, 7e4)])

    def model(p):
        return np.exp(p[0] - p[1] / (8.314 * kelvin))

    error = 0.03 * model(truth)
    return _squares(model, truth, [20, 6e4], error, rng)


def pelts(rng):
    """The demo's hares and lynxes, integrated so loosely that the misfit jumps."""
    off = 0.1 * rng.standard_normal(6)
    return Fit(predator_prey.misfit, predator_prey.START + off, np.full(6, np.nan))


FITS = {
    fit.__name__: fit
    for fit in (
        hunt_logs, hunt_raw, decays_raw, decays_logs, spectrum, beam, resonance, wave, two_waves,
        ringing, enzyme, dose, growth, epidemic, neuron, network, photograph, surfaces, ellipse,
        position, mixture, lifetimes, vapour, process, arm, arrhenius, pelts,
    )
}  # fmt: skip
