"""The step of a trust region: least objective and violation of the models, steered.

References: R. Fletcher, *Practical Methods of Optimization* (1987), Section 14.4 (S l1 QP);
R. H. Byrd, J. Nocedal, R. A. Waltz, "Steering exact penalty methods for nonlinear programming",
Optim. Methods Softw. 23 (2008).

Deviations: models of constraints are quadratic, and the model problem, which costs no
evaluations, is solved as such, by a sequence of elastic quadratic programs: so a step follows
curved constraints and needs no second-order correction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from smoothmin._factors import MINOR, SMALL
from smoothmin._machine import SUMMED
from smoothmin._protocol import Array
from smoothmin.derivative_free.constrained.models import Models
from smoothmin.subproblems.elastic_qp import ElasticQP, Solution
from smoothmin.subproblems.trust_region import FAST_GROWTH, POOR

ROUNDS = 15
SETTLED = 1e-4  # share of the decrease so far that another round has to promise
FLAT = 1e-6  # least curvature, in units of the slopes
STEER = 0.3  # share of the best fall of the violation that a step has to bring


@dataclass(frozen=True)
class Walls:
    """Bounds and linear rows of a step, in units of the radius."""

    low: Array
    high: Array
    rows: Array
    room: Array


@dataclass(frozen=True)
class PenaltyStep:
    """A step, what the models say of it, and the multipliers of the sides.

    Parameters
    ----------
    step : ndarray (n,)
    decrease : float
        Of the merit ``f + price * sum(weight * max(0, c))``, by the models.
    price : float
    multipliers : ndarray (k,)
    hard_multipliers : ndarray
        Of the linear rows.
    """

    step: Array
    decrease: float
    price: float
    multipliers: Array
    hard_multipliers: Array


def merit(values: Array, price: float, weight: Array) -> float:
    """``f + price * sum(weight * max(0, c))`` for values (1 + k,)."""
    return float(values[0] + price * (weight @ np.maximum(values[1:], 0.0)))


def steered_step(
    models: Models, walls: Walls, price: float, weight: Array, dearest: float, allowed: Array
) -> PenaltyStep:
    """The step for the least price, from ``price`` on, that lowers the violation enough.

    Violations (k,) that are ``allowed`` are none: no price would end them.
    """
    found = _least(models, walls, price, weight, 1.0)
    if not len(weight):
        return found

    def violation(d: Array) -> float:
        return float(weight @ np.maximum(models.at(d)[1:] - allowed, 0.0))

    before = violation(np.zeros_like(found.step))
    least = np.inf
    # a multiplier has all of the price, but for rounding, where a row is not met for it
    while found.price < dearest and (found.multipliers >= (1 - SMALL) * found.price * weight).any():
        left = violation(found.step)
        if left <= MINOR * before:
            break
        if least == np.inf:
            least = violation(_least(models, walls, 1.0, weight, 0.0).step)
        if before - left >= STEER * (before - least) and left <= max(least, before):
            break
        found = _least(models, walls, min(FAST_GROWTH * found.price, dearest), weight, 1.0)
    return found


def _least(models: Models, walls: Walls, price: float, weight: Array, share: float) -> PenaltyStep:
    """A local minimum of the merit of the models, the objective taken ``share`` times."""
    n, k = models.slopes.shape[1], len(weight)
    d, y, hard = np.zeros(n), np.zeros(k), np.zeros(len(walls.rows))
    groups = np.concatenate([np.arange(k), np.full(len(hard), k)])
    caps = np.append(price * weight, np.inf)
    warm: Solution | None = None
    now = _merit_at(models, d, price, weight, share)
    start, damping = now, 0.0
    for _ in range(ROUNDS):
        slopes = models.slopes_at(d)
        c = models.at(d)[1:]
        hessian = share * models.hessians[0] + np.tensordot(y, models.hessians[1:], 1)
        hessian, root = _convex(hessian, share * slopes[0], damping)
        room = np.maximum(walls.room - walls.rows @ d, 0.0)
        qp = ElasticQP(
            root, share * slopes[0], np.concatenate([slopes[1:], walls.rows]),
            np.concatenate([-c, room]), groups, caps,
            np.minimum(walls.low - d, 0.0), np.maximum(walls.high - d, 0.0),
        )  # fmt: skip
        warm = qp.solve() if warm is None else qp.solve(warm.multipliers, warm.bounds)
        y, hard = warm.multipliers[:k], warm.multipliers[k:]
        move = warm.step
        linear = float(
            share * slopes[0] @ move
            + price * (weight @ (np.maximum(c + slopes[1:] @ move, 0) - np.maximum(c, 0)))
        )
        hope = -linear - 0.5 * float(move @ hessian @ move)
        if not hope > SETTLED * (start - now) or not hope > SUMMED * abs(now):
            break
        t, lower = 1.0, now
        for _ in range(8):
            lower = _merit_at(models, d + t * move, price, weight, share)
            if lower < now - POOR * t * hope:
                break
            t *= 0.5
        else:
            damping = max(FAST_GROWTH * damping, POOR)
            continue
        damping = 0.0 if t == 1 else damping
        d, now = d + t * move, lower
    return PenaltyStep(d, start - now, price, y, hard)


def _merit_at(models: Models, d: Array, price: float, weight: Array, share: float) -> float:
    values = models.at(d)
    return float(share * values[0] + price * (weight @ np.maximum(values[1:], 0.0)))


def _convex(hessian: Array, slope: Array, damping: float) -> tuple[Array, Array]:
    """With the sizes of its eigenvalues for these, and a root of the inverse."""
    curvature, axes = np.linalg.eigh(hessian)
    largest = max(float(np.abs(curvature).max()), FLAT * float(np.abs(slope).max()), 1e-300)
    curvature = np.maximum(np.abs(curvature), FLAT * largest) + damping * largest
    return (axes * curvature) @ axes.T, axes / np.sqrt(curvature)
