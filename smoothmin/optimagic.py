"""Algorithms for optimagic, ``pip install smoothmin[optimagic]``: `DerivativeFree` and others.

Pass one of the classes, or an object of it with options, as ``algorithm`` of
`optimagic.minimize`:

    import optimagic as om
    from smoothmin.optimagic import GradientSampling

    om.minimize(fun, params, algorithm=GradientSampling(stopping_maxfun=5000))

Values are evaluated by optimagic's batch evaluator, on ``n_cores`` cores where the algorithm
asks for several points at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from optimagic import mark
from optimagic.optimization.algorithm import Algorithm, InternalOptimizeResult
from optimagic.typing import AggregationLevel

from smoothmin._minimize import minimize
from smoothmin._optimizer import Optimizer

if TYPE_CHECKING:
    from smoothmin.typing import Options

__all__ = ["LBFGS", "DerivativeFree", "GradientSampling"]


def _marked(name: str, *, needs_jac: bool, is_global: bool) -> Callable[[Any], Any]:
    """What optimagic knows of an algorithm."""
    known: Callable[[Any], Any] = mark.minimizer(
        name=f"smoothmin_{name}",
        solver_type=AggregationLevel.SCALAR,
        is_available=True,
        is_global=is_global,
        needs_jac=needs_jac,
        needs_hess=False,
        needs_bounds=False,
        supports_parallelism=not needs_jac,
        supports_bounds=True,
        supports_infinite_bounds=True,
        supports_linear_constraints=False,
        supports_nonlinear_constraints=False,
        disable_history=False,
    )
    return known


@dataclass(frozen=True)
class _Base(Algorithm):  # type: ignore[misc]
    """A method of smoothmin under optimagic's names of options.

    Parameters
    ----------
    stopping_maxfun, stopping_maxiter : int, optional
        Most evaluations and iterations.
    stopping_maxtime : float, optional
        Most seconds.
    seed : int, optional
        Of all randomness.
    n_cores : int, default 1
        Processes that evaluate.
    options : dict, optional
        The method's own options, see `smoothmin.show_options`.
    """

    method: ClassVar[str]

    stopping_maxfun: int | None = None
    stopping_maxiter: int | None = None
    stopping_maxtime: float | None = None
    seed: int | None = None
    n_cores: int = 1
    options: Options | None = None

    def _solve_internal_problem(self, problem: Any, x0: NDArray[Any]) -> InternalOptimizeResult:
        """Minimize, evaluating by optimagic."""
        limits: Options = {
            "maxfev": self.stopping_maxfun,
            "maxiter": self.stopping_maxiter,
            "maxtime": self.stopping_maxtime,
        }

        options: Options = {**limits, **(self.options or {})}
        bounds = _pairs(problem.bounds, x0.size)
        gradients = self.algo_info.needs_jac
        if gradients or self.n_cores == 1:
            res = minimize(
                problem.fun_and_jac if gradients else problem.fun,
                x0,
                method=self.method,
                jac=True if gradients else None,
                bounds=bounds,
                options=options,
                rng=self.seed,
            )
        else:
            run = Optimizer(x0, self.method, bounds=bounds, options=options, rng=self.seed)
            while not run.stop():
                points = run.ask()
                run.tell(points, problem.batch_fun(list(points), n_cores=self.n_cores))
            res = run.result
        return InternalOptimizeResult(
            x=res.x,
            fun=res.fun,
            jac=res.jac if gradients and np.isfinite(res.jac).all() else None,
            success=res.success,
            message=res.message,
            status=res.status,
            n_fun_evals=res.nfev,
            n_jac_evals=res.njev,
            n_iterations=res.nit,
        )


def _pairs(bounds: Any, size: int) -> list[tuple[float, float]] | None:
    """Optimagic's bounds; None without any."""
    lower, upper = bounds.lower, bounds.upper
    if lower is None and upper is None:
        return None
    low = np.full(size, -np.inf) if lower is None else lower
    high = np.full(size, np.inf) if upper is None else upper
    return list(zip(low, high, strict=True))


@_marked("derivative_free", needs_jac=False, is_global=False)
@dataclass(frozen=True)
class DerivativeFree(_Base):
    """Method "derivative-free": values alone, noise, kinks, many minima."""

    method: ClassVar[str] = "derivative-free"


@_marked("gradient_sampling", needs_jac=True, is_global=False)
@dataclass(frozen=True)
class GradientSampling(_Base):
    """Method "gradient-sampling": kinks, with gradients."""

    method: ClassVar[str] = "gradient-sampling"


@_marked("lbfgs", needs_jac=True, is_global=False)
@dataclass(frozen=True)
class LBFGS(_Base):
    """Method "lbfgs": many variables, with gradients."""

    method: ClassVar[str] = "lbfgs"
