"""Smooth functions of the CUTEst kind, of 50 to 120 variables, by values alone.

References: N. I. M. Gould, D. Orban, P. L. Toint, "CUTEst: a constrained and unconstrained testing
environment with safe threads", Comput. Optim. Appl. 60 (2015); nonlinear equations stand for the
sum of their squares, as in C. Cartis, L. Roberts, "Scalable subspace methods for derivative-free
nonlinear least-squares optimization", Math. Program. 199 (2023).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from smooth_problems import (
    arwhead,
    boundary_value,
    broyden_tridiagonal,
    chained_rosenbrock,
    dixmaana,
    extended_rosenbrock,
    penalty,
    powell_singular,
    tridia,
    variably_dimensioned,
    wood,
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Values:
    """A function of values alone, and the usual start."""

    name: str
    fun: Callable[[Array], float]
    x0: Array


def bratu(x: Array) -> float:
    """Bratu's equation on a square, by finite differences, lambda 4; zero around it."""
    m = round(np.sqrt(x.size))
    u, h = np.pad(x.reshape(m, m), 1), 1 / (m + 1)
    neighbours = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
    return float(((4 * u[1:-1, 1:-1] - neighbours - 4 * h**2 * np.exp(u[1:-1, 1:-1])) ** 2).sum())


def broyden_banded(x: Array) -> float:
    """Broyden's equations in a band of five below and one above."""
    rest = x * (1 + x)
    others = np.zeros(x.size)
    for shift in (-1, 1, 2, 3, 4, 5):
        if shift < 0:
            others[:shift] += rest[-shift:]
        else:
            others[shift:] += rest[:-shift]
    return float(((x * (2 + 5 * x**2) + 1 - others) ** 2).sum())


def integral_equation(x: Array) -> float:
    """More and Cosnard's discretized integral equation."""
    n = x.size
    t = np.arange(1, n + 1) / (n + 1)
    cube = (x + t + 1) ** 3
    low, high = np.cumsum(t * cube), np.cumsum(((1 - t) * cube)[::-1])[::-1]
    rest = np.append(high[1:], 0.0)
    return float(((x + ((1 - t) * low + t * rest) / (2 * (n + 1))) ** 2).sum())


def chandrasekhar(x: Array) -> float:
    """The H-equation of radiative transfer, c = 0.9, by the midpoint rule."""
    n = x.size
    mu = (np.arange(1, n + 1) - 0.5) / n
    kernel = mu[:, None] / (mu[:, None] + mu)
    return float(((x * (1 - 0.9 / (2 * n) * (kernel @ x)) - 1) ** 2).sum())


def cragg_levy(x: Array) -> float:
    """Cragg and Levy's function, chained."""
    a, b, c, d = x[:-3:2], x[1:-2:2], x[2:-1:2], x[3::2]
    with np.errstate(over="ignore"):
        terms = (np.exp(a) - b) ** 4 + 100 * (b - c) ** 6 + (np.tan(c - d) + c - d) ** 4
    return float((terms + a**8 + (d - 1) ** 2).sum())


def freudenstein_roth(x: Array) -> float:
    """Freudenstein and Roth's function, chained."""
    a, b = x[:-1], x[1:]
    first, second = a + ((5 - b) * b - 2) * b - 13, a + ((b + 1) * b - 14) * b - 29
    return float(first @ first + second @ second)


def engval(x: Array) -> float:
    """Engvall's function, chained."""
    a, b = x[:-1], x[1:]
    return float(((a**2 + b**2) ** 2 - 4 * a + 3).sum())


def nondia(x: Array) -> float:
    """Shanno's nondiagonal variant of Rosenbrock's function."""
    return float((x[0] - 1) ** 2 + (100 * (x[0] - x[:-1] ** 2) ** 2).sum())


def liarwhd(x: Array) -> float:
    """A simplification of Shanno's nondiagonal function."""
    return float((4 * (x**2 - x[0]) ** 2 + (x - 1) ** 2).sum())


def artificial(x: Array) -> float:
    """An artificial turning point problem, with zeros at both ends."""
    u = np.pad(x, 1)
    k = np.arange(1, x.size + 1)
    near = u[:-2] + u[1:-1] + u[2:]
    return float(((np.arctan(np.sin(k * x)) - 0.05 * near) ** 2).sum())


def chained_powell(x: Array) -> float:
    """Powell's singular function of all neighbours."""
    a, b, c, d = x[:-3], x[1:-2], x[2:-1], x[3:]
    terms = (a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4
    return float(terms.sum())


def value(pair: Callable[[Array], tuple[float, Array]]) -> Callable[[Array], float]:
    """The value alone."""
    return lambda x: pair(x)[0]


def problems() -> list[Values]:
    """Twenty-four, from their usual starts."""
    n = 100
    k = np.arange(1.0, n + 1)
    grid = k / (n + 1)
    alternating = np.tile([3.0, -1.0, 0.0, 1.0], n // 4)
    made: list[tuple[str, Callable[[Array], float], Array]] = [
        ("bratu", bratu, np.zeros(64)),
        ("bratu-100", bratu, np.zeros(100)),
        ("broyden-tridiagonal", value(broyden_tridiagonal), np.full(n, -1.0)),
        ("broyden-banded", broyden_banded, np.full(60, 1.0)),
        ("boundary-value", value(boundary_value), grid * (grid - 1)),
        ("integral-equation", integral_equation, grid * (grid - 1)),
        ("chandrasekhar", chandrasekhar, np.ones(50)),
        ("arwhead", value(arwhead), np.ones(n)),
        ("chained-powell", chained_powell, alternating),
        ("powell-singular", value(powell_singular), alternating),
        ("penalty", value(penalty), k),
        ("tridia", value(tridia), np.ones(n)),
        ("variably-dimensioned", value(variably_dimensioned), 1 - k / n),
        ("cragg-levy", cragg_levy, np.append(1.0, np.full(n - 1, 2.0))),
        ("freudenstein-roth", freudenstein_roth, np.append([0.5, -2.0], np.zeros(n - 2))),
        ("engval", engval, np.full(n, 2.0)),
        ("nondia", nondia, np.full(n, -1.0)),
        ("liarwhd", liarwhd, np.full(n, 4.0)),
        ("artificial", artificial, np.ones(n)),
        ("wood", value(wood), np.tile([-3.0, -1.0], n // 2)),
        ("chained-rosenbrock", value(chained_rosenbrock), np.full(n, -1.0)),
        ("extended-rosenbrock", value(extended_rosenbrock), np.tile([-1.2, 1.0], n // 2)),
        ("dixmaana", value(dixmaana), np.full(90, 2.0)),
        ("near-rosenbrock", value(chained_rosenbrock), np.full(51, 0.01)),
    ]
    return [Values(name, fun, x0) for name, fun, x0 in made]
