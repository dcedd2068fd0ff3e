"""Dense BFGS with a weak Wolfe search.

References: A. S. Lewis, M. L. Overton, "Nonsmooth optimization via quasi-Newton
methods", Math. Program. 141 (2013), Algorithm 2.1; J. Nocedal, S. J. Wright,
*Numerical Optimization*, 2nd ed. (2006), (6.17) and (6.20); K. W. Brodlie, A. R.
Gourlay, J. Greenstadt, "Rank-one and rank-two corrections to positive definite
matrices expressed in product form", J. Inst. Math. Appl. 11 (1973).

Deviation: the inverse Hessian is kept as a product H = J J', updated by a rank-one
change of J. In exact arithmetic that is (6.17); in floating point H stays positive
definite, which it does not otherwise on kinks, where its condition number grows
without bound. For steps that were bent by bounds the inverse of J is kept as well. What
is known of products with J is not computed again where J is large.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.linalg.blas import dgemv, dger

from smoothmin._check import require_real
from smoothmin._protocol import Array, Method, Problem, Steps
from smoothmin.descent.quasi_newton import Metric, descend
from smoothmin.descent.square_factor import SquareFactor

DRIFT = 1e-4  # part of a step that the inverse may miss before it is computed anew


class InverseHessian(Metric):
    """H = J J' with a dense square J."""

    def __init__(self, n: int) -> None:
        self._j: SquareFactor | None = None
        self._scales = np.ones(n)
        self._here: tuple[Array, Array] | None = None  # the last g to be applied to, and J'g
        self._mixed: tuple[Array, Array] | None = None  # likewise, of gradients mixed
        self._inverse: Array | None = None  # of J, once it has been needed

    @property
    def fresh(self) -> bool:
        """Whether H is still the identity."""
        return self._j is None

    def reset(self) -> None:
        """Back to the identity."""
        self._j = self._here = self._mixed = self._inverse = None

    def start(self, scales: Array) -> None:
        """Begin with ``diag(scales)^2``, in place of the identity, at the next update."""
        self._scales = scales

    def apply(self, g: Array) -> Array:
        """``H g``."""
        if self._j is None:
            return g.copy()
        if self._here is None or self._here[0] is not g:
            self._here = g, self._j.image(g)
        return self._j.expand(self._here[1])

    def apply_to_mix(self, mix: Array, image: Array) -> Array:
        """``H mix``."""
        if self._j is None or not self._j.large:
            return self.apply(mix)
        self._mixed = mix, image
        return self._j.expand(image)

    def root(self, gradients: Array) -> Array:
        """``gradients @ J``."""
        return gradients if self._j is None else self._j.images(gradients)

    def update(
        self, s: Array, y: Array, cause: Array | None = None, gradient: Array | None = None
    ) -> None:
        """Change J by ``s v'`` so that J J' becomes (6.17).

        ``v = (sqrt(s'y) u / |u| - J'y) / s'y`` with ``u = J^-1 s``, which is known but
        for its length when ``s`` is a step along ``-H cause``.
        """
        sy = float(s.dot(y))
        if not 0 < sy < math.inf:
            return
        if self._j is None:
            # the first matrix scaled to the curvature just seen, (6.20)
            image = self._scales * y
            scale = math.sqrt(sy / float(image.dot(image)))
            if not 0 < scale < np.inf:
                return
            self._j = SquareFactor(self._scales * scale)
            u = s / self._scales
        elif cause is None:
            try:
                u = self._preimage(self._j.dense(), s)
            except np.linalg.LinAlgError:  # what J has lost to rounding is lost
                self.reset()
                return
        else:
            u = -self._image_of_cause(self._j, cause)
        image_there, image_of_change = self._images(self._j, y, gradient)
        factor = math.sqrt(sy) / math.sqrt(u.dot(u))
        v = (factor * u - image_of_change) / sy
        self._here = self._mixed = None
        if not math.isfinite(v.sum()):
            self.reset()
            return
        self._j.change(s, v)
        if gradient is not None and image_there is not None:
            self._here = gradient, image_there + float(s @ gradient) * v
        if self._inverse is not None:  # by Sherman and Morrison, with 1 + v'u = 1 / factor
            row = dgemv(1.0, self._inverse, v, trans=1)
            self._inverse = dger(-factor, u, row, a=self._inverse, overwrite_a=1)

    def _image_of_cause(self, j: SquareFactor, cause: Array) -> Array:
        """``J'cause``."""
        for known in (self._here, self._mixed):
            if known is not None and known[0] is cause:
                return known[1]
        return j.image(cause)

    def _images(
        self, j: SquareFactor, y: Array, gradient: Array | None
    ) -> tuple[Array | None, Array]:
        """``J'gradient``, which the next direction takes, and ``J'y``, known by it.

        After a step that meets the Wolfe condition ``J'y`` is no shorter than half of what
        it is the difference of, so nothing is lost to rounding.
        """
        if j.large and gradient is not None and self._here is not None:
            before, image_before = self._here
            if np.array_equal(gradient - before, y):
                image = j.image(gradient)
                return image, image - image_before
        return None, j.image(y)

    def _preimage(self, j: Array, s: Array) -> Array:
        """``J^-1 s``, by the inverse for as long as it is one."""
        for _ in range(2):
            if self._inverse is None:
                self._inverse = np.asfortranarray(np.linalg.inv(j))
            u: Array = dgemv(1.0, self._inverse, s)
            rest = s - dgemv(1.0, j, u)
            # one correction makes up for what the inverse has lost, if that is little
            if float(rest @ rest) <= DRIFT**2 * float(s @ s):
                u += dgemv(1.0, self._inverse, rest)
                return u
            self._inverse = None
        return np.asarray(np.linalg.solve(j, s), dtype=float)


@dataclass(frozen=True)
class BFGS(Method):
    """Dense BFGS, with a line search that survives kinks.

    Parameters
    ----------
    gtol : float, default 1e-6
        Converged when no element of the (projected) gradient is larger, in units of the
        first gradient's largest if that is less than 1.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value.

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
