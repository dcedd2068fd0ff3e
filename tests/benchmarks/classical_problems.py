"""Classical functions for global optimization, in boxes of which parts are cut off.

The functions are those of L. C. W. Dixon, G. P. Szego, "Towards Global Optimisation" (1975, 1978),
and of the collection in M. Jamil, X.-S. Yang, "A literature survey of benchmark functions for
global optimization problems", Int. J. Math. Model. Numer. Optim. 4 (2013). In the published boxes
many minima lie in the middle, where a search that begins there finds them by accident. Here every
side is moved towards the minimum at random, by up to four fifths of its distance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Function = Callable[[Array], float]
PI = np.pi
KEPT = 0.2  # share of the distance from the minimum to a side, at least
GAP = 1e-6


@dataclass(frozen=True)
class Classical:
    """A published function: its box, one of its minimizers, and the least value."""

    name: str
    fun: Function
    box: tuple[Array, Array]
    x: Array
    minimum: float


@dataclass(frozen=True)
class BoxedProblem:
    """A function in a box, a start, and what to reach."""

    name: str
    fun: Function
    x0: Array
    bounds: list[tuple[float, float]]
    target: float


def three_hump_camel(x: Array) -> float:
    a, b = x
    return float(2 * a**2 - 1.05 * a**4 + a**6 / 6 + a * b + b**2)


def six_hump_camel(x: Array) -> float:
    a, b = x
    return float((4 - 2.1 * a**2 + a**4 / 3) * a**2 + a * b + (4 * b**2 - 4) * b**2)


def himmelblau(x: Array) -> float:
    a, b = x
    return float((a**2 + b - 11) ** 2 + (a + b**2 - 7) ** 2)


def beale(x: Array) -> float:
    a, b = x
    terms = (1.5 - a + a * b, 2.25 - a + a * b**2, 2.625 - a + a * b**3)
    return float(sum(t**2 for t in terms))


def branin(x: Array) -> float:
    a, b = x
    bent = b - 5.1 / (4 * PI**2) * a**2 + 5 / PI * a - 6
    return float(bent**2 + 10 * (1 - 1 / (8 * PI)) * np.cos(a) + 10)


def goldstein_price(x: Array) -> float:
    a, b = x
    one = 19 - 14 * a + 3 * a**2 - 14 * b + 6 * a * b + 3 * b**2
    other = 18 - 32 * a + 12 * a**2 + 48 * b - 36 * a * b + 27 * b**2
    return float((1 + (a + b + 1) ** 2 * one) * (30 + (2 * a - 3 * b) ** 2 * other))


def mccormick(x: Array) -> float:
    a, b = x
    return float(np.sin(a + b) + (a - b) ** 2 - 1.5 * a + 2.5 * b + 1)


def easom(x: Array) -> float:
    return float(-np.prod(np.cos(x)) * np.exp(-np.sum((x - PI) ** 2)))


def bohachevsky(x: Array) -> float:
    a, b = x
    waves = 0.3 * np.cos(3 * PI * a) + 0.4 * np.cos(4 * PI * b)
    return float(a**2 + 2 * b**2 - waves + 0.7)


def drop_wave(x: Array) -> float:
    r = float(x @ x)
    return float(-(1 + np.cos(12 * np.sqrt(r))) / (0.5 * r + 2))


def eggholder(x: Array) -> float:
    a, b = x
    far = b + 47
    return float(-far * np.sin(np.sqrt(abs(far + a / 2))) - a * np.sin(np.sqrt(abs(a - far))))


def holder_table(x: Array) -> float:
    a, b = x
    return float(-abs(np.sin(a) * np.cos(b) * np.exp(abs(1 - np.hypot(a, b) / PI))))


def pen_holder(x: Array) -> float:
    a, b = x
    inner = abs(np.cos(a) * np.cos(b) * np.exp(abs(1 - np.hypot(a, b) / PI)))
    return float(-np.exp(-1 / inner)) if inner > 0 else 0.0


def cross_in_tray(x: Array) -> float:
    a, b = x
    inner = abs(np.sin(a) * np.sin(b) * np.exp(abs(100 - np.hypot(a, b) / PI)))
    return float(-1e-4 * (inner + 1) ** 0.1)


def bukin(x: Array) -> float:
    a, b = x
    return float(100 * np.sqrt(abs(b - 0.01 * a**2)) + 0.01 * abs(a + 10))


def schaffer_2(x: Array) -> float:
    a, b = x
    return float(0.5 + (np.sin(a**2 - b**2) ** 2 - 0.5) / (1 + 1e-3 * (a**2 + b**2)) ** 2)


def schaffer_4(x: Array) -> float:
    a, b = x
    wave = np.cos(np.sin(abs(a**2 - b**2))) ** 2
    return float(0.5 + (wave - 0.5) / (1 + 1e-3 * (a**2 + b**2)) ** 2)


def shubert(x: Array) -> float:
    k = np.arange(1, 6)
    return float(np.prod([np.sum(k * np.cos((k + 1) * t + k)) for t in x]))


def levy_13(x: Array) -> float:
    a, b = x
    first = np.sin(3 * PI * a) ** 2 + (a - 1) ** 2 * (1 + np.sin(3 * PI * b) ** 2)
    return float(first + (b - 1) ** 2 * (1 + np.sin(2 * PI * b) ** 2))


def ackley(x: Array) -> float:
    n = x.size
    far, waves = np.sqrt(x @ x / n), np.cos(2 * PI * x).sum() / n
    return float(-20 * np.exp(-0.2 * far) - np.exp(waves) + 20 + np.e)


def griewank(x: Array) -> float:
    root = np.sqrt(np.arange(1, x.size + 1))
    return float(x @ x / 4000 - np.prod(np.cos(x / root)) + 1)


def rastrigin(x: Array) -> float:
    return float(10 * x.size + np.sum(x**2 - 10 * np.cos(2 * PI * x)))


def levy(x: Array) -> float:
    w = 1 + (x - 1) / 4
    inner = (w[:-1] - 1) ** 2 * (1 + 10 * np.sin(PI * w[:-1] + 1) ** 2)
    last = (w[-1] - 1) ** 2 * (1 + np.sin(2 * PI * w[-1]) ** 2)
    return float(np.sin(PI * w[0]) ** 2 + inner.sum() + last)


def schwefel(x: Array) -> float:
    return float(-np.mean(x * np.sin(np.sqrt(np.abs(x)))))


def styblinski_tang(x: Array) -> float:
    return float(0.5 * np.sum(x**4 - 16 * x**2 + 5 * x))


def michalewicz(x: Array) -> float:
    i = np.arange(1, x.size + 1)
    return float(-np.sum(np.sin(x) * np.sin(i * x**2 / PI) ** 20))


def salomon(x: Array) -> float:
    far = np.sqrt(x @ x)
    return float(1 - np.cos(2 * PI * far) + 0.1 * far)


def whitley(x: Array) -> float:
    y = 100 * (x[:, None] ** 2 - x) ** 2 + (1 - x) ** 2
    return float(np.sum(y**2 / 4000 - np.cos(y) + 1))


def alpine(x: Array) -> float:
    return float(-np.prod(np.sqrt(x) * np.sin(x)))


def rosenbrock(x: Array) -> float:
    return float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))


def colville(x: Array) -> float:
    a, b, c, d = x
    valleys = 100 * (a**2 - b) ** 2 + (a - 1) ** 2 + (c - 1) ** 2 + 90 * (c**2 - d) ** 2
    return float(valleys + 10.1 * ((b - 1) ** 2 + (d - 1) ** 2) + 19.8 * (b - 1) * (d - 1))


def zakharov(x: Array) -> float:
    s = 0.5 * np.arange(1, x.size + 1) @ x
    return float(x @ x + s**2 + s**4)


def trid(x: Array) -> float:
    return float(np.sum((x - 1) ** 2) - x[1:] @ x[:-1])


SHEKEL = np.array(
    [
        [4, 4, 4, 4], [1, 1, 1, 1], [8, 8, 8, 8], [6, 6, 6, 6], [3, 7, 3, 7],
        [2, 9, 2, 9], [5, 5, 3, 3], [8, 1, 8, 1], [6, 2, 6, 2], [7, 3.6, 7, 3.6],
    ]
)  # fmt: skip
DEPTHS = np.array([0.1, 0.2, 0.2, 0.4, 0.4, 0.6, 0.3, 0.7, 0.5, 0.5])


def shekel(m: int) -> Function:
    """The sum of the first ``m`` foxholes."""

    def fun(x: Array) -> float:
        return float(-np.sum(1 / (np.sum((x - SHEKEL[:m]) ** 2, axis=1) + DEPTHS[:m])))

    fun.__name__ = f"shekel_{m}"
    return fun


HEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
THREE = np.array([[3.0, 10, 30], [0.1, 10, 35], [3.0, 10, 30], [0.1, 10, 35]])
PEAKS_3 = 1e-4 * np.array(
    [[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]]
)
SIX = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14],
    ]
)  # fmt: skip
PEAKS_6 = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381],
    ]
)  # fmt: skip


def hartmann_3(x: Array) -> float:
    return float(-HEIGHTS @ np.exp(-np.sum(THREE * (x - PEAKS_3) ** 2, axis=1)))


def hartmann_6(x: Array) -> float:
    return float(-HEIGHTS @ np.exp(-np.sum(SIX * (x - PEAKS_6) ** 2, axis=1)))


def _listed(
    fun: Function, low: float | list[float], high: float | list[float], x: list[float], least: float
) -> Classical:
    n, name = len(x), getattr(fun, "__name__", "")
    box = np.broadcast_to(np.float64(low), n), np.broadcast_to(np.float64(high), n)
    return Classical(name, fun, box, np.array(x), least)


CLASSICAL: tuple[Classical, ...] = (
    _listed(three_hump_camel, -5, 5, [0, 0], 0),
    _listed(six_hump_camel, [-3, -2], [3, 2], [0.08984201, -0.7126564], -1.031628453),
    _listed(himmelblau, -6, 6, [3, 2], 0),
    _listed(beale, -4.5, 4.5, [3, 0.5], 0),
    _listed(branin, [-5, 0], [10, 15], [PI, 2.275], 0.3978873577),
    _listed(goldstein_price, -2, 2, [0, -1], 3),
    _listed(mccormick, [-1.5, -3], 4, [-0.5471976, -1.5471976], -1.913222955),
    _listed(easom, -20, 20, [PI, PI], -1),
    _listed(bohachevsky, -100, 100, [0, 0], 0),
    _listed(drop_wave, -5.12, 5.12, [0, 0], -1),
    _listed(eggholder, -512, 512, [512, 404.231805], -959.640662721),
    _listed(holder_table, -10, 10, [8.055023461, 9.664590018], -19.208502568),
    _listed(pen_holder, -11, 11, [9.646168, 9.646168], -0.9635348327),
    _listed(cross_in_tray, -10, 10, [1.34940666, 1.34940666], -2.062611871),
    _listed(bukin, [-15, -3], [-5, 3], [-10, 1], 0),
    _listed(schaffer_2, -100, 100, [0, 0], 0),
    _listed(schaffer_4, -100, 100, [0, 1.253131832], 0.292578632),
    _listed(shubert, -10, 10, [-7.083506409, 4.85805688], -186.730908831),
    _listed(levy_13, -10, 10, [1, 1], 0),
    _listed(ackley, -32, 32, [0] * 5, 0),
    _listed(griewank, -100, 100, [0] * 4, 0),
    _listed(rastrigin, -5.12, 5.12, [0] * 4, 0),
    _listed(levy, -10, 10, [1] * 4, 0),
    _listed(schwefel, -500, 500, [420.968746] * 3, -418.982887272),
    _listed(styblinski_tang, -5, 5, [-2.903534] * 4, -156.664662815),
    _listed(michalewicz, 0, PI, [2.2029055, PI / 2, 1.2849916, 1.9230585], -3.698857098),
    _listed(salomon, -100, 100, [0, 0], 0),
    _listed(whitley, -10.24, 10.24, [1, 1], 0),
    _listed(alpine, 0, 10, [7.917052684] * 2, -7.885600724),
    _listed(rosenbrock, -5, 10, [1] * 3, 0),
    _listed(colville, -10, 10, [1] * 4, 0),
    _listed(zakharov, -5, 10, [0] * 5, 0),
    _listed(trid, -36, 36, [6, 10, 12, 12, 10, 6], -50),
    _listed(shekel(5), 0, 10, [4.000037, 4.000133, 4.000037, 4.000133], -10.15319968),
    _listed(shekel(7), 0, 10, [4.000573, 4.000689, 3.99949, 3.999606], -10.402940567),
    _listed(shekel(10), 0, 10, [4.000747, 4.000593, 3.999663, 3.99951], -10.536409817),
    _listed(hartmann_3, 0, 1, [0.1145889, 0.5556489, 0.852547], -3.862779787),
    _listed(
        hartmann_6, 0, 1, [0.2016895, 0.1500107, 0.476874, 0.2753324, 0.3116516, 0.6573005],
        -3.322368011,
    ),
)  # fmt: skip


def cut(problem: Classical, seed: int) -> BoxedProblem:
    """A random part of the box that has the minimizer, and a random start in it."""
    rng = np.random.default_rng([seed, *problem.name.encode()])
    (low, high), x = problem.box, problem.x
    low = x - rng.uniform(KEPT, 1, x.size) * (x - low)
    high = x + rng.uniform(KEPT, 1, x.size) * (high - x)
    target = problem.minimum + GAP * max(1.0, abs(problem.minimum))
    bounds = list(zip(low.tolist(), high.tolist(), strict=True))
    return BoxedProblem(problem.name, problem.fun, rng.uniform(low, high), bounds, target)
