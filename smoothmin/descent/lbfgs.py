"""Limited-memory BFGS with a weak Wolfe search.

Reference: J. Nocedal, S. J. Wright, *Numerical Optimization*, 2nd ed. (2006),
section 7.2. The matrix is in `metrics.lbfgs`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from smoothmin._check import require_integer, require_real
from smoothmin._method import Method
from smoothmin._protocol import Problem, Steps
from smoothmin.descent.quasi_newton import descend
from smoothmin.descent.rescaling import in_range
from smoothmin.descent.tolerances import Tolerances
from smoothmin.linesearch.weak_wolfe import ARMIJO, require_constants
from smoothmin.metrics.lbfgs import PAIRS, LimitedMemory


@dataclass(frozen=True)
class LBFGS(Method):
    """Limited-memory BFGS, with a line search that survives kinks.

    Parameters
    ----------
    memory : int, default 20
        Number of steps whose curvature is remembered.
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
    scale : float, optional
        The inverse curvature expected: H is at first this multiple of the identity.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value.

    Notes
    -----
    Every search keeps its lowest point, and a failed search is tried once more
    along the gradient. Bounds are handled by projection.

    References
    ----------
    .. [1] J. Nocedal, S. J. Wright, *Numerical Optimization*, 2nd ed., Springer
       (2006), section 7.2.
    .. [2] A. S. Lewis, M. L. Overton, "Nonsmooth optimization via quasi-Newton
       methods", Math. Program. 141 (2013), :doi:`10.1007/s10107-012-0514-2`.

    Examples
    --------
    >>> from scipy.optimize import rosen, rosen_der
    >>> import smoothmin
    >>> res = smoothmin.minimize(rosen, [-1.2, 1.0], jac=rosen_der, method="lbfgs")
    >>> res.success, bool(res.fun < 1e-10)
    (True, True)
    """

    name: ClassVar[str] = "lbfgs"
    summary: ClassVar[str] = "limited-memory BFGS, weak Wolfe search; smooth functions of any size"
    reference: ClassVar[str] = "Nocedal, Wright (2006)"
    handles_bounds: ClassVar[bool] = True
    tolerances: ClassVar[tuple[str, ...]] = ("gtol",)
    hess_inv: ClassVar[Literal["array", "operator", "learnt"] | None] = "operator"

    memory: int = PAIRS
    gtol: float | None = None
    norm: float = math.inf
    ftol: float | None = None
    fatol: float | None = None
    xtol: float | None = None
    xrtol: float | None = None
    first_step: float | None = None
    c1: float = ARMIJO
    c2: float | None = None
    scale: float | None = None

    def __post_init__(self) -> None:
        require_integer("memory", self.memory, 1)
        self._tolerances.check()
        require_constants(self.c1, self.c2)
        if self.first_step is not None:
            require_real("first_step", self.first_step, above=0, below=np.inf)
        if self.scale is not None:
            require_real("scale", self.scale, above=0, below=np.inf)

    @property
    def _tolerances(self) -> Tolerances:
        return Tolerances(self.gtol, self.norm, self.ftol, self.fatol, self.xtol, self.xrtol)

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        metric = LimitedMemory(problem.x0.size, self.memory)

        def steps(inner: Problem) -> Steps:
            tolerances, constants = self._tolerances, (self.c1, self.c2)
            length = self.first_step or 0.0
            return descend(inner, metric, tolerances, length=length, constants=constants)

        if self.scale is None:
            return in_range(problem, steps)
        metric.scale = self.scale
        return steps(problem)  # who knows it knows the function's unit
