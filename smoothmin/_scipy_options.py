"""What the options on SciPy's pages mean here, one `Meaning` each.

`smoothmin._scipy_names` says which of them each name has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from smoothmin._check import as_numbers, require_integer, require_limit, require_real
from smoothmin._machine import EPS, SUMMED
from smoothmin._protocol import Problem
from smoothmin._scale import FIRST_STEP, typical_scale
from smoothmin._verdict import NEGLIGIBLE

FINAL_RADIUS = "final_radius"  # stands for ``xtol`` until the scale is known


@dataclass(frozen=True, slots=True)
class Meaning:
    """How one of SciPy's options is taken.

    Parameters
    ----------
    option : str or None
        The option here that it sets; None if there is none.
    text : str
        How it is taken, or why not.
    default : object
        SciPy's own, which asks for nothing that is not done: no warning.
    warns : bool
        Whether another value is warned of.
    convert : callable, optional
        ``convert(value, problem)`` is the value here, None for the method's own.
    check : callable, optional
        ``check(name, value)`` raises for what it cannot be here, by the name that was given.
    """

    option: str | None
    text: str
    default: Any = None
    warns: bool = False
    convert: Callable[[Any, Problem], Any] | None = None
    check: Callable[[str, Any], None] | None = None

    def asks(self, value: Any) -> bool:
        """Whether a value is another than SciPy's default."""
        try:
            return not np.array_equal(value, self.default)
        except (TypeError, ValueError):
            return True


def same(option: str, text: str = "") -> Meaning:
    """An option that is taken as it is, by this name here."""
    return Meaning(option, "the same" + (f": {text}" if text else ""))


def ignored(reason: str, default: Any = None) -> Meaning:
    """An option that is not taken, with a warning unless the value is SciPy's default."""
    return Meaning(None, f"not taken, with a warning: {reason}", default, warns=True)


def needless(reason: str) -> Meaning:
    """An option whose purpose is met whatever it says."""
    return Meaning(None, f"nothing to do: {reason}")


def violation_of(ftol: float) -> float | None:
    """The violation that SLSQP's ``ftol`` lets pass, where that is less than usual.

    No less than what rounding leaves of rows that are met.
    """
    return max(ftol, SUMMED) if ftol < NEGLIGIBLE else None


def _unless_negative(value: Any, problem: Problem) -> Any:
    """TNC's way to ask for a default."""
    return None if value < 0 else value


def _positive(value: Any, problem: Problem) -> bool:
    return bool(value > 0)


def _a_count(name: str, value: Any) -> None:
    require_integer(name, value, 1)


def _a_limit(name: str, value: Any) -> None:
    require_limit(name, value, 1)


def _a_length(name: str, value: Any) -> None:
    require_real(name, value, above=0, below=np.inf)


def _not_negative(name: str, value: Any) -> None:
    require_real(name, value, minimum=0)


def _mean_step(value: Any, problem: Problem) -> Any:
    """Newton-CG's mean of a step's elements, as the length at which it surely is no larger.

    ``|s|_1 <= sqrt(n) |s|_2``, and it stops at ``|s|_1 <= n xtol``.
    """
    return value * np.sqrt(problem.x0.size)


def _simplex_scale(simplex: Any, problem: Problem) -> Any:
    """How far the vertices reach along each coordinate; along none, what is the largest of all."""
    width = np.ptp(as_simplex(simplex), axis=0)
    if not (width > 0).any():
        raise ValueError(f"initial_simplex must not be a point, got {simplex!r:.80}")
    return np.where(width > 0, width, width.max())


def as_simplex(simplex: Any) -> Any:
    """Vertices as rows, checked."""
    vertices = as_numbers("initial_simplex", simplex)
    if vertices.ndim != 2 or vertices.shape[0] != vertices.shape[1] + 1:
        raise ValueError(f"initial_simplex must have shape (n + 1, n), got {vertices.shape}")
    if not np.isfinite(vertices).all():
        raise ValueError(f"initial_simplex must be finite, got {simplex!r:.80}")
    return vertices


def _relative_radius(value: Any, problem: Problem) -> Any:
    """Powell's relative error of x, as a radius."""
    return value * max(1.0, float(np.abs(problem.x0).max(initial=0.0)))


def final_xtol(radius: Any, scale: Any, problem: Problem) -> float:
    """A final radius in the user's units as ``xtol``, in units of the scale."""
    size = float(np.max(typical_scale(problem, "scale", scale)))
    return float(np.clip(radius / size, EPS, FIRST_STEP))


_CONSTANTS = "the line search has constants of its own"
_NO_BARRIER = "there is no barrier"

GTOL = same("gtol", "absolute")
GRADIENT: dict[str, Meaning] = {
    "eps": same("eps", "absolute step of differences"),
    "finite_diff_rel_step": same("finite_diff_rel_step", "step of differences by |x|"),
}
SEARCH: dict[str, Meaning] = {"c1": same("c1"), "c2": same("c2")}
BFGS: dict[str, Meaning] = {
    "gtol": GTOL,
    "norm": same("norm", "order of the norm that gtol compares"),
    "xrtol": same("xrtol"),
    "hess_inv0": same("hess_inv0"),
    **GRADIENT,
    **SEARCH,
}
CG: dict[str, Meaning] = {
    "gtol": GTOL,
    "norm": BFGS["norm"],
    **GRADIENT,
    **SEARCH,
}
NEWTON_CG: dict[str, Meaning] = {
    "xtol": Meaning(
        "xtol",
        "xtol, the length of a step, by sqrt(n): there it is the mean of its elements",
        convert=_mean_step,
        check=_not_negative,
    ),
    "eps": ignored("no product with the Hessian is estimated", EPS**0.5),
    **SEARCH,
}
LBFGSB: dict[str, Meaning] = {
    "maxcor": Meaning("memory", "memory", check=_a_count),
    "ftol": same("ftol"),
    "gtol": GTOL,
    **GRADIENT,
    "maxfun": Meaning("maxfev", "maxfev, never one more", check=_a_limit),
    "maxls": ignored("a line search ends where it sees that it fails", 20),
    "iprint": needless("disp decides, as in SciPy, whose iprint is deprecated"),
}
TNC: dict[str, Meaning] = {
    "ftol": Meaning("fatol", "fatol", convert=_unless_negative, check=require_real),
    "xtol": Meaning(
        "xtol", "xtol, the length of a step", convert=_unless_negative, check=require_real
    ),
    "gtol": Meaning("gtol", "gtol, absolute", convert=_unless_negative, check=require_real),
    **GRADIENT,
    "maxfun": LBFGSB["maxfun"],
    "scale": ignored("variables are scaled by what the run learns"),
    "offset": ignored("variables are scaled by what the run learns"),
    "mesg_num": Meaning("disp", "disp, if positive", convert=_positive, check=require_real),
    "maxCGit": ignored("no linear system is solved by iterations", -1),
    "eta": ignored(_CONSTANTS, -1),
    "stepmx": ignored("steps are as long as the line search finds them", 0),
    "accuracy": ignored("differences find their accuracy, or see finite_diff_rel_step", 0),
    "minfev": ignored("no lower bound of the values is used; to stop at one see f_target", 0),
    "rescale": ignored("values are not scaled", -1),
}
SLSQP: dict[str, Meaning] = {
    "ftol": Meaning(
        "fatol",
        "fatol: absolute; with constraints ctol, too, where it is less",
        check=_not_negative,
    ),
    **GRADIENT,
    "iprint": needless("disp decides, as in SciPy"),
}
TRUST_CONSTR: dict[str, Meaning] = {
    "gtol": GTOL,
    "xtol": same("xtol", "length of a step"),
    "finite_diff_rel_step": GRADIENT["finite_diff_rel_step"],
    "initial_tr_radius": Meaning("first_step", "first_step", check=_a_length),
    "verbose": Meaning("disp", "disp, if positive", convert=_positive, check=require_real),
    "barrier_tol": ignored(_NO_BARRIER, 1e-8),
    "sparse_jacobian": needless("whether Jacobians are sparse is seen"),
    "initial_constr_penalty": ignored("penalties are steered", 1.0),
    "initial_barrier_parameter": ignored(_NO_BARRIER, 0.1),
    "initial_barrier_tolerance": ignored(_NO_BARRIER, 0.1),
    "factorization_method": ignored("linear equalities are eliminated by reflections"),
}
# with constraints
TRUST_CONSTR_CONSTRAINED: dict[str, Meaning] = {
    **TRUST_CONSTR,
    "gtol": same("gtol", "of the Lagrangian's gradient, absolute"),
    "initial_tr_radius": ignored("the first step is as long as the gradient says", 1.0),
}
TRUST: dict[str, Meaning] = {
    "gtol": GTOL,
    "initial_trust_radius": Meaning("first_step", "first_step", check=_a_length),
    "max_trust_radius": ignored("steps are as long as the line search finds them", 1000.0),
    "eta": ignored(_CONSTANTS, 0.15),
    "inexact": ignored("no subproblem is solved by iterations", True),
    "subproblem_maxiter": ignored("no subproblem is solved by iterations"),
}
_RADIUS = "the final radius, absolute"
NELDER_MEAD: dict[str, Meaning] = {
    "xatol": Meaning(FINAL_RADIUS, _RADIUS, check=_not_negative),
    "fatol": ignored("the run ends where the radius is xatol and nothing around is lower", 1e-4),
    "adaptive": needless("the model adapts to the number of variables"),
    "initial_simplex": Meaning(
        "scale", "its width is the scale, its first vertex the start", convert=_simplex_scale
    ),
}
POWELL: dict[str, Meaning] = {
    "xtol": Meaning(
        FINAL_RADIUS,
        "the final radius by max(1, |x0|)",
        convert=_relative_radius,
        check=_not_negative,
    ),
    "ftol": ignored("the run ends where the radius is xtol and nothing around is lower", 1e-4),
    "direc": ignored("the model has no set of directions; see scale for how far to step"),
}
COBYLA: dict[str, Meaning] = {
    "rhobeg": Meaning("scale", "scale", check=_a_length),
    "tol": Meaning(FINAL_RADIUS, _RADIUS, check=_not_negative),
    "maxiter": Meaning("maxfev", "maxfev, which it means there", check=_a_limit),
    "catol": Meaning("ctol", "ctol, in units of max(1, |c|)", check=_not_negative),
}
COBYQA: dict[str, Meaning] = {
    "initial_tr_radius": Meaning("scale", "scale", check=_a_length),
    "final_tr_radius": Meaning(FINAL_RADIUS, _RADIUS, check=_not_negative),
    "feasibility_tol": Meaning("ctol", "ctol, in units of max(1, |c|)", check=_not_negative),
    "scale": needless("bounds give the scale"),
}
