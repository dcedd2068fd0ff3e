"""`FitResult`: what `least_squares` has found, that prints what matters first."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from smoothmin._result import Result, Rows, gradient_in_words, in_words


class Ended(IntEnum):
    """What a converged fit has ended by, in SciPy's numbers."""

    GTOL = 1
    FTOL = 2
    XTOL = 3
    BOTH = 4


NAMES = {
    Ended.GTOL: "the gradient is within gtol, or nothing is left",
    Ended.FTOL: "a gain is within ftol, or noise",
    Ended.XTOL: "a step or the radius is within xtol",
    Ended.BOTH: "both ftol and xtol are met",
    0: "a limit",
    -2: "callback",
}
ADVICE = {
    0: "a larger max_nfev, or the same call with x as x0",
    -3: "a start where all residuals are finite",
    -4: "another start, or `x_scale` nearer to how far parameters move",
}


class FitResult(Result):
    """What `least_squares` has found: SciPy's fields, with a longer print.

    Attributes
    ----------
    x : ndarray, or blocks as ``x0``
        The parameters with the lowest cost.
    cost : float
        The loss there; half of the sum of squares with ``loss="linear"``.
    fun : ndarray, shape (m,)
        The residuals there.
    jac : ndarray, shape (m, n)
        Their Jacobian there; from values alone the models', and NaN where there is none yet.
    grad : ndarray, shape (n,)
        The gradient of the cost.
    optimality : float
        The largest element of the gradient, without what pushes against bounds; of a loss with
        kinks the norm of the shortest combination of gradients around, NaN if it is not known.
    active_mask : ndarray of int, shape (n,)
        Which parameters are at a bound, -1 at the lower, 1 at the upper one.
    nfev : int
        Calls of ``fun``, those of differences included.
    njev : int
        Calls of ``jac``.
    nit : int
        Iterations.
    status : int
        As SciPy's: 1 the gradient is within ``gtol``, 2 a gain within ``ftol``, or below what noise
        lets values show, 3 a step or the trust region within ``xtol``, 4 both of these, 0 a limit,
        -2 a callback; else the negative of `Result`'s.
    message : str
        What ended the run, and by which quantity.
    success : bool
        Whether it has converged.
    method : str
        The method that ran.
    noise : float
        Standard deviation of the cost's noise, if it was seen.
    n_nonfinite : int
        Points with residuals that were not finite, if there were any.
    n_failed : int
        Evaluations that raised, with ``on_error="nan"``.
    first_failure : str
        The traceback of the first of these.
    allvecs : list
        Every iterate, with ``return_all``.
    history : History
        What was evaluated, with ``history``.
    """

    if TYPE_CHECKING:
        cost: float
        fun: NDArray[np.float64]  # type: ignore[assignment]
        grad: NDArray[np.float64]
        optimality: float
        active_mask: NDArray[np.int_]
        noise: float

    _first = (*Result._first, "cost")

    def _status_name(self) -> str:
        return NAMES.get(self["status"], "no fit")

    def _found(self) -> Rows:
        return [
            ("cost", in_words(self.cost)),
            ("x", in_words(self.x)),
            ("fun", f"{in_words(self.fun)}  (the residuals)"),
            ("jac", gradient_in_words(self.jac)),
        ]

    def _advice(self) -> str:
        return "" if self["success"] else ADVICE.get(self["status"], "")
