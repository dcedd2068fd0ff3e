"""Functions with kinks as applications pose them, with gradients; minima by linear programs.

Sums of many small pieces (tail risk, locations, regressions, total variation), largest
eigenvalues that many share, Lagrangian duals, exact penalties of smooth energies. Where no
linear program gives the least value it is NaN: the lowest that is found stands for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize
import scipy.sparse as sp
from nonsmooth_problems import NonsmoothProblem, Pair, sign
from numpy.typing import NDArray

Array = NDArray[np.float64]


def tail_risk(n: int, scenarios: int, seed: int) -> NonsmoothProblem:
    """Conditional value at risk of a portfolio, its budget and signs by exact penalties."""
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.3, 2, n)
    returns = 0.01 * rng.standard_t(4, (scenarios, n)) * spread + 0.0005 * rng.random(n)
    tail = 0.05 * scenarios

    def fun(z: Array) -> Pair:
        w, level = z[:n], z[n]
        loss = -(returns @ w) - level
        active, excess = loss > 0, float(w.sum()) - 1
        value = level + loss[active].sum() / tail + 0.5 * abs(excess) - 0.5 * w[w < 0].sum()
        gradient = np.append(-returns[active].sum(axis=0), -active.sum()) / tail
        gradient[:n] += 0.5 * sign(np.array(excess)) - 0.5 * (w < 0)
        gradient[n] += 1
        return float(value), gradient

    rows = np.hstack([-returns, -np.ones((scenarios, 1)), -np.eye(scenarios)])
    cost = np.concatenate([np.zeros(n), [1.0], np.full(scenarios, 1 / tail)])
    total = np.concatenate([np.ones(n), np.zeros(1 + scenarios)])[None]
    bounds = [(0, None)] * n + [(None, None)] + [(0, None)] * scenarios
    low = _program(cost, A_ub=rows, b_ub=np.zeros(scenarios), A_eq=total, b_eq=[1], bounds=bounds)
    return NonsmoothProblem(f"tail-risk-{n + 1}", fun, np.append(np.full(n, 1 / n), 0.0), low)


def _program(cost: Any, **how: Any) -> float:
    """The least value of a linear program."""
    return float(scipy.optimize.linprog(cost, method="highs", **how).fun)


def quantile_fit(n: int, m: int, quantile: float, seed: int) -> NonsmoothProblem:
    """Mean of tilted absolute residuals of a linear model, with heavy tails."""
    rng = np.random.default_rng(seed)
    a = np.column_stack([np.ones(m), rng.standard_normal((m, n - 1))]) * 10 ** rng.uniform(-1, 1, n)
    b = a @ rng.standard_normal(n) + rng.standard_t(2, m)

    def fun(x: Array) -> Pair:
        r = b - a @ x
        tilt = quantile - (r < 0)
        return float(tilt @ r) / m, -(tilt @ a) / m

    costs = np.concatenate([np.zeros(n), np.full(m, quantile), np.full(m, 1 - quantile)]) / m
    equal = sp.hstack([sp.csr_array(a), sp.eye_array(m), -sp.eye_array(m)]).tocsc()
    bounds = [(None, None)] * n + [(0, None)] * (2 * m)
    low = _program(costs, A_eq=equal, b_eq=b, bounds=bounds)
    return NonsmoothProblem(f"quantile-{n}", fun, np.zeros(n), low)


def minimax_fit(n: int, m: int, seed: int) -> NonsmoothProblem:
    """Largest absolute residual of a linear model."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((m, n)) * 10 ** rng.uniform(-1, 1, n)
    b = a @ rng.standard_normal(n) + rng.uniform(-1, 1, m)

    def fun(x: Array) -> Pair:
        r = a @ x - b
        k = int(np.abs(r).argmax())
        return float(abs(r[k])), sign(r[k]) * a[k]

    one = -np.ones((m, 1))
    rows = np.vstack([np.hstack([a, one]), np.hstack([-a, one])])
    cost = np.append(np.zeros(n), 1.0)
    low = _program(cost, A_ub=rows, b_ub=np.append(b, -b), bounds=[(None, None)] * (n + 1))
    return NonsmoothProblem(f"minimax-{n}", fun, np.zeros(n), low)


def locations(new: int, old: int, dim: int, seed: int) -> NonsmoothProblem:
    """Weber's problem: new facilities near old ones and near each other, by distance."""
    rng = np.random.default_rng(seed)
    places = rng.standard_normal((old, dim)) * 10 ** rng.uniform(-1, 1, dim)
    weights = rng.random((new, old)) * (rng.random((new, old)) < 0.5)
    between = np.triu(rng.random((new, new)), 1)

    def fun(x: Array) -> Pair:
        points = x.reshape(new, dim)
        value, gradient = 0.0, np.zeros((new, dim))
        for others, costs, back in ((places, weights, False), (points, between, True)):
            away = points[:, None] - others
            length = np.linalg.norm(away, axis=2)
            value += float((costs * length).sum())
            pull = (costs / np.maximum(length, 1e-300))[:, :, None] * away
            gradient += pull.sum(axis=1) - (pull.sum(axis=0) if back else 0.0)
        return value, gradient.ravel()

    start = rng.standard_normal(new * dim)
    return NonsmoothProblem(f"locations-{new * dim}", fun, start, np.nan)


def hinge(n: int, m: int, seed: int) -> NonsmoothProblem:
    """Support vector machine with a small ridge."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((m, n)) * 10 ** rng.uniform(-1, 1, n)
    y = np.sign(a @ rng.standard_normal(n) + 2 * rng.standard_normal(m))

    def fun(w: Array) -> Pair:
        short = 1 - y * (a @ w)
        active = short > 0
        value = 0.5e-3 * float(w @ w) + float(short[active].sum()) / m
        return value, 1e-3 * w - (y * active) @ a / m

    return NonsmoothProblem(f"hinge-{n}", fun, np.zeros(n), np.nan)


def differences(n: int, order: int, weight: float, seed: int) -> NonsmoothProblem:
    """Total variation (order 1) or trend filtering (order 2) of a noisy signal."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 3, n)
    clean = np.sign(np.sin(4 * t)) if order == 1 else np.abs(((t + 0.5) % 1) - 0.5) * 4
    y = clean + 0.2 * rng.standard_normal(n)
    d = np.diff(np.eye(n), order, axis=0)

    def fun(u: Array) -> Pair:
        q = d @ u
        return 0.5 * float((u - y) @ (u - y)) + weight * float(np.abs(q).sum()), (
            u - y + weight * (sign(q) @ d)
        )

    return NonsmoothProblem(f"differences{order}-{n}", fun, y, np.nan)


def max_cut(n: int, seed: int) -> NonsmoothProblem:
    """Dual of the relaxation of the largest cut: an eigenvalue that many share."""
    rng = np.random.default_rng(seed)
    weights = np.triu((rng.random((n, n)) < 0.4) * rng.integers(1, 6, (n, n)), 1).astype(float)
    weights += weights.T
    laplacian = (np.diag(weights.sum(axis=1)) - weights) / 4

    def fun(u: Array) -> Pair:
        values, vectors = np.linalg.eigh(laplacian + np.diag(u))
        return float(n * values[-1] - u.sum()), n * vectors[:, -1] ** 2 - 1

    return NonsmoothProblem(f"max-cut-{n}", fun, np.zeros(n), np.nan)


def eigenvalue(n: int, size: int, largest: int, seed: int) -> NonsmoothProblem:
    """Sum of the largest eigenvalues of a matrix that is affine in the variables."""
    rng = np.random.default_rng(seed)
    matrices = rng.standard_normal((n + 1, size, size))
    matrices += matrices.transpose(0, 2, 1)
    # with both signs of the variables in the diagonal the sum has a minimum
    matrices[1:] -= np.trace(matrices[1:], axis1=1, axis2=2)[:, None, None] / size * np.eye(size)

    def fun(x: Array) -> Pair:
        values, vectors = np.linalg.eigh(matrices[0] + np.tensordot(x, matrices[1:], 1))
        top = vectors[:, -largest:]
        return float(values[-largest:].sum()), np.einsum("kij,il,jl->k", matrices[1:], top, top)

    return NonsmoothProblem(f"eigenvalue{largest}-{n}", fun, np.zeros(n), np.nan)


def assignment_dual(agents: int, jobs: int, seed: int) -> NonsmoothProblem:
    """Lagrangian dual of transport: prices of places, everyone takes the cheapest."""
    rng = np.random.default_rng(seed)
    costs = ((rng.random((agents, 1, 2)) - rng.random((1, jobs, 2))) ** 2).sum(axis=2)
    supply = agents / jobs

    def fun(p: Array) -> Pair:
        net = costs - p
        chosen = net.argmin(axis=1)
        value = -float(net[np.arange(agents), chosen].sum()) - supply * float(p.sum())
        return value, np.bincount(chosen, minlength=jobs) - supply

    flows = agents * jobs
    each = sp.kron(sp.eye_array(agents), np.ones((1, jobs)))
    place = sp.kron(np.ones((1, agents)), sp.eye_array(jobs))
    wanted = np.concatenate([np.ones(agents), np.full(jobs, supply)])
    equal = sp.vstack([each, place]).tocsc()
    low = -_program(costs.ravel(), A_eq=equal, b_eq=wanted, bounds=[(0, None)] * flows)
    return NonsmoothProblem(f"transport-{jobs}", fun, np.zeros(jobs), low)


def recourse(n: int, scenarios: int, seed: int) -> NonsmoothProblem:
    """Stocks ordered now, shortage and surplus paid for when demand is known."""
    rng = np.random.default_rng(seed)
    mix = rng.random((n, n)) / n + np.eye(n)
    demand = 10 * np.exp(0.5 * rng.standard_normal((scenarios, n)) @ mix)
    price, short, over = rng.uniform(1, 2, n), rng.uniform(3, 6, n), rng.uniform(0.1, 0.5, n)

    def fun(x: Array) -> Pair:
        rest = demand - mix @ x
        slope = np.where(rest > 0, short, -over)
        value = price @ x + (slope * rest).sum() / scenarios + 10 * -np.minimum(x, 0).sum()
        return float(value), price - slope.mean(axis=0) @ mix - 10 * (x < 0)

    return NonsmoothProblem(f"recourse-{n}", fun, np.full(n, 1.0), np.nan)


def absolute_penalty(n: int, m: int, ratio: float, seed: int) -> NonsmoothProblem:
    """Least squares of ill-conditioned columns with a sum of absolute values."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((m, n)) * ratio ** -rng.random(n)
    b = a[:, : n // 5] @ rng.standard_normal(n // 5) + 0.1 * rng.standard_normal(m)

    def fun(x: Array) -> Pair:
        r = a @ x - b
        return 0.5 * float(r @ r) + float(np.abs(x).sum()), r @ a + sign(x)

    return NonsmoothProblem(f"lasso-{n}", fun, rng.standard_normal(n), np.nan)


def membrane(m: int, weight: float) -> NonsmoothProblem:
    """A membrane of m x m points over an obstacle, by an exact penalty."""
    h = 1 / (m + 1)
    t = np.arange(1, m + 1) * h
    below = 0.4 - 2 * ((t[:, None] - 0.5) ** 2 + (t - 0.4) ** 2)

    def fun(x: Array) -> Pair:
        u = np.pad(x.reshape(m, m), 1)
        value, slopes = 0.0, np.zeros_like(u)
        for axis in (0, 1):
            q = np.diff(u, axis=axis)
            value += 0.5 * float((q * q).sum())
            slopes -= np.diff(q, axis=axis, prepend=0.0, append=0.0)
        short = below - u[1:-1, 1:-1]
        value += weight * h * h * float(short[short > 0].sum())
        return value, (slopes[1:-1, 1:-1] - weight * h * h * (short > 0)).ravel()

    return NonsmoothProblem(f"membrane-{m * m}", fun, np.zeros(m * m), np.nan)


def string(n: int) -> NonsmoothProblem:
    """A string over an obstacle, by an exact penalty."""
    h = 1 / (n + 1)
    below = 0.3 * np.sin(3 * np.pi * np.arange(1, n + 1) * h) - 0.1

    def fun(u: Array) -> Pair:
        d = np.diff(np.concatenate([[0.0], u, [0.0]])) / h
        v = below - u
        return 0.5 * h * float(d @ d) + 40 * h * float(v[v > 0].sum()), (
            -np.diff(d) - 40 * h * (v > 0)
        )

    return NonsmoothProblem(f"string-{n}", fun, np.zeros(n), np.nan)


def applied(seed: int = 0) -> list[NonsmoothProblem]:
    """All of them, with other data for each seed."""
    make: list[Callable[[], NonsmoothProblem]] = [
        lambda: tail_risk(10, 300, seed),
        lambda: tail_risk(30, 500, seed),
        lambda: tail_risk(60, 800, seed),
        lambda: quantile_fit(20, 300, 0.5, seed),
        lambda: quantile_fit(40, 500, 0.9, seed),
        lambda: quantile_fit(80, 600, 0.5, seed),
        lambda: minimax_fit(20, 200, seed),
        lambda: minimax_fit(70, 400, seed),
        lambda: locations(6, 30, 2, seed),
        lambda: locations(20, 40, 3, seed),
        lambda: hinge(30, 400, seed),
        lambda: hinge(80, 400, seed),
        lambda: differences(60, 1, 0.5, seed),
        lambda: differences(150, 1, 0.5, seed),
        lambda: differences(80, 2, 2.0, seed),
        lambda: max_cut(20, seed),
        lambda: max_cut(50, seed),
        lambda: eigenvalue(20, 15, 1, seed),
        lambda: eigenvalue(60, 25, 1, seed),
        lambda: eigenvalue(30, 20, 4, seed),
        lambda: assignment_dual(200, 20, seed),
        lambda: assignment_dual(500, 60, seed),
        lambda: recourse(25, 200, seed),
        lambda: absolute_penalty(60, 40, 100.0, seed),
        lambda: membrane(12, 60.0),
        lambda: string(200),
    ]
    return [each() for each in make]
