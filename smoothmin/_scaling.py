"""The option ``x_scale``: a method shown the variables divided by their scales.

Methods with an option that says how far variables typically move are told the scale by it;
others run in ``z = x / x_scale``, as in SciPy's `least_squares`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from smoothmin._check import per_coordinate, require_scale
from smoothmin._domain import Domain
from smoothmin._estimate import ESTIMATE, CurvatureEstimate
from smoothmin._method import Method
from smoothmin._protocol import Answers, Array, Finish, Iterate, Multipliers, Problem, Rows, Steps
from smoothmin._reformulate import Reformulation, relay


def as_x_scale(value: Any, domain: Domain) -> Array | None:
    """A scale for each free variable; of ``x0``'s shape or structure, or one number for all."""
    if value is None:
        return None
    if domain.structure is not None and isinstance(value, dict):
        value = domain.structure.spread_by_key(value, "x_scale")
    if isinstance(value, (bool, str)):
        raise TypeError(f"x_scale must be a number or an array of numbers, got {value!r:.80}")
    require_scale("x_scale", value)
    size = domain.start.size
    if np.size(value) not in (1, size):
        raise ValueError(f"x_scale must be one number or {size} of them, got {np.size(value)}")
    return np.array(per_coordinate("x_scale", value, domain.size, domain.free))


def with_x_scale(
    method: Method, scale: Array | None, domain: Domain
) -> tuple[Method, Array | None]:
    """The method, told the scale if it has an option for it, else what to divide variables by.

    Raises
    ------
    ValueError
        For a method that is told its scale by an option of its own as well.
    NotImplementedError
        For methods whose operators depend on the variables' units.
    """
    if scale is None:
        return method, None
    name = method.scale_option
    if name is not None:
        if getattr(method, name) is not None:
            raise ValueError(f"x_scale and {name} must not both be given: they are the same")
        return method.with_options(**{name: whole_scale(scale, domain)}), None
    if not method.scalable:
        name = method.name or type(method).__name__
        raise NotImplementedError(
            f"x_scale is not known to method={name!r}, which compares variables with each other: "
            f"divide them in `fun`, or take another method"
        )
    return method, scale


def told_scale(method: Method, scale: Array) -> Method:
    """The method with the scale of the free variables, unless it has one or takes none."""
    name = method.scale_option
    if name is None or getattr(method, name) is not None:
        return method
    return method.with_options(**{name: scale})


def whole_scale(scale: Array, domain: Domain) -> Array:
    """One for each of the user's variables, fixed ones included."""
    if domain.free is None:
        return scale
    whole = np.ones(domain.start.size)
    whole[domain.free] = scale
    return whole


def with_scaled_metric(method: Method, scale: Array) -> Method:
    """The method with its first metric, if it has one, that of the scaled variables."""
    root_at = getattr(method, "root_at", None)
    if root_at is not None:
        return method.with_options(root_at=_ScaledRoot(root_at, scale))
    metric = getattr(method, "hess_inv0", None)
    if metric is None:
        return method
    given = np.asarray(metric, dtype=float)
    if given.ndim != 2 or given.shape[0] != scale.size:
        raise NotImplementedError("x_scale and hess_inv0 cannot be given with fixed variables")
    return method.with_options(hess_inv0=given / np.outer(scale, scale))


@dataclass(frozen=True, eq=False)
class _ScaledRoot:
    """A root of the inverse Hessian in ``z = x / scale``."""

    root_at: Callable[[Array], Array | None]
    scale: Array

    def __call__(self, z: Array) -> Array | None:
        root = self.root_at(z * self.scale)
        return None if root is None else root / self.scale[:, None]


@dataclass(frozen=True, eq=False)
class Scaled(Method):
    """A method run in ``z = x / scale``.

    Parameters
    ----------
    build : callable
        ``build(problem)`` makes it for the problem in ``z``.
    scale : ndarray, shape (n,)
    """

    build: Callable[[Problem], Method]
    scale: Array

    handles_bounds = True

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Map points outward and answers inward."""
        s, box = self.scale, problem.box
        shown = replace(
            problem,
            x0=problem.x0 / s,
            box=None if box is None else (box[0] / s, box[1] / s),
            linear=_divided(problem.linear, s),
        )
        return relay(_ScaledView(problem, s), self.build(shown).run(shown, rng))


def _divided(rows: Rows | None, scale: Array) -> Rows | None:
    """Linear rows as rows of ``z``."""
    if rows is None or rows.matrix is None:
        return rows
    return dataclasses.replace(rows, matrix=rows.matrix * scale[None, :])


class _ScaledView(Reformulation):
    def __init__(self, problem: Problem, scale: Array) -> None:
        self._problem, self._scale = problem, scale

    def outward(self, points: Array) -> Array:
        """In the user's units, in the box for rounding, and the start as it is."""
        x = self._problem.clip(points * self._scale)
        same = (points == self._problem.x0 / self._scale).all(axis=1)
        return np.where(same[:, None], self._problem.x0, x)

    def inward(self, answers: Answers) -> Answers:
        """Slopes in units of the scale."""
        s, gradients, jacobians = self._scale, answers.gradients, answers.jacobians
        return Answers(
            answers.values,
            None if gradients is None else gradients * s,
            answers.rows,
            None if jacobians is None else jacobians * s,
            recalled=answers.recalled,
        )

    def iterate(self, message: Iterate) -> Iterate:
        """Where it is for the user."""
        x = self.outward(message.x[None])[0]
        grad = None if message.grad is None else message.grad / self._scale
        return Iterate(x, message.fun, grad, **self._info(message.info))

    def finish(self, message: Finish) -> Finish:
        """The last word, its estimates in the user's units."""
        return Finish(message.status, message.message, **self._info(message.info))

    def _info(self, info: dict[str, Any]) -> dict[str, Any]:
        estimate, told = info.get(ESTIMATE), info.get("multipliers")
        changed = dict(info)
        if isinstance(estimate, CurvatureEstimate):
            changed[ESTIMATE] = estimate.scaled(self._scale)
        if isinstance(told, Multipliers):
            box = told.box / self._scale
            changed["multipliers"] = dataclasses.replace(told, box=box)
        return changed
