"""`ConstrainedModel`: constraints from values alone.

References: M. J. D. Powell, "A direct search optimization method that models the objective and
constraint functions by linear interpolation", in: Advances in Optimization and Numerical
Analysis (1994); F. E. Curtis, M. L. Overton, "A sequential quadratic programming algorithm for
nonconvex, nonsmooth constrained optimization", SIAM J. Optim. 22 (2012).

The phases: models in a trust region (`trust_region.py`) come down fastest where functions are
smooth and variables few; where they end at no minimum, or variables are many, quadratic programs by
differences (`sqp_by_differences.py`) do. Where predictions fail at small radii by as much as slopes
change values there, and not for noise, there are kinks, across which slopes on both sides lead
(`slope_bundle.py`). What models end at is called a minimum only where values at fresh points are
what they predict, under noise so far away that it hides no change of slopes (`verification.py`).
Where neither predicts anything, polls follow, and a barrier on the violation that comes down
(`barrier_search.py`).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from smoothmin import _status
from smoothmin._check import require_real, require_scale
from smoothmin._machine import EPS
from smoothmin._method import Method
from smoothmin._protocol import Array, Finish, Problem, Steps
from smoothmin._scale import typical_scale
from smoothmin._status import Status
from smoothmin._verdict import NEGLIGIBLE, Knowledge, judge
from smoothmin.derivative_free.constrained.barrier_search import BarrierSearch
from smoothmin.derivative_free.constrained.linear_set import LinearSet
from smoothmin.derivative_free.constrained.slope_bundle import SlopeBundle
from smoothmin.derivative_free.constrained.sqp_by_differences import SQPByDifferences
from smoothmin.derivative_free.constrained.state import End, InterpolationState
from smoothmin.derivative_free.constrained.trust_region import TrustRegion
from smoothmin.derivative_free.constrained.verification import (
    around,
    as_predicted,
    distance,
    still_falling,
)
from smoothmin.derivative_free.model_descent import ModelDescent
from smoothmin.derivative_free.surface import MOST_CROSS_TERMS
from smoothmin.subproblems.trust_region import GROWTH

ROUNDS = 2  # of models and slopes in turn, and of verifications, the second by points of the first
UNDECIDED = Status.PRECISION, Status.INFEASIBLE
SETTLED = End.CONVERGED, End.NOISE
UNLIKE = "Values differ from what models predict by more than their noise, {:.3g}."
OPPOSITE = "No point meets the bounds and the linear constraints"
LEAST_VIOLATED = "The violation of the constraints is {:.3g} and cannot be lowered near by"
STILL_FALLING = "Values still fall beyond the best point: `fun` may be unbounded below."


@dataclass(frozen=True)
class ConstrainedModel(Method):
    """Minimize under constraints from values alone, with models of objective and constraints.

    Parameters
    ----------
    scale : float or array_like of shape (d,), optional
        How far variables typically move; the first radius is half of it. By default a fifth of
        the box's width, and without a box a tenth of the larger of 1 and ``|x0|``.
    xtol : float, optional
        Least radius, in units of the scale. By default 1e-8.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value.

    Notes
    -----
    Without constraints but bounds it is `ModelDescent`.
    One evaluation a step while models predict. Where they end at no minimum, and first where there
    are more than ten variables, `SQPGradientSampling` runs with gradients by differences, ``d + 1``
    evaluations each. Bounds and linear constraints hold at every point; a start beyond linear
    constraints is moved to the nearest point that meets them. Nonlinear ones are weighed by an
    exact penalty, whose price follows the multipliers. Where predictions fail, noise is measured,
    and models end at its level; by errors as large as what slopes make of the radius there are
    kinks (max, abs, norms), of the objective or of constraints, and slopes by differences at
    several points take their part, ``d + 1`` evaluations each. A point without a value of the
    objective or of a constraint (NaN) is one to turn back from. A step costs O(d^3) operations.

    ``res.multipliers`` are those of the last models.

    References
    ----------
    .. [1] M. J. D. Powell, "A direct search optimization method that models the objective and
       constraint functions by linear interpolation", in: Advances in Optimization and Numerical
       Analysis (1994), :doi:`10.1007/978-94-015-8330-5_4`.
    .. [2] F. E. Curtis, M. L. Overton, "A sequential quadratic programming algorithm for
       nonconvex, nonsmooth constrained optimization", SIAM J. Optim. 22 (2012),
       :doi:`10.1137/090780201`.

    Examples
    --------
    >>> from scipy.optimize import NonlinearConstraint
    >>> from smoothmin import minimize
    >>> disc = NonlinearConstraint(lambda x: x @ x, -float("inf"), 1)
    >>> res = minimize(lambda x: x[0] + abs(x[1]), [0.5, 0.3], method="constrained-model",
    ...                constraints=disc, rng=0)
    >>> res.success, res.x.round(4) + 0.0
    (True, array([-1.,  0.]))
    """

    name: ClassVar[str] = "constrained-model"
    summary: ClassVar[str] = "values alone, with constraints: models in a trust region, kinks"
    reference: ClassVar[str] = "Powell (1994); Curtis, Overton (2012)"
    handles_bounds: ClassVar[bool] = True
    scale_option: ClassVar[str | None] = "scale"
    handles_constraints: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True
    tolerances: ClassVar[tuple[str, ...]] = ("xtol",)

    scale: ArrayLike | None = None
    xtol: float | None = None

    def __post_init__(self) -> None:
        require_scale("scale", self.scale, optional=True)
        if self.xtol is not None:
            require_real("xtol", self.xtol, minimum=0, below=1)

    @property
    def needs_gradient(self) -> bool:
        """Never."""
        return False

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        if problem.linear is None and problem.nonlinear is None:
            return (yield from ModelDescent(self.scale, self.xtol).run(problem, rng))
        scale = typical_scale(problem, "scale", self.scale)
        xtol = NEGLIGIBLE if self.xtol is None else max(self.xtol, EPS)
        region = LinearSet.of(problem, scale)
        z = region.nearest(problem.x0 / scale)
        if z is None and problem.linear is not None:
            # thin sets have multipliers that are no distances, which a projection needs
            from smoothmin.constraints.feasibility import nearest

            z = nearest(problem.linear, problem.box, problem.x0) / scale
        if z is None or not np.isfinite(z).all():
            return Finish(Status.INFEASIBLE, _status.contradictory(OPPOSITE))
        state = InterpolationState.of(problem, scale, rng, region)
        programs = SQPByDifferences(problem, rng)
        if problem.x0.size > MOST_CROSS_TERMS:
            finish = yield from programs.run(problem.x0)
            if (finish.status not in UNDECIDED and not programs.noisy) or programs.x is None:
                return finish
            z = programs.x / scale
        finish = yield from _modelled(state, z, xtol, programs)
        if finish.status is Status.INFEASIBLE and programs.x is None:
            return (yield from programs.run(problem.x0))
        return finish


def _modelled(
    state: InterpolationState, z: Array, xtol: float, programs: SQPByDifferences
) -> Steps:
    """A descent along models from a point, and along slopes where these fail."""
    descent = TrustRegion(state, xtol)
    end = yield from descent.start(z)
    for _ in range(ROUNDS):
        if end is None:
            end = yield from descent.run()
        if end is End.NONFINITE:
            return Finish(Status.NONFINITE, _status.NO_FINITE_SAMPLE)
        if end is End.UNBOUNDED:
            return Finish(Status.NONFINITE, _status.UNBOUNDED)
        if end in SETTLED and not state.coarse and (yield from _verified(descent)):
            return (yield from _conclude(state, None if end is End.NOISE else descent.knows))
        if not state.coarse and (programs.x is None or end in SETTLED):
            finish = yield from programs.run(state.lowest)
            if finish.status.success and not programs.noisy:
                return finish
            assert programs.x is not None
            yield from state.evaluate(programs.x[None] / state.scale)
        if not state.rounded and not state.coarse:
            message = UNLIKE.format(state.noise[0])
            return Finish(Status.PRECISION, message, **state.told())
        slopes = SlopeBundle(state, xtol, programs.reach / state.scale)
        if not state.coarse and (yield from slopes.run()):
            return (yield from _conclude(state, slopes.knows))
        if not (yield from BarrierSearch(state).run()):
            break
        end = None
        descent.restart()
    message = _status.PLATEAU if state.coarse else End.STUCK.value + "."
    return Finish(Status.PRECISION, message, **state.told())


def _verified(descent: TrustRegion) -> Generator[Any, Any, bool]:
    """Whether values at fresh points are as predicted, if need be by models that know of some."""
    state = descent.state
    # as many points as a quadratic has coefficients, where noise is to be told from curvature
    more = 0 if state.rounded else state.scale.size // 2 + 1
    for _ in range(ROUNDS + more):
        assert descent.models is not None
        radius, knows = distance(state, descent.models), descent.knows
        while not state.rounded:  # slopes of points that are nearer are noise
            yield from around(state, descent.models, radius)
            descent.look_close(radius)
            nearer, radius = radius, distance(state, descent.models)
            if radius <= GROWTH * nearer:
                break
        right = yield from as_predicted(state, descent.models, radius)
        if descent.look_close(radius) and right:
            if not state.rounded and (yield from descent.goes_on_farther()):
                continue
            descent.knows = knows
            return True
        if (yield from descent.run()) not in SETTLED:
            break
    return False


def _conclude(state: InterpolationState, knows: Knowledge | None) -> Generator[Any, Any, Finish]:
    """The last word where nothing more is promised, or, without knowledge, below the noise."""
    told = state.told()
    values = state.bank.values[state.best()]
    if knows is None:
        message = f"Predicted decreases are below the noise, {state.noise[0]:.3g}."
        return Finish(Status.CONVERGED, message, **told)
    if not state.sides.met(values[None, 1:])[0]:
        worst = float(values[1:].max())
        message = _status.contradictory(LEAST_VIOLATED.format(worst))
        return Finish(Status.INFEASIBLE, message, **told)
    if (yield from still_falling(state)):
        return Finish(Status.PRECISION, STILL_FALLING, **told)
    return judge(knows, **told)
