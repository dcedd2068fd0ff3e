"""Limited-memory BFGS with a weak Wolfe search.

Reference: J. Nocedal, S. J. Wright, *Numerical Optimization*, 2nd ed. (2006),
section 7.2.

Deviations, and why: products with the matrix are by its compact form, in fewer passes
over memory than the two-loop recursion takes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from smoothmin._check import require_integer, require_real
from smoothmin._protocol import Array, Method, Problem, Steps
from smoothmin.descent.compact import CompactMemory, CompactModel, is_curved
from smoothmin.descent.in_range import in_range
from smoothmin.descent.quasi_newton import Metric, descend


class LimitedMemory(CompactMemory, Metric):
    """The last ``memory`` pairs, scaled by the newest as in (7.20)."""

    rowwise = False
    _first: Array | None = None  # the diagonal of P, where it is not the identity

    def start(self, scales: Array) -> None:
        """Have ``P = diag(scales)^2``, in place of the identity, once there are pairs."""
        self._first = scales**2

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.scale = 1.0

    def update(
        self, s: Array, y: Array, cause: Array | None = None, gradient: Array | None = None
    ) -> None:
        """Keep the pair if its curvature is positive, dropping the oldest."""
        w = self._start_from(y)
        sy, yw = float(s.dot(y)), float(y.dot(w))
        if not is_curved(sy, yw, math.sqrt(s.dot(s)) * math.sqrt(max(yw, 0.0))):
            return
        self.append(s, w)
        self.set_products(self.products(y))
        self.scale = sy / yw

    def root(self, gradients: Array) -> Array:
        """A factor of the inner products ``G H G'``, as many columns as rows."""
        images = np.array([self.apply(g) for g in gradients])
        values, vectors = np.linalg.eigh(gradients @ images.T)
        root: Array = vectors * np.sqrt(np.maximum(values, 0.0))
        return root

    def apply(self, g: Array) -> Array:
        """``H g``."""
        return self.combine(self.products(g), g if self.fresh else self._start_from(g))

    def model(self) -> CompactModel:
        """``H^-1``."""
        return CompactModel(self, self._first)

    def _start_from(self, g: Array) -> Array:
        """``P g``."""
        return g if self._first is None else self._first * g


@dataclass(frozen=True)
class LBFGS(Method):
    """Limited-memory BFGS, with a line search that survives kinks.

    Parameters
    ----------
    memory : int, default 10
        Number of steps whose curvature is remembered.
    gtol : float, default 1e-6
        Converged when no element of the (projected) gradient is larger, in units of the
        first gradient's largest if that is less than 1.
    first_step : float, optional
        Length of the very first trial step. By default at most 1 along the gradient, and
        no longer than the larger of 1 and ``|x0|``.
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

    memory: int = 10
    gtol: float = 1e-6
    first_step: float | None = None
    scale: float | None = None

    def __post_init__(self) -> None:
        require_integer("memory", self.memory, 1)
        require_real("gtol", self.gtol, minimum=0)
        if self.first_step is not None:
            require_real("first_step", self.first_step, above=0, below=np.inf)
        if self.scale is not None:
            require_real("scale", self.scale, above=0, below=np.inf)

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        metric = LimitedMemory(problem.x0.size, self.memory)
        length = self.first_step or 0.0
        if self.scale is not None:  # who knows it knows the function's unit
            metric.scale = self.scale
            return descend(problem, metric, self.gtol, length=length)
        return in_range(problem, lambda inner: descend(inner, metric, self.gtol, length=length))
