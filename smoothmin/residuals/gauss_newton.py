"""Smooth losses of residuals with their Jacobian: a trust region, and what Gauss-Newton leaves out.

References: J. E. Dennis, D. M. Gay, R. E. Welsch, "An adaptive nonlinear least-squares
algorithm" (NL2SOL), ACM Trans. Math. Softw. 7 (1981), equation numbers are its; B. Triggs et
al., "Bundle adjustment - a modern synthesis" (2000), section 4.3, for robust losses.

Deviations: the trust region's subproblem is solved by eigenvectors, between bounds too; which
of the two models is used goes by the last step's prediction.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from smoothmin._check import require_real
from smoothmin._factors import MINOR
from smoothmin._method import Method
from smoothmin._protocol import Answers, Array, Ask, Finish, Iterate, Problem, Steps
from smoothmin._status import Status, nonfinite_start
from smoothmin._verdict import NEGLIGIBLE
from smoothmin.residuals.losses import LINEAR, Loss
from smoothmin.residuals.result import Ended
from smoothmin.subproblems.trust_region import boxed_step

POOR, GOOD = 0.25, 0.75  # ratios of actual to predicted decrease, SciPy's
SHRINK, GROW = 0.25, 2.0  # of the radius


@dataclass(frozen=True)
class GaussNewton(Method):
    """Minimize a smooth loss of residuals, the rows of the answers, by their Jacobians.

    Parameters
    ----------
    loss : Loss
    ftol, xtol, gtol : float or None, default 1e-8
        Converged when a step changes the loss, predicted and seen, by less than ``ftol`` of it;
        is shorter than ``xtol (xtol + |x|)``; or no element of the gradient, without what
        pushes against bounds, is larger than ``gtol``. None: not looked at.
    x_scale : "jac" or float or ndarray of shape (d,), default 1.0
        Lengths along the variables; "jac" the inverse of the Jacobian's columns, the largest
        so far.
    """

    name: ClassVar[str] = "gauss-newton"
    handles_bounds: ClassVar[bool] = True
    handles_constraints: ClassVar[bool] = True

    loss: Loss = LINEAR
    ftol: float | None = NEGLIGIBLE
    xtol: float | None = NEGLIGIBLE
    gtol: float | None = NEGLIGIBLE
    x_scale: Any = 1.0

    def __post_init__(self) -> None:
        for name in ("ftol", "xtol", "gtol"):
            if getattr(self, name) is not None:
                require_real(name, getattr(self, name), minimum=0)

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        return _GaussNewtonRun(self, problem).run()


@dataclass
class _Linearized:
    """A point, its residuals, and the gradient and Gauss-Newton Hessian of the loss."""

    x: Array
    f: float
    residuals: Array
    jacobian: Array
    slopes: Array
    gradient: Array


class _GaussNewtonRun:
    """One run; ``rest`` is what Gauss-Newton leaves out of the Hessian."""

    def __init__(self, options: GaussNewton, problem: Problem) -> None:
        self._options, self._problem, self._loss = options, problem, options.loss
        n = problem.x0.size
        self._rest, self._uses_rest = np.zeros((n, n)), False
        self._columns: Array = np.zeros(n)

    def run(self) -> Steps:
        """Minimize."""
        here = yield from self._at(self._problem.x0)
        if here is None:
            return Finish(Status.NONFINITE, nonfinite_start(np.nan))
        scale = self._scale(here)
        radius = float(np.linalg.norm(here.x / scale)) or 1.0
        yield self._iterate(here, radius)
        while True:
            pushed = self._problem.projected_gradient(here.x, here.gradient)
            largest = float(np.abs(pushed).max())
            if largest == 0 or (self._options.gtol is not None and largest <= self._options.gtol):
                message = f"The gradient is within gtol, {largest:.3g}."
                return Finish(Status.CONVERGED, message, criterion=Ended.GTOL)
            moved = yield from self._step(here, scale, radius)
            if isinstance(moved, Finish):
                return moved
            there, radius = moved
            if there is not None:
                here = there
                scale = self._scale(here)
                yield self._iterate(here, radius)

    def _step(
        self, here: _Linearized, scale: Array, radius: float
    ) -> Generator[Ask, Answers, tuple[_Linearized | None, float] | Finish]:
        """One trial: the new point, none if it is no better, and the radius after it."""
        gradient, hessian = self._model(here, scale, self._uses_rest)
        n = here.x.size
        box = self._problem.box or (np.full(n, -np.inf), np.full(n, np.inf))
        low, high = ((side - here.x) / scale for side in box)
        step = boxed_step(gradient, hessian, radius, low, high)
        predicted = -float(gradient @ step + 0.5 * step @ hessian @ step)
        if not predicted > 0:
            if self._uses_rest:  # Gauss-Newton's has always something to say
                self._uses_rest = False
                return None, radius
            return Finish(Status.PRECISION, "No decrease is predicted: rounding.")
        x = self._problem.clip(here.x + scale * step)
        there = yield from self._at(x)
        length = float(np.linalg.norm(step))
        actual = -np.inf if there is None else here.f - there.f
        ratio = actual / predicted
        end = self._met(here, x, predicted, actual, ratio)
        if end is not None:
            if there is not None and actual > 0:
                yield self._iterate(there, radius)  # type: ignore[misc]
            return end
        if ratio < POOR:
            radius = SHRINK * min(radius, length)
        elif ratio > GOOD and length > (1 - MINOR) * radius:
            radius *= GROW
        if there is not None:
            self._learn(here, there, scale, step, actual)
        return (there if actual > 0 else None), radius

    def _met(
        self, here: _Linearized, x: Array, predicted: float, actual: float, ratio: float
    ) -> Finish | None:  # fmt: skip
        """The end by a tolerance."""
        options, unit = self._options, self._problem.unit
        moved, size = float(np.linalg.norm(x - here.x)), float(np.linalg.norm(here.x))
        bar = 0.0 if options.ftol is None else options.ftol * here.f
        little = predicted < bar and actual < bar
        short = options.xtol is not None and moved < options.xtol * (options.xtol + size)
        if ratio > POOR and (little or short):
            reasons = [f"gains less than ftol: {actual:.3g}"] * little
            reasons += [f"is within xtol: {moved:.3g}"] * short
            criterion = Ended.BOTH if little and short else Ended.FTOL if little else Ended.XTOL
            message = f"A step {', and '.join(reasons)}."
            return Finish(Status.CONVERGED, message, criterion=criterion)
        if predicted <= unit * abs(here.f) and not actual > 0:
            message = "The decrease left is below what values show."
            criterion = Ended.XTOL if short and options.ftol is None else Ended.FTOL
            return Finish(Status.CONVERGED, message, criterion=criterion)
        if moved <= unit * size or np.array_equal(x, here.x):
            return Finish(Status.PRECISION, "Steps are as short as rounding, and go nowhere.")
        return None

    def _model(self, here: _Linearized, scale: Array, rest: bool) -> tuple[Array, Array]:
        """Gradient and Hessian in scaled variables."""
        jacobian = here.jacobian * scale
        bends = self._loss.bends(here.residuals)
        hessian = (jacobian * bends[:, None]).T @ jacobian
        if rest:
            hessian = hessian + self._rest * np.outer(scale, scale)
        return here.gradient * scale, hessian

    def _learn(
        self, here: _Linearized, there: _Linearized, scale: Array, step: Array, actual: float
    ) -> None:
        """Which model predicted better, and the update (2.4) to (2.7) of the rest."""
        errors = []
        for rest in (False, True):
            gradient, hessian = self._model(here, scale, rest)
            errors.append(abs(actual + float(gradient @ step + 0.5 * step @ hessian @ step)))
        self._uses_rest = errors[1] < errors[0]
        s = there.x - here.x
        change = there.gradient - here.gradient
        bends = self._loss.bends(there.residuals)
        curved = there.jacobian.T @ (bends * (there.jacobian @ s))
        wanted = (there.jacobian - here.jacobian).T @ there.slopes
        if self._loss.name != "linear":
            wanted = change - curved
        along = float(change @ s)
        if not along > 0:
            return
        sized = float(s @ self._rest @ s)
        if sized != 0:
            self._rest *= min(1.0, abs(float(s @ wanted) / sized))
        missing = wanted - self._rest @ s
        both = np.outer(missing, change)
        self._rest += (both + both.T) / along - float(missing @ s) / along**2 * np.outer(
            change, change
        )

    def _iterate(self, here: _Linearized, radius: float) -> Iterate:
        info: dict[str, Any] = {"radius": radius, "residual_jacobian": here.jacobian}
        return Iterate(here.x, here.f, here.gradient, **info)

    def _scale(self, here: _Linearized) -> Array:
        n = here.x.size
        if isinstance(self._options.x_scale, str):
            self._columns = np.maximum(self._columns, np.linalg.norm(here.jacobian, axis=0))
            return 1 / np.where(self._columns > 0, self._columns, 1.0)
        given = np.asarray(self._options.x_scale, dtype=float)
        whole = (
            given if self._problem.free is None or given.ndim == 0 else given[self._problem.free]
        )
        scale: Array = np.broadcast_to(whole, (n,))
        return scale

    def _at(self, x: Array) -> Generator[Ask, Answers, _Linearized | None]:
        """Evaluate; None where anything is not finite."""
        answers = yield Ask(x[None], 1)
        assert answers.rows is not None
        assert answers.jacobians is not None
        residuals, jacobian = answers.rows[0], answers.jacobians[0]
        if not (np.isfinite(residuals).all() and np.isfinite(jacobian).all()):
            return None
        slopes = self._loss.slopes(residuals)
        f = self._loss.cost(residuals)
        return _Linearized(x, f, residuals, jacobian, slopes, jacobian.T @ slopes)
