"""Sequential quadratic programming whose programs gather gradients once there are kinks.

References: F. E. Curtis, T. Mitchell, M. L. Overton, "A BFGS-SQP method for nonsmooth,
nonconvex, constrained optimization and its evaluation using relative minimization profiles",
Optim. Methods Softw. 32 (2017); F. E. Curtis, M. L. Overton, "A sequential quadratic
programming algorithm for nonconvex, nonsmooth constrained optimization", SIAM J. Optim. 22
(2012); R. H. Byrd, J. Nocedal, R. A. Waltz, Optim. Methods Softw. 23 (2008).

Deviations, and why:

* Gradients are gathered from the points of steps, not drawn at random: on a function that has
  shown a kink lately, one to a smooth piece, with the distance at which its tangent meets the
  function (`tangents.py`). A trial that is not lower but raises the model is a gradient
  gathered, as in a bundle method.
* On functions that have shown none this is BFGS-SQP on the exact l1 merit function, with the
  second-order correction, and the gathering costs nothing.
* Each row has a penalty weight of its own, which follows the programs' multipliers below a
  price that is steered.
* Far tangents that hold a step up are replaced by gradients from the radius before a point is
  called stationary.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from smoothmin import _status
from smoothmin._check import require_real, require_settings
from smoothmin._method import Method
from smoothmin._protocol import Finish, Problem, Steps
from smoothmin._status import Status
from smoothmin.descent.rescaling import in_range
from smoothmin.sqp.program import Region
from smoothmin.sqp.run import SQPRun
from smoothmin.sqp.settings import SQPSettings
from smoothmin.sqp.tolerances import Tolerances


@dataclass(frozen=True)
class SQPGradientSampling(Method):
    """Sequential quadratic programming for smooth and kinked functions and constraints.

    What ``method=None`` means where there are constraints and a gradient, and what "SLSQP" and
    "trust-constr" run.

    Parameters
    ----------
    stationarity_tol : float, optional
        Largest norm of the least element of the hull of nearby gradients of the Lagrangian, in
        the objective's units, ...
    radius_tol : float, optional
        ... and largest distance of these gradients' points, for success. By default a millionth
        of the longest of the objective's gradients, and a hundred-millionth of the largest
        element that ``x`` has had; where the functions are smooth a predicted decrease that
        is negligible or invisible ends the run, too.
    fatol : float, optional
        Change of the function by a step between feasible points, or decrease that the program
        promises at one, that ends the run with success; none by default.
    gtol : float, optional
        Largest element of the Lagrangian's gradient at a feasible point, away from kinks, that ends
        the run with success, absolute; none by default.
    xtol : float, optional
        Length of a step between feasible points, away from kinks, that ends the run with success,
        absolute; none by default.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value.

    Notes
    -----
    No evaluation leaves the bounds or the linear constraints, once the start is moved to the
    nearest point that meets them; nonlinear constraints may be violated on the way. The
    result carries ``stationarity`` and ``radius``, and ``multipliers``. Status 9 says that a
    stationary point of the violation was found.

    Up to 2000 variables a dense matrix is kept, and an iteration costs O(n^2), and as much as
    the active constraints need; beyond, limited memory, and an iteration costs O(n) for each
    row.

    References
    ----------
    .. [1] F. E. Curtis, T. Mitchell, M. L. Overton, "A BFGS-SQP method for nonsmooth,
       nonconvex, constrained optimization and its evaluation using relative minimization
       profiles", Optim. Methods Softw. 32 (2017), :doi:`10.1080/10556788.2016.1208749`.
    .. [2] F. E. Curtis, M. L. Overton, "A sequential quadratic programming algorithm for
       nonconvex, nonsmooth constrained optimization", SIAM J. Optim. 22 (2012),
       :doi:`10.1137/090780201`.
    .. [3] R. H. Byrd, J. Nocedal, R. A. Waltz, "Steering exact penalty methods for nonlinear
       programming", Optim. Methods Softw. 23 (2008), :doi:`10.1080/10556780701394169`.

    Examples
    --------
    >>> import numpy as np
    >>> import smoothmin
    >>> fun = lambda x: (abs(x[0] - 2) + x[1] ** 2, np.array([np.sign(x[0] - 2), 2 * x[1]]))
    >>> disc = {"type": "ineq", "fun": lambda x: 1 - x @ x, "jac": lambda x: -2 * x}
    >>> res = smoothmin.minimize(fun, [0.0, 0.5], jac=True, method="sqp", constraints=disc)
    >>> res.success, bool(np.allclose(res.x, [1, 0], atol=1e-4))
    (True, True)
    """

    name: ClassVar[str] = "sqp"
    summary: ClassVar[str] = "SQP for constraints, across kinks, with a certificate"
    reference: ClassVar[str] = "Curtis, Mitchell, Overton (2017)"
    handles_bounds: ClassVar[bool] = True
    handles_constraints: ClassVar[bool] = True
    tolerances: ClassVar[tuple[str, ...]] = ("stationarity_tol", "radius_tol")

    stationarity_tol: float | None = None
    radius_tol: float | None = None
    fatol: float | None = None
    gtol: float | None = None
    xtol: float | None = None
    # no option: for benchmarks of its numbers and mechanisms
    settings: SQPSettings = field(
        default=SQPSettings(), repr=False, kw_only=True, metadata={"option": False}
    )

    def __post_init__(self) -> None:
        for name in ("stationarity_tol", "radius_tol", "fatol", "gtol", "xtol"):
            if getattr(self, name) is not None:
                require_real(name, getattr(self, name), minimum=0)
        require_settings(self.settings, SQPSettings)

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        region = Region(problem)
        start, met = region.nearest(problem.x0)
        if not met and problem.linear is not None:
            # thin sets have multipliers that are no distances, which a projection needs
            from smoothmin.constraints.feasibility import nearest

            start = nearest(problem.linear, problem.box, problem.x0)
        if not np.isfinite(start).all():
            where = "No point meets the bounds and the linear constraints"
            return Finish(Status.INFEASIBLE, _status.contradictory(where))
        certified = self.stationarity_tol, self.radius_tol
        tolerances = Tolerances(self.fatol, self.gtol, self.xtol)

        def steps(inner: Problem) -> Steps:
            return SQPRun(inner, region, *certified, tolerances, self.settings).steps()

        return (yield from in_range(problem.at(start), steps))
