"""Nonsmooth test functions from the literature, with gradients and minimum values.

The scalable ones are those of M. Haarala, K. Miettinen, M. M. Makela, "New limited
memory bundle method for large-scale nonsmooth optimization", Optim. Methods Softw. 19
(2004); the small ones are collected in L. Luksan, J. Vlcek, "Test problems for nonsmooth
unconstrained and linearly constrained optimization", Tech. Rep. 798, Inst. Computer
Science, Prague (2000); the sharp ones are E. J. Candes, T. Tao, "Decoding by linear
programming", IEEE Trans. Inf. Theory 51 (2005), and J. C. Duchi, F. Ruan, "Solving (most)
of a set of quadratic equalities: composite optimization for robust phase retrieval", Inf.
Inference 8 (2019). On a kink the gradient is that of one of the active pieces.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pair = tuple[float, Array]


@dataclass(frozen=True)
class NonsmoothProblem:
    """A function with its gradient, the usual start, and the least value."""

    name: str
    fun: Callable[[Array], Pair]
    x0: Array
    minimum: float

    def gap(self, value: float) -> float:
        """How far a value is above the minimum, relative to max(1, |minimum|)."""
        return (value - self.minimum) / max(1.0, abs(self.minimum))


def largest(values: Any, gradients: Any) -> Pair:
    """Value and gradient of a maximum, from those of its pieces."""
    k = int(np.argmax(values))
    return float(values[k]), np.array(gradients[k], dtype=float)


def sign(v: Array) -> Array:
    """One of the two slopes of the absolute value, at zero too."""
    return np.where(v < 0, -1.0, 1.0)


def chained(n: int, of_left: Array, of_right: Array) -> Array:
    """Sum over i of the derivatives in x_i and x_(i+1) of a chained function's terms."""
    gradient = np.zeros(n)
    gradient[:-1] += of_left
    gradient[1:] += of_right
    return gradient


def maxq(x: Array) -> Pair:
    """Largest square."""
    k = int(np.argmax(x * x))
    gradient = np.zeros(x.size)
    gradient[k] = 2 * x[k]
    return float(x[k] ** 2), gradient


def mxhilb(x: Array) -> Pair:
    """Largest absolute value of the Hilbert matrix times x."""
    index = np.arange(x.size)
    hilbert = 1 / (index[:, None] + index + 1)
    image = hilbert @ x
    k = int(np.argmax(np.abs(image)))
    return float(abs(image[k])), sign(image[k]) * hilbert[k]


def chained_lq(x: Array) -> Pair:
    """Sum of max(-a - b, -a - b + a^2 + b^2 - 1) over neighbours a, b."""
    a, b = x[:-1], x[1:]
    excess = a * a + b * b - 1
    active = excess > 0
    value = float(np.sum(np.maximum(excess, 0) - a - b))
    return value, chained(x.size, 2 * a * active - 1, 2 * b * active - 1)


def _cb3_terms(x: Array) -> tuple[Array, Array, Array]:
    """Values, left and right derivatives (3, n - 1) of the three pieces of CB3."""
    a, b = x[:-1], x[1:]
    bend = 2 * np.exp(np.minimum(b - a, 300))
    values = np.array([a**4 + b**2, (2 - a) ** 2 + (2 - b) ** 2, bend])
    left = np.array([4 * a**3, 2 * (a - 2), -bend])
    right = np.array([2 * b, 2 * (b - 2), bend])
    return values, left, right


def chained_cb3_i(x: Array) -> Pair:
    """Sum over neighbours of the largest of CB3's pieces."""
    values, left, right = _cb3_terms(x)
    piece = values.argmax(axis=0)
    column = np.arange(x.size - 1)
    gradient = chained(x.size, left[piece, column], right[piece, column])
    return float(values.max(axis=0).sum()), gradient


def chained_cb3_ii(x: Array) -> Pair:
    """Largest of the sums over neighbours of CB3's pieces."""
    values, left, right = _cb3_terms(x)
    k = int(values.sum(axis=1).argmax())
    return float(values[k].sum()), chained(x.size, left[k], right[k])


def active_faces(x: Array) -> Pair:
    """Largest of log(1 + |.|) of the coordinates and of minus their sum."""
    n = x.size
    total = float(x.sum())
    k = int(np.argmax(np.abs(x)))
    if abs(total) > abs(x[k]):
        return float(np.log1p(abs(total))), np.full(n, sign(total) / (1 + abs(total)))
    gradient = np.zeros(n)
    gradient[k] = sign(x[k]) / (1 + abs(x[k]))
    return float(np.log1p(abs(x[k]))), gradient


def brown2(x: Array) -> Pair:
    """Sum over neighbours of |a|^(b^2 + 1) + |b|^(a^2 + 1)."""

    def powers(a: Array, b: Array) -> tuple[Array, Array, Array]:
        size = np.abs(a)
        rise = size ** (b * b)
        log = np.log(np.maximum(size, 1e-300))
        return size * rise, (b * b + 1) * rise * sign(a), 2 * b * size * rise * log

    a, b = x[:-1], x[1:]
    first, first_a, first_b = powers(a, b)
    second, second_b, second_a = powers(b, a)
    value = float(np.sum(first) + np.sum(second))
    return value, chained(x.size, first_a + second_a, first_b + second_b)


def chained_mifflin2(x: Array) -> Pair:
    """Sum over neighbours of -a + 2 (a^2 + b^2 - 1) + 1.75 |a^2 + b^2 - 1|."""
    a, b = x[:-1], x[1:]
    ring = a * a + b * b - 1
    weight = 2 + 1.75 * sign(ring)
    value = float(np.sum(-a + weight * ring))
    return value, chained(x.size, 2 * weight * a - 1, 2 * weight * b)


def chained_crescent_i(x: Array) -> Pair:
    """The larger of two sums over neighbours, +-(a^2 + (b - 1)^2 - 1) + b."""
    a, b = x[:-1], x[1:]
    ring = float(np.sum(a * a + (b - 1) ** 2 - 1))
    s = float(sign(ring))
    return abs(ring) + float(b.sum()), chained(x.size, 2 * s * a, 2 * s * (b - 1) + 1)


def chained_crescent_ii(x: Array) -> Pair:
    """Sum over neighbours of |a^2 + (b - 1)^2 - 1| + b."""
    a, b = x[:-1], x[1:]
    ring = a * a + (b - 1) ** 2 - 1
    s = sign(ring)
    value = float(np.sum(np.abs(ring) + b))
    return value, chained(x.size, 2 * s * a, 2 * s * (b - 1) + 1)


def cb2(x: Array) -> Pair:
    """Charalambous and Bandler's second function."""
    a, b = x
    bend = 2 * np.exp(min(b - a, 300))
    return largest(
        [a**2 + b**4, (2 - a) ** 2 + (2 - b) ** 2, bend],
        [[2 * a, 4 * b**3], [2 * (a - 2), 2 * (b - 2)], [-bend, bend]],
    )


def dem(x: Array) -> Pair:
    """Demyanov and Malozemov's function."""
    a, b = x
    return largest(
        [5 * a + b, -5 * a + b, a * a + b * b + 4 * b], [[5, 1], [-5, 1], [2 * a, 2 * b + 4]]
    )


def ql(x: Array) -> Pair:
    """A quadratic under linear penalties."""
    a, b = x
    square = a * a + b * b
    return largest(
        [square, square + 10 * (-4 * a - b + 4), square + 10 * (-a - 2 * b + 6)],
        [[2 * a, 2 * b], [2 * a - 40, 2 * b - 10], [2 * a - 10, 2 * b - 20]],
    )


def mifflin1(x: Array) -> Pair:
    """-a + 20 max(a^2 + b^2 - 1, 0); the usual start lies on the kink."""
    excess = float(x @ x - 1)
    gradient = np.array([-1.0, 0.0]) + (40 * x if excess > 0 else 0.0)
    return float(-x[0] + 20 * max(excess, 0.0)), gradient


def crescent(x: Array) -> Pair:
    """Two paraboloids back to back."""
    return chained_crescent_i(x)


def wolfe(x: Array) -> Pair:
    """Wolfe's function, on which steepest descent ends where it should not."""
    a, b = x
    if a >= abs(b):
        root = float(np.hypot(3 * a, 4 * b))
        return 5 * root, np.array([45 * a, 80 * b]) / root
    slope = 16 * float(sign(b))
    if a > 0:
        return 9 * a + 16 * abs(b), np.array([9.0, slope])
    return 9 * a + 16 * abs(b) - a**9, np.array([9 - 9 * a**8, slope])


def rosen_suzuki(x: Array) -> Pair:
    """Rosen and Suzuki's problem with exact penalties of weight 10."""
    a, b, c, d = x
    base = a * a + b * b + 2 * c * c + d * d - 5 * a - 5 * b - 21 * c + 7 * d
    slope = np.array([2 * a - 5, 2 * b - 5, 4 * c - 21, 2 * d + 7])
    limits = [
        a * a + b * b + c * c + d * d + a - b + c - d - 8,
        a * a + 2 * b * b + c * c + 2 * d * d - a - d - 10,
        2 * a * a + b * b + c * c + 2 * a - b - d - 5,
    ]
    slopes = [
        [2 * a + 1, 2 * b - 1, 2 * c + 1, 2 * d - 1],
        [2 * a - 1, 4 * b, 2 * c, 4 * d - 1],
        [4 * a + 2, 2 * b - 1, 2 * c, -1],
    ]
    return largest(
        [base, *(base + 10 * limit for limit in limits)],
        [slope, *(slope + 10 * np.array(rise) for rise in slopes)],
    )


def hald_madsen1(x: Array) -> Pair:
    """Rosenbrock's residuals, largest absolute value."""
    a, b = x
    return largest(
        [10 * (b - a * a), -10 * (b - a * a), 1 - a, a - 1],
        [[-20 * a, 10], [20 * a, -10], [-1, 0], [1, 0]],
    )


def _alternating(n: int, odd: float, even: float) -> Array:
    return np.where(np.arange(n) % 2 == 0, odd, even)


def scalable(n: int) -> list[NonsmoothProblem]:
    """The ten scalable problems in ``n`` variables, but for those of unknown minimum."""
    index = np.arange(1.0, n + 1)
    return [
        NonsmoothProblem(f"maxq-{n}", maxq, np.where(index <= n // 2, index, -index), 0.0),
        NonsmoothProblem(f"mxhilb-{n}", mxhilb, np.ones(n), 0.0),
        NonsmoothProblem(f"chained-lq-{n}", chained_lq, np.full(n, -0.5), -(n - 1) * 2**0.5),
        NonsmoothProblem(f"chained-cb3-i-{n}", chained_cb3_i, np.full(n, 2.0), 2.0 * (n - 1)),
        NonsmoothProblem(f"chained-cb3-ii-{n}", chained_cb3_ii, np.full(n, 2.0), 2.0 * (n - 1)),
        NonsmoothProblem(f"active-faces-{n}", active_faces, np.ones(n), 0.0),
        NonsmoothProblem(f"brown2-{n}", brown2, _alternating(n, -1.0, 1.0), 0.0),
        NonsmoothProblem(
            f"chained-crescent-i-{n}", chained_crescent_i, _alternating(n, -1.5, 2.0), 0.0
        ),
        NonsmoothProblem(
            f"chained-crescent-ii-{n}", chained_crescent_ii, _alternating(n, -1.5, 2.0), 0.0
        ),
    ]


def outliers(n: int, m: int, seed: int) -> tuple[NonsmoothProblem, Array]:
    """Mean absolute residual of ``m`` equations, 15 % of them wrong; and the solution."""
    rng = np.random.default_rng(seed)
    a, solution = rng.standard_normal((m, n)), rng.standard_normal(n)
    b = a @ solution + (rng.random(m) < 0.15) * 10 * rng.standard_normal(m)

    def fun(x: Array) -> Pair:
        rest = a @ x - b
        return float(abs(rest).mean()), sign(rest) @ a / m

    return NonsmoothProblem(f"outliers-{n}", fun, np.zeros(n), fun(solution)[0]), solution


def phases(n: int, m: int, seed: int) -> tuple[NonsmoothProblem, Array]:
    """Mean of ``|(a'x)^2 - b|`` over ``m`` vectors a, from nearby; and the solution."""
    rng = np.random.default_rng(seed)
    a, solution = rng.standard_normal((m, n)), rng.standard_normal(n) / np.sqrt(n)
    b = (a @ solution) ** 2
    start = solution + 0.4 * rng.standard_normal(n) / np.sqrt(n)

    def fun(x: Array) -> Pair:
        image = a @ x
        rest = image**2 - b
        return float(abs(rest).mean()), (2 / m) * ((sign(rest) * image) @ a)

    return NonsmoothProblem(f"phases-{n}", fun, start, 0.0), solution


def sharp(n: int) -> list[NonsmoothProblem]:
    """Means of many kinks with a minimum that is sharp in all directions."""
    return [outliers(n, 5 * n, 0)[0], phases(n, 6 * n, 0)[0]]


def small() -> list[NonsmoothProblem]:
    """Small problems with minima known in closed form, and CB2."""
    problems: list[tuple[str, Callable[[Array], Pair], list[float], float]] = [
        ("cb2", cb2, [1.0, -0.1], 1.952224493870659),
        ("cb3", chained_cb3_i, [2.0, 2.0], 2.0),
        ("dem", dem, [1.0, 1.0], -3.0),
        ("ql", ql, [-1.0, 5.0], 7.2),
        ("lq", chained_lq, [-0.5, -0.5], -(2**0.5)),
        ("mifflin1", mifflin1, [0.8, 0.6], -1.0),
        ("mifflin2", chained_mifflin2, [-1.0, -1.0], -1.0),
        ("crescent", crescent, [-1.5, 2.0], 0.0),
        ("wolfe", wolfe, [3.0, 2.0], -8.0),
        ("rosen-suzuki", rosen_suzuki, [0.0] * 4, -44.0),
        ("hald-madsen1", hald_madsen1, [-1.2, 1.0], 0.0),
    ]
    return [NonsmoothProblem(name, fun, np.array(x0), low) for name, fun, x0, low in problems]
