"""Dense BFGS with a weak Wolfe search.

References: A. S. Lewis, M. L. Overton, "Nonsmooth optimization via quasi-Newton
methods", Math. Program. 141 (2013), Algorithm 2.1; J. Nocedal, S. J. Wright,
*Numerical Optimization*, 2nd ed. (2006), (6.17) and (6.20).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.linalg.blas import dsymv, dsyr, dsyr2

from smoothmin._check import require_real
from smoothmin._protocol import Array, Method, Problem, Steps
from smoothmin.descent.quasi_newton import Metric, descend


class InverseHessian(Metric):
    """A dense symmetric H, of which the lower triangle is kept."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._h: Array | None = None

    @property
    def fresh(self) -> bool:
        """Whether H is still the identity."""
        return self._h is None

    def reset(self) -> None:
        """Back to the identity."""
        self._h = None

    def apply(self, g: Array) -> Array:
        """``H g``."""
        if self._h is None:
            return g.copy()
        out: Array = dsymv(1.0, self._h, g, lower=1)
        return out

    def update(self, s: Array, y: Array) -> None:
        """Two rank-two steps in place: (6.17) written out.

        H + (1 + y'Hy / s'y) ss'/s'y - (Hy s' + s y'H)/s'y
        """
        sy = float(s @ y)
        if not sy > 0 or not np.isfinite(sy):
            return
        if self._h is None:
            # the identity scaled to the curvature just seen, (6.20)
            self._h = np.asfortranarray(np.eye(self._n) * (sy / float(y @ y)))
        h = self._h
        hy = dsymv(1.0, h, y, lower=1)
        factor = (1.0 + float(y @ hy) / sy) / sy
        if not np.isfinite(factor):
            self._h = None
            return
        h = dsyr2(-1.0 / sy, hy, s, lower=1, a=h, overwrite_a=1)
        self._h = dsyr(factor, s, lower=1, a=h, overwrite_a=1)


@dataclass(frozen=True)
class BFGS(Method):
    """Dense BFGS, with a line search that survives kinks.

    Parameters
    ----------
    gtol : float, default 1e-6
        Converged when no element of the (projected) gradient is larger.

    Notes
    -----
    The best plain choice up to about a thousand variables, on nonsmooth functions
    too, where it converges linearly to a kink without a certificate; see
    `GradientSamplingDescent` for one. An iteration costs O(n^2).

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

    gtol: float = 1e-6

    def __post_init__(self) -> None:
        require_real("gtol", self.gtol, minimum=0)

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        return descend(problem, InverseHessian(problem.x0.size), self.gtol)
