"""Dense BFGS with a weak Wolfe search.

Reference: A. S. Lewis, M. L. Overton, "Nonsmooth optimization via quasi-Newton
methods", Math. Program. 141 (2013), Algorithm 2.1. The matrix is in `metrics.dense_bfgs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from smoothmin._check import require_real
from smoothmin._method import Method
from smoothmin._protocol import Problem, Steps
from smoothmin.descent.quasi_newton import descend
from smoothmin.descent.rescaling import in_range
from smoothmin.metrics.dense_bfgs import InverseHessian


@dataclass(frozen=True)
class BFGS(Method):
    """Dense BFGS, with a line search that survives kinks.

    Parameters
    ----------
    gtol : float, optional
        Converged as soon as no element of the (projected) gradient is larger, in its units.
        By default where the decrease that is left is negligible beside the last ones, or
        below what rounding and noise let values show.

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

    gtol: float | None = None

    def __post_init__(self) -> None:
        if self.gtol is not None:
            require_real("gtol", self.gtol, minimum=0)

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        metric = InverseHessian(problem.x0.size, growing=problem.box is not None)
        return in_range(problem, lambda inner: descend(inner, metric, self.gtol))
