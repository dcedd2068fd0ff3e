"""Sums of squares from the residuals' values alone: a trust region with a model of each.

References: H. Zhang, A. R. Conn, K. Scheinberg, "A derivative-free algorithm for least-squares
minimization", SIAM J. Optim. 20 (2010); C. Cartis, L. Roberts, "A derivative-free
Gauss-Newton method", Math. Program. Comput. 11 (2019); S. M. Wild, "Solving derivative-free
nonlinear least squares problems with POUNDERS" (2017) for quadratics of least Frobenius norm;
M. J. D. Powell's NEWUOA (2006) for the radii.

Losses with kinks are linear programs of the residuals' linear models, cf. R. Fletcher, E. Sainz
de la Maza, "Nonlinear programming and nonsmooth optimization by successive linear
programming", Math. Program. 43 (1989).

Deviations: the models begin linear, with ``n + 1`` points, and gain a point with every
evaluation until they are determined; second derivatives of the residuals are used only while
they predict decreases better than the Gauss-Newton model does.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from smoothmin._check import require_real, require_scale
from smoothmin._factors import SHORTEST, SMALL
from smoothmin._method import Method
from smoothmin._noise import DOUBTFUL, NOISE_FLOOR, measure_noise
from smoothmin._noisy_differences import BEST
from smoothmin._protocol import Answers, Array, Ask, Finish, Iterate, Problem, Steps
from smoothmin._scale import typical_scale
from smoothmin._status import Status
from smoothmin._verdict import SHORT
from smoothmin.derivative_free.constrained.models import NEAR
from smoothmin.derivative_free.interpolating_descent import RESOLVED
from smoothmin.residuals.losses import LINEAR, Loss
from smoothmin.residuals.result import Ended
from smoothmin.subproblems.linear_program import linear_program_step
from smoothmin.subproblems.trust_region import EXCELLENT, POOR, boxed_step, next_radius


class ResidualModels:
    """Points, their residuals, and the quadratics of least Hessian through them.

    Coordinates are in units of the trust region's radius around the best point.
    """

    def __init__(self, points: Array, residuals: Array, loss: Loss) -> None:
        self.points, self.residuals, self._loss = points, residuals, loss
        self.values: Array = np.array([loss.cost(row) for row in residuals])

    @property
    def best(self) -> int:
        """Number of the lowest point."""
        return int(self.values.argmin())

    @property
    def x(self) -> Array:
        """The lowest point."""
        best: Array = self.points[self.best]
        return best

    def fit(self, radius: float) -> ResidualFit:
        """The models, in units of ``radius`` around the lowest point."""
        z = (self.points - self.x) / radius
        k, n = z.shape
        matrix = np.zeros((k + n + 1, k + n + 1))
        matrix[:k, :k] = 0.5 * (z @ z.T) ** 2
        matrix[:k, k] = matrix[k, :k] = 1.0
        matrix[:k, k + 1 :] = z
        matrix[k + 1 :, :k] = z.T
        try:
            inverse = np.linalg.inv(matrix)
        except np.linalg.LinAlgError:
            inverse = np.linalg.pinv(matrix)
        return ResidualFit(z, inverse, self.residuals, self.best, radius)

    def distances(self) -> Array:
        """From the lowest point."""
        found: Array = np.linalg.norm(self.points - self.x, axis=1)
        return found

    def put(self, k: int | None, x: Array, residuals: Array) -> None:
        """A new point: in the place of another, or one more."""
        if k is None:
            self.points = np.concatenate([self.points, x[None]])
            self.residuals = np.concatenate([self.residuals, residuals[None]])
            self.values = np.append(self.values, self._loss.cost(residuals))
        else:
            self.points[k], self.residuals[k] = x, residuals
            self.values[k] = self._loss.cost(residuals)

    def drop(self, k: int) -> None:
        """One point less."""
        self.points = np.delete(self.points, k, axis=0)
        self.residuals = np.delete(self.residuals, k, axis=0)
        self.values = np.delete(self.values, k)


@dataclass(frozen=True)
class ResidualFit:
    """The models of all residuals by one inverse: their weights differ, not their system."""

    z: Array
    inverse: Array
    residuals: Array
    best: int
    radius: float

    @property
    def jacobian(self) -> Array:
        """(m, n) at the lowest point, per radius."""
        k = len(self.z)
        found: Array = (self.inverse[k + 1 :, :k] @ self.residuals).T
        return found

    def bending(self, slopes: Array) -> Array:
        """The residuals' second derivatives, (n, n), weighted by the loss's ``slopes``."""
        k = len(self.z)
        weights = self.inverse[:k, :k] @ (self.residuals @ slopes)
        found: Array = (self.z * weights[:, None]).T @ self.z
        return found

    def lagrange(self, k: int) -> tuple[Array, Array]:
        """Gradient and Hessian of the Lagrange function of a point, at the lowest."""
        count = len(self.z)
        column = self.inverse[:, k]
        return column[count + 1 :], (self.z * column[:count, None]).T @ self.z

    def lagrange_at(self, z: Array) -> Array:
        """All Lagrange functions at a point: how much of it each point's place is worth."""
        w = np.concatenate([0.5 * (self.z @ z) ** 2, [1.0], z])
        found: Array = (self.inverse @ w)[: len(self.z)]
        return found


@dataclass(frozen=True)
class ModelGaussNewton(Method):
    """Minimize a loss of residuals, the rows of the answers, from values alone.

    Parameters
    ----------
    loss : Loss
    scale : float or array_like of shape (d,), optional
        First radius, as `ModelDescent`'s.
    xtol : float, default 1e-8
        Last radius, in units of the scale.
    """

    name: ClassVar[str] = "model-gauss-newton"
    handles_bounds: ClassVar[bool] = True
    handles_constraints: ClassVar[bool] = True
    tolerances: ClassVar[tuple[str, ...]] = ("xtol",)

    loss: Loss = LINEAR
    scale: ArrayLike | None = None
    xtol: float = 1e-8

    def __post_init__(self) -> None:
        require_scale("scale", self.scale, optional=True)
        require_real("xtol", self.xtol, above=0, below=1)

    @property
    def needs_gradient(self) -> bool:
        """Never."""
        return False

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        scale = typical_scale(problem, "scale", self.scale)
        return _ModelRun(problem, self.loss, scale, self.xtol, rng).run()


class _ModelRun:
    """One run, in coordinates divided by the scale."""

    def __init__(
        self, problem: Problem, loss: Loss, scale: Array, xtol: float, rng: np.random.Generator
    ) -> None:
        self._problem, self._loss, self._scale, self._rng = problem, loss, scale, rng
        n = problem.x0.size
        self._low, self._high = np.full(n, -np.inf), np.full(n, np.inf)
        if problem.box is not None:
            self._low, self._high = problem.box[0] / scale, problem.box[1] / scale
        self._delta = self._rho = min(1.0, 0.5 * float((self._high - self._low).min()))
        self._last_rho = self._rho * xtol
        self._bends = False  # whether second derivatives have predicted better
        # of the last steps: errors of the predicted decreases, these, and what changed
        self._errors: list[tuple[float, float, float]] = []
        # of all steps since the models were begun: errors of predicted decreases, and lengths
        self._tried: list[tuple[float, float]] = []
        self._floor = np.inf  # the lowest value when the models were last begun anew
        self._most = (n + 1) * (n + 2) // 2

    def run(self) -> Steps:
        """Minimize."""
        start = yield from self._first(self._problem.x0 / self._scale)
        if isinstance(start, Finish):
            return start
        self._models = start
        while True:
            models = self._models
            fit = models.fit(self._delta)
            yield self._iterate(fit)
            step, predicted = self._step(fit)
            length = float(np.linalg.norm(step)) * fit.radius
            if models.values.min() == 0:
                return Finish(Status.CONVERGED, "All residuals are zero.", criterion=Ended.GTOL)
            if not predicted > self._problem.unit * float(models.values.min()):
                length = 0.0  # whatever was gained could not be seen
            ratio = -1.0
            if length >= 0.5 * self._rho:
                ratio = yield from self._try(fit, step, predicted, length)
            else:
                self._resize(SHORTEST * self._delta)
            if ratio < POOR:
                end = yield from self._after_failure(ratio, length)
                if end is not None:
                    return end

    def _first(self, x: Array) -> Generator[Ask, Answers, ResidualModels | Finish]:
        """A point, and a step along every axis."""
        x = np.clip(x, self._low, self._high)
        rho = self._rho
        up = np.minimum(self._high - x, rho)
        steps = np.where(up >= 0.5 * rho, up, -np.minimum(x - self._low, rho))
        points = np.concatenate([x[None], x + np.diag(steps)])
        answers = yield Ask(self._outward(points), 0)
        assert answers.rows is not None
        if not np.isfinite(answers.rows[0]).all():
            return Finish(Status.NONFINITE, "Residuals at the start are not finite.")
        finite = np.isfinite(answers.rows).all(axis=1)
        if not finite.all():
            self._rho = self._delta = SHORTEST * rho
            return (yield from self._first(x))
        return ResidualModels(points, answers.rows.copy(), self._loss)

    def _iterate(self, fit: ResidualFit) -> Iterate:
        """The lowest point, with the models' Jacobian in the user's units."""
        jacobian = fit.jacobian / (fit.radius * self._scale)
        info: dict[str, Any] = {"radius": self._delta, "residual_jacobian": jacobian}
        return Iterate(self._outward(self._models.x), float(self._models.values.min()), **info)

    def _step(self, fit: ResidualFit) -> tuple[Array, float]:
        """The model's minimizer, and the decrease it predicts."""
        x, residuals = self._models.x, fit.residuals[fit.best]
        low, high = (self._low - x) / fit.radius, (self._high - x) / fit.radius
        if self._loss.kinked:
            step = linear_program_step(fit.jacobian, residuals, self._loss.sides, low, high)
            return step, self._loss.cost(residuals) - self._loss.cost(
                residuals + fit.jacobian @ step
            )
        gradient, hessian = self._quadratic(fit, self._bends)
        step = boxed_step(gradient, hessian, 1.0, low, high)
        return step, -float(gradient @ step + 0.5 * step @ hessian @ step)

    def _quadratic(self, fit: ResidualFit, bends: bool) -> tuple[Array, Array]:
        """Gradient and Hessian of the loss of the models, Gauss-Newton's unless ``bends``."""
        residuals, jacobian = fit.residuals[fit.best], fit.jacobian
        slopes = self._loss.slopes(residuals)
        hessian = (jacobian * self._loss.bends(residuals)[:, None]).T @ jacobian
        return jacobian.T @ slopes, hessian + fit.bending(slopes) if bends else hessian

    def _try(
        self, fit: ResidualFit, step: Array, predicted: float, length: float
    ) -> Generator[Ask, Answers, float]:
        """Evaluate at the step's end; the ratio of actual to predicted decrease."""
        models = self._models
        f = float(models.values.min())
        x = np.clip(models.x + fit.radius * step, self._low, self._high)
        residuals = yield from self._residuals(x)
        if residuals is None:
            self._resize(SHORTEST * min(self._delta, length))
            return -1.0
        actual = f - self._loss.cost(residuals)
        self._errors = [*self._errors[-2:], (abs(actual - predicted), predicted, abs(actual))]
        self._tried.append((abs(actual - predicted), length))
        self._compare(fit, step, actual)
        ratio = actual / predicted
        self._resize(next_radius(self._delta, length, min(ratio, EXCELLENT)))  # near as a rule
        self._take(fit, x, step, residuals)
        return ratio

    def _compare(self, fit: ResidualFit, step: Array, actual: float) -> None:
        """Which of the two models predicted better."""
        if self._loss.kinked:
            return
        errors = []
        for bends in (False, True):
            gradient, hessian = self._quadratic(fit, bends)
            errors.append(abs(actual + float(gradient @ step + 0.5 * step @ hessian @ step)))
        self._bends = errors[1] < errors[0]

    def _take(self, fit: ResidualFit, x: Array, step: Array, residuals: Array) -> None:
        """One point more, and the one that is worth least, of far ones, less."""
        models = self._models
        models.put(None, x, residuals)
        if len(models.values) > self._most:
            place = np.abs(fit.lagrange_at(step))
            far = np.maximum(
                1.0, np.linalg.norm(models.points[:-1] - models.x, axis=1) / self._delta
            )
            score = place * far**4
            score[fit.best] = 0.0 if models.best == fit.best else score[fit.best]
            models.drop(int(score.argmax()))

    def _after_failure(self, ratio: float, length: float) -> Generator[Ask, Answers, Finish | None]:
        """Bring a far point near, or make the radius smaller, or end."""
        models = self._models
        distances = models.distances()
        far = int(distances.argmax())
        while distances[far] > 10 * self._delta and len(models.values) > models.x.size + 1:
            rest = np.delete(models.points, far, axis=0) - models.x
            if np.linalg.matrix_rank(rest / self._delta, tol=SHORT) < models.x.size:
                break
            models.drop(far)
            distances = models.distances()
            far = int(distances.argmax())
        if distances[far] > NEAR * self._delta and len(models.values) <= models.x.size + 1:
            yield from self._improve(far)
            return None
        if ratio > 0 or max(self._delta, length) > RESOLVED * self._rho:
            return None
        if self._rho <= self._last_rho:
            message = f"Nothing lower within xtol: radius {self._rho:.3g} of the scale."
            return Finish(Status.CONVERGED, message, criterion=Ended.XTOL)
        noise = yield from self._noise()
        if noise > 0:
            if models.values.min() < self._floor - noise:
                return (yield from self._begin_anew(noise))
            message = f"Predicted decreases are below the noise, {noise:.3g}."
            return Finish(Status.CONVERGED, message, noise=noise, criterion=Ended.FTOL)
        share = self._rho / self._last_rho  # Powell's (2009) rule for the last two
        new = self._last_rho if share <= 16 else SHORTEST * self._rho
        if 16 < share <= 250:
            new = math.sqrt(self._rho * self._last_rho)
        self._delta, self._rho = max(0.5 * self._rho, new), new
        return None

    def _begin_anew(self, noise: float) -> Generator[Ask, Answers, Finish | None]:
        """Points about the lowest one, as far away as differences are best in noise.

        What predictions missed is at least the curvature that the models do not have.
        """
        curvature = min((wrong + noise) / length**2 for wrong, length in self._tried)
        width = 0.5 * float((self._high - self._low).min())
        best = min(BEST * math.sqrt(noise / (2 * curvature)), width)
        self._floor, self._errors, self._tried = float(self._models.values.min()), [], []
        self._delta = self._rho = max(best, self._rho)
        found = yield from self._first(self._models.x)
        if isinstance(found, Finish):
            return found
        self._models = found
        return None

    def _noise(self) -> Generator[Ask, Answers, float]:
        """The noise, if errors of predictions suggest it and what changes is lost in it."""
        if self._rho > SMALL or not self._errors:
            return 0.0
        wrong, size, change = np.mean(self._errors, axis=0)
        if wrong < DOUBTFUL * size:
            return 0.0
        x = self._outward(self._models.x)
        noise = yield from measure_noise(self._problem, x, self._scale, self._rng)
        return noise if NOISE_FLOOR * noise > change else 0.0

    def _improve(self, k: int) -> Generator[Ask, Answers, None]:
        """Move a far point to where the others say least."""
        models = self._models
        radius = max(min(SHORTEST * float(models.distances()[k]), 0.5 * self._delta), self._rho)
        fit = models.fit(radius)
        slope, hessian = fit.lagrange(k)
        low, high = (self._low - models.x) / radius, (self._high - models.x) / radius
        largest, x = 0.0, None
        for sign in (1.0, -1.0):
            step = boxed_step(sign * slope, sign * hessian, 1.0, low, high)
            size = abs(float(slope @ step + 0.5 * step @ hessian @ step))
            if size > largest:
                largest, x = size, np.clip(models.x + radius * step, self._low, self._high)
        if x is None:
            return
        residuals = yield from self._residuals(x)
        if residuals is not None:
            models.put(k, x, residuals)

    def _residuals(self, x: Array) -> Generator[Ask, Answers, Array | None]:
        answers = yield Ask(self._outward(x[None]), 0)
        assert answers.rows is not None
        row: Array = answers.rows[0]
        return row if np.isfinite(row).all() else None

    def _resize(self, delta: float) -> None:
        self._delta = delta if delta > RESOLVED * self._rho else self._rho

    def _outward(self, points: Array) -> Array:
        return self._problem.clip(points * self._scale)
