"""Dense BFGS with a weak Wolfe search.

Reference: A. S. Lewis, M. L. Overton, "Nonsmooth optimization via quasi-Newton
methods", Math. Program. 141 (2013), Algorithm 2.1. The matrix is in `metrics.dense_bfgs`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from smoothmin._check import require_real, require_square
from smoothmin._method import Method
from smoothmin._protocol import Array, Problem, Steps
from smoothmin.descent.quasi_newton import descend
from smoothmin.descent.rescaling import in_range
from smoothmin.descent.tolerances import Tolerances
from smoothmin.linesearch.weak_wolfe import ARMIJO, require_constants
from smoothmin.metrics.dense_bfgs import InverseHessian
from smoothmin.metrics.newton import NewtonMetric, RootAt


@dataclass(frozen=True)
class BFGS(Method):
    """Dense BFGS, with a line search that survives kinks.

    Parameters
    ----------
    gtol : float, optional
        Converged as soon as the (projected) gradient is no larger, in its units.
        By default where the decrease that is left is negligible beside the last ones, or
        below what rounding and noise let values show.
    norm : float, default inf
        Order of the norm that ``gtol`` is for: the largest element by default.
    ftol : float, optional
        Converged as soon as a step gains no more, in units of the larger of 1 and the
        values' sizes, as in SciPy's "L-BFGS-B".
    fatol : float, optional
        The same in the values' own units, as in SciPy's "SLSQP".
    xtol : float, optional
        Converged as soon as a step is no longer, in the variables' units.
    xrtol : float, optional
        The same in units of ``xrtol + |x|``, as in SciPy's "BFGS".
    first_step : float, optional
        Length of the very first trial step. By default at most 1 along the gradient, and
        no longer than the larger of 1 and ``|x0|``.
    c1, c2 : float, optional
        The line search's constants, ``0 < c1 < c2 < 1``: shares of the slope that the
        decrease has to come to, and that the slope at the step's end may still have. By
        default 1e-4, and 0.5 without bounds, 0.9 with.
    hess_inv0 : array_like of shape (d, d), optional
        The first inverse Hessian, symmetric and positive definite, for all ``d`` variables,
        in place of one by the first step.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value.

    Notes
    -----
    The best plain choice up to about a thousand variables, on nonsmooth functions
    too, where it converges linearly to a kink without a certificate; see
    `GradientSamplingDescent` for one. An iteration costs O(n^2), and the matrix takes
    8 n^2 bytes; with more variables see `LBFGS`.

    References
    ----------
    .. [1] A. S. Lewis, M. L. Overton, "Nonsmooth optimization via quasi-Newton
       methods", Math. Program. 141 (2013), :doi:`10.1007/s10107-012-0514-2`.

    Examples
    --------
    >>> from scipy.optimize import rosen, rosen_der
    >>> import smoothmin
    >>> res = smoothmin.minimize(rosen, [-1.2, 1.0], jac=rosen_der, method="bfgs")
    >>> res.success, bool(res.fun < 1e-10)
    (True, True)
    """

    name: ClassVar[str] = "bfgs"
    summary: ClassVar[str] = "dense BFGS, weak Wolfe search; up to about a thousand variables"
    reference: ClassVar[str] = "Lewis, Overton (2013)"
    handles_bounds: ClassVar[bool] = True
    tolerances: ClassVar[tuple[str, ...]] = ("gtol",)
    hess_inv: ClassVar[Literal["array", "operator", "learnt"] | None] = "array"

    gtol: float | None = None
    norm: float = math.inf
    ftol: float | None = None
    fatol: float | None = None
    xtol: float | None = None
    xrtol: float | None = None
    first_step: float | None = None
    c1: float = ARMIJO
    c2: float | None = None
    hess_inv0: ArrayLike | None = None
    # of the user's Hessian, at each iterate
    root_at: RootAt | None = field(default=None, repr=False, metadata={"option": False})

    def __post_init__(self) -> None:
        self._tolerances.check()
        require_constants(self.c1, self.c2)
        if self.first_step is not None:
            require_real("first_step", self.first_step, above=0, below=np.inf)
        if self.hess_inv0 is not None:
            require_definite(self.hess_inv0)

    @property
    def _tolerances(self) -> Tolerances:
        return Tolerances(self.gtol, self.norm, self.ftol, self.fatol, self.xtol, self.xrtol)

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        metric = self._metric(problem)

        def steps(inner: Problem) -> Steps:
            tolerances, constants = self._tolerances, (self.c1, self.c2)
            length = self.first_step or 0.0
            return descend(inner, metric, tolerances, length=length, constants=constants)

        if self.hess_inv0 is None and self.root_at is None:
            return in_range(problem, steps)
        return steps(problem)  # who knows curvature knows the function's unit

    def _metric(self, problem: Problem) -> InverseHessian:
        """With what the user knows of it."""
        if self.root_at is not None:
            return NewtonMetric(problem.x0.size, self.root_at)
        metric = InverseHessian(problem.x0.size, growing=problem.box is not None)
        if self.hess_inv0 is not None:
            metric.begin_with(_of_free("hess_inv0", self.hess_inv0, problem))
        return metric


def require_definite(matrix: Any) -> None:
    """Raise unless it is symmetric and positive definite."""
    given = require_square("hess_inv0", matrix)
    try:
        np.linalg.cholesky(given)
    except np.linalg.LinAlgError:
        definite = False
    else:
        definite = bool(np.isfinite(given).all()) and np.allclose(given, given.T)
    if not definite:
        raise ValueError(f"hess_inv0 must be symmetric and positive definite, got {matrix!r:.80}")


def _of_free(name: str, matrix: Any, problem: Problem) -> Array:
    """Rows and columns of the variables that are not fixed."""
    given: Array = np.asarray(matrix, dtype=float)
    size = math.prod(problem.whole or problem.shape)
    if given.shape != (size, size):
        raise ValueError(f"{name} must have shape {(size, size)}, got {given.shape}")
    return given if problem.free is None else given[np.ix_(problem.free, problem.free)]
