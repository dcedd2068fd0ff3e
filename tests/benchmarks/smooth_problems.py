"""Smooth test functions from the literature, with gradients and minimum values.

Those without another source are collected in J. J. More, B. S. Garbow, K. E. Hillstrom,
"Testing unconstrained optimization software", ACM Trans. Math. Softw. 7 (1981); the chained
and extended ones, Arwhead, Dqrtic, Tridia and Dixmaana, are in N. I. M. Gould, D. Orban,
P. L. Toint, "CUTEst", Comput. Optim. Appl. 60 (2015). Scalable ones take O(n) operations.
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
class SmoothProblem:
    """A function with its gradient, the usual start, and the least value."""

    name: str
    fun: Callable[[Array], Pair]
    x0: Array
    minimum: float


def squares(residual: Array, jacobian: Array) -> Pair:
    """Sum of squares, and its gradient."""
    return float(residual @ residual), 2 * (residual @ jacobian)


def chained_rosenbrock(x: Array) -> Pair:
    """Rosenbrock's function of all neighbours."""
    a, b = x[:-1], x[1:]
    bend, rest = b - a * a, 1 - a
    gradient = np.zeros(x.size)
    gradient[:-1] = -400 * a * bend - 2 * rest
    gradient[1:] += 200 * bend
    return float(100 * (bend @ bend) + rest @ rest), gradient


def extended_rosenbrock(x: Array) -> Pair:
    """Rosenbrock's function of pairs."""
    a, b = x[::2], x[1::2]
    bend, rest = b - a * a, 1 - a
    gradient = np.empty(x.size)
    gradient[::2] = -400 * a * bend - 2 * rest
    gradient[1::2] = 200 * bend
    return float(100 * (bend @ bend) + rest @ rest), gradient


def wood(x: Array) -> Pair:
    """Wood's function of quadruples."""
    a, b, c, d = x[::4], x[1::4], x[2::4], x[3::4]
    first, second = b - a * a, d - c * c
    value = 100 * first**2 + (1 - a) ** 2 + 90 * second**2 + (1 - c) ** 2
    value = value + 10 * (b + d - 2) ** 2 + 0.1 * (b - d) ** 2
    gradient = np.empty(x.size)
    gradient[::4] = -400 * a * first - 2 * (1 - a)
    gradient[1::4] = 200 * first + 20 * (b + d - 2) + 0.2 * (b - d)
    gradient[2::4] = -360 * c * second - 2 * (1 - c)
    gradient[3::4] = 180 * second + 20 * (b + d - 2) - 0.2 * (b - d)
    return float(value.sum()), gradient


def powell_singular(x: Array) -> Pair:
    """Powell's function of quadruples, with a singular Hessian at the minimum."""
    a, b, c, d = x[::4], x[1::4], x[2::4], x[3::4]
    p, q, r, s = a + 10 * b, c - d, b - 2 * c, a - d
    gradient = np.empty(x.size)
    gradient[::4] = 2 * p + 40 * s**3
    gradient[1::4] = 20 * p + 4 * r**3
    gradient[2::4] = 10 * q - 8 * r**3
    gradient[3::4] = -10 * q - 40 * s**3
    return float((p**2 + 5 * q**2 + r**4 + 10 * s**4).sum()), gradient


def beale(x: Array) -> Pair:
    """Beale's function."""
    a, b = x
    power = b ** np.arange(1, 4)
    residual = np.array([1.5, 2.25, 2.625]) - a * (1 - power)
    slope = a * np.arange(1, 4) * b ** np.arange(3)
    return squares(residual, np.column_stack([power - 1, slope]))


def helix(x: Array) -> Pair:
    """Fletcher and Powell's helical valley."""
    a, b, c = x
    turn, radius = np.arctan2(b, a) / (2 * np.pi), np.hypot(a, b)
    slope = np.array([-b, a]) / (2 * np.pi * radius**2)
    residual = np.array([10 * (c - 10 * turn), 10 * (radius - 1), c])
    jacobian = np.array([[*(-100 * slope), 10], [10 * a / radius, 10 * b / radius, 0], [0, 0, 1]])
    return squares(residual, jacobian)


def watson(x: Array) -> Pair:
    """Watson's polynomial fit."""
    power = np.arange(x.size)
    t = np.arange(1, 30)[:, None] / 29
    curve = t**power
    slope = power * t ** np.maximum(power - 1, 0)
    height = curve @ x
    residual = np.concatenate([slope @ x - height**2 - 1, [x[0], x[1] - x[0] ** 2 - 1]])
    jacobian = np.zeros((31, x.size))
    jacobian[:29] = slope - 2 * height[:, None] * curve
    jacobian[29, 0] = 1
    jacobian[30, :2] = -2 * x[0], 1
    return squares(residual, jacobian)


def variably_dimensioned(x: Array) -> Pair:
    """A quadratic, and square and fourth power of a weighted sum."""
    weight = np.arange(1.0, x.size + 1)
    rest = x - 1
    total = float(weight @ rest)
    return float(rest @ rest + total**2 + total**4), 2 * rest + (2 * total + 4 * total**3) * weight


def trigonometric(x: Array) -> Pair:
    """Spedicato's function."""
    index = np.arange(1, x.size + 1)
    cos, sin = np.cos(x), np.sin(x)
    residual = x.size - cos.sum() + index * (1 - cos) - sin
    gradient = residual.sum() * sin + residual * (index * sin - cos)
    return float(residual @ residual), 2 * gradient


def penalty(x: Array) -> Pair:
    """The first penalty function."""
    rest, excess = x - 1, float(x @ x - 0.25)
    return float(1e-5 * (rest @ rest) + excess**2), 2e-5 * rest + 4 * excess * x


def broyden_tridiagonal(x: Array) -> Pair:
    """Broyden's equations in neighbours."""
    residual = (3 - 2 * x) * x + 1
    residual[1:] -= x[:-1]
    residual[:-1] -= 2 * x[1:]
    gradient = residual * (3 - 4 * x)
    gradient[:-1] -= residual[1:]
    gradient[1:] -= 2 * residual[:-1]
    return float(residual @ residual), 2 * gradient


def brown_almost_linear(x: Array) -> Pair:
    """Brown's equations: all are linear but the last, a product."""
    n = x.size
    residual = x + x.sum() - (n + 1)
    others = np.array([np.prod(np.delete(x, i)) for i in range(n)])
    residual[-1] = x[0] * others[0] - 1
    jacobian = np.eye(n) + 1
    jacobian[-1] = others
    return squares(residual, jacobian)


def boundary_value(x: Array) -> Pair:
    """More and Cosnard's discretized boundary value problem."""
    h = 1 / (x.size + 1)
    base = x + h * np.arange(1, x.size + 1) + 1
    residual = 2 * x + h**2 * base**3 / 2
    residual[1:] -= x[:-1]
    residual[:-1] -= x[1:]
    gradient = residual * (2 + 1.5 * h**2 * base**2)
    gradient[:-1] -= residual[1:]
    gradient[1:] -= residual[:-1]
    return float(residual @ residual), 2 * gradient


def box3d(x: Array) -> Pair:
    """Box's function of three variables."""
    a, b, c = x
    t = np.arange(1, 11) / 10
    first, second, shape = np.exp(-a * t), np.exp(-b * t), np.exp(-t) - np.exp(-10 * t)
    jacobian = np.column_stack([-t * first, t * second, -shape])
    return squares(first - second - c * shape, jacobian)


def bard(x: Array) -> Pair:
    """Bard's fit."""
    y = 0.01 * np.array([14, 18, 22, 25, 29, 32, 35, 39, 37, 58, 73, 96, 134, 210, 439])
    u = np.arange(1, 16)
    v, w = 16 - u, np.minimum(u, 16 - u)
    below = v * x[1] + w * x[2]
    jacobian = np.column_stack([-np.ones(15), u * v / below**2, u * w / below**2])
    return squares(y - x[0] - u / below, jacobian)


def kowalik_osborne(x: Array) -> Pair:
    """Kowalik and Osborne's fit."""
    y = 1e-4 * np.array([1957, 1947, 1735, 1600, 844, 627, 456, 342, 323, 235, 246])
    u = np.array([4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625])
    above, below = u**2 + u * x[1], u**2 + u * x[2] + x[3]
    share = x[0] * above / below**2
    jacobian = np.column_stack([-above / below, -x[0] * u / below, share * u, share])
    return squares(y - x[0] * above / below, jacobian)


def cube(x: Array) -> Pair:
    """Leon's curved valley."""
    a, b = x
    residual = np.array([10 * (b - a**3), 1 - a])
    return squares(residual, np.array([[-30 * a**2, 10], [-1, 0]]))


def arwhead(x: Array) -> Pair:
    """Conn, Gould and Toint's arrow head."""
    a, last = x[:-1], x[-1]
    both = a * a + last**2
    gradient = np.append(4 * both * a - 4, 4 * last * both.sum())
    return float((both**2 - 4 * a + 3).sum()), gradient


def quartic(x: Array) -> Pair:
    """Sum of fourth powers of the distances to 1, 2, 3, ...; the Hessian vanishes there."""
    rest = x - np.arange(1.0, x.size + 1)
    return float((rest**2) @ (rest**2)), 4 * rest**3


def tridia(x: Array) -> Pair:
    """A quadratic with a tridiagonal Hessian, curvatures from 1 to n."""
    weight = np.arange(2.0, x.size + 1)
    step = 2 * x[1:] - x[:-1]
    gradient = np.zeros(x.size)
    gradient[1:] = 4 * weight * step
    gradient[:-1] -= 2 * weight * step
    gradient[0] += 2 * (x[0] - 1)
    return float((x[0] - 1) ** 2 + weight @ step**2), gradient


def dixmaana(x: Array) -> Pair:
    """Dixon and Maany's first function, of triples' thirds."""
    m = x.size // 3
    a, b, c = x[:m], x[m : 2 * m], x[2 * m :]
    gradient = 2 * x
    gradient[:m] += 0.25 * a * b**4 + 0.125 * c
    gradient[m : 2 * m] += 0.5 * a**2 * b**3
    gradient[2 * m :] += 0.125 * a
    value = x @ x + 0.125 * (a**2 @ b**4) + 0.125 * (a @ c)
    return float(1 + value), gradient


def quadratic(n: int, condition: float) -> SmoothProblem:
    """Curvatures from 1 to ``condition``, uniform in their logarithms."""
    curvature = condition ** np.linspace(0, 1, n)

    def fun(x: Array) -> Pair:
        return float(curvature @ x**2) / 2, curvature * x

    return SmoothProblem(f"quadratic-{n}-{condition:g}", fun, np.ones(n), 0.0)


def convex(name: str, fun: Callable[..., Any], x0: Array) -> SmoothProblem:
    """A convex problem, its least value by Newton's method; ``fun`` gives the Hessian too."""
    x = x0.copy()
    for _ in range(100):
        value, gradient, hessian = fun(x)
        step = -np.linalg.solve(hessian, gradient)
        length = 1.0
        while length > 1e-10 and not fun(x + length * step)[0] <= value:
            length /= 2
        x = x + length * step
    return SmoothProblem(name, lambda y: fun(y)[:2], x0, fun(x)[0])


def logistic(n: int, m: int, seed: int) -> SmoothProblem:
    """Logistic regression on ``m`` points with a small ridge."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((m, n)) * 10 ** rng.uniform(-1, 1, n)
    label = np.where(a @ rng.standard_normal(n) + rng.standard_normal(m) > 0, 1.0, -1.0)
    a = a * label[:, None]

    def fun(x: Array) -> tuple[float, Array, Array]:
        margin = a @ x
        wrong = np.exp(-np.logaddexp(0, margin))
        value = float(np.logaddexp(0, -margin).mean() + 5e-4 * (x @ x))
        hessian = (a * (wrong * (1 - wrong))[:, None]).T @ a / m + 1e-3 * np.eye(n)
        return value, 1e-3 * x - wrong @ a / m, hessian

    return convex(f"logistic-{n}", fun, np.zeros(n))


def soft_maximum(n: int, m: int, seed: int) -> SmoothProblem:
    """Logarithm of a sum of exponentials of ``m`` affine functions, and a small bowl."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((m, n)), rng.standard_normal(m)

    def fun(x: Array) -> tuple[float, Array, Array]:
        image = 5 * (a @ x + b)
        top = float(image.max())
        weight = np.exp(image - top)
        value = (top + float(np.log(weight.sum()))) / 5 + 0.005 * float(x @ x)
        weight /= weight.sum()
        mean = weight @ a
        hessian = 5 * ((a * weight[:, None]).T @ a - np.outer(mean, mean)) + 0.01 * np.eye(n)
        return value, mean + 0.01 * x, hessian

    return convex(f"soft-maximum-{n}", fun, np.ones(n))


def scalable(n: int) -> list[SmoothProblem]:
    """Problems that take O(n) operations; ``n`` a multiple of 12."""
    index = np.arange(1.0, n + 1)
    root = np.roots([4 * n, 0, 2e-5 - 1, -2e-5])
    least = min(penalty(np.full(n, t.real))[0] for t in root if abs(t.imag) < 1e-9)
    pair, low = np.tile([-1.2, 1.0], n // 2), np.tile([-3.0, -1.0], n // 2)
    grid = index / (n + 1)
    starts: list[tuple[str, Callable[[Array], Pair], Array, float]] = [
        ("extended-rosenbrock", extended_rosenbrock, pair, 0.0),
        ("chained-rosenbrock", chained_rosenbrock, np.full(n, 0.5), 0.0),
        ("wood", wood, low, 0.0),
        ("powell-singular", powell_singular, np.tile([3.0, -1.0, 0.0, 1.0], n // 4), 0.0),
        ("variably-dimensioned", variably_dimensioned, 1 - index / n, 0.0),
        ("penalty", penalty, index, least),
        ("broyden-tridiagonal", broyden_tridiagonal, np.full(n, -1.0), 0.0),
        ("boundary-value", boundary_value, grid * (grid - 1), 0.0),
        ("arwhead", arwhead, np.ones(n), 0.0),
        ("quartic", quartic, np.full(n, 2.0), 0.0),
        ("tridia", tridia, np.ones(n), 0.0),
        ("dixmaana", dixmaana, np.full(n, 2.0), 1.0),
    ]
    return [SmoothProblem(f"{name}-{n}", fun, x0, low) for name, fun, x0, low in starts]


def small() -> list[SmoothProblem]:
    """Problems of a few variables."""
    starts: list[tuple[str, Callable[[Array], Pair], list[float], float]] = [
        ("rosenbrock", chained_rosenbrock, [-1.2, 1.0], 0.0),
        ("wood", wood, [-3.0, -1.0, -3.0, -1.0], 0.0),
        ("powell-singular", powell_singular, [3.0, -1.0, 0.0, 1.0], 0.0),
        ("beale", beale, [1.0, 1.0], 0.0),
        ("helix", helix, [-1.0, 0.1, 0.0], 0.0),
        ("watson-6", watson, [0.0] * 6, 2.287670053552372e-3),
        ("trigonometric-5", trigonometric, [0.05] * 5, 0.0),
        ("brown-almost-linear-10", brown_almost_linear, [0.5] * 10, 0.0),
        ("box3d", box3d, [0.0, 10.0, 20.0], 0.0),
        ("bard", bard, [1.0, 1.0, 1.0], 8.214877306578994e-3),
        ("kowalik-osborne", kowalik_osborne, [0.25, 0.39, 0.415, 0.39], 3.075056038492e-4),
        ("cube", cube, [-1.2, 1.0], 0.0),
    ]
    return [SmoothProblem(name, fun, np.array(x0), low) for name, fun, x0, low in starts]


def convex_fits() -> list[SmoothProblem]:
    """Quadratics, a regression and a smoothed maximum."""
    return [
        quadratic(20, 1e4),
        quadratic(50, 1e6),
        logistic(20, 200, 0),
        soft_maximum(30, 100, 0),
    ]
